"""Metrics of a classifier, made smooth: accuracy and the F-measure."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.reduction import REDUCTIONS, reduce_rows
from lemmata.smoothing._approximations.largest import one_hot
from lemmata.smoothing._approximations.limits import as_rows

__all__ = ["smooth_accuracy", "smooth_fbeta"]


def smooth_accuracy(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    r"""The accuracy, made smooth: the probability :math:`\operatorname{softmax}(s)_t` of the right class.

    It is the expected accuracy of the classifier that draws its answer from the softmax. The gradient
    :math:`p(1-p)` in the right score vanishes where the classifier is surely right, and where it is surely
    wrong.

    Implements :prf:ref:`approximations-accuracy`.

    Args:
        input: scores ``(..., C)``. ``-inf`` has probability 0; a row of nothing else gives 0 with gradient 0.
            Scores at ``inf`` share the probability equally, with gradient 0.
        target: the right classes ``(...)``, int64 in [0, C).
        reduction: ``"none"`` gives ``(...)``; ``"mean"`` is the smooth accuracy (NaN for no rows); ``"sum"``.

    Returns:
        The smooth accuracy, in the dtype of ``input``.

    Raises:
        TypeError: ``input`` not floating point, ``target`` not int64.
        ValueError: shapes that do not fit, no classes, an unknown reduction, targets out of range.

    Example:
        >>> smooth_accuracy(torch.tensor([[2.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))
        tensor(0.5749)
    """
    check.axis("input", input, -1)
    check.choice("reduction", reduction, REDUCTIONS)
    check.index("target", target)
    check.shape("target", target, input.shape[:-1])
    check.within("target", target, input.shape[-1])
    p = one_hot(as_rows(input, -1), 1.0).gather(-1, target.unsqueeze(-1)).squeeze(-1)
    return reduce_rows(p, reduction).to(input.dtype)


def smooth_fbeta(
    probabilities: Tensor, target: Tensor, *, beta: float = 1.0, dim: int | None = None
) -> Tensor:
    r"""The F-measure, made smooth: counts become sums of probabilities.

    .. math:: F_\beta = \frac{(1+\beta^2)\sum p\,t}{\beta^2\sum t + \sum p}

    At p in {0, 1} it is the F-measure itself. It is a ratio of sums, so its mean over mini-batches is not its
    value on all data.

    Implements :prf:ref:`approximations-fbeta`.

    Args:
        probabilities: :math:`p`, any shape, in [0, 1] (NaN raises there, too; where values are not checked it
            gives NaN).
        target: :math:`t`, of the same shape; bool, integer 0 or 1, or float in [0, 1], which gets its
            gradient.
        beta: weight of recall against precision, in [0, inf]; 0 is smooth precision, ``inf`` smooth recall.
        dim: the axis to sum over; None sums over all.

    Returns:
        In the dtype of ``probabilities``, without ``dim``. Where the denominator is 0 it is 0 with gradient
        0: without positives that is the limit as p goes to 0.

    Raises:
        TypeError: ``probabilities`` not floating point; ``beta`` not a number; ``dim`` not an int.
        ValueError: shapes that do not fit, no such axis, ``beta`` negative or NaN, values outside [0, 1].

    Example:
        >>> p, t = torch.tensor([0.9, 0.2, 0.6]), torch.tensor([1, 0, 1])
        >>> smooth_fbeta(p, t)
        tensor(0.8108)
    """
    check.floating("probabilities", probabilities)
    check.shape("target", target, probabilities.shape, "probabilities")
    beta, axes = _weight(beta), _axes(probabilities, dim)
    check.probability("probabilities", probabilities)
    check.probability("target", target)
    p = probabilities.to(compute_dtype(probabilities))
    t = target.to(p.dtype)
    hits, positives, predicted = ((v.sum(axes) if axes else v) for v in (p * t, t, p))
    square = beta * beta
    total = (1.0 if square == math.inf else square / (1 + square)) * positives + predicted / (1 + square)
    nothing = total == 0
    fbeta = torch.where(nothing, 0.0, hits / torch.where(nothing, 1.0, total))
    return fbeta.to(probabilities.dtype)


def _weight(beta: float) -> float:
    weight = check.number("beta", beta)
    if not weight >= 0:
        raise ValueError(f"beta must be in [0, inf], got {beta}")
    return weight


def _axes(probabilities: Tensor, dim: int | None) -> tuple[int, ...]:
    """The axes to sum over, which may be empty."""
    sizes = tuple(probabilities.shape)
    if dim is None:
        return tuple(range(len(sizes)))
    at = check.integer("dim", dim)
    if not -len(sizes) <= at < len(sizes):
        raise ValueError(f"dim must be an axis of probabilities of shape {sizes}, got {at}")
    return (at,)
