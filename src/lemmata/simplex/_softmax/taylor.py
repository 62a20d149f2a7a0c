"""Softmax with Taylor's polynomial of even order in place of the exponential."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.precision import compute_dtype

__all__ = ["taylor_softmax"]

MOST = 40


def taylor_softmax(x: Tensor, *, order: int = 2, dim: int = -1) -> Tensor:
    r"""Shares of :math:`f_k(x_i) = \sum_{j\le k} x_i^j/j!`, which is positive for even k.

    No entry is 0, and tails are powers in place of exponentials. It is neither shift-invariant nor monotone:
    :math:`f_2` has its minimum at -1, and of [-3, -1] the *smaller* score gets more.

    Implements :prf:ref:`softmax-taylor`.

    Args:
        x: scores, any shape with at least one entry along ``dim``; ``-inf`` and ``inf`` as in :func:`entmax`
            (though :math:`f_k` is infinite at both).
        order: :math:`k`, even, 2 to 40. Above 2 all is computed in float64, since terms cancel at negative
            scores; the relative error there grows with :math:`e^{k/2}`, to some 1e-7.
        dim: the axis of the entries.

    Returns:
        The shape and the dtype of ``x``; sums to 1 along ``dim``.

    Raises:
        TypeError: ``x`` not floating point, ``order`` not an int.
        ValueError: no entry along ``dim``; an order that is odd, below 2 or above 40.

    Source: de Brébisson and Vincent, "An exploration of softmax alternatives", ICLR (2016).

    Example:
        >>> taylor_softmax(torch.tensor([1.0, 0.0, -1.0]))
        tensor([0.6250, 0.2500, 0.1250])
    """
    dim = check.axis("x", x, dim)
    order = check.at_least("order", order, 2)
    if order % 2:
        raise ValueError(f"order must be even, since odd polynomials have negative values; got {order}")
    if order > MOST:
        raise ValueError(f"order must be at most {MOST}: above it rounding errors take over; got {order}")
    return _shares(x.movedim(dim, -1), order).to(x.dtype).movedim(-1, dim)


def _shares(x: Tensor, order: int) -> Tensor:
    x = x.to(torch.float64 if order > 2 else compute_dtype(x))
    peak = x.detach().amax(-1, keepdim=True)
    there, endless = x > -math.inf, peak == math.inf
    plain = there & (x < math.inf) & ~endless
    f = _polynomial(torch.where(plain, x, 0.0), order)
    f = torch.where(endless, (x == math.inf).to(f.dtype), torch.where(there, f, 0.0))
    total = f.sum(-1, keepdim=True)
    p = f / torch.where(total == 0, 1.0, total)
    spoilt = peak.isnan()  # such a row, and its gradient
    return torch.where(spoilt, 0.0, p) + torch.where(spoilt, x, 0.0) * torch.where(spoilt, peak, 0.0)


def _polynomial(x: Tensor, order: int) -> Tensor:
    """f_k(x) / M^k by Horner's rule, M >= 1 the size of the largest of the row: no power overflows."""
    M = x.detach().abs().amax(-1, keepdim=True).clamp(min=1.0)
    y, f = x / M, torch.full_like(x, 1 / math.factorial(order))
    for j in range(order - 1, -1, -1):
        f = f * y + M.pow(j - order) / float(math.factorial(j))
    return f
