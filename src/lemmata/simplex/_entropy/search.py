r"""The search for the exponent: Newton's iteration in coordinates in which entropy is nearly a straight line.

Of N scores u <= 0 let m be 0. The entropy of softmax(gamma u) falls from log N to log m, and E = H - log m
from log(N/m) to 0. At the upper end log(log(N/m) - E) is a straight line in log gamma, since entropy bends
down like gamma^2; at the lower end log E is nearly one in gamma, since it dies like gamma e^(-gamma gap). So
the iteration goes for

    logit E = log(log(N/m) - E) - log E,

in gamma where the target is in the lower half and in log gamma where it is in the upper. A bracket guards it.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Scale", "gamma_of", "scale_of", "shares", "unit_of"]

FAR = 800.0  # e to minus this is 0 in every dtype
ROUNDS = 18  # where nobody looks whether it has ended; see test_the_search_ends_soon


class Scale(NamedTuple):
    """A row of scores and what it can reach: entropies between log m and log N."""

    u: Tensor  # (..., n), at most 0; masked: -inf
    m: Tensor  # (..., 1), how many are 0
    N: Tensor  # (..., 1), how many are not masked


def scale_of(u: Tensor) -> Scale:
    m, N = ((which.sum(-1, keepdim=True).to(u.dtype)) for which in (u == 0, u > -math.inf))
    return Scale(u, m, N)


def shares(s: Tensor) -> Tensor:
    """softmax of s <= 0, where -inf and what comes near it are 0."""
    w = torch.where(s > -FAR, s.clamp(min=-FAR).exp(), torch.where(s.isnan(), s, 0.0))
    return w / w.sum(-1, keepdim=True)


def gamma_of(u: Tensor, h: Tensor, looks: bool = False) -> Tensor:
    """The exponent of each row, as ``(..., 1)``; something finite where the target is out of reach.

    Args:
        u: scores ``(..., n)``, at most 0, and 0 for at least one in a row.
        h: targets ``(..., 1)``.
        looks: whether to end as soon as no row moves.
    """
    scale, eps = scale_of(u), torch.finfo(u.dtype).eps
    near = eps**0.75  # the step after such a one is below a rounding
    low, high = _bracket(scale)
    below = torch.where(u == 0, -math.inf, u)
    goal, top = h - scale.m.log(), (scale.N / scale.m).log()
    gamma, before = low.sqrt() * high.sqrt(), torch.full_like(h, math.inf)
    for _ in range(ROUNDS):
        E, V = _excess(below, scale.m, gamma)
        moves = (before > near) & ((E - goal).abs() > 2 * eps * h)  # False with NaN
        flat = goal < E
        low, high = torch.where(flat, gamma, low), torch.where(flat, high, gamma)
        step = _newton(E, V, goal, top)
        new = gamma * step.exp()
        good = (new >= low) & (new <= high) & (2 * step.abs() <= before) | (step.abs() <= near)
        new = torch.where(good, new, low.sqrt() * high.sqrt())
        gamma = torch.where(moves, new, gamma)
        before = torch.where(moves, torch.where(good, step.abs(), math.inf), 0.0)
        if looks and not moves.any():
            break
    return torch.where(gamma > 0, gamma, 1.0)  # all equal: any will do


def unit_of(u: Tensor) -> Tensor:
    """A power of 2 for each row, times which its gaps lie about 1, so that no exponent overflows."""
    widest, gap = _gaps(u)
    tiny = torch.finfo(u.dtype).tiny
    unit = torch.exp2(-(0.5 * widest.log2() + 0.5 * gap.log2()).round()).clamp(tiny, 1 / tiny)
    return torch.where(widest > 0, unit, 1.0)


def _gaps(u: Tensor) -> tuple[Tensor, Tensor]:
    """From the largest score to the least that is not masked, and to the next."""
    widest = -torch.where(u > -math.inf, u, 0.0).amin(-1, keepdim=True)
    return widest, -torch.where(u < 0, u, -math.inf).amax(-1, keepdim=True)


def _bracket(scale: Scale) -> tuple[Tensor, Tensor]:
    """Exponents at which the entropy is either end, to the last digit."""
    info, (widest, gap) = torch.finfo(scale.u.dtype), _gaps(scale.u)
    low, high = 0.1 * math.sqrt(info.eps) / widest, FAR / gap
    return low.clamp(min=info.tiny), high.clamp(max=info.max)


def _excess(below: Tensor, m: Tensor, gamma: Tensor) -> tuple[Tensor, Tensor]:
    """H - log m as a sum of positive terms, and the variance of gamma u: minus its slope in log gamma."""
    s = (gamma * below).clamp(min=-FAR)
    w = s.exp()  # 0 for the m, which weigh 1 and have the score 0
    rest = w.sum(-1, keepdim=True)
    mean = (w * s).sum(-1, keepdim=True) / (m + rest)
    V = ((w * (s - mean).square()).sum(-1, keepdim=True) + m * mean.square()) / (m + rest)
    return torch.log1p(rest / m) - mean, V


def _newton(E: Tensor, V: Tensor, goal: Tensor, top: Tensor) -> Tensor:
    """By how much log gamma should grow."""
    info = torch.finfo(E.dtype)
    room, E = torch.maximum(top - E, info.eps * top), E.clamp(min=info.tiny)
    ahead = (top - goal).log() - goal.log()
    step = (ahead - room.log() + E.log()) / (V / room + V / E)
    return torch.where(ahead > 0, torch.log1p(step.clamp(min=-0.9)), step)
