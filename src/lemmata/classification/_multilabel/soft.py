"""Soft labels: the scores that are best for them, the least loss, and the divergence above it."""

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.classification._multilabel.loss import checked_sums
from lemmata.classification._multilabel.sums import mass, weighted
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.reduction import REDUCTIONS, reduce_rows

__all__ = ["minimum_multilabel_cross_entropy", "multilabel_divergence", "optimal_scores"]


def optimal_scores(target: Tensor) -> Tensor:
    r"""The scores that minimise the loss for soft labels: :math:`s_i^* = \tfrac12\operatorname{logit} t_i`.

    Implements :prf:ref:`multilabel-soft`.

    Args:
        target: labels ``(..., C)`` in [0, 1]; 0 and 1 give ``-inf`` and ``inf``. Bool and integers count as
            torch's default dtype.

    Example:
        >>> optimal_scores(torch.tensor([0.5, 0.9, 0.0]))
        tensor([0.0000, 1.0986,   -inf])
    """
    t = _probabilities(target)
    return (torch.logit(t.to(compute_dtype(t))) / 2).to(t.dtype)


def minimum_multilabel_cross_entropy(target: Tensor) -> Tensor:
    r"""The least loss that soft labels allow: :math:`L^*(t) = 2\log\bigl(1 + \sum_i\sqrt{t_i(1-t_i)}\bigr)`.

    Implements :prf:ref:`multilabel-minimum`.

    Args:
        target: labels ``(..., C)`` in [0, 1].

    Returns:
        ``(...)``, in the dtype of ``target`` (torch's default dtype for bool and integers).

    Example:
        >>> minimum_multilabel_cross_entropy(torch.tensor([0.9, 0.1, 0.8, 0.05, 0.3]))
        tensor(1.9688)
    """
    t = _probabilities(target)
    return _minimum(t.to(compute_dtype(t))).to(t.dtype)


def multilabel_divergence(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    r"""What the loss costs above its least value: :math:`D(t\,\|\,s) = L(t, s) - L^*(t) \ge 0`.

    Let :math:`p` and :math:`q` be the sizes of the gradient on negatives and positives, with one more class
    for what each side lacks to 1. Then :math:`D = -2\log\sum\sqrt{pq}`, twice their Bhattacharyya distance.
    Near the optimum it is computed as :math:`-2\log\bigl(1-\tfrac12\sum(\sqrt p-\sqrt q)^2\bigr)`: from a sum
    of squares it is never below 0 and keeps its digits, where the difference of the two losses has none left.

    Implements :prf:ref:`multilabel-minimum`.

    Args:
        input: scores ``(..., C)``.
        target: labels ``(..., C)``, as in :func:`multilabel_cross_entropy`.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Example:
        >>> multilabel_divergence(torch.zeros(2), torch.tensor([0.9, 0.2]))
        tensor(0.3225)
    """
    check.scores("input", input)
    check.choice("reduction", reduction, REDUCTIONS)
    check.shape("target", target, input.shape)
    t = target.to(compute_dtype(input))
    log_a, log_b = checked_sums(input, 0.0, target, None, None)
    excess = log_a + log_b - _minimum(t)
    with torch.no_grad():
        x, w_a, w_b = weighted(input, 0.0, target, None, None)
        p, q = w_a * mass(x, w_a), w_b * mass(-x, w_b)
        gap = (p.sqrt() - q.sqrt()).square().sum(-1) + (
            torch.exp(-log_a / 2) - torch.exp(-log_b / 2)
        ).square()
    exact = (
        excess + (-2 * torch.log1p(-gap / 2) - excess).detach()
    )  # the value of one, the slope of the other
    return reduce_rows(torch.where(gap < 1, exact, excess), reduction).to(input.dtype)


def _probabilities(target: Tensor) -> Tensor:
    check.probability("target", target)
    return target if target.is_floating_point() else target.to(torch.get_default_dtype())


def _minimum(t: Tensor) -> Tensor:
    return 2 * torch.log1p((t.sqrt() * (1 - t).sqrt()).sum(-1))
