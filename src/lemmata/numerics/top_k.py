"""A sum of k shared among the entries of a row, the largest first; the way to share is an argument."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lemmata.numerics.infinite import above, constant, switch

__all__ = ["ROOM", "share_k"]

# Between the sharpness, or 1 / temperature, and the largest number: second derivatives add some of them.
ROOM = 2.0**20
FAR = 1e3  # e to minus this is 0 in every dtype


def share_k(x: Tensor, k: int, temperature: float | Tensor, share: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Of each row k in all, in the order of x; hard at temperature 0, where ties share equally.

    Args:
        x: ``(..., n)``. ``-inf`` is out; rows with fewer than k others are 0. ``inf`` is in.
        k: from 0 to n.
        temperature: a number, or a tensor that broadcasts to ``(..., 1)``.
        share: what is computed of finite scores that are sorted in descending order, 0 < k < n, where the
            k-th and the next are as far above 0 as below it.
    """
    if k == 0:
        return constant(torch.zeros_like(x), x)
    entries, order = x.sort(-1, descending=True)
    last = entries.detach()[..., k - 1 : k]
    gap = above(entries, last)
    p = switch(temperature, 0.0, lambda: _hard(gap, k), lambda t: _soft(_centred(gap, k, t), k, share))
    p = torch.where(last == -math.inf, 0.0, p)
    p = torch.where(entries[..., :1].isnan(), math.nan, p)  # NaN comes first
    return torch.zeros_like(p).scatter(-1, order, p)


def _hard(gap: Tensor, k: int) -> Tensor:
    higher, level = (gap > 0).to(gap.dtype), (gap == 0).to(gap.dtype)
    share = (k - higher.sum(-1, keepdim=True)) / level.sum(-1, keepdim=True)
    return constant(higher + share * level, gap)


def _soft(s: Tensor, k: int, share: Callable[[Tensor, int], Tensor]) -> Tensor:
    return constant(torch.ones_like(s), s) if k == s.shape[-1] else share(s, k)


def _centred(gap: Tensor, k: int, temperature: float | Tensor) -> Tensor:
    """Finite scores: the k-th and the next are as far above 0 as below it."""
    info = torch.finfo(gap.dtype)
    least, top = info.tiny * ROOM, info.max / 4
    if isinstance(temperature, Tensor):
        t = temperature.to(gap.dtype).clamp(least, info.max)
        far = gap.abs() > FAR * t  # by hand, for the slope in t
        s = torch.where(far, gap.sign() * FAR, torch.where(far, 0.0, gap) / t)
    else:
        s = (gap / min(max(temperature, least), info.max)).clamp(-top, top)
    return s - s.detach()[..., k : k + 1].sum(-1, keepdim=True) / 2  # the k-th is 0; no next one counts as 0
