"""Tests of independence: by permutations, and by a gamma law with their exact moments."""

import math
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.estimation._hsic.estimators import of_matrices
from lemmata.estimation._hsic.gram import Gram, gram
from lemmata.estimation._hsic.samples import Bandwidth, Pair, paired
from lemmata.estimation._hsic.sums import PairSums, Sums
from lemmata.numerics.kernels import KernelLike
from lemmata.numerics.precision import no_autocast
from lemmata.numerics.tiles import at_once, batches, side_of, tiles

__all__ = ["GammaNull", "HSICTest", "hsic_test"]

KEPT = 2**20  # how many numbers the samples in all orders that are looked at together may hold


class GammaNull(NamedTuple):
    """The gamma law that stands for the null distribution; each ``(...)``, float64."""

    shape: Tensor
    scale: Tensor


class HSICTest(NamedTuple):
    """What :func:`hsic_test` gives."""

    statistic: Tensor  # (...), in the dtype of the data
    p_value: Tensor  # (...), float64
    null: Tensor | GammaNull  # the statistic under each permutation (..., B), float64; or the gamma law


def hsic_test(
    x: Tensor,
    y: Tensor,
    *,
    method: str = "permutation",
    permutations: int = 999,
    kernel: KernelLike = "gaussian",
    bandwidth: Bandwidth = "median",
    estimator: str = "biased",
    generator: torch.Generator | None = None,
) -> HSICTest:
    r"""Test whether two samples are independent.

    ``"permutation"`` shuffles y against x B times and counts: :math:`p=(1+b)/(1+B)`, where b shuffles have a
    statistic of at least that of the data. Its level holds, :math:`P(p\le\alpha)\le\alpha`, for any n,
    kernel and law (with the median bandwidth too, which no shuffle changes). A tie counts against rejection,
    and what rounding could make of a tie counts as one: 32 rounding errors of
    :math:`\sqrt{V(x,x)V(y,y)}`, which V cannot exceed. Tiles are made again for each permutation, some
    permutations at a time: O(n) memory, and B times a part of the time of :func:`hsic`, a quarter at n = 2000
    and more at larger n. After a second, a terminal sees how far it is.

    ``"gamma"`` takes one pass: V is compared with a gamma law of the mean and the variance that V has over
    all n! permutations. Both are known exactly: the mean is
    :math:`\operatorname{tr}HK\,\operatorname{tr}HL/n^2(n-1)`, the variance is that of Kazi-Aoual et al. The
    usual estimates of the two (Gretton's) reject more often than they should for small n. That the law is a
    gamma law remains an approximation, with no guarantee in its tail.

    Implements :prf:ref:`hsic-permutation`, :prf:ref:`hsic-null`.

    Args:
        x: samples ``(..., n, d)``.
        y: samples ``(..., n, e)``.
        method: ``"permutation"`` or ``"gamma"`` (n at least 4, else ValueError).
        permutations: B, at least 1; p is at least 1/(1 + B).
        kernel: as in :func:`hsic`.
        bandwidth: as in :func:`hsic`.
        estimator: the statistic; the gamma law is that of ``"biased"`` (else ValueError).
        generator: of the permutations, on the CPU; each sample of a batch has its own.

    Returns:
        :class:`HSICTest`, without gradients. Where an argument is constant p is 1; where there is NaN, NaN.

    Source: Gretton et al. (2008); Kazi-Aoual et al. (1995); Josse, Pagès and Husson (2008).

    Example:
        >>> x = torch.linspace(-1, 1, 50).unsqueeze(-1)
        >>> test = hsic_test(x, x**2, generator=torch.Generator().manual_seed(0))
        >>> test.p_value
        tensor(0.0010, dtype=torch.float64)
    """
    check.tensor("x", x)
    check.choice("method", method, ("permutation", "gamma"))
    check.generator("generator", generator)
    permutations = check.at_least("permutations", permutations, 1)
    with torch.no_grad(), no_autocast(x):
        pair = paired(x, y, kernel, bandwidth, estimator, least=4 if method == "gamma" else 1)
        if method == "gamma":
            if estimator != "biased":
                raise ValueError(f"estimator must be 'biased' for the gamma test, got {estimator!r}")
            statistic, p, (shape, scale) = _gamma_test(pair.sums())
            scale = pair.in_data_units(scale)
            null: Tensor | GammaNull = GammaNull(pair.batched(shape), pair.batched(scale))
        else:
            statistic, p, shuffled = _permutation_test(pair, estimator, permutations, generator)
            null = pair.batched(pair.in_data_units(shuffled))
        statistic = pair.in_data_units(statistic)
    return HSICTest(pair.restore(statistic), pair.batched(p), null)


