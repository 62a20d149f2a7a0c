"""From the free parameters to Fourier coefficients."""

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.numerics.precision import compute_dtype

__all__ = ["fourier_coefficients"]

COMPLEX = (torch.complex128, torch.complex64)


def fourier_coefficients(a: Tensor) -> Tensor:
    r"""Fourier coefficients of the square of a sum of waves: the autocorrelation of its coefficients.

    .. math:: \Bigl|\sum_{k=0}^N a_k e^{i\pi kx}\Bigr|^2 = \sum_{n=-N}^N c_n e^{i\pi nx},\qquad
              c_n = \sum_k a_{k+n}\overline{a_k}

    Only :math:`c_0, \dots, c_N` are given, since :math:`c_{-n} = \overline{c_n}`. Computed by a fast Fourier
    transform of length 2N + 1 at least, with an error of a few roundings of :math:`c_0`.

    Implements :prf:ref:`fourier-square`.

    Args:
        a: (..., N + 1), complex128 or complex64, or real: float64, float32, bfloat16 or float16 (the last two
            are computed in float32). A row with NaN gives NaN.

    Returns:
        The shape and the dtype of ``a``; :math:`c_0` is real.

    Raises:
        TypeError: ``a`` is no such tensor.
        ValueError: it is a scalar, or has no entries along the last axis.

    Example:
        >>> fourier_coefficients(torch.tensor([1.0, 1.0, 1.0, 1.0])).round(decimals=4)
        tensor([4., 3., 2., 1.])
    """
    waves("a", a)
    return autocorrelation(wide(a)).to(a.dtype)


def waves(name: str, a: Tensor) -> None:
    """Raise unless ``a`` is a complex or real tensor (..., N + 1)."""
    check.tensor(name, a)
    if a.dtype not in COMPLEX and a.dtype not in check.FLOATING:
        raise TypeError(f"{name} must be complex or real floating point, got {a.dtype}")
    if a.dim() == 0 or a.shape[-1] == 0:
        raise ValueError(f"{name} must have shape (..., N + 1), got {tuple(a.shape)}")


def wide(a: Tensor) -> Tensor:
    """At least single precision."""
    return a if a.is_complex() else a.to(compute_dtype(a))


def autocorrelation(a: Tensor) -> Tensor:
    """c_0 to c_N."""
    size = a.shape[-1]
    if a.numel() == 0:  # no rows
        return a + 0
    spectrum = torch.fft.fft(a, n=2 * size)  # no lag wraps around
    power = spectrum.real.square() + spectrum.imag.square()
    c = torch.fft.ifft(power)[..., :size].resolve_conj()
    return c if a.is_complex() else c.real


def ratios_of(a: Tensor) -> Tensor:
    """c_n / c_0 for n = 1 to N."""
    c = autocorrelation(a)
    return c[..., 1:] / c[..., :1].real


def unit(name: str, a: Tensor) -> Tensor:
    """Complex, each row divided by its norm; ValueError for a row of zeros, where that can be read."""
    a = a if a.is_complex() else torch.complex(a, torch.zeros_like(a))
    parts = torch.view_as_real(a.resolve_conj())
    largest = parts.detach().abs().amax((-2, -1), keepdim=True)
    if _torch.readable(a) and a.numel() and (largest == 0).any():
        raise ValueError(f"{name} must have an entry other than 0 in each row, got a row of zeros")
    parts = parts / largest
    return torch.view_as_complex((parts / parts.square().sum((-2, -1), keepdim=True).sqrt()).contiguous())
