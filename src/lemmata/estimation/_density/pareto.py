"""The tail of importance weights, by the generalised Pareto law that fits the largest of them."""

import math
from typing import SupportsIndex

import torch
from torch import Tensor

from lemmata import _arguments as check

__all__ = ["pareto_k"]

FEWEST = 5  # weights above the cut-off
PRIOR_AT, PRIOR_WORTH = 0.5, 10  # the prior of k, and how many weights it counts for
EPS = torch.finfo(torch.float64).eps


def pareto_k(log_w: Tensor, dim: SupportsIndex = 0) -> Tensor:
    r"""Shape k of the generalised Pareto law that fits the largest weights: their tail is like y^(-1/k).

    Weights have a variance where k < 1/2, and a mean where k < 1. Up to 0.7 a mean of very many weights is of
    use; beyond it no sample of practical size tells. The ceil(min(M/5, 3 sqrt(M))) largest weights are
    fitted, those equal to the next one left out, by the quasi-Bayesian method of Zhang and Stephens, with ten
    weights' worth of prior at 1/2. Nothing is differentiated; computed in float64, O(M log M) time.

    Implements :prf:ref:`density-tail`.

    Args:
        log_w: logarithms of weights; float64, float32, bfloat16 or float16. ``-inf`` is a weight of 0. NaN
            and ``inf`` give NaN, in their row.
        dim: the axis of the M draws.

    Returns:
        The shape without ``dim``, and the dtype of ``log_w``. ``inf``, nothing is known: fewer than five
        weights above the cut-off, as for M < 21, or all weights 0. ``-inf``: all weights are equal
        (to the bit; equal but for rounding, k is that of the roundings).

    Raises:
        TypeError: ``log_w`` is no floating tensor, ``dim`` no int.
        ValueError: there is no draw, or no such axis.

    Source: Zhang and Stephens (2009); Vehtari, Simpson, Gelman, Yao and Gabry (2024), section 2 and appendix.

    Example:
        >>> u = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
        >>> print(f"{pareto_k(-0.8 * u.log()):.2f}")  # quantiles of a Pareto law with k = 0.8
        0.76
    """
    axis = check.axis("log_w", log_w, dim)
    with torch.no_grad():
        terms = log_w.double().movedim(axis, -1)
        size = terms.shape[-1]
        top = terms.topk(min(size, tail_size(size) + 1)).values
        equal = (terms == top[..., :1]).all(-1)
        return fitted(top, size, equal).to(log_w.dtype)


def tail_size(size: int) -> int:
    """How many of so many weights are the tail."""
    return math.ceil(min(size / 5, 3 * math.sqrt(size)))


def fitted(top: Tensor, size: int, equal: Tensor) -> Tensor:
    """k from the largest weights of ``size``, descending, one beyond the tail; ``equal`` ones give -inf."""
    peak = top[..., :1]
    nothing = peak.squeeze(-1) == -math.inf
    lost = top.isnan().any(-1) | (peak.squeeze(-1) == math.inf)
    unknown = torch.full_like(peak.squeeze(-1), math.inf)
    if top.shape[-1] > FEWEST:
        x = (top - torch.where(nothing.unsqueeze(-1), 0.0, peak)).flip(-1)  # ascending, at most 0
        cut = x[..., :1].clamp(min=math.log(torch.finfo(torch.float64).tiny))
        above = (x > cut)[..., 1:]
        n = above.sum(-1, keepdim=True)
        enough = n >= FEWEST
        # k has no unit: divided by the largest; a difference of exponentials would lose digits
        excess = torch.where(above, torch.expm1(x[..., 1:] - cut), 0.0)
        excess = torch.where(enough, excess / torch.expm1(-cut).clamp(min=EPS**2), 1.0)
        unknown = torch.where(enough.squeeze(-1), _shape(excess, above | ~enough, n), unknown)
        unknown = torch.where(equal & ~nothing, -math.inf, unknown)
    return torch.where(lost, math.nan, unknown)


def _shape(excess: Tensor, above: Tensor, n: Tensor) -> Tensor:
    """The estimate from excesses, ascending, the largest 1; of those not ``above`` there is none."""
    n = n.clamp(min=FEWEST)
    b, counted = _candidates(excess, n)
    k = torch.stack([_mean_log(excess, above, n, b[..., i : i + 1]) for i in range(b.shape[-1])], -1)
    slope = torch.where(b == 0, excess.sum(-1, keepdim=True) / n, -k / torch.where(b == 0, 1.0, b))
    score = torch.where(counted, n * (-slope.log() - k - 1), -math.inf)
    weight = torch.softmax(score, -1)
    weight = torch.where(weight >= 10 * EPS, weight, 0.0)
    chosen = (weight * torch.where(weight > 0, b, 0.0)).sum(-1, keepdim=True) / weight.sum(-1, keepdim=True)
    k = _mean_log(excess, above, n, chosen)
    n = n.squeeze(-1)
    return (n * k + PRIOR_WORTH * PRIOR_AT) / (n + PRIOR_WORTH)


def _candidates(excess: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
    """Values of -k / sigma around one over the largest excess, and which of them count."""
    tail = excess.shape[-1]
    most = 30 + math.isqrt(tail)
    i = torch.arange(1, most + 1, dtype=excess.dtype, device=excess.device)
    m = 30 + n.sqrt().floor()
    place = tail - n + torch.floor(n / 4 + 0.5).long() - 1
    quartile = excess.gather(-1, place.clamp(min=0))
    return (1 - (m / (i - 0.5)).sqrt()) / (3 * quartile) + 1 / excess[..., -1:], i <= m


def _mean_log(excess: Tensor, above: Tensor, n: Tensor, b: Tensor) -> Tensor:
    """The shape that belongs to b: the mean of log(1 - b excess)."""
    return torch.where(above, torch.log1p(-b * excess), 0.0).sum(-1) / n.squeeze(-1)
