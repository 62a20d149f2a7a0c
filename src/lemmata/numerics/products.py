"""Matrix products that are summed and kept in float32, or float64, whatever their factors are."""

import torch
from torch import Tensor

from lemmata.numerics.precision import compute_dtype

__all__ = ["add_product", "product"]

HALF = (torch.bfloat16, torch.float16)


def product(a: Tensor, b: Tensor) -> Tensor:
    """a b, of two matrices, the second in the dtype of the first."""
    if _mixed(a):
        return torch.mm(a, b.to(a.dtype), out_dtype=torch.float32)
    made = compute_dtype(a)
    return a.to(made) @ b.to(made)


def add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Add a b to ``total``, in place."""
    if _mixed(a):
        torch.addmm(total, a, b.to(a.dtype), out_dtype=torch.float32, out=total)
    else:
        total.addmm_(a.to(total.dtype), b.to(total.dtype))


def _mixed(a: Tensor) -> bool:
    """Whether the device multiplies half types and gives float32, which torch has since 2.8 on CUDA only."""
    return a.is_cuda and a.dtype in HALF and "dtype" in torch.ops.aten.mm.overloads()
