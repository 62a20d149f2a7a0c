"""How the time of each operation grows: at four sizes or so, and the slope on a log-log plot.

    python benchmarks/growth.py [--rounds N] [--quick] [--json PATH]

The slope is that of the line of least squares through the logarithms of the medians; the last is that between
the two largest sizes. It falls short of the order of the algorithm where what does not grow still counts.
"""

import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from measure import Case, Record, Table, step
from report import command_line, run, write
from torch import Tensor

from lemmata.classification import (
    multilabel_cross_entropy,
    sparse_multilabel_cross_entropy,
    subset_cross_entropy,
)
from lemmata.estimation import HSICSketch, Moments, distance_correlation, hsic, hsic_test
from lemmata.geometry import orthogonal_
from lemmata.simplex import entmax, entropy_normalize, scaled_dot_product_attention
from lemmata.smoothing import gelu, soft_top_k

ROWS = 64
FOUR, MANY = (1000, 4000, 16_000, 64_000), (4000, 16_000, 64_000, 256_000)
SMALL, SQUARE = (250, 500, 1000, 2000), (1000, 2000, 4000, 8000)


@dataclass(frozen=True)
class Growth:
    """An operation, and what it does at a size."""

    operation: str
    along: str  # what grows
    order: int  # the exponent that the algorithm has
    sizes: tuple[int, ...]
    case: Callable[[int], Case]


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def both(function: Callable[[Tensor], Tensor], *shape: int) -> Case:
    """Forward and backward at normal numbers."""
    x = normal(*shape).requires_grad_()
    return partial(step, function, x, torch.ones_like(function(x)))


def labels(n: int) -> tuple[Tensor, Tensor]:
    """Eight of n in each row, as indices and as a mask."""
    index = normal(ROWS, n).topk(8, -1).indices
    return index, torch.zeros(ROWS, n, dtype=torch.bool).scatter_(-1, index, True)


def pair(n: int) -> tuple[Tensor, Tensor]:
    x = normal(n, 10)
    return x, x.sin() + x.roll(1, 0)


def dense(n: int) -> Case:
    return both(partial(multilabel_cross_entropy, target=labels(n)[1]), ROWS, n)


def sparse(n: int) -> Case:
    return both(partial(sparse_multilabel_cross_entropy, index=labels(n)[0]), ROWS, n)


def subset(n: int) -> Case:
    return both(partial(subset_cross_entropy, target=labels(n)[1], max_size=8), ROWS, n)


def sketch(n: int) -> Case:
    x, y = pair(n)
    return lambda: HSICSketch(512, bandwidth=4.0).update(x, y).value()


def attention(n: int) -> Case:
    return partial(scaled_dot_product_attention, *normal(3, 1, 4, n, 64), scale="logn")


def permutations(n: int) -> Case:
    return partial(hsic_test, *pair(n), permutations=99, bandwidth=4.0)


LABELS, ENTRIES = "labels of 64 rows", "entries of 64 rows"
EVERY = [
    Growth("gelu, with backward", "numbers", 1, (2**16, 2**18, 2**20, 2**22), lambda n: both(gelu, n)),
    Growth("soft_top_k, k = 8", ENTRIES, 1, SMALL, lambda n: both(partial(soft_top_k, k=8), ROWS, n)),
    Growth("entmax, with backward", ENTRIES, 1, MANY, lambda n: both(entmax, ROWS, n)),
    Growth("entropy_normalize", ENTRIES, 1, FOUR, lambda n: partial(entropy_normalize, normal(ROWS, n), 2.0)),
    Growth("attention, scale logn", "tokens", 2, (500, 1000, 2000, 4000), attention),
    Growth("multilabel, dense, with backward", LABELS, 1, MANY, dense),
    Growth("multilabel, sparse, with backward", LABELS, 1, MANY, sparse),
    Growth("subset_cross_entropy, up to 8", LABELS, 1, SMALL, subset),
    Growth("Moments", "numbers", 1, (10**5, 10**6, 10**7), lambda n: partial(Moments.of, normal(n))),
    Growth("hsic", "samples", 2, SQUARE, lambda n: partial(hsic, *pair(n), bandwidth=4.0)),
    Growth("hsic_test, 99 permutations", "samples", 2, (500, 1000, 2000, 4000), permutations),
    Growth("HSICSketch, 512 features", "samples", 1, (4000, 8000, 16_000, 32_000), sketch),
    Growth("distance_correlation", "samples", 2, SQUARE, lambda n: partial(distance_correlation, *pair(n))),
    Growth("orthogonal_, square", "rows", 3, SMALL, lambda n: partial(orthogonal_, torch.empty(n, n))),
    Growth("orthogonal_, 128 columns", "rows", 1, FOUR, lambda n: partial(orthogonal_, torch.empty(n, 128))),
]


def slope(sizes: list[float], times: list[float]) -> float:
    """Of the line of least squares through the logarithms."""
    return statistics.linear_regression([math.log(n) for n in sizes], [math.log(t) for t in times]).slope


def table(growth: Growth, quick: bool) -> Table:
    sizes = (16, 32) if quick else growth.sizes
    cases = {f"lemmata, {n:,}": growth.case(n) for n in sizes}
    by_name = dict(zip(cases, sizes, strict=True))
    return Table(
        growth.operation,
        (),
        "float32",
        cases,
        unit=next(iter(cases)),
        more=lambda name, medians: {"size": by_name[name]},
        rounds=7,
        seconds=5,
    )


def slopes(found: list[Record]) -> list[Record]:
    """One record an operation."""
    result = []
    for growth in EVERY:
        mine = [record for record in found if record["operation"] == growth.operation]
        sizes, times = ([record[key] for record in mine] for key in ("size", "median_ms"))
        result.append(
            {
                "operation": growth.operation,
                "along": growth.along,
                "sizes": sizes,
                "slope": slope(sizes, times),
                "last": slope(sizes[-2:], times[-2:]),
                "order": growth.order,
            }
        )
    return result


def tables(quick: bool) -> Iterator[Table]:
    return (table(growth, quick) for growth in EVERY)


if __name__ == "__main__":
    chosen = command_line(__doc__)
    found, _ = run(tables(chosen.quick), chosen)
    lines = slopes(found)
    for line in lines:
        measured = f"slope {line['slope']:.2f}, last {line['last']:.2f}, order {line['order']}"
        print(f"{line['operation']:36}{line['along']:20}{measured}")
    if chosen.json:
        write(chosen.json, "growth", records=found, slopes=lines)
