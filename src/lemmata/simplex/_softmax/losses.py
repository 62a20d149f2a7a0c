"""Losses whose gradient is a difference of probabilities: of the entmax family, and softmax with a margin."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import apply, readable
from lemmata.numerics.infinite import above
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.reduction import REDUCTIONS, reduce_rows
from lemmata.numerics.tsallis import tsallis
from lemmata.simplex._softmax.entmax import above_1
from lemmata.simplex._softmax.fused import entmax_rows

__all__ = ["am_softmax_loss", "entmax_loss"]


def entmax_loss(
    input: Tensor,
    target: Tensor,
    *,
    alpha: float = 1.5,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Tensor:
    r"""The loss that belongs to :func:`entmax`: its gradient is :math:`p - q`, prediction minus target.

    .. math:: L = \Omega^*(x) + \Omega(q) - \langle x, q\rangle,\qquad
              \Omega(q) = \frac{\sum_i q_i^\alpha - 1}{\alpha(\alpha-1)},\qquad
              \Omega^*(x) = \langle p, x\rangle - \Omega(p)

    It is convex in x, at least 0, and 0 exactly where p = q. For a label and alpha > 1 it is 0 as soon as its
    score leads by :math:`1/(\alpha-1)`. At alpha = 1 and a label it is ``F.cross_entropy``; of soft labels it
    is the divergence :math:`\mathrm{KL}(q\,\|\,p)`, ``F.cross_entropy`` less the entropy of q.

    Implements :prf:ref:`softmax-loss`, :prf:ref:`softmax-gradient`.

    Args:
        input: scores ``(..., C)``. ``-inf`` is masked; where the target has some of its mass there the loss
            is ``inf``, with gradient p - q. A row of ``-inf`` has loss ``inf`` and gradient 0.
        target: int64 ``(...)``, one class a row; or soft labels ``(..., C)``, floating, at least 0 and of sum
            1 up to rounding, which get their gradient (at labels of 0 that of the other side, without the
            entropy's; none is promised where the loss is infinite or NaN).
        alpha: in [1, inf); 1 is softmax, 2 sparsemax.
        reduction: ``"none"`` gives ``(...)``; ``"sum"``; ``"mean"`` is over the rows that count, NaN where
            there are none, as in torch.
        ignore_index: rows with this class have loss 0 and gradient 0, and do not count.

    Returns:
        The loss, in the dtype of ``input``.

    Raises:
        TypeError: scores that are not floating point; a target that is neither int64 nor floating.
        ValueError: shapes that do not fit, no class, an unknown reduction, an alpha out of range, a target
            that is no class or no probabilities (see the module).

    Source: Blondel, Martins and Niculae, "Learning with Fenchel-Young losses", JMLR 21 (2020).

    Example:
        >>> scores = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -1.0]])
        >>> entmax_loss(scores, torch.tensor([0, 0]), reduction="none")
        tensor([0.0617, 0.0000])
        >>> entmax_loss(scores, torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]), alpha=2)
        tensor(0.1250)
    """
    a = above_1(alpha)
    check.choice("reduction", reduction, REDUCTIONS)
    ignore_index = check.integer("ignore_index", ignore_index)
    _check_scores(input)
    check.tensor("target", target)
    if target.is_floating_point():
        _check_soft(target, input)
        return reduce_rows(_soft(input, target, a), reduction).to(input.dtype)
    return _of_classes(input, target, a, reduction, ignore_index)


def am_softmax_loss(
    input: Tensor,
    target: Tensor,
    *,
    margin: float = 0.35,
    scale: float = 30.0,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Tensor:
    r"""Cross-entropy of cosines with an additive margin, which the right class must lead by.

    .. math:: L = -\log\frac{e^{\sigma(c_t-m)}}{e^{\sigma(c_t-m)}+\sum_{j\ne t}e^{\sigma c_j}}

    It is below log 2 only where :math:`c_t > c_j + m` for each other class.

    Implements :prf:ref:`softmax-margin`.

    Args:
        input: cosines ``(..., C)``, or other scores.
        target: int64 ``(...)``, one class a row.
        margin: :math:`m`, finite.
        scale: :math:`\sigma`, the inverse of a temperature, in (0, inf).
        reduction: as in :func:`entmax_loss`.
        ignore_index: as in :func:`entmax_loss`.

    Source: Wang et al., "Additive margin softmax for face verification", arXiv:1801.05599 (2018).

    Example:
        >>> am_softmax_loss(torch.tensor([0.5, 0.3, 0.1]), torch.tensor(0), margin=0.2, scale=10.0)
        tensor(0.7586)
    """
    margin, scale = check.number("margin", margin), check.positive("scale", scale)
    check.choice("reduction", reduction, REDUCTIONS)
    ignore_index = check.integer("ignore_index", ignore_index)
    _check_scores(input)
    dtype = compute_dtype(input)
    for name, value in (("margin", margin), ("scale", scale)):
        if not abs(value) <= torch.finfo(dtype).max:
            raise ValueError(f"{name} must be finite in {dtype}, got {value}")
    return _of_classes(input, target, 0.0, reduction, ignore_index, margin, scale)


# --------------------------------------------------------------------------- rows


def _of_classes(
    input: Tensor,
    target: Tensor,
    a: float,
    reduction: str,
    ignore_index: int,
    margin: float = 0.0,
    scale: float = 1.0,
) -> Tensor:
    """The loss of one class a row, its scores less ``margin`` there and times ``scale``."""
    check.index("target", target)
    check.shape("target", target, input.shape[:-1])
    counts = target != ignore_index
    if readable(target):
        check.within("target", target[counts], input.shape[-1])
    x = input.to(compute_dtype(input)).masked_fill(~counts.unsqueeze(-1), 0.0)
    place = torch.where(counts, target, 0).unsqueeze(-1)
    if margin:
        x = x.scatter_add(-1, place, torch.full_like(x[..., :1], -margin))
    u, peak = _centred(x * scale if scale != 1 else x)
    rows = _conjugate(u, a) - u.gather(-1, place).squeeze(-1)
    rows = torch.where(counts, _at_the_ends(rows, peak), 0.0)
    return reduce_rows(rows, reduction, counts.sum()).to(input.dtype)


def _soft(input: Tensor, target: Tensor, a: float) -> Tensor:
    """The loss of each row with soft labels."""
    u, peak = _centred(input.to(compute_dtype(input)))
    q = target.to(u.dtype)
    some = q != 0
    cost = torch.where(some, q, 0.0) * torch.where(some, u, 0.0)
    return _at_the_ends(_conjugate(u, a) - tsallis(q, a) - cost.sum(-1), peak)


def _centred(x: Tensor) -> tuple[Tensor, Tensor]:
    peak = x.detach().amax(-1, keepdim=True)
    return above(x, peak), peak.squeeze(-1)


def _at_the_ends(rows: Tensor, peak: Tensor) -> Tensor:
    """Losses without what rounding leaves below 0; of a row of -inf, inf."""
    return torch.where(peak == -math.inf, math.inf, rows - rows.clamp(max=0).detach())


def _conjugate(u: Tensor, a: float) -> Tensor:
    """Omega* of each row, with the gradient p."""
    return apply(_Conjugate, _conjugate_at, u, entmax_rows(u, a), a)


class _Conjugate(torch.autograd.Function):
    """<p, u> + entropy of p; by the envelope theorem its gradient in u is p, as if p did not move."""

    generate_vmap_rule = True

    @staticmethod
    def forward(u, p, a):
        return _conjugate_at(u, p, a)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx, g):
        (p,) = ctx.saved_tensors
        return g.unsqueeze(-1) * p, None, None


def _conjugate_at(u: Tensor, p: Tensor, a: float) -> Tensor:
    return (p * torch.where(p == 0, 0.0, u)).sum(-1) + tsallis(p, a)


# --------------------------------------------------------------------------- arguments


def _check_scores(input: Tensor) -> None:
    check.scores("input", input)
    check.axis("input", input, -1)


def _check_soft(target: Tensor, input: Tensor) -> None:
    check.shape("target", target, input.shape)
    check.law("target", target)
