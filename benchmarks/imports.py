"""What ``import lemmata`` costs after ``import torch``, and each part after that: milliseconds.

    python benchmarks/imports.py [--json PATH] [--processes N]

Medians over fresh processes, which take turns. The first line is torch alone, the second torch and lemmata as
a whole process would have them; the others were timed inside, after torch. Whether the machine has the files
in memory decides: the first round is left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

PARTS = ["smoothing", "simplex", "classification", "estimation", "geometry"]
CODE = """
import time
start = time.perf_counter()
import torch
middle = time.perf_counter()
{}
print(middle - start, time.perf_counter() - middle)
"""
CASES = {
    "torch": "",
    "lemmata": "import lemmata",
    **{f"lemmata.{part}": f"import lemmata.{part}" for part in PARTS},
    "all parts": "import lemmata; [getattr(lemmata, part) for part in lemmata.PARTS if part != 'verify']",
}


def seconds(code: str) -> tuple[float, float]:
    """Of torch, and of what follows."""
    run = subprocess.run(
        [sys.executable, "-c", CODE.format(code)], capture_output=True, text=True, check=True
    )
    before, after = map(float, run.stdout.split())
    return before, after


def measure(processes: int) -> list[dict[str, object]]:
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    for turn in range(processes + 1):
        for name, code in CASES.items():
            taken = seconds(code)
            if turn:
                times[name].append(taken)
    return [
        {
            "case": name,
            "torch_ms": statistics.median(before for before, _ in taken) * 1e3,
            "after_torch_ms": statistics.median(after for _, after in taken) * 1e3,
            "total_ms": statistics.median(sum(both) for both in taken) * 1e3,
        }
        for name, taken in times.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", help="write the records here")
    parser.add_argument("--processes", type=int, default=10)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{'case':26}{'torch ms':>10}{'then ms':>10}{'in all ms':>11}")
    for record in (records := measure(options.processes)):
        print(
            f"{record['case']:26}{record['torch_ms']:10.1f}{record['after_torch_ms']:10.1f}"
            f"{record['total_ms']:11.1f}"
        )
    print(f"load of the machine: {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"load": load, "records": records}, file, indent=1)


if __name__ == "__main__":
    main()
