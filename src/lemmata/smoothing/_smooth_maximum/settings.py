"""The sharpness, the order, and the dtype of the sums that they ask for."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.precision import compute_dtype

__all__ = ["LARGEST", "as_rows", "as_sharpness", "column", "expanded", "reduced", "sum_dtype"]

WIDE = 2.0**64  # a sharpness beyond it, or below its reciprocal, wants sums in float64
SMALLEST = torch.finfo(torch.float64).tiny
LARGEST = 1 / SMALLEST  # beyond it 1 / K has no normal number


def column(setting: float | Tensor) -> float | Tensor:
    """What belongs to a row, beside its entries."""
    return setting.unsqueeze(-1) if isinstance(setting, Tensor) else setting


def as_rows(x: Tensor, sharpness: float | Tensor, dim: int) -> Tensor:
    """``x`` in the dtype of the sums, with the axis that is reduced at the end."""
    return x.to(sum_dtype(x, sharpness)).movedim(dim, -1)


def reduced(x: Tensor, dim: int) -> tuple[int, ...]:
    """The shape of the result."""
    return (*x.shape[:dim], *x.shape[dim + 1 :])


def sum_dtype(x: Tensor, sharpness: float | Tensor) -> torch.dtype:
    if isinstance(sharpness, Tensor):  # its values are not looked at
        return torch.float64
    extreme = sharpness < 1 / WIDE or WIDE < sharpness <= LARGEST
    return torch.float64 if extreme else compute_dtype(x)


def as_sharpness(sharpness: float | Tensor, sizes: Sequence[int]) -> float | Tensor:
    """A number with a normal reciprocal, or inf; or a float64 tensor of them that is expanded to sizes."""
    K = check.scale("sharpness", sharpness, "inf gives the hard operation")
    if not isinstance(K, Tensor):
        return math.inf if K > LARGEST else max(K, SMALLEST)
    return expanded("sharpness", K, sizes, SMALLEST)


def expanded(name: str, value: Tensor, sizes: Sequence[int], least: float) -> Tensor:
    value = check.broadcast(name, value, sizes).double()
    right = (value >= least) | ((value > 0) & (least < 1))
    value = torch.where(right, value, math.nan).clamp(min=least)  # where values are not looked at
    return torch.where(value > LARGEST, math.inf, value)
