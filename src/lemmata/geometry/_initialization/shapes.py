"""What the shape of a weight says."""

import math

from torch import Tensor

from lemmata import _arguments as check

__all__ = ["fan_in_and_fan_out"]


def matrix(name: str, value: Tensor) -> None:
    """Raise ValueError unless a tensor has two dimensions or more."""
    if value.dim() < 2:
        raise ValueError(f"{name} must have at least 2 dimensions, got shape {tuple(value.shape)}")


def not_nan(name: str, value: float) -> float:
    """``value`` as a float; TypeError unless it is a real number, ValueError for NaN."""
    size = check.number(name, value)
    if math.isnan(size):
        raise ValueError(f"{name} must be a number, got {value}")
    return size


def fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output sums, and how many outputs an input reaches, by the shape of a weight.

    The shape is ``(out, in, *kernel)``, as of ``nn.Linear`` and ``nn.Conv*d``; both fans count the kernel's
    entries. As torch does, this takes a grouped convolution's fan_out g times too large (its ``out`` are
    shared among g groups), ignores strides, and reads a transposed convolution the wrong way round.

    Args:
        tensor: a weight with at least 2 dimensions (ValueError); only its shape is read.

    Example:
        >>> fan_in_and_fan_out(torch.empty(64, 3, 5, 5))
        (75, 1600)
    """
    check.tensor("tensor", tensor)
    matrix("tensor", tensor)
    fan_out, fan_in, *kernel = tensor.shape
    return fan_in * math.prod(kernel), fan_out * math.prod(kernel)
