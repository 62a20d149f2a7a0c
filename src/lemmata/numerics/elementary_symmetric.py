"""Elementary symmetric polynomials in log space, in plain PyTorch: products of polynomials, two by two.

Only positive terms are added, so nothing cancels; no derivative is NaN, whatever is infinite.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lemmata.numerics.log_space import log_sum_exp, log_times

__all__ = ["log_symmetric"]


def log_symmetric(s: Tensor, k: int) -> Tensor:
    """log e_0 ... log e_k: the product of the polynomials 1 + z e^s, two by two."""
    if s.shape[-1] == 0:
        s = F.pad(s, (0, 1), value=-math.inf)
    log = torch.stack([torch.zeros_like(s), s], -1)[..., : k + 1]  # (..., C, 2), coefficients of 1 and z
    while log.shape[-2] > 1:
        if log.shape[-2] % 2:
            one = F.pad(torch.zeros_like(log[..., :1, :1]), (0, log.shape[-1] - 1), value=-math.inf)
            log = torch.cat([log, one], -2)
        log = _log_product(log[..., 0::2, :], log[..., 1::2, :])[..., : k + 1]
    return F.pad(log[..., 0, :], (0, k + 1 - log.shape[-1]), value=-math.inf)


def _log_product(a: Tensor, b: Tensor) -> Tensor:
    """The product of two polynomials by their coefficients, all as logarithms: c_m = sum_j a_j b_(m-j)."""
    n = a.shape[-1]
    terms = F.pad(log_times(a.unsqueeze(-1), b.unsqueeze(-2)), (0, n), value=-math.inf)  # (..., n, 2n)
    skewed = terms.flatten(-2)[..., :-n].unflatten(-1, (n, 2 * n - 1))  # row j moves j places to the right
    return log_sum_exp(skewed.transpose(-1, -2))