def _gamma_test(sums: PairSums) -> tuple[Tensor, Tensor, GammaNull]:
    v = of_matrices(*sums, "biased")
    mean, variance = _permutation_moments(sums.k, sums.l)
    law = GammaNull(mean * mean / variance, variance / mean)
    p = torch.special.gammaincc(law.shape, v / law.scale)
    return v, torch.where(variance <= 0, 1.0, p), law


def _permutation_moments(k: Sums, l: Sums) -> tuple[Tensor, Tensor]:
    """Mean and variance of V over all n! permutations of one sample."""
    n = k.rows.shape[-1]
    (t, t2, s2), (u, u2, v2) = (_traces(own) for own in (k, l))
    second = 2 * ((n - 1) * t2 - t * t) * ((n - 1) * u2 - u * u) / ((n - 1) ** 2 * (n + 1) * (n - 2))
    third = (n * (n + 1) * s2 - (n - 1) * (t * t + 2 * t2)) * (n * (n + 1) * v2 - (n - 1) * (u * u + 2 * u2))
    variance = second + third / ((n + 1) * n * (n - 1) * (n - 2) * (n - 3))
    return t * u / (n - 1) / n**2, variance / n**4


def _traces(k: Sums) -> tuple[Tensor, Tensor, Tensor]:
    """tr A, tr A^2 and the sum of A_ii^2, of the centred Gram matrix A = HKH."""
    n = k.rows.shape[-1]
    rows = k.diagonal + k.rows
    own = k.diagonal - 2 / n * rows + rows.sum(-1, keepdim=True) / n**2
    return own.sum(-1), n**2 * _with_itself(k), own.square().sum(-1)


def _with_itself(k: Sums) -> Tensor:
    """V of K and K."""
    return of_matrices(k, k, k.squares, "biased")


def _permutation_test(
    pair: Pair, estimator: str, permutations: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor, Tensor]:
    k, l, _ = pair.sums()
    statistics = k.rows.new_empty(len(pair.x), 1 + permutations)
    biased, progress = estimator == "biased", _Progress(statistics.numel())
    for b, row in enumerate(statistics):
        one, other = (gram(v[b : b + 1].to(pair.made), pair.kernel) for v in (pair.x, pair.y))
        rows = k.rows[b] + k.diagonal[b] if biased else k.rows[b]
        start = 0
        for pi in _orders(pair.y[b], permutations, generator):
            row[start : start + len(pi)] = _permuted(one, other, rows, biased, pi.to(row.device))
            start += len(pi)
            progress.show(b * len(row) + start)
    progress.end()
    t, null = statistics[:, 0], statistics[:, 1:]
    most = (_with_itself(k) * _with_itself(l)).clamp(min=0).sqrt()
    slack = 32 * torch.finfo(pair.made).eps * most
    p = (1 + (null >= (t - slack)[:, None]).sum(-1, dtype=t.dtype)) / (1 + permutations)
    return t, torch.where(t.isnan(), math.nan, p), null


def _orders(x: Tensor, count: int, generator: torch.Generator | None) -> Iterator[Tensor]:
    """The order as it is and this many random ones, (c, n), so many at a time that tiles of K pay."""
    n, d = x.shape
    size = max(at_once(x, True), KEPT // max(1, n * d))
    for start in range(0, 1 + count, size):
        numbers = range(start, min(start + size, 1 + count))
        yield torch.stack([torch.randperm(n, generator=generator) if b else torch.arange(n) for b in numbers])


def _permuted(k: Gram, l: Gram, rows: Tensor, biased: bool, pi: Tensor) -> Tensor:
    """HSIC of one sample with y in each of the orders: K is centred, then L need not be, nor lose its lift.

    ``rows`` are the sums of the rows of K, for U without the diagonal.
    """
    n, shuffled = len(rows), l.permuted(pi)
    rows = rows / (n if biased else n - 2)
    level = rows.sum() / (n if biased else n - 1)
    total = rows.new_zeros(len(pi))
    for i, j in tiles(k.x, side_of(k.x, True)):
        centred_k = k.tile(i, j)[0] - (rows[i, None] + (rows[j] - level)).to(k.x.dtype)
        if i == j and not biased:
            centred_k.fill_diagonal_(0)
        part, weights = centred_k.new_empty(len(pi)), centred_k.flatten()
        for at in batches(len(pi), k.x, True):
            torch.mv(shuffled.lifted_tile(i, j, at).flatten(1), weights, out=part[at])
        total.add_(part, alpha=1 if i == j else 2)
    return total / (n * n if biased else n * (n - 3))


class _Progress:
    """A line on the terminal, if there is one, from the first second on."""

    def __init__(self, total: int) -> None:
        self.total, self.start, self.shown = total, time.monotonic(), False

    def show(self, done: int) -> None:
        if sys.stderr.isatty() and (self.shown or time.monotonic() - self.start > 1):
            self.shown = True
            print(f"\rhsic_test: {done} of {self.total} permutations", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self.shown:
            print(file=sys.stderr)
