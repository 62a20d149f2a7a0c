"""The median of the n (n-1)/2 distances of a sample, exactly and in bounded memory, in plain PyTorch.

This is what runs today on every device, and what a fused kernel will be tested against.
"""

import math

import torch
from torch import Tensor

from lemmata._torch import is_wrapped, readable
from lemmata.estimation._hsic import selection
from lemmata.numerics.tiles import batches, side_of, squared_distances, tiles

__all__ = ["median_distance"]

FEW = 2**14  # as many distances are sorted
KEPT = 2**20  # how many are held at a time
SPREAD = 4  # half the width of the bracket of a sampled quantile, in standard errors at most


def median_distance(x: Tensor) -> tuple[Tensor, Tensor]:
    """The median distance of each sample and, for where that is 0, the median of the distances that are not.

    Of an even number of distances, the lower of the two in the middle, as in torch.median. Where all are 0,
    the second is 1. Samples whose squared distance is a rounding error of their squares (in float64) count as
    equal. More than 2^20 distances can not be had under compilation and transforms (ValueError), and on
    a GPU their counts are waited for.

    Args:
        x: ``(m, n, d)``, near 0; n is at least 1.

    Returns:
        Two tensors ``(m,)`` in the dtype of ``x``, NaN where x is not finite.
    """
    m, n, _ = x.shape
    wide, total = x.detach().double(), n * (n - 1) // 2
    if total == 0 or m == 0:
        return x.new_zeros(m), x.new_ones(m)
    transformed = torch.compiler.is_compiling() or is_wrapped(x)
    if total <= FEW or (total <= KEPT and not readable(x)):
        squares = torch.cat([_of_few(wide[at]) for at in batches(m, x)], 1)
    elif transformed:
        raise ValueError(f"bandwidth must be a number under transforms of as many as {n} samples")
    else:
        squares = torch.stack([_of_many(sample) for sample in wide], 1)
    medians, others = squares.sqrt().to(x.dtype).unbind()
    return medians, others


def _of_few(x: Tensor) -> Tensor:
    """The two squares of each of a batch of samples, (2, m)."""
    i, j = torch.triu_indices(x.shape[1], x.shape[1], 1, device=x.device)
    d = squared_distances(x, x)[:, i, j].sort(1).values  # NaN comes last
    total = d.shape[1]
    zeros = (d == 0).sum(1, keepdim=True)
    later = ((zeros + total - 1) // 2).clamp(max=total - 1)
    other = torch.where(zeros < total, d.gather(1, later), 1.0)
    both = torch.cat([d[:, (total - 1) // 2, None], other], 1)
    return torch.where(d[:, -1:].isfinite(), both, math.nan).mT


def _of_many(x: Tensor) -> Tensor:
    total = len(x) * (len(x) - 1) // 2
    if not x.isfinite().all():
        return x.new_full((2,), math.nan)
    median = other = _select(x, (total - 1) // 2)
    if median == 0:
        zeros, _, _ = _between(x, math.ulp(0.0), math.inf)
        other = _select(x, (zeros + total - 1) // 2) if zeros < total else torch.ones_like(median)
    return torch.stack([median, other])


def _select(x: Tensor, rank: int) -> Tensor:
    """The squared distance of this rank (from 0)."""
    found = selection.select(x, rank) if readable(x) and len(x) >= selection.LEAST else None
    return _by_passes(x, rank) if found is None else found


def _by_passes(x: Tensor, rank: int) -> Tensor:
    """The same in float64, whatever the device and however many distances are equal.

    Quantiles of a sample of the distances bracket it; one pass over all distances counts what is below and
    keeps what is between. The counts prove the bracket right, or lead to the next.
    """
    below, inside, sample = 0, len(x) * (len(x) - 1) // 2, _sample(x)
    low, high = 0.0, 8 * x.square().sum(-1).max().item()
    while low < high:
        a, b = _bracket(sample, (rank - below) / inside, low, high)
        under, within, found = _between(x, a, b)
        if under <= rank < under + within:
            low, high = a, b
        else:
            low, high = (low, math.nextafter(a, 0)) if rank < under else (math.nextafter(b, math.inf), high)
            under, within, found = _between(x, low, high)
        below, inside, sample = under, within, found
        if inside == len(sample):
            return sample.kthvalue(rank - below + 1).values
    return x.new_tensor(low)


def _sample(x: Tensor) -> Tensor:
    """The squared distances of random pairs, the same for each call; so many that one pass is enough."""
    n, d = x.shape
    size = min(KEPT, max(FEW, math.ceil((n * n / KEPT * SPREAD) ** 2)))
    generator = torch.Generator().manual_seed(0)
    drawn = x.new_empty(size)
    for part in drawn.split(max(1, KEPT // (8 * max(1, d)))):
        i, step = (torch.randint(low, n, part.shape, generator=generator) for low in (0, 1))
        part.copy_((x[i.to(x.device)] - x[((i + step) % n).to(x.device)]).square().sum(-1))
    return drawn


def _bracket(sample: Tensor, share: float, low: float, high: float) -> tuple[float, float]:
    """Quantiles of the sample on both sides of a share of it; half of the old bracket if that is no less."""
    n = len(sample)
    slack = SPREAD / 2 * math.sqrt(n) + 1
    ranks = (max(0, math.floor(n * share - slack)), min(n - 1, math.ceil(n * share + slack)))
    a, b = (sample.kthvalue(rank + 1).values.item() for rank in ranks)
    a, b = max(a, low), min(b, high)
    return (a, b) if a <= b and (a, b) != (low, high) else (low, low + (high - low) / 2)


def _between(x: Tensor, low: float, high: float) -> tuple[int, int, Tensor]:
    """How many squared distances are less than low, how many are in [low, high], and these, or each k-th."""
    above, inside, k, held = 0, 0, 1, 0
    kept = x.new_empty(KEPT + side_of(x) ** 2)  # in one piece, since many small ones scatter the heap
    for i, j in tiles(x):
        (d,) = squared_distances(x[None, i], x[None, j])
        mask = d >= low
        if i == j:
            mask.triu_(1)
        above += int(mask.sum())
        new = _picked(d, mask.logical_and_(d <= high))
        inside, new = inside + len(new), new[::k]
        kept[held : held + len(new)] = new
        held += len(new)
        if held > KEPT:
            fewer = kept[:held:2].clone()
            k, held = 2 * k, len(fewer)
            kept[:held] = fewer
    return len(x) * (len(x) - 1) // 2 - above, inside, kept[:held]


def _picked(d: Tensor, mask: Tensor) -> Tensor:
    """d[mask] where the mask is mostly False: eight at a time are looked at first."""
    if d.numel() % 8:
        return d[mask]
    at = mask.view(-1).view(torch.int64).nonzero()[:, 0]
    return d.view(-1, 8)[at][mask.view(-1, 8)[at]]
