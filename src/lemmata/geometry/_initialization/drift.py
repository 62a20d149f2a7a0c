"""How the typical norm drifts with depth, where the mean norm is kept."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.trigamma import trigamma

__all__ = ["LogNormDrift", "log_norm_drift"]


class LogNormDrift(NamedTuple):
    """What :func:`log_norm_drift` gives."""

    mean: float
    variance: float


def log_norm_drift(width: int, depth: int, *, activation: str = "linear") -> LogNormDrift:
    r"""Mean and variance of :math:`\log(\|h_L\|^2/\|h_0\|^2)` after L layers, where the mean norm is kept.

    The layers are :math:`h_l = W_lh_{l-1}` with Gaussian entries of variance 1/m, or
    :math:`h_l = \operatorname{relu}(W_lh_{l-1})` with variance 2/m, m the width. Then, exactly,

    .. math:: \text{linear:}\quad L\,[\psi(\tfrac m2) + \log\tfrac2m],\quad L\,\psi_1(\tfrac m2);\qquad
              \text{relu:}\quad L\,\mathbb E\,[\psi(\tfrac N2) + \log\tfrac4m],\quad
              L\,\bigl(\mathbb E\,\psi_1(\tfrac N2) + \operatorname{Var}\psi(\tfrac N2)\bigr)

    where N, binomial of m and 1/2, counts the units that fire. That is about -L/m and 2L/m, and -5L/(2m) and
    5L/m: the *typical* norm decays although the mean norm does not.

    With probability :math:`1-(1-2^{-m})^L` some ReLU layer is dead (N = 0) and the norm is 0. The moments are
    of what is left: conditional on :math:`N\ge1` in each layer.

    Implements :prf:ref:`initialization-drift`, :prf:ref:`initialization-relu-drift`.

    Args:
        width: m, the outputs of each layer; at least 1. (For the inputs of the first any number will do.)
        depth: L, at least 0.
        activation: "linear" or "relu".

    Example:
        >>> mean, variance = log_norm_drift(64, 50)
        >>> round(mean, 6), round(variance, 6)
        (-0.785319, 1.587168)
        >>> round(log_norm_drift(64, 50, activation="relu").mean, 6)
        -2.00543
    """
    width, depth = check.at_least("width", width, 1), check.at_least("depth", depth)
    check.choice("activation", activation, ("linear", "relu"))
    if activation == "linear":
        half = torch.tensor(width / 2, dtype=torch.float64)
        mean, variance = _digamma_less_log(half), trigamma(half)
    else:
        mean, variance = _relu_step(width)
    return LogNormDrift(depth * mean.item(), depth * variance.item())


def _relu_step(m: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of log(2 chi2_N / m) for N binomial(m, 1/2) and not 0."""
    reach = 10 * math.isqrt(m) + 10  # 20 standard deviations: beyond is less than 1e-86 of the law
    n = torch.arange(max(1, m // 2 - reach), min(m, m // 2 + reach) + 1, dtype=torch.float64)
    size = torch.tensor(float(m), dtype=torch.float64)
    weight = torch.softmax(-torch.lgamma(n + 1) - torch.lgamma(size - n + 1), 0)
    value = _digamma_less_log(n / 2) + torch.log1p((2 * n - m) / m)
    mean = (weight * value).sum()
    return mean, (weight * (trigamma(n / 2) + (value - mean).square())).sum()


def _digamma_less_log(x: Tensor) -> Tensor:
    """psi(x) - log(x), which is about -1 / (2x), without its cancellation."""
    y = 1 / (x * x)
    series = -0.5 / x - y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y / 240)))
    return torch.where(x < 20, torch.digamma(x) - x.log(), series)
