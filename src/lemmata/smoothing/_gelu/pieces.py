"""GELU on a CPU, piece by piece: what is made on the way stays in cache."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lemmata.numerics.exponentials import exp_, unit_of_exponents

__all__ = ["FLAT", "by_table", "exact_slope", "exact_value"]

SIZE = 2**18  # entries of a piece: small enough for a cache, and starting a loop costs little
FLAT = 512.0  # from here on every gate is 1 or 0 to the last bit, and its derivatives are 0


def exact_value(x: Tensor) -> Tensor:
    """x erfc(-x / sqrt 2) / 2 in three loops over float32 or float64 that is contiguous.

    A sum starts from -0, which alone leaves the sign of every product.
    """
    out, zero = torch.empty_like(x), x.new_full((), -0.0)
    for y, part in _split(out, x):
        t = part if _finite(part) else part.clamp(min=-FLAT)
        torch.erfc(torch.mul(t, -math.sqrt(0.5), out=y), out=y)
        torch.addcmul(zero, t, y, value=0.5, out=y)
    return out


def exact_slope(x: Tensor, grad: Tensor) -> Tensor:
    """Its derivative erfc(-x / sqrt 2) / 2 + x exp(-x^2 / 2) / sqrt(2 pi), times ``grad``, in six loops."""
    out, zero, unit = torch.empty_like(x), x.new_full((), -0.0), unit_of_exponents(x)
    gates, bells = (x.new_empty(min(SIZE, x.numel())) for _ in range(2))
    for y, part, factor in _split(out, x, grad):
        t = part if _finite(part) else part.clamp(-FLAT, FLAT)
        gate, bell = gates[: len(t)], bells[: len(t)]
        torch.erfc(torch.mul(t, -math.sqrt(0.5), out=gate), out=gate)
        exp_(torch.addcmul(zero, t, t, value=-0.5 * unit, out=bell), unit)
        gate.addcmul_(t, bell, value=math.sqrt(2 / math.pi))
        torch.addcmul(zero, gate, factor, value=0.5, out=y)
    return out


def by_table(function: Callable[[Tensor], Tensor], x: Tensor, grad: Tensor | None = None) -> Tensor:
    """``function(x)``, times ``grad`` if there is one, for a half type: looked up, as it has 65,536 numbers.

    ``function`` takes and gives float32. The bits of a number, read as an integer, are its place.
    """
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int32, device=x.device).to(torch.int16)
    table = function(bits.roll(2**15).view(x.dtype).float())
    table = table.to(x.dtype) if grad is None else table
    out, count = torch.empty_like(x), min(SIZE, x.numel())
    places, (values, grads) = bits.new_empty(count, dtype=torch.int32), table.new_empty(2, count)
    for y, part, *factor in _split(out, x, *(() if grad is None else (grad,))):
        place = places[: len(part)].copy_(part.view(torch.uint16))
        if factor:
            value = torch.index_select(table, 0, place, out=values[: len(part)])
            y.copy_(value.mul_(grads[: len(part)].copy_(factor[0])))
        else:
            torch.index_select(table, 0, place, out=y)
    return out


def _split(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(t.reshape(-1).split(SIZE) for t in tensors), strict=True)


def _finite(x: Tensor) -> bool:
    """Whether no infinity can meet a factor of 0: a sum tells quickly, and errs to the safe side."""
    return math.isfinite(x.sum())
