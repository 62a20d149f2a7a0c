r"""Is an estimated density ratio right on average? Two identities that hold for the true one."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.precision import compute_dtype

__all__ = ["CalibrationGap", "RatioMean", "calibration_gap", "ratio_mean"]


class RatioMean(NamedTuple):
    """The mean of a ratio, with its standard error, and how many draws it rests on."""

    mean: Tensor
    error: Tensor
    effective_sample_size: Tensor


class CalibrationGap(NamedTuple):
    """A difference whose expectation is 0 for the true ratio, and its standard error."""

    gap: Tensor
    error: Tensor


@torch.no_grad()
def ratio_mean(log_ratio: Tensor, dim: int = -1) -> RatioMean:
    r"""The mean of :math:`r = e^u` over draws of p, which is 1 for the true ratio q/p.

    Use draws that the estimate was not fitted to. At draws of q pass ``-log_ratio``: the mean of 1/r is 1,
    too. **Do not trust it where few draws carry it**: the variance of r is the chi-squared divergence of q
    from p, which is infinite already for normal laws when q has twice the variance of p. Then the mean is
    below 1 in most samples, the standard error is too small, and a small effective sample size is the only
    sign of it; :func:`calibration_gap` is bounded.

    .. math:: \mathrm{ESS} = \frac{(\sum_i r_i)^2}{\sum_i r_i^2}, \qquad
              \mathrm{SE} = \bar r\,\sqrt{\frac{n/\mathrm{ESS} - 1}{n - 1}}

    Implements :prf:ref:`likelihood-ratio-calibration`.

    Args:
        log_ratio: u at the draws; real floating point, half types computed in float32.
        dim: the axis of the draws.

    Returns:
        Mean, standard error (NaN for a single draw) and effective sample size, in the shape without ``dim``
        and the dtype of ``log_ratio``; without gradients.

    Raises:
        TypeError: ``log_ratio`` is no tensor of real floating point.
        ValueError: the axis is empty or does not exist.

    Example:
        >>> r = torch.tensor([0.5, 0.5, 1.0, 2.0])
        >>> mean, error, ess = ratio_mean(r.log())
        >>> print(f"{mean:.4f} {error:.4f} {ess:.4f}")
        1.0000 0.3536 2.9091
    """
    dim = check.axis("log_ratio", log_ratio, dim)
    u = log_ratio.to(compute_dtype(log_ratio))
    n = u.shape[dim]
    top = u.amax(dim, keepdim=True)
    top = torch.where(top.isinf(), 0.0, top)
    r = (u - top).exp()
    ess = r.sum(dim).square() / r.square().sum(dim)
    mean = r.mean(dim) * top.squeeze(dim).exp()
    spread = (n / ess - 1).clamp(min=0.0) / (n - 1) if n > 1 else torch.full_like(ess, math.nan)
    return RatioMean(*(v.to(log_ratio.dtype) for v in (mean, mean * spread.sqrt(), ess)))


@torch.no_grad()
def calibration_gap(
    log_ratio_p: Tensor,
    log_ratio_q: Tensor,
    dim: int = -1,
    *,
    weight_p: Tensor | None = None,
    weight_q: Tensor | None = None,
) -> CalibrationGap:
    r"""How far an estimated log density ratio is from calibrated, in terms that are bounded by the weight.

    .. math:: \mathbb E_p \frac{r\,h}{1+r} - \mathbb E_q \frac h{1+r}

    is 0 for the true ratio r = q/p, for any two laws and any function h of the point, and for bounded h
    each side has a finite variance. Without weights h = 1: positive says that ratios are too large. With
    h = sign(u), the sign of the log ratio, positive says that they are too far from 1: overconfident. Use
    draws that the estimate was not fitted to: on its own data cross entropy with a free bias makes the first
    of them 0.

    Implements :prf:ref:`likelihood-ratio-calibration`, :prf:ref:`likelihood-ratio-bias`.

    Args:
        log_ratio_p: u = log q - log p as estimated, at draws of p; real floating point.
        log_ratio_q: the same at draws of q, which may be of another number; the same dtype.
        dim: the axis of the draws.
        weight_p, weight_q: h at the draws, of the same shapes and dtype; both or none.

    Returns:
        The gap and its standard error, NaN where a sample has one draw only, in the shape without ``dim``
        and the dtype of ``log_ratio_p``; without gradients.

    Raises:
        TypeError: an argument is no tensor of real floating point.
        ValueError: an axis is empty or does not exist, dtypes differ, or shapes without the axis do.

    Example:
        >>> u, v = torch.tensor([-1.0, 0.5, -2.0]), torch.tensor([2.0, 0.0, 1.0])
        >>> gap, error = calibration_gap(u, v)
        >>> print(f"{gap:.4f} ± {error:.4f}")
        0.0408 ± 0.1858
    """
    one = check.axis("log_ratio_p", log_ratio_p, dim)
    other = check.axis("log_ratio_q", log_ratio_q, dim)
    if log_ratio_p.dtype != log_ratio_q.dtype:
        kinds = f"{log_ratio_p.dtype}, got {log_ratio_q.dtype}"
        raise ValueError(f"log_ratio_q must have the dtype of log_ratio_p, {kinds}")
    made = compute_dtype(log_ratio_p)
    a, b = torch.sigmoid(log_ratio_p.to(made)), torch.sigmoid(-log_ratio_q.to(made))
    weights = _weights(weight_p, weight_q, log_ratio_p, log_ratio_q)
    if weights is not None:
        a, b = a * weights[0], b * weights[1]
    a, b = a.movedim(one, -1), b.movedim(other, -1)
    check.shape("log_ratio_q", b[..., 0], a.shape[:-1], "log_ratio_p, both without dim,")
    error = (_squared_error(a) + _squared_error(b)).sqrt()
    gap = a.mean(-1) - b.mean(-1)
    return CalibrationGap(gap.to(log_ratio_p.dtype), error.to(log_ratio_p.dtype))


def _weights(
    weight_p: Tensor | None, weight_q: Tensor | None, log_ratio_p: Tensor, log_ratio_q: Tensor
) -> tuple[Tensor, Tensor] | None:
    for name, value, beside in (("weight_p", weight_p, log_ratio_p), ("weight_q", weight_q, log_ratio_q)):
        if value is not None:
            check.floating(name, value)
            check.shape(name, value, tuple(beside.shape), "log_ratio_" + name[-1])
    if weight_p is not None and weight_q is not None:
        return weight_p, weight_q
    if weight_p is not weight_q:
        raise ValueError("weight_p and weight_q must both be tensors or both None")
    return None


def _squared_error(a: Tensor) -> Tensor:
    n = a.shape[-1]
    if n == 1:
        return torch.full_like(a[..., 0], math.nan)
    return (a - a.mean(-1, keepdim=True)).square().sum(-1) / (n * (n - 1))
