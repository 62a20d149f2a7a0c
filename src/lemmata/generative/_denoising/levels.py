"""Levels of noise, the draws of it, and what a score may return."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch

__all__ = ["Level", "Score", "level", "noise", "positive", "returned", "uniform", "widened"]

Level = float | Tensor
Score = Callable[[Tensor, Level], Tensor]


def positive(name: str, value: float) -> float:
    """``value`` as a float in (0, inf)."""
    size = check.positive(name, value)
    if size == math.inf:
        raise ValueError(f"{name} must be finite, got {value}")
    return size


def level(value: Level, sizes: Sequence[int]) -> Level:
    """sigma as a float, or a tensor that broadcasts to ``sizes``; in (0, inf) where that can be read."""
    if not isinstance(value, Tensor):
        return positive("sigma", value)
    check.scale("sigma", value)
    check.broadcast("sigma", value, sizes)
    if value.numel() and _torch.readable(value) and value.isinf().any():
        raise ValueError("sigma must be finite, got inf")
    return value


def widened(value: Level, dtype: torch.dtype) -> Level:
    """sigma in at least this dtype: in float16 the squares of 0.0001 and of 300 are 0 and infinite."""
    return value.to(torch.promote_types(value.dtype, dtype)) if isinstance(value, Tensor) else value


def noise(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Normal draws in float64, the same for each dtype, made on the generator's device."""
    device = like.device if generator is None else generator.device
    draws = torch.randn(like.shape, generator=generator, dtype=torch.float64, device=device)
    return draws.to(like.device, like.dtype)


def uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """As :func:`noise`, from [0, 1)."""
    device = like.device if generator is None else generator.device
    draws = torch.rand(like.shape, generator=generator, dtype=torch.float64, device=device)
    return draws.to(like.device, like.dtype)


def returned(value: Tensor, sizes: Sequence[int], what: str = "score") -> Tensor:
    """What a function of the caller returned, if it has the shape of the points."""
    name = f"{what}'s result"
    check.floating(name, value)
    check.shape(name, value, sizes, "the points")
    return value
