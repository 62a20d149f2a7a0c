"""What operations that are near or short of their target cannot do without, timed alone.

    python benchmarks/limits.py [--rounds N] [--quick] [--json PATH]

The unit is the whole operation. A part works on as many numbers as the whole, by blocks in the cache as it
does. Parts need not add up: the whole makes other things, too, and waits for memory.
"""

import functools
import math
from collections.abc import Callable, Iterator

import torch
from measure import Table, step
from report import main
from torch import Tensor

from lemmata.classification import multilabel_cross_entropy, sparse_multilabel_cross_entropy
from lemmata.estimation import Moments, hsic, hsic_test
from lemmata.geometry import orthogonal_
from lemmata.numerics.exponentials import exp, exp_, unit_of_exponents
from lemmata.simplex import entmax
from lemmata.smoothing import gelu

WHOLE = "all of it"
Parts = dict[str, Callable[[], object]]
Drawn = Callable[..., Tensor]


def tables(quick: bool) -> Iterator[Table]:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    yield table("multilabel, soft labels", (2, 100) if quick else (64, 100_000), soft, normal)
    yield table("multilabel, few scores", (2, 100) if quick else (256, 100), small, normal)
    yield table("gelu, with backward", (2, 100) if quick else (4096, 3072), gate, normal)
    yield table("entmax 1.5", (2, 100) if quick else (512, 32_000), sparse, normal)
    yield table("hsic", (50, 10) if quick else (5000, 10), exact, normal)
    yield table("hsic, median bandwidth", (50, 10) if quick else (5000, 10), median, normal)
    yield table("hsic_test, 999 permutations", (50, 10) if quick else (2000, 10), permuted, normal, rounds=3)
    yield table("orthogonal_", (40, 8) if quick else (16384, 256), tall, normal)
    yield table("Moments", (1000,) if quick else (10**8,), four, normal, rounds=3)
    yield exponentials(normal(100 if quick else 2**16))


def exponentials(x: Tensor) -> Table:
    """Those that torch has, in cache; which is the fastest depends on the maker of the processor."""
    place = torch.empty_like(x)
    cases = {
        f"torch.{f.__name__}": again(100, functools.partial(f, x, out=place))
        for f in (torch.exp2, torch.exp, torch.expm1, torch.sigmoid)
    }
    return Table("exponentials, a hundred times", x.shape, "float32", cases, "torch.exp2")


def table(
    operation: str, shape: tuple[int, ...], parts: Callable[..., Parts], normal: Drawn, rounds: int = 9
) -> Table:
    return Table(operation, shape, "float32", parts(shape, normal), WHOLE, rounds=rounds)


