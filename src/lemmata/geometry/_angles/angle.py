"""The law of the angle between two random directions."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.geometry._angles.quadrature import HALF_PI, constant, cumulative, folded, log_cdf
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.trigamma import trigamma

__all__ = ["angle_cdf", "angle_pdf", "angle_quantile", "angle_variance"]


def angle_pdf(theta: Tensor | float, n: int) -> Tensor:
    r"""Density of the angle between two random directions.

    .. math:: p(\theta) = \frac{\Gamma(n/2)}{\sqrt\pi\,\Gamma((n-1)/2)}\,\sin^{n-2}\theta,
              \qquad 0 \le \theta \le \pi

    The relative error is a few roundings of the exponent :math:`(n-2)\log\sin\theta`, for any n.

    Implements :prf:ref:`angles-density`.

    Args:
        theta: angles in radians, any shape; float64, float32, bfloat16 or float16 (half types are computed in
            float32), or a number, which counts as float64. Outside of [0, pi] the density is 0; NaN gives
            NaN.
        n: the dimension, an int of at least 2. One dimension has the two angles 0 and pi, and no density.

    Returns:
        The shape and the dtype of ``theta``.

    Raises:
        TypeError: ``theta`` is neither a tensor of these types nor a number, or n is not an int.
        ValueError: n is below 2.

    Example:
        >>> angle_pdf(torch.tensor([0.0, 0.5, 1.5708]), 3)
        tensor([0.0000, 0.2397, 0.5000])
    """
    theta = check.real("theta", theta)
    n = check.at_least("n", n, 2)
    wide = theta.to(compute_dtype(theta))
    inside = (wide >= 0) & (wide <= math.pi)
    angle = torch.where(inside, wide, 0)
    s, c = angle.sin().clamp(min=0), angle.cos()  # float32 has a pi whose sine is negative
    density = constant(n) * _power(s, c, n - 2)
    return torch.where(wide.isnan(), math.nan, torch.where(inside, density, 0)).to(theta.dtype)


def _power(s: Tensor, c: Tensor, m: int) -> Tensor:
    """s^m for a sine s and its cosine c; near s = 1 by the cosine, for a rounding of s counts m times."""
    near = c.square() < 0.5
    central = torch.log1p(-torch.where(near, c, 0).square()).mul(m / 2).exp()
    return torch.where(near, central, torch.where(near, 1, s) ** m)


def angle_cdf(theta: Tensor | float, n: int) -> Tensor:
    r"""Probability that the angle is at most ``theta``.

    .. math:: P(\Theta \le \theta) = \int_0^\theta p
              = \tfrac12 I_{\sin^2\theta}\bigl(\tfrac{n-1}2, \tfrac12\bigr)
              \quad\text{for } \theta \le \tfrac\pi2

    By Gauss-Legendre quadrature on the stretch that counts, whose length adapts to n and theta: the relative
    error is a few roundings of the logarithm of the result, far in the left tail, too. The derivative
    is :func:`angle_pdf`.

    Implements :prf:ref:`angles-beta`.

    Args:
        theta: as in :func:`angle_pdf`. Below 0 the result is 0, above pi it is 1.
        n: the dimension, an int of at least 2.

    Returns:
        The shape and the dtype of ``theta``.

    Raises:
        TypeError: ``theta`` is neither a tensor of these types nor a number, or n is not an int.
        ValueError: n is below 2.

    Example:
        >>> angle_cdf(torch.tensor([0.5, 1.0, 2.0]), 100)
        tensor([1.1190e-33, 2.7438e-09, 9.9999e-01])
    """
    theta = check.real("theta", theta)
    n = check.at_least("n", n, 2)
    return cumulative(theta, n, _angle_cdf, angle_pdf, 1)


def _angle_cdf(theta: Tensor, n: int) -> Tensor:
    wide = theta.to(compute_dtype(theta)).clamp(0, math.pi)
    right = wide > HALF_PI
    angle = torch.where(right, math.pi - wide, wide)
    lower = folded(angle, angle.sin(), angle.cos(), n)
    return torch.where(right, 1 - lower, lower) + (wide - wide)  # NaN stays


def angle_quantile(q: Tensor | float, n: int) -> Tensor:
    r"""The angle below which the probability is ``q``: the inverse of :func:`angle_cdf`.

    Newton's method for :math:`\log P` as a function of :math:`\log\theta`, which is concave, so that no start
    can fail. For q above one half by symmetry, :math:`\pi` minus the quantile of 1 - q.

    Implements :prf:ref:`angles-quantile`.

    Args:
        q: probabilities, any shape, of the types that :func:`angle_pdf` takes. 0 gives 0 and 1 gives pi;
            outside of [0, 1] the result is NaN.
        n: the dimension, an int of at least 2.

    Returns:
        The shape and the dtype of ``q``. The derivative is 1 over the density. At 0 and 1 it is infinite for
        n > 2, and so is the second, which is negative at 0 and positive at 1.

    Raises:
        TypeError: ``q`` is neither a tensor of these types nor a number, or n is not an int.
        ValueError: n is below 2.

    Example:
        >>> angle_quantile(torch.tensor([0.025, 0.5, 0.975]), 1000)
        tensor([1.5088, 1.5708, 1.6328])
    """
    q = check.real("q", q)
    n = check.at_least("n", n, 2)
    return _torch.apply(_Quantile, _quantile, q, n)


STEPS = 14  # Newton needs at most 10 from n = 2 to 10^9 and q from 1e-300 to 1/2


def _quantile(q: Tensor, n: int) -> Tensor:
    wide = q.to(compute_dtype(q))
    valid = (wide > 0) & (wide < 1)
    safe = torch.where(valid, wide, 0.5)
    lower = torch.where(safe > 0.5, 1 - safe, safe)
    theta = torch.full_like(lower, HALF_PI)
    for _ in range(STEPS):
        log_p, slope = log_cdf(theta, theta.sin(), theta.cos(), n)
        theta = theta * torch.exp((lower.log() - log_p) / slope)
    theta = torch.where(safe > 0.5, math.pi - theta, theta)
    return torch.where(valid, theta, _end(wide, n)).to(q.dtype)


def _end(q: Tensor, n: int) -> Tensor:
    """0 and pi at 0 and 1, with the derivatives of the quantile for forward mode; NaN elsewhere."""
    root = 1 / (n - 1)
    high = math.pi - math.pi * (1 - q) ** root
    return torch.where(q == 0, math.pi * q**root, torch.where(q == 1, high, math.nan))


class _Quantile(torch.autograd.Function):
    """The inverse of the distribution function; keeps its value and nothing else."""

    @staticmethod
    def forward(q, n):
        return _quantile(q, n)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.n = inputs[1]
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad):
        (theta,) = ctx.saved_tensors
        return grad * _slope(theta, ctx.n), None

    @staticmethod
    def vmap(info, in_dims, q, n):
        return _Quantile.apply(q, n), in_dims[0]


def _slope(theta: Tensor, n: int) -> Tensor:
    """1 over the density. Its derivative at 0 and pi, where no sine may be negative, is infinite, too."""
    wide = theta.to(compute_dtype(theta))
    s, c = wide.sin(), wide.cos()
    positive = torch.where((theta <= 0) | (theta >= torch.full_like(theta, math.pi)), 0, s)
    return (_power(s + (positive - s).detach(), c, 2 - n) / constant(n)).to(theta.dtype)


def angle_variance(n: int) -> float:
    r"""Variance of the angle between two random directions; its mean is :math:`\pi/2`.

    .. math:: \operatorname{Var}\theta = \tfrac12\psi_1\bigl(\tfrac n2\bigr)
              = \frac1n + \frac1{n^2} + \frac2{3n^3} + \dots

    The trigamma function is taken as the Hurwitz zeta function of 2, which torch has to the last digits
    (``torch.special.polygamma(1, x)`` has nine).

    Implements :prf:ref:`angles-variance`.

    Args:
        n: the dimension, an int of at least 1.

    Raises:
        TypeError: n is not an int.
        ValueError: n is below 1.

    Example:
        >>> round(angle_variance(3), 12), round(angle_variance(1000), 12)
        (0.467401100272, 0.001001000667)
    """
    n = check.at_least("n", n, 1)
    return trigamma(torch.tensor(n / 2, dtype=torch.float64)).item() / 2
