"""What both kinds of solid need: a rule as tensors, and a root whose slope at 0 is 0."""

import torch
from torch import Tensor

__all__ = ["root", "tensors"]


def tensors(rule: list[tuple[float, float]], like: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes and weights of a rule on [0, 1], on the device of a tensor and in its dtype."""
    nodes, weights = torch.tensor(rule, dtype=like.dtype, device=like.device).unbind(-1)
    return nodes, weights


def root(square: Tensor) -> Tensor:
    """The square root, 0 with slope 0 where the square is not positive; NaN stays."""
    flat = square <= 0
    return torch.where(flat, 0.0, torch.where(flat, 1.0, square).sqrt())
