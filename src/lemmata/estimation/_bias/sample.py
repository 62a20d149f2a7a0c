"""The sample that every estimator here starts from: its axes, its size, and its sums about the mean."""

import math

from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.centring import centred

__all__ = ["Dims", "axes_of", "central_sums", "power_sums", "sample_of"]

Dims = int | tuple[int, ...] | None


def axes_of(x: Tensor, dim: Dims) -> tuple[tuple[int, ...], int]:
    """The axes of the sample counted from the front, and its size; all of them for None and ()."""
    check.floating("x", x)
    named = dim if isinstance(dim, tuple | list) else () if dim is None else (dim,)
    given = [check.integer("dim", d) for d in named or range(x.dim())]
    axes = tuple(d % x.dim() for d in given if -x.dim() <= d < x.dim())
    if len(axes) != len(given) or len(set(axes)) != len(axes):
        raise ValueError(f"dim must be distinct axes of x of shape {tuple(x.shape)}, got {dim}")
    return axes, math.prod([x.shape[d] for d in axes])


def sample_of(x: Tensor, dim: int, least: int) -> tuple[int, int]:
    """The axis of the sample counted from the front, and its size; raise unless it is at least ``least``."""
    axis = check.axis("x", x, dim)
    n = x.shape[axis]
    if n < least:
        raise ValueError(f"x must have at least {least} entries along dim {dim}, got shape {tuple(x.shape)}")
    return axis, n


def central_sums(x: Tensor, dim: tuple[int, ...], order: int) -> list[Tensor]:
    """M_2 ... M_order, the sums of powers of the deviations from the mean, over ``dim``."""
    return power_sums(centred(x, dim)[2], dim, order)


def power_sums(d: Tensor, dim: tuple[int, ...], order: int) -> list[Tensor]:
    """The sums of d^2 ... d^order over ``dim``."""
    power, sums = d, []
    for _ in range(order - 1):
        power = power * d
        sums.append(power.sum(dim))
    return sums
