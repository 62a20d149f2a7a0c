"""Smooth absolute values."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.infinite import switch
from lemmata.smoothing._smooth_maximum.settings import as_sharpness, sum_dtype

__all__ = ["smooth_abs"]

FAR = 2.0**28  # where |kx| is beyond it, every kind of smooth_abs is |x| to the last digit


def smooth_abs(x: Tensor, *, sharpness: float | Tensor, kind: str = "logcosh") -> Tensor:
    r"""A smooth :math:`|x|`, elementwise; the five kinds differ in where and how far they are off.

    ============== ======================================= ============ =================== =================
    kind           :math:`f(x)`                            :math:`f(0)` :math:`f''(0)`      largest error
    ============== ======================================= ============ =================== =================
    ``"logcosh"``  :math:`\frac1k\log(e^{kx}+e^{-kx})`     log 2 / k    k                   + log 2 / k
    ``"sqrt"``     :math:`\sqrt{x^2+1/k^2}`                1 / k        k                   + 1 / k
    ``"softplus"`` :math:`\frac2k\log(1+e^{kx})-x`         2 log 2 / k  k / 2               + 2 log 2 / k
    ``"tanh"``     :math:`x\tanh kx`                       0            2 k                 - 0.278465 / k
    ``"erf"``      :math:`x\,\mathrm{erf}\,kx`             0            :math:`4k/\sqrt\pi` - 0.240376 / k
    ============== ======================================= ============ =================== =================

    The first three over-estimate, and most at 0; the last two under-estimate, and most at
    :math:`x = \pm0.639232/k` and :math:`\pm0.531597/k`. The constant of ``"tanh"`` is :math:`W(1/e)`, that of
    :func:`boltzmann_maximum` for two entries, for :math:`x\tanh kx` is the Boltzmann maximum of x and -x.

    Implements :prf:ref:`smooth-maximum-abs`.

    Args:
        x: any shape. ``-inf`` and ``inf`` give ``inf``, with gradient -1 and 1.
        sharpness: :math:`k`, in (0, inf]; inf gives :math:`|x|`, with gradient 0 at 0. A number, or a tensor
            that broadcasts to the shape of ``x``.
        kind: as in the table.

    Returns:
        The shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is not floating point, or ``sharpness`` is no number and no such
            tensor.
        ValueError: ``sharpness`` is not positive, or there is no such kind.

    Example:
        >>> smooth_abs(torch.tensor([-2.0, 0.0, 0.5]), sharpness=3)
        tensor([2.0000, 0.2310, 0.5162])
    """
    check.floating("x", x)
    check.choice("kind", kind, KINDS)
    k = as_sharpness(sharpness, tuple(x.shape))
    y = x.to(sum_dtype(x, k))
    return switch(k, math.inf, y.abs, lambda k: _smooth_abs(y, k, kind)).to(x.dtype)


def _smooth_abs(x: Tensor, k: float | Tensor, kind: str) -> Tensor:
    far = (k * x).abs() > FAR
    return torch.where(far, x.abs(), KINDS[kind](torch.where(far, 0.0, x), k))


def _log_cosh(x: Tensor, k: Any) -> Tensor:
    """log(2 cosh kx) / k. Near 0 by cosh: its slope sinh / cosh keeps its digits there, 1 - ... does not."""
    near = (k * x).abs() < 1
    y = torch.where(near, k * x, 0.0)
    far = torch.where(near, 1 / (k.detach() if isinstance(k, Tensor) else k), x).abs()
    return torch.where(near, (y.cosh().log() + math.log(2)) / k, far + (-2 * k * far).exp().log1p() / k)


KINDS: dict[str, Callable[[Tensor, Any], Tensor]] = {
    "logcosh": _log_cosh,
    "sqrt": lambda x, k: torch.hypot(x, 1 / k if isinstance(k, Tensor) else x.new_full((), 1 / k)),
    "softplus": lambda x, k: _log_cosh(x, k / 2),  # 2 log(1 + e^y) - y = 2 log(2 cosh(y/2))
    "tanh": lambda x, k: x * torch.tanh(k * x),
    "erf": lambda x, k: x * torch.erf(k * x),
}
