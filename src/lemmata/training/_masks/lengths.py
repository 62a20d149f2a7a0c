"""Rows that count from the start up to their length: their mask, and their reversal."""

import torch
from torch import Tensor

from lemmata import _arguments as check

__all__ = ["lengths_to_mask", "reverse_padded"]


def lengths_to_mask(lengths: Tensor, size: int) -> Tensor:
    """True for the first entries of each row, as many as its length.

    Implements :prf:ref:`masks-reverse`.

    Args:
        lengths: int64, any shape; values in [0, size], checked where they can be read.
        size: of the padded axis. ``lengths.max().item()`` would wait for the device, so the caller says it.

    Returns:
        bool, the shape of ``lengths`` with ``size`` behind.

    Raises:
        TypeError: lengths that are not int64, a size that is no int.
        ValueError: a length that is out of range, a negative size.

    Example:
        >>> lengths_to_mask(torch.tensor([2, 0]), 3)
        tensor([[ True,  True, False],
                [False, False, False]])
    """
    places = check.at_least("size", size)
    check.index("lengths", lengths)
    check.within("lengths", lengths, places + 1)
    return torch.arange(places, device=lengths.device) < lengths.unsqueeze(-1)


def reverse_padded(x: Tensor, lengths: Tensor, dim: int = 1) -> Tensor:
    r"""Reverse the first entries of each row and leave its padding: :math:`(Rx)_i = x_{L-1-i}` for i < L.

    Twice is not at all. A backward recurrent network is ``reverse_padded(net(reverse_padded(x, L)), L)``; it
    starts at the last word instead of in the padding. For padding on the right only.

    Implements :prf:ref:`masks-reverse`, :prf:ref:`masks-recurrent`.

    Args:
        x: any dtype, ``(..., T, ...)``.
        lengths: int64, the axes of ``x`` before ``dim``; values in [0, T], checked where they can be read.
        dim: the padded axis, 1 for ``(batch, T, features)``.

    Returns:
        The shape and the dtype of ``x``.

    Raises:
        TypeError: ``x`` no tensor, lengths that are not int64.
        ValueError: shapes or axes that do not fit, a length that is out of range.

    Example:
        >>> reverse_padded(torch.tensor([[1, 2, 3, 0, 0], [1, 2, 3, 4, 5]]), torch.tensor([3, 5]))
        tensor([[3, 2, 1, 0, 0],
                [5, 4, 3, 2, 1]])
    """
    check.tensor("x", x)
    at = check.integer("dim", dim)
    if not -x.dim() <= at < x.dim():
        raise ValueError(f"dim must be an axis of x of shape {tuple(x.shape)}, got {at}")
    at %= x.dim()
    check.index("lengths", lengths)
    check.shape("lengths", lengths, x.shape[:at], "the axes of x before dim")
    T = x.shape[at]
    check.within("lengths", lengths, T + 1)
    i, L = torch.arange(T, device=x.device), lengths.unsqueeze(-1)
    source = torch.where(i < L, L - 1 - i, i)  # (..., T)
    behind = (1,) * (x.dim() - at - 1)
    return x.gather(at, source.view(*source.shape, *behind).expand(x.shape))
