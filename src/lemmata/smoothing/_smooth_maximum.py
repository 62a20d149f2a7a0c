r"""Smooth maxima and smooth absolute values, each with its exact worst-case gap.

A smooth maximum replaces the corner of :math:`\max_i x_i` at a cost that its sharpness :math:`K` sets:

.. math:: \max_i x_i \approx \frac1K\log\sum_i e^{Kx_i},\qquad
          |x| \approx \frac1k\log\bigl(e^{kx}+e^{-kx}\bigr).

What holds for every function here:

* ``x`` is float64, float32, bfloat16 or float16; other types raise TypeError. The output has the dtype of
  ``x``. Half types are computed and summed in float32. Where K is outside :math:`[2^{-64}, 2^{64}]`, the sums
  are in float64. Autocast changes nothing.
* The sharpness is a number in (0, inf]. At inf, and beyond 4e307, the result is the hard operation, whose
  gradient is shared equally among ties; below 2.3e-308 it counts as that.
* NaN gives NaN in its row, and a gradient of NaN. ``inf`` gives ``inf``, with the gradient of the hard
  operation. A row in which all is ``-inf`` gives ``-inf``, with gradient 0. No other gradient is NaN
  (in float64, for ``x`` below 1e306).
* Arguments are never modified. Derivatives of any order, ``torch.func`` and ``torch.compile(fullgraph=True)``
  work.

Source: Su, kexue.fm 3290 (2015), 6620 (2019).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.numerics.precision import compute_dtype

__all__ = ["boltzmann_maximum", "logsumexp_maximum", "mellowmax", "p_norm_maximum", "smooth_abs"]

WIDE = 2.0**64  # a sharpness beyond it, or below its reciprocal, wants sums in float64
SMALLEST = torch.finfo(torch.float64).tiny
LARGEST = 1 / SMALLEST  # beyond it 1 / K has no normal number
FAR = 2.0**28  # where |kx| is beyond it, every kind of smooth_abs is |x| to the last digit


# --------------------------------------------------------------------------- smooth maxima


def logsumexp_maximum(x: Tensor, *, sharpness: float, dim: int = -1) -> Tensor:
    r"""The smooth maximum that commutes with shifts: :math:`\mathrm{LSE}_K(x) = \frac1K\log\sum_i e^{Kx_i}`.

    It never under-estimates, :math:`0 \le \mathrm{LSE}_K - \max \le \frac{\log n}K`: above exactly when all
    entries are equal, below in the limit of one entry that leads by far (exactly for n = 1). Its gradient is
    :math:`\mathrm{softmax}(Kx)`. Over all probabilities, it is :math:`\max_p\,\langle p, x\rangle + H(p)/K`.

    The gap is computed as :math:`\frac1K\log(1 + \sum e^{-K(\max - x_i)})`, summed over the others, and keeps
    its digits however small it is.

    Implements :prf:ref:`smooth-maximum-lse`, :prf:ref:`smooth-maximum-duality`.

    Args:
        x: ``(..., n, ...)``. ``-inf`` has weight 0.
        sharpness: :math:`K`, in (0, inf]; inf gives the maximum.
        dim: the axis that is reduced; at least one entry long.

    Returns:
        ``x`` without the axis ``dim``, in its dtype.

    Raises:
        TypeError: ``x`` is not floating point, ``sharpness`` is not a number, ``dim`` not an int.
        ValueError: ``sharpness`` is not positive, there is no axis ``dim``, or it is empty.

    Example:
        >>> logsumexp_maximum(torch.tensor([1.0, 2.0, 3.5, -1.0]), sharpness=2)
        tensor(3.5276)
    """
    return _soften(x, sharpness, dim, _log_sum_gap)


def mellowmax(x: Tensor, *, sharpness: float, dim: int = -1) -> Tensor:
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
        sharpness: :math:`K`, in (0, inf]; inf gives the maximum.
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


def boltzmann_maximum(x: Tensor, *, sharpness: float, dim: int = -1) -> Tensor:
    r"""The mean under the Boltzmann weights: :math:`B_K(x) = \sum_i p_ix_i`, :math:`p=\mathrm{softmax}(Kx)`.

    It never over-estimates, :math:`0 \le \max - B_K \le \frac1KW\bigl(\frac{n-1}e\bigr)` with Lambert's W:
    0.278465/K for n = 2, 2.62865/K for n = 100. The bound is attained, where all the others are
    :math:`(1+W)/K` below the maximum.

    It is *not* monotone: :math:`\partial B/\partial x_i = p_i(1 + K(x_i - B))` is negative where
    :math:`x_i < B - 1/K`, so raising a low entry lowers it.

    Implements :prf:ref:`smooth-maximum-boltzmann`, :prf:ref:`smooth-maximum-not-monotone`.

    Args:
        x: ``(..., n, ...)``. ``-inf`` has weight 0.
        sharpness: :math:`K`, in (0, inf]; inf gives the maximum.
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


