"""Smooth maxima that commute with shifts: the maximum plus a gap, computed from what is below it."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.infinite import switch, times
from lemmata.smoothing._smooth_maximum.settings import as_rows, as_sharpness, column, reduced

__all__ = ["boltzmann_maximum", "logsumexp_maximum", "mellowmax"]

BENT = [1 / math.factorial(k + 2) for k in range(9)]  # (e^c - 1 - c) / c^2 in powers of c, enough to 0.1


def logsumexp_maximum(x: Tensor, *, sharpness: float | Tensor, dim: int = -1) -> Tensor:
    r"""The smooth maximum that commutes with shifts: :math:`\mathrm{LSE}_K(x) = \frac1K\log\sum_i e^{Kx_i}`.

    It never under-estimates, :math:`0 \le \mathrm{LSE}_K - \max \le \frac{\log n}K`: above exactly when all
    entries are equal, below in the limit of one entry that leads by far (exactly for n = 1). Its gradient is
    :math:`\mathrm{softmax}(Kx)`. Over all probabilities, it is :math:`\max_p\,\langle p, x\rangle + H(p)/K`.

    The gap is computed as :math:`\frac1K\log(1 + \sum e^{-K(\max - x_i)})`, summed over the others, and keeps
    its digits however small it is.

    Implements :prf:ref:`smooth-maximum-lse`, :prf:ref:`smooth-maximum-duality`.

    Args:
        x: ``(..., n, ...)``. ``-inf`` has weight 0.
        sharpness: :math:`K`, in (0, inf]; inf gives the maximum. A number, or a tensor for the shape of the
            result.
        dim: the axis that is reduced; at least one entry long.

    Returns:
        ``x`` without the axis ``dim``, in its dtype.

    Raises:
        TypeError: ``x`` is not floating point, ``sharpness`` is no number and no such tensor,
            ``dim`` not an int.
        ValueError: ``sharpness`` is not positive, there is no axis ``dim``, or it is empty.

    Example:
        >>> logsumexp_maximum(torch.tensor([1.0, 2.0, 3.5, -1.0]), sharpness=2)
        tensor(3.5276)
    """
    return _soften(x, sharpness, dim, _log_sum_gap)


def mellowmax(x: Tensor, *, sharpness: float | Tensor, dim: int = -1) -> Tensor:
    r"""The mean of exponentials, taken back: :math:`M_K(x) = \frac1K\log\frac1n\sum_i e^{Kx_i}`.

    It is between the mean, its limit for :math:`K \to 0`, and the maximum: :math:`0 \le \max - M_K \le
    \frac{\log n}K`, below exactly when all entries are equal, above in the limit of one entry that leads by
    far. It is increasing in every entry, and moves no further than the entry that moves most. However small K
    is, no digits are lost.

    Implements :prf:ref:`smooth-maximum-mellowmax`.

    Args:
        x: ``(..., n, ...)``. ``-inf`` adds nothing to the sum, yet counts in n, as the limit of low entries
            does. To leave entries out, subtract the logarithm of the number of the others, divided by K, from
            :func:`logsumexp_maximum`.
        sharpness: :math:`K`, in (0, inf]; inf gives the maximum. A number, or a tensor for the shape of the
            result.
        dim: the axis that is reduced; at least one entry long.

    Returns:
        ``x`` without the axis ``dim``, in its dtype.

    Raises:
        TypeError, ValueError: as :func:`logsumexp_maximum`.

    Source: Asadi and Littman, "An alternative softmax operator for reinforcement learning", ICML 2017.

    Example:
        >>> x = torch.tensor([1.0, 2.0, 3.5, -1.0])
        >>> mellowmax(x, sharpness=2), mellowmax(x, sharpness=1e-9)
        (tensor(2.8344), tensor(1.3750))
    """
    return _soften(x, sharpness, dim, _log_mean_gap)


def boltzmann_maximum(x: Tensor, *, sharpness: float | Tensor, dim: int = -1) -> Tensor:
    r"""The mean under the Boltzmann weights: :math:`B_K(x) = \sum_i p_ix_i`, :math:`p=\mathrm{softmax}(Kx)`.

    It never over-estimates, :math:`0 \le \max - B_K \le \frac1KW\bigl(\frac{n-1}e\bigr)` with Lambert's W:
    0.278465/K for n = 2, 2.62865/K for n = 100. The bound is attained, where all the others are
    :math:`(1+W)/K` below the maximum.

    It is *not* monotone: :math:`\partial B/\partial x_i = p_i(1 + K(x_i - B))` is negative where
    :math:`x_i < B - 1/K`, so raising a low entry lowers it.

    Implements :prf:ref:`smooth-maximum-boltzmann`, :prf:ref:`smooth-maximum-not-monotone`.

    Args:
        x: ``(..., n, ...)``. ``-inf`` has weight 0.
        sharpness: :math:`K`, in (0, inf]; inf gives the maximum. A number, or a tensor for the shape of the
            result.
        dim: the axis that is reduced; at least one entry long.

    Returns:
        ``x`` without the axis ``dim``, in its dtype.

    Raises:
        TypeError, ValueError: as :func:`logsumexp_maximum`.

    Example:
        >>> boltzmann_maximum(torch.tensor([1.0, 2.0, 3.5, -1.0]), sharpness=2)
        tensor(3.4129)
    """
    return _soften(x, sharpness, dim, _boltzmann_gap)


# --------------------------------------------------------------------------- how they are computed


def _soften(x: Tensor, sharpness: float | Tensor, dim: int, gap: Callable[[Tensor, Any], Tensor]) -> Tensor:
    """max + gap(x - max, K); the hard maximum where it, or the sharpness, is infinite."""
    dim = check.axis("x", x, dim)
    K = as_sharpness(sharpness, reduced(x, dim))
    rows = as_rows(x, K, dim)
    hard = rows.amax(-1)
    peak = hard.detach()  # shifting by it changes nothing, so it needs no gradient

    def soft(K: float | Tensor) -> Tensor:
        usual = ~peak.isinf()
        d = torch.where(usual.unsqueeze(-1), rows - peak.unsqueeze(-1), 0.0)  # (..., n), at most 0
        return torch.where(usual, peak + gap(d, K), hard)

    return torch.where(peak == -math.inf, -math.inf, switch(K, math.inf, lambda: hard, soft)).to(x.dtype)


def _log_sum_gap(d: Tensor, k: Any) -> Tensor:
    """log sum e^(Kd) / K, where one d is 0: log(1 + the others), each term of which is positive."""
    t = times(column(k), d)
    log, t = t.exp().sum(-1).log(), t.detach()
    others = torch.where(t < 0, t.exp(), 0.0).sum(-1) + ((t == 0).sum(-1) - 1)
    return _with_value(log, others.log1p()) / k


def _log_mean_gap(d: Tensor, k: Any) -> Tensor:
    """log mean e^(Kd) / K: by expm1, where all terms have one sign; far from 1 the mean itself is as good."""
    t = times(column(k), d)
    log = t.exp().mean(-1).log()
    u = t.detach().expm1().mean(-1)
    value = torch.where(u > -0.5, u.log1p(), log.detach()) / k
    return _with_value(_gently(d, t, k, log) if isinstance(k, Tensor) else log / k, value.detach())


def _gently(d: Tensor, t: Tensor, k: Tensor, log: Tensor) -> Tensor:
    """log / K; near 0 as mean d + log(1 + mean(e^c - 1 - c)) / K with c = K(d - mean d), by a power series.

    Its slope in K is half a variance, where that of log / K has no digits left.
    """
    near = (t.detach().amin(-1) > -0.1).unsqueeze(-1)
    mean = torch.where(near, d, 0.0).mean(-1)
    c = torch.where(near, t - t.mean(-1, keepdim=True), 0.0)
    series = torch.full_like(c, BENT[-1])
    for coefficient in BENT[-2::-1]:
        series = coefficient + c * series
    return torch.where(near.squeeze(-1), mean + (c * c * series).mean(-1).log1p() / k, log / k)


def _boltzmann_gap(d: Tensor, k: Any) -> Tensor:
    """The sum of p d; what has no weight stays out of it, however far it is."""
    p = torch.softmax(times(column(k), d), -1)
    return (p * torch.where(p == 0, 0.0, d)).sum(-1)


def _with_value(log: Tensor, value: Tensor) -> Tensor:
    """The derivatives of ``log``; the value of what is the same function, but has more digits."""
    return value + (log - log.detach())
