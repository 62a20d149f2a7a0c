r"""How much two samples depend on each other: HSIC, its tests, CKA and distance covariance.

The Hilbert-Schmidt independence criterion compares the two Gram matrices of paired samples; with
characteristic kernels its population value is 0 for independent variables only. Here it is exact in O(n)
memory, with gradients, and for data that is never in memory at once it comes from a sketch of fixed size.

What holds for every function here:

* Samples are ``(..., n, d)``: n of them, of d numbers each, in float64, float32, bfloat16 or float16; other
  types raise TypeError, a missing axis ValueError. Batch dimensions broadcast. Half types are computed in
  float32. Tiles are summed in the dtype of the computation, their totals in float64, and the output has the
  dtype that x and y promote to. Autocast changes nothing.
* Kernels: ``"gaussian"`` :math:`e^{-d^2/2s^2}`, ``"laplace"`` :math:`e^{-d/s}`, ``"linear"``
  :math:`\langle x,x'\rangle`, ``"distance"`` :math:`-d`, with d the Euclidean distance; or a function of two
  tiles ``(s, d)``, ``(t, d)`` to ``(s, t)``, symmetric, used for both arguments (float32 or float64).
* Bandwidths: ``"median"``, the median distance of each argument (exact; of an even number the lower middle
  one; where it is 0, a warning and the median of the distances that are not 0, or 1), a positive number, or a
  pair of these. Gradients take the median as a constant. Linear, distance and functions have no bandwidth.
* Translation-invariant kernels and the linear one take the mean out first: data far from 0 keeps its digits.
* Arguments are never modified. NaN and infinite data give NaN. Equal samples give exactly 0.

Source: Gretton et al. (2005, 2008); Song et al. (2012); Su, kexue.fm 6910 (2019).
"""

from __future__ import annotations

import functools
import math
import sys
import time
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch import distributed as dist

from lemmata._checks import check_floating, check_size, compute_dtype, readable
from lemmata.kernels.centring import centred
from lemmata.kernels.feature_sums import FeatureSums
from lemmata.kernels.gram_sums import TILE, Kernel, Sums, gram, gram_sums, tiles
from lemmata.kernels.median_distance import median_distance

__all__ = [
    "GammaNull",
    "HSICSketch",
    "HSICTest",
    "cka",
    "distance_covariance",
    "hsic",
    "hsic_from_gram",
    "hsic_gaussian_population",
    "hsic_nystrom",
    "hsic_test",
]

Width = str | float
Bandwidth = Width | tuple[Width, Width]

_KERNELS = ("gaussian", "laplace", "linear", "distance")


# --------------------------------------------------------------------------- measures


def hsic(
    x: Tensor,
    y: Tensor,
    *,
    kernel: Kernel = "gaussian",
    bandwidth: Bandwidth = "median",
    estimator: str = "unbiased",
) -> Tensor:
    r"""The Hilbert-Schmidt independence criterion of paired samples.

    .. math:: V = \frac1{n^2}\operatorname{tr}KHLH,\qquad
              U = \frac1{n(n-3)}\Bigl[\operatorname{tr}\tilde K\tilde L
              + \frac{\mathbf 1^\top\tilde K\mathbf 1\;\mathbf 1^\top\tilde L\mathbf 1}{(n-1)(n-2)}
              - \frac2{n-2}\mathbf 1^\top\tilde K\tilde L\mathbf 1\Bigr]

    with :math:`H=I-\frac1n\mathbf 1\mathbf 1^\top`, and :math:`\tilde K,\tilde L` having 0 on the diagonal.
    V is the plug-in estimator: at least 0 for positive semidefinite kernels, and too large on average where x
    and y are independent (where they depend strongly it can be too small). U is unbiased for a kernel that is
    fixed beforehand (with ``"median"`` exactly so only under independence), and can be negative.

    No n x n matrix is made: tiles of the Gram matrices leave their row sums and the sum of
    :math:`K_{ij}L_{ij}`, and backward makes the tiles again. Linear kernels of few columns need no tiles.
    Differentiating twice, forward mode and ``torch.compile`` take whole matrices, O(n^2 d) memory. The
    gradient of ``"laplace"`` and ``"distance"`` at equal samples is that of 0.

    Implements :prf:ref:`hsic-trace`, :prf:ref:`hsic-unbiased`.

    Args:
        x: samples ``(..., n, d)``.
        y: samples ``(..., n, e)``; ``y[..., i, :]`` belongs to ``x[..., i, :]``.
        kernel: ``"gaussian"``, ``"laplace"``, ``"linear"``, ``"distance"`` or a function.
        bandwidth: ``"median"``, a number for both, or a pair.
        estimator: ``"unbiased"`` (U, n at least 4, else ValueError) or ``"biased"`` (V).

    Example:
        >>> x = torch.tensor([0.0, 1.0, 2.0, 4.0, 7.0]).unsqueeze(-1)
        >>> y = torch.tensor([1.0, 0.0, 3.0, 5.0, 6.0]).unsqueeze(-1)
        >>> hsic(x, y, bandwidth=1.0), hsic(x, y, bandwidth=1.0, estimator="biased")
        (tensor(0.0467), tensor(0.1328))
    """
    with _exact(x):
        pair = _pair(x, y, kernel, bandwidth, estimator)
        return pair.restore(pair.values(estimator, only=True)[0])


