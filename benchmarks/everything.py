"""Run every script beside this one, each in a process of its own; what they find goes to results/<machine>/.

    python benchmarks/everything.py [--quick]    (make bench)

It takes about ten minutes on one thread. ``--quick`` sees whether each runs, and writes nothing.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from report import cpu_model, slug

HERE = Path(__file__).parent
SHARED = ("measure", "report", "everything", "gpu")  # the last is for another machine


def scripts() -> list[Path]:
    return sorted(path for path in HERE.glob("*.py") if path.stem not in SHARED)


def command(script: Path, quick: bool) -> list[str]:
    told = (
        ["--quick"]
        if quick
        else ["--json", str(HERE / "results" / slug(cpu_model()) / f"{script.stem}.json")]
    )
    return [sys.executable, str(script), *told]


def main() -> None:
    begin, every, quick = time.perf_counter(), scripts(), "--quick" in sys.argv[1:]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    for k, script in enumerate(every, start=1):
        print(f"\n[{k} of {len(every)}] {script.name}, {minutes(begin)} so far", flush=True)
        if subprocess.run(command(script, quick), env=one_thread).returncode:
            sys.exit(f"{script.name} failed")
    print(f"\nAll {len(every)} scripts took {minutes(begin)}.")


def minutes(begin: float) -> str:
    whole = round(time.perf_counter() - begin)
    return f"{whole // 60}:{whole % 60:02} minutes"


if __name__ == "__main__":
    main()
