r"""The accuracy to expect once noise is added to the scores: as a number, as a loss, and its logarithm.

With scores :math:`s` and independent normal noise of standard deviation :math:`\sigma` on each,

.. math:: p_t = \mathbb P\bigl(\textstyle\arg\max_j(s_j+\sigma\varepsilon_j)=t\bigr),
          \qquad \mathbb E\,\mathrm{accuracy}=\text{mean of } p_t .

* Scores are float64, float32, bfloat16 or float16; half types are computed in float32. Autocast changes
  nothing.
* ``-inf`` is masked: it is never chosen, with gradient 0. A row of nothing else is never right. Entries at
  ``inf`` share the row, with gradient 0. NaN spoils its row.

Source: Karpukhin, Dereka and Kolesnikov, "EXACT: How to train your accuracy", arXiv:2205.09615 (2022); Su,
kexue.fm 9098 (2022).
"""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.infinite import above, constant
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.reduction import REDUCTIONS, reduce_rows
from lemmata.simplex import log_perturbed_argmax_prob, perturbed_argmax_prob

__all__ = ["expected_accuracy", "expected_accuracy_loss"]


def expected_accuracy(
    input: Tensor,
    target: Tensor,
    *,
    sigma: float = 1.0,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Tensor:
    r"""How often the right class is the largest after normal noise has been added to every score.

    .. math:: p_t = \int\varphi(e)\prod_{j\ne t}\Phi\Bigl(\frac{s_t-s_j}\sigma+e\Bigr)de

    Two classes: :math:`\Phi\bigl(\frac{s_1-s_2}{\sqrt2\,\sigma}\bigr)`. For :math:`\sigma\to0` it is the
    accuracy itself, which counts a tie of m classes as 1/m.

    Implements :prf:ref:`accuracy-integral`, :prf:ref:`accuracy-gradient`.

    Args:
        input: scores ``(..., C)``. ``-inf`` is masked; see the module for what is not finite.
        target: int64 ``(...)``, the right class of each row.
        sigma: standard deviation of the noise of one score, in (0, inf); that of a difference is
            :math:`\sqrt2` times as large. To learn it, or to give rows one each, divide ``input`` by it.
        reduction: ``"none"`` gives ``(...)``; ``"sum"``; ``"mean"`` is over the rows that count, NaN where
            there are none, as in torch.
        ignore_index: rows with this class give 0 with gradient 0, and do not count.

    Returns:
        Numbers in [0, 1], or their sum, in the dtype of ``input``.

    Raises:
        TypeError: scores that are not floating point, a target that is not int64, a sigma that is no number.
        ValueError: shapes that do not fit, no class, an unknown reduction, a sigma that is not positive and
            finite; on the CPU, a target that is no class.

    Example:
        >>> scores = torch.tensor([[1.0, 0.0, -1.0], [0.0, 0.5, 0.0]])
        >>> expected_accuracy(scores, torch.tensor([0, 0]), reduction="none")
        tensor([0.7288, 0.2587])
        >>> expected_accuracy(scores, torch.tensor([0, 0]), sigma=0.01, reduction="none")
        tensor([1.0000, 0.0000])
    """
    x, place, counts = _scaled(input, target, sigma, reduction, ignore_index)
    p = perturbed_argmax_prob(x, noise="normal").gather(-1, place).squeeze(-1)
    return _reduced(p, counts, reduction).to(input.dtype)


def expected_accuracy_loss(
    input: Tensor,
    target: Tensor,
    *,
    sigma: float = 1.0,
    log: bool = False,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Tensor:
    r"""One minus :func:`expected_accuracy`, or minus its logarithm: the cross entropy of normal noise.

    .. math:: 1-p_t=\sum_{j\ne t}p_j,\qquad\text{or } -\log p_t\ \ge\ 1-p_t .

    The sum, not the difference, is computed: a row that is right by far keeps its digits, up to leads of
    18 :math:`\sigma`, with ``log`` of 40. A row that is wrong by far has almost no gradient without ``log``;
    with it, behind m classes that lead by the same gap g and far ahead of the rest, the right score is pulled
    by some :math:`\frac m{m+1}\frac g{\sigma^2}`.

    Implements :prf:ref:`accuracy-integral`, :prf:ref:`accuracy-bounds`, :prf:ref:`accuracy-pull`.

    Args:
        input: as in :func:`expected_accuracy`; where the right class is masked the loss is 1, or ``inf``,
            with gradient 0.
        target: as there.
        sigma: as there. Without ``log`` a row behind by more than some 4 sigma has next to no gradient.
        log: :math:`-\log p_t`; right for gaps up to 100 :math:`\sigma`. Further out it is a bound from above,
            at most twice the loss, and leaders are pushed too little. From :math:`4\cdot10^9` on (in float64
            :math:`10^{77}`) it is a constant.
        reduction: as there.
        ignore_index: as there, but with loss 0.

    Returns:
        The loss, in the dtype of ``input``.

    Raises:
        TypeError, ValueError: as there; TypeError for a ``log`` that is not a bool.

    Example:
        >>> scores = torch.tensor([[0.0, 40.0]], requires_grad=True)
        >>> for log in (False, True):
        ...     loss = expected_accuracy_loss(scores, torch.tensor([0]), log=log)
        ...     slope = torch.autograd.grad(loss, scores)[0][0, 0]
        ...     print(f"{loss:.2f}, slope {slope.abs():.2f}")
        1.00, slope 0.00
        404.26, slope 20.02
    """
    if not isinstance(log, bool):
        raise TypeError(f"log must be a bool, got {type(log).__name__}")
    x, place, counts = _scaled(input, target, sigma, reduction, ignore_index)
    rows = _log_loss(x, place) if log else _loss(x, place)
    return _reduced(rows, counts, reduction).to(input.dtype)


def _loss(x: Tensor, place: Tensor) -> Tensor:
    """The probability of the other classes; 1 where no class is chosen, so that none is right."""
    p = perturbed_argmax_prob(x, noise="normal")
    others = constant(p.scatter(-1, place, 0.0).sum(-1), p.gather(-1, place).squeeze(-1))
    return torch.where((x == -math.inf).all(-1), 1.0, others)


def _log_loss(x: Tensor, place: Tensor) -> Tensor:
    """Minus log p, where p > 1/2 by what the others have: the sum of all misses 1 by its rounding."""
    log_p = log_perturbed_argmax_prob(x, noise="normal")
    right = log_p.gather(-1, place).squeeze(-1)
    ahead = right > -math.log(2)
    others = log_p.exp().scatter(-1, place, 0.0).sum(-1)
    return torch.where(ahead, -torch.log1p(-torch.where(ahead, others, 0.0)), -right)


def _scaled(
    input: Tensor, target: Tensor, sigma: float, reduction: str, ignore_index: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Scores less the largest, over the noise; where the right one is ``(..., 1)``, which rows count."""
    check.scores("input", input)
    check.axis("input", input, -1)
    check.index("target", target)
    check.shape("target", target, input.shape[:-1])
    check.choice("reduction", reduction, REDUCTIONS)
    sigma = check.positive("sigma", sigma)
    if sigma == math.inf:
        raise ValueError(f"sigma must be finite, got {sigma}")
    counts = target != check.integer("ignore_index", ignore_index)
    if readable(target):
        check.within("target", target[counts], input.shape[-1])
    x = input.to(compute_dtype(input)).masked_fill(~counts.unsqueeze(-1), 0.0)
    gap = above(x, x.amax(-1, keepdim=True).detach())  # first, as scores beside a small sigma overflow
    x = torch.where(x == -math.inf, x, gap / max(sigma, torch.finfo(x.dtype).tiny))
    return x, torch.where(counts, target, 0).unsqueeze(-1), counts


def _reduced(rows: Tensor, counts: Tensor, reduction: str) -> Tensor:
    return reduce_rows(torch.where(counts, rows, 0.0), reduction, counts.sum())