def hsic_from_gram(K: Tensor, L: Tensor, *, estimator: str = "unbiased") -> Tensor:
    r"""HSIC from two Gram matrices: as :func:`hsic`, from whatever kernel made them.

    Implements :prf:ref:`hsic-trace`, :prf:ref:`hsic-unbiased`.

    Args:
        K: ``(..., n, n)``, symmetric: ValueError where that can be read (on the CPU, not compiling, not under
            ``torch.func``) and is not so to 1e-3 of the largest entry. The diagonal counts for V alone.
        L: likewise.
        estimator: ``"unbiased"`` (n at least 4, else ValueError) or ``"biased"``.

    Example:
        >>> K = torch.eye(4)
        >>> hsic_from_gram(K, K, estimator="biased")  # tr(HH) / 16
        tensor(0.1875)
    """
    for name, value in (("K", K), ("L", L)):
        _check_gram(name, value)
    n = K.shape[-1]
    if L.shape[-1] != n:
        raise ValueError(f"L must be {n} x {n} as K is, got shape {tuple(L.shape)}")
    _check_estimator(estimator, n, name="K")
    a, b = (v.double() - v[..., :1, -1:].detach().double() for v in (K, L))
    p, q = (v.diagonal(dim1=-2, dim2=-1) for v in (a, b))
    zero = a.new_zeros(())
    kl = (a * b).sum((-2, -1)) - (p * q).sum(-1)
    sums = Sums(p, q, a.sum(-1) - p, b.sum(-1) - q, kl, zero, zero)
    return _estimate(sums, estimator).to(torch.promote_types(K.dtype, L.dtype))


def cka(
    x: Tensor,
    y: Tensor,
    *,
    kernel: Kernel = "linear",
    bandwidth: Bandwidth = "median",
    estimator: str = "unbiased",
) -> Tensor:
    r"""Centred kernel alignment: HSIC on a scale where an argument and itself have 1.

    .. math:: \operatorname{CKA}
              = \frac{\operatorname{HSIC}(x,y)}{\sqrt{\operatorname{HSIC}(x,x)\operatorname{HSIC}(y,y)}}

    Linear CKA does not change when x or y is scaled, shifted or rotated. With ``"biased"`` it is in [0, 1],
    and tends to 1 where the effective dimensions of both arguments are far above n, dependent or not; with
    ``"unbiased"`` it is in [-1, 1]. It costs one pass, as :func:`hsic` does. Where the HSIC of an argument
    and itself is 0: NaN (it is constant or, with ``"unbiased"``, all its samples are equally far apart).

    Implements :prf:ref:`hsic-cka`.

    Args:
        x: samples ``(..., n, d)``.
        y: samples ``(..., n, e)``.
        kernel: as in :func:`hsic`.
        bandwidth: as in :func:`hsic`.
        estimator: of all three HSIC.

    Source: Kornblith et al. (2019); Nguyen, Raghu and Kornblith (2021) for the unbiased one.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0], [4.0], [7.0]])
        >>> cka(x, 3 - 2 * x)
        tensor(1.)
    """
    with _exact(x):
        pair = _pair(x, y, kernel, bandwidth, estimator)
        return pair.restore(_aligned(*pair.values(estimator)))