def p_norm_maximum(x: Tensor, *, p: float, dim: int = -1) -> Tensor:
    r"""The p-norm of entries that are not negative: :math:`N_p(x) = \bigl(\sum_i x_i^p\bigr)^{1/p}`.

    It never under-estimates, and by a factor: :math:`1 \le N_p/\max \le n^{1/p}`, above exactly when all
    entries are equal. With negative entries the limit is not the maximum but the entry of largest modulus
    (for odd p), so they are refused.

    Implements :prf:ref:`smooth-maximum-p-norm`.

    Args:
        x: ``(..., n, ...)``, at least 0. A row of zeros has value 0 and the gradient :math:`n^{1/p-1}`, that
            of the rows of equal entries. For 1 < p < 2 the second derivative by an entry that is 0 beside
            others is infinite, and given as 0. Gradients are sure while ``x`` times what arrives is in
            range, second ones while p over the maximum is, too.
        p: the order, in [1, inf]; inf gives the maximum.
        dim: the axis that is reduced; at least one entry long.

    Returns:
        ``x`` without the axis ``dim``, in its dtype.

    Raises:
        TypeError: ``x`` is not floating point, ``p`` is not a number, ``dim`` not an int.
        ValueError: ``p`` is below 1, there is no axis ``dim``, or it is empty; ``x`` has a negative entry and
            is on the CPU. Elsewhere, while compiling and under ``torch.func``, its row gives NaN instead:
            looking would wait for the device.

    Example:
        >>> p_norm_maximum(torch.tensor([1.0, 2.0, 3.5, 0.5]), p=3)
        tensor(3.7325)
    """
    p = _order(p)
    rows = _rows(x, p, check.axis("x", x, dim))
    negative = rows < 0
    if _torch.readable(rows) and negative.any():
        raise ValueError(f"x must be at least 0, got values down to {rows[negative].min().item()}")
    rows = torch.where(negative, math.nan, rows)
    hard = rows.amax(-1)
    return (hard if p > LARGEST else _p_norm(rows, p, hard)).to(x.dtype)


# --------------------------------------------------------------------------- absolute value


def smooth_abs(x: Tensor, *, sharpness: float, kind: str = "logcosh") -> Tensor:
    r"""A smooth :math:`|x|`, elementwise; the five kinds differ in where and how far they are off.

    ============== ======================================= ============ =================== =================
    kind           :math:`f(x)`                            :math:`f(0)` :math:`f''(0)`      largest error
    ============== ======================================= ============ =================== =================
    ``"logcosh"``  :math:`\frac1k\log(e^{kx}+e^{-kx})`     log 2 / k    k                   + log 2 / k
    ``"sqrt"``     :math:`\sqrt{x^2+1/k^2}`                1 / k        k                   + 1 / k
    ``"softplus"`` :math:`\frac2k\log(1+e^{kx})-x`         2 log 2 / k  k / 2               + 2 log 2 / k
    ``"tanh"``     :math:`x\tanh kx`                       0            2 k                 - 0.278465 / k
    ``"erf"``      :math:`x\,\mathrm{erf}\,kx`             0            :math:`4k/\sqrt\pi` - 0.240376 / k
    ============== ======================================= ============ =================== =================

    The first three over-estimate, and most at 0; the last two under-estimate, and most at
    :math:`x = \pm0.639232/k` and :math:`\pm0.531597/k`. The constant of ``"tanh"`` is :math:`W(1/e)`, that of
    :func:`boltzmann_maximum` for two entries, for :math:`x\tanh kx` is the Boltzmann maximum of x and -x.

    Implements :prf:ref:`smooth-maximum-abs`.

    Args:
        x: any shape. ``-inf`` and ``inf`` give ``inf``, with gradient -1 and 1.
        sharpness: :math:`k`, in (0, inf]; inf gives :math:`|x|`, with gradient 0 at 0.
        kind: as in the table.

    Returns:
        The shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not floating point, or ``sharpness`` is not a number.
        ValueError: ``sharpness`` is not positive, or there is no such kind.

    Example:
        >>> smooth_abs(torch.tensor([-2.0, 0.0, 0.5]), sharpness=3)
        tensor([2.0000, 0.2310, 0.5162])
    """
    check.floating("x", x)
    sharpness = _sharpness(sharpness)
    check.choice("kind", kind, KINDS)
    if sharpness > LARGEST:
        return x.abs()
    y, k = x.to(_sum_dtype(x, sharpness)), max(sharpness, SMALLEST)
    far = (k * y).abs() > FAR
    return torch.where(far, y.abs(), KINDS[kind](torch.where(far, 0.0, y), k)).to(x.dtype)


