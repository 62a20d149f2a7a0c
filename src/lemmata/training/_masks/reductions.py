"""Mean, variance and extremes of the entries that count."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.precision import compute_dtype
from lemmata.training._masks.entries import axes, only, which

__all__ = ["masked_max", "masked_mean", "masked_min", "masked_var"]


def masked_mean(
    x: Tensor,
    mask: Tensor,
    dim: int | tuple[int, ...] | None = None,
    *,
    keepdim: bool = False,
    empty: float = math.nan,
) -> Tensor:
    r"""Mean of the entries that count, :math:`\sum_i m_ix_i / \sum_i m_i`.

    The sum is over a selection, not over products: :math:`0 \cdot \mathrm{NaN}` is NaN.

    Implements :prf:ref:`masks-mean`, :prf:ref:`masks-select`.

    Args:
        x: any shape, floating point.
        mask: bool, broadcasts to ``x``; True where an entry counts.
        dim: one axis, several, or all (None), each with at least one entry.
        keepdim: whether reduced axes stay, with size 1.
        empty: the mean of a row where nothing counts; its gradient is 0. NaN, as in torch, is seen at once;
            a network that pools texts, some of them empty, wants 0.

    Returns:
        The shape that ``torch.mean`` gives, and the dtype of ``x``.

    Raises:
        TypeError: ``x`` not floating point, a mask that is not bool, other arguments of no such type.
        ValueError: shapes or axes that do not fit.

    Source: Su, kexue.fm 6810 (2019).

    Example:
        >>> x = torch.tensor([[1.0, 3.0, 4.0, 2.0, 3.0], [5.0, 1.0, 0.0, 0.0, torch.nan]])
        >>> masked_mean(x, lengths_to_mask(torch.tensor([5, 2]), 5), -1)
        tensor([2.6000, 3.0000])
    """
    over, here = axes(x, dim), which(mask, tuple(x.shape))
    nothing = check.number("empty", empty)
    n = here.sum(over, keepdim=keepdim)
    total = only(x.to(compute_dtype(x)), here, 0.0).sum(over, keepdim=keepdim)
    return torch.where(n > 0, total / n.clamp(min=1), nothing).to(x.dtype)


def masked_var(
    x: Tensor,
    mask: Tensor,
    dim: int | tuple[int, ...] | None = None,
    *,
    correction: float = 1,
    keepdim: bool = False,
    empty: float = math.nan,
) -> Tensor:
    r"""Variance of the entries that count, :math:`\sum_i m_i(x_i - \bar x)^2 / (n - c)` with their number n.

    Implements :prf:ref:`masks-mean`, :prf:ref:`masks-select`.

    Args:
        x, mask, dim, keepdim: as in :func:`masked_mean`.
        correction: c, 1 for the unbiased estimate.
        empty: the variance of a row with at most c entries that count, with gradient 0.

    Returns:
        The shape that ``torch.var`` gives, and the dtype of ``x``.

    Raises:
        TypeError, ValueError: as :func:`masked_mean` does.

    Example:
        >>> x = torch.tensor([[1.0, 3.0, 4.0, 2.0, 3.0], [5.0, 1.0, 0.0, 0.0, torch.nan]])
        >>> masked_var(x, lengths_to_mask(torch.tensor([5, 2]), 5), -1)
        tensor([1.3000, 8.0000])
    """
    over, here = axes(x, dim), which(mask, tuple(x.shape))
    c, few = check.number("correction", correction), check.number("empty", empty)
    if math.isnan(c):
        raise ValueError("correction must be a number, got nan")
    n = here.sum(over, keepdim=True)
    z = only(x.to(compute_dtype(x)), here, 0.0)
    mean = z.sum(over, keepdim=True) / n.clamp(min=1)
    squares = only(z - mean, here, 0.0).square().sum(over, keepdim=keepdim)
    free = (n if keepdim else n.sum(over)) - c  # n has size 1 along these axes
    enough = (free > 0) & (free + c > 0)
    return torch.where(enough, squares / torch.where(enough, free, 1), few).to(x.dtype)


def masked_max(
    x: Tensor, mask: Tensor, dim: int = -1, *, keepdim: bool = False, empty: float = -math.inf
) -> tuple[Tensor, Tensor]:
    r"""Largest of the entries that count, and its place in ``x``, never that of a masked entry.

    The first of equal ones is taken, and the whole gradient goes there. A NaN that counts is the largest.

    Implements :prf:ref:`masks-max`.

    Args:
        x, mask, keepdim: as in :func:`masked_mean`.
        dim: the axis, with at least one entry.
        empty: the maximum of a row where nothing counts, with gradient 0.

    Returns:
        Values in the dtype of ``x``, and places (int64), -1 for a row where nothing counts.

    Raises:
        TypeError, ValueError: as :func:`masked_mean` does.

    Example:
        >>> x = torch.tensor([[-3.0, -1.0, 0.0], [torch.nan, -torch.inf, 9.0], [1.0, 2.0, 3.0]])
        >>> mask = torch.tensor([[True, True, False], [False, True, False], [False, False, False]])
        >>> masked_max(x, mask)
        (tensor([-1., -inf, -inf]), tensor([ 1,  1, -1]))
    """
    at, here = check.axis("x", x, dim), which(mask, tuple(x.shape))
    nothing = check.number("empty", empty)
    top = only(x.detach(), here, -math.inf).amax(at, keepdim=True)
    hit = here & ((x == top) | x.isnan())
    place = hit.int().argmax(at, keepdim=True)
    some = here.any(at, keepdim=True)
    values = torch.where(some, x.gather(at, place), nothing)
    places = torch.where(some, place, -1)
    return (values, places) if keepdim else (values.squeeze(at), places.squeeze(at))


def masked_min(
    x: Tensor, mask: Tensor, dim: int = -1, *, keepdim: bool = False, empty: float = math.inf
) -> tuple[Tensor, Tensor]:
    r"""Smallest of the entries that count, and its place: :func:`masked_max` of -x.

    Implements :prf:ref:`masks-max`.

    Args:
        x, mask, dim, keepdim, empty: as in :func:`masked_max`.

    Returns:
        Values in the dtype of ``x``, and places (int64), -1 for a row where nothing counts.

    Raises:
        TypeError, ValueError: as :func:`masked_mean` does.

    Example:
        >>> masked_min(torch.tensor([2.0, 1.0, 0.0]), torch.tensor([True, True, False]))
        (tensor(1.), tensor(1))
    """
    check.floating("x", x)
    values, places = masked_max(-x, mask, dim, keepdim=keepdim, empty=-check.number("empty", empty))
    return -values, places
