r"""The integral of Q h over the largest noisy score, and its derivative, from the same nodes.

.. math:: p_i = \int Q\,h_i\,dv,\qquad
          (Jg)_i = \int Q\,h_i\,\Bigl(g_i\sum_jh_j - \sum_jh_jg_j\Bigr)\,dv

J is its own transpose, so the second line is backward, without a derivative of h and with nothing kept.
"""

import torch
from torch import Tensor

from lemmata._torch import apply, batch_first, is_wrapped, readable
from lemmata.simplex._reparameterization.nodes import nodes
from lemmata.simplex._reparameterization.noises import NOISES

__all__ = ["integral"]

BLOCK = 2**17  # numbers of a row's classes and nodes that fit a cache


def integral(d: Tensor, on: Tensor, noise: str) -> Tensor:
    """The probabilities of scores d, whose largest is 0, where they are ``on``; 0 elsewhere."""
    return apply(_Integral, _value, d, on, noise)


class _Integral(torch.autograd.Function):
    """The probabilities; their slope is computed anew from the scores."""

    @staticmethod
    def forward(d, on, noise):
        return _blockwise(_value, d, on, noise) if readable(d) else _value(d, on, noise)

    @staticmethod
    def setup_context(ctx, inputs, output):
        d, on, ctx.noise = inputs
        ctx.save_for_backward(d, on)

    @staticmethod
    def backward(ctx, g):
        d, on = ctx.saved_tensors
        if torch.is_grad_enabled() or not readable(d) or is_wrapped(g):
            return _slope(d, on, ctx.noise, g), None, None
        return _blockwise(_slope, d, on, ctx.noise, g), None, None

    @staticmethod
    def vmap(info, in_dims, d, on, noise):
        size = info.batch_size
        return _Integral.apply(batch_first(d, in_dims[0], size), batch_first(on, in_dims[1], size), noise), 0


def _value(d: Tensor, on: Tensor, noise: str) -> Tensor:
    y, weights = nodes(noise, d)
    Q, h = _at(y, weights, d, on, noise)
    return (Q * h).sum(-1)


def _slope(d: Tensor, on: Tensor, noise: str, g: Tensor) -> Tensor:
    y, weights = nodes(noise, d)
    Q, h = _at(y, weights, d, on, noise)
    g = torch.where(on, g, 0.0).unsqueeze(-1)
    return (Q * h * (g * h.sum(-2, keepdim=True) - (h * g).sum(-2, keepdim=True))).sum(-1)


def _at(y: Tensor, weights: Tensor, d: Tensor, on: Tensor, noise: str) -> tuple[Tensor, Tensor]:
    """Q with its weights, ``(..., 1, K)``, and h, ``(..., n, K)``, at the nodes."""
    log_cdf, h = NOISES[noise].law(y.unsqueeze(-2) - d.unsqueeze(-1))
    on = on.unsqueeze(-1)
    Q = torch.where(on, log_cdf, 0.0).sum(-2, keepdim=True).exp()
    return weights.unsqueeze(-2) * Q, torch.where(on, h, 0.0)


def _blockwise(function, d, on, noise, *g):
    """The function of a few rows at a time."""
    n = d.shape[-1]
    rows = [tensor.reshape(-1, n) for tensor in (d, on, *g)]
    step = max(1, BLOCK // (n * nodes(noise, d[..., :0, :])[0].shape[-1])) if d.dim() > 1 else 1
    out = torch.empty_like(rows[0])
    for i in range(0, len(out), step):
        d_i, on_i, *g_i = (tensor[i : i + step] for tensor in rows)
        out[i : i + step] = function(d_i, on_i, noise, *g_i)
    return out.view(d.shape)
