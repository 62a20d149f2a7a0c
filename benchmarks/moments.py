"""Moments of a stream beside a copy of it, and beside moments written out: time, and bytes a second.

    python benchmarks/moments.py [--json PATH] [--pieces N] [--threads N]

100 updates with a million float32 values each, N(0, 1) or N(1e6, 1): 20 pieces in memory, taken in turn. Each
case takes a piece before the next piece comes; medians, one process. A copy reads and writes what the others
read only. So "share" is what a case reads in a second, in units of what a copy moves in a second, both ways;
"read" is in units of what a copy reads. Shares carry over to machines with the same caches, seconds do not.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from lemmata.estimation import Moments

COUNT, KEPT = 10**6, 20


def written_out(x: Tensor) -> None:
    """Four moments in float64, of the piece as a whole."""
    d = x.double()
    d = d - d.mean()
    square = d * d
    square.mean(), (square * d).mean(), (square * square).mean()


def cases() -> dict[str, Callable[[Tensor], object]]:
    return {
        "copy": torch.empty(COUNT).copy_,
        "sum": torch.sum,
        "mean and variance (torch)": torch.var_mean,
        "four moments written out": written_out,
        "lemmata Moments": Moments.of(torch.empty(0)).update,
    }


def measure(offset: float, pieces: int) -> list[dict[str, object]]:
    stream = torch.randn(KEPT, COUNT, generator=torch.Generator().manual_seed(0)) + offset
    work = cases()
    times: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(pieces):
        for name, call in work.items():
            start = time.perf_counter()
            call(stream[turn % KEPT])
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    return [
        {
            "case": name,
            "offset": offset,
            "median_ms": median * 1e3,
            "gigabytes_read": 4e-9 * COUNT / median,
            "share": medians["copy"] / median / (1 if name == "copy" else 2),
            "read": medians["copy"] / median,
        }
        for name, median in medians.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", help="write the records here")
    parser.add_argument("--pieces", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load, records = os.getloadavg()[0], []
    for offset in (0.0, 1e6):
        print(f"\n{options.pieces} pieces of {COUNT:,} float32 values, N({offset:g}, 1)")
        print(f"{'case':28}{'median ms':>10}{'GB/s read':>11}{'share':>8}{'read':>8}")
        for record in (found := measure(offset, options.pieces)):
            print(
                f"{record['case']:28}{record['median_ms']:10.3f}{record['gigabytes_read']:11.2f}"
                f"{record['share']:8.3f}{record['read']:8.3f}"
            )
        records += found
    print(f"\nload of the machine: {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"torch": torch.__version__, "load": load, "records": records}, file, indent=1)


if __name__ == "__main__":
    main()
