"""The two sums of the multi-label loss and their gradient as Triton kernels, for one pass over the scores each.

A program has a row, or a piece of one, and goes along it in blocks with running maxima m and sums S of
e^(x - m): of the negatives, and of e^(-x) of the positives. Zero is the first entry of both, so that m >= 0.
Two pairs (m, T = e^-m + S) a row are kept; the gradient is made from them and the scores, as w e^(x - m) / T.
To write it in the forward pass instead would read rows that are longer than a processor's memory twice as
well, and write it once more in the backward pass, to scale it.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from lemmata._torch import is_wrapped
from lemmata.classification._multilabel.sums import _slopes
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.triton.rows import as_rows, block_of, log1p, peak_of, pieces, processors, warps_of

__all__ = ["BLOCK", "fused_log_sums"]

BLOCK = 2048  # entries at a time: 8 in each thread of 8 warps
STAGES = 3  # blocks of a row that are on their way from memory
WAVES = 4  # programs for each processor, below which rows are cut
FAR = tl.constexpr(60.0)  # below it e^m is a number in float32, and so is the sum itself
SOFT, HARD, INDEX = (tl.constexpr(kind) for kind in range(3))


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
    x, labels = input.reshape(-1, input.shape[-1]), target.reshape(rows.numel(), target.shape[-1])
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
    _sum_rows[rows, parts](
        *_arguments(input, target, threshold, mask, sparse),
        partial,
        logs,
        PARTS=parts,
        BLOCK=block,
        STAGES=STAGES,
        num_warps=warps_of(block),
    )
    if parts > 1:
        _join_parts[rows,](partial, state, logs, rows, PARTS=parts, BLOCK=triton.next_power_of_2(parts))
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
    _slope_rows[rows, parts](
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
        made = _slopes(input, theta, target, mask, padding, *grad.unbind())
    else:
        c_a, c_b = (-grad * torch.expm1(-logs)).unbind()
        slope = slopes(input, target, threshold, mask, ctx.sparse, state, grad) if needed[0] else None
        made = slope, c_b - c_a, None
    like = zip(needed, (made[0], made[2], made[1]), (input, target, threshold), strict=False)
    return *(slope.to(x.dtype) if need else None for need, slope, x in like), None, None


sums.register_autograd(_backward, setup_context=_setup)


# --------------------------------------------------------------------------- kernels


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


@triton.jit
def _threshold(theta, row, stride, THETA: tl.constexpr, WIDE: tl.constexpr):
    real = tl.float64 if WIDE else tl.float32
    if THETA:
        return tl.load(theta + row * stride).to(real)
    else:
        return tl.full((), 0.0, real)


@triton.jit
def _scores(x, keep, theta, ok, MASK: tl.constexpr, WIDE: tl.constexpr):
    """s - theta, at most ``peak_of`` in size (comparisons leave NaN as it is), and how much labels count."""
    real = tl.float64 if WIDE else tl.float32
    top = peak_of(WIDE)
    s = tl.load(x, mask=ok, other=0.0).to(real) - theta
    s = tl.where(s > top, top, tl.where(s < -top, -top, s))
    weight = tl.where(ok, 1.0, 0.0).to(real)
    if MASK:
        weight = tl.load(keep, mask=ok, other=0).to(real)
        s = tl.where(weight != 0.0, s, 0.0)
    return s, weight


@triton.jit
def _weights(target, weight, ok):
    """The weights (1 - t) w and t w of soft labels."""
    t = tl.load(target, mask=ok, other=0).to(weight.dtype)
    t = tl.where(t > 1.0, 1.0, tl.where(t < 0.0, 0.0, t))
    return (1.0 - t) * weight, t * weight


@triton.jit
def _first_from(index, count, start):
    """The number of sorted entries that are below ``start``."""
    low = start * 0
    high = low + count
    while low < high:
        middle = (low + high) // 2
        below = tl.load(index + middle) < start
        low = tl.where(below, middle + 1, low)
        high = tl.where(below, high, middle)
    return low


@triton.jit
def _entry(index, at, count, beyond, LABELS: tl.constexpr):
    """Number ``at`` of a sorted index; ``beyond`` after the last."""
    if LABELS == INDEX:
        return tl.load(index + at, mask=at < count, other=beyond)
    else:
        return beyond


@triton.jit
def _positives(target, column, ok, at, entry, count, end, beyond, stride, LABELS: tl.constexpr):
    """Where labels are on; of a sorted index, by those from number ``at`` on that are before ``end``."""
    if LABELS == INDEX:
        on = column < 0
        while entry < end:
            on = on | (column == entry)
            at += 1
            entry = _entry(target, at, count, beyond, LABELS)
    else:
        on = tl.load(target + column.to(tl.int64) * stride, mask=ok, other=0) != 0
    return on, at, entry


@triton.jit
def _add(m, S, exponent, weight):
    """Add weights times e^exponent to the sums S e^m, 0 for each where there is no weight."""
    bottom = -peak_of(m.dtype == tl.float64)
    new = tl.maximum(m, tl.max(tl.where(weight > 0.0, exponent, 0.0)))
    terms = weight * tl.exp(tl.where(weight > 0.0, exponent, bottom) - new)
    return new, S * tl.exp(m - new) + terms


@triton.jit
def _finish(logs, state, m, S, row, rows, side):
    """Store log(1 + S e^m), and m and T = e^-m + S."""
    top = peak_of(m.dtype == tl.float64)
    T = tl.exp(-m) + S
    log = tl.where(m > FAR, m + tl.log(T), log1p(S * tl.exp(tl.where(m > FAR, FAR, m))))
    tl.store(logs + side * rows + row, tl.where(log >= top, float("inf"), log))
    tl.store(state + 2 * side * rows + row, m)
    tl.store(state + (2 * side + 1) * rows + row, T)


@triton.jit
def _sum_rows(
    x, target, keep, theta, x_row, x_column, t_row, t_column, k_row, k_column, theta_row, n, count,
    LABELS: tl.constexpr, MASK: tl.constexpr, THETA: tl.constexpr, WIDE: tl.constexpr,
    partial, logs, PARTS: tl.constexpr, BLOCK: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """The sums of one piece of one row."""
    row, part, rows = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(0)
    x += row * x_row
    target += row * t_row
    keep += row * k_row
    shift = _threshold(theta, row, theta_row, THETA, WIDE)
    size = tl.cdiv(tl.cdiv(n, BLOCK), PARTS) * BLOCK
    first = part * size
    last = tl.minimum(first + size, n)
    beyond = (n + BLOCK).to(tl.int64)
    at = _first_from(target, count, first) if LABELS == INDEX else 0
    entry = _entry(target, at, count, beyond, LABELS)
    real = tl.float64 if WIDE else tl.float32
    m_a = tl.full((), 0.0, real)
    m_b = tl.full((), 0.0, real)
    S_a = tl.zeros((BLOCK,), real)
    S_b = tl.zeros((BLOCK,), real)
    for start in tl.range(first, last, BLOCK, num_stages=STAGES):
        column = start + tl.arange(0, BLOCK)
        ok = column < last
        wide = column.to(tl.int64)
        s, weight = _scores(x + wide * x_column, keep + wide * k_column, shift, ok, MASK, WIDE)
        if LABELS == SOFT:
            w_a, w_b = _weights(target + wide * t_column, weight, ok)
            m_a, S_a = _add(m_a, S_a, s, w_a)
            m_b, S_b = _add(m_b, S_b, -s, w_b)
        else:  # each label is on one side: one exponential
            on, at, entry = _positives(
                target, column, ok, at, entry, count, start + BLOCK, beyond, t_column, LABELS
            )
            counts = weight != 0.0
            z = tl.where(on, -s, s)
            new_a = tl.maximum(m_a, tl.max(tl.where(counts & (on == 0), z, 0.0)))
            new_b = tl.maximum(m_b, tl.max(tl.where(counts & on, z, 0.0)))
            e = tl.where(counts, tl.exp(z - tl.where(on, new_b, new_a)), 0.0)
            S_a = S_a * tl.exp(m_a - new_a) + tl.where(on, 0.0, e)
            S_b = S_b * tl.exp(m_b - new_b) + tl.where(on, e, 0.0)
            m_a, m_b = new_a, new_b
    if PARTS == 1:
        _finish(logs, partial, m_a, tl.sum(S_a), row, rows, 0)
        _finish(logs, partial, m_b, tl.sum(S_b), row, rows, 1)
    else:
        partial += row * PARTS + part
        stride = rows.to(tl.int64) * PARTS
        tl.store(partial, m_a)
        tl.store(partial + stride, tl.sum(S_a))
        tl.store(partial + 2 * stride, m_b)
        tl.store(partial + 3 * stride, tl.sum(S_b))


@triton.jit
def _join_parts(partial, state, logs, rows, PARTS: tl.constexpr, BLOCK: tl.constexpr):
    """The sums of one row from those of its pieces."""
    row, part = tl.program_id(0).to(tl.int64), tl.arange(0, BLOCK)
    partial += row * PARTS + part
    for side in tl.static_range(2):
        place = partial + 2 * side * rows * PARTS
        m = tl.load(place, mask=part < PARTS, other=0.0)
        S = tl.load(place + rows * PARTS, mask=part < PARTS, other=0.0)
        most = tl.max(m)
        _finish(logs, state, most, tl.sum(S * tl.exp(m - most)), row, rows, side)


@triton.jit
def _slope_rows(
    x, target, keep, theta, x_row, x_column, t_row, t_column, k_row, k_column, theta_row, n, count,
    LABELS: tl.constexpr, MASK: tl.constexpr, THETA: tl.constexpr, WIDE: tl.constexpr,
    state, grad, slope, PARTS: tl.constexpr, BLOCK: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """g_a w_a e^(s - m_a) / T_a - g_b w_b e^(-s - m_b) / T_b for one piece of one row."""
    row, part, rows = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.num_programs(0).to(tl.int64)
    x += row * x_row
    target += row * t_row
    keep += row * k_row
    slope += row * n
    shift = _threshold(theta, row, theta_row, THETA, WIDE)
    size = tl.cdiv(tl.cdiv(n, BLOCK), PARTS) * BLOCK
    first = part * size
    last = tl.minimum(first + size, n)
    beyond = (n + BLOCK).to(tl.int64)
    at = _first_from(target, count, first) if LABELS == INDEX else 0
    entry = _entry(target, at, count, beyond, LABELS)
    m_a = tl.load(state + row)
    m_b = tl.load(state + 2 * rows + row)
    c_a = tl.load(grad + row) / tl.load(state + rows + row)
    c_b = tl.load(grad + rows + row) / tl.load(state + 3 * rows + row)
    bottom = -peak_of(WIDE)
    for start in tl.range(first, last, BLOCK, num_stages=STAGES):
        column = start + tl.arange(0, BLOCK)
        ok = column < last
        wide = column.to(tl.int64)
        s, weight = _scores(x + wide * x_column, keep + wide * k_column, shift, ok, MASK, WIDE)
        if LABELS == SOFT:
            w_a, w_b = _weights(target + wide * t_column, weight, ok)
            by_a = w_a * tl.exp(tl.where(w_a > 0.0, s, bottom) - m_a)
            by_b = w_b * tl.exp(tl.where(w_b > 0.0, -s, bottom) - m_b)
            made = c_a * by_a - c_b * by_b
        else:
            on, at, entry = _positives(
                target, column, ok, at, entry, count, start + BLOCK, beyond, t_column, LABELS
            )
            e = tl.exp(tl.where(on, -s - m_b, s - m_a))
            made = tl.where(weight != 0.0, tl.where(on, -c_b, c_a) * e, 0.0)
        tl.store(slope + wide, made.to(slope.dtype.element_ty), mask=ok)
