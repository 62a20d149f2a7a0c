"""What a wide ReLU layer does to the angle between two signals."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.numerics.precision import compute_dtype

__all__ = ["relu_correlation"]


def relu_correlation(rho: Tensor | float) -> Tensor:
    r"""The cosine between two signals after a wide random layer and ReLU, from the cosine before it.

    .. math:: \kappa(\rho) = \frac{\sqrt{1-\rho^2} + (\pi-\arccos\rho)\,\rho}\pi,\qquad
              \kappa'(\rho) = \frac{\pi-\arccos\rho}\pi

    1 is its only fixed point, and is approached like :math:`9\pi^2/(2L^2)`: with depth all inputs come to
    point the same way. Nothing cancels near -1, where :math:`\kappa \approx (2+2\rho)^{3/2}/(3\pi)`.

    Implements :prf:ref:`initialization-correlation`.

    Args:
        rho: any shape, or a number, which counts as float64; in [-1, 1], and beyond it the result is NaN, as
            for NaN, so clamp what rounding has put there. The second derivative is infinite at ±1 (in
            forward mode, 0).

    Returns:
        The shape and the dtype of ``rho``.

    Source: Cho and Saul (2009), arc-cosine kernel of degree 1.

    Example:
        >>> relu_correlation(torch.tensor([-1.0, 0.0, 0.5, 1.0]))
        tensor([0.0000, 0.3183, 0.6090, 1.0000])
    """
    rho = check.real("rho", rho)
    x = rho.to(compute_dtype(rho))
    return _torch.apply(_ReluCorrelation, _finite_at_ends, x).to(rho.dtype)


def _finite_at_ends(x: Tensor) -> Tensor:
    """kappa, for forward mode: the slopes of the root and of the angle are infinite at both ends."""
    end = x.abs() == 1
    return torch.where(end, x.clamp(min=0), _kappa(torch.where(end, 0.0, x)))


class _ReluCorrelation(torch.autograd.Function):
    """With the gradient t / pi, finite at both ends, where those of the root and of the angle are not."""

    @staticmethod
    def forward(x):
        return _kappa(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * _supplement(x) / math.pi

    @staticmethod
    def vmap(info, in_dims, x):
        return _ReluCorrelation.apply(x), in_dims[0]


def _supplement(rho: Tensor) -> Tensor:
    """t = pi - arccos(rho), to full relative accuracy; NaN outside of [-1, 1]."""
    return 2 * torch.atan2((1 + rho).sqrt(), (1 - rho).sqrt())


def _kappa(rho: Tensor) -> Tensor:
    """(sin t - t cos t) / pi; by its series where t is small."""
    t = _supplement(rho)
    y = t * t
    series = torch.zeros_like(t)
    for k in range(9, 0, -1):
        series = 2 * k / math.factorial(2 * k + 1) - y * series
    return torch.where(t < 1, t * y * series, ((1 - rho) * (1 + rho)).sqrt() + t * rho) / math.pi
