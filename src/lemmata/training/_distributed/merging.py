"""The loss of rows over all ranks, from the sums that each has of its classes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch import distributed as dist

from lemmata import _arguments as check
from lemmata.classification import MultilabelSums
from lemmata.training._distributed.groups import alike, all_states, replicated, unsharded
from lemmata.training._distributed.shards import ClassShard

__all__ = ["Sums", "here", "merge_logs", "merged_loss", "shard_of"]


def shard_of(shard: ClassShard | None, own: tuple[int, int, int] | None) -> ClassShard | None:
    """The classes of this rank: as they were given, or as a DTensor knows them."""
    if not isinstance(shard, ClassShard | None):
        raise TypeError(f"shard must be what class_shard gave, or None, got {type(shard).__name__}")
    return shard if own is None else ClassShard(*own)


class Sums(NamedTuple):
    """What one rank has of the loss."""

    of_rows: MultilabelSums
    counts: Tensor | None  # (...), bool: whether a label of the row counts
    same: dict[str, Any]  # what the other ranks must have, too


def here(
    target: Tensor, shard: ClassShard | None, size: int, padding: int, mesh: Any
) -> tuple[Tensor, int | None]:
    """Labels of this rank's classes and None; or an index among them, and what stands for nothing in it."""
    check.tensor("target", target)
    padding = check.integer("padding_index", padding)
    if target.dtype != torch.int64:
        return alike("target", target, mesh), None
    target = unsharded("target", target)
    if shard is None:
        raise ValueError("shard must be what class_shard gave where target is an index, got None")
    if shard.stop - shard.start != size:
        raise ValueError(f"shard must be of {size} classes, as input is, got {shard}")
    check.within("target, but for padding_index,", target[target != padding], shard.classes)
    inside = (target >= shard.start) & (target < shard.stop) & (target != padding)
    return torch.where(inside, target - shard.start, -1), -1


def merged_loss(sums: Callable[[], Sums], group: Any, name: str) -> tuple[Tensor, Tensor | None]:
    """The loss of each row over all ranks, and whether a label of it counts (None: no mask)."""
    made: list[Sums] = []

    def state() -> tuple[Tensor, dict[str, Any]]:
        made.append(sums())
        logs, counts, same = made[0]
        columns = [column.detach() for column in logs]
        state = torch.stack(columns if counts is None else [*columns, counts.to(columns[0].dtype)])
        return state, {"rows": tuple(logs[0].shape), "mask": counts is not None, **same}

    states, own = all_states(state, group, name), made[0].of_rows
    place = dist.get_rank(group)
    log_a = _over_ranks(own.negatives, states[:, 0], states[:, 2], place, group)
    log_b = _over_ranks(own.positives, states[:, 1], states[:, 3], place, group)
    return log_a + log_b, states[:, 4].any(0) if states.shape[1] > 4 else None


# --------------------------------------------------------------------------- the sum over ranks


def merge_logs(logs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """log(1 + sum A) over axis 0, from each log(1 + A), and the part that each has in its gradient.

    From e^L = e^M + sum (e^l - 1) with M the largest l: all terms are positive, so that no digit is lost.
    """
    top, at = logs.max(0, keepdim=True)
    rest = -torch.expm1(-logs) * torch.exp(logs - top)
    total = top + torch.log1p(rest.scatter(0, at, 0.0).sum(0, keepdim=True))
    endless = top == torch.inf
    total = torch.where(endless, torch.inf, total)
    weight = weights.sum(0, keepdim=True)
    known = torch.where(weight > 0, weights / weight, torch.isinf(logs) / torch.isinf(logs).sum(0))
    return total[0], torch.where(endless, known, torch.exp(logs - total))


def _over_ranks(mine: Tensor, logs: Tensor, weights: Tensor, place: int, group: Any) -> Tensor:
    """log(1 + sum A) of all ranks, as a function of this rank's log(1 + A)."""
    total, parts = merge_logs(logs, weights)
    return _OverRanks.apply(mine, total, parts[place], group)


class _OverRanks(torch.autograd.Function):
    """The total, which was made before; its slope by this rank's term is that term's part, e^(l - L).

    A backward that may be differentiated again tells the ranks' parts apart from what all ranks hold.
    """

    @staticmethod
    def forward(mine, total, part, group):
        return total.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        mine, _, part, ctx.group = inputs
        ctx.save_for_backward(mine, part, output)

    @staticmethod
    def backward(ctx, g):
        mine, part, total = ctx.saved_tensors
        if torch.is_grad_enabled():
            g, total = replicated(g, ctx.group), replicated(total, ctx.group)
            finite = torch.isfinite(total)
            gap = torch.where(finite, mine, 0.0) - torch.where(finite, total, 0.0)
            part = torch.where(finite, torch.exp(gap), part)
        return g * part, None, None, None
