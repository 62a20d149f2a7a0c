"""The kernels, each told once: what it is made of, its values and its slope."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lemmata import _arguments as check

__all__ = ["KERNELS", "Kernel", "KernelLike", "kernel_of"]

KernelLike = str | Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Kernel:
    """A kernel less a constant, which no estimate sees.

    Moved so that equal samples have the value 0, a kernel of distances keeps the digits of close ones.
    """

    of: str  # what its values are made of: two "samples", their "product", "distance", or its "square"
    value: Callable[..., Tensor]  # from that, which it may overwrite; of "samples", from two tiles of them
    slope: Callable[[Tensor], Tensor] | None = None  # from the value: dk = slope (x - x') (dx - dx')
    constant: float = 0.0  # what is missing from the value
    scaled: bool = False  # has a bandwidth
    semidefinite: bool = True


KERNELS = {
    "gaussian": Kernel(
        "square", lambda q: q.mul_(-0.5).expm1_(), lambda k: -(k + 1), constant=1.0, scaled=True
    ),
    "laplace": Kernel(
        "distance",
        lambda d: d.neg_().expm1_(),
        lambda k: torch.where(k == 0, 0.0, (k + 1) / torch.log1p(k)),
        constant=1.0,
        scaled=True,
    ),
    "linear": Kernel("product", lambda p: p),
    "distance": Kernel(
        "distance", lambda d: d.neg_(), lambda k: torch.where(k == 0, 0.0, 1 / k), semidefinite=False
    ),
}


def kernel_of(kernel: KernelLike) -> Kernel:
    """The kernel of a name, or of a symmetric function of two tiles ``(s, d)``, ``(t, d)`` to ``(s, t)``."""
    if callable(kernel):
        return Kernel("samples", kernel)
    check.choice("kernel, unless it is a function,", kernel, KERNELS)
    return KERNELS[kernel]
