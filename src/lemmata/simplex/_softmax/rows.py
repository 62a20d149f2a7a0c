"""alpha-entmax of rows, and its derivatives from the probabilities alone.

On the CPU only candidates are looked at more than once. The maxima of groups of entries are entries
themselves, so their threshold is at most that of the whole row, and a group whose maximum is below it is out:
the groups that stay are the support of the maxima, which is found in the same way. Backward gets the places.
"""

import math
from itertools import zip_longest

import torch
from torch import Tensor

from lemmata._torch import apply, batch_first, is_wrapped, readable
from lemmata.numerics.infinite import above
from lemmata.numerics.precision import compute_dtype, no_autocast
from lemmata.simplex._softmax.threshold import between, largest, newton, shared

__all__ = ["entmax_rows"]

BLOCK = 2**20  # entries; what is done to candidates alone needs no cache
MOST = 2**31 - 1  # entries in a row: places are kept as int32
FAR = 1e18  # so far below the largest there is nothing, but products of this and 0 are 0
FEW, MANY = 128, 1600  # entries from which on groups are of 4 and of 16
HALF = 2  # candidates are worth the detour up to one entry in so many


def entmax_rows(x: Tensor, a: float) -> Tensor:
    """alpha-entmax over the last axis of x, a = alpha - 1 >= 0, in the dtype of x."""
    return apply(_Entmax, _plain, x, a)[0]


class _Entmax(torch.autograd.Function):
    """The probabilities, whether a row has a slope, and where the candidates of each block are (or none)."""

    @staticmethod
    def forward(x, a):
        if not readable(x) or x.numel() == 0 or x.shape[-1] > MOST:
            return _plain(x, a)
        with no_autocast(x):
            return (_softmax(x) if a == 0 else _by_blocks(x, a)) or _plain(x, a)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.a = inputs[1]
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*output)

    @staticmethod
    def backward(ctx, g, *_):
        p, live, *places = ctx.saved_tensors
        if torch.is_grad_enabled() or not readable(p) or is_wrapped(g) or g.numel() == 0:
            return _slope(p, live, g, ctx.a), None
        p, live, g, shape = _as_rows(p), _as_rows(live), _as_rows(g), p.shape
        dx = torch.empty_like(p)
        for at, where in zip_longest(_blocks(p), places):
            _slope_by_candidates(p[at], live[at], g[at], ctx.a, where, dx[at])
        return dx.view(shape), None

    @staticmethod
    def vmap(info, in_dims, x, a):
        p, live, *places = _Entmax.apply(batch_first(x, in_dims[0], info.batch_size), a)
        return (p, live, *places), (0, 0, *(None for _ in places))


def _plain(x: Tensor, a: float) -> tuple[Tensor, Tensor]:
    """What _Entmax gives, in differentiable operations on whole tensors."""
    peak = x.detach().amax(-1, keepdim=True)
    u = above(x.to(compute_dtype(x)), peak.to(compute_dtype(x))).clamp(min=-FAR)
    if a == 0:
        p = torch.softmax(u, -1)
    else:
        P = root = largest(u.detach(), a)
        for _ in range(2):  # one step from the root has the first derivative of P, two have the first three
            P = newton(u, P, a)
        p = shared(u, P, a)
        p = p if a <= 1 else p + (between(u, root, a) - p).detach()
    return _at_the_ends(p, peak).to(x.dtype), peak.abs() != math.inf


def _at_the_ends(p: Tensor, peak: Tensor) -> Tensor:
    """Zeros where all is -inf, and NaN where something is."""
    return torch.where(peak == -math.inf, 0.0, torch.where(peak.isnan(), math.nan, p))


def _slope(p: Tensor, live: Tensor, g: Tensor, a: float) -> Tensor:
    """J g = s (g - <s, g> / sum s), s = p^(1-a) on the support, in differentiable operations."""
    dtype = compute_dtype(p)
    on = ~(p <= 0) & live
    base = torch.where(on, p, 1.0).to(dtype)
    if a > 1:  # no s above the root of the largest number: sums and products stay finite
        base = base.clamp(min=torch.finfo(dtype).max ** (0.5 / (1 - a)))
    s = torch.where(on, base.pow(1 - a), 0.0)
    g = torch.where(on, g, 0.0).to(dtype)
    if a > 1:  # one s may be far above all others: what it does to itself is what they do to it
        g = g - g.gather(-1, s.detach().argmax(-1, keepdim=True))
    total = torch.where(live, s.sum(-1, keepdim=True), 1.0)
    slope = (s * (g - (s * g).sum(-1, keepdim=True) / total)).to(p.dtype)
    return torch.where(p.isnan(), p, slope)  # NaN to the power 0 is 1


def _softmax(x: Tensor) -> tuple[Tensor, Tensor] | None:
    """torch's, which is NaN where a largest score is infinite; then None."""
    p = torch.softmax(x, -1)
    ends = p[..., :1]
    return None if ends.isnan().any() else (p, torch.ones_like(ends, dtype=torch.bool))


# --------------------------------------------------------------------------- candidates


