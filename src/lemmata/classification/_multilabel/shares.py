"""The two sums of the multi-label loss over some of the classes, from which others make the sums over all."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import has_values
from lemmata.classification._multilabel.fused import log_sums
from lemmata.classification._multilabel.loss import check_index, probabilities, row_threshold
from lemmata.classification._multilabel.sums import weighted

__all__ = ["MultilabelSums", "multilabel_sums"]


class MultilabelSums(NamedTuple):
    """What :func:`multilabel_sums` gives, each ``(...)``; float64 for float64 scores, else float32."""

    negatives: Tensor  # log(1 + A)
    positives: Tensor  # log(1 + B)
    infinite_negatives: Tensor  # the weight of the negatives at inf, a constant
    infinite_positives: Tensor  # that of the positives at -inf


def multilabel_sums(
    input: Tensor,
    target: Tensor,
    *,
    threshold: float | Tensor = 0.0,
    mask: Tensor | None = None,
    padding_index: int | None = None,
) -> MultilabelSums:
    r"""The two logarithms whose sum is the multi-label loss, apart: for classes that are not all at hand.

    .. math:: \log(1+A),\ A=\sum_i(1-t_i)e^{s_i-s_0},\qquad \log(1+B),\ B=\sum_i t_ie^{s_0-s_i}

    Over disjoint sets of classes A and B add up:
    :func:`~lemmata.training.sharded_multilabel_cross_entropy` does it over processes. The weights of infinite
    scores tell by how much each set shares the gradient of an infinite loss.

    Implements :prf:ref:`multilabel-loss`.

    Args:
        input: scores ``(..., C)``, as in :func:`multilabel_cross_entropy`.
        target: labels ``(..., C)`` in [0, 1]; where ``padding_index`` is given, int64 ``(..., K)``.
        threshold: a number, or a tensor that broadcasts to ``(...)``.
        mask: bool, broadcasts to ``(..., C)``; True where a label counts. Not beside an index.
        padding_index: None, or the entry of an index that stands for nothing.

    Example:
        >>> sums = multilabel_sums(torch.tensor([2.0, -1.0, 0.5]), torch.tensor([1, 0, 1]))
        >>> sums.negatives + sums.positives, multilabel_cross_entropy(
        ...     torch.tensor([2.0, -1.0, 0.5]), torch.tensor([1, 0, 1]))
        (tensor(0.8682), tensor(0.8682))
    """
    check.scores("input", input)
    threshold = row_threshold(threshold, input)
    if padding_index is None:
        check.shape("target", target, input.shape)
        target = probabilities(target)
    else:
        padding_index = check.integer("padding_index", padding_index)
        check.index("target", target)
        check.shape("target", target, (*input.shape[:-1], *target.shape[-1:]))
        check_index(target, padding_index, input.shape[-1])
        target = target if input.shape[-1] else target[..., :0]
        if mask is not None:
            raise ValueError("mask must be None where target is an index")
    if mask is not None:
        check.mask("mask", mask)
        mask = check.broadcast("mask", mask, input.shape)
    arguments = (input, threshold, target, mask, padding_index)
    logs = log_sums(*arguments)
    return MultilabelSums(*logs, *_infinite(logs, arguments))


def _infinite(logs: tuple[Tensor, Tensor], arguments: Any) -> tuple[Tensor, Tensor]:
    """The weights of infinite scores. That there are none is asked first, which on a GPU waits for it."""
    with torch.no_grad():
        a, b = (log.detach() for log in logs)
        if has_values(a) and not (torch.isinf(a) | torch.isinf(b)).any():
            return torch.zeros_like(a), torch.zeros_like(b)
        x, w_a, w_b = weighted(*arguments)
        most = torch.finfo(x.dtype).max / 2
        return ((x >= most) * w_a).sum(-1), ((x <= -most) * w_b).sum(-1)
