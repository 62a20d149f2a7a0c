"""What kernels over rows share: how rows are cut, and elementary functions that Triton lacks."""

from contextlib import AbstractContextManager, nullcontext

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = [
    "as_rows",
    "block_of",
    "expm1",
    "log1p",
    "on_device",
    "peak_of",
    "pieces",
    "processors",
    "warps_of",
]


def as_rows(x: Tensor) -> Tensor:
    """(..., n) as (rows, n), where the memory allows it without a copy."""
    return x.reshape(x.shape[:-1].numel(), x.shape[-1])


def processors(device: torch.device) -> int:
    """How many blocks of threads run side by side; in the interpreter one does."""
    if device.type != "cuda":
        return 1
    return int(torch.cuda.get_device_properties(device).multi_processor_count)


def on_device(x: Tensor) -> AbstractContextManager[object]:
    """A context in which kernels are launched where ``x`` is, which may not be the current device."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()


def block_of(n: int, most: int) -> int:
    """How many entries are held at a time: a power of 2, at least 16."""
    return int(min(most, max(16, triton.next_power_of_2(n))))


def warps_of(block: int) -> int:
    """Eight entries a thread, in 1 to 8 warps of 32."""
    return min(8, max(1, block // 256))


def pieces(rows: int, n: int, block: int, wanted: int) -> int:
    """In how many pieces a row is cut, so that about ``wanted`` programs run: 1 where rows are enough.

    A power of 2, since each number of pieces is a program of its own to be compiled.
    """
    most = min(triton.cdiv(wanted, max(1, rows)), triton.cdiv(n, block))
    return int(triton.next_power_of_2(max(1, most)))


@triton.jit
def peak_of(WIDE: tl.constexpr):
    """What stands for infinity inside the sums: half the largest number."""
    if WIDE:
        return tl.full((), 8.988465674311579e307, tl.float64)
    else:
        return tl.full((), 1.7014117331926443e38, tl.float32)


@triton.jit
def log1p(x):
    """log(1 + x) for x >= 0 to full relative precision: what rounding does to 1 + x is divided out."""
    u = 1.0 + x
    return tl.where(u == 1.0, x, tl.log(u) * (x / tl.where(u == 1.0, 1.0, u - 1.0)))


@triton.jit
def expm1(x):
    """exp(x) - 1 for x <= 0; near 0, where the difference has no digits, by its series."""
    near = tl.where(x > -0.5, x, 0.0)
    series = 1.0 + near / 14.0
    for k in tl.static_range(13, 1, -1):
        series = 1.0 + near * series / k
    return tl.where(x > -0.5, near * series, tl.exp(x) - 1.0)