def again(times: float, function: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        for _ in range(math.ceil(times)):
            function()

    return run


def soft(shape: tuple[int, ...], normal: Drawn) -> Parts:
    """Forward and backward of the multi-label loss."""
    scores, labels = normal(*shape).requires_grad_(), normal(*shape).sigmoid()
    plain, block, place = scores.detach(), normal(min(scores.numel(), 2**16)), torch.empty(shape)
    blocks, memory = scores.numel() / block.numel(), torch.empty_like(block)

    def streams() -> None:
        plain.sum(), labels.sum(), place.copy_(plain), labels.sum()

    return {
        WHOLE: lambda: step(lambda s: multilabel_cross_entropy(s, labels), scores),
        "scores and labels read twice, the gradient written": streams,
        "two exponentials a label": again(2 * blocks, lambda: exp(block, memory)),
        "two divisions a label": again(2 * blocks, block.reciprocal),
    }


class Nothing(torch.autograd.Function):
    """What PyTorch asks of any operation that is written in Python."""

    @staticmethod
    def forward(ctx, x):
        return x.new_zeros(())

    @staticmethod
    def backward(ctx, g):
        return None


def small(shape: tuple[int, ...], normal: Drawn) -> Parts:
    """Forward and backward of the sparse loss, where calls cost more than numbers."""
    scores, index = normal(*shape).requires_grad_(), normal(shape[0], shape[1]).topk(8).indices
    plain = scores.detach()
    return {
        WHOLE: lambda: step(lambda s: sparse_multilabel_cross_entropy(s, index), scores),
        "a Function that does nothing": lambda: step(Nothing.apply, scores),
        "one exponential a label": lambda: plain.exp(),
        "the largest number found and read": lambda: plain.max().item(),
    }


def gate(shape: tuple[int, ...], normal: Drawn) -> Parts:
    """Forward and backward of exact GELU: both need the error function of every number."""
    x, g = normal(*shape).requires_grad_(), normal(*shape)
    piece = normal(min(x.numel(), 2**18))
    place, unit, pieces = torch.empty_like(piece), unit_of_exponents(piece), x.numel() / piece.numel()
    return {
        WHOLE: lambda: step(gelu, x, g),
        "two error functions a number": again(2 * pieces, lambda: torch.erfc(piece, out=place)),
        "one exponential a number": again(pieces, lambda: exp_(place.copy_(piece), unit)),
        "two fresh results": lambda: (torch.empty(shape).zero_(), torch.empty(shape).zero_()),
    }


def sparse(shape: tuple[int, ...], normal: Drawn) -> Parts:
    """Forward and backward of entmax."""
    x, g = normal(*shape).requires_grad_(), normal(*shape)
    plain = x.detach()
    return {
        WHOLE: lambda: step(entmax, x, g),
        "two fresh results of zeros": lambda: (torch.empty(shape).zero_(), torch.empty(shape).zero_()),
        "the scores read once": lambda: plain.amax(-1),
    }


def exact(shape: tuple[int, ...], normal: Drawn) -> Parts:
    """Tiles of both kernels, for each unordered pair once."""
    n, d = shape
    x, y = normal(n, d), normal(n, d)
    size = min(n, 512)
    one, other = normal(2, size, d + 2), normal(2, d + 2, size)
    tile, unit = -(normal(2, size, size) ** 2), unit_of_exponents(x)
    place = torch.empty_like(tile)
    tiles = n * (n + size) / 2 / size**2
    return {
        WHOLE: lambda: hsic(x, y, bandwidth=4.0),
        "products": again(tiles, lambda: torch.bmm(one, other, out=place)),
        "exponentials": again(tiles, lambda: exp_(place.copy_(tile), unit)),
        "sums of rows": again(tiles, lambda: tile.sum(2)),
    }


def median(shape: tuple[int, ...], normal: Drawn) -> Parts:
    """The pass that finds both medians, and the one that uses them."""
    n, d = shape
    x, y = normal(n, d), normal(n, d)
    size = min(n, 512)
    one, other, tile = normal(size, d + 2), normal(d + 2, size), normal(size, size)
    tiles = 2 * n * (n + size) / 2 / size**2  # of two samples
    return {
        WHOLE: lambda: hsic(x, y),
        "at a given bandwidth": lambda: hsic(x, y, bandwidth=4.0),
        "products once more": again(tiles, lambda: torch.mm(one, other, out=tile)),
        "distances counted": again(tiles, tile.sum),
    }


def permuted(shape: tuple[int, ...], normal: Drawn) -> Parts:
    """One kernel's tiles for each permutation, and their products with the other's."""
    n, d = shape
    x, y = normal(n, d), normal(n, d)
    side = min(n, 256)
    one, other = normal(16, side, d + 2), normal(16, d + 2, side)
    tile, unit = -(normal(16, side, side) ** 2), unit_of_exponents(x)
    place = torch.empty_like(tile)
    tiles = 999 * n * (n + side) / 2 / tile.numel()
    numbers = tile.flatten()
    seeded = torch.Generator()
    return {
        WHOLE: lambda: hsic_test(x, y, bandwidth=4.0, permutations=999, generator=seeded.manual_seed(0)),
        "products of coordinates": again(tiles, lambda: torch.bmm(one, other, out=place)),
        "exponentials": again(tiles, lambda: exp_(place.copy_(tile), unit)),
        "products of kernels": again(tiles, lambda: numbers @ numbers),
    }


def tall(shape: tuple[int, ...], normal: Drawn) -> Parts:
    """Cholesky QR, twice."""
    place, x = torch.empty(shape), normal(*shape)
    factor = normal(shape[1], shape[1])
    seeded = torch.Generator()
    return {
        WHOLE: lambda: orthogonal_(place, generator=seeded.manual_seed(0)),
        "drawing the Gaussian": lambda: place.normal_(generator=seeded.manual_seed(0)),
        "one Gram matrix": lambda: x.T @ x,
        "one product with a square factor": lambda: x @ factor,
    }


def four(shape: tuple[int, ...], normal: Drawn) -> Parts:
    """Sums of four powers, in float64."""
    x = normal(*shape)
    block = x[: min(len(x), 2**14)]
    wide, times = block.double(), len(x) / len(block)
    return {
        WHOLE: lambda: Moments.of(x),
        "the numbers read once": lambda: x.sum(),
        "made float64": again(times, block.double),
        "four sums in float64": again(4 * times, wide.sum),
        "squares in float64": again(times, wide.square),
    }


if __name__ == "__main__":
    main("limits", __doc__, tables)
