"""The gaps between points of a circle, the smallest arc that holds them, and the test of its length."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.geometry._sectors.probability import TURN, circle, tail

__all__ = ["circular_range_test", "enclosing_arc", "max_gap"]


def max_gap(angles: Tensor, dim: int = -1, *, period: float = TURN, mask: Tensor | None = None) -> Tensor:
    r"""Largest of the gaps between neighbours on a circle, the one across 0 among them.

    One point leaves the whole circle, and so does none. Whole turns are taken off without rounding, and an
    angle below 0 stays there, so that a gap between neighbours on either side of 0 has all its digits.

    Implements :prf:ref:`sectors-gaps`.

    Args:
        angles: of any number of turns, in any order, with ties; float64, float32, bfloat16 or float16,
            computed in float64. NaN and infinite entries give NaN, in their row.
        dim: the axis of the points.
        period: the whole circle in the unit of the angles: 360 for degrees, 24 for hours.
        mask: bool, broadcast to ``angles``; where it is False there is no point, whatever stands there.

    Returns:
        The shape of ``angles`` without ``dim``, and their dtype.

    Raises:
        TypeError: an argument is of none of these types.
        ValueError: the axis is empty or does not exist, the mask does not fit, or ``period`` is not positive
            and finite.

    Example:
        >>> hours = torch.tensor([23.0, 1.5, 22.0, 4.0])
        >>> max_gap(hours, period=24)
        tensor(18.)
    """
    _, _, gap, _ = _arc(angles, dim, period, mask)
    return gap.to(angles.dtype)


def enclosing_arc(
    angles: Tensor, dim: int = -1, *, period: float = TURN, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    r"""Smallest arc that holds all points: where it starts, and how long it is.

    It starts at the point after the largest gap and ends at the one before it, counter-clockwise. Of equal
    gaps any is taken.

    Implements :prf:ref:`sectors-gaps`.

    Args:
        angles, dim, period, mask: as :func:`max_gap` takes them.

    Returns:
        The start, one of the angles as it was given (NaN where there is no point), and the length, both in
        the shape of ``angles`` without ``dim``, and in their dtype.

    Raises:
        TypeError, ValueError: as :func:`max_gap` does.

    Example:
        >>> hours = torch.tensor([23.0, 1.5, 22.0, 4.0])
        >>> enclosing_arc(hours, period=24)
        (tensor(22.), tensor(6.))
    """
    start, length, _, _ = _arc(angles, dim, period, mask)
    return start.to(angles.dtype), length.to(angles.dtype)


def circular_range_test(
    angles: Tensor,
    dim: int = -1,
    *,
    period: float = TURN,
    mask: Tensor | None = None,
    alternative: str = "less",
) -> tuple[Tensor, Tensor]:
    r"""Test of uniformity by the circular range, the length of the smallest arc that holds all points.

    The p-value is exact, and has its digits in both tails. No point, and one point, have range 0 and p = 1.

    Implements :prf:ref:`sectors-law`, :prf:ref:`sectors-most-powerful`.

    Args:
        angles, dim, period, mask: as :func:`max_gap` takes them.
        alternative: "less" for points that crowd in an arc, :math:`p = P(\text{range} \le r)`; "greater" for
            points more even than chance.

    Returns:
        The range, in the unit of the angles, and the p-value, in the shape of ``angles`` without ``dim`` and
        in their dtype. Small p-values ask for float32 or float64.

    Raises:
        TypeError, ValueError: as :func:`max_gap` does, or ``alternative`` is none of these.

    Example:
        >>> hours = torch.tensor([23.0, 1.5, 22.0, 4.0])
        >>> circular_range_test(hours, period=24)
        (tensor(6.), tensor(0.0625))
    """
    check.choice("alternative", alternative, ("less", "greater"))
    _, length, gap, n = _arc(angles, dim, period, mask)
    whole = float(period)
    p = tail(n.clamp(min=1).double(), length / whole, gap / whole, alternative == "greater")
    p = torch.where(n <= 1, torch.ones_like(p) + 0 * length, p)
    return length.to(angles.dtype), p.to(angles.dtype)


def _arc(
    angles: Tensor, dim: int, period: float, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Start, length and gap in float64, and the number of points."""
    dim = check.axis("angles", angles, dim)
    whole = circle("period", period)
    here = torch.ones_like(angles, dtype=torch.bool)
    if mask is not None:
        check.mask("mask", mask)
        here = check.broadcast("mask", mask, tuple(angles.shape))
    a = torch.where(here, angles.double(), 0.0).movedim(dim, -1)
    here = here.movedim(dim, -1)
    n = here.sum(-1)
    lost = (~a.isfinite()).any(-1)
    a = torch.where(a.isfinite(), a, 0.0)
    given, a, turns = _in_order(a, here, whole)
    # the next point, after the last one the first; and the gap between, in which whole turns cancel first
    place = torch.arange(a.shape[-1], device=a.device).expand(a.shape)
    last = place + 1 >= n.unsqueeze(-1)
    following = torch.where(last, 0, place + 1)
    back = turns - turns.gather(-1, following) + last
    gaps = a.gather(-1, following) - a + whole * back
    end = torch.where(place < n.unsqueeze(-1), gaps, -math.inf).argmax(-1, keepdim=True)
    after = following.gather(-1, end)
    start = given.gather(-1, after).squeeze(-1)
    length = (a.gather(-1, end) - a.gather(-1, after) + whole * (1 - back.gather(-1, end))).squeeze(-1)
    gap = gaps.gather(-1, end).squeeze(-1)
    none = n == 0
    start = torch.where(none | lost, math.nan, start)
    length = torch.where(lost, math.nan, torch.where(none, 0.0, length))
    return start, length, torch.where(lost, math.nan, torch.where(none, whole, gap)), n


def _in_order(a: Tensor, here: Tensor, whole: float) -> tuple[Tensor, Tensor, Tensor]:
    """Around the circle, those that count first: the angles, what is left of them within a turn either way
    (fmod does not round), and the whole turns in that, -1 or 0."""
    rest = torch.fmod(a, whole)
    turns = (rest.detach() / whole).floor()
    order = torch.where(here, rest.detach() - whole * turns, math.inf).argsort(-1)
    return a.gather(-1, order), rest.gather(-1, order), turns.gather(-1, order)
