r"""The two estimators of HSIC, each written once, from sums over two Gram matrices.

With :math:`T_2=\sum K_{ij}L_{ij}`, :math:`T_3=\sum K_{ij}L_{iq}`, :math:`T_4=\sum K_{ij}L_{qr}`.
"""

from typing import TypeVar

from torch import Tensor

from lemmata.estimation._hsic.sums import Sums

__all__ = ["ESTIMATORS", "aligned", "of_centred", "of_matrices"]

ESTIMATORS = ("biased", "unbiased")
Count = TypeVar("Count", int, Tensor)


def _biased(n: Count, t2: Tensor, t3: Tensor, t4: Tensor) -> Tensor:
    """V: the sums are over all indices. Implements :prf:ref:`hsic-trace`."""
    return (t2 - 2 / n * t3 + t4 / n**2) / n**2


def _unbiased(n: Count, t2: Tensor, t3: Tensor, t4: Tensor) -> Tensor:
    """U: the diagonals are left out. Implements :prf:ref:`hsic-unbiased`."""
    return (t2 + t4 / ((n - 1) * (n - 2)) - 2 / (n - 2) * t3) / (n * (n - 3))


def of_matrices(k: Sums, l: Sums, products: Tensor, estimator: str) -> Tensor:
    """From the sums of two Gram matrices: (m,)."""
    n, r, s = k.rows.shape[-1], k.rows, l.rows
    if estimator == "unbiased":
        return _unbiased(n, products, (r * s).sum(-1), r.sum(-1) * s.sum(-1))
    r, s = r + k.diagonal, s + l.diagonal
    products = products + (k.diagonal * l.diagonal).sum(-1)
    return _biased(n, products, (r * s).sum(-1), r.sum(-1) * s.sum(-1))


def of_centred(n: Count, square: Tensor, pp: Tensor, qq: Tensor, pp_qq: Tensor, estimator: str) -> Tensor:
    """From features p, q of mean 0: |C|^2, C the sum of p q', and the sums of |p|^2, |q|^2, |p|^2 |q|^2.

    Their Gram matrices have row sums of 0, and of -|p|^2, -|q|^2 without the diagonal.
    """
    if estimator == "biased":
        return square / n**2
    return _unbiased(n, square - pp_qq, pp_qq, pp * qq)


def aligned(xy: Tensor, xx: Tensor, yy: Tensor) -> Tensor:
    """CKA, from three values of HSIC. Implements :prf:ref:`hsic-cka`."""
    return xy / (xx.sqrt() * yy.sqrt())
