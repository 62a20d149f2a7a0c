"""The terms of A and B of rows whose exponentials are in range, a few rows at a time, through reused buffers.

Two ways: ``Dense`` for any labels, one exponential and a division a label; ``Picked`` where the positives are
known by place, one exponential a label and little else.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lemmata.numerics.exponentials import exp
from lemmata.numerics.precision import compute_dtype

__all__ = ["SMALL", "Dense", "Picked", "at_once", "picked_by_index", "picked_by_label"]

SMALL = 2**16  # scores of a batch for which calls cost more than numbers
BLOCK = 2**18  # scores at a time and thread: three float32 buffers of them take 3 MiB, and a call a tenth
FEW = 64  # positives are looked up one by one where they are less than one label in so many

Terms = tuple[Tensor, Tensor]


class Dense:
    """Any labels: the terms are (1 - t) e^x and t e^-x."""

    def __init__(self, input: Tensor, threshold: float | Tensor, target: Tensor, mask: Tensor | None) -> None:
        self.arguments = input, threshold, target, mask
        self.dtype, self.step = compute_dtype(input), _step(input)

    def blocks(self) -> Iterator[Terms]:
        """The terms, in buffers that the next block overwrites."""
        for arguments, buffers in _through(self, 3):
            yield _dense_terms(*arguments, *buffers)

    def sums(self) -> Tensor:
        """A and B of each row, (2, rows)."""
        made = _sums(self)
        for (a, b), (total_a, total_b) in zip(self.blocks(), _split(self.step, *made), strict=True):
            torch.sum(a, -1, out=total_a)
            torch.sum(b, -1, out=total_b)
        return made

    def slope(self, factors: Tensor, out: Tensor) -> None:
        """The terms of A times their factor (one a row) less those of B times theirs."""
        parts = _split(self.step, *factors.unsqueeze(-1), out)
        for (a, b), (f_a, f_b, slope) in zip(self.blocks(), parts, strict=True):
            torch.addcmul(a.mul_(f_a), b, f_b, value=-1, out=slope)


def _dense_terms(input, threshold, target, mask, e, w, spare):
    _exp(input, threshold, e)
    if target.is_floating_point():
        t = target if target.dtype == e.dtype else w.copy_(target)
        b = torch.div(t, e, out=spare)
        a = e.mul_(torch.sub(1, t, out=w))
    else:
        w.copy_(_numbers(target))
        torch.clamp(e, min=torch.finfo(e.dtype).tiny, out=spare)  # a negative at -inf would be 0 / 0
        b = torch.div(w, spare, out=spare)
        a = e.addcmul_(e, w, value=-1)
    if mask is not None:
        off, weight = mask == 0, w.copy_(_numbers(mask))
        a.mul_(weight).masked_fill_(off, 0)  # a masked NaN is no NaN
        b.mul_(weight).masked_fill_(off, 0)
    return a, b


class Picked:
    """Hard labels whose positives are known by their places, counted over all scores, in order."""

    def __init__(self, input: Tensor, threshold: float | Tensor, place: Tensor) -> None:
        self.arguments = input, threshold
        self.dtype, self.step = compute_dtype(input), _step(input)
        self.place, self.row = place, torch.div(place, input.shape[-1], rounding_mode="floor")
        x = input.view(-1)[place].to(self.dtype)
        x.sub_(threshold[self.row] if isinstance(threshold, Tensor) else threshold)
        self.b = exp(x.neg_(), x)

    def blocks(self) -> Iterator[Tensor]:
        """The terms of A, in a buffer that the next block overwrites."""
        parts = _places(self.place, self.arguments[0], self.step)
        for place, ((input, threshold), (e,)) in zip(parts, _through(self, 1), strict=True):
            _exp(input, threshold, e).view(-1).index_fill_(0, place, 0)
            yield e

    def sums(self) -> Tensor:
        """A and B of each row, (2, rows)."""
        made = _sums(self)
        for a, (total,) in zip(self.blocks(), _split(self.step, made[0]), strict=True):
            torch.sum(a, -1, out=total)
        made[1].zero_().index_add_(0, self.row, self.b)
        return made

    def slope(self, factors: Tensor, out: Tensor) -> None:
        """The terms of A times their factor (one a row); at the positives, less those of B times theirs."""
        by_a, by_b = factors
        for a, (f_a, slope) in zip(self.blocks(), _split(self.step, by_a.unsqueeze(-1), out), strict=True):
            torch.mul(a, f_a, out=slope)
        pull = by_b[self.row].mul_(self.b).neg_()
        out.view(-1).index_copy_(0, self.place, pull.to(out.dtype))


def _places(place: Tensor, input: Tensor, step: int) -> tuple[Tensor, ...]:
    """The places, counted in each block from its beginning."""
    size = step * input.shape[-1]
    ends = torch.tensor(range(size, input.numel(), size), dtype=torch.int64)
    return place.remainder(size).tensor_split(torch.searchsorted(place, ends).tolist())


def picked_by_index(index: Tensor, padding: int, classes: int) -> Tensor:
    """The places of positives that come as indices (rows, K)."""
    index = index.masked_fill(index == padding, -1).sort(-1).values
    repeated = index[:, 1:] == index[:, :-1]
    index[:, 1:].masked_fill_(repeated, -1)
    first = torch.arange(0, len(index) * classes, classes).unsqueeze(-1)
    return (index + first)[index >= 0]


def picked_by_label(target: Tensor) -> Tensor | None:
    """The places of the labels that are on, if these are few and none is soft.

    Looks at 64 labels at a time, and then only into those with one that is on; at bytes as words of eight.
    """
    labels, whole = target.reshape(-1), target.numel() // 64 * 64
    head, eight = labels[:whole], labels.element_size() == 1
    if eight and (head.storage_offset() % 8 or not head.is_contiguous()):
        return None
    groups = head.view(torch.int64).view(-1, 8) if eight else head.view(-1, 64)
    if groups[: BLOCK // 64].any(-1).sum() > BLOCK // 512:  # so many at the beginning that the rest may rest
        return None
    found = groups.amax(-1).nonzero().squeeze(-1)
    group, within = groups[found].nonzero().unbind(-1)
    place = found[group] * groups.shape[-1] + within
    if eight:
        place = (place.unsqueeze(-1) * 8 + torch.arange(8)).view(-1)
    place = torch.cat([place, torch.arange(whole, labels.numel())])
    value = labels[place]
    place, value = place[value != 0], value[value != 0]
    return place if len(place) <= labels.numel() // FEW and bool((value == 1).all()) else None


# --------------------------------------------------------------------------- a single block


def at_once(input: Tensor, threshold: float | Tensor, target: Tensor, padding: int | None) -> Terms:
    """The terms of a batch so small that every call counts, (rows, C) both."""
    e = input.to(compute_dtype(input))
    if isinstance(threshold, Tensor) or threshold != 0:
        e = (e - (threshold.unsqueeze(-1) if isinstance(threshold, Tensor) else threshold)).to(e.dtype)
    e = exp(e, torch.empty_like(e))
    if padding is not None:
        return _split_at(e, target, padding)
    if target.is_floating_point():
        t = target.to(e.dtype)
        return (1 - t).mul_(e), t / e
    t = _numbers(target).to(e.dtype)
    b = t / e
    return e.addcmul_(e, t, value=-1), b


def _split_at(e: Tensor, index: Tensor, padding: int) -> Terms:
    """The terms from the positives by index; an index that is repeated writes the same number twice."""
    classes = e.shape[-1]
    if index.numel() and (padding >= 0 or index.min().item() < 0):  # nothing goes to a column of its own
        e, index = F.pad(e, (0, 1)), index.masked_fill(index == padding, classes)
    terms = e.gather(-1, index).reciprocal_()
    b = torch.zeros_like(e).scatter_(-1, index, terms)
    a = e.scatter_(-1, index, torch.zeros_like(terms))
    return (a, b) if a.shape[-1] == classes else (a[:, :classes], b[:, :classes])


# --------------------------------------------------------------------------- blocks


def _step(input: Tensor) -> int:
    """How many rows a block has; every thread has a cache of its own."""
    return max(1, BLOCK * torch.get_num_threads() // input.shape[-1])


def _split(step: int, *arguments: Any) -> Iterator[tuple[Any, ...]]:
    """The blocks of each tensor side by side; what is no tensor is repeated."""
    parts = (x.split(step) if isinstance(x, Tensor) else itertools.repeat(x) for x in arguments)
    return zip(*parts, strict=False)


def _sums(way: Dense | Picked) -> Tensor:
    input = way.arguments[0]
    return input.new_empty((2, len(input)), dtype=way.dtype)


def _through(way: Dense | Picked, count: int) -> Iterator[tuple[Any, Any]]:
    """The arguments block by block, and buffers of the size of a block."""
    input = way.arguments[0]
    shape = count, min(way.step, len(input)), input.shape[-1]
    room = input.new_empty(shape, dtype=way.dtype).unbind()
    for parts in _split(way.step, *way.arguments):
        yield parts, [buffer[: len(parts[0])] for buffer in room]


def _numbers(x: Tensor) -> Tensor:
    """Of bool its bytes, which torch converts many times faster."""
    return x.view(torch.uint8) if x.dtype == torch.bool else x


def _exp(input: Tensor, threshold: float | Tensor, out: Tensor) -> Tensor:
    """e^(s - theta) in the dtype of ``out``."""
    if isinstance(threshold, Tensor):
        return exp(out.copy_(input).sub_(threshold.unsqueeze(-1)), out)
    if input.dtype != out.dtype or threshold != 0:
        return exp(out.copy_(input).sub_(threshold), out)
    return exp(input, out)
