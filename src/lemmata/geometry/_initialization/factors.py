"""The Q of A = QR with a positive diagonal of R, by matrix products for the most part.

On a CPU these take less time than LAPACK, which works by narrow panels. Both overwrite A.
"""

import math

import torch
from torch import Tensor

__all__ = ["by_cholesky", "by_reflections"]

ROWS = 2**14  # of a block whose Gram matrix is summed in the dtype of A; the blocks are summed in float64
GROUP = 256  # columns whose Cholesky factor and its inverse LAPACK makes
WIDTH = 192  # of a panel of reflections, which LAPACK makes; what follows a panel is products


def by_cholesky(a: Tensor) -> bool:
    """Q = A R^-1 with R'R = A'A, in the place of A, ``(m, n)``; False if A is too far from orthogonal.

    Group by group of columns, what the groups before it have of a group is taken off, and then the inverse of
    its own factor applied. Q departs from orthogonal by some roundings times the square of A's condition.
    """
    r, inverses = _factor(_gram(a))
    diagonal = torch.cat([inverse.diagonal() for inverse in inverses])
    if not diagonal.min() > 0.01 * diagonal.max():  # nor if it is NaN
        return False
    for rows in a.split(ROWS):
        for start, inverse in zip(range(0, a.shape[-1], GROUP), inverses, strict=True):
            group = rows[:, start : start + GROUP]
            if start:
                group.addmm_(rows[:, :start], r[:start, start : start + GROUP].to(a.dtype), alpha=-1)
            _times(group, inverse.to(a.dtype))
    return True


def _gram(a: Tensor) -> Tensor:
    """A'A in float64, right in its upper triangle."""
    n, width = a.shape[-1], max(64, a.shape[-1] // 8)
    gram = a.new_zeros(n, n, dtype=torch.float64)
    for rows in a.split(ROWS):
        for start in range(0, n, width):
            gram[start : start + width, start:] += rows[:, start : start + width].mT @ rows[:, start:]
    return gram


def _factor(gram: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The Cholesky factor R, right above its groups, and the inverses of the groups on its diagonal.

    NaN where there is none. Overwrites its argument.
    """
    inverses = []
    for start in range(0, gram.shape[-1], GROUP):
        above, rows = gram[:start, start:], gram[start : start + GROUP, start:]
        rows -= above[:, :GROUP].mT @ above
        r, failed = torch.linalg.cholesky_ex(rows[:, :GROUP], upper=True)
        one = torch.full((len(r),), math.nan if failed else 1.0, dtype=r.dtype, device=r.device)
        inverses.append(torch.linalg.solve_triangular(r, torch.diag(one), upper=True))
        rows[:, GROUP:] = inverses[-1].mT @ rows[:, GROUP:]
    return gram, inverses


def _times(a: Tensor, upper: Tensor) -> None:
    """A times an upper triangular matrix, the last columns first, since each needs those before it only."""
    by_rows = a.stride(-1) == 1
    for start in reversed(range(0, a.shape[-1], 64)):
        stop = start + 64
        x, y = a[:, :stop], upper[:stop, start:stop]
        a[:, start:stop] = x @ y if by_rows else (y.mT @ x.mT).mT  # laid out as it is stored


def by_reflections(a: Tensor) -> None:
    """Q by Householder's reflections, in the place of A, ``(m, n)`` with m at least n; float32.

    The reflections of a panel are together I - YTY', Y being a trapezoid that has their vectors, and apply to
    all that is right of it by three products. Q is their product, made from the last panel on.
    """
    panels, n = [], a.shape[-1]
    for start in range(0, n, WIDTH):
        stop = start + WIDTH
        y, t, signs = _panel(a[start:, start:stop])
        rest = a[start:, stop:]
        rest.addmm_(y, t.mT @ (y.mT @ rest), alpha=-1)
        panels.append((start, y, t, signs))
    a.zero_().diagonal().copy_(torch.cat([signs for *_, signs in panels]))
    for start, y, t, _ in reversed(panels):
        rest = a[start:, start:]
        rest.addmm_(y, t @ (y.mT @ rest), alpha=-1)


def _panel(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Y and T of the reflections that make A upper triangular, and the signs of the diagonal it then has.

    T^-1 + T^-T = Y'Y is what makes I - YTY' orthogonal. So T is made from Y, in float64, and not from the
    lengths that LAPACK gives; only a reflection of length 0 is none.
    """
    packed, length = torch.geqrf(a)
    y = packed.tril(-1)
    y.diagonal().fill_(1)
    gram = y.double().mT @ y.double()
    length = torch.where(length == 0, 0, 2 / gram.diagonal())
    above = gram.triu(1).mul_(length.unsqueeze(-1))
    above.diagonal().fill_(1)
    t = torch.linalg.solve_triangular(above, torch.diag(length), upper=True)
    return y, t.to(a.dtype), torch.where(packed.diagonal() < 0, -1.0, 1.0).to(a.dtype)
