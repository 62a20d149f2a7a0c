"""What both kinds of solid need: a rule as tensors, a root whose slope at 0 is 0, and the cardinal sine."""

import torch
from torch import Tensor

__all__ = ["cardinal_sine", "root", "tensors"]


def tensors(rule: list[tuple[float, float]], like: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes and weights of a rule on [0, 1], on the device of a tensor and in its dtype."""
    nodes, weights = torch.tensor(rule, dtype=like.dtype, device=like.device).unbind(-1)
    return nodes, weights


def root(square: Tensor) -> Tensor:
    """The square root, 0 with slope 0 where the square is not positive; NaN stays."""
    flat = square <= 0
    return torch.where(flat, 0.0, torch.where(flat, 1.0, square).sqrt())


def cardinal_sine(x: Tensor) -> Tensor:
    """sin(x) / x, with two derivatives at 0, where the second of ``torch.sinc`` is NaN."""
    small = x.abs() < 0.05
    far, square = torch.where(small, 1.0, x), x * x
    series = 1 - square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72)))
    return torch.where(small, series, far.sin() / far)
