"""Truncated normal weights that have the standard deviation they are asked for."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.geometry._initialization.shapes import not_nan
from lemmata.numerics.precision import compute_dtype

__all__ = ["truncated_normal_"]


@torch.no_grad()
def truncated_normal_(
    tensor: Tensor,
    std: float = 1.0,
    *,
    mean: float = 0.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Fill from a truncated normal law that *has* this mean and this standard deviation.

    A standard normal z is kept where :math:`a \le z \le b`. What is left has

    .. math:: \mu = \frac{\varphi(a)-\varphi(b)}Z,\qquad
              s^2 = 1 + \frac{a\varphi(a)-b\varphi(b)}Z - \mu^2,\qquad Z = \Phi(b)-\Phi(a)

    and the tensor gets :math:`\text{mean} + \text{std}\,(z-\mu)/s`. At ±2, s = 0.87962566103423975:
    :func:`torch.nn.init.trunc_normal_` with ``a=-2*std, b=2*std`` returns that much less than its ``std``.

    Implements :prf:ref:`initialization-truncated`.

    Args:
        tensor: any shape.
        std: the standard deviation of the result, at least 0.
        mean: the mean of the result.
        a, b: the ends in units of the normal law *before* it is truncated (torch's are absolute); infinite
            ones are allowed. They are at least 1e-4 apart and keep at least 1e-30 of the law, else rounding
            would spoil s.
        generator: of the tensor's device.

    Returns:
        The same tensor. Half types are rounded last, so an entry can be half a step beyond an end.

    Raises:
        ValueError: a std, or ends, that are not as above.

    Example:
        >>> x = truncated_normal_(torch.empty(10**6), std=0.02, generator=torch.Generator().manual_seed(0))
        >>> round(x.std().item(), 4), round(x.max().item() / 0.02, 4)
        (0.02, 2.2737)
    """
    check.floating("tensor", tensor)
    check.generator("generator", generator)
    std, mean = check.number("std", std), not_nan("mean", mean)
    if not 0 <= std < math.inf:
        raise ValueError(f"std must be finite and at least 0, got {std}")
    low, high = check.number("a", a), check.number("b", b)
    mu, s = _truncated_moments(low, high)
    if tensor.is_meta or tensor.numel() == 0:
        return tensor
    z = torch.empty(tensor.shape, dtype=compute_dtype(tensor), device=tensor.device)
    z = _truncated(z, low, high, generator) if low + high <= 0 else -_truncated(z, -high, -low, generator)
    return tensor.copy_((z - mu).mul_(std / s).add_(mean))


def _truncated(z: Tensor, a: float, b: float, generator: torch.Generator | None) -> Tensor:
    """Fill with quantiles of a uniform law; most of [a, b] is on the left, where tails keep their digits."""
    low, high = _phi(a), _phi(b)
    step = (high - low) * torch.finfo(z.dtype).eps
    z.uniform_(low, high, generator=generator).clamp_(min=max(low, step / 4))  # 0 would give -inf
    return torch.special.ndtri(z, out=z).clamp_(a, b)


def _truncated_moments(a: float, b: float) -> tuple[float, float]:
    """Mean and standard deviation of a standard normal kept in [a, b]."""
    if not b - a >= 1e-4:
        raise ValueError(f"b must exceed a by at least 1e-4, got a = {a} and b = {b}")
    if a + b > 0:
        mean, std = _truncated_moments(-b, -a)
        return -mean, std
    z = _phi(b) - _phi(a)
    if not z >= 1e-30:
        raise ValueError(f"a and b must keep at least 1e-30 of the normal law, got {a} and {b}")
    mean = (_density(a) - _density(b)) / z
    ends = [x * _density(x) if math.isfinite(x) else 0.0 for x in (a, b)]
    return mean, math.sqrt(1 + (ends[0] - ends[1]) / z - mean * mean)


def _phi(x: float) -> float:
    return math.erfc(-x * math.sqrt(0.5)) / 2


def _density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
