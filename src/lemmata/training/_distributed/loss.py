"""The multi-label loss of scores whose classes lie on several ranks."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch import distributed as dist

from lemmata import _arguments as check
from lemmata.classification import MultilabelSums, multilabel_sums
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.reduction import REDUCTIONS, reduce_rows
from lemmata.training._distributed.groups import (
    ClassShard,
    alike,
    all_states,
    check_group,
    local,
    replicated,
    unsharded,
    whole,
)

__all__ = ["here", "merged_loss", "sharded_multilabel_cross_entropy"]


def sharded_multilabel_cross_entropy(
    input: Tensor,
    target: Tensor,
    *,
    shard: ClassShard | None = None,
    padding_index: int = -1,
    threshold: float | Tensor = 0.0,
    mask: Tensor | None = None,
    reduction: str = "mean",
    group: dist.ProcessGroup | None = None,
) -> Tensor:
    r"""The multi-label cross-entropy of scores that are sharded by class: value and gradient of the whole.

    .. math:: L = \log\Bigl(1 + \sum_r A_r\Bigr) + \log\Bigl(1 + \sum_r B_r\Bigr),\qquad
              A_r=\sum_{i\in\text{shard }r}(1-t_i)\,e^{s_i-s_0},\quad
              B_r=\sum_{i\in\text{shard }r}t_i\,e^{s_0-s_i}

    Each rank sends four numbers a row, :math:`\log(1+A_r)`, :math:`\log(1+B_r)` and the weights of its
    infinite scores (a fifth beside a mask), in one ``all_gather``, whatever the number of classes. The
    gradient by the scores is local: backward sends nothing, but for a threshold that learns (one all_reduce
    of its size). A second derivative sends some numbers a row, and works if all ranks ask for it.

    Implements :prf:ref:`distributed-merge`, :prf:ref:`distributed-gradient`.

    Args:
        input: scores ``(..., C_r)`` of this rank's classes, C_r may be 0; the same rows on all ranks. Or a
            DTensor ``(..., C)`` that is sharded along its last axis.
        target: bool or float labels ``(..., C_r)`` (a DTensor beside a DTensor); or int64 ``(..., K)``,
            positives by index among *all* classes, the same on all ranks.
        shard: what :func:`class_shard` gave, for an index; a DTensor knows it.
        padding_index: as in :func:`~lemmata.classification.sparse_multilabel_cross_entropy`.
        threshold: a number, or a tensor that broadcasts to ``(...)``, the same on all ranks.
        mask: bool, broadcasts to ``(..., C_r)``; given on all ranks or on none. Not beside an index.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``; the mean is over rows in which some label counts.
        group: the ranks; None: all. A DTensor has its own.

    Returns:
        The loss, the same on all ranks, in the dtype of ``input``; a replicated DTensor for a DTensor.

    Example:
        >>> from torch import distributed as dist
        >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        >>> scores = torch.tensor([2.0, -1.0, 0.5, -3.0, 1.0])
        >>> sharded_multilabel_cross_entropy(scores, torch.tensor([2, 0]), shard=class_shard(5))
        tensor(1.9747)
        >>> dist.destroy_process_group()
    """
    check_group(group)
    scores, mesh, own = local("input", input, -1)
    group = mesh.get_group() if mesh is not None else group
    check.scores("input", scores)
    shard, hides = shard or own, mask is not None

    def sums() -> Sums:
        check.choice("reduction", reduction, REDUCTIONS)
        theta = replicated(unsharded("threshold", threshold), group)
        keep = alike("mask", mask, mesh)
        labels, padding = here(target, shard, scores.shape[-1], padding_index, mesh)
        made = multilabel_sums(scores, labels, threshold=theta, mask=keep, padding_index=padding)
        return Sums(made, check.broadcast("mask", keep, scores.shape).any(-1) if hides else None)

    rows, counts = merged_loss(
        sums, scores, scores.shape[:-1], hides, group, "sharded_multilabel_cross_entropy"
    )
    count = None if counts is None else counts.sum().clamp(min=1)
    return whole(reduce_rows(rows, reduction, count).to(scores.dtype), mesh)


class Sums(NamedTuple):
    """What one rank has of the loss."""

    of_rows: MultilabelSums
    counts: Tensor | None  # (...), bool: whether a label of the row counts


def here(
    target: Tensor, shard: ClassShard | None, size: int, padding: int, mesh: Any
) -> tuple[Tensor, int | None]:
    """Labels of this rank's classes and None; or an index among them, and what stands for nothing in it."""
    check.tensor("target", target)
    if target.dtype != torch.int64:
        return alike("target", target, mesh), None
    target, padding = unsharded("target", target), check.integer("padding_index", padding)
    if shard is None:
        raise ValueError("shard must be what class_shard gave where target is an index, got None")
    if shard.stop - shard.start != size:
        raise ValueError(f"shard must be of {size} classes, as input is, got {shard}")
    check.within("target, but for padding_index,", target[target != padding], shard.classes)
    inside = (target >= shard.start) & (target < shard.stop) & (target != padding)
    return torch.where(inside, target - shard.start, -1), -1


def merged_loss(
    sums: Callable[[], Sums], like: Tensor, rows: torch.Size, masked: bool, group: Any, name: str
) -> tuple[Tensor, Tensor | None]:
    """The loss of each row over all ranks, and whether a label of it counts (None: no mask)."""
    made: list[Sums] = []

    def state() -> Tensor:
        made.append(sums())
        found = made[0]
        columns = [*found.of_rows, *([] if found.counts is None else [found.counts])]
        return torch.cat([column.detach().to(empty.dtype).flatten() for column in columns])

    empty = like.new_zeros((4 + masked) * rows.numel(), dtype=compute_dtype(like))
    states = all_states(state, empty, group, name).unflatten(1, (4 + masked, *rows))
    place, own = dist.get_rank(group), made[0].of_rows
    log_a = over_ranks(own.negatives, states[:, 0], states[:, 2], place, group)
    log_b = over_ranks(own.positives, states[:, 1], states[:, 3], place, group)
    return log_a + log_b, states[:, 4].any(0) if masked else None


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


def over_ranks(mine: Tensor, logs: Tensor, weights: Tensor, place: int, group: Any) -> Tensor:
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
