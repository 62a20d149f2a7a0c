"""The squared distance of a given rank by float32 tiles, proved; in plain PyTorch, for a CPU.

A sample brackets it. One pass counts the pairs below and keeps those between. Rounding can have moved few
of them past the one that has this rank in float32: these are made again in float64.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata.numerics.tiles import squared_distances, tiles

__all__ = ["LEAST", "select"]

SIDE = 512  # of a tile: one fits in a cache of 2 MiB
LANES = 16  # how many entries are looked at together for one that is between
BLOCKS, SHIFTS = range(24, 41), 6  # in the sample, blocks of so many are paired with so many that follow
LEAST = 5 * max(BLOCKS)  # samples
SLACK = 1.6  # half the width of the bracket in ranks, over the root of their number: 3.2 standard errors
FIRST = 2**13  # how many distances of the sample are put in order
MOST = 2**22  # how many numbers are kept; from half of it on, only those between are
PART = 2**16  # how many of them are looked at together
FEW = 2**14  # so few are put in order


class _Bracket(NamedTuple):
    middle: float
    half: float  # of its width

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Their products are squared distances, counted so that the bracket is from -1 to 1."""
        squares, one = x.square().sum(-1, keepdim=True), torch.ones_like(x[..., :1])
        rows = torch.cat([-2 * x, squares - self.middle, one], -1).div_(self.half)
        return rows, torch.cat([x, one, squares], -1)


