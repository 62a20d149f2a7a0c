"""The correlation of two samples, and its unbiased form for normal ones."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.estimation._bias.sample import sample_of
from lemmata.numerics.centring import centred
from lemmata.numerics.precision import compute_dtype

__all__ = ["pearson_correlation"]


def pearson_correlation(x: Tensor, y: Tensor, *, dim: int = -1, unbiased: bool = False) -> Tensor:
    r"""Pearson's correlation, and the unbiased estimator of Olkin and Pratt for normal samples.

    .. math:: r = \frac{\sum_i(x_i-\bar x)(y_i-\bar y)}
                       {\sqrt{\sum_i(x_i-\bar x)^2\sum_i(y_i-\bar y)^2}},\qquad
              G = r\;{}_2F_1\bigl(\tfrac12,\tfrac12;\tfrac{n-2}2;1-r^2\bigr)

    For normal samples r is too small in size by about :math:`\rho(1-\rho^2)/2n`, and
    :math:`\mathbb E\,G=\rho`. :math:`|r|\le|G|\le1`.

    Implements :prf:ref:`bias-correlation`.

    Args:
        x: data ``(..., n, ...)``.
        y: in the shape of ``x``.
        dim: the axis of the sample, which goes. Where x or y is constant (so, where n = 1): NaN.
        unbiased: G in place of r; needs n of at least 4 (ValueError). Computed in float64.

    Returns:
        In [-1, 1], in the dtype that x and y promote to.

    Source: Olkin and Pratt, "Unbiased estimation of certain correlation coefficients" (1958).

    Example:
        >>> x, y = torch.tensor([1.0, 2.0, 3.0, 6.0]), torch.tensor([1.0, 3.0, 2.0, 4.0])
        >>> pearson_correlation(x, y), pearson_correlation(x, y, unbiased=True)
        (tensor(0.8367), tensor(0.9129))
    """
    axis, n = sample_of(x, dim, 4 if unbiased else 1)
    check.floating("y", y)
    check.shape("y", y, x.shape, "x")
    made = compute_dtype(x, y)
    r = (_unit(x.to(made), axis) * _unit(y.to(made), axis)).sum(axis).clamp(-1, 1)
    return (_olkin_pratt(r.double(), n) if unbiased else r).to(torch.promote_types(x.dtype, y.dtype))


def _unit(x: Tensor, axis: int) -> Tensor:
    """The deviations from the mean, as a vector of length 1; NaN where they are all 0."""
    _, _, d = centred(x, (axis,))
    d = d / d.abs().amax(axis, keepdim=True).detach()  # squares neither overflow nor vanish
    return d / d.square().sum(axis, keepdim=True).sqrt()


def _olkin_pratt(r: Tensor, n: int) -> Tensor:
    r"""G by Euler's integral: the mean of r / sqrt(r^2 + (1 - r^2) V) where V has the law Beta((n-3)/2, 1/2).

    With V = 1/cosh(s)^2 the density is cosh(s)^(3-n), smooth on the whole line, and midpoints converge
    geometrically. All terms have one sign, so the relative error is that of rounding: below 1e-14.
    """
    step = 2 / 3 / math.sqrt(n + 6)
    reach = 40 / max(n - 4, 0.5)  # log of cosh(s), from where on the rest is below e^-40 for every r
    points = math.ceil((reach + math.log1p(math.sqrt(-math.expm1(-2 * reach)))) / step)  # arcosh of e^reach
    s = (torch.arange(points, dtype=torch.float64, device=r.device) + 0.5) * step
    weight = torch.softmax((3 - n) * s.cosh().log(), 0)
    square = r.square().unsqueeze(-1)
    return (weight * r.unsqueeze(-1) / (square + (1 - square) / s.cosh().square()).sqrt()).sum(-1)
