"""The sums over two Gram matrices, and their gradient, as Triton kernels that keep no tile in memory.

Rows of tiles go in programs of their own: each pair is made twice, no two programs add to one number, and
what comes out does not depend on their order.
"""

import torch
import triton
from torch import Tensor

from lemmata.estimation._hsic.gpu_kernels import DISTANCE, GAUSSIAN, LAPLACE, add_pairs, pull_pairs
from lemmata.numerics.kernels import KERNELS, Kernel
from lemmata.numerics.triton.rows import on_device, pieces, processors
from lemmata.numerics.units import unit_of

__all__ = ["fused_slopes", "fused_sums", "has_kernel", "pair_slopes", "pair_sums"]

KINDS = {"gaussian": GAUSSIAN.value, "laplace": LAPLACE.value, "distance": DISTANCE.value}
SIDE = 64  # of a tile
WARPS = 8  # with fewer a tile does not fit into their registers
WIDEST = 128  # features; the gradient holds a tile of samples


def _kind(kernel: Kernel) -> int | None:
    return next((kind for name, kind in KINDS.items() if KERNELS[name] is kernel), None)


def has_kernel(x: Tensor, y: Tensor, kernel: Kernel, made: torch.dtype) -> bool:
    """Whether there is a program for these samples: not for functions, products, nor very many features."""
    fits = max(x.shape[2], y.shape[2]) <= WIDEST and min(x.numel(), y.numel()) > 0 and len(x) < 2**16
    return made == torch.float32 and fits and _kind(kernel) is not None


def fused_sums(x: Tensor, y: Tensor, kernel: Kernel) -> tuple[Tensor, ...]:
    """Diagonal, rows and squares of K, the same of L, and products: as ``sums._GramSums``."""
    k1, k2, l1, l2, kl = pair_sums(_samples(x), _samples(y), _kind(kernel) or 0).unbind()
    return torch.zeros_like(k1), k1, k2.sum(1), torch.zeros_like(l1), l1, l2.sum(1), kl.sum(1)


def fused_slopes(
    x: Tensor, y: Tensor, kernel: Kernel, grads: tuple[Tensor, ...], needed: tuple[bool, ...]
) -> list[Tensor | None]:
    """The gradients by x and y, from those of the seven sums; in float32, in a unit of their own."""
    unit = unit_of(torch.cat([g.unsqueeze(-1).flatten(1) for g in grads], 1), 1)  # (m, 1)
    scaled = ((g.view(len(g), -1) / unit).view(g.shape).float().contiguous() for g in grads)
    _, rows_k, squares_k, _, rows_l, squares_l, products = scaled
    a, b, kind = _samples(x), _samples(y), _kind(kernel) or 0
    sides = ((x, a, b, rows_k, squares_k), (y, b, a, rows_l, squares_l))
    return [
        (pair_slopes(*own, products, kind) * unit[..., None]).to(like.dtype) if need else None
        for need, (like, *own) in zip(needed, sides, strict=False)
    ]


def _samples(x: Tensor) -> Tensor:
    return x.float().contiguous()


@torch.library.custom_op("lemmata::pair_sums", mutates_args=())
def pair_sums(x: Tensor, y: Tensor, kind: int) -> Tensor:
    """The sums over j of K, K^2, L, L^2 and K L for each i, (5, m, n) in float64."""
    m, n, d = x.shape
    side = _side(n)
    parts = pieces(m * triton.cdiv(n, side), n, side, 4 * processors(x.device))
    sums = x.new_empty((parts, 5, m, n), dtype=torch.float64)
    grid = triton.cdiv(n, side), m, parts
    with on_device(x):
        add_pairs[grid](x, y, sums, m, n, d, y.shape[2], KIND=kind, PARTS=parts, SIDE=side, num_warps=WARPS)
    return sums.sum(0)


@torch.library.custom_op("lemmata::pair_slopes", mutates_args=())
def pair_slopes(
    x: Tensor, y: Tensor, by_row: Tensor, by_square: Tensor, by_product: Tensor, kind: int
) -> Tensor:
    """The gradient by x, from those of its row sums (m, n), its squares (m,) and the products (m,)."""
    m, n, d = x.shape
    slope, side = torch.empty_like(x), _side(n)
    width = max(16, triton.next_power_of_2(d))
    with on_device(x):
        pull_pairs[triton.cdiv(n, side), m](
            x, y, by_row, by_square, by_product, slope, m, n, d, y.shape[2],
            KIND=kind, SIDE=side, WIDTH=width, num_warps=WARPS,
        )  # fmt: skip
    return slope


def _side(n: int) -> int:
    return int(min(SIDE, max(16, triton.next_power_of_2(n))))


@pair_sums.register_fake
def _(x, y, kind):
    return x.new_empty((5, *x.shape[:2]), dtype=torch.float64)


@pair_slopes.register_fake
def _(x, y, by_row, by_square, by_product, kind):
    return torch.empty_like(x)
