"""All rows normalised together, to the end."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.classification._alternating.arguments import batch_of, prior_of
from lemmata.classification._alternating.factors import alive, factors, peaked, row_shares
from lemmata.classification._alternating.stacks import (
    factors_of_columns,
    log_of,
    log_shares,
    log_sum,
    probabilities,
)
from lemmata.numerics.precision import compute_dtype

__all__ = ["match_prior"]


def match_prior(p: Tensor, prior: Tensor, *, num_iters: int = 100) -> Tensor:
    r"""All rows normalised together, sure or not, until the mean of the predictions is the prior.

    .. math:: r_{ij}\propto p_{ij}\,v_j,\qquad
              v_j\leftarrow q_j\Big/\frac1N\sum_i\frac{p_{ij}}{\sum_lp_{il}v_l}

    There is nothing to tune, no row is chosen, and the shares in training are not asked for. Where the model
    was right about those and only the shares have changed, the limit is what Bayes would say.

    Implements :prf:ref:`alternating-bayes`, :prf:ref:`alternating-em`, :prf:ref:`alternating-factors`.

    Args:
        p: ``(N, m)``, probabilities. A row with a NaN counts nothing and stays NaN.
        prior: ``(m,)``, the share of each class among these rows.
        num_iters: how many steps, at least 1; each costs N m.

    Returns:
        Probabilities ``(N, m)`` in the dtype of ``p``, whose mean nears the prior: soon where rows overlap,
        like one over the steps where a class has barely enough rows that allow it, and never where it has not
        (:prf:ref:`alternating-zero`). Nothing is warned: look at the distance of the means, as below.

    Raises:
        TypeError: not floating point, a num_iters that is no int.
        ValueError: shapes that do not fit, no class, no step; on the CPU, what is no probability.

    Example:
        >>> p = torch.tensor([[0.05, 0.95], [0.5, 0.5]])
        >>> half = torch.tensor([0.5, 0.5])
        >>> match_prior(p, half)
        tensor([[0.1866, 0.8134],
                [0.8134, 0.1866]])
        >>> p = torch.tensor([[0.0, 1.0], [0.5, 0.5]])  # with a zero
        >>> print(f"{(match_prior(p, half).mean(0) - half).abs().max():.4f}")
        0.0025
    """
    batch_of("p", p)
    steps = check.at_least("num_iters", num_iters, 1)
    q = prior_of(prior, p.shape[-1])
    if not (readable(p) and readable(q)):
        dtype = compute_dtype(p, q)
        return _in_logarithms(p.to(dtype), q.to(dtype), steps).to(p.dtype)
    rows, q = p.double(), q.double()
    some = alive(rows, q)
    made = _by_factors(peaked(rows[some], q), q, steps)
    spoiled = torch.where(rows.isnan().any(-1, keepdim=True), rows, math.nan)
    return spoiled.index_put((some,), made).to(p.dtype)


def _by_factors(rows: Tensor, q: Tensor, steps: int) -> Tensor:
    """Rows that are alive and peaked, the first as the one below the others: all have its factors."""
    v, _, lost = factors(rows[:1], rows[1:], q, 1.0, steps)
    return _in_logarithms(rows, q, steps) if lost.any() else row_shares(rows * v)


def _in_logarithms(rows: Tensor, q: Tensor, steps: int) -> Tensor:
    spoiled = rows.isnan().any(-1, keepdim=True)
    log_p, log_q = log_of(torch.where(spoiled | (q == 0), 0.0, rows)), log_of(q)
    log_v = torch.zeros_like(log_q)
    for _ in range(steps):
        log_v = log_shares(log_v + factors_of_columns(log_q, log_sum(log_shares(log_p + log_v), -2)))
    return torch.where(spoiled, rows, probabilities(log_p + log_v))
