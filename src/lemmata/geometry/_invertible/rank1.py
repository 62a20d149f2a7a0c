"""The exponential of a matrix of rank one."""

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.geometry._invertible.low_rank import expm_low_rank, expm_low_rank_apply
from lemmata.geometry._invertible.phi import finite_phi
from lemmata.geometry._invertible.shapes import leading
from lemmata.numerics.precision import compute_dtype, no_autocast

__all__ = ["expm_rank1", "expm_rank1_apply"]


def expm_rank1(x: Tensor, y: Tensor) -> Tensor:
    r"""The matrix :math:`\exp(xy^\top)`; its inverse is that of ``-x`` and y.

    .. math:: \exp(xy^\top) = I + \varphi(s)\,xy^\top, \qquad s = y^\top x

    Implements :prf:ref:`invertible-exp`.

    Args:
        x: ``(..., n)``.
        y: ``(..., n)``; leading axes broadcast.

    Returns:
        ``(..., n, n)``, computed in float64, in the dtype to which those of x and y promote. Beside its own
        rounding an entry is off by some float64 roundings of the largest, times
        :math:`1+\sum_i\lvert x_iy_i\rvert`, since s is such a sum.

    Raises:
        TypeError: an argument is no tensor of real floating point.
        ValueError: shapes that do not fit.

    Example:
        >>> expm_rank1(torch.tensor([1.0, 2.0]), torch.tensor([2.0, -1.0]))  # orthogonal
        tensor([[ 3., -1.],
                [ 4., -1.]])
    """
    n = _checked(x, y)
    if n == 1:
        return expm_low_rank(x.unsqueeze(-1), y.unsqueeze(-1))
    wide, eye = x.double(), torch.eye(n, dtype=torch.float64, device=x.device)
    column = finite_phi(_dot(x, y), torch.float64).unsqueeze(-1) * wide
    matrix = eye + column.unsqueeze(-1) * y.double().unsqueeze(-2)
    return matrix.to(torch.promote_types(x.dtype, y.dtype))


def expm_rank1_apply(v: Tensor, x: Tensor, y: Tensor, *, inverse: bool = False) -> tuple[Tensor, Tensor]:
    r"""Multiply vectors by :math:`\exp(xy^\top)` or its inverse in O(n), with the log-determinant.

    .. math:: \exp(\pm xy^\top)\,v = v \pm \varphi(\pm s)\,(y^\top v)\,x, \qquad
              \log\det = \pm s, \qquad s = y^\top x

    Any x and y give an invertible matrix. How well conditioned it is depends on :math:`\lVert x\rVert\lVert
    y\rVert`: :prf:ref:`invertible-singular`.

    Implements :prf:ref:`invertible-exp`.

    Args:
        v: vectors ``(..., n)``.
        x: ``(..., n)``; one x for all vectors is ``(n,)``.
        y: ``(..., n)``; leading axes of all three broadcast.
        inverse: multiply by the inverse, and give its log-determinant.

    Returns:
        The products ``(..., n)`` in the dtype of v, and the log-determinants ``(...)``, one for each product,
        in that to which those of x and y promote.

    Raises:
        TypeError: an argument is no tensor of real floating point.
        ValueError: shapes that do not fit.

    Example:
        >>> v = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
        >>> x, y = torch.tensor([1.0, 2.0]), torch.tensor([2.0, -1.0])
        >>> out, logdet = expm_rank1_apply(v, x, y)
        >>> out
        tensor([[ 3.,  4.],
                [-3., -3.]])
        >>> expm_rank1_apply(out, x, y, inverse=True)[0]
        tensor([[1., 0.],
                [0., 3.]])
    """
    n = _checked(x, y)
    batch = leading("v", v, x.shape[:-1], y.shape[:-1], sizes=(n,))
    if n == 1:
        return expm_low_rank_apply(v, x.unsqueeze(-1), y.unsqueeze(-1), inverse=inverse)
    made, sign = compute_dtype(v), -1 if inverse else 1
    s = sign * _dot(x, y)
    factor = finite_phi(s, made).to(made)
    wide = v.to(made)
    with no_autocast(v):
        along = wide @ y.to(made) if y.dim() == 1 else (wide * y.to(made)).sum(-1)
    out = torch.addcmul(wide, (sign * factor * along).unsqueeze(-1), x.to(made))
    return out.to(v.dtype), s.to(torch.promote_types(x.dtype, y.dtype)).expand(batch)


def _checked(x: Tensor, y: Tensor) -> int:
    check.floating("x", x)
    check.floating("y", y)
    if x.dim() < 1:
        raise ValueError("x must have a last axis of entries (..., n), got a scalar")
    leading("y", y, x.shape[:-1], sizes=x.shape[-1:])
    return x.shape[-1]


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return (x.double() * y.double()).sum(-1)
