r"""The mean of log \|F\|², exactly: Jensen's formula for each root, and Parseval's for the sum."""

import math
from typing import Any

import torch
from torch import Tensor

from lemmata import _torch

__all__ = ["cross_entropy", "entropy"]


def cross_entropy(ratios: Tensor, a: Tensor) -> Tensor:
    """-∫ p log q over [-1, 1], for c_n / c_0 of p and a of norm 1 of q."""
    mean, waves = logarithm(a, ratios.shape[-1])
    return math.log(2) - mean - 2 * (ratios.real * waves.real + ratios.imag * waves.imag).sum(-1)


def entropy(ratios: Tensor, a: Tensor) -> Tensor:
    """The same for q = p: its derivative knows nothing of that of log p, whose mean does not change."""
    return _torch.apply(_Entropy, cross_entropy, ratios, a)


class _Entropy(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(ratios: Tensor, a: Tensor) -> Tensor:
        return cross_entropy(ratios, a)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (a,) = ctx.saved_tensors
        return -2 * grad.unsqueeze(-1) * logarithm(a, a.shape[-1] - 1)[1], None


def logarithm(a: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Mean of log |F|², and its Fourier coefficients 1 to ``count``.

    Each root r with |r| > 1 gives s = 1/r, others the conjugate of r: on the circle |z - r| is |1 - s z| but
    for a factor max(1, |r|), and the logarithm of |1 - s z|² has the coefficients -s^n / n.
    """
    lost = ~torch.view_as_real(a).isfinite().all(-1).all(-1, keepdim=True)
    first = torch.arange(a.shape[-1], device=a.device) == 0
    roots, lead = _roots(torch.where(lost, first.to(a.dtype), a))
    size = roots.abs()
    outside = size > 1
    s = torch.where(outside, 1 / torch.where(outside, roots, 1.0), roots.conj())
    mean = 2 * (lead.abs().log() + size.clamp(min=1).log().sum(-1))
    n = torch.arange(1, count + 1, device=a.device)
    waves = -(s.unsqueeze(-1) ** n).sum(-2) / n
    return torch.where(lost[..., 0], torch.nan, mean), torch.where(lost, torch.nan, waves)


def _roots(a: Tensor) -> tuple[Tensor, Tensor]:
    """Roots of F and its leading coefficient, after coefficients at the end that are 0, up to rounding, were
    moved to the front, which does not change |F| on the circle."""
    size = a.shape[-1]
    places = torch.arange(size, device=a.device)
    there = a.abs() > torch.finfo(a.dtype).eps
    last = torch.where(there, places, 0).amax(-1, keepdim=True)
    a = a.gather(-1, (places + last + 1) % size)
    lead = a[..., -1]
    if size == 1:
        return a[..., :0], lead
    companion = torch.diag_embed(torch.ones_like(a[..., 2:]), -1)
    last_column = -(a[..., :-1] / lead.unsqueeze(-1))
    companion = torch.cat([companion[..., :-1], last_column.unsqueeze(-1)], -1)
    return torch.linalg.eigvals(companion), lead
