"""What the functions of this chapter are computed in, and what happens at the ends of its range."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.top_k import ROOM

__all__ = ["as_elements", "as_rows", "in_range", "one_at", "sigmoid"]


def as_elements(x: Tensor, name: str = "x") -> Tensor:
    """``x`` in the type that it is computed in."""
    check.floating(name, x)
    return x.to(compute_dtype(x))


def as_rows(x: Tensor, dim: int) -> Tensor:
    """``x`` in the type that it is computed in, with its entries along the last axis."""
    return x.to(compute_dtype(x)).movedim(dim, -1)


def one_at(sizes: Sequence[int], dim: int) -> tuple[int, ...]:
    """The shape of what belongs to a row: one entry along ``dim``, which is not negative."""
    return (*sizes[:dim], 1, *sizes[dim + 1 :])


def in_range(sharpness: float | Tensor, x: Tensor, sizes: Sequence[int]) -> float | Tensor:
    """The sharpness, within what the dtype of x can multiply; beyond it lies inf. Tensors expand to sizes."""
    K = check.scale("sharpness", sharpness, "inf gives the hard operation")
    info = torch.finfo(x.dtype)
    largest = info.max / ROOM
    if not isinstance(K, Tensor):
        return math.inf if largest < K else max(K, info.tiny)  # 0 times inf is NaN
    K = check.broadcast("sharpness", K, sizes)
    K = torch.where(K > 0, K, math.nan).to(x.dtype).clamp(min=info.tiny)  # where values are not looked at
    return torch.where(largest < K, math.inf, K)


def sigmoid(z: Tensor) -> Tensor:
    """sigma(z), whose derivatives keep their digits where sigma(z) itself is 1 up to rounding."""
    return torch.where(z > 0, 1 - torch.sigmoid(-z), torch.sigmoid(z))
