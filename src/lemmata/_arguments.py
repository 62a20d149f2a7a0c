"""What the public functions ask of their arguments, each check once: ``check.floating("x", x)``.

Every error names the argument, says what it must be and what came. Values are read where that waits for no
device and breaks no compiled graph and no transform (:func:`lemmata._torch.readable`); shapes and dtypes are
checked everywhere.
"""

import math
import numbers
import operator
from collections.abc import Iterable, Sequence
from typing import SupportsIndex, TypeVar

import torch
from torch import Tensor

from lemmata._torch import readable

__all__ = [
    "ROUGH",
    "at_least",
    "axis",
    "broadcast",
    "choice",
    "floating",
    "function",
    "generator",
    "index",
    "integer",
    "law",
    "mask",
    "number",
    "positive",
    "probability",
    "real",
    "scale",
    "scores",
    "shape",
    "tensor",
    "within",
]

FLOATING = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
ROUGH = 0.01  # a sum that is off by more is no rounding of probabilities, whoever rounded them
T = TypeVar("T", bound="str | None")


def tensor(name: str, value: Tensor) -> None:
    """Raise TypeError unless ``value`` is a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")


def floating(name: str, value: Tensor) -> None:
    """Raise TypeError unless ``value`` is a tensor of real floating point."""
    tensor(name, value)
    if value.dtype not in FLOATING:
        raise TypeError(f"{name} must be float64, float32, bfloat16 or float16, got {value.dtype}")


def mask(name: str, value: Tensor) -> None:
    """Raise TypeError unless ``value`` is a bool tensor."""
    tensor(name, value)
    if value.dtype != torch.bool:
        raise TypeError(f"{name} must be bool, got {value.dtype}")


def index(name: str, value: Tensor) -> None:
    """Raise TypeError unless ``value`` is an int64 tensor."""
    tensor(name, value)
    if value.dtype != torch.int64:
        raise TypeError(f"{name} must be int64, got {value.dtype}")


def within(name: str, value: Tensor, count: int) -> None:
    """Raise ValueError unless every entry of an index is in [0, count), where that can be read."""
    if value.numel() and readable(value):
        low, high = (bound.item() for bound in torch.aminmax(value))
        if low < 0 or high >= count:
            raise ValueError(f"{name} must be in [0, {count}), got values from {low} to {high}")


def probability(name: str, value: Tensor, hint: str = "") -> None:
    """Raise unless ``value`` is a real tensor, of [0, 1] where that can be read (integers: of 0 and 1).

    Four roundings beyond are taken: ten float32 of 0.1 add up to 1.0000001.
    """
    tensor(name, value)
    if value.is_complex():
        raise TypeError(f"{name} must be real, got {value.dtype}")
    if value.dtype != torch.bool and value.numel() and readable(value):
        slack = 4 * torch.finfo(value.dtype).eps if value.is_floating_point() else 0
        low, high = (bound.item() for bound in torch.aminmax(value))
        if not (low >= -slack and high <= 1 + slack):
            hint = f" ({hint})" if hint else ""
            raise ValueError(f"{name} must be in [0, 1]{hint}, got values from {low} to {high}")


def law(name: str, value: Tensor, slack: float | None = None, hint: str = "") -> None:
    """Raise as :func:`probability` does, and ValueError unless each row sums to 1, where that can be read.

    The sum may be off by ``slack``. Without one: entries that were rounded miss the sum by eps / 2 at most,
    and by half the smallest number each where they are subnormal. Four eps are taken, and what sums of many
    terms lose: 1e-4, in float64 1e-6.
    """
    probability(name, value, hint)
    if value.numel() and readable(value):
        worst = (value.detach().double().sum(-1) - 1).abs().max().item()
        if slack is None:
            info, n = torch.finfo(value.dtype), value.shape[-1]
            slack = (1e-6 if value.dtype == torch.float64 else 1e-4) + info.eps * (4 + n * info.tiny / 2)
        if not worst <= slack:
            raise ValueError(f"{name} must sum to 1 in each row, got a sum that is off by {worst}")


def axis(name: str, value: Tensor, dim: SupportsIndex) -> int:
    """``dim`` counted from the front; raise unless ``value`` is floating point and has entries along it."""
    floating(name, value)
    at, sizes = integer("dim", dim), tuple(value.shape)
    if not -len(sizes) <= at < len(sizes):
        raise ValueError(f"dim must be an axis of {name} of shape {sizes}, got {at}")
    if sizes[at] == 0:
        raise ValueError(f"{name} must have at least one entry along dim {at}, got shape {sizes}")
    return at % len(sizes)


def scores(name: str, value: Tensor) -> None:
    """Raise TypeError unless ``value`` is real floating point, ValueError if it has no axis of classes."""
    floating(name, value)
    if value.dim() == 0:
        raise ValueError(f"{name} must have a last axis of classes (..., C), got a scalar")


def shape(name: str, value: Tensor, sizes: Sequence[int], beside: str = "input") -> None:
    """Raise TypeError unless ``value`` is a tensor, ValueError unless it has the shape another asks for."""
    tensor(name, value)
    if tuple(value.shape) != tuple(sizes):
        raise ValueError(f"{name} must have shape {tuple(sizes)} beside {beside}, got {tuple(value.shape)}")


def broadcast(name: str, value: Tensor, sizes: Sequence[int]) -> Tensor:
    """``value`` expanded to ``sizes``; ValueError where it does not fit."""
    tensor(name, value)
    pairs = zip(reversed(value.shape), reversed(sizes), strict=False)
    if value.dim() > len(sizes) or any(v not in (1, s) for v, s in pairs):
        raise ValueError(f"{name} must broadcast to {tuple(sizes)}, got {tuple(value.shape)}")
    return value.expand(tuple(sizes))


def integer(name: str, value: SupportsIndex) -> int:
    """``value`` as an int, of Python or NumPy; TypeError for anything else, and for a bool."""
    if not isinstance(value, bool | Tensor):
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise TypeError(f"{name} must be an int, got {type(value).__name__}")


def at_least(name: str, value: SupportsIndex, least: int = 0) -> int:
    """``value`` as an int; TypeError unless it is one, ValueError if it is below ``least``."""
    whole = integer(name, value)
    if whole < least:
        raise ValueError(f"{name} must be at least {least}, got {whole}")
    return whole


def number(name: str, value: float) -> float:
    """``value`` as a float; TypeError unless it is a real number, of Python or NumPy, and for a bool."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    try:
        return float(value)
    except OverflowError:  # an int beyond float64
        return math.inf if value > 0 else -math.inf


