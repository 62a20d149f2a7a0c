"""The kernels of the two sums of the multi-label loss, and of their gradient."""

import triton
import triton.language as tl

from lemmata.numerics.triton.rows import log1p, peak_of

__all__ = ["HARD", "INDEX", "SOFT", "join_parts", "slope_rows", "sum_rows"]

FAR = tl.constexpr(60.0)  # below it e^m is a number in float32, and so is the sum itself
SOFT, HARD, INDEX = (tl.constexpr(kind) for kind in range(3))  # labels in [0, 1], labels 0 or 1, positives


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
def sum_rows(
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
    beyond = (first * 0 + n + BLOCK).to(tl.int64)
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
def join_parts(partial, state, logs, rows, PARTS: tl.constexpr, BLOCK: tl.constexpr):
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
def slope_rows(
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
    beyond = (first * 0 + n + BLOCK).to(tl.int64)
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
