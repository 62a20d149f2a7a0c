"""Sums over the Gram matrices of two samples in plain PyTorch, a tile at a time: memory O(n), not O(n^2).

This is what runs today on every device, and what a fused kernel will be tested against.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata._checks import is_wrapped, readable

__all__ = ["Gram", "Kernel", "Sums", "batches", "gram", "gram_sums", "squared_distances", "tiles"]

Kernel = str | Callable[[Tensor, Tensor], Tensor]

TILE = 512  # the side of a tile: two of float32 fit in a cache of 2 MiB
_ENTRIES = 2**20  # how many numbers the tiles of a batch may hold together
_LOG2E = math.log2(math.e)
_EPS64 = torch.finfo(torch.float64).eps


class Sums(NamedTuple):
    """What dependence measures need of two Gram matrices: diagonals apart, all else over i != j."""

    p: Tensor  # (m, n), the diagonal of K
    q: Tensor  # (m, n), the diagonal of L
    r: Tensor  # (m, n), row sums of K
    s: Tensor  # (m, n), row sums of L
    kl: Tensor  # (m,), the sum of K_ij L_ij
    kk: Tensor  # (m,), the sum of K_ij^2
    ll: Tensor  # (m,), the sum of L_ij^2


def gram_sums(x: Tensor, y: Tensor, k: Kernel, l: Kernel, *, squares: bool = True) -> Sums:
    """The sums of K = k(x, x) and L = l(y, y), in float64.

    The kernels take no bandwidth (scale the data), and are moved by a constant, which no estimate sees, so
    that equal samples give exactly 0 and close ones keep their digits: ``"gaussian"`` is exp(-d^2/2) - 1,
    ``"laplace"`` exp(-d) - 1, ``"distance"`` -d, ``"linear"`` the inner product; a function is moved by its
    value at the first two samples.

    Args:
        x: float32 or float64 ``(m, n, d)``, near 0 (take the mean out first).
        y: likewise ``(m, n, e)``, in the dtype of ``x``.
        k: the kernel of x: a name, or a symmetric function of two tiles ``(s, d)``, ``(t, d)`` to ``(s, t)``.
        l: the kernel of y.
        squares: False leaves kk and ll at 0, which saves a fifth of the time.
    """
    # forward mode takes the plain operations: torch loses nested tangents in a Function (pytorch#197867)
    forward_mode = torch.autograd.forward_ad._current_level >= 0
    if forward_mode or torch.compiler.is_compiling():
        return Sums(*_plain(x, y, k, l))
    return Sums(*_GramSums.apply(x, y, k, l, squares))


class _GramSums(torch.autograd.Function):
    """Tiles over unordered pairs; backward makes them again.

    A backward that may be differentiated again is made of differentiable operations on whole matrices.
    """

    @staticmethod
    def forward(x, y, k, l, squares):
        m, n, _ = x.shape
        p, q, r, s = x.new_zeros((4, m, n), dtype=torch.float64).unbind()
        kl, kk, ll = x.new_zeros((3, m), dtype=torch.float64).unbind()
        for at in batches(m, n):
            a, b = gram(x[at], k), gram(y[at], l)
            for i, j in tiles(n):
                ka, lb = a.tile(i, j), b.tile(i, j)
                _add_rows(ka, p[at], r[at], i, j)
                _add_rows(lb, q[at], s[at], i, j)
                sides = 1 if i == j else 2
                if squares:
                    kk[at] += sides * (ka * ka).sum((1, 2))
                    ll[at] += sides * (lb * lb).sum((1, 2))
                kl[at] += sides * ka.mul_(lb).sum((1, 2))  # torch.sum adds by halves, a dot product does not
        return p, q, r, s, kl, kk, ll

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, y, ctx.k, ctx.l, ctx.squares = inputs
        ctx.save_for_backward(x, y)

    @staticmethod
    def backward(ctx, *grads):
        x, y = ctx.saved_tensors
        with torch.autocast(x.device.type, enabled=False):
            if torch.is_grad_enabled() or is_wrapped(x, y, *grads):
                made = torch.func.vjp(lambda x, y: _plain(x, y, ctx.k, ctx.l), x, y)
                return *made[1](grads), None, None, None
            return *_slopes(x, y, ctx.k, ctx.l, ctx.squares, grads, ctx.needs_input_grad), None, None, None

    @staticmethod
    def vmap(info, in_dims, x, y, k, l, squares):
        size = info.batch_size
        x, y = (_front(v, dim, size) for v, dim in zip((x, y), in_dims, strict=False))
        sums = _GramSums.apply(x.flatten(0, 1), y.flatten(0, 1), k, l, squares)
        return tuple(v.unflatten(0, (size, -1)) for v in sums), (0,) * 7


def _add_rows(tile: Tensor, diagonal: Tensor, rows: Tensor, i: slice, j: slice) -> None:
    """Add a tile to the row sums, and move what it has of the diagonal."""
    if i == j:
        own = tile.diagonal(dim1=1, dim2=2)
        diagonal[:, i] = own
        own.zero_()
    else:
        rows[:, j] += tile.sum(1)
    rows[:, i] += tile.sum(2)


def _slopes(x, y, k, l, squares, grads, needed):
    """The gradients; K_ij of an unordered pair has the weight 2 L_ij g_kl + 4 K_ij g_kk + g_r_i + g_r_j."""
    g_p, g_q, g_r, g_s, g_kl, g_kk, g_ll = (g.to(x.dtype) for g in grads)
    g_x, g_y = torch.zeros_like(x), torch.zeros_like(y)
    for at in batches(*x.shape[:2]):
        a, b = gram(x[at], k), gram(y[at], l)
        for i, j in tiles(x.shape[1]):
            ka, lb = a.tile(i, j), b.tile(i, j)
            for need, one, own, other, g, g_rows, g_diagonal, g_own in (
                (needed[0], a, ka, lb, g_x, g_r, g_p, g_kk),
                (needed[1], b, lb, ka, g_y, g_s, g_q, g_ll),
            ):
                if need:
                    weight = 2 * g_kl[at, None, None] * other
                    if squares:
                        weight += 4 * g_own[at, None, None] * own
                    weight += g_rows[at, i, None]
                    weight += g_rows[at, None, j]
                    one.pull(i, j, own, weight, g_diagonal[at, i], g[at])
    return g_x, g_y


def tiles(n: int) -> Iterator[tuple[slice, slice]]:
    """The tiles of the upper triangle: each unordered pair of samples is in one, or on both sides of one."""
    cuts = [slice(start, min(start + TILE, n)) for start in range(0, n, TILE)]
    for number, i in enumerate(cuts):
        for j in cuts[number:]:
            yield i, j


def batches(m: int, n: int) -> Iterator[slice]:
    """As many samples of the batch at a time as ``_ENTRIES`` allow."""
    size = max(1, _ENTRIES // max(1, min(n, TILE) ** 2))
    for start in range(0, m, size):
        yield slice(start, min(start + size, m))


def _front(x: Tensor, dim: int | None, size: int) -> Tensor:
    return x.expand(size, *x.shape) if dim is None else x.movedim(dim, 0)


# --------------------------------------------------------------------------- one Gram matrix


class Gram(NamedTuple):
    """The Gram matrix of a sample, from which any tile can be made."""

    x: Tensor  # (m, n, d)
    kernel: Kernel
    rows: Tensor  # (m, n, ...), what a tile is made of, for its rows
    columns: Tensor
    flat: bool = False  # exponents are so small that expm1 keeps digits which exp2 loses
    shift: Tensor | None = None  # (m,), taken from the values of a function
    memory: Tensor | None = None  # of a tile, which lasts until the next

    def tile(self, i: slice, j: slice) -> Tensor:
        """The tile (m, s, t) of the rows i and columns j; free to be changed, and gone with the next."""
        return self._values(self.rows[:, i], self.columns[:, j])

    def permuted_tile(self, i: Tensor, j: Tensor) -> Tensor:
        """From a batch of 1: tiles (c, s, t), number c having the rows i[c] and the columns j[c]."""
        return self._values(self.rows[0, i], self.columns[0, j])

    def _values(self, left: Tensor, right: Tensor) -> Tensor:
        if callable(self.kernel):
            made = torch.stack([self.kernel(a, b) for a, b in zip(left, right, strict=True)])
            return made if self.shift is None else made - self.shift[:, None, None]
        if self.kernel == "linear":
            return torch.bmm(left, right.mT)
        if self.kernel != "gaussian":
            d = _distances(left, right)
            return d.neg_() if self.kernel == "distance" else d.neg_().expm1_()
        exponent = self._exponents(left, right)
        return exponent.expm1_() if self.flat else exponent.exp2_().sub_(1)

    def _exponents(self, left: Tensor, right: Tensor) -> Tensor:
        """-d^2/2, times log2(e) for exp2; from features by one product, else from differences."""
        if left.shape[-1] > self.x.shape[-1]:
            return self._product(left, right).to(self.x.dtype)
        return _distances(left, right).square_().mul_(-0.5 if self.flat else -0.5 * _LOG2E)

    def _product(self, left: Tensor, right: Tensor) -> Tensor:
        """In memory that the last tile had: fresh pages would cost as much as the exponentials."""
        shape = (left.shape[0], left.shape[1], right.shape[1])
        if self.memory is None or math.prod(shape) > self.memory.numel():
            return torch.bmm(left, right.mT)
        return torch.bmm(left, right.mT, out=self.memory[: math.prod(shape)].view(shape))

    def pull(self, i: slice, j: slice, tile: Tensor, weight: Tensor, g_diagonal: Tensor, g: Tensor) -> None:
        """Add to ``g`` the gradient of the sum of weight_ij K_ij over the unordered pairs of a tile."""
        x_i, x_j = self.x[:, i], self.x[:, j]
        on = weight.diagonal(dim1=1, dim2=2) if i == j else None
        if callable(self.kernel):
            if on is not None:  # has each pair twice
                weight.div_(2)
                on.copy_(g_diagonal)
            for part, slope in zip((i, j), self._pull(x_i, x_j, weight), strict=True):
                g[:, part] += slope
            return
        if on is not None:
            on.zero_()
        if self.kernel == "linear":
            g[:, i] += weight @ x_j
            if on is None:
                g[:, j] += weight.mT @ x_i
            else:
                g[:, i] += 2 * g_diagonal[..., None] * x_i
            return
        weight *= self._slope(tile)  # dK = slope (x_i - x_j) (dx_i - dx_j)
        g[:, i] += weight.sum(2)[..., None] * x_i - weight @ x_j
        if on is None:
            g[:, j] += weight.sum(1)[..., None] * x_j - weight.mT @ x_i

    def _pull(self, x_i: Tensor, x_j: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            a, b = x_i.detach().requires_grad_(), x_j.detach().requires_grad_()
            made = self._values(a, b)
            return torch.autograd.grad(made, (a, b), weight, materialize_grads=True)

    def _slope(self, tile: Tensor) -> Tensor:
        if self.kernel == "gaussian":
            return -(tile + 1)
        if self.kernel == "distance":
            return torch.where(tile == 0, 0.0, 1 / tile)
        return torch.where(tile == 0, 0.0, (tile + 1) / torch.log1p(tile))


def gram(x: Tensor, kernel: Kernel) -> Gram:
    """Prepare the tiles of a sample ``(m, n, d)`` under a kernel of :func:`gram_sums`."""
    if callable(kernel):
        return Gram(x, kernel, x, x, shift=_first_value(x, kernel))
    if kernel != "gaussian":
        return Gram(x, kernel, x, x)
    radius = 1e3  # where it cannot be read: as if far
    if readable(x):
        radius = x.square().sum(-1).max().item() if x.numel() else 0.0
    flat, eps = radius < 0.1, torch.finfo(x.dtype).eps
    if x.shape[-1] == 1 or radius * _EPS64 > 1e3 * eps:  # even products in float64 would cost digits
        return Gram(x, kernel, x, x, flat)
    wide = x.double() if radius > 20 else x
    half = -wide.square().sum(-1, keepdim=True) / 2
    one = torch.ones_like(half)
    rows = torch.cat([wide, half, one], -1)
    rows = rows if flat else rows.mul_(_LOG2E)
    memory = rows.new_empty(x.shape[0] * min(x.shape[1], TILE) ** 2)
    return Gram(x, kernel, rows, torch.cat([wide, one, half], -1), flat, memory=memory)


def _first_value(x: Tensor, kernel: Callable[[Tensor, Tensor], Tensor]) -> Tensor | None:
    """The value at the first two samples of each batch: (m,)."""
    if x.shape[0] == 0 or x.shape[1] < 2:
        return None
    return torch.stack([kernel(v[:1], v[1:2])[0, 0] for v in x]).detach()


def _distances(left: Tensor, right: Tensor) -> Tensor:
    """Products need float64 here: the root makes 1e-4 of a rounding error of 1e-8 between close samples."""
    if left.shape[-1] == 1:
        return (left - right.mT).abs_()
    if left.dtype == torch.float64:
        return torch.cdist(left, right, compute_mode="donot_use_mm_for_euclid_dist")
    return squared_distances(left.double(), right.double()).sqrt_().to(left.dtype)


def squared_distances(left: Tensor, right: Tensor) -> Tensor:
    """(m, s, t) from (m, s, d) and (m, t, d), float64, by one product; what rounding leaves of 0 is 0.

    For that, 64 rounding errors of the squares are taken from all.
    """
    if left.shape[-1] == 1:
        return (left - right.mT).square_()
    share = 1 - 64 * _EPS64
    u, v = (share * side.square().sum(-1, keepdim=True) for side in (left, right))
    rows = torch.cat([-2 * left, u, torch.ones_like(u)], -1)
    return torch.bmm(rows, torch.cat([right, torch.ones_like(v), v], -1).mT).relu_()


# --------------------------------------------------------------------------- whole matrices


def _plain(x: Tensor, y: Tensor, k: Kernel, l: Kernel) -> tuple[Tensor, ...]:
    """The sums by differentiable operations, in O(n^2 d) memory."""
    a, b = _whole(x, k).double(), _whole(y, l).double()
    p, q = (v.diagonal(dim1=1, dim2=2) for v in (a, b))
    a, b = a - torch.diag_embed(p), b - torch.diag_embed(q)
    return p, q, a.sum(2), b.sum(2), *((u * v).sum((1, 2)) for u, v in ((a, b), (a, a), (b, b)))


def _whole(x: Tensor, kernel: Kernel) -> Tensor:
    if callable(kernel):
        made = torch.stack([kernel(v, v) for v in x])
        shift = _first_value(x, kernel)
        return made if shift is None else made - shift[:, None, None]
    if kernel == "linear":
        return x @ x.mT
    squares = (x[:, :, None] - x[:, None]).square().sum(-1)
    if kernel == "gaussian":
        return torch.expm1(-squares / 2)
    zero = squares == 0
    d = torch.where(zero, 0.0, torch.where(zero, 1.0, squares).sqrt())
    return -d if kernel == "distance" else torch.expm1(-d)