def positive(name: str, value: float, at_infinity: str = "") -> float:
    """``value`` as a float in (0, inf]; what ``inf`` means goes into the error."""
    size = number(name, value)
    if not size > 0:
        hint = f" ({at_infinity})" if at_infinity else ""
        raise ValueError(f"{name} must be positive{hint}, got {value}")
    return size


def real(name: str, value: float | Tensor) -> Tensor:
    """``value`` as a tensor: one of real floating point as it is, a number of Python or NumPy as float64."""
    if not isinstance(value, Tensor):
        try:
            return torch.tensor(number(name, value), dtype=torch.float64)
        except TypeError:
            kind = type(value).__name__
            raise TypeError(f"{name} must be a tensor or a number, got {kind}") from None
    floating(name, value)
    return value


def scale(name: str, value: float | Tensor, at_infinity: str = "") -> float | Tensor:
    """A positive number as a float, or a tensor of real floating point, positive where that can be read."""
    if not isinstance(value, Tensor):
        return positive(name, value, at_infinity)
    floating(name, value)
    if value.numel() and readable(value) and not (value > 0).all():
        hint = f" ({at_infinity})" if at_infinity else ""
        raise ValueError(f"{name} must be positive{hint}, got values from {value.min().item()}")
    return value


def function(name: str, value: object) -> None:
    """Raise TypeError unless ``value`` can be called."""
    if not callable(value):
        raise TypeError(f"{name} must be a function, got {type(value).__name__}")


def generator(name: str, value: torch.Generator | None) -> None:
    """Raise TypeError unless ``value`` is a ``torch.Generator`` or None."""
    if not isinstance(value, torch.Generator | None):
        raise TypeError(f"{name} must be a torch.Generator or None, got {type(value).__name__}")


def choice(name: str, value: T, known: Iterable[T]) -> None:
    """Raise ValueError unless ``value`` is one of the ``known`` names."""
    names = list(known)
    if not isinstance(value, str | None) or value not in names:
        *most, last = map(repr, names)
        listed = f"{', '.join(most)} or {last}" if most else last
        raise ValueError(f"{name} must be {listed}, got {value!r}")
