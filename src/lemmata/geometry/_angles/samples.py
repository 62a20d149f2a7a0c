"""Angles between random directions, drawn without drawing the directions."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch

__all__ = ["sample_angles"]


def sample_angles(
    n: int,
    size: int | Sequence[int],
    generator: torch.Generator | None = None,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Tensor:
    r"""Independent angles between random directions, drawn from their law: the cost does not depend on n.

    .. math:: \theta = \operatorname{atan2}\bigl(\chi_{n-1}, g\bigr)

    with a standard normal g, which is the first coordinate of a Gaussian vector, and the length
    :math:`\chi_{n-1}` of all the others.

    Implements :prf:ref:`angles-sample`.

    Args:
        n: the dimension, an int of at least 1. For n = 1 the angles are 0 and pi, equally likely.
        size: the shape of the result, or a number of angles.
        generator: of random numbers, on ``device``.
        dtype: float64, float32, bfloat16 or float16 (half types are drawn in float32).
        device: where to draw.

    Returns:
        Angles in [0, pi], of shape ``size``.

    Raises:
        TypeError: n is not an int, ``size`` neither an int nor a shape, ``dtype`` none of these types, or
            ``generator`` or ``device`` is none.
        ValueError: n is below 1, ``size`` is negative, or ``device`` is not the name of one.

    Example:
        >>> angles = sample_angles(1_000_000, 1000, torch.Generator().manual_seed(0))
        >>> angles.shape, bool((angles - math.pi / 2).abs().max() < 0.005)
        (torch.Size([1000]), True)
    """
    n = check.at_least("n", n, 1)
    shape = [check.at_least("size", s) for s in (size if isinstance(size, Sequence) else (size,))]
    if not isinstance(dtype, torch.dtype) or dtype not in check.FLOATING:
        raise TypeError(f"dtype must be float64, float32, bfloat16 or float16, got {dtype}")
    check.generator("generator", generator)
    device = _device(device)
    wide = torch.promote_types(dtype, torch.float32)
    g = torch.randn(shape, generator=generator, dtype=wide, device=device)
    if n == 1:
        return (math.pi * (g < 0).to(wide)).to(dtype)
    rest = 2 * _torch.standard_gamma(torch.full_like(g, (n - 1) / 2), generator)
    return torch.atan2(rest.sqrt(), g).to(dtype)


def _device(device: torch.device | str) -> torch.device:
    """A device or its name; raise TypeError for what is neither, ValueError for a name that torch has not."""
    if not isinstance(device, torch.device | str):
        raise TypeError(f"device must be a torch.device or its name, got {type(device).__name__}")
    try:
        return torch.device(device)
    except RuntimeError:
        raise ValueError(f"device must be a torch.device or its name, got {device!r}") from None
