"""HSIC from Gram matrices that are projected on a few of their columns."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.estimation._hsic.feature_sums import FeatureSums
from lemmata.estimation._hsic.gram import gram
from lemmata.estimation._hsic.samples import Bandwidth, paired
from lemmata.numerics.kernels import Kernel, KernelLike, kernel_of
from lemmata.numerics.precision import no_autocast

__all__ = ["hsic_nystrom"]


def hsic_nystrom(
    x: Tensor,
    y: Tensor,
    *,
    landmarks: int,
    bandwidth: Bandwidth = "median",
    kernel: KernelLike = "gaussian",
    estimator: str = "biased",
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""HSIC with both Gram matrices projected on a few of their columns.

    .. math:: K \approx K_{nm}K_{mm}^{+}K_{mn}

    for m samples drawn without replacement, the same for x and y. Projecting shrinks: the biased HSIC comes
    out too small, by an amount that falls with the eigenvalues of the kernels, and for smooth kernels far
    faster than the :math:`m^{-1/2}` of random features. O(nm^2) time, O(nm) memory, and O(n^2) time for
    ``bandwidth="median"``.

    Implements :prf:ref:`hsic-nystrom`.

    Args:
        x: samples ``(..., n, d)``.
        y: samples ``(..., n, e)``.
        landmarks: m, from 1 to n (ValueError).
        bandwidth: as in :func:`hsic`.
        kernel: as in :func:`hsic`, positive semidefinite, so not ``"distance"`` (ValueError).
        estimator: ``"biased"``, or ``"unbiased"`` for the projected kernels.
        generator: of the landmarks, on the CPU.

    Returns:
        As :func:`hsic`, without gradients.

    Example:
        >>> x = torch.linspace(-1, 1, 50).unsqueeze(-1)
        >>> hsic_nystrom(x, x**2, landmarks=50), hsic(x, x**2, estimator="biased")
        (tensor(0.0316), tensor(0.0316))
    """
    check.tensor("x", x)
    check.generator("generator", generator)
    landmarks = check.at_least("landmarks", landmarks, 1)
    if not kernel_of(kernel).semidefinite:
        raise ValueError(f"kernel must be positive semidefinite, got {kernel!r}")
    with torch.no_grad(), no_autocast(x):
        pair = paired(x, y, kernel, bandwidth, estimator)
        n = pair.x.shape[1]
        if landmarks > n:
            raise ValueError(f"landmarks must be from 1 to n = {n}, got {landmarks}")
        values = torch.empty_like(pair.units[0])
        for b in range(len(values)):
            at = torch.randperm(n, generator=generator)[:landmarks].to(x.device)
            features = (_projected(v[b].double(), pair.kernel, at) for v in (pair.x, pair.y))
            values[b] = FeatureSums.of(*features).value(estimator)
        return pair.restore(pair.in_data_units(values))


def _projected(x: Tensor, kernel: Kernel, at: Tensor) -> Tensor:
    """Features (n, rank) whose inner products are the projected kernel."""
    made = gram(x[None], kernel)
    columns = made.permuted_tile(torch.arange(len(x), device=x.device)[None], at[None])
    columns += made.constant  # semidefinite again
    columns = columns[0]
    if not columns.isfinite().all():
        return columns * math.nan
    scale, basis = torch.linalg.eigh(columns[at])
    keep = scale > len(at) * torch.finfo(scale.dtype).eps * scale[-1]
    return columns @ (basis[:, keep] / scale[keep].sqrt())
