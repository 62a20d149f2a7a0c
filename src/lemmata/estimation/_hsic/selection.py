"""The squared distance of a given rank by float32 tiles, proved; in plain PyTorch, for a CPU.

Quantiles of a sample bracket it. One pass counts the pairs below and keeps those between. Rounding can have
moved few of them past the one that has this rank in float32: these are made again in float64.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata.estimation._hsic.tiles import squared_distances, tiles

__all__ = ["LEAST", "select"]

SIDE = 512  # of a tile: one fits in a cache of 2 MiB
LANES = 16  # how many entries are looked at together for one that is between
BLOCKS, SHIFTS = range(24, 41), 4  # in the sample, blocks of so many are paired with so many that follow
LEAST = (SHIFTS + 1) * max(BLOCKS)  # samples
FIRST = 2**14  # how many distances of the sample are put in order
MOST = 2**20  # how many numbers are kept, and are looked at together

Piece = tuple[Tensor, Tensor, bool]  # features (c, s, d) and (c, t, d), and whether samples are the same


class _Bracket(NamedTuple):
    middle: float
    half: float  # of its width

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Their products are squared distances, counted so that the bracket is from -1 to 1."""
        squares, one = x.square().sum(-1, keepdim=True), torch.ones_like(x[..., :1])
        rows = torch.cat([-2 * x, squares - self.middle, one], -1).div_(self.half)
        return rows, torch.cat([x, one, squares], -1)

    def narrower(self, values: Tensor, rank: float, slack: float, least: float) -> "_Bracket | None":
        """That of the values whose ranks are within the slack; its half width is at least ``least``."""
        ranks = math.floor(rank - slack), math.ceil(rank + slack)
        if ranks[0] < 0 or ranks[1] >= len(values):
            return None
        low, high = (self.middle + self.half * values.kthvalue(r + 1).values.item() for r in ranks)
        return _Bracket((low + high) / 2, max((high - low) / 2, least))


class _Found(NamedTuple):
    below: int
    values: Tensor  # (k,), of the pairs between
    cells: Tensor  # (k,), where they are among the entries that were looked at in their piece
    counts: list[int]  # of each piece, how many they are
    groups: list[Tensor]  # and which groups of LANES were looked at


def select(x: Tensor, rank: int) -> Tensor | None:
    """The squared distance of this rank (from 0), or None where it is better found in another way.

    Args:
        x: ``(n, d)``, float64, finite, near 0, with a largest entry below 2; n is at least ``LEAST``.
    """
    d, y, total = x.shape[1], x.float(), len(x) * (len(x) - 1) // 2
    radius = x.square().sum(-1).max().item()
    error = 4 * (d + 8) * torch.finfo(y.dtype).eps * radius  # of a squared distance in float32, at most
    bracket = _bracket(y, (rank + 0.5) / total, 8 * error)
    if bracket is None:
        return None
    rows, columns = bracket.features(y)
    found = _between((rows[None, i], columns[None, j], i == j) for i, j in tiles(y, SIDE))
    if found is None or not 0 <= rank - found.below < len(found.values):
        return None
    near, slack = found.values.kthvalue(rank - found.below + 1).values, 2 * error / bracket.half
    gaps = found.values - near
    moved = (gaps.abs() <= slack).nonzero()[:, 0]
    if near.abs() + slack >= 1 or len(moved) * (d + 2) > MOST:
        return None
    i, j = _pairs(found, moved, y)
    exact = squared_distances(x[i, None], x[j, None]).flatten()
    return exact.kthvalue(rank - found.below - int((gaps < -slack).sum()) + 1).values


def _bracket(x: Tensor, share: float, least: float) -> _Bracket | None:
    """What has the quantile, most likely, and a few thousandths of all pairs.

    The sample has each point equally often, so that some are far from all others costs it nothing.
    """
    n, whole = len(x), _Bracket(0.0, 1.0)
    block = min(BLOCKS, key=lambda size: n % size)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))[: n - n % block]
    blocks = x[order].unflatten(0, (-1, block))

    def piece(bracket: _Bracket) -> Piece:
        rows, columns = bracket.features(blocks)
        return rows, torch.cat([columns.roll(-k, 0) for k in range(1, 1 + SHIFTS)], 1), False

    rows, columns, _ = piece(whole)
    few = torch.bmm(rows, columns.mT).flatten()
    size = len(few)
    few = few[:: size // FIRST | 1]
    bracket = whole.narrower(few, share * len(few), 2 * math.sqrt(len(few)), least)
    found = bracket and _between([piece(bracket)])
    if not bracket or not found:
        return None
    return bracket.narrower(found.values, share * size - found.below, 1.75 * math.sqrt(size), least)


def _between(pieces: Iterable[Piece]) -> _Found | None:
    """Of all pairs, how many are below -1, and those between -1 and 1; None if these are too many.

    After they are clamped, a product of LANES of them is smaller than 1 if one of them is between.
    """
    signs, held, values, cells, groups, memory = 0, 0, [], [], [], None
    for left, right, same in pieces:
        if memory is None:  # the first is the largest
            memory = left.new_empty(left.shape[0] * left.shape[1] * right.shape[1] + LANES)
        entries = _clamped(left, right, same, memory)
        lanes = entries.view(LANES, -1)
        groups.append(lanes.prod(0).abs_().lt_(1).nonzero()[:, 0])
        looked_at = lanes.index_select(1, groups[-1]).flatten()
        cells.append((looked_at.abs() < 1).nonzero()[:, 0])
        values.append(looked_at.index_select(0, cells[-1]))
        signs += int(entries.trunc_().sum()) - len(entries)
        held += len(cells[-1])
        if max(len(looked_at), held) > MOST:
            return None
    counts = [len(cell) for cell in cells]
    return _Found(-(signs + held) // 2, torch.cat(values), torch.cat(cells), counts, groups)


def _clamped(left: Tensor, right: Tensor, same: bool, memory: Tensor) -> Tensor:
    """The products, from -1 to 1, in a row that LANES divide; 1 for what is not a pair."""
    shape = left.shape[0], left.shape[1], right.shape[1]
    size = math.prod(shape)
    entries = memory[: -(-size // LANES) * LANES]
    products = entries[:size].view(shape)
    torch.bmm(left, right.mT, out=products).clamp_(-1, 1)
    if same:
        products.masked_fill_(torch.ones(shape[1:], dtype=torch.bool).tril_(), 1)
    entries[size:] = 1
    return entries


def _pairs(found: _Found, moved: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """The numbers of the samples of these pairs, from those of their tiles, cells and groups."""
    tile = torch.bucketize(moved, torch.tensor(found.counts).cumsum(0), right=True)
    widths = torch.tensor([len(group) for group in found.groups])
    lane, group = found.cells[moved] // widths[tile], found.cells[moved] % widths[tile]
    group = torch.cat(found.groups)[(widths.cumsum(0) - widths)[tile] + group]
    corners = torch.tensor(
        [(i.start, j.start, i.stop - i.start, j.stop - j.start) for i, j in tiles(x, SIDE)]
    )
    i, j, s, t = corners[tile].unbind(1)
    entry = lane * ((s * t + LANES - 1) // LANES) + group
    return i + entry // t, j + entry % t
