r"""Waves at points, with all digits near -1, 0 and 1.

A point t is a base b and an offset d: t = d near 0, t = ±(1 - \|d\|) near ±1. With :math:`s=e^{i\pi b}=\pm1`

.. math:: e^{i\pi kt} = s^k + s^k (e^{i\pi kd} - 1),

so a polynomial with a simple zero at an end is small there with all its digits.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata.numerics.precision import no_autocast

__all__ = ["Point", "average", "distribution", "polynomial", "split"]


class Point(NamedTuple):
    """A point of [-1, 1], as the base -1, 0 or 1 and the offset from it."""

    base: Tensor
    offset: Tensor


def split(t: Tensor) -> Point:
    """The point t of [-1, 1]."""
    base = (t.detach().sign() * (t.detach().abs() > 0.5)).nan_to_num()
    return Point(base, t - base)


def polynomial(a: Tensor, at: Point) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of F(t), the sum of a_k e^(iπkt); batch axes of a are last in t."""
    even = torch.arange(a.shape[-1], device=a.device) % 2 == 0
    zero = torch.zeros_like(a.real)
    parts = [torch.where(here, part, zero) for here in (even, ~even) for part in (a.real, a.imag)]
    weights = torch.stack(parts, -1)
    minus, sine = _waves(at.offset, a.shape[-1], 0)
    with no_autocast(weights):
        there, real, imag = weights.sum(-2), _times(minus, weights), _times(sine, weights)
    sign = torch.where(at.base == 0, 1.0, -1.0).to(real.dtype)
    (p, q, r, s), (t, u, v, w) = real.unbind(-1), imag.unbind(-1)
    even_re, even_im, odd_re, odd_im = there.unbind(-1)  # first what is 0 at a zero of F, then what moves
    moved_re, moved_im = p - u + sign * (r - w), q + t + sign * (s + v)
    return (even_re + sign * odd_re) + moved_re, (even_im + sign * odd_im) + moved_im


def _waves(offset: Tensor, size: int, first: int) -> tuple[Tensor, Tensor]:
    """cos(πkd) - 1 and sin(πkd) for k from ``first`` on, in a last axis."""
    k = torch.arange(first, first + size, device=offset.device, dtype=offset.dtype)
    half = offset.unsqueeze(-1) * (k * (math.pi / 2))
    sine = half.sin()
    return -2 * sine.square(), 2 * sine * half.cos()


def _times(waves: Tensor, weights: Tensor) -> Tensor:
    """(..., *batch, K) by (*batch, K, columns)."""
    return torch.einsum("...k,...kc->...c", waves, weights)


def distribution(ratios: Tensor, at: Point) -> Tensor:
    """The distribution function at a point, from c_n / c_0 for n = 1 to N."""
    size = ratios.shape[-1]
    n = torch.arange(1, size + 1, device=ratios.device, dtype=ratios.real.dtype)
    whole, sign = ratios / (math.pi * n), 1 - 2 * (n % 2)
    ends = torch.stack([torch.ones_like(sign), sign], -1)  # s^n for s = 1, -1
    columns = whole.unsqueeze(-1) * ends
    minus, sine = _waves(at.offset, size, 1)
    with no_autocast(whole):
        moved = _times(sine, columns.real) + _times(minus, columns.imag)
    here = torch.where(at.base == 0, moved[..., 0], moved[..., 1]) + at.offset / 2
    middle = 0.5 + (whole.imag * (1 - sign)).sum(-1)
    start = torch.where(at.base < 0, 0.0, torch.where(at.base > 0, 1.0, middle.expand(here.shape)))
    return start + here


def average(ratios: Tensor, constant: float, cosines: Tensor, sines: Tensor) -> Tensor:
    """The mean of a function, from its integral over [-1, 1] and those with cos(πnt) and sin(πnt)."""
    return constant / 2 + (ratios.real * cosines).sum(-1) - (ratios.imag * sines).sum(-1)
