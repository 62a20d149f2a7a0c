"""Time and error of entmax and its relatives, forward and backward, beside softmax and the package entmax.

    python benchmarks/entmax.py [--rounds N] [--quick] [--json PATH]

The peers are of ``entmax`` (deep-spin). Errors are the largest of sixteen rows, against float64.
"""

import functools
from collections.abc import Callable, Iterator

import torch
from measure import Table, Target, peer, step
from report import main
from torch import Tensor

from lemmata.simplex import entmax, sparsemax

WIDE, LONG = (512, 32_000), (4096, 1000)
SORT, TOP, BISECT = "entmax15 (sort)", "entmax15 (k=128)", "entmax_bisect"
Maps = dict[str, tuple[float, Callable[[Tensor], Tensor]]]  # by name, the alpha and the map
OURS: Maps = {
    "torch.softmax": (1.0, lambda x: torch.softmax(x, -1)),
    "lemmata, alpha 1": (1.0, lambda x: entmax(x, alpha=1.0)),
    "lemmata, alpha 1.25": (1.25, lambda x: entmax(x, alpha=1.25)),
    "lemmata, alpha 1.5": (1.5, entmax),
    "lemmata, alpha 2": (2.0, sparsemax),
    "lemmata, alpha 3": (3.0, lambda x: entmax(x, alpha=3.0)),
}
TARGETS = [
    Target("lemmata, alpha 1.5"),
    *(Target(name, over="lemmata, alpha 1.5", least=True) for name in (SORT, TOP, BISECT)),
    Target("sparsemax (sort)", over="lemmata, alpha 2", least=True),
]


def peers() -> Maps:
    package = peer("entmax")
    if package is None:
        return {}
    return {
        SORT: (1.5, lambda x: package.entmax15(x, -1)),
        TOP: (1.5, lambda x: package.entmax15(x, 1, 128)),
        BISECT: (1.5, lambda x: package.entmax_bisect(x, 1.5, -1)),
        "sparsemax (sort)": (2.0, lambda x: package.sparsemax(x, -1)),
    }


def table(shape: tuple[int, int], spread: float, maps: Maps, rounds: int) -> Table:
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(shape, generator=generator) * spread).requires_grad_()
    grad = torch.randn(shape, generator=generator)

    def error(name: str, medians: object) -> dict[str, float]:
        alpha, form = maps[name]
        some = x.detach()[:16]
        return {"error": (form(some).double() - entmax(some.double(), alpha=alpha)).abs().max().item()}

    cases = {name: functools.partial(step, form, x, grad) for name, (_, form) in maps.items()}
    setting = f"spread {spread:g}"
    return Table("entmax", shape, "float32", cases, "torch.softmax", setting, TARGETS, error, rounds)


def tables(quick: bool) -> Iterator[Table]:
    theirs = peers()
    if quick:
        yield table((4, 200), 1.0, OURS | theirs, 1)
        return
    yield table(LONG, 1.0, OURS | theirs, 9)
    yield table(WIDE, 1.0, OURS | theirs, 2)  # the peers take seconds
    for spread in (10.0, 0.1):
        yield table(WIDE, spread, OURS, 5)


if __name__ == "__main__":
    main("entmax", __doc__, tables)
