"""Sums over the Gram matrices of two samples, a tile at a time: memory O(n), not O(n^2).

This is what runs today on every device, and what a fused kernel will be tested against.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from lemmata._torch import apply, batch_first, is_wrapped
from lemmata.estimation._hsic.fused import kernels_for
from lemmata.estimation._hsic.gram import gram, whole
from lemmata.estimation._hsic.kernels import Kernel
from lemmata.estimation._hsic.tiles import batches, tiles
from lemmata.numerics.precision import no_autocast
from lemmata.numerics.units import unit_of

__all__ = ["PairSums", "Sums", "gram_sums"]


class Sums(NamedTuple):
    """What dependence measures need of one Gram matrix, in float64."""

    diagonal: Tensor  # (m, n)
    rows: Tensor  # (m, n), row sums without the diagonal
    squares: Tensor  # (m,), the sum of K_ij^2 over i != j


class PairSums(NamedTuple):
    """What they need of two."""

    k: Sums
    l: Sums
    products: Tensor  # (m,), the sum of K_ij L_ij over i != j


def gram_sums(x: Tensor, y: Tensor, kernel: Kernel, made: torch.dtype, *, squares: bool = True) -> PairSums:
    """The sums of K = k(x, x) and L = k(y, y).

    Args:
        x: ``(m, n, d)``, in units of its bandwidth or its largest entry, near 0 (take the mean out first).
        y: likewise ``(m, n, e)``.
        kernel: that of both.
        made: float32 or float64, the dtype of the tiles.
        squares: False leaves those of K and L at 0, which saves a fifth of the time.
    """
    compiling = torch.compiler.is_compiling()
    sums = (_plain if compiling else _by_tiles)(x, y, kernel, made, squares)
    return PairSums(Sums(*sums[:3]), Sums(*sums[3:6]), sums[6])


def _by_tiles(x: Tensor, y: Tensor, kernel: Kernel, made: torch.dtype, squares: bool) -> Any:
    return apply(_GramSums, _plain, x, y, kernel, made, squares)


def _plain(
    x: Tensor, y: Tensor, kernel: Kernel, made: torch.dtype, squares: bool = True
) -> tuple[Tensor, ...]:
    """The sums by differentiable operations, in O(n^2 d) memory.

    Where gradients have a unit they are made in float64, in which they do not overflow.
    """
    k, l = (whole(v if kernel.power else v.to(made), kernel).double() for v in (x, y))
    p, q = (v.diagonal(dim1=1, dim2=2) for v in (k, l))
    k, l = k - torch.diag_embed(p), l - torch.diag_embed(q)
    return p, k.sum(2), (k * k).sum((1, 2)), q, l.sum(2), (l * l).sum((1, 2)), (k * l).sum((1, 2))


class _GramSums(torch.autograd.Function):
    """Tiles over unordered pairs; backward makes them again.

    A backward that may be differentiated again is made of differentiable operations on whole matrices.
    """

    @staticmethod
    def forward(x, y, kernel, made, squares):
        if fast := kernels_for(x, y, kernel, made):
            return fast.fused_sums(x, y, kernel)
        m, n, _ = x.shape
        diagonals, rows = x.new_zeros((2, 2, m, n), dtype=torch.float64)
        *squared, products = x.new_zeros((3, m), dtype=torch.float64)
        of_k, of_l = map(Sums, diagonals, rows, squared)
        for at in batches(m, n):
            a, b = (gram(v[at].to(made), kernel) for v in (x, y))
            for i, j in tiles(n):
                k, l, sides = a.tile(i, j), b.tile(i, j), 1 if i == j else 2
                for tile, sums in ((k, of_k), (l, of_l)):
                    _add_rows(tile, sums.diagonal[at], sums.rows[at], i, j)
                    if squares:
                        sums.squares[at] += sides * _total(tile * tile)
                products[at] += sides * _total(k.mul_(l))
        return *of_k, *of_l, products

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, y, ctx.kernel, ctx.made, ctx.squares = inputs
        ctx.save_for_backward(x, y)

    @staticmethod
    def backward(ctx, *grads):
        x, y = ctx.saved_tensors
        with no_autocast(x):
            if torch.is_grad_enabled() or is_wrapped(x, y, *grads):
                made = torch.func.vjp(lambda x, y: _plain(x, y, ctx.kernel, ctx.made), x, y)
                return *made[1](grads), None, None, None
            if fast := kernels_for(x, y, ctx.kernel, ctx.made):
                return *fast.fused_slopes(x, y, ctx.kernel, grads), None, None, None
            slopes = _slopes(x, y, ctx.kernel, ctx.made, ctx.squares, grads, ctx.needs_input_grad)
            return *slopes, None, None, None

    @staticmethod
    def vmap(info, in_dims, x, y, kernel, made, squares):
        size = info.batch_size
        x, y = (batch_first(v, dim, size) for v, dim in zip((x, y), in_dims, strict=False))
        sums = _GramSums.apply(x.flatten(0, 1), y.flatten(0, 1), kernel, made, squares)
        return tuple(v.unflatten(0, (size, -1)) for v in sums), (0,) * len(sums)


def _total(tile: Tensor) -> Tensor:
    """The sum of the entries: of a row as torch.sum adds, by halves, which a dot product does not."""
    return tile.sum(2).double().sum(1)


def _add_rows(tile: Tensor, diagonal: Tensor, rows: Tensor, i: slice, j: slice) -> None:
    """Add a tile to the row sums, and move what it has of the diagonal."""
    if i == j:
        own = tile.diagonal(dim1=1, dim2=2)
        diagonal[:, i] = own
        own.zero_()
    else:
        rows[:, j] += tile.sum(1)
    rows[:, i] += tile.sum(2)


def _slopes(x, y, kernel, made, squares, grads, needed):
    """The gradients.

    The weight of K_ij of an unordered pair is 2 L_ij g_products + 4 K_ij g_squares + g_rows_i + g_rows_j,
    in a unit that suits the dtype of the tiles.
    """
    grads = [g.unsqueeze(-1).flatten(1) for g in grads]
    unit = unit_of(torch.cat(grads, 1), 1)
    *own, g_products = ((g / unit).to(made) for g in grads)
    g_k, g_l = Sums(*own[:3]), Sums(*own[3:])
    g_x, g_y = (torch.zeros_like(v, dtype=made) for v in (x, y))
    for at in batches(*x.shape[:2]):
        a, b = (gram(v[at].to(made), kernel) for v in (x, y))
        for i, j in tiles(x.shape[1]):
            k, l = a.tile(i, j), b.tile(i, j)
            sides = (a, k, l, g_k, g_x), (b, l, k, g_l, g_y)
            for need, (one, tile, other, g, slopes) in zip(needed, sides, strict=False):
                if need:
                    weight = 2 * g_products[at, :, None] * other
                    if squares:
                        weight += 4 * g.squares[at, :, None] * tile
                    weight += g.rows[at, i, None]
                    weight += g.rows[at, None, j]
                    one.pull(i, j, tile, weight, g.diagonal[at, i], slopes[at])
    return tuple((g * unit[..., None]).to(v.dtype) for g, v in ((g_x, x), (g_y, y)))
