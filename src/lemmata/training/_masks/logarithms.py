"""Softmax and its logarithms over the entries that count."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.infinite import above
from lemmata.numerics.log_space import log_sum_exp
from lemmata.numerics.precision import compute_dtype
from lemmata.simplex import entmax
from lemmata.training._masks.entries import axes, only, which

__all__ = ["masked_log_softmax", "masked_logsumexp", "masked_softmax"]


def masked_softmax(x: Tensor, mask: Tensor, dim: int = -1) -> Tensor:
    r"""Softmax of the entries that count, 0 elsewhere: :math:`p_i = m_ie^{x_i} / \sum_j m_je^{x_j}`.

    A row where nothing counts gives zeros, with gradient 0, as in :func:`lemmata.simplex.entmax`.

    Implements :prf:ref:`masks-softmax`.

    Args:
        x: scores, any shape, floating point. ``-inf`` counts as masked; entries at ``inf`` share the row.
        mask: bool, broadcasts to ``x``; True where an entry counts.
        dim: the axis of the entries, at least one.

    Returns:
        The shape and the dtype of ``x``.

    Raises:
        TypeError, ValueError: as :func:`masked_mean` does.

    Example:
        >>> masked_softmax(torch.tensor([0.0, 0.0, torch.nan]), torch.tensor([True, True, False]))
        tensor([0.5000, 0.5000, 0.0000])
    """
    at, here = check.axis("x", x, dim), which(mask, tuple(x.shape))
    return entmax(only(x, here, -math.inf), alpha=1, dim=at)


def masked_log_softmax(x: Tensor, mask: Tensor, dim: int = -1) -> Tensor:
    r"""Logarithm of :func:`masked_softmax`, ``-inf`` with gradient 0 where that is 0 by the mask.

    It has its digits also where the probability itself has underflowed.

    Implements :prf:ref:`masks-softmax`.

    Args:
        x, mask, dim: as in :func:`masked_softmax`.

    Returns:
        The shape and the dtype of ``x``. All is ``-inf`` in a row where nothing counts.

    Raises:
        TypeError, ValueError: as :func:`masked_mean` does.

    Example:
        >>> masked_log_softmax(torch.tensor([0.0, -200.0, 9.0]), torch.tensor([True, True, False]))
        tensor([   0., -200.,   -inf])
    """
    at, here = check.axis("x", x, dim), which(mask, tuple(x.shape))
    terms = only(x.to(compute_dtype(x)), here, -math.inf)
    u = above(terms, terms.detach().amax(at, keepdim=True))
    log_total = log_sum_exp(u.movedim(at, -1)).unsqueeze(at)
    gone = u == -math.inf
    gone = gone | (terms == -math.inf)  # in a row of nothing else u is 0
    return torch.where(gone, -math.inf, torch.where(gone, 0.0, u) - log_total).to(x.dtype)


def masked_logsumexp(
    x: Tensor, mask: Tensor, dim: int | tuple[int, ...] = -1, *, keepdim: bool = False
) -> Tensor:
    r"""Logarithm of the sum of exponentials of the entries that count.

    A row where nothing counts gives ``-inf``, the logarithm of the empty sum, with gradient 0.

    Implements :prf:ref:`masks-softmax`.

    Args:
        x, mask: as in :func:`masked_softmax`.
        dim: one axis, or several, each with at least one entry.
        keepdim: whether reduced axes stay, with size 1.

    Returns:
        The shape that ``torch.logsumexp`` gives, and the dtype of ``x``.

    Raises:
        TypeError, ValueError: as :func:`masked_mean` does.

    Example:
        >>> masked_logsumexp(torch.tensor([0.0, 0.0, torch.nan]), torch.tensor([True, True, False]))
        tensor(0.6931)
    """
    check.floating("x", x)
    if dim is None:
        raise TypeError("dim must be an int or a tuple of them, got NoneType")
    over, here = axes(x, dim), which(mask, tuple(x.shape))
    terms = only(x.to(compute_dtype(x)), here, -math.inf)
    if over:
        last = tuple(range(-len(over), 0))
        log = log_sum_exp(terms.movedim(over, last).flatten(-len(over)))
    else:
        log = terms
    for axis in sorted(over) if keepdim else ():
        log = log.unsqueeze(axis)
    return log.to(x.dtype)
