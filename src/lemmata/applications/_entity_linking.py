r"""Entity linking: a prior over the ids that a name may have, and the decision for one of them or for none.

A name has K candidates, of which at most one is meant; NIL says that none is. Candidates stand on the last
axis, and a mask, bool and True where there is one, fills up rows with fewer.

* What stands at a masked place, NaN included, changes nothing, and has gradient 0.
* Tensors are float64, float32, bfloat16 or float16; half types are computed in float32.

Source: Su, kexue.fm 6919 (2019); the loss that the scores may come from: kexue.fm 7359 (2020).
"""

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.precision import compute_dtype
from lemmata.training import masked_max

__all__ = ["link", "mention_prior"]


def mention_prior(counts: Tensor, alpha: float | Tensor = 1.0, *, mask: Tensor | None = None) -> Tensor:
    r"""How often a name means each of its candidates: smoothed counts, the mean of a Dirichlet posterior.

    .. math:: p_e=\frac{n_e+\alpha}{N+K\alpha},\qquad N=\sum_en_e

    K is the number of candidates that the mask leaves. NIL is a candidate if it has a column.
    Count what the row itself does not say: a query that is among its own counts finds its answer there.

    Implements :prf:ref:`entity-linking-dirichlet`.

    Args:
        counts: floating point ``(..., K)``, at least 0; fractions are right, as in the steps of EM.
        alpha: what is added to each count, in (0, inf): a number, or a tensor that broadcasts to ``(...)``.
        mask: bool, broadcasts to ``(..., K)``; True where there is a candidate.

    Returns:
        Probabilities ``(..., K)`` in the dtype of ``counts``; 0 where there is no candidate. A row where a
        count is NaN has NaN.

    Raises:
        TypeError: counts that are not floating point, a mask that is not bool.
        ValueError: shapes that do not fit; an alpha that is not positive and finite in the type that is
            computed in; on the CPU, a count below 0, a row whose sum is infinite.

    Example:
        >>> mention_prior(torch.tensor([8.0, 1.0, 0.0]), 1.0)
        tensor([0.7500, 0.1667, 0.0833])
    """
    check.scores("counts", counts)
    here, added = _which(mask, counts), _added(alpha, counts)
    n = torch.where(here, counts.to(compute_dtype(counts)), 0.0)
    if n.numel() and readable(n) and (n < 0).any():
        raise ValueError(f"counts must be at least 0, got values from {n.min().item()}")
    n = torch.where(here, n + added, 0.0)
    total = n.sum(-1, keepdim=True)
    if readable(total) and total.isinf().any():
        raise ValueError("counts must have a finite sum in each row")
    return (n / torch.where(here.any(-1, keepdim=True), total, 1.0)).to(counts.dtype)


def link(scores: Tensor, mask: Tensor | None = None, threshold: float | Tensor = 0.0) -> Tensor:
    r"""The candidate of the largest score, where that is above the threshold; else -1 for NIL.

    With logits of a softmax whose NIL has the logit 0, the threshold 0 gives the most probable answer.
    With the best scores of the multilabel loss it accepts every candidate that is more likely than not, and
    none that is less likely than NIL; between these it follows no probability of the candidate alone.

    Implements :prf:ref:`entity-linking-between`, :prf:ref:`entity-linking-one`.

    Args:
        scores: ``(..., K)``. Of equal ones the first is taken. A score at the threshold is not above it. A
            NaN that counts makes its row NIL, and so does a threshold that is NaN.
        mask: bool, broadcasts to ``(..., K)``; True where there is a candidate. Without one the row is NIL.
        threshold: a number, or a tensor that broadcasts to ``(...)``.

    Returns:
        Places on the last axis, int64 ``(...)``, or -1.

    Raises:
        TypeError: scores that are not floating point, a mask that is not bool.
        ValueError: shapes that do not fit.

    Example:
        >>> scores = torch.tensor([[0.3, 1.2, 9.0], [-0.5, -2.0, 9.0]])
        >>> link(scores, torch.tensor([True, True, False])).tolist()
        [1, -1]
    """
    check.scores("scores", scores)
    here, cut = _which(mask, scores), _row_number("threshold", threshold, scores)
    if scores.shape[-1] == 0:
        return torch.full(scores.shape[:-1], -1, device=scores.device)
    value, place = masked_max(scores.detach(), here, keepdim=True)
    return torch.where(value > cut, place, -1).squeeze(-1)


def _which(mask: Tensor | None, x: Tensor) -> Tensor:
    if mask is None:
        return torch.ones_like(x, dtype=torch.bool)
    check.mask("mask", mask)
    return check.broadcast("mask", mask, x.shape)


def _added(alpha: float | Tensor, counts: Tensor) -> Tensor:
    """alpha as it is added, ``()`` or ``(..., 1)``; one that underflows would give 0 / 0."""
    check.scale("alpha", alpha)
    added = torch.as_tensor(_row_number("alpha", alpha, counts), dtype=compute_dtype(counts))
    if readable(added) and ((added == 0) | added.isinf()).any():
        raise ValueError(f"alpha must be positive and finite in {added.dtype}, got {alpha}")
    return added


def _row_number(name: str, value: float | Tensor, x: Tensor) -> float | Tensor:
    """A number, or a tensor with one for each row, ``(..., 1)``."""
    if not isinstance(value, Tensor):
        return check.number(name, value)
    check.floating(name, value)
    return check.broadcast(name, value, x.shape[:-1]).unsqueeze(-1)