def _log_cosh(x: Tensor, k: float) -> Tensor:
    """log(2 cosh kx) / k. Near 0 by cosh: its slope sinh / cosh keeps its digits there, 1 - ... does not."""
    near = (k * x).abs() < 1
    y = torch.where(near, k * x, 0.0)
    far = torch.where(near, 1 / k, x).abs()
    return torch.where(near, (y.cosh().log() + math.log(2)) / k, far + (-2 * k * far).exp().log1p() / k)


KINDS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "logcosh": _log_cosh,
    "sqrt": lambda x, k: torch.hypot(x, x.new_full((), 1 / k)),
    "softplus": lambda x, k: _log_cosh(x, k / 2),  # 2 log(1 + e^y) - y = 2 log(2 cosh(y/2))
    "tanh": lambda x, k: x * torch.tanh(k * x),
    "erf": lambda x, k: x * torch.erf(k * x),
}


# --------------------------------------------------------------------------- how maxima are computed


def _soften(x: Tensor, sharpness: float, dim: int, gap: Callable[[Tensor, float], Tensor]) -> Tensor:
    """max + gap(x - max, K); the hard maximum where it, or the sharpness, is infinite."""
    sharpness = _sharpness(sharpness)
    rows = _rows(x, sharpness, check.axis("x", x, dim))
    hard = rows.amax(-1)
    peak = hard.detach()  # shifting by it changes nothing, so it needs no gradient
    if sharpness <= LARGEST:
        usual = ~peak.isinf()
        d = torch.where(usual.unsqueeze(-1), rows - peak.unsqueeze(-1), 0.0)  # (..., n), at most 0
        hard = torch.where(usual, peak + gap(d, max(sharpness, SMALLEST)), hard)
    return torch.where(peak == -math.inf, -math.inf, hard).to(x.dtype)


def _log_sum_gap(d: Tensor, k: float) -> Tensor:
    """log sum e^(Kd) / K, where one d is 0: log(1 + the others), each term of which is positive."""
    t = k * d
    log, t = t.exp().sum(-1).log(), t.detach()
    others = torch.where(t < 0, t.exp(), 0.0).sum(-1) + ((t == 0).sum(-1) - 1)
    return _with_value(log, others.log1p()) / k


def _log_mean_gap(d: Tensor, k: float) -> Tensor:
    """log mean e^(Kd) / K: by expm1, where all terms have one sign; far from 1 the mean itself is as good."""
    t = k * d
    log = t.exp().mean(-1).log()
    u = t.detach().expm1().mean(-1)
    return _with_value(log, torch.where(u > -0.5, u.log1p(), log.detach())) / k


def _boltzmann_gap(d: Tensor, k: float) -> Tensor:
    """The sum of p d; what has no weight stays out of it, however far it is."""
    p = torch.softmax(k * d, -1)
    return (p * torch.where(p == 0, 0.0, d)).sum(-1)


def _with_value(log: Tensor, value: Tensor) -> Tensor:
    """The derivatives of ``log``; the value of what is the same function, but has more digits."""
    return value + (log - log.detach())


def _p_norm(rows: Tensor, p: float, hard: Tensor) -> Tensor:
    """max times the norm of x / max, which is in [1, n^(1/p)]."""
    peak = hard.detach()
    usual = (peak != 0) & (peak != math.inf)
    scale = torch.where(usual, peak, 1.0)
    r = torch.where(usual.unsqueeze(-1), rows, 1.0) / scale.unsqueeze(-1)
    keep = (r != 0) | (p == 1 or p >= 2)  # r^p has an infinite second derivative at 0 for other p
    power = torch.where(keep, torch.where(keep, r, 1.0) ** p, 0.0)
    norm = scale * power.sum(-1) ** (1 / p)
    zero = rows.mean(-1) * rows.shape[-1] ** (1 / p)  # on rows of equal entries this is the norm
    return torch.where(usual, norm, torch.where(peak == 0, zero, hard))


# --------------------------------------------------------------------------- arguments


def _rows(x: Tensor, sharpness: float, dim: int) -> Tensor:
    """``x`` in the dtype of the sums, with the axis that is reduced at the end."""
    return x.to(_sum_dtype(x, sharpness)).movedim(dim, -1)


def _sum_dtype(x: Tensor, sharpness: float) -> torch.dtype:
    extreme = sharpness < 1 / WIDE or WIDE < sharpness <= LARGEST
    return torch.float64 if extreme else compute_dtype(x)


def _sharpness(sharpness: float) -> float:
    return check.positive("sharpness", sharpness, "inf gives the hard operation")


def _order(p: float) -> float:
    order = check.number("p", p)
    if not order >= 1:
        raise ValueError(f"p must be at least 1 (inf gives the maximum), got {p}")
    return order
