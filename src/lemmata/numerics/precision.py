"""In which type sums are made, and how to keep it."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

__all__ = ["compute_dtype", "no_autocast"]


def compute_dtype(*values: Tensor) -> torch.dtype:
    """The type sums are made in: float64 if one of the tensors is, else float32."""
    return torch.float64 if any(value.dtype == torch.float64 for value in values) else torch.float32


def no_autocast(value: Tensor) -> AbstractContextManager[object]:
    """A context in which products on the device of ``value`` are made as the dtype says."""
    if value.is_meta:  # which knows no autocast, and has no digits to lose
        return nullcontext()
    return torch.autocast(value.device.type, enabled=False)
