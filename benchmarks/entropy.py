"""Time and error of entropy normalization: ours, a bisection in PyTorch, the search of scikit-learn's t-SNE.

    python benchmarks/entropy.py [--json PATH] [--rounds N]

One thread, cases interleaved, medians. Targets are perplexities of 30 over squared distances, self left out.
The error is the largest of the entropy, in nats, computed in float64. scikit-learn's search takes float32, is
compiled, stops at an error of 1e-5, and is private (``_binary_search_perplexity``).
"""

import argparse
import functools
import json
import math
import statistics
import time
from collections.abc import Callable

import sklearn
import torch
from sklearn.manifold._utils import _binary_search_perplexity
from torch import Tensor

from lemmata.simplex import entropy_normalize

SIZES = [300, 1000, 3000]
TARGET = math.log(30)
Search = Callable[[Tensor], Tensor]


def entropy_of(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(-1, keepdim=True)


def bisection(x: Tensor, halvings: int) -> Tensor:
    """Halvings of a wide bracket for log gamma, as on the chapter's page."""
    low, high = (torch.full_like(x[:, :1], end) for end in (-30.0, 30.0))
    for _ in range(halvings):
        middle = (low + high) / 2
        flat = entropy_of(torch.softmax(middle.exp() * x, -1)) > TARGET
        low, high = torch.where(flat, middle, low), torch.where(flat, high, middle)
    return torch.softmax(low.exp() * x, -1)


def by_sklearn(x: Tensor) -> Tensor:
    d2 = (-x).float().fill_diagonal_(0.0)
    return torch.tensor(_binary_search_perplexity(d2.numpy(), 30.0, 0))


def cases(n: int) -> dict[str, tuple[torch.dtype, Search]]:
    found: dict[str, tuple[torch.dtype, Search]] = {
        "entropy_normalize, float32": (torch.float32, lambda x: entropy_normalize(x, TARGET).probs),
        "entropy_normalize, float64": (torch.float64, lambda x: entropy_normalize(x, TARGET).probs),
        "sklearn's search": (torch.float32, by_sklearn),
    }
    for halvings in (60, 25) if n <= 1000 else ():
        for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
            found[f"{halvings} halvings, {name}"] = (dtype, functools.partial(bisection, halvings=halvings))
    return found


def measure(n: int, rounds: int) -> list[dict[str, object]]:
    """One record a case, timed round by round so that a slow second hits all alike."""
    points = torch.randn(n, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = -torch.cdist(points, points).square().fill_diagonal_(math.inf)
    times: dict[str, list[float]] = {name: [] for name in cases(n)}
    errors = {}
    for turn in range(rounds + 1):
        for name, (dtype, search) in cases(n).items():
            given = x.to(dtype)
            start = time.perf_counter()
            p = search(given)
            if turn:  # the first round warms up
                times[name].append(time.perf_counter() - start)
            q = p.double() / p.double().sum(-1, keepdim=True)
            errors[name] = (entropy_of(q) - TARGET).abs().max().item()
    medians = {name: 1e3 * statistics.median(taken) for name, taken in times.items()}
    return [
        {
            "case": name,
            "rows": n,
            "median_ms": median,
            "min_ms": 1e3 * min(times[name]),
            "ratio": median / medians["entropy_normalize, float32"],
            "error": errors[name],
        }
        for name, median in medians.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", help="write the records here")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    records = []
    for n in SIZES:
        print(f"\n{n} rows of {n}, torch {torch.__version__}, scikit-learn {sklearn.__version__}")
        print(f"{'case':28}{'median ms':>10}{'min ms':>9}{'ratio':>7}{'error':>9}")
        for record in measure(n, options.rounds):
            records.append(record)
            print(
                f"{record['case']:28}{record['median_ms']:10.1f}{record['min_ms']:9.1f}"
                f"{record['ratio']:7.1f}{record['error']:9.1e}",
                flush=True,
            )
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"torch": torch.__version__, "threads": 1, "records": records}, file, indent=1)


if __name__ == "__main__":
    main()
