"""All pairs of samples, a tile of them at a time, and their distances."""

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = [
    "EPS64",
    "at_once",
    "batches",
    "distances",
    "side_of",
    "squared_distances",
    "tiles",
]

TILE = 512  # the side of a tile on a CPU: three of float32 take 3 MiB, and calls a tenth of the time
ELSEWHERE = 1280  # that on other devices
SHUFFLED = 256  # that of tiles of a sample in several orders, which are made together
ENTRIES = 2**20  # how many numbers the tiles that are made together may hold there
EPS64 = torch.finfo(torch.float64).eps


def tiles(x: Tensor, side: int | None = None) -> Iterator[tuple[slice, slice]]:
    """The tiles of the upper triangle: each unordered pair of samples is in one, or on both sides of one."""
    n, side = x.shape[-2], side or max(1, side_of(x))
    cuts = [slice(start, min(start + side, n)) for start in range(0, n, side)]
    for number, i in enumerate(cuts):
        for j in cuts[number:]:
            yield i, j


def side_of(x: Tensor, shuffled: bool = False) -> int:
    """The side of a tile of these samples: where calls cost more than memory, larger."""
    own = SHUFFLED if shuffled else TILE
    return min(x.shape[-2], own if x.device.type == "cpu" else ELSEWHERE)


def at_once(x: Tensor, shuffled: bool = False) -> int:
    """How many tiles of these samples may be made together."""
    entries = ENTRIES if x.device.type == "cpu" else 4 * ENTRIES
    return max(1, entries // max(1, side_of(x, shuffled) ** 2))


def batches(m: int, x: Tensor, shuffled: bool = False) -> Iterator[slice]:
    """As many samples of a batch of m at a time as tiles may."""
    size = at_once(x, shuffled)
    for start in range(0, m, size):
        yield slice(start, min(start + size, m))


def distances(left: Tensor, right: Tensor) -> Tensor:
    """(m, s, t) from (m, s, d) and (m, t, d).

    Products need float64 here: the root makes 1e-4 of a rounding error of 1e-8 between close samples.
    """
    if left.shape[-1] == 1:
        return (left - right.mT).abs_()
    if left.dtype == torch.float64:
        return torch.cdist(left, right, compute_mode="donot_use_mm_for_euclid_dist")
    return squared_distances(left.double(), right.double()).sqrt_().to(left.dtype)


def squared_distances(left: Tensor, right: Tensor) -> Tensor:
    """(m, s, t) from (m, s, d) and (m, t, d), float64, by one product; what rounding leaves of 0 is 0.

    For that, 64 rounding errors of the squares are taken from all.
    """
    if left.shape[-1] == 1:
        gaps = left - right.mT
        return gaps.mul_(gaps)  # square_ has no rule under vmap
    share = 1 - 64 * EPS64
    u, v = (share * side.square().sum(-1, keepdim=True) for side in (left, right))
    rows = torch.cat([-2 * left, u, torch.ones_like(u)], -1)
    return torch.bmm(rows, torch.cat([right, torch.ones_like(v), v], -1).mT).relu_()
