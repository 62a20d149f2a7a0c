"""Sums over the Gram matrices of two samples, a tile at a time: memory O(n), not O(n^2).

This is what runs where no kernel of ``triton.py`` does, and what that is tested against.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lemmata._torch import apply, batch_first, is_wrapped
from lemmata.estimation._hsic.fused import kernels_for
from lemmata.estimation._hsic.gram import Gram, gram, joined, whole
from lemmata.numerics.kernels import Kernel
from lemmata.numerics.precision import no_autocast
from lemmata.numerics.tiles import batches, tiles
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
        parts = [
            _tiled(gram(x[at].to(made), kernel), gram(y[at].to(made), kernel), squares)
            for at in list(batches(len(x), x)) or [slice(0)]
        ]
        return tuple(map(torch.cat, zip(*parts, strict=True)))

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
                slopes = fast.fused_slopes(x, y, ctx.kernel, grads, ctx.needs_input_grad)
                return *slopes, None, None, None
            slopes = _slopes(x, y, ctx.kernel, ctx.made, ctx.squares, grads, ctx.needs_input_grad)
            return *slopes, None, None, None

    @staticmethod
    def vmap(info, in_dims, x, y, kernel, made, squares):
        size = info.batch_size
        x, y = (batch_first(v, dim, size) for v, dim in zip((x, y), in_dims, strict=False))
        sums = _GramSums.apply(x.flatten(0, 1), y.flatten(0, 1), kernel, made, squares)
        return tuple(v.unflatten(0, (size, -1)) for v in sums), (0,) * len(sums)


class _Lifted(NamedTuple):
    """Sums over the tiles of two Gram matrices whose entries are too large by a lift, float64."""

    diagonal: Tensor  # (2, m, n)
    own: Tensor  # (2, m, n), row sums of the tiles on the diagonal, without it
    right: Tensor  # (2, m, n), of the other tiles of the upper triangle
    below: Tensor  # (2, m, n), their column sums
    products: Tensor  # (2, 3, m, n), row sums of K L, K^2, L^2: in tiles on the diagonal, and in the others

    def less(self, s: float, t: float) -> tuple[Tensor, ...]:
        """The same without the lifts; exactly 0 where all entries are."""
        n = self.own.shape[-1]
        of_k, of_l = (self.own + 2 * self.right).sum(2)  # what products sum where the other factor is 1
        kl, kk, ll = (self.products[0] + 2 * self.products[1]).sum(2)
        k, l = of_k - s * n * (n - 1), of_l - t * n * (n - 1)
        kl, kk, ll = kl - s * of_l - t * k, kk - s * of_k - s * k, ll - t * of_l - t * l
        lift = self.own.new_tensor([s, t])[:, None, None]
        (p, q), (r, u) = self.diagonal - lift, self.own + self.right + self.below - lift * (n - 1)
        return p, r, kk, q, u, ll, kl


def _tiled(a: Gram, b: Gram, squares: bool) -> tuple[Tensor, ...]:
    """The sums by tiles. A row is summed as torch.sum adds, by halves, which a dot product does not."""
    (m, n, _), grams = a.x.shape, joined(a, b)
    rows, products = (a.x.new_zeros((*size, m, n), dtype=torch.float64) for size in ((4, 2), (2, 3)))
    places = [part.unbind() for part in rows.view(4, len(grams), -1, n).unbind(1)]
    kinds = [part.unbind() for part in products]
    for i, j in tiles(a.x) if m else ():
        made = [one.lifted_tile(i, j) for one in grams]
        k, l = made if len(made) == 2 else made[0].chunk(2)
        for tile, place in zip(made, places, strict=True):
            _add_rows(tile, place, i, j)
        _add_products(k, l, kinds[i != j][: 3 if squares else 1], i)
    return _Lifted(rows[0], rows[1], rows[2], rows[3], products).less(a.lift, b.lift)


def _add_rows(tile: Tensor, place: Sequence[Tensor], i: slice, j: slice) -> None:
    """Add the row and column sums of a tile, and move what it has of the diagonal."""
    diagonal, own, right, below = place
    if i == j:
        on = tile.diagonal(dim1=1, dim2=2)
        diagonal[:, i] = on
        on.zero_()
        own[:, i] = tile.sum(2)
    else:
        right[:, i].add_(tile.sum(2))
        below[:, j].add_(tile.sum(1))


def _add_products(k: Tensor, l: Tensor, places: Sequence[Tensor], i: slice) -> None:
    """Add the row sums of K L and, where there are places for them, of K^2 and L^2; k is lost."""
    for place, one in zip(places[1:], (k, l), strict=False):
        place[:, i].add_((one * one).sum(2))
    places[0][:, i].add_(k.mul_(l).sum(2))


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
    for at in batches(len(x), x):
        a, b = (gram(v[at].to(made), kernel) for v in (x, y))
        for i, j in tiles(x):
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
