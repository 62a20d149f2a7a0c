"""What a distribution object asks of its arguments, beyond what all functions do."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.estimation._fourier.coefficients import COMPLEX

__all__ = ["complex_of", "computed", "finite", "in_one_batch", "larger", "same", "sizes", "within"]


def complex_of(dtype: torch.dtype) -> torch.dtype:
    return COMPLEX[0] if dtype == torch.float64 else COMPLEX[1]


def computed(value: Tensor, a: Tensor) -> torch.dtype:
    """What a density of coefficients a is computed in at a value."""
    return torch.promote_types(torch.promote_types(value.dtype, a.real.dtype), torch.float32)


def finite(name: str, value: float) -> float:
    size = check.positive(name, value)
    if math.isinf(size):
        raise ValueError(f"{name} must be finite, got {value}")
    return size


def _like(a: Tensor, name: str, value: float | Tensor | None, otherwise: float) -> Tensor:
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


def in_one_batch(
    a: Tensor, loc: float | Tensor | None, scale: float | Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Coefficients and the parameters of the line, 0 and 1 where they are None, in one batch."""
    place, unit = _like(a, "loc", loc, 0.0), _like(a, "scale", scale, 1.0)
    try:
        batch = torch.broadcast_shapes(a.shape[:-1], place.shape, unit.shape)
    except RuntimeError:
        named = ", ".join(map(str, map(tuple, (a.shape[:-1], place.shape, unit.shape))))
        raise ValueError(f"a, loc and scale must have batches that broadcast, got {named}") from None
    return a.expand(*batch, a.shape[-1]), place.expand(batch), unit.expand(batch)


def sizes(name: str, value: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"{name} must be a tuple of ints, got {type(value).__name__}")
    return tuple(check.at_least(name, size) for size in value)


def larger(old: Sequence[int], batch_shape: Sequence[int]) -> tuple[int, ...]:
    """The batch shape that is asked for, which the old one must expand to."""
    new = sizes("batch_shape", batch_shape)
    pairs = zip(reversed(old), reversed(new), strict=False)
    if len(old) > len(new) or not all(one in (1, other) for one, other in pairs):
        raise ValueError(f"batch_shape must be one that {tuple(old)} expands to, got {new}")
    return new


def within(name: str, value: Tensor, bound: float) -> None:
    """Raise unless all values lie in [-bound, bound], where that can be read."""
    if _torch.readable(value) and not ((value >= -bound) & (value <= bound)).all():
        raise ValueError(f"{name} must be in [{-bound}, {bound}], got {value}")
