"""The two sums of the multi-label loss in plain PyTorch: log(1 + A) and log(1 + B) of each row.

This is what runs where no kernel of ``triton.py`` does, and what that is tested against.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lemmata._torch import apply, batch_first, is_wrapped
from lemmata.numerics.precision import compute_dtype

__all__ = ["inside", "log_sums", "mass", "slope_by_blocks", "slopes_of", "sums_by_blocks", "weighted"]


def log_sums(
    input: Tensor, threshold: float | Tensor, target: Tensor, mask: Tensor | None, padding: int | None
) -> tuple[Tensor, Tensor]:
    """log(1 + A) and log(1 + B) of each row, in float64 for float64 scores and else in float32.

    Args:
        input: scores ``(..., C)``.
        threshold: a number, or ``(...)``.
        target: labels ``(..., C)`` in [0, 1]; where ``padding`` is a number, positives by index ``(..., K)``.
        mask: ``(..., C)``, True where a label counts, or how much it does (a constant); or None.
        padding: None, or the entry of an index that stands for nothing.
    """
    return apply(_LogSums, plain_log_sums, input, threshold, target, mask, padding)


class _LogSums(torch.autograd.Function):
    """log(1 + A) and log(1 + B) of each row: the sums over negatives and over positives.

    Keeps its arguments and its two results. Goes by blocks of rows, except while compiling and in a backward
    that may be differentiated again: these are made of differentiable operations on whole tensors.
    """

    @staticmethod
    def forward(input, threshold, target, mask, padding):
        if torch.compiler.is_compiling():
            return plain_log_sums(input, threshold, target, mask, padding)
        return sums_by_blocks(input, threshold, target, mask, padding)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, threshold, target, mask, ctx.padding = inputs
        ctx.threshold, threshold = (None, threshold) if isinstance(threshold, Tensor) else (threshold, None)
        ctx.save_for_backward(input, threshold, target, mask, *output)

    @staticmethod
    def backward(ctx, g_a, g_b):
        input, threshold, target, mask, log_a, log_b = ctx.saved_tensors
        arguments = (input, ctx.threshold if threshold is None else threshold, target, mask, ctx.padding)
        needed = ctx.needs_input_grad
        if torch.is_grad_enabled() or needed[2] or torch.compiler.is_compiling() or is_wrapped(g_a, g_b):
            slopes = slopes_of(*arguments, g_a, g_b)
        else:
            c_a, c_b = -g_a * torch.expm1(-log_a), -g_b * torch.expm1(-log_b)
            slopes = (slope_by_blocks(*arguments, c_a, c_b) if needed[0] else None, c_b - c_a, None)
        like = zip(needed, slopes, (input, threshold, target), strict=False)
        return *(slope.to(x.dtype) if need else None for need, slope, x in like), None, None

    @staticmethod
    def vmap(info, in_dims, *arguments):
        front = (batch_first(x, dim, info.batch_size) for x, dim in zip(arguments, in_dims, strict=True))
        return _LogSums.apply(*front), (0, 0)


def _top(x: Tensor) -> float:
    """What stands for infinity inside the sums, where inf - inf would be NaN; half the largest number."""
    return torch.finfo(x.dtype).max / 2


def _log_top(x: Tensor) -> float:
    """The largest exponent whose exponential is finite (and half as large as it could be)."""
    return math.log(_top(x))


def _centred(input: Tensor, threshold: float | Tensor) -> Tensor:
    """A fresh s - theta in the dtype of the sums, at most ``_top`` in size."""
    x = input.to(compute_dtype(input))
    if isinstance(threshold, Tensor) or threshold != 0:
        x = (x - _column(threshold)).to(x.dtype)
    return x.clamp(-_top(x), _top(x))


def inside(t: Tensor) -> Tensor:
    """Labels that are beyond [0, 1] by a few roundings, put back; with slope 1."""
    kept = t.clamp(0, 1)
    return t + (kept - t).detach() if torch.is_grad_enabled() else kept


def _weights(target: Tensor, mask: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The weights of the labels in the two sums: 1 - t and t, 0 where masked."""
    t = _real(target, dtype)
    t = inside(t) if target.is_floating_point() else t
    if mask is None:
        return 1 - t, t
    keep = _real(mask, dtype)
    return (1 - t) * keep, t * keep


