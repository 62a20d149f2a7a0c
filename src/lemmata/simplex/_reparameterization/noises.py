"""Eight laws of noise: logarithm of the distribution function F, reversed hazard h = F'/F, and draws.

``log_cdf`` and ``hazard`` take x of the support, or above it. Neither makes a derivative NaN.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["NOISES", "Noise"]

LOG_2 = math.log(2)
LEAST = 1e-9  # of what is divided by, where a piece of no length has its nodes


class Noise(NamedTuple):
    """A law of noise; ``draw`` makes it out of two independent exponentials that are given by a function."""

    log_cdf: Callable[[Tensor], Tensor]
    hazard: Callable[[Tensor], Tensor]
    draw: Callable[[Callable[[], Tensor]], Tensor]


def _below(x: Tensor, limit: float, value: Callable[[Tensor], Tensor]) -> Tensor:
    """value(x), and 0 above a limit at which it is nearly that."""
    there = x < limit
    return torch.where(there, value(torch.where(there, x, 0.0)), 0.0)


def _tail(x: Tensor) -> tuple[Tensor, Tensor]:
    """Of the normal law beyond |x|: what multiplies exp(-x^2 / 2), and that."""
    a = torch.where(x < 0, -x, x) / math.sqrt(2)  # the slope of abs is 0 at 0
    return torch.special.erfcx(a) / 2, torch.exp(-a * a)


def _normal_log_cdf(x: Tensor) -> Tensor:
    ratio, bell = _tail(x)
    return torch.where(x < 0, ratio.log() - x * x / 2, torch.log1p(-ratio * bell))


def _normal_hazard(x: Tensor) -> Tensor:
    ratio, bell = _tail(x)
    return torch.where(x < 0, 1 / ratio, bell / (1 - ratio * bell)) / math.sqrt(2 * math.pi)


def _normal(exponential: Callable[[], Tensor]) -> Tensor:
    """Box and Muller: a radius, whose square is twice an exponential, and an angle."""
    return (2 * exponential()).sqrt() * torch.cos(2 * math.pi * torch.exp(-exponential()))


def _neg_gumbel_log_cdf(x: Tensor) -> Tensor:
    return _below(x, 4.5, lambda x: torch.log(-torch.expm1(-x.exp())))


def _neg_gumbel_hazard(x: Tensor) -> Tensor:
    return _below(x, 4.5, lambda x: torch.exp(x - x.exp()) / -torch.expm1(-x.exp()))


def _laplace_log_cdf(x: Tensor) -> Tensor:
    return torch.where(x < 0, x - LOG_2, torch.log1p(-torch.exp(-x.abs()) / 2))


def _laplace_hazard(x: Tensor) -> Tensor:
    tail = torch.exp(-x.abs()) / 2
    return torch.where(x < 0, 1.0, tail / (1 - tail))


NOISES = {
    "gumbel": Noise(
        lambda x: -torch.exp(-x), lambda x: torch.exp(-x), lambda exponential: -exponential().log()
    ),
    "normal": Noise(_normal_log_cdf, _normal_hazard, _normal),
    "logistic": Noise(
        F.logsigmoid, lambda x: torch.sigmoid(-x), lambda exponential: (exponential() / exponential()).log()
    ),
    "laplace": Noise(_laplace_log_cdf, _laplace_hazard, lambda exponential: exponential() - exponential()),
    "uniform": Noise(
        lambda x: torch.log(x.clamp(LEAST, 1.0)),
        lambda x: torch.where(x < 1, 1 / x.clamp(min=LEAST), 0.0),
        lambda exponential: torch.exp(-exponential()),
    ),
    "exponential": Noise(
        lambda x: torch.log(-torch.expm1(-x)),
        lambda x: torch.exp(-x) / -torch.expm1(-x),
        lambda exponential: exponential(),
    ),
    "neg_exponential": Noise(
        lambda x: x.clamp(max=0.0), lambda x: (x < 0).to(x.dtype), lambda exponential: -exponential()
    ),
    "neg_gumbel": Noise(_neg_gumbel_log_cdf, _neg_gumbel_hazard, lambda exponential: exponential().log()),
}
