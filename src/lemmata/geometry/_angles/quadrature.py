"""Integrals of a power of the sine, by Gauss and Legendre; their derivative is the density.

No incomplete Beta function is needed: the integrand is entire, and an interval that ends where it is
negligible suits any n.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lemmata import _torch
from lemmata.numerics.legendre import legendre

__all__ = ["HALF_PI", "constant", "cumulative", "folded", "log_cdf"]

HALF_PI = math.pi / 2

RULE = legendre(32)

NEGLIGIBLE = 38.0  # exp(-38) is below the rounding of float64


def _shrink(m: int) -> float:
    """The sine below which sin^m is negligible, where the largest sine is 1."""
    return math.exp(-NEGLIGIBLE / m) if m else 0.0


def _cosine_power(x: float, m: int) -> float:
    return math.exp(m * math.log1p(-2 * math.sin(x / 2) ** 2))


def constant(n: int) -> float:
    """Gamma(n / 2) / (sqrt(pi) Gamma((n - 1) / 2)), by its integral: no difference of large logarithms."""
    m = n - 2
    width = math.acos(_shrink(m))
    return 1 / (2 * width * sum([w * _cosine_power(u * width, m) for u, w in RULE]))


def log_cdf(theta: Tensor, s: Tensor, c: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """log P(angle <= theta), and its derivative by log(theta), for 0 < theta <= pi/2 with sine s, cosine c.

    sin(theta - d) / sin(theta) is 1 minus a small number, and a logarithm of that is what the power needs.
    """
    m = n - 2
    width = theta - torch.asin((s * _shrink(m)).clamp(max=1))
    cotangent, total = c / s, torch.zeros_like(theta)
    for u, w in RULE:
        d = u * width
        less = 2 * torch.sin(d / 2).square() + cotangent * torch.sin(d)
        total = total + w * torch.exp(m * torch.log1p(-less))
    near = c.square() < 0.5
    central = torch.log1p(-torch.where(near, c, 0).square()) / 2
    log_s = torch.where(near, central, torch.where(near, 1, s).log())
    area = width * total  # the integral of sin^m, over its last value s^m
    return m * log_s + torch.log(constant(n) * area), theta / area


def folded(theta: Tensor, s: Tensor, c: Tensor, n: int) -> Tensor:
    """P(angle <= theta) for theta with |cosine| c: as it is up to pi/2, by symmetry beyond."""
    inside = theta > 0
    safe = torch.where(inside, theta, 1)
    log_p, _ = log_cdf(safe, torch.where(inside, s, math.sin(1)), torch.where(inside, c, math.cos(1)), n)
    return torch.where(inside, log_p.exp(), 0)


Law = Callable[[Tensor, int], Tensor]


def cumulative(x: Tensor, n: int, value: Law, density: Law, sign: int) -> Tensor:
    """``value`` in the dtype of x; its derivative is ``sign`` times ``density``."""
    return _torch.apply(_Cumulative, _plain, x, n, value, density, sign)


def _plain(x: Tensor, n: int, value: Law, density: Law, sign: int) -> Tensor:
    return value(x, n).to(x.dtype)


class _Cumulative(torch.autograd.Function):
    """An integral of a density; keeps its argument and nothing else."""

    @staticmethod
    def forward(x, n, value, density, sign):
        return _plain(x, n, value, density, sign)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.n, _, ctx.density, ctx.sign = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * ctx.sign * ctx.density(x, ctx.n), None, None, None, None

    @staticmethod
    def vmap(info, in_dims, x, *rest):
        return _Cumulative.apply(x, *rest), in_dims[0]
