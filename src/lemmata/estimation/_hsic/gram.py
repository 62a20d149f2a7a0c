"""The Gram matrix of a sample: any tile, with its gradient, or the whole by differentiable operations."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from lemmata._torch import readable
from lemmata.numerics.exponentials import exp_, unit_of_exponents
from lemmata.numerics.kernels import Kernel
from lemmata.numerics.tiles import EPS64, at_once, distances, side_of

__all__ = ["Gram", "gram", "joined", "whole"]


class Gram(NamedTuple):
    """The Gram matrix of a sample, from which any tile can be made."""

    x: Tensor  # (m, n, d)
    kernel: Kernel
    rows: Tensor  # (m, n, ...), what a tile is made of, for its rows
    columns: Tensor
    constant: Tensor | float  # (m, 1, 1) or a number, what is missing from the values
    flat: bool = False  # exponents are so small that expm1 keeps digits which exp loses
    steep: bool = False  # many values are so near 0 that 1 less would cost digits: they stay as they are
    memory: Tensor | None = None  # of a tile, which lasts until the next
    unit: float = 1.0  # of the exponents that rows and columns make
    one: Tensor | float = 1.0  # as a tensor it is subtracted faster

    @property
    def lift(self) -> float:
        """What lifted values have too much: where they are small, digits that would be lost with it."""
        return 1.0 if self.steep and not self.flat and self.kernel.of == "square" else 0.0

    def tile(self, i: slice, j: slice) -> Tensor:
        """The tile (m, s, t) of the rows i and columns j; free to be changed, and gone with the next."""
        return self._lowered(self.lifted_tile(i, j))

    def permuted_tile(self, i: Tensor, j: Tensor) -> Tensor:
        """From a batch of 1: tiles (c, s, t), number c having the rows i[c] and the columns j[c]."""
        return self._lowered(self._lifted(self.rows[0, i], self.columns[0, j]))

    def lifted_tile(self, i: slice, j: slice, at: slice = slice(None)) -> Tensor:
        return self._lifted(self.rows[at, i], self.columns[at, j])

    def permuted(self, pi: Tensor) -> "Gram":
        """From a batch of 1: that of the sample in each of the orders (c, n), lifted if that saves time."""
        rows, columns = (side[0].index_select(0, pi.flatten()).unflatten(0, pi.shape) for side in self[2:4])
        memory = None if self.memory is None else _memory(rows, at_once(rows, True), True)
        return self._replace(rows=rows, columns=columns, steep=True, memory=memory)

    def _lowered(self, values: Tensor) -> Tensor:
        return values.sub_(1) if self.lift else values

    def _lifted(self, left: Tensor, right: Tensor) -> Tensor:
        value = self.kernel.value
        if self.kernel.of == "samples":
            return torch.stack([value(a, b) for a, b in zip(left, right, strict=True)]) - self.constant
        if self.kernel.of == "product":
            return value(torch.bmm(left, right.mT))
        if self.kernel.of == "distance":
            return value(distances(left, right))
        exponent = self._exponents(left, right)
        if self.flat:
            return exponent.expm1_()
        values = exp_(exponent, self.unit)  # faster than expm1 by far
        return values if self.steep else values.sub_(self.one)

    def _exponents(self, left: Tensor, right: Tensor) -> Tensor:
        """-d^2/2 in their unit, from features by one product, else from differences."""
        if left.shape[-1] > self.x.shape[-1]:
            return self._product(left, right).to(self.x.dtype)
        return distances(left, right).square_().mul_(-0.5 * self.unit)

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
        if self.kernel.of == "samples":
            if on is not None:  # has each pair twice
                weight.div_(2)
                on.copy_(g_diagonal)
            for part, slope in zip((i, j), self._pull(x_i, x_j, weight), strict=True):
                g[:, part] += slope
            return
        if on is not None:
            on.zero_()
        if self.kernel.slope is None:  # the linear kernel
            g[:, i] += weight @ x_j
            if on is None:
                g[:, j] += weight.mT @ x_i
            else:
                g[:, i] += 2 * g_diagonal[..., None] * x_i
            return
        weight *= self.kernel.slope(tile)
        g[:, i] += weight.sum(2)[..., None] * x_i - weight @ x_j
        if on is None:
            g[:, j] += weight.sum(1)[..., None] * x_j - weight.mT @ x_i

    def _pull(self, x_i: Tensor, x_j: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            a, b = x_i.detach().requires_grad_(), x_j.detach().requires_grad_()
            made = self._lifted(a, b)
            return torch.autograd.grad(made, (a, b), weight, materialize_grads=True)


def gram(x: Tensor, kernel: Kernel) -> Gram:
    """Prepare the tiles of a sample ``(m, n, d)``, near 0."""
    if kernel.of == "samples":
        return Gram(x, kernel, x, x, _first_value(x, kernel))
    if kernel.of != "square":
        return Gram(x, kernel, x, x, kernel.constant)
    radius, steep = 1e3, False  # where it cannot be read: as if far
    if readable(x):
        squares = x.square().sum(-1) if x.numel() else x.new_zeros(1, 1)
        radius, steep = squares.max().item(), squares.mean(1).min().item() > 2
    flat, eps = radius < 0.1, torch.finfo(x.dtype).eps
    unit = 1.0 if flat else unit_of_exponents(x)
    if x.shape[-1] == 1 or radius * EPS64 > 1e3 * eps:  # even products in float64 would cost digits
        return Gram(x, kernel, x, x, kernel.constant, flat, steep, unit=unit)
    wide = (x.double() if radius > 20 else x) * math.sqrt(unit)
    half = -wide.square().sum(-1, keepdim=True) / 2
    one = torch.ones_like(half)
    rows, columns = torch.cat([wide, half, one], -1), torch.cat([wide, one, half], -1)
    memory, one = _memory(rows, len(rows)), x.new_ones(())
    return Gram(x, kernel, rows, columns, kernel.constant, flat, steep, memory, unit, one)


def _memory(rows: Tensor, count: int, shuffled: bool = False) -> Tensor:
    return rows.new_empty(count * side_of(rows, shuffled) ** 2)


def joined(a: Gram, b: Gram) -> list[Gram]:
    """One Gram of a batch (2m, ...) whose tiles are those of a and of b, where such can be made; else both.

    On a CPU half as many calls into torch, which for tiles of this size take a fifth of the time.
    """
    alike = (a.flat, a.steep, a.rows.dtype) == (b.flat, b.steep, b.rows.dtype)
    if a.memory is None or b.memory is None or not alike:
        return [a, b]
    widths = [g.x.shape[-1] for g in (a, b)]
    if max(widths) > 2 * min(widths) + 16:
        return [a, b]

    def stacked(*sides: Tensor) -> Tensor:
        width = max(side.shape[-1] for side in sides)
        return torch.cat([pad(side, (0, width - side.shape[-1])) for side in sides])

    x, rows, columns = (stacked(*sides) for sides in ((a.x, b.x), (a.rows, b.rows), (a.columns, b.columns)))
    return [a._replace(x=x, rows=rows, columns=columns, memory=_memory(rows, len(rows)))]


def whole(x: Tensor, kernel: Kernel) -> Tensor:
    """The Gram matrices (m, n, n) by differentiable operations, in O(n^2 d) memory."""
    if kernel.of == "samples":
        return torch.stack([kernel.value(v, v) for v in x]) - _first_value(x, kernel)
    if kernel.of == "product":
        return kernel.value(x @ x.mT)
    squares = (x[:, :, None] - x[:, None]).square().sum(-1)
    if kernel.of == "square":
        return kernel.value(squares)
    zero = squares == 0  # where the root has no slope
    return kernel.value(torch.where(zero, 0.0, torch.where(zero, 1.0, squares).sqrt()))


def _first_value(x: Tensor, kernel: Kernel) -> Tensor | float:
    """The value at the first two samples of each batch, (m, 1, 1): what a function is moved by."""
    if x.shape[0] == 0 or x.shape[1] < 2:
        return 0.0
    return torch.stack([kernel.value(v[:1], v[1:2]) for v in x]).detach()