def distance_covariance(x: Tensor, y: Tensor, *, estimator: str = "unbiased") -> Tensor:
    r"""The squared distance covariance, which is HSIC with minus the distance as both kernels.

    .. math:: \operatorname{dCov}^2(x,y) = 4\operatorname{HSIC}(k,l),\qquad
              k(x,x')=\tfrac12\bigl(|x|+|x'|-|x-x'|\bigr)

    and the same of y for l. Terms of one sample alone centre to 0; what is left, :math:`-\frac12|x-x'|`, is
    half of the kernel ``"distance"``. The square root of the biased one is what Székely calls dCov; the
    unbiased one is that of his U-centred matrices, and can be negative.

    Implements :prf:ref:`hsic-distance`.

    Args:
        x: samples ``(..., n, d)``.
        y: samples ``(..., n, e)``.
        estimator: ``"unbiased"`` or ``"biased"``.

    Source: Székely, Rizzo and Bakirov (2007); Sejdinovic et al. (2013).

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
        >>> distance_covariance(x, x, estimator="biased")
        tensor(0.8125)
    """
    return hsic(x, y, kernel="distance", estimator=estimator)


def hsic_gaussian_population(rho: float | Tensor, *, bandwidth: float | tuple[float, float]) -> Tensor:
    r"""HSIC itself, of two standard normal variables with correlation rho under Gaussian kernels.

    .. math:: \operatorname{HSIC}(\rho)
              = st\,\Bigl[\frac1{\sqrt{P-4\rho^2}}+\frac1{\sqrt P}-\frac2{\sqrt{P-\rho^2}}\Bigr],
              \qquad P=(s^2+2)(t^2+2)

    No digits cancel as rho goes to 0, where this is :math:`st\,\rho^2P^{-3/2}`.

    Implements :prf:ref:`hsic-gaussian`.

    Args:
        rho: in [-1, 1] (NaN beyond), a tensor of any shape or a number.
        bandwidth: s for both variables, or the pair (s, t); positive.

    Returns:
        In the shape and dtype of ``rho``; float64 for a number.

    Example:
        >>> hsic_gaussian_population(0.5, bandwidth=1.0)
        tensor(0.0108, dtype=torch.float64)
    """
    s, t = (_check_width(width) for width in _widths(bandwidth))
    rho = rho if isinstance(rho, Tensor) else torch.tensor(float(rho), dtype=torch.float64)
    check_floating("rho", rho)
    p = (s * s + 2) * (t * t + 2)
    square = rho.to(compute_dtype(rho)).square()
    share = torch.where(square > 1, math.nan, square) / p
    far, near = (torch.expm1(-0.5 * torch.log1p(-times * share)) for times in (4, 1))
    return (s * t / math.sqrt(p) * (far - 2 * near)).to(rho.dtype)


# --------------------------------------------------------------------------- from sums to estimates


def _estimate(sums: Sums, estimator: str) -> Tensor:
    """HSIC from the sums over two Gram matrices, in float64."""
    p, q, r, s, kl, _, _ = sums
    n = p.shape[-1]
    if estimator == "biased":
        p_r, q_s = p + r, q + s
        total = p_r.sum(-1) * q_s.sum(-1)
        return (kl + (p * q).sum(-1) - 2 / n * (p_r * q_s).sum(-1) + total / n**2) / n**2
    apart = r.sum(-1) * s.sum(-1) / ((n - 1) * (n - 2))
    return (kl + apart - 2 / (n - 2) * (r * s).sum(-1)) / (n * (n - 3))


def _three(sums: Sums) -> tuple[Sums, Sums, Sums]:
    """The sums of K and L, of K and K, and of L and L."""
    p, q, r, s, _, kk, ll = sums
    return sums, Sums(p, p, r, r, kk, kk, kk), Sums(q, q, s, s, ll, ll, ll)


def _aligned(xy: Tensor, xx: Tensor, yy: Tensor) -> Tensor:
    return xy / (xx.sqrt() * yy.sqrt())


# --------------------------------------------------------------------------- tests


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
    kernel: Kernel = "gaussian",
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
    permutations at a time: O(n) memory, and about B times the time of :func:`hsic`. After a second, a
    terminal sees how far it is.

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
    if method not in ("permutation", "gamma"):
        raise ValueError(f"method must be 'permutation' or 'gamma', got {method!r}")
    check_size("permutations", permutations)
    if permutations < 1:
        raise ValueError(f"permutations must be at least 1, got {permutations}")
    if method == "gamma" and estimator == "unbiased":
        raise ValueError("estimator must be 'biased' for the gamma test, got 'unbiased'")
    with torch.no_grad(), _exact(x):
        pair = _pair(x, y, kernel, bandwidth, estimator, least=4 if method == "gamma" else 1)
        if method == "gamma":
            statistic, p, law = _gamma_test(pair.sums())
            null: Tensor | GammaNull = GammaNull(*(pair.batched(v) for v in law))
        else:
            statistic, p, shuffled = _permutation_test(pair, estimator, permutations, generator)
            null = pair.batched(shuffled)
    return HSICTest(pair.restore(statistic), pair.batched(p), null)


