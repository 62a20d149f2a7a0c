"""Which entry is the largest, made smooth: its one-hot vector and its position."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.smoothing._approximations.limits import above, as_rows, constant, in_range

__all__ = ["soft_argmax", "soft_one_hot"]


def soft_one_hot(x: Tensor, *, sharpness: float, dim: int = -1) -> Tensor:
    r"""The one-hot vector of the largest entry, made smooth: :math:`p = \operatorname{softmax}(Kx)`.

    It is the gradient of the smooth maximum :math:`\frac1K\log\sum_i e^{Kx_i}`; its Jacobian
    :math:`K(\operatorname{diag}p - pp^\top)` has norm at most :math:`K/2`. The maximum is subtracted before
    the multiplication by K, so no sharpness overflows.

    Implements :prf:ref:`approximations-one-hot`, :prf:ref:`approximations-jacobian`.

    Args:
        x: any shape with at least one entry along ``dim``. ``-inf`` has weight 0; a row of nothing else gives
            zeros with gradient 0. Entries at ``inf`` share the weight equally, with gradient 0.
        sharpness: :math:`K`, in (0, inf]; ``inf`` shares equally among the largest.
        dim: the axis of the entries.

    Returns:
        The shape and the dtype of ``x``; sums to 1 along ``dim``.

    Raises:
        TypeError: ``x`` not floating point, ``sharpness`` not a number.
        ValueError: no entry along ``dim``; ``sharpness`` not positive.

    Example:
        >>> soft_one_hot(torch.tensor([1.0, 2.0, 4.0]), sharpness=1.0)
        tensor([0.0420, 0.1142, 0.8438])
        >>> soft_one_hot(torch.tensor([1.0, 4.0, 4.0]), sharpness=math.inf)
        tensor([0.0000, 0.5000, 0.5000])
    """
    dim = check.axis("x", x, dim)
    return one_hot(as_rows(x, dim), sharpness).to(x.dtype).movedim(-1, dim)


def soft_argmax(x: Tensor, *, sharpness: float, dim: int = -1, values: Tensor | None = None) -> Tensor:
    r"""The mean position under :func:`soft_one_hot`: :math:`\sum_i p_i v_i`, by default with :math:`v_i = i`.

    It is near the argmax only where one entry stands out: of two equal maxima it gives the middle.

    Implements :prf:ref:`approximations-argmax`.

    Args:
        x: as in :func:`soft_one_hot`; a row of ``-inf`` gives 0.
        sharpness: :math:`K`, in (0, inf].
        dim: the axis of the entries.
        values: the positions :math:`v`, finite; of one axis, which goes along ``dim``, or of more that
            broadcast to the shape of ``x``. They get their gradient. 0, 1, 2, ... if None.

    Returns:
        ``x`` without ``dim``, in the dtype of ``x``.

    Raises:
        TypeError: as in :func:`soft_one_hot`; ``values`` not a real tensor.
        ValueError: as in :func:`soft_one_hot`; ``values`` of a shape that does not fit.

    Example:
        >>> soft_argmax(torch.tensor([1.0, 2.0, 4.0, 2.0]), sharpness=5.0)
        tensor(2.0000)
        >>> soft_argmax(torch.tensor([9.0, 0.0, 9.0]), sharpness=5.0)
        tensor(1.)
    """
    dim = check.axis("x", x, dim)
    p = one_hot(as_rows(x, dim), sharpness)
    v = torch.arange(p.shape[-1], device=x.device) if values is None else _positions(values, x, dim)
    return (p * v.to(p.dtype)).sum(-1).to(x.dtype)


def one_hot(x: Tensor, sharpness: float) -> Tensor:
    """softmax(Kx) over the last axis of x; zeros where all of a row is -inf."""
    sharpness = in_range(sharpness, x)
    peak = x.detach().amax(-1, keepdim=True)
    gap = above(x, peak)
    if sharpness == math.inf:
        p = constant(torch.softmax(torch.where(gap < 0, -math.inf, gap).detach(), -1), x)
    else:
        p = torch.softmax(sharpness * gap, -1)
    return torch.where(peak == -math.inf, 0.0, p)


def _positions(values: Tensor, x: Tensor, dim: int) -> Tensor:
    if not isinstance(values, Tensor) or values.is_complex():
        kind = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise TypeError(f"values must be a real tensor, got {kind}")
    if values.dim() == 1:
        return check.broadcast("values", values, (x.shape[dim],))
    return check.broadcast("values", values, x.shape).movedim(dim, -1)
