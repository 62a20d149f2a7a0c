"""The arc length of an ellipse, and its inverse with exact derivatives."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable

__all__ = ["ellipse_arclength"]

LANDEN, SEARCH = 7, 4  # steps: enough for axes whose ratio is at most RATIO
RATIO = 1000.0


def ellipse_arclength(t: float | Tensor, a: float | Tensor, b: float | Tensor) -> Tensor:
    r"""The length of the ellipse :math:`(a\cos t, b\sin t)` from the end of the axis a to t.

    .. math:: s(t) = \int_0^t\sqrt{a^2\sin^2 u + b^2\cos^2 u}\,du = b\,E(t \mid 1-a^2/b^2)

    by Landen's transformation: arithmetic and geometric means of the axes, which agree after seven steps.

    Implements :prf:ref:`dforms-arclength`.

    Args:
        t: eccentric angles, any real numbers; broadcasts against the axes.
        a: semi-axes, positive.
        b: semi-axes, positive, from a / 1000 to 1000 a.

    Returns:
        Lengths, negative where t is. Relative errors are some roundings; near the end of a long axis a, where
            terms cancel, about 3e-16 (a / b)^2: three in 1e10 at 1000.

    Raises:
        TypeError: arguments that are not floating point.
        ValueError: axes that are not positive, or too different.

    Example:
        >>> print(f"{ellipse_arclength(torch.pi / 2, 2.0, 1.0).item():.6f}")
        2.422112
    """
    angle = check.real("t", t)
    long, short, dtype = axes(a, b)
    if isinstance(t, Tensor):  # numbers have no say
        tensors = isinstance(a, Tensor) or isinstance(b, Tensor)
        dtype = torch.promote_types(angle.dtype, dtype) if tensors else angle.dtype
    angle, long, short = torch.broadcast_tensors(angle.double(), long, short)
    unit = torch.maximum(long, short).detach()  # squares of 1e200 overflow; the length does not depend on it
    return (unit * arclength(angle, long / unit, short / unit)).to(dtype)


def axes(a: float | Tensor, b: float | Tensor) -> tuple[Tensor, Tensor, torch.dtype]:
    """Both axes in float64, NaN where they are too different; and the dtype of the result."""
    given = [axis for axis in (a, b) if isinstance(axis, Tensor)]
    p, q = (check.real(name, axis) for name, axis in (("a", a), ("b", b)))
    for name, axis in (("a", p), ("b", q)):
        check.scale(name, axis)
    dtype = given[0].dtype if given else torch.float64
    for axis in given[1:]:
        dtype = torch.promote_types(dtype, axis.dtype)
    p, q = torch.broadcast_tensors(p.double(), q.double())
    fits = (p <= RATIO * q) & (q <= RATIO * p)
    if readable(p) and readable(q) and not fits.all():
        raise ValueError(f"a and b must have a ratio of at most {RATIO:g}, got a larger one")
    return torch.where(fits, p, math.nan), q, dtype


def arclength(t: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Landen's transformation of E: the means p and q of the axes close in, the angle doubles."""
    p, q = b, a
    factor, rest = (a * a + b * b) / 2, torch.zeros_like(t)
    for k in range(LANDEN):
        sin, cos = t.sin(), t.cos()
        t = 2 * t - torch.atan2((p - q) * sin * cos, p * cos * cos + q * sin * sin)
        half = (p - q) / 2
        factor = factor - 2**k * half * half
        rest = rest + half * t.sin()
        p, q = (p + q) / 2, (p * q).sqrt()
    return factor * t / (2**LANDEN * p) + rest


def speed(t: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The derivative of the arc length."""
    return ((a * t.sin()).square() + (b * t.cos()).square()).sqrt()


def eccentric(s: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The eccentric angle at arc length s of a quarter (of its first half where a < b), by Newton's method.

    The search is not differentiated. Two more steps are: they give two derivatives exactly, one gives one.
    """
    known = [x.detach() for x in (s, a, b)]
    t = _newton(_start(*known), *known, steps=SEARCH)
    return _newton(t.detach(), s, a, b, steps=2)


def _newton(t: Tensor, s: Tensor, a: Tensor, b: Tensor, *, steps: int) -> Tensor:
    for _ in range(steps):
        t = t - (arclength(t, a, b) - s) / speed(t, a, b)
    return t


def _start(s: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """On the side of the angle from which Newton's steps do not cross it.

    The speed is at least that of either axis alone. It falls along the quarter where a < b, else it rises.
    """
    steep = torch.arccos((1 - s / a).clamp(min=0.0))
    return torch.where(a < b, s / b, torch.minimum(steep, s / b).clamp(max=math.pi / 2))