def _gamma_test(sums: Sums) -> tuple[Tensor, Tensor, GammaNull]:
    v = _estimate(sums, "biased")
    mean, variance = _permutation_moments(sums)
    law = GammaNull(mean * mean / variance, variance / mean)
    p = torch.special.gammaincc(law.shape, v / law.scale)
    return v, torch.where(variance <= 0, 1.0, p), law


def _permutation_moments(sums: Sums) -> tuple[Tensor, Tensor]:
    """Mean and variance of V over all n! permutations of one sample."""
    n = sums.p.shape[-1]
    (t, t2, s2), (u, u2, v2) = (_traces(part) for part in _three(sums)[1:])
    second = 2 * ((n - 1) * t2 - t * t) * ((n - 1) * u2 - u * u) / ((n - 1) ** 2 * (n + 1) * (n - 2))
    third = (n * (n + 1) * s2 - (n - 1) * (t * t + 2 * t2)) * (n * (n + 1) * v2 - (n - 1) * (u * u + 2 * u2))
    variance = second + third / ((n + 1) * n * (n - 1) * (n - 2) * (n - 3))
    return t * u / (n - 1) / n**2, variance / n**4


def _traces(sums: Sums) -> tuple[Tensor, Tensor, Tensor]:
    """tr A, tr A^2 and the sum of A_ii^2, of the centred Gram matrix A = HKH."""
    n = sums.p.shape[-1]
    rows = sums.p + sums.r
    own = sums.p - 2 / n * rows + rows.sum(-1, keepdim=True) / n**2
    return own.sum(-1), n**2 * _estimate(sums, "biased"), own.square().sum(-1)


def _permutation_test(
    pair: _Pair, estimator: str, permutations: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor, Tensor]:
    sums, n = pair.sums(), pair.x.shape[1]
    statistics = sums.p.new_empty(len(pair.x), 1 + permutations)
    progress = _Progress(statistics.numel())
    for b, row in enumerate(statistics):
        one = Sums(*(v[b : b + 1] for v in sums))
        start = 0
        for pi in _orders(n, permutations, generator):
            row[start : start + len(pi)] = _permuted(pair, b, one, estimator, pi.to(row.device))
            start += len(pi)
            progress.show(b * len(row) + start)
    progress.end()
    t, null = statistics[:, 0], statistics[:, 1:]
    _, xx, yy = (_estimate(part, "biased") for part in _three(sums))
    slack = 32 * torch.finfo(pair.x.dtype).eps * (xx * yy).clamp(min=0).sqrt()
    p = (1 + (null >= (t - slack)[:, None]).sum(-1, dtype=t.dtype)) / (1 + permutations)
    return t, torch.where(t.isnan(), math.nan, p), null


