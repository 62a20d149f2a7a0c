"""The angle of two given vectors, without cancellation."""

import torch
from torch import Tensor

from lemmata import _arguments as check

__all__ = ["angle_between"]


def angle_between(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    r"""The angle between vectors, to a few roundings from 0 to pi, whatever their lengths.

    .. math:: \theta = 2\operatorname{atan2}\bigl(\|u - v\|, \|u + v\|\bigr),
              \qquad u = \frac x{\|x\|},\ v = \frac y{\|y\|}

    The arc cosine of :math:`u\cdot v` loses half of the digits near 0 and pi. Lengths are taken out first,
    by the largest entry, so nothing overflows.

    Implements :prf:ref:`angles-between`.

    Args:
        x: vectors along ``dim``, of the types that :func:`angle_pdf` takes (half types are computed in
            float32).
        y: likewise; the other dimensions broadcast.
        dim: the axis of the vectors, of the shape that both have together.

    Returns:
        The broadcast shape without ``dim``, of the common dtype. A zero vector, an infinite or a NaN entry
        give NaN. Where the vectors are parallel or opposite the angle has a kink, and the gradient is 0.

    Raises:
        TypeError: x or y is not a tensor of these types.
        ValueError: the shapes do not fit, ``dim`` is none of their axes or has no entries.

    Source: Kahan, How Futile are Mindless Assessments of Roundoff in Floating-Point Computation? (2006), §12.

    Example:
        >>> angle_between(torch.tensor([1.0, 0.0]), torch.tensor([[1.0, 1e-6], [0.0, 3.0], [-2.0, 0.0]]))
        tensor([1.0000e-06, 1.5708e+00, 3.1416e+00])
    """
    check.floating("x", x)
    check.floating("y", y)
    try:
        x, y = torch.broadcast_tensors(x, y)
    except RuntimeError:
        raise ValueError(f"y must broadcast with x of shape {tuple(x.shape)}, got {tuple(y.shape)}") from None
    dim, dtype = check.axis("x", x, dim), torch.promote_types(x.dtype, y.dtype)
    u, v = (_direction(z.to(torch.promote_types(dtype, torch.float32)), dim) for z in (x, y))
    return (2 * torch.atan2(_length(u - v, dim), _length(u + v, dim))).to(dtype)


def _direction(x: Tensor, dim: int) -> Tensor:
    """x over its length; 0 / 0 for a zero vector."""
    x = x / x.detach().abs().amax(dim, keepdim=True)  # the angle does not depend on this: a constant
    return x / x.square().sum(dim, keepdim=True).sqrt()


def _length(x: Tensor, dim: int) -> Tensor:
    """The length, without underflow; 0 has the derivative 0."""
    peak = x.detach().abs().amax(dim, keepdim=True)
    zero = peak == 0
    square = (x / torch.where(zero, 1, peak)).square().sum(dim, keepdim=True)
    return torch.where(zero, 0, peak * torch.where(zero, 1, square).sqrt()).squeeze(dim)
