"""alpha-entmax of rows, and its derivatives from the probabilities alone.

On the CPU only candidates are looked at more than once. The maxima of groups of entries are entries
themselves, so their threshold is at most that of the whole row, and a group whose maximum is below it is out.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata._torch import apply, batch_first, is_wrapped, readable
from lemmata.numerics.infinite import above
from lemmata.numerics.precision import compute_dtype
from lemmata.simplex._softmax.threshold import largest, newton, weights

__all__ = ["entmax_rows"]

BLOCK = 2**20  # entries whose candidates fit a cache
FEW = 64  # below this many entries there is nothing to leave out


def entmax_rows(x: Tensor, a: float) -> Tensor:
    """alpha-entmax over the last axis of x, a = alpha - 1 >= 0, in the dtype of x."""
    return apply(_Entmax, _plain, x, a)[0]


class _Entmax(torch.autograd.Function):
    """The probabilities, which are all that backward needs, and the largest score: where it is infinite, 0."""

    @staticmethod
    def forward(x, a):
        if not readable(x) or x.numel() == 0:
            return _plain(x, a)
        rows = x.reshape(-1, x.shape[-1])
        p, peak = torch.empty_like(rows), torch.empty_like(rows[:, :1])
        for at in _blocks(rows):
            p[at], peak[at] = _by_candidates(rows[at], a) if a > 0 else _plain(rows[at], a)
        return p.view(x.shape), peak.view(*x.shape[:-1], 1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.a = inputs[1]
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(*output)

    @staticmethod
    def backward(ctx, g, _):
        p, peak = ctx.saved_tensors
        if torch.is_grad_enabled() or not readable(p) or is_wrapped(g) or g.numel() == 0:
            return _slope(p, peak, g, ctx.a), None
        n = p.shape[-1]
        flat, dx = (p.reshape(-1, n), peak.reshape(-1, 1), g.reshape(-1, n)), torch.empty_like(g)
        for at in _blocks(flat[0]):
            dx.view(-1, n)[at] = _slope_by_candidates(*(whole[at] for whole in flat), ctx.a)
        return dx, None

    @staticmethod
    def vmap(info, in_dims, x, a):
        return _Entmax.apply(batch_first(x, in_dims[0], info.batch_size), a), (0, 0)


def _plain(x: Tensor, a: float) -> tuple[Tensor, Tensor]:
    """What _Entmax gives, in differentiable operations on whole tensors."""
    peak = x.detach().amax(-1, keepdim=True)
    u = above(x.to(compute_dtype(x)), peak.to(compute_dtype(x)))
    if a == 0:
        p = torch.softmax(u, -1)
    else:
        P = largest(u.detach(), a)
        for _ in range(2):  # one step from the root has the first derivative of P, two have the first three
            P = newton(u, P, a)
        p = _shared(u, P, a)
    return _at_the_ends(p, peak).to(x.dtype), peak


def _shared(u: Tensor, P: Tensor, a: float) -> Tensor:
    r = weights(u, P, a)[0]
    return r / r.sum(-1, keepdim=True)


def _at_the_ends(p: Tensor, peak: Tensor) -> Tensor:
    """Zeros where all is -inf, and NaN where something is."""
    return torch.where(peak == -math.inf, 0.0, torch.where(peak.isnan(), math.nan, p))


def _slope(p: Tensor, peak: Tensor, g: Tensor, a: float) -> Tensor:
    """J g = s (g - <s, g> / sum s), s = p^(1-a) on the support, in differentiable operations."""
    dtype = compute_dtype(p)
    live = peak.abs() != math.inf
    on = ~(p <= 0) & live
    s = torch.where(on, torch.where(on, p, 1.0).to(dtype).pow(1 - a), 0.0)
    g = torch.where(on, g, 0.0).to(dtype)
    if a > 1:  # one s may be far above all others: what it does to itself is what they do to it
        g = g - g.gather(-1, s.detach().argmax(-1, keepdim=True))
    total = torch.where(live, s.sum(-1, keepdim=True), 1.0)
    return (s * (g - (s * g).sum(-1, keepdim=True) / total)).to(p.dtype)


# --------------------------------------------------------------------------- candidates


class _Groups(NamedTuple):
    """A row in groups of entries that lie ``apart``, and what is left at its end."""

    top: Tensor  # (rows, apart), the maximum of each group
    rest: Tensor  # (rows, n modulo the number of entries in a group)
    size: int


def _by_candidates(x: Tensor, a: float) -> tuple[Tensor, Tensor]:
    dtype = compute_dtype(x)
    groups = _groups(x)
    tops = torch.cat([groups.top, groups.rest], -1)
    peak = tops.amax(-1, keepdim=True)
    u = above(tops.to(dtype), peak.to(dtype))
    P = largest(u, a, looks=True)
    P = P * (1 + 8 * torch.finfo(dtype).eps)  # no less than that of the tops, whose rounding it is
    bound = -P.pow(a) / a
    places = _places(x, groups, (u[:, : groups.top.shape[-1]] > bound))
    chosen = x if places is None else x.gather(-1, places)
    u = above(chosen.to(dtype), peak.to(dtype))
    p = _at_the_ends(_shared(u, largest(u, a, P, looks=True), a), peak).to(x.dtype)
    return (p if places is None else torch.zeros_like(x).scatter_(-1, places, p)), peak


def _slope_by_candidates(p: Tensor, peak: Tensor, g: Tensor, a: float) -> Tensor:
    groups = _groups(p)
    places = _places(p, groups, groups.top > 0)
    if places is None:
        return _slope(p, peak, g, a)
    dx = _slope(p.gather(-1, places), peak, g.gather(-1, places), a)
    return torch.zeros_like(p).scatter_(-1, places, dx)


def _groups(x: Tensor) -> _Groups:
    n = x.shape[-1]
    size = 1 if n < FEW else 2 ** (n.bit_length() // 2 - 2)
    apart = n // size
    body = x[:, : size * apart].unflatten(-1, (size, apart))
    return _Groups(body.amax(-2), x[:, size * apart :], size)


def _places(x: Tensor, groups: _Groups, chosen: Tensor) -> Tensor | None:
    """Where the entries of the chosen groups are, and the rest of the row; None where that is most of it."""
    n, (top, rest, size) = x.shape[-1], groups
    most = int(chosen.sum(-1).max())
    if size == 1 or 2 * most * size > n:
        return None
    group = top.topk(most, -1, sorted=False).indices
    entries = group.unsqueeze(-1) + torch.arange(size) * top.shape[-1]
    ends = torch.arange(n - rest.shape[-1], n).expand(len(x), -1)
    return torch.cat([entries.flatten(1), ends], -1)


def _blocks(rows: Tensor) -> list[slice]:
    step = max(1, BLOCK // rows.shape[-1])
    return [slice(i, i + step) for i in range(0, len(rows), step)]
