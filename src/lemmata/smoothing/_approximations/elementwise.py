"""Functions of one number, made smooth: the step, the sign, and rounding with its inverse."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.smoothing._approximations.limits import as_elements, constant, in_range, sigmoid

__all__ = ["smooth_sign", "smooth_step", "soft_round", "soft_round_inverse"]


def smooth_step(x: Tensor, *, sharpness: float) -> Tensor:
    r"""The step from 0 to 1, made smooth: :math:`\sigma(Kx)`.

    Implements :prf:ref:`approximations-step`.

    Args:
        x: any shape; ``-inf`` and ``inf`` give 0 and 1 with gradient 0.
        sharpness: :math:`K`, in (0, inf]; ``inf`` gives 0, 1/2 at :math:`x = 0`, and 1.

    Returns:
        The shape and the dtype of ``x``; in [0, 1].

    Raises:
        TypeError: ``x`` not floating point, ``sharpness`` not a number.
        ValueError: ``sharpness`` not positive.

    Example:
        >>> smooth_step(torch.tensor([-1.0, 0.0, 1.0]), sharpness=3.0)
        tensor([0.0474, 0.5000, 0.9526])
    """
    z = as_elements(x)
    sharpness = in_range(sharpness, z)
    hard = sharpness == math.inf
    return (constant((1 + torch.sign(z)) / 2, z) if hard else sigmoid(sharpness * z)).to(x.dtype)


def smooth_sign(x: Tensor, *, sharpness: float) -> Tensor:
    r"""The sign, made smooth: :math:`\tanh(Kx/2)`, which is twice :func:`smooth_step` minus 1.

    Implements :prf:ref:`approximations-step`.

    Args:
        x: any shape; ``-inf`` and ``inf`` give -1 and 1 with gradient 0.
        sharpness: :math:`K`, in (0, inf]; ``inf`` gives the sign, 0 at 0.

    Returns:
        The shape and the dtype of ``x``; in [-1, 1].

    Raises:
        TypeError: ``x`` not floating point, ``sharpness`` not a number.
        ValueError: ``sharpness`` not positive.

    Example:
        >>> smooth_sign(torch.tensor([-1.0, 0.0, 1.0]), sharpness=3.0)
        tensor([-0.9051,  0.0000,  0.9051])
    """
    z = as_elements(x)
    sharpness = in_range(sharpness, z)
    if sharpness == math.inf:
        return constant(torch.sign(z), z).to(x.dtype)
    size, negative = _distance(z)
    z = sharpness * size
    # the slope of tanh, 1 - tanh^2, loses its digits in the tail
    part = torch.where(z < 1, torch.tanh(z / 2), 1 - 2 * torch.sigmoid(-z))
    return torch.where(negative, -part, part).to(x.dtype)


def soft_round(x: Tensor, *, sharpness: float) -> Tensor:
    r"""Rounding, made smooth: strictly increasing, continuously differentiable, exact at integers and halves.

    .. math:: R_a(x) = \lfloor x\rfloor + \frac12 + \frac{\tanh(ar)}{2\tanh(a/2)},
              \qquad r = x - \lfloor x\rfloor - \frac12

    Computed from the distance :math:`u` to the nearest integer, as
    :math:`\pm\frac{1-e^{-2a|u|}}{1-e^{-a}}\,\sigma(a(2|u|-1))`: nothing cancels, so small numbers keep their
    digits. The slope at integers is :math:`a/\sinh a` from both sides.

    Implements :prf:ref:`approximations-soft-round`.

    Args:
        x: any shape; infinite entries stay, with gradient 0.
        sharpness: :math:`a`, in (0, inf]. The identity as it goes to 0; ``inf`` is :func:`torch.round`, which
            takes halves to the even neighbour (a finite sharpness leaves them where they are).

    Returns:
        The shape and the dtype of ``x``.

    Raises:
        TypeError: ``x`` not floating point, ``sharpness`` not a number.
        ValueError: ``sharpness`` not positive.

    Source: Agustsson and Theis, "Universally Quantized Neural Compression", arXiv:2006.09952 (2020).

    Example:
        >>> soft_round(torch.tensor([1.0, 1.3, 1.5, 1.7]), sharpness=5.0)
        tensor([1.0000, 1.1140, 1.5000, 1.8860])
    """
    z = as_elements(x)
    a = max(in_range(sharpness, z), torch.finfo(z.dtype).eps)  # below it: the identity, up to rounding
    if a == math.inf:
        return torch.round(z).to(x.dtype)
    whole, m, negative = _nearest(z)
    part = torch.expm1(-a * (2 * m)) / math.expm1(-a) * torch.sigmoid(a * (2 * m - 1))
    return (whole + torch.where(negative, -part, part)).to(x.dtype)


def soft_round_inverse(y: Tensor, *, sharpness: float) -> Tensor:
    r"""The inverse of :func:`soft_round`.

    With :math:`v` the distance of :math:`y` to the nearest integer, that of the result is

    .. math:: \frac1{2a}\Bigl(\log\bigl(1+v(e^a-1)\bigr)-\log\bigl(1-v(1-e^{-a})\bigr)\Bigr),

    two terms of one sign. Where :math:`e^a` overflows, :math:`a` is taken out of the first logarithm.

    Implements :prf:ref:`approximations-soft-round`.

    Args:
        y: any shape; infinite entries stay, with gradient 0. The slope at integers is :math:`\sinh(a)/a`;
            where that overflows it is a number near the largest of the dtype.
        sharpness: :math:`a`, positive and finite: hard rounding has no inverse.

    Returns:
        The shape and the dtype of ``y``.

    Raises:
        TypeError: ``y`` not floating point, ``sharpness`` not a number.
        ValueError: ``sharpness`` not positive or not finite.

    Source: Agustsson and Theis, arXiv:2006.09952 (2020).

    Example:
        >>> soft_round_inverse(torch.tensor([1.0, 1.1140365, 1.5]), sharpness=5.0)
        tensor([1.0000, 1.3000, 1.5000])
    """
    z = as_elements(y, "y")
    sharpness = check.positive("sharpness", sharpness)
    if sharpness == math.inf:
        raise ValueError("sharpness must be finite: hard rounding has no inverse; got inf")
    info = torch.finfo(z.dtype)
    a = max(sharpness, info.eps)  # below it: the identity, up to rounding
    whole, v, negative = _nearest(z)
    if a < math.log(info.max):
        m = (torch.log1p(v * math.expm1(a)) - torch.log1p(v * math.expm1(-a))) / (2 * a)
    else:
        inside = torch.where(v > 0, v, 0.5)
        m = 0.5 + (torch.log(inside + math.exp(-a)) - torch.log1p(-inside)) / (2 * a)
        m = torch.where(v > 0, m, v * info.max)
    return (whole + torch.where(negative, -m, m)).to(y.dtype)


def _nearest(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The nearest integer, the distance to it (0 from infinity), and whether x lies below it."""
    whole = torch.round(x)
    return whole, *_distance(torch.where(x.isinf(), 0.0, x - whole))


def _distance(u: Tensor) -> tuple[Tensor, Tensor]:
    """|u|, with slope 1 at 0 (that of abs is 0 there), and whether u is negative."""
    negative = u < 0
    return torch.where(negative, -u, u), negative
