r"""All steps by the factors of classes, two matrix products a step; and which rows lose digits so.

After T steps the rows of a stack are :math:`p_{ij}^{\alpha^T}v_j` over their sums, with one vector v for each
doubtful row. A step sums each row, :math:`r_i=\sum_jp_{ij}v_j` with the powers of before, and

.. math:: v_j\leftarrow q_j\Big/\sum_ip_{ij}^\alpha\,r_i^{-\alpha} .

So the sure rows and their powers are one matrix for all doubtful rows. The largest entry of each row and of v
is made 1. Then sums of rows are at least the least factor. As long as this and the sums of columns are above
LEAST, what is too small for float64 is less than any rounding, and no derivative of first or second order
overflows.
"""

import torch
from torch import Tensor

__all__ = ["LEAST", "alive", "factors", "peaked", "row_shares"]

LEAST = 2.0**-256  # its fourth power is about the smallest number of float64


def peaked(rows: Tensor, q: Tensor) -> Tensor:
    """Rows whose largest entry is 1, of the classes that the prior allows; zeros have no slope."""
    rows = torch.where((rows > 0) & (q > 0), rows, 0.0)
    peak = rows.detach().amax(-1, keepdim=True)
    return rows / torch.where(peak > 0, peak, 1.0)


def alive(rows: Tensor, q: Tensor) -> Tensor:
    """Which rows have no NaN, and a class that the prior allows."""
    return ((rows > 0) & (q > 0)).any(-1) & ~rows.isnan().any(-1)


def factors(b: Tensor, a: Tensor, q: Tensor, alpha: float, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """For each row of b (B, m) below the rows a (n, m), all alive and peaked: v, its power, if it is lost."""
    held = (a > 0).any(0) | (b > 0)  # (B, m), classes that somebody has
    v, lost = torch.ones_like(b), torch.zeros_like(b[:, 0], dtype=torch.bool)
    for _ in range(steps):
        sums_a, sums_b = v @ a.mT, (v * b).sum(-1, keepdim=True)  # (B, n), (B, 1)
        a, b = _power(a, alpha), _power(b, alpha)
        total = sums_a**-alpha @ a + sums_b**-alpha * b
        v = torch.where(held, q / torch.where(held, total, 1.0), 0.0)
        v = v / v.detach().amax(-1, keepdim=True)
        safe = (v >= LEAST ** (1 / max(alpha, 1.0))) & (total >= LEAST)
        lost |= (held & ~safe).any(-1)
    return v, b, lost


def row_shares(rows: Tensor) -> Tensor:
    """Rows divided by their sums."""
    return rows / rows.sum(-1, keepdim=True)


def _power(rows: Tensor, alpha: float) -> Tensor:
    """Entries to the power; a zero has no slope."""
    if alpha == 1:
        return rows
    some = rows > 0
    return torch.where(some, torch.where(some, rows, 1.0) ** alpha, 0.0)
