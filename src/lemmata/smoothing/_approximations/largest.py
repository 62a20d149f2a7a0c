"""Which entry is the largest, made smooth: its one-hot vector and its position."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.infinite import above, constant, switch, times
from lemmata.numerics.precision import compute_dtype
from lemmata.smoothing._approximations.limits import as_rows, in_range, one_at

__all__ = ["soft_argmax", "soft_one_hot"]


def soft_one_hot(x: Tensor, *, sharpness: float | Tensor, dim: int = -1) -> Tensor:
    r"""The one-hot vector of the largest entry, made smooth: :math:`p = \operatorname{softmax}(Kx)`.

    It is the gradient of the smooth maximum :math:`\frac1K\log\sum_i e^{Kx_i}`; its Jacobian
    :math:`K(\operatorname{diag}p - pp^\top)` has norm at most :math:`K/2`. The maximum is subtracted before
    the multiplication by K, so no sharpness overflows.

    Implements :prf:ref:`approximations-one-hot`, :prf:ref:`approximations-jacobian`.

    Args:
        x: any shape with at least one entry along ``dim``. ``-inf`` has weight 0; a row of nothing else gives
            zeros with gradient 0. Entries at ``inf`` share the weight equally, with gradient 0.
        sharpness: :math:`K`, in (0, inf]; ``inf`` shares equally among the largest. A tensor broadcasts to
            the shape of ``x`` with one entry along ``dim``, and gets its gradient.
        dim: the axis of the entries.

    Returns:
        The shape and the dtype of ``x``; sums to 1 along ``dim``.

    Raises:
        TypeError: ``x`` not floating point, ``sharpness`` neither a number nor such a tensor.
        ValueError: no entry along ``dim``; ``sharpness`` not positive.

    Example:
        >>> soft_one_hot(torch.tensor([1.0, 2.0, 4.0]), sharpness=1.0)
        tensor([0.0420, 0.1142, 0.8438])
        >>> soft_one_hot(torch.tensor([1.0, 4.0, 4.0]), sharpness=math.inf)
        tensor([0.0000, 0.5000, 0.5000])
    """
    dim = check.axis("x", x, dim)
    K = in_range(sharpness, as_rows(x, dim), one_at(x.shape, dim))
    K = K.movedim(dim, -1) if isinstance(K, Tensor) else K
    return one_hot(as_rows(x, dim), K).to(x.dtype).movedim(-1, dim)


def soft_argmax(
    x: Tensor,
    *,
    sharpness: float | Tensor,
    dim: int | tuple[int, ...] = -1,
    values: Tensor | None = None,
) -> Tensor:
    r"""The mean position under :func:`soft_one_hot`: :math:`\sum_i p_i v_i`, by default with :math:`v_i = i`.

    It is near the argmax only where one entry stands out: of two equal maxima it gives the middle. Of several
    axes at once, ``dim=(-2, -1)`` for the pixels of an image, it gives the place along each of them.

    Implements :prf:ref:`approximations-argmax`.

    Args:
        x: as in :func:`soft_one_hot`; a row of ``-inf`` gives 0.
        sharpness: :math:`K`, in (0, inf]. A tensor broadcasts to the shape of ``x`` without ``dim``, and gets
            its gradient.
        dim: the axis of the entries, or several different ones.
        values: the positions :math:`v`, finite; of one axis, which goes along ``dim``, or of more that
            broadcast to the shape of ``x``. They get their gradient. 0, 1, 2, ... if None, as it must be
            where ``dim`` is several axes.

    Returns:
        ``x`` without ``dim``; for m axes with a last axis of m places, in their order. In float64 where ``x``
        is, else in float32: half types have no 4001, and float16 nothing beyond 65504.

    Raises:
        TypeError: as in :func:`soft_one_hot`; ``values`` not a real tensor.
        ValueError: as in :func:`soft_one_hot`; ``values`` of a shape that does not fit; an axis twice.

    Example:
        >>> soft_argmax(torch.tensor([1.0, 2.0, 4.0, 2.0]), sharpness=5.0)
        tensor(2.0000)
        >>> soft_argmax(torch.tensor([9.0, 0.0, 9.0]), sharpness=5.0)
        tensor(1.)
        >>> soft_argmax(torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 9.0]]), sharpness=5.0, dim=(0, 1))
        tensor([1., 2.])
    """
    if isinstance(dim, tuple | list):
        return _places(x, sharpness, tuple(dim), values)
    dim = check.axis("x", x, dim)
    p = _probabilities(as_rows(x, dim), sharpness)
    v = torch.arange(p.shape[-1], device=x.device) if values is None else _positions(values, x, dim)
    return (p * v.to(p.dtype)).sum(-1)


def one_hot(x: Tensor, K: float | Tensor) -> Tensor:
    """softmax(Kx) over the last axis of x; zeros where all of a row is -inf."""
    peak = x.detach().amax(-1, keepdim=True)
    gap = above(x, peak)
    p = switch(
        K,
        math.inf,
        lambda: constant(torch.softmax(torch.where(gap < 0, -math.inf, gap).detach(), -1), x),
        lambda K: torch.softmax(times(K, gap), -1),
    )
    return torch.where(peak == -math.inf, 0.0, p)


def _probabilities(rows: Tensor, sharpness: float | Tensor) -> Tensor:
    """one_hot of rows, with a sharpness for each of them."""
    K = in_range(sharpness, rows, rows.shape[:-1])
    return one_hot(rows, K.unsqueeze(-1) if isinstance(K, Tensor) else K)


def _places(x: Tensor, sharpness: float | Tensor, dim: tuple[int, ...], values: Tensor | None) -> Tensor:
    """The mean place along each of several axes, (..., m)."""
    axes = [check.axis("x", x, d) for d in dim]
    if len({*axes}) < len(axes) or not axes:
        raise ValueError(f"dim must be one or more different axes, got {dim}")
    if values is not None:
        raise ValueError(f"values must be None where dim is several axes, got {type(values).__name__}")
    ends = range(-len(axes), 0)
    x = x.to(compute_dtype(x)).movedim(axes, [*ends])
    p = _probabilities(x.flatten(ends[0]), sharpness).unflatten(-1, x.shape[ends[0] :])
    marginals = [p.sum([other for other in ends if other != end]) if len(axes) > 1 else p for end in ends]
    return torch.stack([(q * torch.arange(q.shape[-1], device=x.device)).sum(-1) for q in marginals], -1)


def _positions(values: Tensor, x: Tensor, dim: int) -> Tensor:
    if not isinstance(values, Tensor) or values.is_complex():
        kind = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise TypeError(f"values must be a real tensor, got {kind}")
    if values.dim() == 1:
        return check.broadcast("values", values, (x.shape[dim],))
    return check.broadcast("values", values, x.shape).movedim(dim, -1)
