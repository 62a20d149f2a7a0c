"""Whether a kernel takes two samples."""

from typing import Any

import torch
from torch import Tensor

from lemmata.numerics.kernels import Kernel
from lemmata.numerics.triton import fused

__all__ = ["kernels_for"]


def kernels_for(x: Tensor, y: Tensor, kernel: Kernel, made: torch.dtype) -> Any:
    """The module of the fused sums and slopes; None where tiles are made in plain PyTorch."""
    if not fused(x, y):
        return None
    from lemmata.estimation._hsic import triton

    return triton if triton.has_kernel(x, y, kernel, made) else None
