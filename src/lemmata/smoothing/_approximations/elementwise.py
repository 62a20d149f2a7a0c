"""Functions of one number, made smooth: the step, the sign, and rounding with its inverse."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.infinite import constant, switch, times
from lemmata.smoothing._approximations.limits import as_elements, in_range, sigmoid

__all__ = ["smooth_sign", "smooth_step", "soft_round", "soft_round_inverse"]


def smooth_step(x: Tensor, *, sharpness: float | Tensor) -> Tensor:
    r"""The step from 0 to 1, made smooth: :math:`\sigma(Kx)`.

    Implements :prf:ref:`approximations-step`.

    Args:
        x: any shape; ``-inf`` and ``inf`` give 0 and 1 with gradient 0.
        sharpness: :math:`K`, in (0, inf]; ``inf`` gives 0, 1/2 at :math:`x = 0`, and 1. A tensor
            broadcasts to the shape of ``x``, and gets its gradient.

    Returns:
        The shape and the dtype of ``x``; in [0, 1].

    Raises:
        TypeError: ``x`` not floating point, ``sharpness`` neither a number nor such a tensor.
        ValueError: ``sharpness`` not positive.

    Example:
        >>> smooth_step(torch.tensor([-1.0, 0.0, 1.0]), sharpness=3.0)
        tensor([0.0474, 0.5000, 0.9526])
    """
    z = as_elements(x)
    return switch(
        in_range(sharpness, z, z.shape),
        math.inf,
        lambda: constant((1 + torch.sign(z)) / 2, z),
        lambda K: sigmoid(times(K, z)),
    ).to(x.dtype)


def smooth_sign(x: Tensor, *, sharpness: float | Tensor) -> Tensor:
    r"""The sign, made smooth: :math:`\tanh(Kx/2)`, which is twice :func:`smooth_step` minus 1.

    Implements :prf:ref:`approximations-step`.

    Args:
        x: any shape; ``-inf`` and ``inf`` give -1 and 1 with gradient 0.
        sharpness: :math:`K`, in (0, inf]; ``inf`` gives the sign, 0 at 0. A tensor broadcasts to the
            shape of ``x``, and gets its gradient.

    Returns:
        The shape and the dtype of ``x``; in [-1, 1].

    Raises:
        TypeError: ``x`` not floating point, ``sharpness`` neither a number nor such a tensor.
        ValueError: ``sharpness`` not positive.

    Example:
        >>> smooth_sign(torch.tensor([-1.0, 0.0, 1.0]), sharpness=3.0)
        tensor([-0.9051,  0.0000,  0.9051])
    """
    z = as_elements(x)
    K = in_range(sharpness, z, z.shape)
    return switch(K, math.inf, lambda: constant(torch.sign(z), z), lambda K: _tanh_half(K, z)).to(x.dtype)


def soft_round(x: Tensor, *, sharpness: float | Tensor) -> Tensor:
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
            takes halves to the even neighbour (a finite sharpness leaves them where they are). A tensor
            broadcasts to the shape of ``x``, and gets its gradient.

    Returns:
        The shape and the dtype of ``x``.

    Raises:
        TypeError: ``x`` not floating point, ``sharpness`` neither a number nor such a tensor.
        ValueError: ``sharpness`` not positive.

    Source: Agustsson and Theis, "Universally Quantized Neural Compression", arXiv:2006.09952 (2020).

    Example:
        >>> soft_round(torch.tensor([1.0, 1.3, 1.5, 1.7]), sharpness=5.0)
        tensor([1.0000, 1.1140, 1.5000, 1.8860])
    """
    z = as_elements(x)
    whole, m, negative = _nearest(z)

    def soft(a: float | Tensor) -> Tensor:
        part = _below(GENTLE, a, lambda a: _gently_rounded(m, a), lambda a: _rounded(m, a))
        return whole + torch.where(negative, -part, part)

    return switch(in_range(sharpness, z, z.shape), math.inf, lambda: torch.round(z), soft).to(x.dtype)