def _by_blocks(x: Tensor, a: float) -> tuple[Tensor, ...] | None:
    """What _Entmax gives; None where an entry is inf or NaN."""
    rows = _as_rows(x)
    p, live, places = torch.empty_like(rows), rows.new_empty(len(rows), 1, dtype=torch.bool), []
    for at in _blocks(rows):
        top, rest = _tops(rows[at])
        peak = top.amax(-1, keepdim=True)
        if rest.shape[-1]:
            peak = torch.maximum(peak, rest.amax(-1, keepdim=True))
        if not (peak < math.inf).all():
            return None
        live[at] = peak != -math.inf
        places.append(_by_candidates(rows[at], top, peak, a, p[at]))
    return p.view(x.shape), live.view(*x.shape[:-1], 1), *places


def _by_candidates(x: Tensor, top: Tensor, peak: Tensor, a: float, out: Tensor) -> Tensor:
    """Write the probabilities; return where those above 0 stand, ``(rows, 0)`` if that may be anywhere."""
    u, places, P = _candidates(x, top, peak, a)
    eps = torch.finfo(u.dtype).eps
    P = largest(u, a, P, near=eps if a > 1 else eps**0.5 / 8)  # Newton's next step is about that squared
    p = _at_the_ends(shared(u, P, a) if a <= 1 else between(u, P, a), peak).to(x.dtype)
    if places is None:
        out.copy_(p)
        return x.new_empty(len(x), 0, dtype=torch.int32)
    out.zero_().scatter_(-1, places, p)
    return places.int()


def _candidates(x: Tensor, top: Tensor, peak: Tensor, a: float) -> tuple[Tensor, Tensor | None, Tensor]:
    """Scores below the peak, all of the support among them; their places (None: all), and P or more."""
    n, apart = x.shape[-1], top.shape[-1]
    if apart == n:
        return _below(x, peak), None, torch.ones_like(peak, dtype=compute_dtype(x))
    u, places, P = _candidates(top, _tops(top)[0], peak, a)
    P = largest(u, a, P, near=0.1) * (1 + 16 * torch.finfo(u.dtype).eps)  # rounding puts nobody out
    P = torch.fmin(P, torch.ones_like(P))  # the peak need not be a maximum of groups; NaN: all are far below
    groups = _narrowed(u, places, P, a)[1]
    places = _members(groups, n, apart)
    u = _below(x if places is None else x.gather(-1, places), peak)
    return *_narrowed(u, places, P, a), P


def _narrowed(u: Tensor, places: Tensor | None, P: Tensor, a: float) -> tuple[Tensor, Tensor | None]:
    """The scores above the threshold of P, some below it, and their places; or all, if those are many."""
    most = max(1, int((u >= -P.pow(a) / a).sum(-1, dtype=torch.int32).max()))  # of rows of -inf, none
    if HALF * most > u.shape[-1]:
        return u, places
    u, at = u.topk(most, -1, sorted=False)
    return u, at if places is None else places.gather(-1, at)


def _members(groups: Tensor | None, n: int, apart: int) -> Tensor | None:
    """Where the entries of the groups are, and those of no group; None where that is much of the row."""
    size = n // apart
    if groups is None or HALF * groups.shape[-1] * size > n:
        return None
    every = torch.arange(n, device=groups.device)
    entries = groups.unsqueeze(-1) + every[: size * apart : apart]
    return torch.cat([entries.flatten(1), every[size * apart :].expand(len(groups), -1)], -1)


def _tops(x: Tensor) -> tuple[Tensor, Tensor]:
    """The maxima of groups of entries that lie ``apart``, and what is left at the end of each row."""
    n = x.shape[-1]
    size = 1 if n < FEW else 4 if n < MANY else 16
    apart = n // size
    body = x[:, : size * apart].unflatten(-1, (size, apart))
    return body.amax(-2), x[:, size * apart :]


def _below(x: Tensor, peak: Tensor) -> Tensor:
    dtype = compute_dtype(x)
    return x.to(dtype) - peak.to(dtype).clamp(min=torch.finfo(dtype).min)


def _slope_by_candidates(
    p: Tensor, live: Tensor, g: Tensor, a: float, places: Tensor | None, out: Tensor
) -> None:
    if places is None or places.shape[-1] == 0:
        out.copy_(_slope_of_finite(p, live, g, a))
    else:
        at = places.long()
        dx = _slope_of_finite(p.gather(-1, at), live, g.gather(-1, at), a)
        out.zero_().scatter_(-1, at, dx)


def _slope_of_finite(p: Tensor, live: Tensor, g: Tensor, a: float) -> Tensor:
    """_slope in fewer passes, where all is finite."""
    dtype = compute_dtype(p)
    wide, g = p.to(dtype), g.to(dtype)
    s = wide.pow(1 - a) if a < 1 else (wide > 0).to(dtype)
    mean = torch.linalg.vecdot(s, g).unsqueeze(-1) / s.sum(-1, keepdim=True)
    if a > 1 or not (mean.isfinite() & live).all():
        return _slope(p, live, g, a)
    return (g - mean).mul_(s).to(p.dtype)


def _as_rows(x: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[-1])


def _blocks(rows: Tensor) -> list[slice]:
    step = max(1, BLOCK // rows.shape[-1])
    return [slice(i, i + step) for i in range(0, len(rows), step)]
