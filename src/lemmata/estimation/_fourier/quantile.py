"""Where a distribution function of [-1, 1] takes a value."""

from collections.abc import Callable

import torch
from torch import Tensor

from lemmata import _torch
from lemmata.estimation._fourier.series import distribution, polynomial, split

__all__ = ["differentiable", "quantile"]

STEPS = 60  # halvings of a bracket, if Newton's steps never help
CELLS = 8  # of the table for each wave


def quantile(a: Tensor, ratios: Tensor, q: Tensor) -> Tensor:
    """t with distribution(t) = q: Newton's steps, and the middle of the bracket where they do not shrink."""
    low, high = _bracket(ratios, q)
    eps = torch.finfo(q.dtype).eps
    t, last = (low + high) / 2, torch.full_like(q, 2.0)
    for _ in range(STEPS):
        at = split(t)
        gap = distribution(ratios, at) - q
        done = (gap.abs() <= 4 * eps) | (last <= 2 * eps)
        if _torch.readable(q) and done.all():
            break
        low, high = torch.where(gap <= 0, t, low), torch.where(gap >= 0, t, high)
        real, imag = polynomial(a, at)
        newton = torch.where(done, t, t - 2 * gap / (real.square() + imag.square())).clamp(low, high)
        step = (newton - t).abs()
        good = done | (step <= last / 2)
        last = torch.where(good, step, (high - low) / 2)
        t = torch.where(good, newton, (low + high) / 2)
    t = torch.where((q <= 0) | (q >= 1), torch.where(q <= 0, -1.0, 1.0).to(t.dtype), t)  # also on the line
    lost = q.isnan() | ratios.real.isnan().any(-1) | a.real.isnan().any(-1)
    return torch.where(lost, torch.nan, t)


def _bracket(ratios: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """The cell of a table of the distribution function that holds q; axes of the batch are last in q."""
    cells, batch = CELLS * (ratios.shape[-1] + 1), ratios.shape[:-1]
    ends = torch.linspace(-1, 1, cells + 1, dtype=q.dtype, device=q.device)
    table = distribution(ratios, split(ends.view(-1, *[1] * len(batch)).expand(-1, *batch)))
    rows = q.reshape(q.shape[: q.dim() - len(batch)].numel(), batch.numel()).T.contiguous()
    columns = table.reshape(cells + 1, batch.numel()).T.contiguous()
    above = torch.searchsorted(columns, rows).clamp(1, cells).T.reshape(q.shape)
    return ends[above - 1], ends[above]


def differentiable(
    x: Tensor,
    q: Tensor,
    steep: Tensor,
    distribution: Callable[[Tensor], Tensor],
    density: Callable[[Tensor], Tensor],
) -> Tensor:
    """The quantile x of q with derivatives by q and all parameters, where the density is not 0."""
    moved = torch.where(steep, x, 0.0)
    for _ in range(2):  # each step of Newton's doubles the number of right derivatives, and adds 0
        gap = distribution(moved) - q
        slope = torch.where(steep, density(moved), 1.0)
        moved = moved - torch.where(steep, (gap - gap.detach()) / slope, 0.0)
    return torch.where(steep, moved, x)
