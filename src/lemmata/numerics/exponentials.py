"""Which of torch's exponentials to use: the faster of two differs by processor, and by a factor of three.

On x86 ``torch.exp`` is MKL's, which is fast on Intel's processors and slow on others; ``torch.exp2`` is not.
"""

import functools
import math
import platform
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["exp", "exp_", "unit_of_exponents"]


def unit_of_exponents(x: Tensor) -> float:
    """What the exponents of :func:`exp_` are to be multiplied by beforehand: 1, or log2 e for powers of 2."""
    return math.log2(math.e) if x.device.type == "cpu" and exp_is_slow() else 1.0


def exp_(exponents: Tensor, unit: float) -> Tensor:
    """e^u in the place of the exponents u times their unit."""
    return exponents.exp_() if unit == 1 else exponents.exp2_()


def exp(u: Tensor, out: Tensor) -> Tensor:
    """e^u in the memory ``out``, which may be that of u.

    To multiply by a unit costs what rounding u once more does: the relative error grows by 2^-23 |u| at most
    in float32, by 2^-52 |u| in float64.
    """
    unit = unit_of_exponents(u)
    return torch.exp(u, out=out) if unit == 1 else torch.mul(u, unit, out=out).exp2_()


@functools.cache
def exp_is_slow() -> bool:
    """Whether ``torch.exp`` is MKL's and the processor another maker's than Intel."""
    return torch.backends.mkl.is_available() and "intel" not in _processor().lower()


def _processor() -> str:
    """Words with the maker's name; where nobody says, of the maker that MKL is made for."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or "Intel"
    with info.open() as lines:
        return next((line for line in lines if line.startswith("vendor_id")), "Intel")
