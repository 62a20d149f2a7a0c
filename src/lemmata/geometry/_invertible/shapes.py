"""Shapes of vectors and factors that stand beside each other."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lemmata import _arguments as check

__all__ = ["leading"]


def leading(name: str, value: Tensor, *others: Sequence[int], sizes: Sequence[int]) -> torch.Size:
    """The leading axes, broadcast with those of others; raise unless ``value`` ends in ``sizes`` and fits."""
    check.floating(name, value)
    cut = value.dim() - len(sizes)
    if cut < 0 or tuple(value.shape[cut:]) != tuple(sizes):
        wanted = ", ".join(map(str, ("...", *sizes)))
        raise ValueError(f"{name} must be ({wanted}) beside the rest, got {tuple(value.shape)}")
    try:
        return torch.broadcast_shapes(value.shape[:cut], *others)
    except RuntimeError:
        beside = " and ".join(str(tuple(axes)) for axes in others)
        raise ValueError(
            f"{name} must have leading axes that broadcast with {beside}, got {tuple(value.shape[:cut])}"
        ) from None
