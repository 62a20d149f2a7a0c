"""How many taps of the kernel reach a pixel behind a transposed convolution."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lemmata import _arguments as check

__all__ = ["overlap_counts"]

Sizes = int | Sequence[int]


def overlap_counts(kernel_size: Sizes, stride: Sizes, *, padding: Sizes = 0, dilation: Sizes = 1) -> Tensor:
    r"""How many taps of the kernel reach each phase of the output of a transposed convolution.

    Along an axis, away from the border, the taps t that reach output o are those with
    :math:`dt \equiv o + p \pmod s`. With :math:`g = \gcd(d, s)` there are

    .. math:: c(o) = \Bigl\lceil\frac{k - t_0}{s/g}\Bigr\rceil \text{ if } g \mid o + p, \text{ else } 0,

    where :math:`t_0` is the least such t. They are all the same exactly if s divides k and g = 1. Over
    several axes counts multiply. The gradient of a strided convolution by its input has the same counts,
    since it is a transposed convolution.

    Implements :prf:ref:`self-modulation-overlap`.

    Args:
        kernel_size: k, an int for a square of two axes, or one number for each axis.
        stride: s, as of the layer, an int for all axes or one number for each.
        padding: p, likewise; it only moves the phases.
        dilation: d, likewise.

    Returns:
        int64, of shape ``stride``: entry r counts for the outputs with index r modulo s.

    Raises:
        TypeError: sizes that are not ints.
        ValueError: a number out of range, or not one for each axis.

    Example:
        >>> overlap_counts(4, 2)
        tensor([[4, 4],
                [4, 4]])
        >>> overlap_counts(5, 2)
        tensor([[9, 6],
                [6, 4]])
        >>> overlap_counts((3,), 2, padding=1)
        tensor([1, 2])
    """
    kernel = _each("kernel_size", kernel_size, None, 1)
    strides = _each("stride", stride, len(kernel), 1)
    pads = _each("padding", padding, len(kernel), 0)
    dilations = _each("dilation", dilation, len(kernel), 1)
    counts = torch.ones((), dtype=torch.int64)
    for sizes in zip(kernel, strides, pads, dilations, strict=True):
        counts = counts.unsqueeze(-1) * torch.tensor(_along(*sizes))
    return counts


def _along(k: int, s: int, p: int, d: int) -> list[int]:
    """The counts of one axis, by phase."""
    g = math.gcd(d, s)
    m = s // g  # taps m apart reach the same phase
    first = [(r + p) // g * pow(d // g, -1, m) % m for r in range(s)]
    return [-((t - k) // m) if (r + p) % g == 0 else 0 for r, t in enumerate(first)]


def _each(name: str, value: Sizes, count: int | None, least: int) -> tuple[int, ...]:
    """One int for each of ``count`` axes; None: as many as there are, an int for two."""
    if not isinstance(value, tuple | list):
        return (check.at_least(name, value, least),) * (count or 2)  # type: ignore[arg-type]
    if not value or count not in (None, len(value)):
        raise ValueError(f"{name} must have one number for each axis of kernel_size, got {tuple(value)}")
    return tuple(check.at_least(name, one, least) for one in value)
