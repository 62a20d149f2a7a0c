"""Softmax over the k largest scores."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.simplex._softmax.rows import entmax_rows

__all__ = ["topk_softmax"]


def topk_softmax(x: Tensor, k: int, *, dim: int = -1) -> Tensor:
    r"""Softmax over the k largest entries; all others are 0, with gradient 0.

    Entries that tie for the last place *all* stay in, so that their order does not matter: more than k may
    share. It jumps where two entries change places. A class that is out has no gradient to come back by.

    Implements :prf:ref:`softmax-topk`.

    Args:
        x: scores, any shape with at least one entry along ``dim``; ``-inf`` and ``inf`` as in :func:`entmax`.
        k: how many, at least 1; more than there are entries count as all.
        dim: the axis of the entries.

    Returns:
        The shape and the dtype of ``x``; sums to 1 along ``dim``.

    Raises:
        TypeError: ``x`` not floating point, ``k`` not an int.
        ValueError: no entry along ``dim``; ``k`` below 1.

    Example:
        >>> topk_softmax(torch.tensor([3.0, 2.0, 1.0, 0.0]), 2)
        tensor([0.7311, 0.2689, 0.0000, 0.0000])
        >>> topk_softmax(torch.tensor([1.0, 0.0, 0.0]), 2)
        tensor([0.5761, 0.2119, 0.2119])
    """
    dim = check.axis("x", x, dim)
    k = min(check.at_least("k", k, 1), x.shape[dim])
    rows = x.movedim(dim, -1)
    last = rows.detach().topk(k, -1).values[..., -1:]
    return entmax_rows(torch.where(rows < last, -math.inf, rows), 0.0).movedim(-1, dim)
