"""The unit in which a sample is counted, so that no result depends on the one it came in."""

import torch
from torch import Tensor

__all__ = ["unit_of"]


def unit_of(x: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    """A power of two near the largest entry over ``dim`` (axes that stay, with size 1), a constant.

    Entries divided by it are below 2 in size and keep every digit, so that products neither overflow nor
    vanish. It is 1 where there is no entry or only zeros, and where one is not finite.

    Args:
        x: float32 or float64.
        dim: one axis, or several.
    """
    axes = dim if isinstance(dim, tuple) else (dim,)
    if not all(x.shape[axis] for axis in axes):
        return torch.ones_like(x.detach().sum(dim, keepdim=True))
    least = 2 * torch.finfo(x.dtype).tiny
    largest = x.detach().abs().amax(dim, keepdim=True).clamp(min=least)
    unit = largest / 2 / torch.frexp(largest).mantissa
    return torch.where((largest > least) & largest.isfinite(), unit, 1.0)
