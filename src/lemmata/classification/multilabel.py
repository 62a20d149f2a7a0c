r"""Softmax and cross-entropy for many labels: the loss, its soft and sparse forms, and softmax over subsets.

With scores :math:`s`, positives :math:`P`, negatives :math:`N` and a threshold :math:`s_0`,

.. math:: L = \log\Bigl(e^{s_0} + \sum_{i\in N} e^{s_i}\Bigr)
            + \log\Bigl(e^{-s_0} + \sum_{j\in P} e^{-s_j}\Bigr).

What holds for every function here:

* Scores are ``(..., C)`` in float64, float32, bfloat16 or float16; other types raise TypeError. Half types
  are computed and summed in float32, block by block. The output has the dtype of the scores (a loss beyond
  the range of a half type is ``inf``). Autocast changes nothing.
* Arguments are never modified. Derivatives of any order, ``torch.func`` and ``torch.compile(fullgraph=True)``
  work.
* NaN scores give NaN. Scores beyond half the largest number count as infinite.
* Values are checked (ValueError) on the CPU only, and not while compiling or under ``torch.func``: reading
  them elsewhere would wait for the device. Shapes and dtypes are checked everywhere.

Source: Su, kexue.fm 7359 (2020), 9064 (2022); Su et al., "ZLPR", arXiv:2208.02955 (2022).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lemmata._checks import (
    broadcast,
    check_reduction,
    check_scores,
    check_shape,
    check_size,
    check_unit_interval,
    compute_dtype,
    readable,
    reduce_rows,
)
from lemmata.kernels.elementary_symmetric import log_symmetric
from lemmata.kernels.log_space import log_sum_exp, log_times
from lemmata.kernels.multilabel import log_sums, mass, weighted

__all__ = [
    "MultilabelCrossEntropy",
    "SparseMultilabelCrossEntropy",
    "log_elementary_symmetric",
    "minimum_multilabel_cross_entropy",
    "multilabel_cross_entropy",
    "multilabel_divergence",
    "optimal_scores",
    "predict_labels",
    "sparse_multilabel_cross_entropy",
    "subset_cross_entropy",
    "subset_log_prob",
    "subset_marginals",
]


# --------------------------------------------------------------------------- the loss


def multilabel_cross_entropy(
    input: Tensor,
    target: Tensor,
    *,
    threshold: float | Tensor = 0.0,
    mask: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Cross-entropy for any number of labels per row, in which each side pushes with less than one unit.

    .. math:: L = \log\Bigl(1 + \sum_i (1-t_i)\,e^{s_i-s_0}\Bigr)
                + \log\Bigl(1 + \sum_i t_i\,e^{s_0-s_i}\Bigr)

    The gradients on all negatives sum to less than 1, and so do those on all positives, however many there
    are. Nothing but the arguments and two floats a row is kept for backward.

    Implements :prf:ref:`multilabel-loss`, :prf:ref:`multilabel-gradient`, :prf:ref:`multilabel-soft`.

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
    check_scores(input)
    check_reduction(reduction)
    check_shape("target", target, input.shape)
    if mask is not None:
        if mask.dtype != torch.bool:
            raise TypeError(f"mask must be bool, got {mask.dtype}")
        mask = broadcast("mask", mask, input.shape)
    negative, positive = _log_sums(input, threshold, target, mask, None)
    count = None if mask is None else mask.any(-1).sum().clamp(min=1)
    return reduce_rows(negative + positive, reduction, count).to(input.dtype)


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
    check_scores(input)
    check_reduction(reduction)
    if index.dtype != torch.int64:
        raise TypeError(f"index must be int64, got {index.dtype}")
    if index.dim() == 0:
        raise ValueError("index must have a last axis of positives (..., K), got a scalar")
    check_shape("index", index, (*input.shape[:-1], index.shape[-1]))
    negative, positive = _log_sums(input, threshold, index, None, padding_index)
    return reduce_rows(negative + positive, reduction).to(input.dtype)


class _Loss(nn.Module):
    """Threshold and reduction; a threshold that is a tensor moves with the module."""

    threshold: float | Tensor

    def __init__(self, threshold: float | Tensor, reduction: str) -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction = reduction
        if isinstance(threshold, Tensor) and not isinstance(threshold, nn.Parameter):
            self.register_buffer("threshold", threshold)
        else:
            self.threshold = threshold

    def extra_repr(self) -> str:
        value = self.threshold
        shown = f"tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"{value}"
        return f"threshold={shown}, reduction={self.reduction!r}"


class MultilabelCrossEntropy(_Loss):
    """:func:`multilabel_cross_entropy` as a module; a threshold that is a parameter is learned.

    Example:
        >>> MultilabelCrossEntropy(threshold=0.5)
        MultilabelCrossEntropy(threshold=0.5, reduction='mean')
    """

    def __init__(self, *, threshold: float | Tensor = 0.0, reduction: str = "mean") -> None:
        super().__init__(threshold, reduction)

    def forward(self, input: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
        return multilabel_cross_entropy(
            input, target, threshold=self.threshold, mask=mask, reduction=self.reduction
        )


class SparseMultilabelCrossEntropy(_Loss):
    """:func:`sparse_multilabel_cross_entropy` as a module.

    Example:
        >>> SparseMultilabelCrossEntropy(padding_index=-100)
        SparseMultilabelCrossEntropy(padding_index=-100, threshold=0.0, reduction='mean')
    """

    def __init__(
        self, *, padding_index: int = -1, threshold: float | Tensor = 0.0, reduction: str = "mean"
    ) -> None:
        super().__init__(threshold, reduction)
        self.padding_index = padding_index

    def forward(self, input: Tensor, index: Tensor) -> Tensor:
        return sparse_multilabel_cross_entropy(
            input,
            index,
            padding_index=self.padding_index,
            threshold=self.threshold,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        return f"padding_index={self.padding_index}, {super().extra_repr()}"


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
    check_scores(input)
    threshold = _row_threshold(threshold, input)
    return input > (threshold.unsqueeze(-1) if isinstance(threshold, Tensor) else threshold)


# --------------------------------------------------------------------------- soft labels


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
    check_scores(input)
    check_reduction(reduction)
    check_shape("target", target, input.shape)
    t = target.to(compute_dtype(input))
    log_a, log_b = _log_sums(input, 0.0, target, None, None)
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


# --------------------------------------------------------------------------- softmax over subsets


def log_elementary_symmetric(input: Tensor, k: int) -> Tensor:
    r"""Logarithms of the elementary symmetric polynomials :math:`e_0,\dots,e_k` of :math:`x_i = e^{s_i}`.

    :math:`e_j` sums the products of all subsets of size :math:`j`. The recurrence
    :math:`e_j(x\cup y) = \sum_i e_i(x)\,e_{j-i}(y)` joins the classes two by two, then the pairs, and so on.
    Its terms are positive, so nothing cancels (Newton's identities do), and :math:`\log_2 C` rounds are
    enough, where adding one class at a time takes C. Cost and memory grow with :math:`Ck`.

    Implements :prf:ref:`multilabel-newton`.

    Args:
        input: scores ``(..., C)``. ``-inf`` takes a class out; ``inf`` makes every :math:`e_j` that it can be
            part of ``inf`` (with gradient 0).
        k: the largest size, at least 0.

    Returns:
        ``(..., k + 1)``, in the dtype of ``input``; ``-inf`` (with gradient 0) for sizes that no subset has.

    Example:
        >>> log_elementary_symmetric(torch.zeros(4), 5).exp()
        tensor([1., 4., 6., 4., 1., 0.])
    """
    check_scores(input)
    check_size("k", k)
    return log_symmetric(input.to(compute_dtype(input)), k).to(input.dtype)


def subset_marginals(input: Tensor, k: int) -> Tensor:
    r"""The probability of each class to be in a subset of size k, where :math:`P(T)\propto e^{\sum_T s}`.

    It is the gradient of :math:`\log e_k`; in [0, 1] up to rounding, and the row sums to k. All 0 where there
    is no subset of that size.

    Implements :prf:ref:`multilabel-subset`.

    Args:
        input: scores ``(..., C)``.
        k: the size of the subsets.

    Example:
        >>> subset_marginals(torch.tensor([0.0, 0.0, 0.0, 0.0]), 3)
        tensor([0.7500, 0.7500, 0.7500, 0.7500])
    """
    check_scores(input)
    check_size("k", k)
    scores = input.to(compute_dtype(input))
    return torch.func.grad(lambda s: log_symmetric(s, k)[..., k].sum())(scores).to(input.dtype)


def subset_log_prob(input: Tensor, subset: Tensor) -> Tensor:
    r"""Log-probability of a subset among all of its size: :math:`\log P(T) = \sum_T s_i - \log e_{|T|}(e^s)`.

    Computed as :math:`-\log\sum_j e_j(e^{-s_T})\,e_j(e^{s_N})`: j members leave and j others join. The first
    term is 1, so nothing cancels, however large the scores are, and no probability exceeds 1.

    Implements :prf:ref:`multilabel-subset`.

    Args:
        input: scores ``(..., C)``; ``-inf`` takes a class out, and a subset that contains it gets ``-inf``.
        subset: ``(..., C)``, bool or integer 0 and 1. Cost and memory grow with C times the largest size;
            where sizes cannot be read (see the module; also under vmap) C stands for it.

    Returns:
        ``(...)``, in the dtype of ``input``.

    Example:
        >>> scores = torch.tensor([2.0, -1.0, 0.5, -3.0, 1.0])
        >>> subset_log_prob(scores, torch.tensor([1, 0, 1, 0, 0]))
        tensor(-1.2300)
    """
    return -_subset_loss("subset", input, subset, None).to(input.dtype)


def subset_cross_entropy(
    input: Tensor, target: Tensor, *, max_size: int | None = None, reduction: str = "mean"
) -> Tensor:
    r"""Cross-entropy of softmax over subsets, each scored by the sum of its members.

    .. math:: L = \log Z - \sum_{i\in T} s_i,\qquad
              Z = e_{|T|}(e^s)\quad\text{or}\quad Z = \sum_{j\le K} e_j(e^s)

    The second when ``max_size=K`` is given: K = 1 is softmax with a null class of score 0, K = C is the sum
    of the binary cross-entropies.

    Implements :prf:ref:`multilabel-subset`, :prf:ref:`multilabel-padding`.

    Args:
        input: scores ``(..., C)``.
        target: the subset, as in :func:`subset_log_prob`.
        max_size: the largest subset that can occur, or None where the size is known and only the choice is
            scored. A larger target is impossible: loss ``inf``, gradient 0.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Example:
        >>> scores, target = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([0.0, 0.0, 1.0])
        >>> bce = F.binary_cross_entropy_with_logits(scores, target, reduction="sum")
        >>> torch.isclose(subset_cross_entropy(scores, target.bool(), max_size=3), bce)
        tensor(True)
    """
    check_reduction(reduction)
    if max_size is not None:
        check_size("max_size", max_size)
    return reduce_rows(_subset_loss("target", input, target, max_size), reduction).to(input.dtype)


# --------------------------------------------------------------------------- how subsets are computed


def _subset_loss(name: str, input: Tensor, subset: Tensor, max_size: int | None) -> Tensor:
    """log sum x_S / x_T over the subsets S, sorted by how many members leave T and how many others join."""
    check_scores(input)
    check_shape(name, subset, input.shape)
    if subset.is_floating_point():
        raise TypeError(f"{name} must be bool or integer 0 and 1, got {subset.dtype}")
    check_unit_interval(name, subset)
    s, member = input.to(compute_dtype(input)), subset.to(torch.bool)
    classes, size = s.shape[-1], member.sum(-1)
    if classes == 0:
        return s.sum(-1)
    shift = _least(s, member) if max_size is None else torch.zeros_like(s[..., :1])
    joining = torch.where(member, -math.inf, s - shift)
    leaving = torch.where(member, shift - s, -math.inf)
    most = int(size.max()) if size.numel() and readable(size) else classes
    most = max(1, most if max_size is None else min(most, max_size))  # larger subsets are impossible
    leave = log_symmetric(leaving, most)
    join = log_symmetric(joining, most if max_size is None else max_size)
    if max_size is None:
        change = log_times(leave, join)[..., 1:]
        impossible = (member & (s == -math.inf)).any(-1)
    else:
        i = torch.arange(leave.shape[-1], device=s.device).unsqueeze(-1)
        j = torch.arange(join.shape[-1], device=s.device)
        fits = (size[..., None, None] - i + j <= max_size) & (i + j > 0)
        change = torch.where(fits, log_times(leave.unsqueeze(-1), join.unsqueeze(-2)), -math.inf).flatten(-2)
        impossible = size > max_size
    return torch.where(impossible, math.inf, -F.logsigmoid(-log_sum_exp(change)))  # log(1 + changes)


def _least(s: Tensor, member: Tensor) -> Tensor:
    """The lowest score of the members, if finite: scores relative to it keep their digits."""
    top = torch.finfo(s.dtype).max
    return torch.where(member, s, math.inf).amin(-1, keepdim=True).detach().clamp(-top, top)


# --------------------------------------------------------------------------- arguments


def _log_sums(
    input: Tensor, threshold: float | Tensor, target: Tensor, mask: Tensor | None, padding: int | None
) -> tuple[Tensor, Tensor]:
    """log(1 + A) and log(1 + B) of each row, for arguments that are checked here."""
    if padding is None:
        check_unit_interval("target", target)
    else:
        _check_index(target, padding, input.shape[-1])
        target = target if input.shape[-1] else target[..., :0]
    return log_sums(input, _row_threshold(threshold, input), target, mask, padding)


def _row_threshold(threshold: float | Tensor, input: Tensor) -> float | Tensor:
    if not isinstance(threshold, Tensor):
        return threshold
    return broadcast("threshold", threshold, input.shape[:-1])


def _check_index(index: Tensor, padding: int, classes: int) -> None:
    if readable(index):
        kept = index[index != padding]
        low, high = (kept.min().item(), kept.max().item()) if kept.numel() else (0, -1)
        if low < 0 or high >= classes:
            raise ValueError(
                f"index must be in [0, {classes}) or padding_index={padding}, got values from {low} to {high}"
            )


def _probabilities(target: Tensor) -> Tensor:
    check_unit_interval("target", target)
    return target if target.is_floating_point() else target.to(torch.get_default_dtype())


def _minimum(t: Tensor) -> Tensor:
    return 2 * torch.log1p((t.sqrt() * (1 - t).sqrt()).sum(-1))
