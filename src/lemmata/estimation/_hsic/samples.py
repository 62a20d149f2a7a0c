"""Two paired samples: what is asked of them, and how they are made ready for their kernels."""

import math
import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.estimation._hsic.estimators import ESTIMATORS
from lemmata.estimation._hsic.median import median_distance
from lemmata.estimation._hsic.sums import PairSums, gram_sums
from lemmata.numerics.centring import centred
from lemmata.numerics.kernels import Kernel, KernelLike, kernel_of
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.units import unit_of

__all__ = ["Bandwidth", "Pair", "both", "check_estimator", "paired", "width_of"]

Width = str | float
Bandwidth = Width | tuple[Width, Width]


class Pair(NamedTuple):
    """Two samples, their means out and in units of their bandwidths or largest entries, one batch axis."""

    x: Tensor  # (m, n, d), float64; for functions in the dtype of the tiles
    y: Tensor  # (m, n, e)
    units: tuple[Tensor, Tensor]  # of x and of y, (m,): powers of two near their largest entries
    kernel: Kernel
    made: torch.dtype  # of the tiles
    batch: torch.Size
    dtype: torch.dtype  # of the result

    def sums(self, squares: bool = True) -> PairSums:
        return gram_sums(self.x, self.y, self.kernel, self.made, squares=squares)

    def in_data_units(self, value: Tensor) -> Tensor:
        """HSIC (m, ...), as it is in the unit of the data: infinite only where it is too large."""
        if not self.kernel.power:
            return value
        one, other = (unit.view(-1, *(1,) * (value.dim() - 1)) for unit in self.units)
        if self.kernel.power == 2:  # their product first: one may be as large as the other is small
            one = other = (one * other).clamp(max=torch.finfo(torch.float64).max)
        return value * one * other

    def batched(self, value: Tensor) -> Tensor:
        return value.reshape((*self.batch, *value.shape[1:]))

    def restore(self, value: Tensor) -> Tensor:
        return self.batched(value).to(self.dtype)


def paired(
    x: Tensor, y: Tensor, kernel: KernelLike, bandwidth: Bandwidth, estimator: str, least: int = 1
) -> Pair:
    """The samples of a public function, checked and prepared."""
    for name, value in (("x", x), ("y", y)):
        check.floating(name, value)
        if value.dim() < 2:
            raise ValueError(f"{name} must be samples (..., n, d), got shape {tuple(value.shape)}")
    n = x.shape[-2]
    if y.shape[-2] != n:
        raise ValueError(f"y must have as many samples as x, {n}, got shape {tuple(y.shape)}")
    check_estimator(estimator, n, least)
    made = kernel_of(kernel)
    widths = [v if isinstance(v, str) and v == "median" else width_of(v) for v in both(bandwidth)]
    try:
        batch = torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except RuntimeError:
        shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise ValueError(f"x and y must have batch dimensions that broadcast, got {shapes}") from None
    dtype = compute_dtype(x, y)
    a, b = (v.to(dtype).expand(*batch, *v.shape[-2:]) for v in (x, y))
    a, b = (v.reshape(math.prod(batch), *v.shape[-2:]) for v in (a, b))
    if made.of == "samples":
        of_a = of_b = torch.ones(len(a), dtype=torch.float64, device=x.device)
    else:
        most = torch.finfo(dtype).max
        a, of_a = _prepared(a.double(), made, widths[0], most)
        b, of_b = _prepared(b.double(), made, widths[1], most)
    return Pair(a, b, (of_a, of_b), made, dtype, batch, torch.promote_types(x.dtype, y.dtype))


def _prepared(x: Tensor, kernel: Kernel, width: Width, most: float) -> tuple[Tensor, Tensor]:
    """The sample with its mean out, in units of its bandwidth or its largest entry; and the latter, (m,).

    No entry is beyond ``most``, the largest number of the tiles, however small a bandwidth is.
    """
    unit = unit_of(x, (1, 2))
    x = x / unit
    first, rest, _ = centred(x.detach(), (1,))
    x = (x - first) - rest
    if kernel.scaled:
        x = x / (_median(x) if isinstance(width, str) else (width / unit).clamp(8 / most, most))
    return x, unit.flatten()


def _median(x: Tensor) -> Tensor:
    """The median distance of each sample (m, 1, 1), or what stands for it where it is 0."""
    median, other = median_distance(x)
    if readable(median) and (median == 0).any():
        message = "half of the distances or more are 0: the bandwidth is the median of those that are not"
        warnings.warn(message, stacklevel=5)  # names the caller of the public function
    return torch.where(median == 0, other, median)[:, None, None]


def both(bandwidth: Bandwidth | None) -> tuple[Width, Width]:
    """The bandwidths of x and of y."""
    if isinstance(bandwidth, tuple):
        if len(bandwidth) != 2:
            raise ValueError(f"bandwidth must be one for both arguments or a pair, got {bandwidth}")
        return bandwidth
    return bandwidth, bandwidth  # type: ignore[return-value]  # None is for width_of to refuse


def width_of(width: Width) -> float:
    """A bandwidth that is a number, positive and finite."""
    if isinstance(width, str):
        raise ValueError(f"bandwidth must be a number, or 'median' where data is at hand, got {width!r}")
    if check.positive("bandwidth", width) == math.inf:
        raise ValueError(f"bandwidth must be finite, got {width}")
    return float(width)


def check_estimator(estimator: str, n: int, least: int = 1, name: str = "x") -> None:
    """Raise ValueError unless the estimator is known, and ``name`` has enough samples for it."""
    check.choice("estimator", estimator, ESTIMATORS)
    least = max(least, 4 if estimator == "unbiased" else 1)
    if n < least:
        raise ValueError(f"{name} must have at least {least} samples here, got n = {n}")
