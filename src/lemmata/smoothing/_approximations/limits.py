"""What the functions of this chapter are computed in, and what happens at the ends of its range."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.precision import compute_dtype

__all__ = ["ROOM", "above", "as_elements", "as_rows", "constant", "in_range", "sigmoid"]

# Between the sharpness, or 1 / temperature, and the largest number: second derivatives add some of them.
ROOM = 2.0**20


def as_elements(x: Tensor, name: str = "x") -> Tensor:
    """``x`` in the type that it is computed in."""
    check.floating(name, x)
    return x.to(compute_dtype(x))


def as_rows(x: Tensor, dim: int) -> Tensor:
    """``x`` in the type that it is computed in, with its entries along the last axis."""
    return x.to(compute_dtype(x)).movedim(dim, -1)


def in_range(sharpness: float, x: Tensor) -> float:
    """The sharpness, within what the dtype of x can multiply; beyond it lies inf."""
    sharpness = check.positive("sharpness", sharpness, "inf gives the hard operation")
    info = torch.finfo(x.dtype)
    return math.inf if sharpness > info.max / ROOM else max(sharpness, info.tiny)  # 0 times inf is NaN


def above(x: Tensor, level: Tensor) -> Tensor:
    """x - level, where two infinities of one sign are equal: 0, with gradient 0."""
    return torch.where((x == level) & x.isinf(), 0.0, x - level)


def constant(value: Tensor, x: Tensor) -> Tensor:
    """``value`` with gradient 0 in ``x``; NaN stays."""
    return torch.where(x.isnan(), x, value)


def sigmoid(z: Tensor) -> Tensor:
    """sigma(z), whose derivatives keep their digits where sigma(z) itself is 1 up to rounding."""
    return torch.where(z > 0, 1 - torch.sigmoid(-z), torch.sigmoid(z))
