"""How the scale of attention grows with the number of keys in sight."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable

__all__ = ["logn_scale"]


def logn_scale(n: float | Tensor, *, n0: float = 512, clip: bool = True) -> Tensor:
    r"""The factor :math:`\log n/\log n_0` on the scale of a query that sees n keys: 1 at :math:`n_0`.

    Implements :prf:ref:`attention-logn`.

    Args:
        n: how many keys are in sight, at least 0: a number, or an int64 or floating tensor of any shape.
            One key or none count as one.
        n0: the length that the factor is 1 at, that of the training; finite and above 1.
        clip: at least 1, so that nothing changes up to ``n0``.

    Returns:
        The shape of ``n``; its dtype, if floating, float64 for a number, and torch's default for integers.

    Raises:
        TypeError: ``n`` or ``n0`` of another type.
        ValueError: ``n`` below 0, where values are checked, or a number that is NaN; ``n0`` not above 1.

    Source: Su, kexue.fm 8823 (2021).

    Example:
        >>> logn_scale(torch.tensor([64, 512, 1024, 4096]))
        tensor([1.0000, 1.0000, 1.1111, 1.3333])
        >>> logn_scale(torch.tensor([1, 64, 512]), clip=False)
        tensor([0.0000, 0.6667, 1.0000])
    """
    base = log_base(n0)
    if isinstance(n, Tensor) and n.dtype == torch.int64:
        lengths = n.to(torch.get_default_dtype())
    else:
        lengths = check.real("n", n)
    if readable(lengths):  # NaN in a tensor spoils its own entry
        bad = lengths < 0 if isinstance(n, Tensor) else ~(lengths >= 0)
        if bad.any():
            raise ValueError(f"n must be at least 0, got {lengths[bad].min().item()}")
    return _factor(lengths, base, clip)


def log_base(n0: float) -> float:
    """log n0, of an n0 in (1, inf)."""
    size = check.number("n0", n0)
    if not 1 < size < math.inf:
        raise ValueError(f"n0 must be finite and above 1, got {n0}")
    return math.log(size)


def _factor(n: Tensor, base: float, clip: bool) -> Tensor:
    wide = n if n.dtype == torch.float64 else n.float()
    factor = wide.clamp(min=1).log() / base
    return (factor.clamp(min=1) if clip else factor).to(n.dtype)
