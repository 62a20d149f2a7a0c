"""What a distribution object asks of its arguments, beyond what all functions do."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.estimation._fourier.coefficients import COMPLEX

__all__ = ["batch_of", "complex_of", "finite", "fits", "like", "same", "sizes"]


def complex_of(dtype: torch.dtype) -> torch.dtype:
    return COMPLEX[0] if dtype == torch.float64 else COMPLEX[1]


def finite(name: str, value: float) -> float:
    size = check.positive(name, value)
    if math.isinf(size):
        raise ValueError(f"{name} must be finite, got {value}")
    return size


def like(a: Tensor, name: str, value: float | Tensor | None, otherwise: float) -> Tensor:
    """A parameter of the line as a tensor, a number of float64 on the device of a."""
    if isinstance(value, Tensor):
        check.floating(name, value)
    else:
        value = otherwise if value is None else check.number(name, value)
    if name == "scale":
        value = check.scale(name, value)
    return value if isinstance(value, Tensor) else torch.full((), value, dtype=torch.float64, device=a.device)


def same(one: Tensor | None, other: Tensor | None) -> bool:
    """Whether two parameters are equal, or both None."""
    return one is other or (one is not None and other is not None and bool((one == other).all()))


def batch_of(*shapes: Sequence[int]) -> torch.Size:
    try:
        return torch.broadcast_shapes(*shapes)
    except RuntimeError:
        named = ", ".join(map(str, map(tuple, shapes)))
        raise ValueError(f"a, loc and scale must have batches that broadcast, got {named}") from None


def sizes(name: str, value: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"{name} must be a tuple of ints, got {type(value).__name__}")
    return tuple(check.at_least(name, size) for size in value)


def fits(old: Sequence[int], new: Sequence[int]) -> bool:
    pairs = zip(reversed(old), reversed(new), strict=False)
    return len(old) <= len(new) and all(one in (1, other) for one, other in pairs)
