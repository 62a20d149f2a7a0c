r"""The threshold of alpha-entmax in plain PyTorch, sought as the largest probability P.

With scores u <= 0 of which the largest is 0, and a = alpha - 1,

    p_i = P r_i,   r_i = (1 + q_i)_+^(1/a),   q_i = a u_i / P^a,   and   P sum r_i = 1.

The threshold itself, -P^a in units of a u, loses all digits where many entries are equal and those of P as a
tends to 0. P loses none: equal entries have r = 1, and r tends to e^u.
"""

import math

import torch
from torch import Tensor

__all__ = ["largest", "newton", "weights"]

ROUNDS = 24  # of Newton, where nobody looks whether it has ended; see test_newton_ends_soon


def weights(u: Tensor, P: Tensor, a: float) -> tuple[Tensor, Tensor]:
    """r and r^(1-a), both 0 off the support, where no derivative is NaN."""
    q = a * u * P.pow(-a).clamp(max=torch.finfo(P.dtype).max)
    on = q > -1
    if a >= 0.25:  # the power of 1 + q costs at most 4 roundings, and 2, 1 and 1/2 are no powers to torch
        d = torch.where(on, 1 + q, 1.0)
        r, s = d.pow(1 / a), d.pow((1 - a) / a)
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


def largest(u: Tensor, a: float, start: Tensor | None = None, looks: bool = False) -> Tensor:
    """P of each row, as ``(..., 1)``.

    Args:
        u: scores ``(..., n)``, at most 0, and 0 for at least one in a row.
        a: alpha - 1, positive.
        start: no less than P, where something better than 1 is known.
        looks: whether to end as soon as no row moves.
    """
    P = torch.ones_like(u[..., :1]) if start is None else start
    if a > 1:  # the slope is infinite where an entry joins the support
        return _halved(u, P, a)
    near = 4 * torch.finfo(u.dtype).eps
    for _ in range(ROUNDS):
        before, P = P, newton(u, P, a)
        if looks and not (before - P > near * P).any():  # NaN ends it
            break
    return P


def _halved(u: Tensor, high: Tensor, a: float) -> Tensor:
    low, n = torch.full_like(high, 1 / u.shape[-1]), u.shape[-1]
    for _ in range(math.ceil(math.log2(n) - math.log2(torch.finfo(u.dtype).eps)) + 1):
        middle = (low + high) / 2
        less = middle * weights(u, middle, a)[0].sum(-1, keepdim=True) < 1
        low, high = torch.where(less, middle, low), torch.where(less, high, middle)
    return high
