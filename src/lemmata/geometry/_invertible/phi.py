r"""The function :math:`\varphi(s) = (e^s - 1)/s`, of numbers and of matrices, without lost digits."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.precision import compute_dtype, no_autocast

__all__ = ["phi1"]

SERIES = tuple(1 / math.factorial(2 * j + 1) for j in range(10))  # sinh(h) / h in powers of h^2


def phi1(s: Tensor | float) -> Tensor:
    r"""The mean of :math:`e^{ts}` over t from 0 to 1, which is 1 at 0.

    .. math:: \varphi(s) = \frac{e^s - 1}{s} = e^{s/2}\,\frac{\sinh(s/2)}{s/2}

    Value and slope are right to a few roundings: for small s by the series of the second form, in which
    nothing cancels, for others by ``(exp(s) - 1) / s``. Differentiated, ``expm1(s) / s`` has no digit left
    at 1e-7 (float32), is NaN at 0, and loses digits once more near -17, where ``expm1`` is almost -1.

    Implements :prf:ref:`invertible-phi`.

    Args:
        s: any shape; a number counts as float64. Half types are computed in float32.

    Returns:
        The shape and the dtype of ``s``; inf where :math:`e^s` is, 0 at -inf.

    Raises:
        TypeError: ``s`` is neither a tensor of real floating point nor a number.

    Example:
        >>> phi1(torch.tensor([-1e4, 0.0, 1e-8, 1.0]))
        tensor([1.0000e-04, 1.0000e+00, 1.0000e+00, 1.7183e+00])
    """
    s = check.real("s", s)
    return phi(s.to(compute_dtype(s))).to(s.dtype)


def phi(s: Tensor) -> Tensor:
    """``phi1`` of float64 or float32."""
    near = s.abs() < 2
    over = s > math.log(torch.finfo(s.dtype).max)
    far = torch.where(near | over, 2, s)  # no branch sees a number at which its derivative is NaN
    value = torch.where(near, _series(torch.where(near, s, 0)), (far.exp() - 1) / far)
    return torch.where(over, torch.where(over, s, 1) * math.inf, value)


def finite_phi(s: Tensor, made: torch.dtype) -> Tensor:
    """phi(s), NaN where e^s overflows: infinities would become NaN in some entries and in all gradients."""
    over = s > math.log(torch.finfo(made).max)
    return torch.where(over, math.nan, phi(torch.where(over, 0, s)))


def _series(s: Tensor) -> Tensor:
    """e^(s/2) sinh(s/2) / (s/2) for |s| <= 2."""
    square = (s / 2).square()
    even = torch.full_like(s, SERIES[-1])
    for coefficient in reversed(SERIES[:-1]):
        even = even * square + coefficient
    return (s / 2).exp() * even


def exp_and_phi(a: Tensor) -> tuple[Tensor, Tensor]:
    r"""e^A and the sum of :math:`A^j/(j+1)!` for square matrices in float64, singular or defective ones, too.

    They are blocks of the exponential of ((A, I), (0, 0)), whose rounding errors are those of a change of A
    by a few roundings of its norm, in float64. The identity keeps the norm at 1 or above: for a small matrix
    that is alone torch takes a polynomial that has ten digits only (pytorch#196592).
    """
    r = a.shape[-1]
    if r == 1:
        return a.exp(), finite_phi(a, a.dtype)
    top = torch.cat([a, torch.eye(r, dtype=a.dtype, device=a.device).expand(a.shape)], -1)
    with no_autocast(a):
        whole = torch.linalg.matrix_exp(torch.cat([top, torch.zeros_like(top)], -2))
    return whole[..., :r, :r], whole[..., :r, r:]
