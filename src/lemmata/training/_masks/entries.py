"""Which entries count: what a mask may be, and the axes that a reduction is over."""

import torch
from torch import Tensor

from lemmata import _arguments as check

__all__ = ["axes", "only", "which"]


def which(mask: Tensor, sizes: tuple[int, ...], name: str = "mask") -> Tensor:
    """The mask in the shape of the data; TypeError unless it is bool, ValueError where it does not fit."""
    check.tensor(name, mask)
    if mask.dtype != torch.bool:
        raise TypeError(
            f"{name} must be bool, True where an entry counts, got {mask.dtype}: "
            "say mask.bool(), or mask == 0 for one that is added to scores"
        )
    return check.broadcast(name, mask, sizes)


def only(x: Tensor, mask: Tensor, other: float) -> Tensor:
    """The entries that count, and a number in place of the others, which get the gradient 0."""
    return torch.where(mask, x, other)


def axes(x: Tensor, dim: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """The axes of a reduction counted from the front, all for None; each has an entry."""
    check.floating("x", x)
    if dim is None:
        dim = tuple(range(x.dim()))
    if not isinstance(dim, tuple | list):
        return (check.axis("x", x, dim),)
    found = tuple(check.axis("x", x, one) for one in dim)
    if len({*found}) < len(found):
        raise ValueError(f"dim must name each axis once, got {tuple(dim)}")
    return found