def _sides(
    x: Tensor, target: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """The exponents of the two sums and their weights (None: all 1). Labels of weight 0 go to the bottom."""
    w_a, w_b = _weights(target, mask, x.dtype)
    x = x if mask is None else torch.where(mask != 0, x, 0.0)  # a masked NaN is no NaN
    cap_a, cap_b = (w.ceil().sub_(0.5).mul_(2 * _top(x)) for w in (w_a, w_b))  # top or, where w = 0, bottom
    a, b = torch.minimum(x, cap_a, out=cap_a), torch.minimum(x.neg_(), cap_b, out=cap_b)
    real = target.is_floating_point() or (mask is not None and mask.is_floating_point())
    return (a, b, w_a, w_b) if real else (a, b, None, None)


class _Picked(NamedTuple):
    """Positives by index: a cap for the scores at each place, and the exponents of their sum."""

    place: Tensor  # (..., K), 0 where there is none
    cap: Tensor  # (..., K), the bottom; the top where there is none
    b: Tensor  # (..., K), the bottom where there is none


def _picked(input, threshold, target, padding) -> _Picked | None:
    """The positives where they come as an index."""
    if padding is None:
        return None
    index = _distinct(target, padding)
    place = index.clamp(min=0)
    x = _centred(input.gather(-1, place), threshold)
    cap = torch.full_like(x, _top(x)).masked_fill(index >= 0, -_top(x))
    return _Picked(place, cap, -torch.maximum(x, cap))


def _without(x: Tensor, place: Tensor, cap: Tensor) -> Tensor:
    """The negatives of ``x``, in place: the positives are put at the bottom."""
    return x.scatter_reduce_(-1, place, cap, "amin")


def _log_sum(a: Tensor, w: Tensor | None = None) -> Tensor:
    """log sum w e^a over the last axis (softmax is the fastest sum of exponentials that torch has)."""
    if a.shape[-1] == 0:
        return a.new_full(a.shape[:-1], -math.inf)
    p = torch.softmax(a, -1)
    peak = p.amax(-1)
    mass = 1.0 if w is None else p.mul_(w).sum(-1)
    return a.amax(-1) + torch.log(mass / peak)


def _log1p_exp(log: Tensor) -> Tensor:
    """log(1 + e^log) to full relative precision; inf from the top on."""
    log = torch.where(log >= _top(log), math.inf, log)
    return torch.logaddexp(log, torch.zeros_like(log))


def _share(a: Tensor, w: Tensor | None, c: Tensor, out: Tensor | None = None) -> Tensor:
    """c in parts proportional to w e^a; 0 where there is no weight at all (where c is 0 too)."""
    p, c = torch.softmax(a, -1), c.unsqueeze(-1)
    if w is not None:
        mass = p.mul_(w).sum(-1, keepdim=True)
        c = torch.where(mass == 0, 0.0, c / mass).clamp(-_top(a), _top(a))
    return torch.mul(p, c, out=out)


def sums_by_blocks(input, threshold, target, mask, padding):
    """What plain_log_sums gives, a few rows at a time."""
    log_a, log_b = input.new_empty((2, *input.shape[:-1]), dtype=compute_dtype(input)).unbind()
    picked = _picked(input, threshold, target, padding)
    if picked is not None:
        log_b = _log_sum(picked.b)
    for at in _blocks(input):
        x = _centred(*_part(at, input, threshold))
        if picked is None:
            a, b, w_a, w_b = _sides(x, *_part(at, target, mask))
            log_a[at], log_b[at] = _log_sum(a, w_a), _log_sum(b, w_b)
        else:
            log_a[at] = _log_sum(_without(x, *_part(at, picked.place, picked.cap)))
    return _log1p_exp(log_a), _log1p_exp(log_b)


def slope_by_blocks(input, threshold, target, mask, padding, c_a, c_b):
    """The gradient from c_a = g A / (1 + A) and c_b = g B / (1 + B), shared out on each side."""
    slope = torch.empty_like(input)
    picked = _picked(input, threshold, target, padding)
    for at in _blocks(input):
        x = _centred(*_part(at, input, threshold))
        if picked is None:
            a, b, w_a, w_b = _sides(x, *_part(at, target, mask))
            torch.sub(_share(a, w_a, c_a[at]), _share(b, w_b, c_b[at]), out=slope[at])
        else:
            _share(_without(x, *_part(at, picked.place, picked.cap)), None, c_a[at], out=slope[at])
    if picked is not None:
        slope.scatter_add_(-1, picked.place, -_share(picked.b, None, c_b).to(slope.dtype))
    return slope


def weighted(input, threshold, target, mask, padding):
    """Scores and the weights of the two sides, dense and differentiable."""
    x = _centred(input, threshold)
    if padding is not None:
        index = _distinct(target, padding)
        target = torch.zeros_like(x).scatter_add(-1, index.clamp(min=0), (index >= 0).to(x.dtype))
    x = x if mask is None else torch.where(mask != 0, x, 0.0)
    return x, *_weights(target, mask, x.dtype)


def peak_and_sum(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """m = max(0, log of each term) and sum w e^(x - m), differentiable also where w = 0."""
    logs = torch.where(w > 0, x + torch.where(w > 0, w, 1.0).log(), 0.0).detach()
    peak = F.pad(logs, (0, 1)).amax(-1, keepdim=True)
    return peak, (w * torch.exp((x - peak).clamp(max=_log_top(x)))).sum(-1, keepdim=True)


def mass(x: Tensor, w: Tensor) -> Tensor:
    """e^x / (1 + sum w e^x); where it would overflow (which needs w = 0) half the largest number."""
    peak, total = peak_and_sum(x, w)
    return torch.exp((x - peak - torch.log(torch.exp(-peak) + total)).clamp(max=_log_top(x)))


def plain_log_sums(input, threshold, target, mask, padding):
    """What _LogSums gives, in differentiable operations; infinite scores count as constants."""
    x, *weights = weighted(input, threshold, target, mask, padding)
    peaks_and_sums = (peak_and_sum(y, w) for y, w in zip((x, -x), weights, strict=True))
    logs = ((peak + torch.log1p(torch.expm1(-peak) + total)).squeeze(-1) for peak, total in peaks_and_sums)
    return tuple(torch.where(log >= _top(log), math.inf, log) for log in logs)


def slopes_of(input, threshold, target, mask, padding, g_a, g_b):
    """The gradients by scores, threshold and target, in differentiable operations."""
    x, w_a, w_b = weighted(input, threshold, target, mask, padding)
    by_a, by_b, c_a, c_b = mass(x, w_a), mass(-x, w_b), _column(g_a), _column(g_b)
    d_input, d_target = c_a * (w_a * by_a) - c_b * (w_b * by_b), c_b * by_b - c_a * by_a
    return d_input, -d_input.sum(-1), d_target if mask is None else d_target * _real(mask, x.dtype)


# --------------------------------------------------------------------------- rows and indices


def _column(rows: float | Tensor) -> float | Tensor:
    """(...) to (..., 1), to go beside scores; a number stays."""
    return rows.unsqueeze(-1) if isinstance(rows, Tensor) else rows


def _blocks(input: Tensor) -> Iterator[tuple[Any, ...]]:
    """Indices that cut the leading axes in blocks which fit a cache (or keep a device busy)."""
    return cut(input.shape, 2**18 if input.device.type == "cpu" else 2**24)


def cut(shape: torch.Size, limit: int) -> Iterator[tuple[Any, ...]]:
    if len(shape) == 1:
        yield ()
        return
    inner = math.prod(shape[1:])
    if inner > limit and len(shape) > 2:
        yield from ((i, *rest) for i in range(shape[0]) for rest in cut(shape[1:], limit))
        return
    rows = max(1, limit // max(1, inner))
    yield from ((slice(i, i + rows),) for i in range(0, shape[0], rows))


def _part(at: tuple[Any, ...], *arguments: Any) -> list[Any]:
    """The same block of every tensor among the arguments."""
    return [x[at] if isinstance(x, Tensor) else x for x in arguments]


def _distinct(index: Tensor, padding: int) -> Tensor:
    """The index sorted, with -1 for padding and for repeats."""
    index = index.masked_fill(index == padding, -1).sort(-1).values
    repeated = F.pad(index[..., 1:] == index[..., :-1], (1, 0)) if index.shape[-1] else index < 0
    return index.masked_fill(repeated, -1)


def _real(x: Tensor, dtype: torch.dtype) -> Tensor:
    """``x`` in a floating dtype; bool by way of its bytes, which torch converts many times faster."""
    return (x.view(torch.uint8) if x.dtype == torch.bool else x).to(dtype)