class _Found(NamedTuple):
    """Of rows of entries from -1 to 1, those between, and others that were looked at with them."""

    values: Tensor  # (k,)
    counts: list[int]  # of each row, how many are kept
    sizes: list[int]  # and how many there were
    groups: list[Tensor]  # and which groups of LANES are kept, or which entries
    below: int  # how many that are -1 are not kept

    def places(self, at: Tensor) -> tuple[Tensor, Tensor]:
        """In which row these values were, and where in it."""
        counts, widths = torch.tensor(self.counts), torch.tensor([len(group) for group in self.groups])
        row = torch.bucketize(at, counts.cumsum(0), right=True)
        at = at - (counts.cumsum(0) - counts)[row]
        lane, group = at // widths[row], at % widths[row] + (widths.cumsum(0) - widths)[row]
        return row, lane * (torch.tensor(self.sizes) // LANES)[row] + torch.cat(self.groups)[group]


def select(x: Tensor, rank: int) -> Tensor | None:
    """The squared distance of this rank (from 0), or None where it is better found in another way.

    Args:
        x: ``(n, d)``, float64, finite, near 0, with a largest entry below 2; n is at least ``LEAST``.
    """
    d, y, total = x.shape[1], x.float(), len(x) * (len(x) - 1) // 2
    radius = x.square().sum(-1).max().item()
    error = 4 * (d + 8) * torch.finfo(y.dtype).eps * radius  # of a squared distance in float32, at most
    memory = y.new_empty(MOST)  # for all, since fresh pages cost as much as what is written there
    for bracket in _brackets(y, (rank + 0.5) / total, 8 * error, memory):
        found = _between(_of_tiles(y, bracket), memory)
        near = found and _near(found, rank, 2 * error / bracket.half, memory)
        if found and near and len(near[0]) * (d + 2) <= MOST:
            i, j = _pairs(*found.places(near[0]), y)
            exact = squared_distances(x[i, None], x[j, None]).flatten()
            return exact.kthvalue(near[1] + 1).values
    return None


def _brackets(x: Tensor, share: float, least: float, memory: Tensor) -> Iterator[_Bracket]:
    """What has the quantile, most likely, and a few thousandths of all pairs.

    The second, where the first did not have it, is of quantiles of the whole sample. In the first they are
    estimated: from a count below a number that is close, and from how dense the sample is there.
    """
    sample = _sample(x, memory)
    few, size = sample[:: len(sample) // FIRST | 1], len(sample)
    slack = SLACK * math.sqrt(size)
    ends = _quantiles(few, share * len(few), 2 * math.sqrt(len(few)))
    if ends is None:
        return
    step = (ends[1] - ends[0]) / (4 * math.sqrt(len(few))) * len(few) / size
    middle = (ends[0] + ends[1]) / 2
    gap = share * size - int(sample.lt_(middle).sum())
    yield _Bracket(middle + gap * step, max(slack * step, least))
    ends = _quantiles(_sample(x, memory), share * size, slack)
    if ends is not None:
        yield _Bracket((ends[0] + ends[1]) / 2, max((ends[1] - ends[0]) / 2, least))


def _quantiles(values: Tensor, rank: float, slack: float) -> tuple[float, float] | None:
    ranks = math.floor(rank - slack), math.ceil(rank + slack)
    if ranks[0] < 0 or ranks[1] >= len(values):
        return None
    low, high = (values.kthvalue(r + 1).values.item() for r in ranks)
    return low, high


def _sample(x: Tensor, memory: Tensor) -> Tensor:
    """Squared distances of each point equally often, so that some are far from all others costs nothing."""
    n = len(x)
    block = min(BLOCKS, key=lambda size: n % size)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))[: n - n % block]
    rows, columns = _Bracket(0.0, 1.0).features(x[order].unflatten(0, (-1, block)))
    shifts = range(1, 1 + min(SHIFTS, len(rows) // 2))
    columns = torch.cat([columns.roll(-k, 0) for k in shifts], 1)
    shape = *rows.shape[:2], columns.shape[1]
    out = memory[: math.prod(shape)].view(shape) if math.prod(shape) <= len(memory) else None
    return torch.bmm(rows, columns.mT, out=out).flatten()


def _of_tiles(x: Tensor, bracket: _Bracket) -> Iterator[Tensor]:
    """The pairs of each tile, from -1 to 1, in a row that LANES divide; 1 for what is not a pair."""
    rows, columns = bracket.features(x)
    side = min(SIDE, len(x))
    memory = rows.new_empty(side * side + LANES)
    on = rows.new_full((side, side), math.inf).tril_()
    for i, j in tiles(x, SIDE):
        s, t = i.stop - i.start, j.stop - j.start
        products = memory[: s * t].view(s, t)
        torch.mm(rows[i], columns[j].mT, out=products)
        if i == j:
            products.add_(on[:s, :t])
        entries = memory[: -(-s * t // LANES) * LANES]
        entries[s * t :] = 1
        yield entries.clamp_(-1, 1)


def _between(rows: Iterable[Tensor], memory: Tensor) -> _Found | None:
    """Those between -1 and 1; None if they are too many.

    A product of LANES entries is smaller than 1 if one of them is between.
    """
    below, held, counts, sizes, groups = 0, 0, [], [], []
    for entries in rows:
        lanes = entries.view(LANES, -1)
        group = _not_one(lanes.prod(0))
        values = lanes.index_select(1, group).flatten()
        if held + len(values) > len(memory) // 2:  # each by itself
            within = _not_one(values)
            group = within // max(1, len(group)) * lanes.shape[1] + group[within % max(1, len(group))]
            values = values[within]
            if held + len(values) > len(memory) - LANES:
                return None
        memory[held : held + len(values)] = values
        held += len(values)
        counts.append(len(values))
        sizes.append(len(entries))
        groups.append(group)
        left = _left(entries, values)
        if left is None:
            return None
        below += left
    full = -(-held // LANES) * LANES
    memory[held:full] = 1
    return _Found(memory[:full], counts, sizes, groups, below)


def _left(entries: Tensor, values: Tensor) -> int | None:
    """How many entries are -1, without those that are kept; the rest is 1.

    So their sum is an integer, odd or even as their number is. That of 512^2 entries by halves is off by less
    than 1.5, mostly by 0.001: None where it is not close to such an integer.
    """
    left = (len(entries) - len(values) - entries.sum().item() + values.sum().item()) / 2
    return round(left) if abs(left - round(left)) < 0.1 else None


def _not_one(x: Tensor) -> Tensor:
    """Which of these numbers from -1 to 1 are between. Of integers, those that are not 0 are found faster."""
    return torch.addcmul(x.new_tensor(-1.0), x, x).view(torch.int32).nonzero()[:, 0]


def _near(found: _Found, rank: int, slack: float, memory: Tensor) -> tuple[Tensor, int] | None:
    """Which of the values are within the slack of that of a rank, and what rank it has among these.

    None if it was not kept, or if some that were not could be within the slack.
    """
    values = found.values
    signs, ends = _signs_and_ends(values)
    rank, held = rank - found.below, len(values) - ends
    if not 0 <= rank < len(values) or held == 0:
        return None
    if len(values) > FEW:  # they are spread evenly, most likely: so it is known where to look
        middle = (2 * rank + 1 - ends + signs) / held - 1
        half = max(6 / math.sqrt(held) + 0.01, 4 * slack)
        if abs(middle) + half < 1:
            shift = values.new_tensor(-middle / half)
            parts = (torch.add(shift, part, alpha=1 / half).clamp_(-1, 1) for part in values.split(PART))
            rest = memory[len(values) :]
            closer = _between(parts, rest)
            near = closer and _near(closer, rank, (slack + 1e-6) / half, rest)
            if closer and near:
                part, place = closer.places(near[0])
                return part * PART + place, near[1]
    value = values.kthvalue(rank + 1).values
    gaps = values - value
    if value.abs() + slack >= 1:
        return None
    return (gaps.abs() <= slack).nonzero()[:, 0], rank - int((gaps < -slack).sum())


def _signs_and_ends(values: Tensor) -> tuple[int, int]:
    """The sum of those that are -1 or 1, and how many they are."""
    signs = ends = 0
    for part in values.split(PART):
        whole = part.int().float()  # trunc is slow where it is MKL's and the processor another maker's
        signs, ends = signs + int(whole.sum()), ends + int(whole.dot(whole))
    return signs, ends


def _pairs(tile: Tensor, entry: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """The numbers of the samples of these pairs."""
    corners = torch.tensor([(i.start, j.start, j.stop - j.start) for i, j in tiles(x, SIDE)])
    i, j, t = corners[tile].unbind(1)
    return i + entry // t, j + entry % t
