"""The multi-label loss of scores whose classes lie on several ranks."""

from torch import Tensor
from torch import distributed as dist

from lemmata import _arguments as check
from lemmata.classification import multilabel_sums
from lemmata.numerics.reduction import REDUCTIONS, reduce_rows
from lemmata.training._distributed.groups import (
    alike,
    compared,
    group_of,
    learns,
    local,
    replicated,
    unsharded,
    whole,
)
from lemmata.training._distributed.merging import Sums, here, merged_loss, shard_of
from lemmata.training._distributed.shards import ClassShard

__all__ = ["sharded_multilabel_cross_entropy"]


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
    infinite scores (a fifth beside a mask), in one ``all_gather``, whatever the number of classes; a second
    follows where the rows are more than in the call before, as in the first. The gradient by the scores is
    local: backward sends nothing, but for a threshold that learns (one all_reduce of its size). A second
    derivative sends some numbers a row, and works if all ranks ask for it.

    Implements :prf:ref:`distributed-merge`, :prf:ref:`distributed-gradient`.

    Args:
        input: scores ``(..., C_r)`` of this rank's classes, C_r may be 0; the same rows on all ranks. Or a
            DTensor ``(..., C)`` that is sharded along its last axis.
        target: bool or float labels ``(..., C_r)`` (a DTensor beside a DTensor); or int64 ``(..., K)``,
            positives by index among *all* classes, the same on all ranks.
        shard: what :func:`class_shard` gave, for an index; a DTensor knows it.
        padding_index: as in :func:`~lemmata.classification.sparse_multilabel_cross_entropy`.
        threshold: a number, or a tensor that broadcasts to ``(...)``, the same bits on all ranks; these are
            compared, but for a tensor on a GPU.
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
    group = group_of(input, group)

    def sums() -> Sums:
        scores, mesh, own = local("input", input, -1)
        check.scores("input", scores)
        check.choice("reduction", reduction, REDUCTIONS)
        held = shard_of(shard, own)
        theta = replicated(unsharded("threshold", threshold), group)
        labels, padding = here(target, held, scores.shape[-1], padding_index, mesh)
        keep = alike("mask", mask, mesh)
        made = multilabel_sums(scores, labels, threshold=theta, mask=keep, padding_index=padding)
        counts = None if keep is None else check.broadcast("mask", keep, scores.shape).any(-1)
        same = {"dtype": scores.dtype, "reduction": reduction, "threshold": compared(theta)}
        return Sums(made, counts, {**same, **learns(threshold=theta)})

    rows, counts = merged_loss(sums, group, "sharded_multilabel_cross_entropy")
    count = None if counts is None else counts.sum().clamp(min=1)
    return whole(reduce_rows(rows, reduction, count).to(input.dtype), input)