def _orders(n: int, count: int, generator: torch.Generator | None) -> Iterator[Tensor]:
    """The order as it is and this many random ones, (c, n), as many at a time as tiles may."""
    size = max(1, 2**20 // min(n, TILE) ** 2)
    yield torch.arange(n)[None]
    for start in range(0, count, size):
        draws = range(start, min(start + size, count))
        yield torch.stack([torch.randperm(n, generator=generator) for _ in draws])


def _permuted(pair: _Pair, b: int, sums: Sums, estimator: str, pi: Tensor) -> Tensor:
    """HSIC of one sample of the batch with y in each of the orders: K is centred, then L need not be."""
    n = pair.x.shape[1]
    k, l = gram(pair.x[b : b + 1], pair.kernel), gram(pair.y[b : b + 1], pair.kernel)
    biased = estimator == "biased"
    rows = (sums.r[0] + sums.p[0]) / n if biased else sums.r[0] / (n - 2)
    level = rows.sum() / (n if biased else n - 1)
    total = rows.new_zeros(len(pi))
    for i, j in tiles(n):
        centred_k = k.tile(i, j)[0] - (rows[i, None] + (rows[j] - level)).to(pair.x.dtype)
        if i == j and not biased:
            centred_k.fill_diagonal_(0)
        total += (1 if i == j else 2) * l.permuted_tile(pi[:, i], pi[:, j]).mul_(centred_k).sum((1, 2))
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


# --------------------------------------------------------------------------- features


class HSICSketch:
    r"""HSIC of data that comes in pieces, from features whose inner products are (about) the kernel's.

    .. math:: U = \frac1{n(n-3)}\Bigl[\|C\|_F^2 + \frac{\sum_i|p_i|^2\sum_i|q_i|^2}{(n-1)(n-2)}
              - \frac n{n-2}\sum_i|p_i|^2|q_i|^2\Bigr],\qquad V = \frac{\|C\|_F^2}{n^2},\qquad
              C=\sum_i p_iq_i^\top

    with features p of x and q of y, their means taken out: one D x D matrix, four D-vectors and four numbers,
    in float64, stand for all data seen so far, and merge. This is the *unbiased* estimator for the kernel
    that the features have, exactly. For ``"linear"`` the features are the data, and all is exact, :meth:`cka`
    too. For ``"gaussian"`` and ``"laplace"`` they are cosines and sines of random, orthogonal projections,
    and the kernel is met to :math:`O(D^{-1/2})`.

    The methods change the sketch and return it. Nothing is differentiated. O(nD^2) time, O(D^2) memory.

    Implements :prf:ref:`hsic-sketch`, :prf:ref:`hsic-features`.

    Args:
        features: D for x and for y, even; not used by ``"linear"``.
        kernel: ``"gaussian"``, ``"laplace"`` or ``"linear"``.
        bandwidth: s, or the pair (sx, sy): numbers, since a median needs all data. Not used by ``"linear"``.
        generator: of the random features, on the CPU. Sketches that are to be merged need the same features:
            generators of the same seed. Drawn at the first update.

    Source: Rahimi and Recht (2007); Yu et al. (2016) for orthogonal projections.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0], [4.0], [7.0]])
        >>> y = torch.tensor([[1.0], [0.0], [3.0], [5.0], [6.0]])
        >>> HSICSketch(kernel="linear").update(x[:2], y[:2]).update(x[2:], y[2:]).value("biased")
        tensor(27.0400, dtype=torch.float64)
    """

    def __init__(
        self,
        features: int = 512,
        *,
        kernel: str = "gaussian",
        bandwidth: float | tuple[float, float] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        check_size("features", features)
        if features < 2 or features % 2:
            raise ValueError(f"features must be even and at least 2, got {features}")
        if kernel not in ("gaussian", "laplace", "linear"):
            raise ValueError(f"kernel must be 'gaussian', 'laplace' or 'linear', got {kernel!r}")
        self.features, self.kernel, self.generator = features, kernel, generator
        self.widths: tuple[float, ...] = ()
        if kernel != "linear":
            self.widths = tuple(_check_width(width) for width in _widths(bandwidth))
        self.projections: tuple[Tensor, ...] = ()  # (d, D/2) and (e, D/2); none for "linear"
        self.sums: list[FeatureSums] = []  # of (p, q) and, for "linear", of (p, p) and (q, q)

    def update(self, x: Tensor, y: Tensor) -> HSICSketch:
        """Add samples ``(n, d)`` and ``(n, e)``, any number of them, none too."""
        for name, value in (("x", x), ("y", y)):
            check_floating(name, value)
            if value.dim() != 2:
                raise ValueError(f"{name} must be samples (n, d), got shape {tuple(value.shape)}")
        if len(x) != len(y):
            raise ValueError(f"y must have as many samples as x, {len(x)}, got shape {tuple(y.shape)}")
        if self.kernel != "linear" and not self.projections:
            sizes = zip((x.shape[1], y.shape[1]), self.widths, strict=True)
            self.projections = tuple((self._draw(d) / width).to(x.device) for d, width in sizes)
        with torch.no_grad(), _exact(x):
            for start in range(0, max(1, len(x)), _BLOCK):
                self._add(self._sums(x[start : start + _BLOCK], y[start : start + _BLOCK]))
        return self

    def merge(self, other: HSICSketch) -> HSICSketch:
        """Add what another sketch has seen; ValueError unless it has the same kernel and features."""
        if self.kernel != other.kernel:
            raise ValueError(f"other must have the kernel {self.kernel!r}, got {other.kernel!r}")
        if self.projections and other.projections:
            self._check_same(other.projections)
        self.projections = self.projections or other.projections
        if other.sums:
            self._add(other.sums)
        return self

    def all_reduce(self, group: dist.ProcessGroup | None = None) -> HSICSketch:
        """Add what all ranks have seen, by one ``all_gather``; the same everywhere.

        A rank without data takes part with ``update(x[:0], y[:0])``. Features that differ between the ranks
        raise ValueError on all but the first. Calling it twice counts everything twice.
        """
        if not self.sums:
            raise ValueError(
                "a sketch must be updated before all_reduce, with x[:0], y[:0] if there is no data"
            )
        state = [v for part in self.sums for v in part] + list(self.projections)
        flat = torch.cat([v.flatten() for v in state])
        parts = [torch.empty_like(flat) for _ in range(dist.get_world_size(group))]
        dist.all_gather(parts, flat, group=group)
        sizes = [v.numel() for v in state]
        ranks = [[v.view_as(s) for v, s in zip(part.split(sizes), state, strict=True)] for part in parts]
        self._check_same(tuple(ranks[0][len(state) - len(self.projections) :]))
        sums = [[FeatureSums(*rank[9 * k : 9 * k + 9]) for rank in ranks] for k in range(len(self.sums))]
        self.sums = [functools.reduce(FeatureSums.merge, part) for part in sums]
        return self

    def value(self, estimator: str = "unbiased") -> Tensor:
        """HSIC of all data seen, float64; NaN for fewer samples than it needs."""
        return self._values(estimator)[0]

    def cka(self, estimator: str = "unbiased") -> Tensor:
        """Linear CKA of all data seen, exactly; ValueError for another kernel, float64."""
        if self.kernel != "linear":
            raise ValueError(f"kernel must be 'linear' for cka, got {self.kernel!r}")
        return _aligned(*self._values(estimator))

    def _values(self, estimator: str) -> list[Tensor]:
        _check_estimator(estimator, math.inf)
        if not self.sums:
            raise ValueError("a sketch must be updated before it has a value")
        return [part.value(estimator) for part in self.sums]

    def _sums(self, x: Tensor, y: Tensor) -> list[FeatureSums]:
        if self.kernel == "linear":
            p, q = x.double(), y.double()
            return [FeatureSums.of(p, q), FeatureSums.of(p, p), FeatureSums.of(q, q)]
        made = torch.promote_types(compute_dtype(x), compute_dtype(y))
        waves = (v.to(made) @ w.to(made) for v, w in zip((x, y), self.projections, strict=True))
        size = 1 / math.sqrt(self.features // 2)
        return [FeatureSums.of(*(torch.cat([wave.cos(), wave.sin()], 1) * size for wave in waves))]

    def _add(self, sums: list[FeatureSums]) -> None:
        if self.sums:
            mine, its = (tuple(s[0].c.shape) for s in (self.sums, sums))
            if mine != its:
                raise ValueError(f"samples must have as many columns as at first: sums of {mine}, got {its}")
            sums = [s.merge(t) for s, t in zip(self.sums, sums, strict=True)]
        self.sums = list(sums)

    def _draw(self, d: int) -> Tensor:
        """Projections (d, D/2) of the spectral law of the kernel, in blocks of d orthogonal ones."""
        half = self.features // 2
        blocks = -(-half // max(1, d))
        draws = torch.randn(2, blocks, d, d, generator=self.generator, dtype=torch.float64)
        q, r = torch.linalg.qr(draws[0])
        q = q * r.diagonal(dim1=1, dim2=2).sign().unsqueeze(1)  # Haar
        w = (q.mT * draws[1].norm(dim=2, keepdim=True)).flatten(0, 1)[:half]  # lengths of normal vectors
        if self.kernel == "laplace":
            w = w / torch.randn(half, 1, generator=self.generator, dtype=torch.float64).abs()
        return w.mT.contiguous()

    def _check_same(self, projections: tuple[Tensor, ...]) -> None:
        same = [
            v.shape == w.shape and torch.equal(v, w)
            for v, w in zip(self.projections, projections, strict=True)
        ]
        if not all(same):
            raise ValueError(
                "sketches must have the same features: generators of the same seed, same bandwidth"
            )


_BLOCK = 2048  # how many samples have their features in memory at a time


def hsic_nystrom(
    x: Tensor,
    y: Tensor,
    *,
    landmarks: int,
    bandwidth: Bandwidth = "median",
    kernel: Kernel = "gaussian",
    estimator: str = "biased",
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""HSIC with both Gram matrices projected on a few of their columns.

    .. math:: K \approx K_{nm}K_{mm}^{+}K_{mn}

    for m samples drawn without replacement, the same for x and y. Projecting shrinks: the biased HSIC comes
    out too small, by an amount that falls with the eigenvalues of the kernels, and for smooth kernels far
    faster than the :math:`m^{-1/2}` of random features. O(nm^2) time, O(nm) memory, and O(n^2) time for
    ``bandwidth="median"``.

    Implements :prf:ref:`hsic-nystrom`.

    Args:
        x: samples ``(..., n, d)``.
        y: samples ``(..., n, e)``.
        landmarks: m, from 1 to n (ValueError).
        bandwidth: as in :func:`hsic`.
        kernel: as in :func:`hsic`, positive semidefinite, so not ``"distance"`` (ValueError).
        estimator: ``"biased"``, or ``"unbiased"`` for the projected kernels.
        generator: of the landmarks, on the CPU.

    Returns:
        As :func:`hsic`, without gradients.

    Example:
        >>> x = torch.linspace(-1, 1, 50).unsqueeze(-1)
        >>> hsic_nystrom(x, x**2, landmarks=50), hsic(x, x**2, estimator="biased")
        (tensor(0.0316), tensor(0.0316))
    """
    check_size("landmarks", landmarks)
    if kernel == "distance":
        raise ValueError("kernel must be positive semidefinite, got 'distance'")
    with torch.no_grad(), _exact(x):
        pair = _pair(x, y, kernel, bandwidth, estimator)
        n = pair.x.shape[1]
        if not 1 <= landmarks <= n:
            raise ValueError(f"landmarks must be from 1 to n = {n}, got {landmarks}")
        values = pair.x.new_empty(len(pair.x), dtype=torch.float64)
        for b in range(len(values)):
            at = torch.randperm(n, generator=generator)[:landmarks].to(x.device)
            features = (_nystrom(v[b].double(), kernel, at) for v in (pair.x, pair.y))
            values[b] = FeatureSums.of(*features).value(estimator)
        return pair.restore(values)


def _nystrom(x: Tensor, kernel: Kernel, at: Tensor) -> Tensor:
    """Features (n, rank) whose inner products are the projected kernel."""
    made = gram(x[None], kernel)
    (columns,) = made.permuted_tile(torch.arange(len(x), device=x.device)[None], at[None])
    columns += (
        made.shift if made.shift is not None else kernel in ("gaussian", "laplace")
    )  # semidefinite again
    if not columns.isfinite().all():
        return columns * math.nan
    scale, basis = torch.linalg.eigh(columns[at])
    keep = scale > len(at) * torch.finfo(scale.dtype).eps * scale[-1]
    return columns @ (basis[:, keep] / scale[keep].sqrt())


# --------------------------------------------------------------------------- arguments


class _Pair(NamedTuple):
    """Two samples, their means out and scaled by their bandwidths, with one batch dimension."""

    x: Tensor  # (m, n, d)
    y: Tensor  # (m, n, e)
    kernel: Kernel
    batch: torch.Size
    dtype: torch.dtype  # of the result

    def sums(self, squares: bool = True) -> Sums:
        return gram_sums(self.x, self.y, self.kernel, self.kernel, squares=squares)

    def values(self, estimator: str, only: bool = False) -> tuple[Tensor, ...]:
        """HSIC of x and y and, unless that is all that is asked for, of x and x and of y and y: (m,) each."""
        (_, n, d), e = self.x.shape, self.y.shape[-1]
        if self.kernel == "linear" and 2 * (d * e + (0 if only else d * d + e * e)) <= n * (d + e):
            # the mean was taken out as a constant, which the formulas of moments would notice in gradients
            x, y = (v - v.mean(1, keepdim=True) for v in (self.x.double(), self.y.double()))
            pairs = ((x, y),) if only else ((x, y), (x, x), (y, y))
            return tuple(_linear(p, q, estimator) for p, q in pairs)
        sums = self.sums(squares=not only)
        if only:
            return (_estimate(sums, estimator),)
        xy, xx, yy = (_estimate(part, estimator) for part in _three(sums))
        if estimator == "unbiased":  # of equidistant samples only rounding is left
            least = 32 * torch.finfo(self.x.dtype).eps / (n * (n - 3))
            xx, yy = (torch.where(u <= least * k, math.nan, u) for u, k in ((xx, sums.kk), (yy, sums.ll)))
        return xy, xx, yy

    def batched(self, value: Tensor) -> Tensor:
        return value.reshape((*self.batch, *value.shape[1:]))

    def restore(self, value: Tensor) -> Tensor:
        return self.batched(value).to(self.dtype)


def _linear(x: Tensor, y: Tensor, estimator: str) -> Tensor:
    """HSIC of the inner products of centred data, from moments: O(nde) time."""
    n, square = x.shape[1], (x.mT @ y).square().sum((1, 2))
    if estimator == "biased":
        return square / n**2
    a, b = x.square().sum(2), y.square().sum(2)
    apart = a.sum(1) * b.sum(1) / ((n - 1) * (n - 2))
    return (square + apart - n / (n - 2) * (a * b).sum(1)) / (n * (n - 3))


def _pair(
    x: Tensor, y: Tensor, kernel: Kernel, bandwidth: Bandwidth, estimator: str, least: int = 1
) -> _Pair:
    for name, value in (("x", x), ("y", y)):
        check_floating(name, value)
        if value.dim() < 2:
            raise ValueError(f"{name} must be samples (..., n, d), got shape {tuple(value.shape)}")
    n = x.shape[-2]
    if y.shape[-2] != n:
        raise ValueError(f"y must have as many samples as x, {n}, got shape {tuple(y.shape)}")
    _check_estimator(estimator, n, least)
    if not callable(kernel) and kernel not in _KERNELS:
        raise ValueError(f"kernel must be a function or one of {', '.join(_KERNELS)}, got {kernel!r}")
    widths = _widths(bandwidth)
    for width in widths:
        if width != "median":
            _check_width(width)
    try:
        batch = torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except RuntimeError:
        shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise ValueError(f"x and y must have batch dimensions that broadcast, got {shapes}") from None
    made = torch.promote_types(compute_dtype(x), compute_dtype(y))
    a, b = (v.to(made).expand(*batch, *v.shape[-2:]) for v in (x, y))
    a, b = (v.reshape(math.prod(batch), *v.shape[-2:]) for v in (a, b))
    a = _prepared(a, kernel, widths[0])
    b = _prepared(b, kernel, widths[1])
    return _Pair(a, b, kernel, batch, torch.promote_types(x.dtype, y.dtype))


def _prepared(x: Tensor, kernel: Kernel, width: Width) -> Tensor:
    """The sample with its mean out, in units of its bandwidth."""
    if callable(kernel):
        return x
    first, rest, _ = centred(x.detach(), (1,))
    x = (x - first) - rest
    if kernel in ("linear", "distance"):
        return x
    if not isinstance(width, str):
        return x / width
    median, other = median_distance(x)
    if readable(median) and (median == 0).any():
        message = "half of the distances or more are 0: the bandwidth is the median of those that are not"
        warnings.warn(message, stacklevel=4)  # names the caller of the public function
    return x / torch.where(median == 0, other, median)[:, None, None]


def _widths(bandwidth: Bandwidth | None) -> tuple[Width, Width]:
    if isinstance(bandwidth, tuple):
        if len(bandwidth) != 2:
            raise ValueError(f"bandwidth must be one for both arguments or a pair, got {bandwidth}")
        return bandwidth
    return bandwidth, bandwidth  # type: ignore[return-value]  # None is for _check_width to refuse


def _check_width(width: Width) -> float:
    if isinstance(width, bool) or not isinstance(width, int | float) or not 0 < width < math.inf:
        raise ValueError(
            f"bandwidth must be positive numbers, or 'median' where data is at hand, got {width!r}"
        )
    return width


def _check_estimator(estimator: str, n: float, least: int = 1, name: str = "x") -> None:
    if estimator not in ("biased", "unbiased"):
        raise ValueError(f"estimator must be 'biased' or 'unbiased', got {estimator!r}")
    least = max(least, 4 if estimator == "unbiased" else 1)
    if n < least:
        raise ValueError(f"{name} must have at least {least} samples here, got n = {n}")


def _check_gram(name: str, value: Tensor) -> None:
    check_floating(name, value)
    if value.dim() < 2 or value.shape[-1] != value.shape[-2]:
        raise ValueError(f"{name} must be square, (..., n, n), got shape {tuple(value.shape)}")
    if value.numel() and readable(value):
        gap, size = (v.detach().abs().max() for v in (value - value.mT, value))
        if gap > 1e-3 * size:
            raise ValueError(f"{name} must be symmetric, got entries that differ by {gap.item():.3g}")


def _exact(x: Tensor) -> torch.autocast:
    """Products as the dtype says, also under autocast."""
    device = x.device.type if isinstance(x, Tensor) else "cpu"
    return torch.autocast(device, enabled=False)
