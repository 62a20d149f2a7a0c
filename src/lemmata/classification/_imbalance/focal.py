"""Focal loss in log space, for classes and for yes or no; and the probabilities that it hides."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lemmata import _arguments as check
from lemmata.classification._imbalance.margins import (
    centred,
    constant,
    margin,
    of_classes,
    per_class,
    reduced,
)
from lemmata.numerics.log_space import log_sum_exp
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.reduction import REDUCTIONS, reduce_rows

__all__ = ["binary_focal_loss", "focal_loss", "focal_recalibrate"]


def focal_loss(
    input: Tensor,
    target: Tensor,
    *,
    gamma: float = 2.0,
    class_weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Tensor:
    r"""Focal loss of one class among many: cross-entropy that loses interest in what is already right.

    .. math:: L = -w_t\,(1-p_t)^\gamma\log p_t
                = w_t\,e^{-\gamma\operatorname{softplus}(m)}\operatorname{softplus}(-m)

    At gamma = 0 it is cross-entropy. It is not proper: the softmax of the best scores is not the probability
    of a class; :func:`focal_recalibrate` leads back to it.

    Implements :prf:ref:`imbalance-slope`, :prf:ref:`imbalance-focal`.

    Args:
        input: scores ``(..., C)``. Where that of the right class is ``-inf``, the loss is ``inf`` with
            gradient 0. Scores at ``inf`` share the probability.
        target: int64 ``(...)``, one class a row.
        gamma: at least 0.
        class_weight: ``(C,)``, positive and finite in the type that sums are made in: how much a row of each
            class counts, a constant without gradient.
        reduction: ``"none"`` gives ``(...)``; ``"sum"``; ``"mean"`` is over the number of rows that count,
            not over the sum of their weights as in ``F.cross_entropy``, so that means of mini-batches add up
            (:prf:ref:`imbalance-batch`). NaN where no row counts.
        ignore_index: rows with this class have loss 0 and gradient 0, and do not count.

    Returns:
        The loss, in the dtype of ``input``.

    Raises:
        TypeError: scores that are not floating point, a target that is not int64, a gamma that is no number.
        ValueError: shapes that do not fit, no class, an unknown reduction, a gamma below 0, a target that is
            no class, weights that are not positive and finite.

    Source: Lin et al., "Focal loss for dense object detection", ICCV (2017).

    Example:
        >>> scores = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
        >>> focal_loss(scores, torch.tensor([0, 2]), gamma=2, reduction="none")
        tensor([0.0041, 0.9635])
    """
    check.choice("reduction", reduction, REDUCTIONS)
    rows = of_classes(input, target, ignore_index)
    losses = focal(margin(rows.x, rows.place), _exponent(gamma, input))
    if class_weight is not None:
        weight = per_class("class_weight", class_weight, input, rows.x.dtype)
        losses = losses * weight[rows.place.squeeze(-1)]
    return reduced(losses, rows, reduction, input.dtype)


def binary_focal_loss(
    input: Tensor,
    target: Tensor,
    *,
    gamma: float = 2.0,
    pos_weight: float | Tensor = 1.0,
    reduction: str = "mean",
) -> Tensor:
    r"""Focal loss of yes-or-no problems, one for each score; at gamma = 0 binary cross-entropy.

    .. math:: L = -w\,t\,(1-p)^\gamma\log p - (1-t)\,p^\gamma\log(1-p),\qquad p=\sigma(s)

    It is linear in the target, so that a soft label of t is a label that is on with probability t. The form
    of torchvision is not: there soft labels turn the effect of gamma round (:prf:ref:`imbalance-soft`). For
    hard labels its ``alpha`` is this loss with ``pos_weight=alpha / (1 - alpha)``, times ``1 - alpha``.

    Implements :prf:ref:`imbalance-slope`, :prf:ref:`imbalance-soft`.

    Args:
        input: scores s, any shape. At an infinite score on the wrong side the loss is ``inf``, with
            gradient 0.
        target: of the same shape; bool, integer 0 or 1, or float in [0, 1], which gets its gradient: an
            infinite one where a certain label has a score that is infinite on its side.
        gamma: at least 0.
        pos_weight: w, positive and finite: how much a positive counts; a number, or a real tensor that
            broadcasts to the shape, a constant without gradient.
        reduction: ``"none"``, ``"mean"`` over all entries, or ``"sum"``.

    Returns:
        The loss, in the dtype of ``input``.

    Raises:
        TypeError: scores that are not floating point, a gamma that is no number, a pos_weight that is neither
            a number nor a real tensor.
        ValueError: shapes that do not fit, an unknown reduction, a gamma below 0, a target outside [0, 1], a
            pos_weight that is not positive and finite.

    Source: Lin et al., "Focal loss for dense object detection", ICCV (2017).

    Example:
        >>> binary_focal_loss(torch.tensor([2.0, -1.0]), torch.tensor([1, 1]), reduction="none")
        tensor([0.0018, 0.7019])
    """
    check.floating("input", input)
    check.choice("reduction", reduction, REDUCTIONS)
    check.shape("target", target, input.shape)
    check.probability("target", target)
    gamma = _exponent(gamma, input)
    s = input.to(compute_dtype(input))
    weight = _weight(pos_weight, s)
    t = target.to(s.dtype).clamp(0, 1)  # the check takes what is beyond by a rounding
    losses = weight * _part(t, s, gamma) + _part(1 - t, -s, gamma)
    return reduce_rows(losses, reduction).to(input.dtype)


def focal_recalibrate(input: Tensor, *, gamma: float = 2.0, dim: int | None = -1) -> Tensor:
    r"""From scores that were trained with focal loss to scores whose softmax are probabilities.

    Where the expected focal loss is least, the probability of class i is not :math:`p_i` but

    .. math:: \eta_i \propto h(p_i),\qquad
              \frac1{h(p)} = \frac{(1-p)^\gamma}p - \gamma(1-p)^{\gamma-1}\log p .

    h increases: the order of the classes stays. At gamma = 0 nothing changes.

    Implements :prf:ref:`imbalance-focal`, :prf:ref:`imbalance-recalibrate`.

    Args:
        input: scores. ``-inf`` is masked and stays; a row of nothing else, like one with NaN, gives NaN.
        gamma: that of the training, at least 0.
        dim: the axis of the classes; or None, where each entry is the score of a yes-or-no problem
            (:func:`binary_focal_loss`).

    Returns:
        :math:`\log\eta` along ``dim``; for ``dim=None`` the logits :math:`\log\frac\eta{1-\eta}`, of which a
        probability is the sigmoid. In the dtype of ``input``.

    Raises:
        TypeError: scores that are not floating point, a gamma that is no number.
        ValueError: no such axis, or no class along it; a gamma below 0.

    Source: Charoenphakdee et al., "On focal loss for class-posterior probability estimation", CVPR (2021).

    Example:
        >>> scores = torch.tensor([0.694215, 0.305785]).log()  # the best ones for 0.9 and 0.1
        >>> focal_recalibrate(scores, gamma=2).exp()
        tensor([0.9000, 0.1000])
        >>> focal_recalibrate(scores[0] - scores[1], gamma=2, dim=None).sigmoid()
        tensor(0.9000)
    """
    check.floating("input", input)
    gamma = _exponent(gamma, input)
    x = input.to(compute_dtype(input))
    if dim is None:
        s = torch.where(x.isinf(), 0.0, x)
        return torch.where(x.isinf(), x.detach(), (1 + gamma) * s - _bend(s, gamma)).to(input.dtype)
    at = check.axis("input", input, dim)
    most = torch.finfo(x.dtype).max / (1 + gamma)  # an only class has the margin inf
    m = _margins(x.movedim(at, -1)).clamp(max=most)
    log_h = F.logsigmoid(m) - gamma * F.logsigmoid(-m) - torch.log1p(gamma * _ratio(m))
    return torch.log_softmax(log_h, -1).movedim(-1, at).to(input.dtype)


# --------------------------------------------------------------------------- in log space


def focal(m: Tensor, gamma: float) -> Tensor:
    """(1-p)^gamma (-log p) for p = sigmoid(m); at m = -inf it is inf, with gradient 0."""
    wrong = m == -math.inf
    m = torch.where(wrong, 0.0, m)
    loss = -F.logsigmoid(m)
    if gamma:
        loss = torch.exp(gamma * F.logsigmoid(-m)) * loss
    return torch.where(wrong, math.inf, loss)


def _part(t: Tensor, m: Tensor, gamma: float) -> Tensor:
    """t times the loss at m, where nothing of an infinite loss is nothing, with an infinite slope in t."""
    none = (t == 0) & (m == -math.inf)
    most = torch.finfo(m.dtype).max
    return torch.where(none, t * most * most, t * focal(torch.where(none, 0.0, m), gamma))


def _margins(x: Tensor) -> Tensor:
    """The margin of each class over all others, (..., C).

    Without the largest score they sum to what is missing to 1: of this class alone p may be near 1, where
    1 - p has lost its digits.
    """
    u = centred(x)
    top = u.detach().argmax(-1, keepdim=True)
    rest = log_sum_exp(u.scatter(-1, top, -math.inf)).unsqueeze(-1) - u.gather(-1, top)
    log_p = u - u.gather(-1, top) + F.logsigmoid(-rest)
    low = torch.where(log_p > -0.5, -1.0, log_p)  # of the largest, whose margin is -rest
    m = log_p - torch.log1p(-low.exp())
    m = m.scatter(-1, top, -rest)
    return torch.where((x == -math.inf).all(-1, keepdim=True), math.nan, m)


def _ratio(m: Tensor) -> Tensor:
    """-p log p / (1-p) = e^m log(1 + e^-m), from 0 to 1."""
    low, high = m.clamp(max=0), m.clamp(min=0)
    z = torch.exp(-high)
    below = torch.exp(low) * -F.logsigmoid(torch.where(m == -math.inf, 0.0, low))
    small = z < 1e-3  # there by its series, whose slope keeps its digits
    series = 1 - z * (1 / 2 - z * (1 / 3 - z * (1 / 4 - z / 5)))
    above = torch.where(small, series, torch.log1p(z) / torch.where(small, 1.0, z))
    return torch.where(m > 0, above, below)


def _bend(s: Tensor, gamma: float) -> Tensor:
    """log of (1 + gamma rho(s)) / (1 + gamma rho(-s)), with its digits near 0, where it is near 0."""
    up, down = _ratio(s), _ratio(-s)
    near = s.clamp(-1, 1)
    rise = 2 * torch.log(2 * torch.cosh(near / 2)) * torch.sinh(near) - near * torch.cosh(near)  # up - down
    inner = torch.log1p(gamma * torch.where(s.abs() < 1, rise / (1 + gamma * down), 0.0))
    outer = torch.log1p(gamma * up) - torch.log1p(gamma * down)
    return torch.where(s.abs() < 1, inner, outer)


def _weight(pos_weight: float | Tensor, s: Tensor) -> float | Tensor:
    """A positive finite number, or such a tensor in the shape of the scores."""
    if isinstance(pos_weight, Tensor):
        return check.broadcast("pos_weight", constant("pos_weight", pos_weight, s.dtype), s.shape)
    value, info = check.number("pos_weight", pos_weight), torch.finfo(s.dtype)
    if not info.tiny * info.eps <= value <= info.max:
        raise ValueError(f"pos_weight must be positive and finite in {s.dtype}, got {pos_weight}")
    return value


def _exponent(gamma: float, input: Tensor) -> float:
    value = check.number("gamma", gamma)
    if not 0 <= value <= torch.finfo(compute_dtype(input)).max:
        raise ValueError(f"gamma must be at least 0 and finite, got {gamma}")
    return value
