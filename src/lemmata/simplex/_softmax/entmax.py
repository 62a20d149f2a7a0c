"""The family from softmax to sparsemax and beyond: alpha-entmax."""

import math

from torch import Tensor

from lemmata import _arguments as check
from lemmata.simplex._softmax.fused import entmax_rows

__all__ = ["entmax", "sparsemax"]

MOST = 2.0**40  # an alpha at which only ties share


def entmax(x: Tensor, *, alpha: float = 1.5, dim: int = -1) -> Tensor:
    r"""The maximiser of score plus entropy, :math:`p = \bigl((\alpha-1)(x-\lambda)\bigr)_+^{1/(\alpha-1)}`.

    .. math:: p = \operatorname*{arg\,max}_{p\ge0,\ \sum p=1}\ \langle p, x\rangle
                + \frac{1-\sum_i p_i^\alpha}{\alpha(\alpha-1)}

    At 1 it is softmax, at 2 the projection onto the simplex. Above 1 entries far below the largest are
    exactly 0, and all others are where one leads by :math:`1/(\alpha-1)`. The Jacobian is
    :math:`\operatorname{diag}s - ss^\top/\sum s` with :math:`s_i = p_i^{2-\alpha}` on the support, 0
    elsewhere. For backward the probabilities are kept and, on the CPU, the places of the candidates for the
    support (int32, of at most half of the entries); beyond one read and one write they alone take time.

    Implements :prf:ref:`softmax-problem`, :prf:ref:`softmax-jacobian`, :prf:ref:`softmax-newton`.

    Args:
        x: scores, any shape with at least one entry along ``dim``. ``-inf`` is masked; a row of nothing else
            gives zeros with gradient 0 (``torch.softmax`` gives NaN). Entries at ``inf`` share the row
            equally, with gradient 0.
        alpha: :math:`\alpha`, in [1, inf). Beyond a trillion only entries that tie share.
        dim: the axis of the entries.

    Returns:
        The shape and the dtype of ``x``; sums to 1 along ``dim``.

    Raises:
        TypeError: ``x`` not floating point, ``alpha`` not a number.
        ValueError: no entry along ``dim``; ``alpha`` below 1, NaN or infinite.

    Source: Peters, Niculae and Martins, "Sparse sequence-to-sequence models", ACL (2019).

    Example:
        >>> entmax(torch.tensor([1.0, 0.0, -1.0]))
        tensor([0.8307, 0.1693, 0.0000])
        >>> entmax(torch.tensor([1.0, 0.0, -1.0]), alpha=1)
        tensor([0.6652, 0.2447, 0.0900])
        >>> entmax(torch.tensor([1.0, 0.0, -math.inf]), alpha=1.25)
        tensor([0.7754, 0.2246, 0.0000])
    """
    dim = check.axis("x", x, dim)
    return entmax_rows(x.movedim(dim, -1), above_1(alpha)).movedim(-1, dim)


def sparsemax(x: Tensor, *, dim: int = -1) -> Tensor:
    r"""The nearest point of the simplex, :math:`p = (x - \lambda)_+`: :func:`entmax` with alpha = 2.

    Implements :prf:ref:`softmax-sparsemax`.

    Args:
        x: as in :func:`entmax`.
        dim: the axis of the entries.

    Source: Martins and Astudillo, "From softmax to sparsemax", ICML (2016).

    Example:
        >>> sparsemax(torch.tensor([0.5, 0.0, -0.25]))
        tensor([0.7500, 0.2500, 0.0000])
    """
    return entmax(x, alpha=2.0, dim=dim)


def above_1(alpha: float) -> float:
    """alpha - 1, for an alpha in [1, inf)."""
    alpha = check.number("alpha", alpha)
    if not 1 <= alpha < math.inf:
        raise ValueError(f"alpha must be in [1, inf), 1 being softmax; got {alpha}")
    return min(alpha, MOST) - 1
