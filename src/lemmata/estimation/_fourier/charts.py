"""Three ways to lay [-1, 1] out: as it is, around a circle, over the line."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata.estimation._fourier.series import Point, split

__all__ = ["Chart", "Circle", "Interval", "Line", "log_slope"]


class Place(NamedTuple):
    """Where a value lies in [-1, 1], the logarithm of the slope of the map there, and what lies outside."""

    point: Point
    log_slope: Tensor
    outside: Tensor


class Interval:
    """[-1, 1]."""

    def place(self, x: Tensor) -> Place:
        outside = x.detach().abs() > 1
        return Place(split(torch.where(outside, x.detach().sign(), x)), torch.zeros_like(x), outside)

    def value(self, t: Tensor) -> Tensor:
        return t


class Circle:
    """Any number of turns; a period has its middle at 0."""

    def __init__(self, period: float) -> None:
        self.period = period

    def place(self, x: Tensor) -> Place:
        rest = torch.fmod(x, self.period)
        rest = rest - self.period * (rest.detach() / self.period).round()
        t = rest * (2 / self.period)
        inside = torch.where(t.detach().abs() > 1, t.detach().sign(), t)  # by a rounding
        return Place(
            split(inside),
            torch.full_like(x, math.log(2 / self.period)),
            torch.zeros_like(x, dtype=torch.bool),
        )

    def value(self, t: Tensor) -> Tensor:
        return t * (self.period / 2)


class Line:
    """y = loc + scale atanh t."""

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        self.loc, self.scale = loc, scale

    def place(self, y: Tensor) -> Place:
        u = (y - self.loc) / self.scale
        at = u.detach()
        base = (at.sign() * (at.abs() > 0.55)).nan_to_num()  # tanh 0.55 is one half
        # beyond: the distance from the end, which tanh rounds away
        offset = torch.where(base == 0, u.tanh(), -2 * base * (-2 * base * u).sigmoid())
        slope = log_slope(u) - self.scale.log()
        return Place(Point(base, offset), slope, torch.zeros_like(u, dtype=torch.bool))

    def value(self, t: Tensor) -> Tensor:
        return self.loc + self.scale * t.atanh()


def log_slope(u: Tensor) -> Tensor:
    """log(1 - tanh² u), with two derivatives everywhere, which torch's logaddexp has not (pytorch#196704)."""
    return 2 * math.log(2) + torch.nn.functional.logsigmoid(2 * u) + torch.nn.functional.logsigmoid(-2 * u)


Chart = Interval | Circle | Line
