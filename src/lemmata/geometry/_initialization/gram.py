"""How far a random matrix is from an orthogonal one: its Gram matrix and its singular values."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.geometry._initialization.shapes import matrix
from lemmata.numerics.precision import compute_dtype, no_autocast

__all__ = ["SingularValueEdges", "expected_gram_error", "gram_error", "singular_value_edges"]


def gram_error(weight: Tensor) -> Tensor:
    r"""How far the columns are from orthonormal: :math:`\|W^\top W - I_n\|_F^2`, for W of shape (m, n).

    Formed from the smaller Gram matrix, since :math:`\|W^\top W-I_n\|_F^2 = \|WW^\top-I_m\|_F^2 + n - m`.
    So it is at least n - m: more than m columns cannot be orthonormal.

    Implements :prf:ref:`initialization-gram`.

    Args:
        weight: (..., m, n); any leading dimensions. NaN gives NaN, and an infinite entry ``inf``.

    Returns:
        (...), of the dtype of ``weight``. Both derivatives are exact, under autocast, too, and infinite where
        they overflow. Infinite entries count as large beyond measure, all equally: the gradient is
        what grows with their cube, infinite with its sign, and 0 elsewhere (of the second, their square).

    Raises:
        ValueError: fewer than 2 dimensions.

    Example:
        >>> gram_error(torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
        tensor(3.)
    """
    check.floating("weight", weight)
    matrix("weight", weight)
    m, n = weight.shape[-2:]
    w = weight.to(compute_dtype(weight))
    error = _torch.apply(_GramError, _error, w.mT if n > m else w)
    return (error + max(0, n - m)).to(weight.dtype)


def _units(w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """s, V and M with W = sV and W'W - I = s^2 M; s is 1 or a power of two, so that V is 2 at most.

    Nothing then overflows, or takes infinity from itself, before the powers of s come in, last of all.
    """
    size = w.detach().abs()
    peak = size.amax((-2, -1), keepdim=True) if w.numel() else size.sum((-2, -1), keepdim=True)
    peak = peak.clamp(min=1)
    s = torch.where(peak.isfinite(), peak / 2 / torch.frexp(peak).mantissa, peak)
    v = torch.where(s.isinf(), w.sign() * w.isinf(), w / s)
    with no_autocast(w):
        return s, v, v.mT @ v - torch.eye(w.shape[-1], dtype=w.dtype, device=w.device) / s / s


def _times(x: Tensor, *factors: Tensor) -> Tensor:
    """x times each of the factors in turn; 0 stays 0, even times infinity."""
    for factor in factors:
        x = torch.where(x == 0, x, x * factor)
    return x


def _error(w: Tensor) -> Tensor:
    s, _, m = _units(w)
    s = s[..., 0, 0]
    return _times(m.square().sum((-2, -1)), s, s, s, s)


def _gradient(w: Tensor) -> Tensor:
    """4 W (W'W - I)."""
    s, v, m = _units(w)
    with no_autocast(w):
        return _times(4 * (v @ m), s, s, s)


def _bend(w: Tensor, u: Tensor) -> Tensor:
    """The derivative of the gradient along U: 4 U (W'W - I) + 4 W (U'W + W'U)."""
    s, v, m = _units(w)
    with no_autocast(w):
        return _times(4 * (u @ m + v @ (u.mT @ v) + v @ (v.mT @ u)), s, s)


class _GramError(torch.autograd.Function):
    """With a gradient that autocast does not reach; keeps its argument and nothing else."""

    @staticmethod
    def forward(w):
        return _error(w)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        (w,) = ctx.saved_tensors
        return grad[..., None, None] * _torch.apply(_Gradient, _gradient, w)

    @staticmethod
    def vmap(info, in_dims, w):
        return _GramError.apply(w.movedim(in_dims[0], 0)), 0


class _Gradient(torch.autograd.Function):
    """The gradient of the error, likewise."""

    @staticmethod
    def forward(w):
        return _gradient(w)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        (w,) = ctx.saved_tensors
        return _bend(w, grad)

    @staticmethod
    def vmap(info, in_dims, w):
        return _Gradient.apply(w.movedim(in_dims[0], 0)), 0


def expected_gram_error(m: int, n: int, *, kurtosis: float = 3.0) -> float:
    r"""The mean of :func:`gram_error` for independent entries of mean 0 and variance 1/m.

    .. math:: \mathbb E\,\|W^\top W - I_n\|_F^2 = \frac{n(n-1) + n(\kappa-1)}m

    For m = n and a Gaussian it is n + 1, while the zero matrix has n: the Gram matrix of a random square
    matrix is no nearer to I than 0 is, although each entry of :math:`W^\top W - I` is small.

    Implements :prf:ref:`initialization-gram`, :prf:ref:`initialization-far`.

    Args:
        m, n: the shape of W, at least 1.
        kurtosis: :math:`\kappa = \mathbb E w^4/(\mathbb E w^2)^2`, at least 1: 3 for a Gaussian, 9/5 for a
            uniform law, 1 for random signs.

    Example:
        >>> expected_gram_error(64, 64), expected_gram_error(200, 50)
        (65.0, 12.75)
    """
    m, n = check.at_least("m", m, 1), check.at_least("n", n, 1)
    kurtosis = check.number("kurtosis", kurtosis)
    if not kurtosis >= 1:
        raise ValueError(f"kurtosis must be at least 1, as every law's is, got {kurtosis}")
    return n * (n - 2 + kurtosis) / m


class SingularValueEdges(NamedTuple):
    """What :func:`singular_value_edges` gives."""

    lower: float
    upper: float


def singular_value_edges(m: int, n: int) -> SingularValueEdges:
    r"""What the min(m, n) singular values of a large W lie between, for independent entries of variance 1/m.

    .. math:: \bigl|1-\sqrt{n/m}\bigr| \le \sigma \le 1+\sqrt{n/m}

    The edges of the Marchenko-Pastur law. A square matrix fills [0, 2].

    Implements :prf:ref:`initialization-edges`.

    Args:
        m, n: the shape of W, at least 1.

    Example:
        >>> singular_value_edges(200, 50)
        SingularValueEdges(lower=0.5, upper=1.5)
    """
    m, n = check.at_least("m", m, 1), check.at_least("n", n, 1)
    root = math.sqrt(n / m)
    return SingularValueEdges(abs(m - n) / m / (1 + root), 1 + root)  # 1 - root would cancel
