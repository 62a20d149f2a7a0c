r"""The mean of masked attention as one integral, by the trapezoidal rule in the logarithm.

With :math:`t=e^u` an integrand is analytic for :math:`|\operatorname{Im}u|<\pi/2` and there at most
:math:`q\,|t|\,a_ie^{-a_i\operatorname{Re}t}`, so that steps of 1/4 miss less than 1e-15, whatever n is.
"""

import math

import torch
from torch import Tensor

__all__ = ["integral"]

STEP = 0.25
FIRST, LAST = -148, 365  # t from e^-37, before which 1e-16 lies, to e^91.25, enough for weights of 2^-126
NODES = tuple(math.exp(STEP * k) for k in range(FIRST, LAST + 1))
LEAST = 2.0**-126
ENTRIES = 2**20  # that are held at a time


def integral(a: Tensor, p: float, held: Tensor) -> Tensor:
    """The mean of rows of float64 that sum to 1 or are 0, over masks that drop with probability 0 < p < 1.

    Where ``held`` is True nothing is dropped. What remains is divided by the probability that anything does.
    """
    peak = a.detach().amax(-1, keepdim=True)
    some = a.detach() > LEAST * peak
    some = some | a.isnan()
    a = torch.where(some, a, 0.0)
    held = held & some
    chunk = max(1, min(len(NODES), ENTRIES // max(1, a.numel())))
    total = torch.zeros_like(a)
    for start in range(0, len(NODES), chunk):
        total = total + _terms(NODES[start : start + chunk], a, p, held)
    dropped = some.sum(-1, keepdim=True, dtype=a.dtype) * math.log(p)  # log P(nothing remains)
    anything = torch.where(held.any(-1, keepdim=True), 1.0, -torch.expm1(dropped))
    return total / torch.where(anything == 0, 1.0, anything)


def _terms(nodes: tuple[float, ...], a: Tensor, p: float, held: Tensor) -> Tensor:
    """h t a_i s_i F(t), summed: F is the product of all p + q e^-ta, s_i what a kept i has of its factor."""
    t = torch.tensor(nodes, dtype=a.dtype, device=a.device).view(-1, *[1] * a.dim())
    x = t * a  # (nodes, ..., n)
    odds = math.log1p(-p) - math.log(p) - x
    likely = odds > 0
    less = torch.exp(torch.where(likely, -odds, odds))
    factor = torch.where(likely, math.log1p(-p) - x, math.log(p)) + torch.log1p(less)
    share = torch.where(likely, 1.0, less) / (1 + less)
    factor, share = torch.where(held, -x, factor), torch.where(held, 1.0, share)
    return (STEP * t * factor.sum(-1, keepdim=True).exp() * share).sum(0) * a
