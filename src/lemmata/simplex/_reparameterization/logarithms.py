"""The logarithm of the probabilities, for a loss: it stays finite where the probability underflows."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.infinite import above
from lemmata.numerics.precision import compute_dtype
from lemmata.simplex._reparameterization.nodes import KINKED, far_nodes
from lemmata.simplex._reparameterization.noises import NOISES
from lemmata.simplex._reparameterization.probabilities import spoil

__all__ = ["log_perturbed_argmax_prob"]

POSITIVE = [noise for noise in NOISES if noise != "uniform"]
WHERE_NOTHING_IS_LEFT = 50.0  # of minus Gumbel noise, whose density is exp(-exp(50)) there


def log_perturbed_argmax_prob(logits: Tensor, *, noise: str = "gumbel", dim: int = -1) -> Tensor:
    r"""Logarithms of :func:`perturbed_argmax_prob`, right where the probability itself is lost or 0.

    .. math:: \log p_i = \log\int f(v-\mu_i)\prod_{j\ne i}F(v-\mu_j)\,dv

    Sums over nodes are taken in logarithms, so that a class far behind is pushed with full strength. Right in
    float64 to :math:`10^{-11}` for scores at most 40 behind; beyond 60 normal, logistic, laplace and
    neg_gumbel noise give a lower bound. In float32 rounding decides. Nodes are kept for the gradient, and
    neg_exponential takes n times n numbers a row.

    Implements :prf:ref:`reparameterization-integral`, :prf:ref:`reparameterization-exponomial`.

    Args:
        logits: scores :math:`\mu`, as in :func:`perturbed_argmax_prob`; masked entries give ``-inf`` with
            gradient 0.
        noise: as there, but for ``"uniform"``, whose probabilities are 0 from a gap of 1 on.
        dim: the axis of the scores.

    Returns:
        The shape and the dtype of ``logits``.

    Raises:
        TypeError: ``logits`` not floating point.
        ValueError: no entry along ``dim``; an unknown noise, or uniform.

    Example:
        >>> x = torch.tensor([0.0, -40.0], requires_grad=True)
        >>> log_perturbed_argmax_prob(x, noise="normal")[1]
        tensor(-404.2625, grad_fn=<SelectBackward0>)
    """
    dim = check.axis("logits", logits, dim)
    check.choice("noise", noise, POSITIVE)
    x = logits.movedim(dim, -1).to(compute_dtype(logits))
    return _rows(x, noise).to(logits.dtype).movedim(-1, dim)


def _rows(x: Tensor, noise: str) -> Tensor:
    peak = x.amax(-1, keepdim=True)
    d = above(x, peak if noise in KINKED else peak.detach())
    on = d > -math.inf
    d = torch.where(on, d, 0.0).clamp(min=-(torch.finfo(d.dtype).max ** 0.25))
    if noise == "gumbel":
        log_p = d - torch.where(on, d, -math.inf).logsumexp(-1, keepdim=True)
    elif noise == "neg_exponential":
        log_p = _log_telescope(d, on)
    else:
        log_p = _log_integral(d, on, noise)
    return spoil(x, peak, torch.where(on & (peak > -math.inf), log_p, -math.inf))


def _log_integral(d: Tensor, on: Tensor, noise: str) -> Tensor:
    y, weights = far_nodes(noise, d)
    x = y.unsqueeze(-2) - d.unsqueeze(-1)
    log_cdf, log_density = log_law(noise, x)
    log_cdf = torch.where(on.unsqueeze(-1), log_cdf, 0.0)
    rest = log_cdf.sum(-2, keepdim=True) - log_cdf  # of the others
    positive = weights > 0
    log_weights = torch.where(positive, torch.where(positive, weights, 1.0).log(), -1e30)
    terms = log_weights.unsqueeze(-2) + log_density + rest
    most = terms.amax(-1, keepdim=True).detach()  # far behind it absorbs log K, and the slope would be K-fold
    return (terms - most).logsumexp(-1) + most.squeeze(-1)


def log_law(noise: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """log F and log f."""
    if noise == "neg_gumbel":
        low = x < -15
        w = torch.where(low, x, 0.0).exp()
        log_cdf = torch.where(low, x - w / 2, NOISES[noise].law(torch.where(low, 0.0, x))[0])
        capped = x.clamp(max=WHERE_NOTHING_IS_LEFT)
        return log_cdf, capped - capped.exp()
    log_cdf = NOISES[noise].law(x)[0]
    if noise == "normal":
        return log_cdf, -x * x / 2 - math.log(2 * math.pi) / 2
    if noise == "logistic":
        return log_cdf, F.logsigmoid(x) + F.logsigmoid(-x)
    return log_cdf, -x if noise == "exponential" else -x.abs() - math.log(2)


def _log_telescope(d: Tensor, on: Tensor) -> Tensor:
    """Sorted, p_i = G_i / i - sum over k > i of G_k / (k (k - 1)); divided by G_i it does not underflow."""
    d, order = torch.where(on, d, -(torch.finfo(d.dtype).max ** 0.5)).sort(-1, descending=True)
    k = torch.arange(1, d.shape[-1] + 1, dtype=d.dtype, device=d.device)
    log_G = F.pad((k[:-1] * d.diff(dim=-1)).cumsum(-1), (1, 0))
    log_ratio = (log_G.unsqueeze(-2) - log_G.unsqueeze(-1)).clamp(max=0.0)  # of G_k to G_i, (..., i, k)
    later = (1 / (k * (k - 1)).clamp(min=1)).expand(len(k), -1).triu(1)
    log_p = log_G + (1 / k - (later * log_ratio.exp()).sum(-1)).log()
    return torch.zeros_like(log_p).scatter(-1, order, log_p)
