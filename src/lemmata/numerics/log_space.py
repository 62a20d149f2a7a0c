"""Sums and products of numbers that are given by their logarithms, in plain PyTorch.

No derivative is NaN, whatever is infinite.
"""

import math

import torch
from torch import Tensor

__all__ = ["log_sum_exp", "log_times"]


def log_times(x: Tensor, y: Tensor) -> Tensor:
    """x + y, where -inf (nothing) takes out even an infinite partner."""
    return torch.where((x == -math.inf) | (y == -math.inf), -math.inf, x + y)


def log_sum_exp(terms: Tensor) -> Tensor:
    """log sum e^x over the last axis: -inf, inf or finite, without NaN in any derivative."""
    top = torch.finfo(terms.dtype).max
    infinite = (terms > top).any(-1)
    terms = torch.where(terms > top, top, terms)
    peak = terms.amax(-1, keepdim=True).detach().clamp(min=-top)
    total = torch.exp(terms - peak).sum(-1)
    nothing = total == 0
    log = peak.squeeze(-1) + torch.where(nothing, 1.0, total).log()
    return torch.where(nothing, -math.inf, torch.where(infinite & (log >= top), math.inf, log))
