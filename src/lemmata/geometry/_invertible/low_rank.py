"""The exponential of a matrix of low rank."""

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.geometry._invertible.phi import exp_and_phi
from lemmata.geometry._invertible.shapes import leading
from lemmata.numerics.precision import compute_dtype, no_autocast

__all__ = ["expm_low_rank", "expm_low_rank_apply"]


def expm_low_rank(X: Tensor, Y: Tensor) -> Tensor:
    r"""The matrix :math:`\exp(XY^\top)`; its inverse is that of ``-X`` and Y.

    .. math:: \exp(XY^\top) = I + X\,\varphi(A)\,Y^\top, \qquad A = Y^\top X, \qquad
              \varphi(A) = \sum_{j\ge0} \frac{A^j}{(j+1)!}

    Implements :prf:ref:`invertible-low-rank`.

    Args:
        X: ``(..., n, r)``, of any rank.
        Y: ``(..., n, r)``; leading axes broadcast.

    Returns:
        ``(..., n, n)``, computed in float64, in the dtype to which those of X and Y promote. Where r is at
        least n, the exponential of the product itself.

    Raises:
        TypeError: an argument is no tensor of real floating point.
        ValueError: shapes that do not fit.

    Example:
        >>> X = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> Y = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
        >>> expm_low_rank(X, Y)
        tensor([[1., 1., 0.],
                [0., 1., 0.],
                [0., 1., 1.]])
    """
    n, r = _checked(X, Y)
    wide, turned = X.double(), Y.double().mT
    with no_autocast(X):
        if r >= n:
            matrix, _ = exp_and_phi(wide @ turned)
        else:
            eye = torch.eye(n, dtype=torch.float64, device=X.device)
            matrix = eye + wide @ exp_and_phi(turned @ wide)[1] @ turned
    return matrix.to(torch.promote_types(X.dtype, Y.dtype))


def expm_low_rank_apply(v: Tensor, X: Tensor, Y: Tensor, *, inverse: bool = False) -> tuple[Tensor, Tensor]:
    r"""Multiply vectors by :math:`\exp(XY^\top)` or its inverse in O(nr), with the log-determinant.

    .. math:: \exp(\pm XY^\top)\,v = v \pm X\,\varphi(\pm A)\,Y^\top v, \qquad
              \log\det = \pm\operatorname{tr}A, \qquad A = Y^\top X

    Once for all vectors :math:`O(nr^2 + r^3)` are added. ``torch.linalg.matrix_exp`` waits for a GPU.

    Implements :prf:ref:`invertible-low-rank`.

    Args:
        v: vectors ``(..., n)``.
        X: ``(..., n, r)``; one X for all vectors is ``(n, r)``.
        Y: ``(..., n, r)``; leading axes of all three broadcast.
        inverse: multiply by the inverse, and give its log-determinant.

    Returns:
        The products ``(..., n)`` in the dtype of v, and the log-determinants ``(...)``, one for each product,
        in that to which those of X and Y promote.

    Raises:
        TypeError: an argument is no tensor of real floating point.
        ValueError: shapes that do not fit.

    Example:
        >>> X, Y = torch.tensor([[1.0], [2.0], [1.0]]), torch.tensor([[0.0], [1.0], [-1.0]])
        >>> out, logdet = expm_low_rank_apply(torch.ones(3), X, Y)
        >>> out, logdet  # y is orthogonal to (1, 1, 1)
        (tensor([1., 1., 1.]), tensor(1.))
    """
    n, r = _checked(X, Y)
    batch = leading("v", v, X.shape[:-2], Y.shape[:-2], sizes=(n,))
    made, sign = compute_dtype(v), -1 if inverse else 1
    wide, turned = sign * X.double(), Y.double().mT
    rows = v.to(made) if X.dim() == Y.dim() == 2 else v.to(made).unsqueeze(-2)
    with no_autocast(v):
        if r >= n:
            out = rows @ exp_and_phi(wide @ turned)[0].mT.to(made)
        else:
            factor = (wide @ exp_and_phi(turned @ wide)[1]).mT.to(made)  # (..., r, n)
            out = rows + rows @ Y.to(made) @ factor
    logdet = (wide * Y.double()).sum((-2, -1)).to(torch.promote_types(X.dtype, Y.dtype))
    return out.reshape(*batch, n).to(v.dtype), logdet.expand(batch)


def _checked(X: Tensor, Y: Tensor) -> tuple[int, int]:
    check.floating("X", X)
    if X.dim() < 2:
        raise ValueError(f"X must be (..., n, r), got {tuple(X.shape)}")
    leading("Y", Y, X.shape[:-2], sizes=X.shape[-2:])
    return X.shape[-2], X.shape[-1]
