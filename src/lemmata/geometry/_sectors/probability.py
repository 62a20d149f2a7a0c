"""The probability that random points of a circle lie in a sector, and its derivatives."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, cast

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.geometry._sectors.tails import tails

__all__ = ["sector_probability"]

TURN = 2 * math.pi
Law = Callable[[Tensor, Tensor, Tensor], Tensor]


def sector_probability(
    n: int | Tensor,
    theta: float | Tensor | Fraction,
    *,
    period: float = TURN,
    complement: bool = False,
) -> Tensor | Fraction:
    r"""Probability that n independent uniform points of a circle lie in a common sector of angle theta.

    .. math:: P_n(\theta) = \sum_{1 \le k < 1/x} (-1)^{k-1} \binom nk (1-kx)^{n-1},
              \qquad x = 1 - \frac\theta{2\pi}

    It is the distribution function of the circular range, and 1 minus the probability that n arcs of length
    :math:`2\pi - \theta` cover the circle. The derivative in ``theta`` is the density,
    :math:`n(n-1)t^{n-2}` times a probability that n - 1 points leave no large gap. It has all orders in
    reverse mode, and two in forward mode. Computed in float64, without the sum where it cancels.
    An entry takes some 2 kB of memory meanwhile.

    Implements :prf:ref:`sectors-law`, :prf:ref:`sectors-density`, :prf:ref:`sectors-spline`.

    Args:
        n: how many points, an int of at least 1, or an int64 tensor that broadcasts with ``theta``.
        theta: the angle, any shape, float64, float32, bfloat16 or float16; Python and NumPy numbers are
            float64. Below 0 the result is 0, from ``period`` on it is 1. A ``Fraction``, with an int or
            ``Fraction`` as period and an int n, gives the exact ``Fraction``.
        period: the whole circle in the unit of theta: 360 for degrees, 24 for hours, 1 for turns.
        complement: 1 minus the probability, with digits of its own.

    Returns:
        The broadcast shape, and the dtype of ``theta``.

    Raises:
        TypeError: an argument is of none of these types.
        ValueError: n is below 1 or no int64, or ``period`` is not positive and finite.

    Example:
        >>> sector_probability(4, torch.tensor([90.0, 180.0, 240.0]), period=360)
        tensor([0.0625, 0.5000, 0.9630])
        >>> from fractions import Fraction
        >>> sector_probability(4, Fraction(2, 3), period=1)
        Fraction(26, 27)
    """
    if isinstance(theta, Fraction):
        return _exact(n, theta, period, complement)
    whole = circle("period", period)
    theta = check.real("theta", theta)
    t = theta.double() / whole
    return tail(count(n, t), t, 1 - t, bool(complement)).to(theta.dtype)


def circle(name: str, period: float) -> float:
    """The length of the circle as a float, positive and finite."""
    whole = check.positive(name, period)
    if math.isinf(whole):
        raise ValueError(f"{name} must be finite, got {period}")
    return whole


def count(n: int | Tensor, t: Tensor) -> Tensor:
    """n as float64 on the device of t."""
    if not isinstance(n, Tensor):
        size = check.at_least("n", n, 1)
        if size >= 2**63:
            raise ValueError(f"n must be below 2^63, got {size}")
        return t.new_full((), float(size))
    check.index("n", n)
    if n.numel() and _torch.readable(n) and not (n >= 1).all():
        raise ValueError(f"n must be at least 1, got values from {n.min().item()}")
    return n.double()


def _exact(n: int | Tensor, theta: Fraction, period: Any, complement: bool) -> Fraction:
    whole = period if isinstance(period, Fraction) else Fraction(check.integer("period", period))
    if whole <= 0:
        raise ValueError(f"period must be positive, got {period}")
    size, x = check.at_least("n", cast(int, n), 1), 1 - theta / whole
    value = _sum(size, x) if x > 0 else Fraction(1)
    return 1 - value if complement else value


def _sum(n: int, x: Fraction) -> Fraction:
    """The alternating sum for x > 0; a point alone needs x of at most 1, and its whole circle is one gap."""
    if n == 1:
        return Fraction(int(x <= 1))
    terms = range(1, min(n, math.ceil(1 / x) - 1) + 1)
    return sum(((-1) ** (k - 1) * math.comb(n, k) * (1 - k * x) ** (n - 1) for k in terms), Fraction(0))


def tail(n: Tensor, t: Tensor, x: Tensor, complement: bool) -> Tensor:
    """One of the two tails, for an arc t and a gap x that add up to 1; the derivative is taken in t."""
    n, t, x = torch.broadcast_tensors(n, t, x.detach())
    return _torch.apply(_Tail, _by_taylor, n, t, x, complement)


def _density(n: Tensor, t: Tensor, x: Tensor, none: Law) -> Tensor:
    """The derivative of P_n in t: a first and a last point, the others between, and no gap above x.

    ``none(n, t, x)`` is the probability of that for points of a whole circle.
    """
    inside = (t > 0) & (t < 1) & (n >= 2)
    s, m = torch.where(inside, t, 0.5), torch.where(inside, n, 2.0)
    inside_gaps = none(m - 1, *_rescaled(s, torch.where(inside, x, 0.5)))
    free = s <= 0.5  # then no gap between them reaches x
    return torch.where(inside, m * (m - 1) * s ** (m - 2) * torch.where(free, 1.0, inside_gaps), 0.0)


def _rescaled(t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """A gap of x in an arc of t above one half, as if that were the circle: the rest of it, and the gap."""
    wide = torch.where(t > 0.5, t, 0.75)
    return 2 - 1 / wide, torch.where(t > 0.5, x, 0.25) / wide


def _no_gap(n: Tensor, t: Tensor, x: Tensor) -> Tensor:
    return tail(n, t, x, complement=True)


def _no_gap_value(n: Tensor, t: Tensor, x: Tensor) -> Tensor:
    return tails(n, t, x)[1]


def _by_taylor(n: Tensor, t: Tensor, x: Tensor, complement: bool) -> Tensor:
    """The value with two derivatives, for forward mode."""
    at = t.detach()
    move, inside = t - at, (at > 0) & (at < 1) & (n >= 2)
    s, m = torch.where(inside, at, 0.5), torch.where(inside, n, 2.0)
    slope = _density(n, at, x, _no_gap_value)
    inner = torch.where(
        s > 0.5, _density(m - 1, *_rescaled(s, torch.where(inside, x, 0.5)), _no_gap_value), 0.0
    )
    wide = torch.where(s > 0.5, s, 1.0)  # below one half inner is 0, and a power may overflow
    bend = (m - 2) / s * slope - m * (m - 1) * wide ** (m - 4) * inner
    change = slope * move + torch.where(inside, bend, 0.0) * move.square() / 2
    return tails(n, at, x)[int(complement)] + (-change if complement else change)


class _Tail(torch.autograd.Function):
    """A tail of the law; its derivative is a density, which is made of the law for one point less."""

    @staticmethod
    def forward(n, t, x, complement):
        return tails(n, t, x)[int(complement)]

    @staticmethod
    def setup_context(ctx, inputs, output):
        n, t, x, ctx.complement = inputs
        ctx.save_for_backward(n, t, x)

    @staticmethod
    def backward(ctx, grad):
        n, t, x = ctx.saved_tensors
        slope = _density(n, t, x, _no_gap)
        return None, -grad * slope if ctx.complement else grad * slope, None, None

    @staticmethod
    def vmap(info, in_dims, n, t, x, complement):
        front = (
            _torch.batch_first(value, dim, info.batch_size)
            for value, dim in zip((n, t, x), in_dims, strict=False)
        )
        return _Tail.apply(*front, complement), 0
