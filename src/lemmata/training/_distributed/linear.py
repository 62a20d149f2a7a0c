"""The loss of a linear layer whose classes lie on several ranks, a block of rows at a time."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch import distributed as dist

from lemmata import _arguments as check
from lemmata.classification import MultilabelSums, multilabel_sums
from lemmata.numerics.precision import compute_dtype, no_autocast
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

__all__ = ["sharded_linear_multilabel_cross_entropy"]

BLOCKS = 16  # of rows: how many times fewer scores are in memory
SMALL = 2**16  # scores, fewer than which are not worth a block


def sharded_linear_multilabel_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    shard: ClassShard | None = None,
    padding_index: int = -1,
    threshold: float | Tensor = 0.0,
    reduction: str = "mean",
    group: dist.ProcessGroup | None = None,
) -> Tensor:
    r"""The same of a linear layer that is sharded by class: :math:`s = xW_r^\top + b_r` on rank r.

    What :func:`sharded_multilabel_cross_entropy` gives of these scores, of which a sixteenth is in memory at
    a time; backward makes them again. The gradients of weight and bias are local; that of ``input``, which
    all ranks hold, is the sum of what each rank contributes: one all_reduce of its size, if it is asked for.

    Implements :prf:ref:`distributed-merge`, :prf:ref:`distributed-gradient`.

    Args:
        input: features ``(..., D)``, the same on all ranks. Half types are multiplied in float32.
        linear_weight: ``(C_r, D)``, the rows of this rank's classes; or a DTensor ``(C, D)``, sharded along
            its first axis.
        target: as in :func:`sharded_multilabel_cross_entropy`.
        linear_bias: ``(C_r,)``, or a DTensor ``(C,)``.
        shard: as in :func:`sharded_multilabel_cross_entropy`.
        padding_index: as in :func:`~lemmata.classification.sparse_multilabel_cross_entropy`.
        threshold: as in :func:`sharded_multilabel_cross_entropy`.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.
        group: the ranks; None: all. A DTensor has its own.

    Returns:
        The loss, the same on all ranks, in the dtype of ``input``; a replicated DTensor for a DTensor.

    Example:
        >>> from torch import distributed as dist
        >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        >>> x, weight = torch.tensor([[1.0, -1.0]]), torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.5, 0.0]])
        >>> sharded_linear_multilabel_cross_entropy(x, weight, torch.tensor([[0, 2]]), shard=class_shard(3))
        tensor(0.8682)
        >>> dist.destroy_process_group()
    """
    group = group_of(linear_weight, group)

    def sums() -> Sums:
        weight, mesh, own = local("linear_weight", linear_weight, 0)
        features = unsharded("input", input)
        check.scores("input", features)
        check.choice("reduction", reduction, REDUCTIONS)
        check.floating("linear_weight", weight)
        if weight.dim() != 2 or weight.shape[1] != features.shape[-1]:
            expected = f"(C, D = {features.shape[-1]}) beside input"
            raise ValueError(f"linear_weight must have shape {expected}, got {tuple(weight.shape)}")
        bias = alike("linear_bias", linear_bias, mesh, 0)
        if bias is not None:
            check.floating("linear_bias", bias)
            check.shape("linear_bias", bias, weight.shape[:1], beside="linear_weight")
        labels, padding = here(target, shard_of(shard, own), len(weight), padding_index, mesh)
        sizes = (*features.shape[:-1], labels.shape[-1] if padding is not None else len(weight))
        check.shape("target", labels, sizes, beside="input and linear_weight")
        theta = replicated(unsharded("threshold", threshold), group)
        made = _by_blocks(replicated(features, group), weight, bias, labels, theta, padding)
        same = {"features": features.shape[-1], "dtype": features.dtype, "reduction": reduction}
        same["threshold"] = compared(theta)
        return Sums(made, None, {**same, **learns(input=features, threshold=theta)})

    rows, _ = merged_loss(sums, group, "sharded_linear_multilabel_cross_entropy")
    return whole(reduce_rows(rows, reduction).to(input.dtype), linear_weight)


def _by_blocks(x, weight, bias, target, theta, padding) -> MultilabelSums:
    """The sums of all rows, whose scores are forgotten and made again."""
    made, rows = compute_dtype(x), x.shape[:-1]
    if isinstance(theta, Tensor):
        check.floating("threshold", theta)
        theta = check.broadcast("threshold", theta, rows).reshape(-1)
    else:
        theta = torch.full(rows, check.number("threshold", theta), dtype=made, device=x.device).reshape(-1)
    flat, labels = (v.reshape(rows.numel(), v.shape[-1]) for v in (x.to(made), target))
    shift = None if bias is None else bias.to(made)
    with no_autocast(x):
        sums = _LinearSums.apply(flat, weight.to(made), shift, theta, labels, padding)
    return MultilabelSums(*(column.view(rows) for column in sums))


class _LinearSums(torch.autograd.Function):
    """Keeps its arguments, and makes the scores again in backward, a block of rows at a time.

    A backward that may be differentiated again, and that of soft labels which learn, makes all of them.
    """

    @staticmethod
    def forward(x, weight, bias, theta, target, padding):
        blocks = _blocks(len(x), len(weight))
        parts = [_sums(x[at], weight, bias, theta[at], target[at], padding) for at in blocks]
        return tuple(torch.cat(column) for column in zip(*parts, strict=True))

    @staticmethod
    def setup_context(ctx, inputs, output):
        *kept, ctx.padding = inputs
        ctx.save_for_backward(*kept)
        ctx.mark_non_differentiable(*output[2:])

    @staticmethod
    def backward(ctx, g_a, g_b, *_):
        kept, needed = ctx.saved_tensors, ctx.needs_input_grad
        with no_autocast(g_a):
            if torch.is_grad_enabled() or needed[4]:
                return *_slopes_at_once(kept, ctx.padding, needed, (g_a, g_b)), None
            return *_slopes_by_blocks(kept, ctx.padding, needed, (g_a, g_b)), None, None


def _slopes_at_once(kept, padding, needed, slopes) -> list[Tensor | None]:
    wanted = [i for i in range(5) if needed[i]]
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        given = list(kept if again else (v if v is None else v.detach() for v in kept))
        for i in wanted:
            given[i] = given[i] if given[i].requires_grad else given[i].requires_grad_()
        leaves = [given[i] for i in wanted]
        x, weight, bias, theta, target = given
        logs = _sums(x, weight, bias, theta, target, padding)[:2]
        made = torch.autograd.grad(logs, leaves, slopes, create_graph=again)
    found = dict(zip(wanted, made, strict=True))
    return [found.get(i) for i in range(5)]


def _slopes_by_blocks(kept, padding, needed, slopes) -> list[Tensor | None]:
    x, weight, bias, theta, target = kept
    d_x, d_weight, d_bias, d_theta = made = [
        torch.zeros_like(v) if need else None for v, need in zip(kept, needed[:4], strict=False)
    ]
    for at in _blocks(len(x), len(weight)):
        leaves = [v.detach().requires_grad_() for v in (F.linear(x[at], weight, bias), theta[at])]
        with torch.enable_grad():
            logs = multilabel_sums(leaves[0], target[at], threshold=leaves[1], padding_index=padding)[:2]
        d, d_row = torch.autograd.grad(logs, leaves, [g[at] for g in slopes])
        if d_x is not None:
            torch.mm(d, weight, out=d_x[at])
        if d_weight is not None:
            d_weight.addmm_(d.mT, x[at])
        if d_bias is not None:
            d_bias += d.sum(0)
        if d_theta is not None:
            d_theta[at] = d_row
    return made


def _sums(x, weight, bias, theta, target, padding) -> MultilabelSums:
    return multilabel_sums(F.linear(x, weight, bias), target, threshold=theta, padding_index=padding)


def _blocks(rows: int, classes: int) -> Iterator[slice]:
    step = max(1, -(-rows // BLOCKS), SMALL // max(1, classes))
    return (slice(i, i + step) for i in range(0, max(1, rows), step))
