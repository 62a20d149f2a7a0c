"""Masks and lengths after a convolution or a pooling."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lemmata import _arguments as check

__all__ = ["conv_lengths", "conv_mask"]

RULES = ("all", "any")
Sizes = int | Sequence[int]


def conv_mask(
    mask: Tensor,
    kernel_size: Sizes,
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    rule: str = "all",
) -> Tensor:
    r"""Which outputs of a convolution or pooling count: those whose window counts wholly, or at all.

    With ``"all"`` and without padding an output counts exactly when it depends on entries that count alone;
    with ``"any"``, when it depends on one of them. For the mean of a window's entries that count use
    ``masked_mean(x.unfold(-1, k, s), mask.unfold(-1, k, s), -1)``, with ``"any"``.

    Implements :prf:ref:`masks-windows`.

    Args:
        mask: bool, ``(..., *sizes)``.
        kernel_size: an int for a window along the last axis; a tuple, one for each of the last axes.
        stride, padding, dilation: as of the layer, an int for all axes or a tuple. What the layer itself pads
            does not count.
        rule: ``"all"`` or ``"any"``.

    Returns:
        bool, in the shape that the layer gives.

    Raises:
        TypeError: a mask that is not bool, sizes that are not ints.
        ValueError: sizes out of range or not one for each axis, a window larger than the axis.

    Example:
        >>> m = torch.tensor([True, True, True, True, False, False])
        >>> conv_mask(m, 3)
        tensor([ True,  True, False, False])
        >>> conv_mask(m, 3, stride=2, padding=1, rule="any")
        tensor([True, True, True])
    """
    check.mask("mask", mask)
    check.choice("rule", rule, RULES)
    kernel = _each("kernel_size", kernel_size, None, 1)
    count = len(kernel)
    if count > mask.dim():
        raise ValueError(f"kernel_size must have at most {mask.dim()} numbers beside mask, got {count}")
    strides, dilations = (
        _each(name, v, count, 1) for name, v in (("stride", stride), ("dilation", dilation))
    )
    pads = _each("padding", padding, count, 0)
    for axis, sizes in enumerate(zip(kernel, strides, pads, dilations, strict=True), -count):
        mask = _along(mask, axis, *sizes, rule)
    return mask


def conv_lengths(
    lengths: Tensor, kernel_size: int, *, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Tensor:
    r"""How many outputs a convolution gives for a row of length L that stands alone.

    .. math:: \max\Bigl(0, \Bigl\lfloor\frac{L + 2p - d(k-1) - 1}{s}\Bigr\rfloor + 1\Bigr)

    and 0 for L = 0. Their mask, ``lengths_to_mask(conv_lengths(...), size)``, is the one under which a batch
    gives what each row gives alone, if masked entries are set to 0 before every layer that pads.

    Implements :prf:ref:`masks-windows`.

    Args:
        lengths: int64, any shape; at least 0, checked where they can be read.
        kernel_size, stride, padding, dilation: ints, as of the layer along that axis.

    Returns:
        int64, the shape of ``lengths``.

    Raises:
        TypeError: lengths that are not int64, sizes that are not ints.
        ValueError: a number out of range.

    Example:
        >>> conv_lengths(torch.tensor([5, 4, 1, 0]), 3, stride=2, padding=1)
        tensor([3, 2, 1, 0])
    """
    check.index("lengths", lengths)
    check.within("lengths", lengths, 2**63 - 1)
    k, s, d = (
        check.at_least(name, v, 1)
        for name, v in (("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation))
    )
    p = check.at_least("padding", padding)
    span = d * (k - 1) + 1
    fits = torch.div(lengths + 2 * p - span, s, rounding_mode="floor") + 1
    return torch.where(lengths > 0, fits.clamp(min=0), 0)


def _each(name: str, value: Sizes, count: int | None, least: int) -> tuple[int, ...]:
    """One int for each of ``count`` axes; None: as many as there are."""
    if not isinstance(value, tuple | list):
        return (check.at_least(name, value, least),) * (count or 1)  # type: ignore[arg-type]
    if not value or count not in (None, len(value)):
        raise ValueError(f"{name} must have one number for each axis of kernel_size, got {tuple(value)}")
    return tuple(check.at_least(name, one, least) for one in value)


def _along(mask: Tensor, axis: int, k: int, s: int, p: int, d: int, rule: str) -> Tensor:
    """The windows of one axis."""
    mask = F.pad(mask.movedim(axis, -1), (p, p), value=False)
    span = d * (k - 1) + 1
    if span > mask.shape[-1]:
        raise ValueError(f"kernel_size must span at most {mask.shape[-1]} entries of mask, got {span}")
    windows = mask.unfold(-1, span, s)[..., ::d]
    return (windows.all(-1) if rule == "all" else windows.any(-1)).movedim(-1, axis)
