"""The D-form of two ellipses: its seam and its volume."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.geometry._dforms.ellipse import arclength, axes, eccentric, speed
from lemmata.geometry._dforms.pieces import root, tensors
from lemmata.numerics.legendre import legendre

__all__ = ["dform_curve", "dform_volume"]

RULE = legendre(64)


def dform_volume(a: float | Tensor, b: float | Tensor) -> Tensor:
    r"""The volume of the solid of two ellipses with semi-axes a and b.

    .. math:: V = 4\int_0^l h(s)\,h(l-s)\,x'(s)\,ds

    Its surface is :math:`2\pi ab`. The order of the axes does not matter; a = b is flat, V = 0.

    Implements :prf:ref:`dforms-volume`.

    Args:
        a: semi-axes, positive; broadcast.
        b: semi-axes, positive, from a / 1000 to 1000 a.

    Returns:
        Volumes. Relative errors are near 1e-15 for ratios up to 30 and 1e-13 at 100; near a circle they grow
        to 1e-16 / (a / b - 1).

    Raises:
        TypeError: axes that are not floating point.
        ValueError: axes that are not positive, or too different.

    Example:
        >>> print(f"{dform_volume(2.0, 1.0).item():.6f}")
        3.167464
    """
    long, short, unit, dtype = _sorted(a, b)
    u, weight = tensors(RULE, unit)
    half = _quarter(long, short) / 2
    s = half.unsqueeze(-1) * u**3  # cubes: the seam turns fast near its ends
    y, z, slope = _seam(s, long.unsqueeze(-1), short.unsqueeze(-1))
    area = (y * z * slope * u.square() * weight).sum(-1)
    return (24 * unit**3 * half * area).to(dtype)


def dform_curve(a: float | Tensor, b: float | Tensor, n: int = 64) -> Tensor:
    r"""A quarter of the seam, at n + 1 points of equal distance along it.

    .. math:: (x(s),\ h(s),\ h(l-s)), \qquad s = 0, \tfrac ln, \dots, l

    Mirrored in y and in z it is the whole seam. At each x the solid is the rectangle
    :math:`|y|\le h(s)`, :math:`|z|\le h(l-s)`.

    Implements :prf:ref:`dforms-seam`.

    Args:
        a: semi-axes, positive; broadcast.
        b: semi-axes, positive, from a / 1000 to 1000 a.
        n: pieces, 1 or more.

    Returns:
        Points ``(..., n + 1, 3)``.

    Raises:
        TypeError: axes that are not floating point, n that is no integer.
        ValueError: axes that are not positive, or too different; n < 1.

    Example:
        >>> print(f"{dform_curve(2.0, 1.0, n=2)[1, 1].item():.6f}")  # halfway y = z
        0.804116
    """
    pieces = check.at_least("n", n, 1)
    long, short, unit, dtype = _sorted(a, b)
    long, short = long.unsqueeze(-1), short.unsqueeze(-1)
    l = _quarter(long, short)
    share = torch.linspace(0, 1, pieces + 1, dtype=unit.dtype, device=unit.device)
    first, along = 2 * share <= 1, l * torch.minimum(share, 1 - share)
    x, y, z = _points(torch.cat([along, l / 2], -1), long, short)
    middle, x, y, z = x[..., -1:], x[..., :-1], y[..., :-1], z[..., :-1]
    x = torch.where(first, x, 2 * middle - x)
    y, z = torch.where(first, y, z), torch.where(first, z, y)  # the second half is the first, turned round
    return (unit[..., None, None] * torch.stack([x, y, z], -1)).to(dtype)


def _sorted(a: float | Tensor, b: float | Tensor) -> tuple[Tensor, Tensor, Tensor, torch.dtype]:
    """The long and the short axis in float64, in a unit near their size, which derivatives do not see."""
    p, q, dtype = axes(a, b)
    unit = torch.maximum(p, q).detach()
    return torch.maximum(p, q) / unit, torch.minimum(p, q) / unit, unit, dtype


def _quarter(long: Tensor, short: Tensor) -> Tensor:
    """l, a quarter of the perimeter."""
    return arclength(torch.full_like(long, math.pi / 2), long, short)


def _seam(s: Tensor, long: Tensor, short: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """h(s), h(l - s) and x'(s) for s up to l / 2: t and tau lie at that distance from the two ends."""
    t, tau = eccentric(s, long, short), eccentric(s, short, long)
    first, second = long * long * t.sin() * tau.cos(), short * short * t.cos() * tau.sin()
    apart = short * short * (t - tau).sin() + (long - short) * (long + short) * t.sin() * tau.cos()
    square = apart * (first + second) / (speed(t, long, short) * speed(tau, short, long)).square()
    return short * t.sin(), short * tau.cos(), root(square)


def _points(s: Tensor, long: Tensor, short: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The seam at s up to l / 2: x(s) by the rule, y and z where its last node would be, at s."""
    u, weight = tensors(RULE, s)
    along = s.unsqueeze(-1) * torch.cat([u, u.new_ones(1)]) ** 3
    y, z, slope = _seam(along, long.unsqueeze(-1), short.unsqueeze(-1))
    x = 3 * s * (slope[..., :-1] * u.square() * weight).sum(-1)
    return x, y[..., -1], z[..., -1]
