"""What to measure where classes are rare: the error of each class alike, and the threshold of the best F1."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lemmata import _arguments as check
from lemmata.classification._imbalance.margins import of_classes
from lemmata.numerics.precision import compute_dtype

__all__ = ["balanced_error", "f1_optimal_threshold"]


def balanced_error(input: Tensor, target: Tensor, *, ignore_index: int = -100) -> Tensor:
    r"""The mean over classes of the share of its rows that the largest score gets wrong.

    .. math:: \frac1K\sum_k\mathbb P(\hat y\ne k\mid y=k)

    The K classes are those that occur, as in scikit-learn, whose ``balanced_accuracy_score`` is 1 less this.

    Implements :prf:ref:`imbalance-balanced`.

    Args:
        input: scores ``(..., C)``; of equal ones the first counts, as in ``argmax``.
        target: int64 ``(...)``.
        ignore_index: rows with this class do not count.

    Returns:
        One number in the dtype of ``input``, without gradient. NaN where no row counts, or one that does has
        a NaN.

    Raises:
        TypeError: scores that are not floating point, a target that is not int64.
        ValueError: shapes that do not fit, no class, a target that is no class.

    Example:
        >>> scores = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        >>> balanced_error(scores, torch.tensor([0, 0, 0, 1, 1]))
        tensor(0.2500)
    """
    rows = of_classes(input.detach() if isinstance(input, Tensor) else input, target, ignore_index)
    right, counts = rows.place.reshape(-1), rows.counts.reshape(-1)
    wrong = (rows.x.argmax(-1).reshape(-1) != right) & counts
    each = right.new_zeros(input.shape[-1])
    count, errors = (each.scatter_add(0, right, v.to(each.dtype)) for v in (counts, wrong))
    mean = (errors.to(rows.x.dtype) / count.clamp(min=1)).sum() / (count > 0).sum()
    return torch.where(rows.x.isnan().any(), math.nan, mean).to(input.dtype)


def f1_optimal_threshold(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    r"""The threshold of the largest F-measure, among all there are.

    .. math:: F(k) = \frac{2\sum_{i\le k}t_{(i)}}{k+\sum_i t_i},\qquad s_{(1)}\ge s_{(2)}\ge\dots

    With calibrated probabilities as target, too, this is the expected-count F of a batch that nobody has
    labelled, and its threshold separates the same entries as :math:`F^*/2`, half of what is attained.

    Implements :prf:ref:`imbalance-f1`.

    Args:
        input: scores or probabilities ``(..., n)``; equal ones are on one side.
        target: of the same shape; bool, integer 0 or 1, or float in [0, 1].

    Returns:
        The threshold and the F1, ``(...)`` each, in the dtype of ``input``, without gradient. The entries
        with ``input > threshold`` are predicted; of cuts that tie, the one that predicts fewest. Without
        positives nothing is predicted, and F1 counts 0. The threshold lies midway between two scores, and is
        ``-inf`` where all are predicted. A row with NaN gives NaN.

    Raises:
        TypeError: scores that are not floating point.
        ValueError: shapes that do not fit, no entry, targets outside [0, 1].

    Source: Lipton, Elkan and Naryanaswamy, "Optimal thresholding of classifiers to maximize F1" (2014).

    Example:
        >>> p = torch.tensor([0.9, 0.5, 0.3, 0.1])
        >>> f1_optimal_threshold(p, torch.tensor([1, 0, 1, 0]))
        (tensor(0.2000), tensor(0.8000))
        >>> f1_optimal_threshold(p, p)
        (tensor(0.4000), tensor(0.7368))
    """
    check.axis("input", input, -1)
    check.shape("target", target, input.shape)
    check.probability("target", target)
    s, order = input.detach().sort(-1, descending=True)
    t = target.detach().to(compute_dtype(input)).gather(-1, order)
    hits, k = t.cumsum(-1), torch.arange(1, t.shape[-1] + 1, device=t.device)
    below = F.pad(s[..., 1:], (0, 1), value=-math.inf)
    f1 = torch.where(s > below, 2 * hits / (hits[..., -1:] + k), 0.0)
    best, at = f1.max(-1, keepdim=True)
    high, low = s.gather(-1, at), below.gather(-1, at)
    middle = (high.to(t.dtype) / 2 + low.to(t.dtype) / 2).to(s.dtype)
    cut = torch.where(best == 0, s[..., :1], torch.where((middle < high) & (middle > low), middle, low))
    bad = s.isnan().any(-1) | t.isnan().any(-1)
    cut, best = (torch.where(bad, math.nan, v.squeeze(-1)).to(s.dtype) for v in (cut, best))
    return cut, best
