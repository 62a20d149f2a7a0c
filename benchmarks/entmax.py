"""Time and error of entmax and its relatives, forward and backward, against softmax and the package entmax.

    python benchmarks/entmax.py [--json PATH] [--rounds N]

One thread, float32, cases interleaved, medians. The peers are of ``entmax==1.3`` (deep-spin) and are left out
where it is not installed; beside another environment, put a folder of it on PYTHONPATH
(``pip install --target peers --no-deps entmax==1.3``). Errors are against float64.
"""

import argparse
import ctypes
import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lemmata.simplex import entmax, sparsemax

SHAPES = [(512, 32_000), (4096, 1000)]
SCALES = [1.0, 10.0, 0.1]
UNITS = {1.5: "entmax 1.5", 2.0: "sparsemax"}  # in which peers of the same alpha are counted
Map = Callable[[Tensor], Tensor]
Maps = dict[str, tuple[float, Map]]  # by name, the alpha and the map


def peer_package() -> Any:
    """The package entmax, not this script, which has its name; None where there is none."""
    sys.path.remove(str(Path(__file__).parent))
    try:
        return importlib.import_module("entmax")
    except ImportError:
        return None


def keep_freed_memory() -> None:
    """Ask glibc to keep what is freed: page faults are a cost of the first steps, not of a map."""
    if sys.platform == "linux":
        trim_threshold, mmap_threshold = -1, -3  # malloc.h
        ctypes.CDLL(None).mallopt(trim_threshold, 2**30)
        ctypes.CDLL(None).mallopt(mmap_threshold, 2**25)


def cases(peer: Any) -> Maps:
    """Ours, and those of the package where it is there."""
    ours: Maps = {
        "torch.softmax": (1.0, lambda x: torch.softmax(x, -1)),
        "entmax 1": (1.0, lambda x: entmax(x, alpha=1.0)),
        "entmax 1.25": (1.25, lambda x: entmax(x, alpha=1.25)),
        "entmax 1.5": (1.5, entmax),
        "sparsemax": (2.0, sparsemax),
        "entmax 3": (3.0, lambda x: entmax(x, alpha=3.0)),
    }
    if peer is None:
        return ours
    return ours | {
        "peer entmax15 (sort)": (1.5, lambda x: peer.entmax15(x, -1)),
        "peer entmax15 (k=128)": (1.5, lambda x: peer.entmax15(x, 1, 128)),
        "peer entmax_bisect": (1.5, lambda x: peer.entmax_bisect(x, 1.5, -1)),
        "peer sparsemax (sort)": (2.0, lambda x: peer.sparsemax(x, -1)),
    }


def seconds(function: Map, x: Tensor, g: Tensor) -> tuple[float, float]:
    """The time of the forward pass, and that of both."""
    x.grad = None
    start = time.perf_counter()
    y = function(x)
    middle = time.perf_counter()
    y.backward(g)
    return middle - start, time.perf_counter() - start


def error(function: Map, alpha: float, x: Tensor) -> float:
    """The largest error of some rows, against float64."""
    some = x.detach()[:16]
    return (function(some).double() - entmax(some.double(), alpha=alpha)).abs().max().item()


def measure(maps: Maps, rows: int, n: int, scale: float, rounds: int) -> list[dict[str, object]]:
    """One record per case, timed round by round so that a slow second hits all alike."""
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(rows, n, generator=generator) * scale).requires_grad_()
    g = torch.randn(rows, n, generator=generator)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in maps}
    for turn in range(rounds + 1):
        for name, (_, function) in maps.items():
            taken = seconds(function, x, g)
            if turn:  # the first round warms up
                times[name].append(taken)
    medians = {
        name: [statistics.median(part) * 1e3 for part in zip(*t, strict=True)] for name, t in times.items()
    }
    return [
        {
            "case": name,
            "shape": [rows, n],
            "scale": scale,
            "forward_ms": medians[name][0],
            "both_ms": medians[name][1],
            "min_ms": min(both for _, both in times[name]) * 1e3,
            "ratio": medians[name][1] / medians[UNITS.get(alpha, name)][1],
            "error": error(function, alpha, x),
        }
        for name, (alpha, function) in maps.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", help="write the records here")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    maps, records = cases(peer_package()), []
    for rows, n in SHAPES:
        for scale in SCALES:
            print(f"\n({rows}, {n}), normal scores times {scale}, torch {torch.__version__}")
            print(f"{'case':24}{'forward ms':>11}{'both ms':>10}{'min ms':>9}{'ratio':>7}{'error':>9}")
            for record in measure(maps, rows, n, scale, options.rounds):
                records.append(record)
                print(
                    f"{record['case']:24}{record['forward_ms']:11.1f}{record['both_ms']:10.1f}"
                    f"{record['min_ms']:9.1f}{record['ratio']:7.1f}{record['error']:9.1e}",
                    flush=True,
                )
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"torch": torch.__version__, "threads": 1, "records": records}, file, indent=1)


if __name__ == "__main__":
    main()
