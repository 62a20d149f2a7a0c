"""alpha-entmax of rows, by the kernel where one takes them, else in plain PyTorch."""

import torch
from torch import Tensor

from lemmata.numerics.triton import fused
from lemmata.simplex._softmax.rows import entmax_rows as plain_rows

__all__ = ["entmax_rows"]

LONGEST = {torch.float64: 2**13}  # a row in registers
LONG = 2**15


def entmax_rows(x: Tensor, a: float) -> Tensor:
    """alpha-entmax over the last axis of x, a = alpha - 1 >= 0, in the dtype of x."""
    if a not in (0.5, 1.0) or x.shape[-1] > LONGEST.get(x.dtype, LONG) or not fused(x):
        return plain_rows(x, a)
    from lemmata.simplex._softmax.triton import fused_entmax

    return fused_entmax(x, a)
