"""Soft labels: the scores that are best for them, the least loss, and the divergence above it."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import apply
from lemmata.classification._multilabel.fused import log_sums
from lemmata.classification._multilabel.sums import inside, mass, weighted
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.reduction import REDUCTIONS, reduce_rows

__all__ = ["minimum_multilabel_cross_entropy", "multilabel_divergence", "optimal_scores"]


def optimal_scores(target: Tensor) -> Tensor:
    r"""The scores that minimise the loss for soft labels: :math:`s_i^* = \tfrac12\operatorname{logit} t_i`.

    Implements :prf:ref:`multilabel-soft`.

    Args:
        target: labels ``(..., C)`` in [0, 1]; 0 and 1 give ``-inf`` and ``inf``. Bool and integers count as
            torch's default dtype. There the derivatives are infinite, with their sign.

    Example:
        >>> optimal_scores(torch.tensor([0.5, 0.9, 0.0]))
        tensor([0.0000, 1.0986,   -inf])
    """
    given = _probabilities(target)
    t = inside(given.to(compute_dtype(given)))
    low, high = _off_the_ends(t)
    return _with_slopes(torch.logit(t) / 2, (low.log() - high.log()) / 2, _steep(t, 1.0)).to(given.dtype)


def minimum_multilabel_cross_entropy(target: Tensor) -> Tensor:
    r"""The least loss that soft labels allow: :math:`L^*(t) = 2\log\bigl(1 + \sum_i\sqrt{t_i(1-t_i)}\bigr)`.

    Implements :prf:ref:`multilabel-minimum`.

    Args:
        target: labels ``(..., C)`` in [0, 1]. By labels of 0 and 1 the derivatives are infinite, with their
            sign (mixed second ones, and in forward mode all, are numbers beyond 1e14 in their place).

    Returns:
        ``(...)``, in the dtype of ``target`` (torch's default dtype for bool and integers).

    Example:
        >>> minimum_multilabel_cross_entropy(torch.tensor([0.9, 0.1, 0.8, 0.05, 0.3]))
        tensor(1.9688)
    """
    t = _probabilities(target)
    return _minimum(inside(t.to(compute_dtype(t)))).to(t.dtype)


def multilabel_divergence(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    r"""What the loss costs above its least value: :math:`D(t\,\|\,s) = L(t, s) - L^*(t) \ge 0`.

    Let :math:`p` and :math:`q` be the sizes of the gradient on negatives and positives, with one more class
    for what each side lacks to 1. Then :math:`D = -2\log\sum\sqrt{pq}`, twice their Bhattacharyya distance.
    Near the optimum it is computed as :math:`-2\log\bigl(1-\tfrac12\sum(\sqrt p-\sqrt q)^2\bigr)`: from a sum
    of squares it is never below 0 and keeps its digits, where the difference of the two losses has none left.

    Implements :prf:ref:`multilabel-minimum`.

    Args:
        input: scores ``(..., C)``.
        target: labels ``(..., C)``, as in :func:`multilabel_cross_entropy`; by those of 0 and 1 the
            derivatives are infinite, as those of :func:`minimum_multilabel_cross_entropy`.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Example:
        >>> multilabel_divergence(torch.zeros(2), torch.tensor([0.9, 0.2]))
        tensor(0.3225)
    """
    check.scores("input", input)
    check.choice("reduction", reduction, REDUCTIONS)
    check.shape("target", target, input.shape)
    check.probability("target", target)
    t = inside(target.to(compute_dtype(input)))
    log_a, log_b = log_sums(input, 0.0, target, None, None)
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
    low, high = _off_the_ends(t)
    exact, smooth = (
        2 * torch.log1p((x.sqrt() * y.sqrt()).sum(-1)) for x, y in ((t.detach(), 1 - t.detach()), (low, high))
    )
    return _with_slopes(exact, smooth, _steep(t, -1.0).sum(-1))


# --------------------------------------------------------------------------- slopes at hard labels


def _off_the_ends(t: Tensor) -> tuple[Tensor, Tensor]:
    """t and 1 - t, where 0 is a number whose powers -1/2 and -1 are finite, with slopes 1 and -1."""
    least = torch.finfo(t.dtype).tiny ** 0.8
    return t + least * (t == 0).to(t.dtype), 1 - t + least * (t == 1).to(t.dtype)


def _with_slopes(value: Tensor, smooth: Tensor, steep: Tensor) -> Tensor:
    """``value`` with the derivatives of ``smooth``, and the first ones of ``steep``."""
    return value.detach() + (smooth - smooth.detach()) + steep


def _steep(t: Tensor, at_1: float) -> Tensor:
    """0, whose slope is infinite: inf at t = 0, and of the given sign at t = 1; with no second derivative."""
    slope = torch.zeros_like(t.detach()).masked_fill(t == 0, math.inf).masked_fill(t == 1, at_1 * math.inf)
    return apply(_Steep, lambda t, slope: torch.zeros_like(t), t, slope)


class _Steep(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(t, slope):
        return torch.zeros_like(t)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx, grad):
        (slope,) = ctx.saved_tensors
        flat = (slope == 0) | (grad == 0)
        return torch.where(flat, 0.0, grad.sign() * slope), None  # the sign: another slope would be NaN
