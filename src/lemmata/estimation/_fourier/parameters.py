"""What a distribution object asks of its arguments, beyond what all functions do."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.estimation._fourier.coefficients import COMPLEX

__all__ = ["complex_of", "computed", "fit", "larger", "on_line", "sizes", "turn", "within"]


def complex_of(dtype: torch.dtype) -> torch.dtype:
    return COMPLEX[0] if dtype == torch.float64 else COMPLEX[1]


def computed(value: Tensor, a: Tensor) -> torch.dtype:
    """What a density of coefficients a is computed in at a value."""
    return torch.promote_types(torch.promote_types(value.dtype, a.real.dtype), torch.float32)


def turn(period: float | None, line: bool) -> float | None:
    """The length of the circle, if it is one."""
    if period is None:
        return None
    size = check.positive("period", period)
    if math.isinf(size):
        raise ValueError(f"period must be finite, got {period}")
    if line:
        raise ValueError(f"period must be None beside loc or scale, got {period}")
    return size


def _like(a: Tensor, name: str, value: float | Tensor | None, otherwise: float) -> Tensor:
    """A parameter of the line as a tensor, a number of float64 on the device of a."""
    if not isinstance(value, Tensor):
        number = otherwise if value is None else check.number(name, value)
        value = torch.full((), number, dtype=torch.float64, device=a.device)
    check.floating(name, value)
    if name == "scale":
        check.scale(name, value)
    if _torch.readable(value) and value.isinf().any():
        raise ValueError(f"{name} must be finite, got {value}")
    return value


def fit(name: str, *shapes: Sequence[int]) -> torch.Size:
    """The batch of all."""
    try:
        return torch.broadcast_shapes(*shapes)
    except RuntimeError:
        named = ", ".join(map(str, map(tuple, shapes)))
        raise ValueError(f"{name} must have batches that broadcast, got {named}") from None


def on_line(
    a: Tensor, loc: float | Tensor | None, scale: float | Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Coefficients and the parameters of the line, 0 and 1 where they are None, in one batch."""
    place, unit = _like(a, "loc", loc, 0.0), _like(a, "scale", scale, 1.0)
    batch = fit("a, loc and scale", a.shape[:-1], place.shape, unit.shape)
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
