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
    bias is :math:`-\operatorname{Var}(e^x)/2n(\mathbb E e^x)^2`; both corrections take that out, and cost
    variance. The delta term is at most 1/2. The jackknife has no bound: where one entry towers over the
    others by t, it adds about t (n-1)/n. It is computed in O(n), in log space; nothing cancels.

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
    axis, n = sample_of(x, dim, 1 if correction is None else 2)
    y = x.to(compute_dtype(x)).movedim(axis, -1)
    peak = y.amax(-1, keepdim=True).detach()
    peak = torch.where(peak.isfinite(), peak, 0.0)
    y = y - peak
    total = log_sum_exp(y)
    log_mean = peak.squeeze(-1) + (total - math.log(n))
    if correction is not None:
        fine = total.isfinite()
        p = torch.exp(torch.where(fine.unsqueeze(-1), y - total.unsqueeze(-1), -math.log(n)))
        bias = _delta(p) if correction == "delta" else _left_out(y, p, total)
        log_mean = log_mean - torch.where(fine, bias, 0.0)
    return log_mean.to(x.dtype)


def _delta(p: Tensor) -> Tensor:
    """-S^2 / (2 n mean^2) of terms that are the shares p of their sum."""
    n = p.shape[-1]
    return -(n * p - 1).square().sum(-1) / (2 * n * (n - 1))


def _left_out(y: Tensor, p: Tensor, total: Tensor) -> Tensor:
    """The jackknife's bias of log mean e^y, from the shares p and the log of the sum.

    Leaving out i lowers the log of the sum by -log(1 - p_i), which is exact for shares up to 1/2; only the
    largest can be above, and for that one the others are summed.
    """
    n = y.shape[-1]
    largest = torch.arange(n, device=y.device) == p.argmax(-1, keepdim=True)
    others = log_sum_exp(torch.where(largest, -math.inf, y))
    falls = (total - others) - torch.log1p(-torch.where(largest, 0.0, p)).sum(-1)
    return -(falls + n * math.log1p(-1 / n)) * ((n - 1) / n)
