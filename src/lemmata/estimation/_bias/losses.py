"""The log-mean-exp of a batch, and two corrections for its bias."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.estimation._bias.sample import sample_of
from lemmata.numerics.log_space import log_sum_exp
from lemmata.numerics.precision import compute_dtype

__all__ = ["log_mean_exp"]


def log_mean_exp(x: Tensor, *, dim: int, correction: str | None = None) -> Tensor:
    r"""The logarithm of a mean of exponentials, and two corrections for its bias, which is downward.

    .. math:: \ell = \log\frac1n\sum_i e^{x_i},\qquad
              \ell_\delta = \ell + \frac{S^2}{2n\,\bar e^2},\qquad
              \ell_J = n\,\ell - \frac{n-1}n\sum_i\ell_{(i)}

    where :math:`S^2` and :math:`\bar e` are the variance and mean of the :math:`e^{x_i}`. To first order the
    bias is :math:`-\operatorname{Var}(e^x)/2n(\mathbb E e^x)^2`; both corrections take that out where the
    :math:`e^x` are bounded and away from 0, and cost variance. With heavy tails they do not help. The delta
    term is at most 1/2. The jackknife has no bound: where one entry towers over the others by t, it adds
    about t (n-1)/n. It is computed in O(n), in log space; nothing cancels.

    Implements :prf:ref:`bias-log-mean-exp`.

    Args:
        x: exponents ``(..., n, ...)``. ``-inf`` is a term 0 of the mean, and counts in n. A row of ``-inf``
            alone gives ``-inf`` (gradient 0), one with ``inf`` gives ``inf``, in any correction; the
            jackknife of a row with one finite entry is ``inf``.
        dim: the axis of the mean, which goes.
        correction: None, ``"delta"`` or ``"jackknife"``; these need at least 2 entries (ValueError).

    Example:
        >>> x = torch.tensor([0.0, math.log(3.0)])
        >>> [round(log_mean_exp(x, dim=0, correction=c).item(), 4) for c in (None, "delta", "jackknife")]
        [0.6931, 0.8181, 0.837]
    """
    check.choice("correction", correction, (None, "delta", "jackknife"))
    axis, _ = sample_of(x, dim, 1 if correction is None else 2)
    y = x.to(compute_dtype(x)).movedim(axis, -1)
    peak = y.amax(-1, keepdim=True).detach()
    peak = torch.where(peak.isfinite(), peak, 0.0)
    y = y - peak
    total = log_sum_exp(y)
    log_mean = _log_mean(y, total)
    out = peak.squeeze(-1) + log_mean
    if correction is not None:
        fine = total.isfinite().unsqueeze(-1)
        excess = torch.expm1(torch.where(fine, y - log_mean.unsqueeze(-1), 0.0))
        out = out - (_delta(excess) if correction == "delta" else _left_out(y, excess, total))
    return out.to(x.dtype)


def _log_mean(y: Tensor, total: Tensor) -> Tensor:
    """The log of the mean of e^y, the largest y being 0; by expm1, where y is near 0 and it is, too."""
    near = (torch.expm1(y.detach()).mean(-1) > -0.5) & total.isfinite()
    small = torch.expm1(torch.where(near.unsqueeze(-1), y, 0.0)).mean(-1)
    return torch.where(near, torch.log1p(small), total - math.log(y.shape[-1]))


def _delta(excess: Tensor) -> Tensor:
    """-S^2 / (2 n mean^2) of terms that are 1 + excess times their mean."""
    n = excess.shape[-1]
    return -excess.square().sum(-1) / (2 * n * (n - 1))


def _left_out(y: Tensor, excess: Tensor, total: Tensor) -> Tensor:
    """The jackknife's bias of log mean e^y: the fall of the log mean when i is left out, averaged.

    The others have 1 - excess_i / (n - 1) times the mean. Where the largest leaves less than a quarter of the
    sum, the others are summed.
    """
    n = y.shape[-1]
    largest = torch.arange(n, device=y.device) == excess.argmax(-1, keepdim=True)
    most = (largest & (excess > 0.75 * n - 1)).any(-1)
    towers = largest & most.unsqueeze(-1)
    others = log_sum_exp(torch.where(towers, -math.inf, y)) - total
    fall = torch.where(most, others - math.log1p(-1 / n), 0.0)
    rises = fall + torch.log1p(-torch.where(towers, 0.0, excess) / (n - 1)).sum(-1)
    return rises * ((n - 1) / n)
