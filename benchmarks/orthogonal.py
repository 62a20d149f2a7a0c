"""Haar-orthogonal initialisation beside torch's, on a CPU: time, and how orthogonal the result is.

    python benchmarks/orthogonal.py [--json PATH] [--rounds N] [--threads N] [--square]

Both draw the same Gaussian from the same seed, and give the same matrix to rounding. Cases are interleaved in
one process. The table has the median and the minimum, torch's time in units of each (of the medians, and of
the minima, which a busy machine disturbs less), and the Frobenius norm of the Gram matrix less the identity.
``--square`` adds 4096 x 4096, twice: a run takes seconds. Ratios carry over to machines with the same BLAS,
seconds do not.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from lemmata.geometry import gram_error, orthogonal_

SHAPES = [(16384, 256), (256, 16384), (65536, 128), (4096, 1024), (2048, 1024)]
SQUARE = (4096, 4096)
DTYPES = [torch.float32, torch.float64]
CASES: dict[str, Callable[..., Tensor]] = {
    "torch": torch.nn.init.orthogonal_,
    "lemmata": orthogonal_,
    "(drawing the Gaussian)": lambda tensor, generator: tensor.normal_(generator=generator),
}


def seconds(work: Callable[..., Tensor], tensor: Tensor) -> float:
    generator = torch.Generator().manual_seed(0)
    start = time.perf_counter()
    work(tensor, generator=generator)
    return time.perf_counter() - start


def departure(work: Callable[..., Tensor], tensor: Tensor) -> float:
    """The Frobenius norm of the smaller Gram matrix less the identity, in float64."""
    q = work(tensor, generator=torch.Generator().manual_seed(0)).double()
    return gram_error(q if q.shape[0] >= q.shape[1] else q.T).sqrt().item()


def measure(shape: tuple[int, int], dtype: torch.dtype, rounds: int) -> list[dict[str, object]]:
    """One record per case, timed round by round so that a slow second hits all alike."""
    tensor = torch.empty(shape, dtype=dtype)
    far = {name: departure(work, tensor) for name, work in CASES.items() if not name.startswith("(")}
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(rounds):
        for name, work in CASES.items():
            times[name].append(seconds(work, tensor))

    def ratio(summary: Callable[[list[float]], float], name: str) -> float:
        return summary(times["torch"]) / summary(times[name])

    return [
        {
            "case": name,
            "dtype": str(dtype).removeprefix("torch."),
            "shape": list(shape),
            "median_ms": statistics.median(taken) * 1e3,
            "min_ms": min(taken) * 1e3,
            "speedup_median": ratio(statistics.median, name),
            "speedup_min": ratio(min, name),
            "departure": far.get(name),
        }
        for name, taken in times.items()
    ]


def show(record: dict[str, object]) -> None:
    far = "" if record["departure"] is None else f"{record['departure']:12.2e}"
    speed = f"{record['speedup_median']:9.2f}{record['speedup_min']:9.2f}"
    print(f"{record['case']:24}{record['median_ms']:11.2f}{record['min_ms']:10.2f}{speed}{far}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", help="write the records here")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--square", action="store_true", help="4096 x 4096 in float32, too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = os.getloadavg()[0]
    records = []
    jobs = [(shape, dtype, options.rounds) for dtype in DTYPES for shape in SHAPES]
    for shape, dtype, rounds in jobs + [(SQUARE, torch.float32, 2)] * options.square:
        print(f"\n{shape}, {dtype}, {options.threads} thread(s), torch {torch.__version__}")
        print(f"{'case':24}{'median ms':>11}{'min ms':>10}{'torch/it':>9}{'by min':>9}{'departure':>12}")
        found = measure(shape, dtype, rounds)
        records += found
        for record in found:
            show(record)
    print(f"\nload of the machine: {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    if options.json:
        machine = {"torch": torch.__version__, "threads": options.threads, "load": load}
        with open(options.json, "w") as file:
            json.dump({**machine, "records": records}, file, indent=1)


if __name__ == "__main__":
    main()
