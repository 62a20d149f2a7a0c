r"""Entity linking: a prior over the ids of a name, the decision with NIL, and probabilities behind scores.

A name has K candidates, of which at most one is meant; NIL says that none is. Candidates stand on the last
axis, and a mask, bool and True where there is one, fills up rows with fewer.

* What stands at a masked place, NaN included, changes nothing, and has gradient 0.
* Tensors are float64, float32, bfloat16 or float16; half types are computed in float32.

Source: Su, kexue.fm 6919 (2019); the loss that the scores come from: kexue.fm 7359 (2020).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.precision import compute_dtype
from lemmata.training import masked_logsumexp, masked_max

__all__ = ["link", "link_probs", "mention_prior"]


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
        Probabilities ``(..., K)`` in the dtype of ``counts``; 0 where there is no candidate.

    Raises:
        TypeError: counts that are not floating point, a mask that is not bool.
        ValueError: shapes that do not fit; an alpha that is not positive and finite; on the CPU, a count
            below 0.

    Example:
        >>> mention_prior(torch.tensor([8.0, 1.0, 0.0]), 1.0)
        tensor([0.7500, 0.1667, 0.0833])
    """
    check.scores("counts", counts)
    here = _which(mask, counts)
    check.scale("alpha", alpha)
    added = _row_number("alpha", alpha, counts)
    if added == math.inf if isinstance(added, float) else readable(added) and added.isinf().any():
        raise ValueError(f"alpha must be finite, got {alpha}")
    n = torch.where(here, counts.to(compute_dtype(counts)), 0.0)
    if n.numel() and readable(n) and (n < 0).any():
        raise ValueError(f"counts must be at least 0, got values from {n.min().item()}")
    n = torch.where(here, n + added, 0.0)
    total = n.sum(-1, keepdim=True)
    return (n / torch.where(here.any(-1, keepdim=True), total, 1.0)).to(counts.dtype)


def link(scores: Tensor, mask: Tensor | None = None, threshold: float | Tensor = 0.0) -> Tensor:
    r"""The candidate of the largest score, where that is above the threshold; else -1 for NIL.

    With scores of the multilabel loss the threshold 0 accepts every candidate that is more likely than not,
    and none that is less likely than NIL; between these it follows no probability of the candidate alone.

    Implements :prf:ref:`entity-linking-between`, :prf:ref:`entity-linking-one`.

    Args:
        scores: ``(..., K)``. Of equal ones the first is taken. A score at the threshold is not above it. A
            NaN that counts makes its row NIL.
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


def link_probs(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""The probabilities at which the multilabel loss is least for these scores, if at most one is right.

    With :math:`x_i=e^{s_i}` and :math:`D=1+\sum_jx_j`

    .. math:: q_i\propto\frac{x_i(1+x_i)(D-x_i)}{D+x_i^2},\qquad
              q_0\propto D\Bigl(1-\sum_i\frac{x_i(1+x_i)}{D+x_i^2}\Bigr)_+ .

    Scores that no probabilities have, such as two above 0, give NIL the probability 0.

    Implements :prf:ref:`entity-linking-optimum`.

    Args:
        scores: ``(..., K)``, trained by ``multilabel_cross_entropy(mask=mask)``. ``-inf`` is never meant; a
            row with ``inf`` or NaN is NaN.
        mask: bool, broadcasts to ``(..., K)``; True where there is a candidate.

    Returns:
        Probabilities ``(..., K + 1)`` in the dtype of ``scores``; the last is that of NIL, 1 where there is
        no candidate.

    Raises:
        TypeError: scores that are not floating point, a mask that is not bool.
        ValueError: shapes that do not fit.

    Example:
        >>> link_probs(torch.tensor([0.5, -1.0]))
        tensor([0.6119, 0.2484, 0.1397])
        >>> link_probs(torch.tensor([0.0])), torch.tensor([0.0]).sigmoid()
        (tensor([0.5000, 0.5000]), tensor([0.5000]))
    """
    check.scores("scores", scores)
    here = _which(mask, scores) & (scores != -math.inf)
    s = torch.where(here, scores.to(compute_dtype(scores)), 0.0)
    if scores.shape[-1] == 0:
        return torch.cat([scores, torch.ones_like(scores.sum(-1, keepdim=True))], -1)
    return _log_weights(s, here).softmax(-1).to(scores.dtype)


def _log_weights(s: Tensor, here: Tensor) -> Tensor:
    """Logarithms of what the probabilities are proportional to, that of NIL last, ``(..., K + 1)``."""
    best = s.masked_fill(~here, -math.inf).detach().argmax(-1, keepdim=True)
    is_best = torch.arange(s.shape[-1], device=s.device) == best
    log_D, log_rest = _log_sums(s, here)
    below = log_D - F.logsigmoid(log_D - 2 * s)  # log(D + x^2); logaddexp has no second derivative far out
    share = s - F.logsigmoid(-s) - below
    others = masked_logsumexp(share, here & ~is_best)
    left = (log_rest - below).gather(-1, best).squeeze(-1)  # 1 less the share of the best, which may be 1
    gap = others - left
    some = ~(gap >= 0)
    nil = log_D.squeeze(-1) + left + torch.log(-torch.expm1(torch.where(some, gap, -1.0)))
    ids = torch.where(here, share + log_rest, -math.inf)
    return torch.cat([ids, torch.where(some, nil, -math.inf).unsqueeze(-1)], -1)


def _log_sums(s: Tensor, here: Tensor) -> tuple[Tensor, Tensor]:
    """log D, and log(D - x_i) for each candidate, summed without it and not by a difference."""
    K = s.shape[-1]
    terms, counts = F.pad(s, (0, 1)), F.pad(here, (0, 1), value=True)  # the 1 is e^0
    apart = ~torch.eye(K, K + 1, dtype=torch.bool, device=s.device)
    rows = terms.unsqueeze(-2).expand(*s.shape, K + 1)
    return masked_logsumexp(terms, counts, keepdim=True), masked_logsumexp(rows, counts.unsqueeze(-2) & apart)


def _which(mask: Tensor | None, x: Tensor) -> Tensor:
    if mask is None:
        return torch.ones_like(x, dtype=torch.bool)
    check.mask("mask", mask)
    return check.broadcast("mask", mask, x.shape)


def _row_number(name: str, value: float | Tensor, x: Tensor) -> float | Tensor:
    """A number, or a tensor with one for each row, ``(..., 1)``."""
    if not isinstance(value, Tensor):
        return check.number(name, value)
    check.floating(name, value)
    return check.broadcast(name, value, x.shape[:-1]).unsqueeze(-1)
