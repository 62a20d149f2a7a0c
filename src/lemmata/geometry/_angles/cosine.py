"""The law of the cosine of the angle between two random directions: density, tail and its bound, moments."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.geometry._angles.quadrature import constant, cumulative, folded
from lemmata.numerics.precision import compute_dtype

__all__ = ["cosine_moment", "cosine_pdf", "cosine_tail", "cosine_tail_bound"]


def cosine_pdf(eta: Tensor | float, n: int) -> Tensor:
    r"""Density of the cosine of the angle between two random directions.

    .. math:: p(\eta) = \frac{\Gamma(n/2)}{\sqrt\pi\,\Gamma((n-1)/2)}\,(1-\eta^2)^{(n-3)/2},
              \qquad -1 \le \eta \le 1

    For n = 2 it is infinite at both ends, where its derivative is NaN; for n = 3 it is one half throughout.

    Implements :prf:ref:`angles-density`.

    Args:
        eta: cosines, any shape, of the types that :func:`angle_pdf` takes. Outside of [-1, 1] the density
            is 0; NaN gives NaN.
        n: the dimension, an int of at least 2.

    Returns:
        The shape and the dtype of ``eta``.

    Raises:
        TypeError: ``eta`` is neither a tensor of these types nor a number, or n is not an int.
        ValueError: n is below 2.

    Example:
        >>> cosine_pdf(torch.tensor([-0.5, 0.0, 0.9]), 3)
        tensor([0.5000, 0.5000, 0.5000])
    """
    eta = check.real("eta", eta)
    n = check.at_least("n", n, 2)
    wide = eta.to(compute_dtype(eta))
    inside = wide.abs() <= 1
    density = constant(n) * _one_minus_square(torch.where(inside, wide, 0), (n - 3) / 2)
    return torch.where(wide.isnan(), math.nan, torch.where(inside, density, 0)).to(eta.dtype)


def _one_minus_square(t: Tensor, power: float) -> Tensor:
    """(1 - t^2)^power for |t| <= 1: a logarithm where the base is near 1, a product where it is near 0."""
    near = t.square() < 0.5
    central = torch.log1p(-torch.where(near, t, 0).square()).mul(power).exp()
    outer = torch.where(near, 0, t)
    base = 1 - outer.square()  # for the derivative: that of the product would be inf * 0 at the ends
    base = base + ((1 - outer) * (1 + outer) - base).detach()
    return torch.where(near, central, base**power)


def cosine_tail(eps: Tensor | float, n: int) -> Tensor:
    r"""Probability that the cosine is at least ``eps``.

    .. math:: P(\eta \ge \varepsilon) = \tfrac12 I_{1-\varepsilon^2}\bigl(\tfrac{n-1}2, \tfrac12\bigr)
              \quad\text{for } \varepsilon \ge 0

    Computed as :func:`angle_cdf` is, with the same relative accuracy. The derivative is minus
    :func:`cosine_pdf`.

    Implements :prf:ref:`angles-beta`.

    Args:
        eps: any shape, of the types that :func:`angle_pdf` takes. Below -1 the result is 1, above 1 it is 0.
        n: the dimension, an int of at least 2.

    Returns:
        The shape and the dtype of ``eps``.

    Raises:
        TypeError: ``eps`` is neither a tensor of these types nor a number, or n is not an int.
        ValueError: n is below 2.

    Example:
        >>> cosine_tail(torch.tensor([0.0, 0.1, 0.3]), 100)
        tensor([0.5000, 0.1599, 0.0012])
    """
    eps = check.real("eps", eps)
    n = check.at_least("n", n, 2)
    return cumulative(eps, n, _cosine_tail, cosine_pdf, -1)


def _cosine_tail(eps: Tensor, n: int) -> Tensor:
    wide = eps.to(compute_dtype(eps)).clamp(-1, 1)
    c = torch.where(wide < 0, -wide, wide)  # abs() has the derivative 0 at 0
    s = ((1 - c) * (1 + c)).sqrt()
    lower = folded(torch.atan2(s, c), s, c, n)
    return torch.where(wide < 0, 1 - lower, lower) + (wide - wide)


def cosine_tail_bound(eps: Tensor | float, n: int) -> Tensor:
    r"""An upper bound of :func:`cosine_tail` that is exact at 0 and at 1.

    .. math:: P(\eta \ge \varepsilon) \le \tfrac12 (1-\varepsilon^2)^{(n-1)/2}
              \le \tfrac12 e^{-(n-1)\varepsilon^2/2}

    Implements :prf:ref:`angles-tail`.

    Args:
        eps: as in :func:`cosine_tail`. Below 0 the bound is 1, above 1 it is 0.
        n: the dimension, an int of at least 2.

    Returns:
        The shape and the dtype of ``eps``.

    Raises:
        TypeError: ``eps`` is neither a tensor of these types nor a number, or n is not an int.
        ValueError: n is below 2.

    Example:
        >>> cosine_tail_bound(torch.tensor([0.0, 0.1, 0.3]), 100)
        tensor([0.5000, 0.3040, 0.0047])
    """
    eps = check.real("eps", eps)
    n = check.at_least("n", n, 2)
    wide = eps.to(compute_dtype(eps))
    inside = (wide >= 0) & (wide <= 1)
    bound = _one_minus_square(torch.where(inside, wide, 0), (n - 1) / 2) / 2
    bound = torch.where(inside, bound, (wide < 0).to(wide.dtype))
    return torch.where(wide.isnan(), math.nan, bound).to(eps.dtype)


def cosine_moment(order: int, n: int) -> float:
    r"""Moment of the cosine of the angle between two random directions.

    .. math:: \mathbb E\,\eta^{2r} = \frac{1\cdot3\cdots(2r-1)}{n(n+2)\cdots(n+2r-2)},
              \qquad \mathbb E\,\eta^{2r+1} = 0

    Implements :prf:ref:`angles-moments`.

    Args:
        order: of the moment, an int of at least 0; the time grows with it.
        n: the dimension, an int of at least 1.

    Raises:
        TypeError: n or ``order`` is not an int.
        ValueError: n is below 1, or ``order`` negative.

    Example:
        >>> cosine_moment(2, 10), cosine_moment(4, 10), cosine_moment(3, 10)
        (0.1, 0.025, 0.0)
    """
    order = check.at_least("order", order)
    n = check.at_least("n", n, 1)
    if order % 2:
        return 0.0
    return math.prod((j + 1) / (n + j) for j in range(0, order, 2))
