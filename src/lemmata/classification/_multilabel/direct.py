"""The loss of rows whose exponentials are in range: sums of e^x as they are, with no shift by the largest.

This is the fast way on a CPU, where values may be looked at. Rows in which a sum turns out large, or NaN, go
the general way of ``sums``.
"""

import math

import torch
from torch import Tensor

from lemmata._torch import forward_mode, readable, transforming
from lemmata.classification._multilabel.sums import log_sums, slope_by_blocks, slopes_of, sums_by_blocks
from lemmata.classification._multilabel.terms import (
    SMALL,
    Dense,
    Picked,
    at_once,
    picked_by_index,
    picked_by_label,
)
from lemmata.numerics.reduction import reduce_rows

__all__ = ["losses"]


def losses(
    input: Tensor,
    threshold: float | Tensor,
    target: Tensor,
    mask: Tensor | None,
    padding: int | None,
    reduction: str,
) -> Tensor:
    """log(1 + A) + log(1 + B) of each row, reduced; arguments and dtype as in :func:`log_sums`."""
    if forward_mode() or transforming() or not (input.numel() and readable(input)):
        log_a, log_b = log_sums(input, threshold, target, mask, padding)
        return reduce_rows(log_a + log_b, reduction)
    loss: Tensor = _Losses.apply(input, threshold, target, mask, padding, reduction)
    return loss


class _Losses(torch.autograd.Function):
    """The loss of each row.

    Keeps its arguments, A and B, and the places of few positives; of a small batch, instead, the gradient.
    A Function of the older form: ``setup_context`` alone takes longer than the loss of a small batch.
    """

    @staticmethod
    def forward(ctx, input, threshold, target, mask, padding, reduction):
        rows = _as_rows(input, threshold, target, mask)
        loss, *kept = _at_once(rows, padding, ctx.needs_input_grad) or _by_blocks(rows, padding)
        held, number = (threshold, None) if isinstance(threshold, Tensor) else (None, threshold)
        ctx.options = number, padding, reduction
        ctx.save_for_backward(input, held, target, mask, *kept)
        return reduce_rows(loss.view(input.shape[:-1]), reduction)

    @staticmethod
    def backward(ctx, g):
        input, held, target, mask, *kept = ctx.saved_tensors
        number, padding, reduction = ctx.options
        arguments = input, number if held is None else held, target, mask
        needed = ctx.needs_input_grad
        if reduction == "mean":
            g = g / math.prod(input.shape[:-1])
        if torch.is_grad_enabled() or needed[2] or not readable(g):
            g = g.expand(input.shape[:-1])
            slopes = slopes_of(*arguments, padding, g, g)
        elif len(kept) == 2:  # of a small batch
            g = g.reshape(-1, 1) if g.dim() else g
            slopes = [None if unit is None else unit * g for unit in kept]
        else:
            slopes = _slopes(_as_rows(*arguments), padding, g.reshape(-1), *kept)
        like = zip(needed, slopes, arguments, strict=False)
        made = [slope.to(x.dtype).view(x.shape) if need else None for need, slope, x in like]
        return *made, *(None,) * (6 - len(made))


def _at_once(rows, padding, needed):
    """The loss of a small batch and its gradients, if asked for; None if it is large, or a sum is."""
    input, threshold, target, mask = rows
    if mask is not None or input.numel() > SMALL:
        return None
    a, b = at_once(input, threshold, target, padding)
    sum_a, sum_b = a.sum(-1, keepdim=True), b.sum(-1, keepdim=True)
    all_a = sum_a + 1
    loss = torch.addcmul(sum_a, sum_b, all_a).log1p_()  # (1 + A) (1 + B) - 1: of positive terms
    if not loss.max().item() <= math.log(_limit(loss)):
        return None
    part_a, part_b = all_a.reciprocal_(), (sum_b + 1).reciprocal_()
    slope = a.mul_(part_a).addcmul_(b, part_b, value=-1) if needed[0] else None
    return loss, slope, sum_b * part_b - sum_a * part_a if needed[1] else None


def _by_blocks(rows, padding):
    """The loss, and what its gradients are made of."""
    input, _, target, mask = rows
    place = picked_by_label(target) if mask is None and padding is None else None
    place = place if padding is None else picked_by_index(target, padding, input.shape[-1])
    way = _way(rows, place)
    sums = way.sums()
    logs, large = torch.log1p(sums), not bool(sums.max() <= _limit(sums))
    for at in _beyond(sums, way.step) if large else ():
        logs[:, at] = torch.stack(sums_by_blocks(*_part(at, *rows, padding)))
    return logs.sum(0), sums, logs if large else None, place


def _slopes(rows, padding, g, sums, logs, place):
    """The gradients by scores and threshold."""
    way, slope = _way(rows, place), torch.empty_like(rows[0])
    way.slope(g / (1 + sums), slope)
    pulls = g * (sums / (1 + sums)) if logs is None else -g * torch.expm1(-logs)
    for at in () if logs is None else _beyond(sums, way.step):
        slope[at] = slope_by_blocks(*_part(at, *rows, padding, *pulls))
    return slope, pulls[1] - pulls[0]


def _way(rows, place) -> Dense | Picked:
    input, threshold, target, mask = rows
    return Dense(input, threshold, target, mask) if place is None else Picked(input, threshold, place)


def _limit(sums: Tensor) -> float:
    """Up to here nothing that follows from a sum loses digits, or a factor times it underflows."""
    return float(torch.finfo(sums.dtype).max ** 0.5)


def _beyond(sums: Tensor, step: int) -> tuple[Tensor, ...]:
    """The rows in which a sum is beyond the limit, or NaN; a block's worth at a time."""
    return (~(sums <= _limit(sums))).any(0).nonzero().squeeze(-1).split(step)


def _as_rows(input, threshold, target, mask):
    """The arguments with one axis of rows, the scores without gaps."""
    if isinstance(threshold, Tensor):
        threshold = threshold.reshape(-1)
    target, mask = (x if x is None or x.dim() == 2 else x.reshape(-1, x.shape[-1]) for x in (target, mask))
    return input.contiguous().view(-1, input.shape[-1]), threshold, target, mask


def _part(at, *arguments):
    return [x[at] if isinstance(x, Tensor) else x for x in arguments]
