"""The entropies of Tsallis, with that of Shannon among them, without NaN at 0."""

import torch
from torch import Tensor

__all__ = ["tsallis"]


def tsallis(p: Tensor, a: float = 0.0) -> Tensor:
    """sum of (p - p^(a + 1)) / (a (a + 1)) over the last axis, at a = 0 of -p log p. Zeros have slope 0."""
    on = p > 0
    log = torch.where(on, p, 1.0).log()
    shares = -log if a == 0 else -torch.expm1(a * log) / (a * (a + 1))
    return torch.where(on, p * shares, torch.where(p.isnan(), p, 0.0)).sum(-1)
