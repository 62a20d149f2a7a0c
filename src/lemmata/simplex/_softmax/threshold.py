r"""The threshold of alpha-entmax in plain PyTorch, sought as the largest probability P.

With scores u <= 0 of which the largest is 0, and a = alpha - 1,

    p_i = P r_i,   r_i = (1 + q_i)_+^(1/a),   q_i = a u_i / P^a,   and   P sum r_i = 1.

The threshold itself, -P^a in units of a u, loses all digits where many entries are equal and those of P as a
tends to 0. P loses none: equal entries have r = 1, and r tends to e^u.
"""

import math

import torch
from torch import Tensor

__all__ = ["between", "largest", "newton", "shared", "weights"]

ROUNDS = 20  # of Newton, where nobody looks whether it has ended; see test_newton_ends_soon


def weights(u: Tensor, P: Tensor, a: float) -> tuple[Tensor, Tensor]:
    """r and r^(1-a), both 0 off the support, where no derivative is NaN."""
    steep = (a * P.pow(-a)).clamp(max=torch.finfo(P.dtype).max)
    if a in (0.5, 1):
        d = torch.addcmul(torch.ones_like(P), u, steep).relu()
        return (d.square(), d) if a == 0.5 else (d, (d > 0).to(d.dtype))
    q = u * steep
    on = q > -1
    if a >= 0.25:  # here a power of 1 + q costs at most 4 roundings
        d = torch.where(on, 1 + q, 1.0)
        r, s = d.pow(1 / a), d.pow(1 / a - 1)
    else:
        log = torch.log1p(torch.where(on, q, 0.0)) / a
        r, s = log.exp(), ((1 - a) * log).exp()
    return torch.where(on, r, 0.0), torch.where(on, s, 0.0)


def newton(u: Tensor, P: Tensor, a: float) -> Tensor:
    """One step of Newton for N(tau) = 1, N = (sum p)^a as a function of the threshold tau = -P^a.

    For a <= 1 N is a norm of order 1/a, so it is convex, and from P = 1 on the steps go one way. They are
    longer than those for sum p = 1, and one is enough for equal entries and for a = 0.
    """
    r, s = weights(u, P, a)
    R, S = r.sum(-1, keepdim=True), s.sum(-1, keepdim=True)  # R <= S
    part = -R / S * torch.expm1(-a * (P * R).log())
    return P * (torch.log1p(-part) / a).exp()


def largest(u: Tensor, a: float, start: Tensor | None = None, near: float | None = None) -> Tensor:
    """P of each row, as ``(..., 1)``, or for a <= 1 a number that is no less.

    Args:
        u: scores ``(..., n)``, at most 0, and 0 for at least one in a row.
        a: alpha - 1, positive.
        start: no less than P, where something better than 1 is known.
        near: end with a step that is smaller in each row (of P; NaN ends it); None: nobody looks, and it
            ends within a rounding.
    """
    P = torch.ones_like(u[..., :1]) if start is None else start
    if a > 1:  # the slope is infinite where an entry joins the support
        return _halved(u, P, a, near or torch.finfo(u.dtype).eps)
    for _ in range(ROUNDS):
        before, P = P, newton(u, P, a)
        if near is not None and not (before - P > near * P).any():
            break
    return P


def _halved(u: Tensor, high: Tensor, a: float, near: float) -> Tensor:
    low, n = torch.full_like(high, 1 / u.shape[-1]), u.shape[-1]
    for _ in range(math.ceil(math.log2(n) - math.log2(near)) + 1):
        middle = (low + high) / 2
        less = middle * weights(u, middle, a)[0].sum(-1, keepdim=True) < 1
        low, high = torch.where(less, middle, low), torch.where(less, high, middle)
    return high


def shared(u: Tensor, P: Tensor, a: float) -> Tensor:
    """The probabilities, whose sum is 1 whatever P is."""
    if a == 1:  # on a known support the threshold is a mean
        on = u > -P
        P = (1 - torch.where(on, u, 0.0).sum(-1, keepdim=True)) / on.sum(-1, keepdim=True)
        return (P + u).relu()
    r = weights(u, P, a)[0]
    return r / r.sum(-1, keepdim=True)


def between(u: Tensor, P: Tensor, a: float) -> Tensor:
    """The probabilities for a > 1, where P and the number before it may have sums far above and below 1.

    An entry that joins the support does so with infinite slope. What is between belongs to such entries.
    """
    before = P * (1 - 2 * torch.finfo(P.dtype).eps)
    low, high = (at * weights(u, at, a)[0] for at in (before, P))
    missing, jump = 1 - low.sum(-1, keepdim=True), (high - low).sum(-1, keepdim=True)
    return low + (missing / jump).clamp(0, 1) * (high - low)