def soft_round_inverse(y: Tensor, *, sharpness: float | Tensor) -> Tensor:
    r"""The inverse of :func:`soft_round`.

    With :math:`v` the distance of :math:`y` to the nearest integer, that of the result is

    .. math:: \frac1{2a}\Bigl(\log\bigl(1+v(e^a-1)\bigr)-\log\bigl(1-v(1-e^{-a})\bigr)\Bigr),

    two terms of one sign. Where :math:`e^a` overflows, :math:`a` is taken out of the first logarithm.

    Implements :prf:ref:`approximations-soft-round`.

    Args:
        y: any shape; infinite entries stay, with gradient 0. The slope at integers is :math:`\sinh(a)/a`;
            where that overflows it is a number near the largest of the dtype.
        sharpness: :math:`a`, positive and finite: hard rounding has no inverse. A tensor broadcasts to the
            shape of ``y``, and gets its gradient.

    Returns:
        The shape and the dtype of ``y``.

    Raises:
        TypeError: ``y`` not floating point, ``sharpness`` neither a number nor such a tensor.
        ValueError: ``sharpness`` not positive or not finite.

    Source: Agustsson and Theis, arXiv:2006.09952 (2020).

    Example:
        >>> soft_round_inverse(torch.tensor([1.0, 1.1140365, 1.5]), sharpness=5.0)
        tensor([1.0000, 1.3000, 1.5000])
    """
    z = as_elements(y, "y")
    info = torch.finfo(z.dtype)
    a = check.scale("sharpness", sharpness)
    if isinstance(a, Tensor):
        endless = readable(a) and bool(a.isinf().any())
        a = torch.where((a > 0) & (a < math.inf), check.broadcast("sharpness", a, z.shape), math.nan)
        a = a.to(z.dtype).clamp(max=info.max)
    else:
        endless = a == math.inf
    if endless:
        raise ValueError("sharpness must be finite: hard rounding has no inverse; got inf")
    whole, v, negative = _nearest(z)
    m = _below(GENTLE, a, lambda a: _gently_unrounded(v, a), lambda a: _unrounded(v, a))
    return (whole + torch.where(negative, -m, m)).to(y.dtype)


# --------------------------------------------------------------------------- the parts of a row


GENTLE = 0.25  # below it, rounding and its inverse are power series in the sharpness, with slopes in it
SINHC = [1 / math.factorial(2 * k + 1) for k in range(6)]  # sinh z / z in powers of z^2, enough for GENTLE
ATANHC = [1 / (2 * k + 1) for k in range(9)]  # atanh z / z, likewise


def _tanh_half(K: float | Tensor, x: Tensor) -> Tensor:
    """tanh(Kx / 2)."""
    size, negative = _distance(x)
    z = times(K, size)
    # the slope of tanh, 1 - tanh^2, loses its digits in the tail
    part = torch.where(z < 1, torch.tanh(z / 2), 1 - 2 * torch.sigmoid(-z))
    return torch.where(negative, -part, part)


def _rounded(m: Tensor, a: Any) -> Tensor:
    """Of a distance m to the nearest integer."""
    return torch.expm1(-a * (2 * m)) / _expm1(-a) * torch.sigmoid(a * (2 * m - 1))


def _gently_rounded(m: Tensor, a: Any) -> Tensor:
    """The same as sinh(am) / (2 sinh(a/2) cosh(a/2 - am))."""
    return m * _even(SINHC, a * m) / (_even(SINHC, a / 2) * torch.cosh(a * (0.5 - m)))


def _unrounded(v: Tensor, a: Any) -> Tensor:
    """The distance that becomes v."""
    top = torch.finfo(v.dtype).max

    def steeply(a: Any) -> Tensor:
        inside = torch.where(v > 0, v, 0.5)
        m = 0.5 + (torch.log(inside + _exp(-a)) - torch.log1p(-inside)) / a / 2
        return torch.where(v > 0, m, v * top)

    def usual(a: Any) -> Tensor:
        return (torch.log1p(v * _expm1(a)) - torch.log1p(v * _expm1(-a))) / (2 * a)

    return _below(math.log(top), a, usual, steeply)


def _gently_unrounded(v: Tensor, a: Any) -> Tensor:
    """The same as atanh(z) / a with z = v sinh a / (1 + 2v sinh(a/2)^2)."""
    ratio = v * _even(SINHC, a) / (1 + 2 * v * (a / 2 * _even(SINHC, a / 2)) ** 2)  # z / a
    return ratio * _even(ATANHC, a * ratio)


def _below(limit: float, a: Any, small: Callable[[Any], Tensor], large: Callable[[Any], Tensor]) -> Tensor:
    """small(a) where a is below the limit, else large(a); of a tensor, each entry for itself."""
    if not isinstance(a, Tensor):
        return small(a) if a < limit else large(a)
    low = a < limit
    return torch.where(low, small(torch.where(low, a, 0.5 * limit)), large(torch.where(low, limit, a)))


def _even(coefficients: list[float], z: Any) -> Any:
    """The power series in z^2."""
    value, square = coefficients[-1], z * z
    for c in coefficients[-2::-1]:
        value = c + square * value
    return value


def _exp(a: Any) -> Any:
    return torch.exp(a) if isinstance(a, Tensor) else math.exp(a)


def _expm1(a: Any) -> Any:
    return torch.expm1(a) if isinstance(a, Tensor) else math.expm1(a)


def _nearest(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The nearest integer, the distance to it (0 from infinity), and whether x lies below it."""
    whole = torch.round(x)
    return whole, *_distance(torch.where(x.isinf(), 0.0, x - whole))


def _distance(u: Tensor) -> tuple[Tensor, Tensor]:
    """|u|, with slope 1 at 0 (that of abs is 0 there), and whether u is negative."""
    negative = u < 0
    return torch.where(negative, -u, u), negative
