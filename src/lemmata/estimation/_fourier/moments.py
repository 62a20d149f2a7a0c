"""Means over [-1, 1] and over the line, as sums of c_n / c_0 with the integrals of each wave."""

import math

import torch
from torch import Tensor

from lemmata.estimation._fourier.charts import log_slope
from lemmata.estimation._fourier.series import average

__all__ = ["first", "line_moments", "log_jacobian", "moments"]


def first(ratios: Tensor) -> Tensor:
    """c_1 / c_0, which is 0 where there is no wave."""
    return torch.nn.functional.pad(ratios, (0, 1))[..., 0]


def moments(ratios: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance on [-1, 1]."""
    n = torch.arange(1, ratios.shape[-1] + 1, device=ratios.device, dtype=ratios.real.dtype)
    sign = 1 - 2 * (n % 2)
    none = torch.zeros_like(ratios.real[..., :1]) * sign
    mean = average(ratios, 0.0, none, -2 * sign / (math.pi * n))
    square = average(ratios, 2 / 3, 4 * sign / (math.pi * n) ** 2, none)
    return mean, square - mean.square()


def line_moments(ratios: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of atanh t."""
    u, weights, cosines, sines = _waves_over_the_line(ratios)
    none = torch.zeros_like(ratios.real)
    mean = average(ratios, 0.0, none, (sines * (u * weights)).sum(-1))
    square = average(ratios, math.pi**2 / 6, (cosines * (u.square() * weights)).sum(-1), none)
    return mean, square - mean.square()


def log_jacobian(ratios: Tensor) -> Tensor:
    """The mean of log(1 - t²)."""
    u, weights, cosines, _ = _waves_over_the_line(ratios)
    logs = log_slope(u)
    return average(
        ratios, 4 * math.log(2) - 4, (cosines * (logs * weights)).sum(-1), torch.zeros_like(ratios.real)
    )


def _waves_over_the_line(ratios: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Nodes u and weights of ∫ f(tanh u) sech² u du by the trapezoidal rule, and the waves at tanh u.

    The step leaves an error of e^-37 or less: in a strip of half width 1/2 the waves grow to e^(2N).
    """
    size, device = ratios.shape[-1], ratios.device
    step = math.pi / (37 + 2 * size)
    reach = 24.0  # where sech² is 1e-20
    u = step * torch.arange(-math.ceil(reach / step), math.ceil(reach / step) + 1, device=device).double()
    weights = step * (4 * (-2 * u.abs()).sigmoid() * (2 * u.abs()).sigmoid())
    n = torch.arange(1, size + 1, device=device).double()
    angles = math.pi * n.unsqueeze(-1) * u.tanh()
    return u, weights, angles.cos(), angles.sin()
