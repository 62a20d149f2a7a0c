"""Cross-entropy whose scores are to leave out how frequent a class is."""

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.classification._imbalance.focal import focal
from lemmata.classification._imbalance.margins import margin, of_classes, per_class, reduced
from lemmata.numerics.reduction import REDUCTIONS

__all__ = ["logit_adjusted_cross_entropy"]


def logit_adjusted_cross_entropy(
    input: Tensor,
    target: Tensor,
    prior: Tensor,
    *,
    tau: float = 1.0,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Tensor:
    r"""Cross-entropy of :math:`s + \tau\log\pi`: the training adds the priors, so that the scores need not.

    .. math:: L = -\log\frac{\pi_t^\tau e^{s_t}}{\sum_i\pi_i^\tau e^{s_i}}

    The best scores are :math:`\log\eta_i-\tau\log\pi_i` up to a constant. At tau = 1 the largest of them is
    the answer with the least balanced error. So predict from ``input`` as it is: to subtract
    :math:`\tau\log\pi` once more would count the priors twice. Their probabilities are those of
    ``softmax(input + tau * prior.log())``.

    Implements :prf:ref:`imbalance-adjustment`, :prf:ref:`imbalance-balanced`.

    Args:
        input: scores ``(..., C)``, as in :func:`focal_loss`.
        target: int64 ``(...)``, one class a row.
        prior: :math:`\pi`, ``(C,)``: how frequent the classes are, as probabilities or as counts (only ratios
            matter), a constant. A class that never occurs has no finite adjustment: ValueError.
        tau: 0 is cross-entropy; any finite number.
        reduction: as in :func:`focal_loss`.
        ignore_index: as in :func:`focal_loss`.

    Returns:
        The loss, in the dtype of ``input``.

    Raises:
        TypeError: scores that are not floating point, a target that is not int64.
        ValueError: shapes that do not fit, no class, a prior that is not positive and finite, a tau that is
            not finite, an unknown reduction, a target that is no class.

    Source: Menon et al., "Long-tail learning via logit adjustment", ICLR (2021).

    Example:
        >>> scores, counts = torch.zeros(2, 2), torch.tensor([99, 1])
        >>> logit_adjusted_cross_entropy(scores, torch.tensor([0, 1]), counts, reduction="none")
        tensor([0.0101, 4.6052])
    """
    tau = check.number("tau", tau)
    check.choice("reduction", reduction, REDUCTIONS)
    rows = of_classes(input, target, ignore_index)
    if not abs(tau) <= torch.finfo(rows.x.dtype).max:
        raise ValueError(f"tau must be finite, got {tau}")
    check.tensor("prior", prior)
    wide = torch.promote_types(prior.dtype, rows.x.dtype)  # 1e-50 has a logarithm in float32, but is none
    frequent = per_class("prior", prior, input, wide).log().to(rows.x.dtype)
    losses = focal(margin(rows.x + tau * frequent, rows.place), 0.0)
    return reduced(losses, rows, reduction, input.dtype)
