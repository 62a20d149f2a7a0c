"""The multi-label cross-entropy from dense, soft or sparse labels, and the labels that its scores predict."""

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.classification._multilabel.fused import losses
from lemmata.classification._multilabel.sums import inside
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.reduction import REDUCTIONS, reduce_rows

__all__ = ["multilabel_cross_entropy", "predict_labels", "sparse_multilabel_cross_entropy"]


def multilabel_cross_entropy(
    input: Tensor,
    target: Tensor,
    *,
    threshold: float | Tensor = 0.0,
    mask: Tensor | None = None,
    class_threshold: Tensor | None = None,
    class_weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Cross-entropy for any number of labels per row, in which each side pushes with less than one unit.

    .. math:: L = \log\Bigl(1 + \sum_i (1-t_i)\,e^{s_i-s_0}\Bigr)
                + \log\Bigl(1 + \sum_i t_i\,e^{s_0-s_i}\Bigr)

    The gradients on all negatives sum to less than 1, and so do those on all positives, however many there
    are. Nothing but the arguments, two floats a row and the places of few positives is kept for backward; of
    a batch of at most 65,536 scores its gradient, too.

    Implements :prf:ref:`multilabel-loss`, :prf:ref:`multilabel-gradient`, :prf:ref:`multilabel-soft`,
    :prf:ref:`multilabel-weights`.

    Args:
        input: scores ``(..., C)``. A negative at ``-inf`` and a positive at ``+inf`` cost nothing and have
            gradient 0. On the wrong side an infinite score makes the loss ``inf``; its gradient is the limit,
            1 in size and shared by weight among the infinite scores of that side (0 in forward mode), never
            NaN.
        target: ``(..., C)``; bool, integer 0 or 1, or float in [0, 1]: soft labels, which get their gradient.
        threshold: the score :math:`s_0` that separates the two sides; a number, or a tensor that
            broadcasts to ``(...)`` and gets its gradient.
        mask: bool, broadcasts to ``(..., C)``; True where a label counts. Masked labels leave both sums,
            whatever their score. A row with all labels masked has loss 0 and gradient 0.
        class_threshold: thresholds of the classes, beside :math:`s_0`; a tensor that broadcasts to
            ``(..., C)``, is subtracted from the scores and gets its gradient.
        class_weight: multiplies the terms of a class in both sums; a tensor of positive numbers that
            broadcasts to ``(..., C)``, a constant without gradient. It does not move the best scores.
        reduction: ``"none"`` gives ``(...)``; ``"sum"``; ``"mean"`` is over the rows in which some label
            counts. The mean of an empty batch is NaN, as in torch; where every label is masked it is 0.

    Returns:
        The loss, in the dtype of ``input``; 0 in every row where C = 0.

    Raises:
        TypeError: scores that are not floating point; a mask that is not bool.
        ValueError: shapes that do not fit, an unknown reduction, targets outside [0, 1] (see the module).

    Example:
        >>> scores = torch.tensor([2.0, -1.0, 0.5, -3.0, 1.0])
        >>> multilabel_cross_entropy(scores, torch.tensor([1, 0, 1, 0, 0]))
        tensor(1.9747)
    """
    check.scores("input", input)
    check.choice("reduction", reduction, REDUCTIONS)
    check.shape("target", target, input.shape)
    target = probabilities(target)
    if mask is not None:
        check.mask("mask", mask)
        mask = check.broadcast("mask", mask, input.shape)
    scores = input if class_threshold is None else _shifted(input, class_threshold)
    weight = mask if class_weight is None else _weighed(input, mask, class_weight)
    threshold = row_threshold(threshold, input)
    if mask is None:
        return losses(scores, threshold, target, weight, None, reduction).to(input.dtype)
    rows, count = losses(scores, threshold, target, weight, None, "none"), mask.any(-1).sum().clamp(min=1)
    return reduce_rows(rows, reduction, count).to(input.dtype)


def sparse_multilabel_cross_entropy(
    input: Tensor,
    index: Tensor,
    *,
    padding_index: int = -1,
    threshold: float | Tensor = 0.0,
    reduction: str = "mean",
) -> Tensor:
    r"""The same loss from the indices of the positives: value and gradient of the dense form.

    The positives are taken out of the sum over all classes before it is made, never subtracted from it after:
    :math:`\log(1+A) = a + \log(1-e^{b-a})` is exact algebra, and loses every digit where the
    positives dominate.

    Implements :prf:ref:`multilabel-sparse`.

    Args:
        input: scores ``(..., C)``, as in :func:`multilabel_cross_entropy`.
        index: int64 ``(..., K)``, the positives of each row in any order; repeated ones count once.
        padding_index: the entry of ``index`` that stands for nothing. Inside [0, C) it hides that class.
        threshold: as in :func:`multilabel_cross_entropy`.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Returns:
        The loss, in the dtype of ``input``.

    Raises:
        TypeError: scores that are not floating point; an index that is not int64.
        ValueError: shapes that do not fit, an unknown reduction, indices out of range (see the module).

    Example:
        >>> scores = torch.tensor([2.0, -1.0, 0.5, -3.0, 1.0])
        >>> sparse_multilabel_cross_entropy(scores, torch.tensor([2, 0, 0, -1]))
        tensor(1.9747)
    """
    check.scores("input", input)
    check.choice("reduction", reduction, REDUCTIONS)
    check.index("index", index)
    padding_index = check.integer("padding_index", padding_index)
    if index.dim() == 0:
        raise ValueError("index must have a last axis of positives (..., K), got a scalar")
    check.shape("index", index, (*input.shape[:-1], index.shape[-1]))
    check_index(index, padding_index, input.shape[-1])
    index = index if input.shape[-1] else index[..., :0]
    threshold = row_threshold(threshold, input)
    return losses(input, threshold, index, None, padding_index, reduction).to(input.dtype)


def predict_labels(input: Tensor, *, threshold: float | Tensor = 0.0) -> Tensor:
    """The labels whose score is above the threshold: bool ``(..., C)``; a tie and NaN are no label.

    Implements :prf:ref:`multilabel-ranking`: where the loss is below log 2, this is exactly the target.

    Args:
        input: scores ``(..., C)``.
        threshold: a number, or a tensor that broadcasts to ``(...)``.

    Example:
        >>> predict_labels(torch.tensor([2.0, 0.0, -1.0]))
        tensor([ True, False, False])
    """
    check.scores("input", input)
    threshold = row_threshold(threshold, input)
    return input > (threshold.unsqueeze(-1) if isinstance(threshold, Tensor) else threshold)


# --------------------------------------------------------------------------- arguments


def row_threshold(threshold: float | Tensor, input: Tensor) -> float | Tensor:
    if not isinstance(threshold, Tensor):
        return check.number("threshold", threshold)
    check.floating("threshold", threshold)
    return check.broadcast("threshold", threshold, input.shape[:-1])


def probabilities(target: Tensor) -> Tensor:
    """The labels, put back where they are beyond [0, 1] by a rounding, if they can be read."""
    if target.is_floating_point() and target.numel() and readable(target):
        low, high = (bound.item() for bound in torch.aminmax(target))
        if not (low >= 0 and high <= 1):
            check.probability("target", target)
            return inside(target)
        return target
    check.probability("target", target)
    return target


def _shifted(input: Tensor, class_threshold: Tensor) -> Tensor:
    check.floating("class_threshold", class_threshold)
    return input.to(compute_dtype(input)) - check.broadcast("class_threshold", class_threshold, input.shape)


def _weighed(input: Tensor, mask: Tensor | None, class_weight: Tensor) -> Tensor:
    """How much each label counts."""
    check.tensor("class_weight", class_weight)
    check.scale("class_weight", class_weight)
    weight = check.broadcast("class_weight", class_weight.detach(), input.shape).to(compute_dtype(input))
    return weight if mask is None else weight * mask


def check_index(index: Tensor, padding: int, classes: int) -> None:
    if not (index.numel() and readable(index)):
        return
    low, high = (bound.item() for bound in torch.aminmax(index))
    if not (low >= (-1 if padding == -1 else 0) and high < classes):
        kept = index[index != padding]
        low, high = (kept.min().item(), kept.max().item()) if kept.numel() else (0, -1)
        if low < 0 or high >= classes:
            raise ValueError(
                f"index must be in [0, {classes}) or padding_index={padding}, got values from {low} to {high}"
            )
