"""Time and error of entropy normalization: ours, a bisection in PyTorch, the search of scikit-learn's t-SNE.

    python benchmarks/entropy.py [--rounds N] [--quick] [--json PATH]

Targets are perplexities of 30 over squared distances, self left out. The error is the largest of the entropy,
in nats, computed in float64. scikit-learn's search takes float32, is compiled, stops at an error of 1e-5, and
is private (``_binary_search_perplexity``).
"""

import functools
import math
from collections.abc import Callable, Iterator

import torch
from measure import Table, Target, peer
from report import main
from torch import Tensor

from lemmata.simplex import entropy_normalize

TARGET = math.log(30)
Searches = dict[str, Callable[[], Tensor]]
UNIT, DOUBLE, SKLEARN = "lemmata, float32", "lemmata, float64", "sklearn's search"
TARGETS = [
    Target(UNIT, over=SKLEARN),
    Target("60 halvings, float32", least=True),
    Target("60 halvings, float64", over=DOUBLE, least=True),
]


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


def searches(x: Tensor) -> Searches:
    """Each as a function that gives the probabilities."""
    single, double, peers = x.float(), x, peer("sklearn.manifold._utils")
    found: Searches = {
        UNIT: lambda: entropy_normalize(single, TARGET).probs,
        DOUBLE: lambda: entropy_normalize(double, TARGET).probs,
    }
    if peers is not None:
        d2 = (-single).fill_diagonal_(0.0).numpy()
        found[SKLEARN] = lambda: torch.tensor(peers._binary_search_perplexity(d2, 30.0, 0))
    for halvings in (60, 25) if len(x) <= 1000 else ():
        for name, given in (("float32", single), ("float64", double)):
            found[f"{halvings} halvings, {name}"] = functools.partial(bisection, given, halvings)
    return found


def tables(quick: bool) -> Iterator[Table]:
    for n in [60] if quick else [300, 1000, 3000]:
        points = torch.randn(n, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        found = searches(-torch.cdist(points, points).square().fill_diagonal_(math.inf))

        def error(name: str, medians: object, found: Searches = found) -> dict[str, float]:
            p = found[name]().double()
            return {"error": (entropy_of(p / p.sum(-1, keepdim=True)) - TARGET).abs().max().item()}

        yield Table("entropy_normalize", (n, n), "", found, UNIT, targets=TARGETS, more=error, rounds=9)


if __name__ == "__main__":
    main("entropy", __doc__, tables)
