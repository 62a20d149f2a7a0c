"""The p-norm as a smooth maximum."""

import math
from typing import Any

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.infinite import switch
from lemmata.smoothing._smooth_maximum.settings import LARGEST, as_rows, column, expanded, reduced

__all__ = ["p_norm_maximum"]


def p_norm_maximum(x: Tensor, *, p: float | Tensor, dim: int = -1) -> Tensor:
    r"""The p-norm of entries that are not negative: :math:`N_p(x) = \bigl(\sum_i x_i^p\bigr)^{1/p}`.

    It never under-estimates, and by a factor: :math:`1 \le N_p/\max \le n^{1/p}`, above exactly when all
    entries are equal. With negative entries the limit is not the maximum but the entry of largest modulus
    (for odd p), so they are refused.

    Implements :prf:ref:`smooth-maximum-p-norm`.

    Args:
        x: ``(..., n, ...)``, at least 0. A row of zeros has value 0 and the gradient :math:`n^{1/p-1}`, that
            of the rows of equal entries. For 1 < p < 2 the second derivative by an entry that is 0 beside
            others is infinite, and given as 0. Gradients are sure while ``x`` times what arrives is in
            range, second ones while p over the maximum is, too.
        p: the order, in [1, inf]; inf gives the maximum. A number, or a tensor that broadcasts to the shape
            of the result and gets its gradient (a learned pooling).
        dim: the axis that is reduced; at least one entry long.

    Returns:
        ``x`` without the axis ``dim``, in its dtype.

    Raises:
        TypeError: ``x`` is not floating point, ``p`` is no number and no such tensor, ``dim`` not an int.
        ValueError: ``p`` is below 1, there is no axis ``dim``, or it is empty; ``x`` has a negative entry and
            is on the CPU. Elsewhere, while compiling and under ``torch.func``, its row gives NaN instead:
            looking would wait for the device.

    Example:
        >>> p_norm_maximum(torch.tensor([1.0, 2.0, 3.5, 0.5]), p=3)
        tensor(3.7325)
    """
    dim = check.axis("x", x, dim)
    rows = as_rows(x, p := _order(p, x, dim), dim)
    negative = rows < 0
    if readable(rows) and negative.any():
        raise ValueError(f"x must be at least 0, got values down to {rows[negative].min().item()}")
    rows = torch.where(negative, math.nan, rows)
    hard = rows.amax(-1)
    return switch(p, math.inf, lambda: hard, lambda p: _p_norm(rows, p, hard)).to(x.dtype)


def _p_norm(rows: Tensor, p: Any, hard: Tensor) -> Tensor:
    """max times the norm of x / max, which is in [1, n^(1/p)]."""
    peak = hard.detach()
    usual = (peak != 0) & (peak != math.inf)
    scale = torch.where(usual, peak, 1.0)
    r = torch.where(usual.unsqueeze(-1), rows, 1.0) / scale.unsqueeze(-1)
    norm = scale * _power(r, column(p)).sum(-1) ** (1 / p)
    zero = torch.where(peak == 0, rows.mean(-1), 0.0) * rows.shape[-1] ** (
        1 / p
    )  # on rows of equal entries this is the norm
    return torch.where(usual, norm, torch.where(peak == 0, zero, hard))


def _power(r: Tensor, p: Any) -> Tensor:
    """r^p, where derivatives at 0 that are infinite are left out."""
    p = p if isinstance(p, Tensor) else r.new_full((), p)
    zero = r == 0
    at_0 = torch.where(p == 1, r, torch.where(p == 2, r * r, 0.0))
    return torch.where(zero, at_0, torch.where(zero, 1.0, r) ** p)


def _order(p: float | Tensor, x: Tensor, dim: int) -> float | Tensor:
    """A number in [1, inf], or a float64 tensor of them in the shape of the result."""
    asks = "p must be at least 1 (inf gives the maximum), got"
    if not isinstance(p, Tensor):
        order = check.number("p", p)
        if not order >= 1:
            raise ValueError(f"{asks} {p}")
        return math.inf if order > LARGEST else order
    check.floating("p", p)
    if readable(p) and not (p >= 1).all():
        raise ValueError(f"{asks} {p[~(p >= 1)][0].item()}")
    return expanded("p", p, reduced(x, dim), 1.0)
