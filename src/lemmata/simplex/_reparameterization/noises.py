"""Eight laws of noise: what is needed of the distribution function F, and draws.

Each law is a function of x that gives log F and the reversed hazard h = F'/F, for x in the support or
above it. Neither makes a derivative NaN.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["NOISES", "Noise"]

LEAST = 1e-9  # of what is divided by, where a piece of no length has its nodes
Pair = tuple[Tensor, Tensor]
Source = Callable[[], Tensor]  # of independent exponentials


class Noise(NamedTuple):
    """A law, and how to draw from it by one or two exponentials."""

    law: Callable[[Tensor], Pair]
    draw: Callable[[Source], Tensor]


def gumbel(x: Tensor) -> Pair:
    h = torch.exp(-x)
    return -h, h


def normal(x: Tensor) -> Pair:
    a = torch.where(x < 0, -x, x) / math.sqrt(2)  # the slope of abs is 0 at 0
    ratio, bell = torch.special.erfcx(a) / 2, torch.exp(-a * a)  # their product is the tail beyond |x|
    log_cdf = torch.where(x < 0, ratio.log() - a * a, torch.log1p(-ratio * bell))
    return log_cdf, torch.where(x < 0, 1 / ratio, bell / (1 - ratio * bell)) / math.sqrt(2 * math.pi)


def logistic(x: Tensor) -> Pair:
    return F.logsigmoid(x), torch.sigmoid(-x)


def laplace(x: Tensor) -> Pair:
    tail = torch.exp(-x.abs()) / 2
    left = x < 0
    return torch.where(left, x - math.log(2), torch.log1p(-tail)), torch.where(left, 1.0, tail / (1 - tail))


def neg_gumbel(x: Tensor) -> Pair:
    inside = x < 4.5  # beyond it F is 1 to the last digit, in every dtype
    w = torch.where(inside, x, 0.0).exp()
    cdf = -torch.expm1(-w)
    return torch.where(inside, cdf.log(), 0.0), torch.where(inside, w * torch.exp(-w) / cdf, 0.0)


def uniform(x: Tensor) -> Pair:
    inside = x.clamp(LEAST, 1.0)
    return inside.log(), torch.where(x < 1, 1 / inside, 0.0)


def exponential(x: Tensor) -> Pair:
    cdf = -torch.expm1(-x)
    return cdf.log(), torch.exp(-x) / cdf


def neg_exponential(x: Tensor) -> Pair:
    return x.clamp(max=0.0), (x < 0).to(x.dtype)


def box_muller(exponential: Source) -> Tensor:
    """A normal number: a radius, whose square is twice an exponential, and an angle."""
    return (2 * exponential()).sqrt() * torch.cos(2 * math.pi * torch.exp(-exponential()))


NOISES = {
    "gumbel": Noise(gumbel, lambda exponential: -exponential().log()),
    "normal": Noise(normal, box_muller),
    "logistic": Noise(logistic, lambda exponential: exponential().log() - exponential().log()),
    "laplace": Noise(laplace, lambda exponential: exponential() - exponential()),
    "uniform": Noise(uniform, lambda exponential: torch.exp(-exponential())),
    "exponential": Noise(exponential, lambda exponential: exponential()),
    "neg_exponential": Noise(neg_exponential, lambda exponential: -exponential()),
    "neg_gumbel": Noise(neg_gumbel, lambda exponential: exponential().log()),
}
