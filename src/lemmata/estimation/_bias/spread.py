"""The variance, the standard deviation, and the divisors of both."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.estimation._bias.sample import Dims, axes_of, central_sums
from lemmata.numerics.centring import centred
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.roots import root
from lemmata.numerics.units import unit_of

__all__ = ["c4", "mse_optimal_divisor", "unbiased_std", "variance"]


def variance(x: Tensor, *, dim: Dims = None, correction: float = 1, weights: Tensor | None = None) -> Tensor:
    r"""The variance, with the divisor n - correction; unbiased for correction 1, with and without weights.

    .. math:: S^2 = \frac{\sum_i (x_i-\bar x)^2}{n-c},\qquad
              S_w^2 = \frac{\sum_i w_i(x_i-\bar x_w)^2}{V_1 - c\,V_2/V_1},\quad V_r = \sum_i w_i^r

    The weights say how much an entry counts (*reliability* weights, any scale). For how often it was seen
    (*frequency* weights) repeat the entries, or multiply this by :math:`(V_1-V_2/V_1)/(V_1-1)`.

    Implements :prf:ref:`bias-variance`, :prf:ref:`bias-variance-of-variance`, :prf:ref:`bias-weighted`.

    Args:
        x: data of any shape.
        dim: the axes of the sample, which go; None (and ``()``, as in torch) means all.
        correction: c, as in :func:`torch.var`. Where the divisor is not positive it counts as 0: NaN, or
            ``inf`` where deviations are left. So one entry with c = 1 is NaN.
        weights: at least 0, broadcasts to the shape of ``x``. An entry of weight 0 is left out, whatever it
            is. Where all are 0, or one is infinite: NaN. Computed in float64.

    Raises:
        TypeError: data or weights that are not floating point.
        ValueError: axes that ``x`` does not have; weights that do not fit or (where they can be read: on the
            CPU, not compiling, not under ``torch.func``) are negative.

    Example:
        >>> variance(torch.tensor([1.0, 2.0, 6.0]))
        tensor(7.)
        >>> variance(torch.tensor([1.0, 2.0, 6.0]), weights=torch.tensor([2.0, 2.0, 0.0]))
        tensor(0.5000)
    """
    axes, n = axes_of(x, dim)
    correction = check.number("correction", correction)
    if math.isnan(correction):
        raise ValueError("correction must not be NaN")
    w = None if weights is None else _weights(weights, x)
    if w is not None and n > 0:
        return _weighted(x, axes, correction, w).to(x.dtype)
    (m2,) = central_sums(x.to(compute_dtype(x)), axes, 2)
    return (m2 / max(0, n - correction)).to(x.dtype)


def _weighted(x: Tensor, axes: tuple[int, ...], correction: float, w: Tensor) -> Tensor:
    """The weighted variance in float64, where squares of weights and their slopes have room.

    The divisor is (1 - c) sum s^2 + sum s (1 - s) for shares s, and 1 less the largest share is the sum of
    the others: nothing cancels where one entry has nearly all the weight.
    """
    x, w = x.double(), w.double()
    x = torch.where((w == 0) & ~x.isfinite(), 0.0, x)
    w = w / w.detach().sum(axes, keepdim=True)
    share = w / w.sum(axes, keepdim=True)
    _, _, d = centred(x, axes, share)
    largest = _first_largest(share.detach(), axes)
    rest = torch.where(largest, torch.where(largest, 0.0, share).sum(axes, keepdim=True), 1 - share)
    left = (1 - correction) * (share * share).sum(axes) + (share * rest).sum(axes)
    return (share * d * d).sum(axes) / left.clamp(min=0)


def _first_largest(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """True at one of the largest entries over ``axes``."""
    moved = x.movedim(axes, tuple(range(-len(axes), 0)))
    flat = moved.flatten(-len(axes))
    at = torch.arange(flat.shape[-1], device=x.device) == flat.argmax(-1, keepdim=True)
    return at.view(moved.shape).movedim(tuple(range(-len(axes), 0)), axes)


def _weights(weights: Tensor, x: Tensor) -> Tensor:
    """The weights in the shape of ``x``; raise where they are negative and can be read."""
    check.floating("weights", weights)
    if weights.numel() and _torch.readable(weights) and weights.min() < 0:
        raise ValueError(f"weights must be at least 0, got {weights.min().item()}")
    return check.broadcast("weights", weights, x.shape)


def c4(n: int) -> float:
    r"""How far the standard deviation of n normal samples falls short: :math:`\mathbb E\,S = c_4(n)\,\sigma`.

    .. math:: c_4(n) = \sqrt{\frac2{n-1}}\;\frac{\Gamma(n/2)}{\Gamma((n-1)/2)}
              = 1 - \frac1{4n} - \frac7{32n^2} - \frac{19}{128n^3} - \dots

    Correct to a few units in the last place for all n: exact integers below 64, above it Stirling's series in
    :math:`y=2/(n-1)`, :math:`\log c_4=-\frac y8+\frac{y^3}{192}-\frac{y^5}{640}+\frac{17y^7}{14336}-\dots`
    (a difference of two ``lgamma`` loses all digits as n grows).

    Implements :prf:ref:`bias-c4`.

    Args:
        n: the number of samples, an int of at least 2.

    Example:
        >>> c4(2) ** 2 * math.pi
        2.0
    """
    n = check.at_least("n", n, 2)
    if n < len(EXACT_C4):
        return EXACT_C4[n]
    y = 2 / (n - 1)
    return math.exp(y * (-1 / 8 + y**2 * (1 / 192 - y**2 * (1 / 640 - y**2 * 17 / 14336))))


def _exact_c4(n: int) -> float:
    """By central binomial coefficients, in integers up to the last step."""
    k = n // 2
    if n % 2:
        return math.sqrt(2 * math.pi / (n - 1)) * (k * math.comb(2 * k, k) / 4**k)
    return math.sqrt(2 / math.pi / (n - 1)) * (4 ** (k - 1) / math.comb(2 * k - 2, k - 1))


EXACT_C4 = (math.nan, math.nan, *map(_exact_c4, range(2, 64)))  # which torch.compile can read for any n


def unbiased_std(x: Tensor, *, dim: Dims = None) -> Tensor:
    r"""The standard deviation :math:`S/c_4(n)`: its mean is :math:`\sigma`, if the samples are normal.

    Implements :prf:ref:`bias-c4`.

    Args:
        x: data of any shape.
        dim: as in :func:`variance`. One entry gives NaN; the gradient at equal entries is 0, as in torch.

    Example:
        >>> unbiased_std(torch.tensor([1.0, 3.0]))  # 2 / sqrt(2) / c4(2)
        tensor(1.7725)
    """
    axes, n = axes_of(x, dim)
    y = x.to(compute_dtype(x))
    unit = unit_of(y, axes)
    s = root(variance(y / unit, dim=dim)) * unit.squeeze(axes)
    return (s / (c4(n) if n > 1 else math.nan)).to(x.dtype)


def mse_optimal_divisor(n: int, *, kurtosis: float = 3.0) -> float:
    r"""The divisor of :math:`\sum_i(x_i-\bar x)^2` with the least mean squared error.

    .. math:: d^* = n - 2 + \kappa - \frac{\kappa-3}n,\qquad \kappa = \mu_4/\sigma^4

    Normal samples (:math:`\kappa=3`) ask for n + 1, a fair coin (:math:`\kappa=1`) for n - 1 + 2/n.

    Implements :prf:ref:`bias-divisor`.

    Args:
        n: the number of samples, an int of at least 2.
        kurtosis: at least 1 (no law has less); not the excess.

    Example:
        >>> mse_optimal_divisor(10), mse_optimal_divisor(10, kurtosis=9)
        (11.0, 16.4)
    """
    n, kurtosis = check.at_least("n", n, 2), check.number("kurtosis", kurtosis)
    if not kurtosis >= 1:
        raise ValueError(f"kurtosis must be at least 1, as every law's is, got {kurtosis}")
    return n - 1 + (kurtosis * (n - 1) - (n - 3)) / n
