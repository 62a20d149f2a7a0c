"""The kernels of the sums over two Gram matrices, and of their gradient: tiles of all pairs of samples."""

import triton
import triton.language as tl

from lemmata.numerics.triton.rows import expm1

__all__ = ["DISTANCE", "GAUSSIAN", "LAPLACE", "add_pairs", "pull_pairs"]

GAUSSIAN, LAPLACE, DISTANCE = (tl.constexpr(kind) for kind in range(3))


@triton.jit
def _squares(x, i, j, n, d):
    """|x_i - x_j|^2 from differences, which lose no digits of close samples."""
    q = (i[:, None] + j[None, :]).to(x.dtype.element_ty) * 0.0
    for k in range(d):
        gap = tl.load(x + i * d + k, mask=i < n, other=0.0)[:, None]
        gap = gap - tl.load(x + j * d + k, mask=j < n, other=0.0)[None, :]
        q += gap * gap
    return q


@triton.jit
def _value(q, KIND: tl.constexpr):
    """The kernel less a constant: equal samples have the value 0."""
    if KIND == GAUSSIAN:
        return expm1(-0.5 * q)
    elif KIND == LAPLACE:
        return expm1(-tl.sqrt(q))
    else:
        return -tl.sqrt(q)


@triton.jit
def _slope(q, KIND: tl.constexpr):
    """dk = slope (x - x') (dx - dx'); from q, since 1 + value has no digits of small kernels."""
    r = tl.sqrt(tl.where(q > 0.0, q, 1.0))
    if KIND == GAUSSIAN:
        return -tl.exp(-0.5 * q)
    elif KIND == LAPLACE:
        return tl.where(q > 0.0, -tl.exp(-r) / r, 0.0)
    else:
        return tl.where(q > 0.0, -1.0 / r, 0.0)


@triton.jit
def add_pairs(x, y, sums, m, n, d, e, KIND: tl.constexpr, PARTS: tl.constexpr, SIDE: tl.constexpr):
    """For SIDE samples i of one batch, the sums over a part of all j of K, K^2, L, L^2, K L in float64."""
    i = tl.program_id(0) * SIDE + tl.arange(0, SIDE)
    batch, part = tl.program_id(1).to(tl.int64), tl.program_id(2)
    x += batch * n * d
    y += batch * n * e
    size = tl.cdiv(tl.cdiv(n, SIDE), PARTS) * SIDE
    zero = i.to(tl.float64) * 0.0
    k1, k2, l1, l2, kl = zero, zero, zero, zero, zero
    for start in range(part * size, tl.minimum(part * size + size, n), SIDE):
        j = start + tl.arange(0, SIDE)
        ok = (i < n)[:, None] & (j < n)[None, :]
        k = tl.where(ok, _value(_squares(x, i, j, n, d), KIND), 0.0)
        l = tl.where(ok, _value(_squares(y, i, j, n, e), KIND), 0.0)
        k1 += tl.sum(k, 1).to(tl.float64)
        k2 += tl.sum(k * k, 1).to(tl.float64)
        l1 += tl.sum(l, 1).to(tl.float64)
        l2 += tl.sum(l * l, 1).to(tl.float64)
        kl += tl.sum(k * l, 1).to(tl.float64)
    apart = (batch * 0 + m) * n
    place = sums + part * 5 * apart + batch * n + i
    tl.store(place, k1, mask=i < n)
    tl.store(place + apart, k2, mask=i < n)
    tl.store(place + 2 * apart, l1, mask=i < n)
    tl.store(place + 3 * apart, l2, mask=i < n)
    tl.store(place + 4 * apart, kl, mask=i < n)


@triton.jit
def pull_pairs(
    x, y, by_row, by_square, by_product, slope, m, n, d, e,
    KIND: tl.constexpr, SIDE: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """For SIDE samples i of x, the sum over j of w_ij slope_ij (x_i - x_j), y being the other sample.

    w_ij = r_i + r_j + 4 K_ij q + 2 L_ij p, with the gradients r, q, p of row sums, squares and products.
    """
    i, column = tl.program_id(0) * SIDE + tl.arange(0, SIDE), tl.arange(0, WIDTH)
    batch = tl.program_id(1).to(tl.int64)
    x += batch * n * d
    y += batch * n * e
    by_row += batch * n
    r_i = tl.load(by_row + i, mask=i < n, other=0.0)
    square, product = 4.0 * tl.load(by_square + batch), 2.0 * tl.load(by_product + batch)
    total = tl.zeros((SIDE,), r_i.dtype)
    mixed = tl.zeros((SIDE, WIDTH), r_i.dtype)
    for start in range(0, n, SIDE):
        j = start + tl.arange(0, SIDE)
        ok = (i < n)[:, None] & (j < n)[None, :]
        q = _squares(x, i, j, n, d)
        k, l = _value(q, KIND), _value(_squares(y, i, j, n, e), KIND)
        w = r_i[:, None] + tl.load(by_row + j, mask=j < n, other=0.0)[None, :] + square * k + product * l
        w = tl.where(ok & (i[:, None] != j[None, :]), w * _slope(q, KIND), 0.0)
        there = (j < n)[:, None] & (column < d)[None, :]
        x_j = tl.load(x + j[:, None] * d + column[None, :], mask=there, other=0.0)
        total += tl.sum(w, 1)
        mixed += tl.dot(w, x_j, input_precision="ieee")
    place, here = i[:, None] * d + column[None, :], (i < n)[:, None] & (column < d)[None, :]
    x_i = tl.load(x + place, mask=here, other=0.0)
    tl.store(slope + batch * n * d + place, total[:, None] * x_i - mixed, mask=here)
