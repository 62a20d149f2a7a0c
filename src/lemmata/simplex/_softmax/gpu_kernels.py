"""The kernels of 1.5-entmax and sparsemax, a row in a program that holds it."""

import triton
import triton.language as tl

__all__ = ["map_rows", "pull_rows"]

ROUNDS = tl.constexpr(30)  # of Newton at most; it ends by itself, see test_newton_ends_soon


@triton.jit
def _row(x, row, n, BLOCK: tl.constexpr, WIDE: tl.constexpr):
    """Which places of a block are in the row, and its entries (-inf beyond the last)."""
    column = tl.arange(0, BLOCK)
    entries = tl.load(x + row * n + column, mask=column < n, other=-float("inf"))
    return column < n, entries.to(tl.float64 if WIDE else tl.float32)


@triton.jit
def _support(u, low, HALF: tl.constexpr):
    """d = (u - low)_+, the sum that is to be 1, and its slope less the sign, over the support."""
    d = tl.where(u > low, u - low, 0.0)
    if HALF:
        return d, tl.sum(d * d), tl.sum(d)
    else:
        return d, tl.sum(d), tl.sum(tl.where(u > low, 1.0, 0.0).to(u.dtype))


@triton.jit
def map_rows(x, p, live, n, HALF: tl.constexpr, BLOCK: tl.constexpr, WIDE: tl.constexpr):
    """p = (u - tau)_+^2 / sum, u = (x - max x) / 2, or (u - tau)_+ with u = x - max x.

    From tau = -1 on the steps of Newton for the root of the sum, which is convex, go one way.
    """
    row = tl.program_id(0).to(tl.int64)
    ok, s = _row(x, row, n, BLOCK, WIDE)
    nan = tl.sum(tl.where(s != s, 1, 0)) > 0
    peak = tl.max(tl.where(s == s, s, -float("inf")))
    u = tl.where(s == peak, 0.0, tl.where(peak == float("inf"), -1e18, s - peak))
    u = tl.where(ok & (u > -1e18), u, -1e18)
    u = u * 0.5 if HALF else u
    low, step, turn = peak * 0.0 - 1.0, peak * 0.0 + 1.0, row * 0
    low = tl.where(low == low, low, -1.0)
    step = tl.where(step == step, step, 1.0)
    while (step > 0.0) & (turn < ROUNDS):
        d, total, slope = _support(u, low, HALF)
        step = (total - tl.sqrt(total)) / slope if HALF else (total - 1.0) / slope
        step = tl.where(low + step > low, step, 0.0)
        low += step
        turn += 1
    d, total, slope = _support(u, low, HALF)
    if HALF:
        made = d * d / total
    else:  # on a known support the threshold is a mean
        mean = (1.0 - tl.sum(tl.where(u > low, u, 0.0))) / slope
        made = tl.where(mean + u > 0.0, mean + u, 0.0)
    made = tl.where(peak == -float("inf"), 0.0, made)
    made = tl.where(nan, float("nan"), made)
    tl.store(p + row * n + tl.arange(0, BLOCK), made.to(p.dtype.element_ty), mask=ok)
    tl.store(live + row, (nan | ((peak > -float("inf")) & (peak < float("inf")))).to(tl.uint8))


@triton.jit
def pull_rows(p, live, g, dx, n, HALF: tl.constexpr, BLOCK: tl.constexpr, WIDE: tl.constexpr):
    """s (g - <s, g> / sum s), s = p^(1/2), or 1, on the support."""
    row = tl.program_id(0).to(tl.int64)
    ok, v = _row(p, row, n, BLOCK, WIDE)
    on = ok & ((v > 0.0) | (v != v)) & (tl.load(live + row) != 0)
    h = tl.load(g + row * n + tl.arange(0, BLOCK), mask=on, other=0.0).to(v.dtype)
    s = tl.sqrt(tl.where(on, v, 0.0)) if HALF else tl.where(on, 1.0 + 0.0 * v, 0.0)
    total = tl.sum(s)
    made = s * (h - tl.sum(s * h) / tl.where(total == 0.0, 1.0, total))
    tl.store(dx + row * n + tl.arange(0, BLOCK), made.to(dx.dtype.element_ty), mask=ok)
