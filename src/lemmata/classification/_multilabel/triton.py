"""The two sums of the multi-label loss, and their gradient, as Triton kernels: one pass over the scores each.

A program has a row, or a piece of one, and goes along it in blocks with running maxima m and sums S of
e^(x - m): of the negatives, and of e^(-x) of the positives. Zero is the first entry of both, so that m >= 0.
Two pairs (m, T = e^-m + S) a row are kept; the gradient is made from them and the scores, as w e^(x - m) / T.
To write it in the forward pass instead would read rows that are longer than a processor's memory twice as
well, and write it once more in the backward pass, to scale it.
"""

from typing import Any

import torch
import triton
from torch import Tensor

from lemmata._torch import is_wrapped
from lemmata.classification._multilabel.gpu_kernels import (
    HARD,
    INDEX,
    SOFT,
    join_parts,
    slope_rows,
    sum_rows,
)
from lemmata.classification._multilabel.sums import slopes_of
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.triton.rows import as_rows, block_of, on_device, pieces, processors, warps_of

__all__ = ["BLOCK", "fused_log_sums"]

BLOCK = 2048  # entries at a time: 8 in each thread of 8 warps
STAGES = 3  # blocks of a row that are on their way from memory
WAVES = 4  # programs for each processor, below which rows are cut


def fused_log_sums(
    input: Tensor, threshold: float | Tensor, target: Tensor, mask: Tensor | None, padding: int | None
) -> tuple[Tensor, Tensor]:
    """log(1 + A) and log(1 + B) of each row; arguments as those of ``log_sums``."""
    rows = input.shape[:-1]
    theta = _of_rows(threshold, input)
    if padding is not None:
        target = target.masked_fill(target == padding, -1).sort(-1).values
    elif target.dtype == torch.bool:
        target = target.view(torch.uint8)
    x, labels = as_rows(input), as_rows(target)
    keep = None if mask is None else as_rows(mask.expand(input.shape))
    logs, _ = sums(x, labels, theta, keep, padding is not None)
    log_a, log_b = logs.unbind()
    return log_a.view(rows), log_b.view(rows)


def _of_rows(threshold: float | Tensor, input: Tensor) -> Tensor | None:
    """One threshold for each row; None for 0."""
    if not isinstance(threshold, Tensor):
        if threshold == 0:
            return None
        threshold = torch.full((), threshold, dtype=compute_dtype(input), device=input.device)
    return threshold.expand(input.shape[:-1]).reshape(-1)


# --------------------------------------------------------------------------- operators


@torch.library.custom_op("lemmata::multilabel_sums", mutates_args=())
def sums(
    input: Tensor, target: Tensor, threshold: Tensor | None, mask: Tensor | None, sparse: bool
) -> tuple[Tensor, Tensor]:
    """The logarithms (2, rows), and m and T of both sides for backward (4, rows)."""
    logs, state = _empty(input)
    rows, n = input.shape
    if input.numel() == 0:
        return logs.zero_(), state.copy_(state.new_tensor([0.0, 1.0, 0.0, 1.0])[:, None].expand(4, rows))
    block = block_of(n, BLOCK)
    parts = pieces(rows, n, block, WAVES * processors(input.device))
    partial = state if parts == 1 else state.new_empty(4, rows, parts)
    with on_device(input):
        sum_rows[rows, parts](
            *_arguments(input, target, threshold, mask, sparse),
            partial,
            logs,
            PARTS=parts,
            BLOCK=block,
            STAGES=STAGES,
            num_warps=warps_of(block),
        )
        if parts > 1:
            join_parts[rows,](partial, state, logs, rows, PARTS=parts, BLOCK=triton.next_power_of_2(parts))
    return logs, state


@torch.library.custom_op("lemmata::multilabel_slopes", mutates_args=())
def slopes(
    input: Tensor,
    target: Tensor,
    threshold: Tensor | None,
    mask: Tensor | None,
    sparse: bool,
    state: Tensor,
    grad: Tensor,
) -> Tensor:
    """The gradient by the scores (rows, n), from ``state`` and the gradients (2, rows) of the logarithms."""
    slope = torch.empty_like(input, memory_format=torch.contiguous_format)
    if input.numel() == 0:
        return slope
    rows, n = input.shape
    block = block_of(n, BLOCK)
    parts = pieces(rows, n, block, WAVES * processors(input.device))
    with on_device(input):
        slope_rows[rows, parts](
            *_arguments(input, target, threshold, mask, sparse),
            state,
            grad.to(state.dtype).contiguous(),
            slope,
            PARTS=parts,
            BLOCK=block,
            STAGES=STAGES,
            num_warps=warps_of(block),
        )
    return slope


def _arguments(
    x: Tensor, target: Tensor, threshold: Tensor | None, mask: Tensor | None, sparse: bool
) -> tuple[Any, ...]:
    """What both kernels begin with. Where there is no tensor another takes its place, and is not read."""
    keep, theta = x if mask is None else mask, x if threshold is None else threshold
    real = target.is_floating_point() or (mask is not None and mask.is_floating_point())
    return (
        x, target, keep.view(torch.uint8) if keep.dtype == torch.bool else keep, theta,
        *x.stride(), *target.stride(), *keep.stride(), theta.stride(0),
        x.shape[1], target.shape[1],
        INDEX.value if sparse else SOFT.value if real else HARD.value,
        mask is not None, threshold is not None, x.dtype == torch.float64,
    )  # fmt: skip


def _empty(input: Tensor) -> tuple[Tensor, Tensor]:
    rows = input.shape[0]
    logs, state = (input.new_empty((k, rows), dtype=compute_dtype(input)) for k in (2, 4))
    return logs, state


@sums.register_fake
def _(input, target, threshold, mask, sparse):
    return _empty(input)


@slopes.register_fake
def _(input, target, threshold, mask, sparse, state, grad):
    return torch.empty_like(input, memory_format=torch.contiguous_format)


def _setup(ctx: Any, inputs: Any, output: Any) -> None:
    *tensors, ctx.sparse = inputs
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(*tensors, *output)


def _backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Any, ...]:
    input, target, threshold, mask, logs, state = ctx.saved_tensors
    needed = ctx.needs_input_grad
    if torch.is_grad_enabled() or needed[1] or is_wrapped(grad):
        theta, padding = 0.0 if threshold is None else threshold, -1 if ctx.sparse else None
        made = slopes_of(input, theta, target, mask, padding, *grad.unbind())
    else:
        c_a, c_b = (-grad * torch.expm1(-logs)).unbind()
        slope = slopes(input, target, threshold, mask, ctx.sparse, state, grad) if needed[0] else None
        made = slope, c_b - c_a, None
    like = zip(needed, (made[0], made[2], made[1]), (input, target, threshold), strict=False)
    return *(slope.to(x.dtype) if need else None for need, slope, x in like), None, None


sums.register_autograd(_backward, setup_context=_setup)
