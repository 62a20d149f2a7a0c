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
    power: int = 0  # of the unit of the samples, in a value
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
    "linear": Kernel("product", lambda p: p, power=2),
    "distance": Kernel(
        "distance", lambda d: d.neg_(), lambda k: torch.where(k == 0, 0.0, 1 / k), power=1, semidefinite=False
    ),
}


def kernel_of(kernel: KernelLike) -> Kernel:
    """The kernel of a name, or of a symmetric function of two tiles ``(s, d)``, ``(t, d)`` to ``(s, t)``."""
    if callable(kernel):
        return Kernel("samples", _of_samples(kernel))
    check.choice("kernel, unless it is a function,", kernel, KERNELS)
    return KERNELS[kernel]


def _of_samples(kernel: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """A function that was given for a kernel, in the dtype of the samples; its shape is not guessed at."""

    def value(a: Tensor, b: Tensor) -> Tensor:
        made = kernel(a, b)
        check.tensor("what kernel returns", made)
        if made.is_complex() or made.shape != (len(a), len(b)):
            found = f"{made.dtype} of shape {tuple(made.shape)}"
            raise ValueError(f"kernel must return real numbers ({len(a)}, {len(b)}) here, got {found}")
        return made.to(a.dtype)

    return value
