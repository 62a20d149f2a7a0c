"""Doubtful rows normalised in turn over columns and rows, together with the sure ones."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.classification._alternating.arguments import batch_of, prior_of, rows_of, settings
from lemmata.classification._alternating.doubt import doubt_of
from lemmata.classification._alternating.factors import alive, factors, peaked, row_shares
from lemmata.classification._alternating.stacks import ROOM, in_parts
from lemmata.numerics.precision import compute_dtype

__all__ = ["alternating_normalization", "can_calibrate"]


def alternating_normalization(
    uncertain: Tensor, confident: Tensor, prior: Tensor, *, alpha: float = 1.0, num_iters: int = 1
) -> Tensor:
    r"""Each doubtful row, normalised in turn over columns and rows together with the sure ones.

    .. math:: L\leftarrow L^{\alpha},\qquad L_{ij}\leftarrow L_{ij}\,\frac{(n+1)\,q_j}{\sum_iL_{ij}},\qquad
              L_{ij}\leftarrow\frac{L_{ij}}{\sum_jL_{ij}}

    Doubtful rows do not see each other: each is alone below the sure ones. A step costs 2 n m for each of
    them, in matrix products, for the sure rows are the same for all: only factors of their rows and columns
    are kept. Where these leave the range of float64, and where no value may be read (on a GPU, in a compiled
    graph, under ``torch.func``), each doubtful row has its own stack in logarithms: a hundred times slower,
    in parts of 16 million numbers, but all of them where a derivative is asked for.

    Implements :prf:ref:`alternating-step`, :prf:ref:`alternating-pair`, :prf:ref:`alternating-factors`.

    Args:
        uncertain: ``(..., m)``, probabilities.
        confident: ``(n, m)``, the sure rows; n may be 0, and then one step returns the prior.
        prior: ``(m,)``, the share of each class where the rows come from.
        alpha: the exponent of each step, in (0, 16]. Above 1 repeated steps drive every cross-ratio that is
            not 1 to 0 or infinity (some rows may still end between classes); below 1 they end at the prior,
            whatever the rows say, if all entries of the stack are positive.
        num_iters: how many steps, at least 1. With ``alpha`` 1 they tend to the limit of Sinkhorn.

    Returns:
        Probabilities in the shape and dtype of ``uncertain``.

    Raises:
        TypeError: not floating point, an alpha that is no number, a num_iters that is no int.
        ValueError: shapes that do not fit, no class, an alpha that is not in (0, 16], no step; on
            the CPU, rows or a prior that are no probabilities, a NaN in ``confident`` or ``prior``.

    Example:
        >>> half, prior = torch.tensor([[0.5, 0.5]]), torch.tensor([0.5, 0.5])
        >>> alternating_normalization(half, torch.tensor([[0.05, 0.95]]), prior)
        tensor([[0.7250, 0.2750]])
        >>> alternating_normalization(half, torch.tensor([[0.05, 0.95]]), prior, num_iters=30)
        tensor([[0.8134, 0.1866]])
    """
    rows_of("uncertain", uncertain)
    m = uncertain.shape[-1]
    check.tensor("confident", confident)
    check.shape("confident", confident, (*confident.shape[:1], m), "uncertain")
    check.floating("confident", confident)
    check.law("confident", confident, check.ROUGH)
    alpha, steps = settings(alpha, num_iters)
    result = _alternate(uncertain.reshape(-1, m), confident, prior_of(prior, m), alpha, steps)
    return result.reshape(uncertain.shape).to(uncertain.dtype)


def can_calibrate(
    p: Tensor,
    prior: Tensor,
    *,
    k: int = 3,
    threshold: float = 0.9,
    alpha: float = 1.0,
    num_iters: int = 1,
) -> Tensor:
    r"""A batch of predictions, of which the doubtful ones are made again with the help of the sure ones.

    A row is doubtful where :func:`topk_entropy` of it is at least ``threshold``, before it is rounded to
    a half type; the others are sure, and returned as they are. No row that is made again helps another.

    Implements :prf:ref:`alternating-step`.

    Args:
        p: ``(N, m)``, probabilities. A row with a NaN is neither sure nor doubtful, and returned as it is.
        prior: ``(m,)``, the share of each class.
        k: of the entropy.
        threshold: a number on the scale of :func:`topk_entropy`, from 0 for a certain row to 1. 0 makes
            every row again, alone: each becomes the prior.
        alpha: as in :func:`alternating_normalization`.
        num_iters: as there.

    Returns:
        Probabilities ``(N, m)`` in the dtype of ``p``. The choice of rows has no gradient.

    Raises:
        TypeError, ValueError: as there; a ``p`` that has not two axes.

    Example:
        >>> p = torch.tensor([[0.05, 0.95], [0.5, 0.5]])
        >>> can_calibrate(p, torch.tensor([0.5, 0.5]))
        tensor([[0.0500, 0.9500],
                [0.7250, 0.2750]])
    """
    threshold = check.number("threshold", threshold)
    if math.isnan(threshold):
        raise ValueError(f"threshold must be a number, got {threshold}")
    batch_of("p", p)
    doubt = doubt_of(p, k)
    q = prior_of(prior, p.shape[-1])
    alpha, steps = settings(alpha, num_iters)
    doubtful, sure = doubt >= threshold, doubt < threshold
    if readable(p) and readable(prior):
        return p.index_put((doubtful,), _alternate(p[doubtful], p[sure], q, alpha, steps).to(p.dtype))
    counted = torch.where(sure.unsqueeze(-1), p, 0.0)  # a row of zeros counts nothing
    made = _alternate(p, counted, q, alpha, steps).to(p.dtype)
    return torch.where(doubtful.unsqueeze(-1), made, p)


# --------------------------------------------------------------------------- by factors, or in logarithms


def _alternate(b: Tensor, a: Tensor, q: Tensor, alpha: float, steps: int) -> Tensor:
    """Rows b (B, m), each after the steps of the stack of a (n, m) and itself; NaN where nothing is left."""
    if not all(readable(x) for x in (b, a, q)):
        dtype = torch.float64 if alpha != 1 else compute_dtype(b, a, q)
        return in_parts(b.to(dtype), a.to(dtype), q.to(dtype), alpha, steps)
    b, a, q = b.double(), a.double(), q.double()
    some = alive(b, q)
    a = peaked(a[alive(a, q)], q)
    parts = peaked(b[some], q).split(max(ROOM // max(a.shape), 1))
    made = torch.cat([_by_factors(rows, a, q, alpha, steps) for rows in parts])
    return torch.full_like(b, math.nan).index_put((some,), made)


def _by_factors(b: Tensor, a: Tensor, q: Tensor, alpha: float, steps: int) -> Tensor:
    """The same of rows that are alive and peaked: in logarithms where the product of factors loses digits."""
    v, power, lost = factors(b, a, q, alpha, steps)
    if not lost.any():
        return row_shares(power * v)
    kept = b[~lost]  # once more, for what is lost has no slopes that could be added to others
    made = torch.empty_like(b).index_put((lost,), in_parts(b[lost], a, q, alpha, steps))
    return made.index_put((~lost,), _by_factors(kept, a, q, alpha, steps)) if len(kept) else made
