"""Which keys a query sees: masks, how many keys they leave, and the scale that depends on it."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.precision import compute_dtype
from lemmata.simplex._attention.scale import log_base, logn_scale

__all__ = ["check_keys", "count", "row_scale", "seen"]


def check_keys(query: Tensor, key: Tensor) -> tuple[int, int, int]:
    """L, S and E of a query ``(..., L, E)`` and a key ``(..., S, E)``; raise unless they fit."""
    for name, value in (("query", query), ("key", key)):
        check.floating(name, value)
        if value.dim() < 2 or value.shape[-1] == 0:
            raise ValueError(
                f"{name} must be (..., length, E) with E above 0, got shape {tuple(value.shape)}"
            )
    if key.shape[-1] != query.shape[-1] or key.shape[-2] == 0:
        raise ValueError(
            f"key must be (..., S, {query.shape[-1]}) beside query, S above 0, got shape {tuple(key.shape)}"
        )
    if key.dtype != query.dtype:
        raise TypeError(f"key must be {query.dtype} as query is, got {key.dtype}")
    return query.shape[-2], key.shape[-2], query.shape[-1]


def seen(attn_mask: Tensor | None, is_causal: bool, sizes: tuple[int, ...], like: Tensor) -> Tensor | None:
    """One mask for both, bool or floating; None where every query sees every key.

    Args:
        sizes: (..., L, S), which the mask must broadcast to. The last query is level with the last key.
        like: has the device of the causal mask.
    """
    L, S = sizes[-2:]
    if attn_mask is not None:
        _check_mask(attn_mask, sizes)
        attn_mask = torch.atleast_2d(attn_mask)  # torch's fused backend asks for an axis of queries
        attn_mask = attn_mask.expand(*attn_mask.shape[:-1], S)  # lengths are counted along it
    if not is_causal or L == 1:
        return attn_mask
    causal = torch.ones(L, S, dtype=torch.bool, device=like.device).tril(S - L)
    if attn_mask is None:
        return causal
    if attn_mask.dtype == torch.bool:
        return attn_mask & causal
    return torch.where(causal, attn_mask, -math.inf)


def _check_mask(attn_mask: Tensor, sizes: tuple[int, ...]) -> None:
    check.tensor("attn_mask", attn_mask)
    if attn_mask.dtype != torch.bool:
        try:
            check.floating("attn_mask", attn_mask)
        except TypeError:
            raise TypeError(f"attn_mask must be bool or floating point, got {attn_mask.dtype}") from None
    if attn_mask.dim() == 0:
        raise ValueError("attn_mask must have an axis of keys, got a scalar")
    check.broadcast("attn_mask", attn_mask, sizes)


def count(mask: Tensor) -> Tensor:
    """How many keys each row of a mask leaves."""
    if mask.dtype != torch.bool:
        mask = ~(mask.detach() <= torch.finfo(mask.dtype).min)
    return mask.sum(-1)


def row_scale(
    scale: str | float | Tensor | None, lengths: int | Tensor, query: Tensor, n0: float, clip: bool
) -> tuple[float, Tensor | None]:
    """The scale as a number for all rows, times a factor for each ``(..., L)``, if there is one."""
    log_base(n0)  # checked whether it is used or not
    usual = query.shape[-1] ** -0.5
    if isinstance(scale, Tensor):
        check.floating("scale", scale)
        check.broadcast("scale", scale, query.shape[:-1])
        return 1.0, scale
    if isinstance(scale, str | None):
        check.choice("scale", scale, ("sqrt", "logn", None))
        if scale != "logn":
            return usual, None
        if isinstance(lengths, Tensor):  # not times 1/sqrt(E), which would round rows with the factor 1
            return usual, logn_scale(lengths.to(compute_dtype(query)), n0=n0, clip=clip)
        growth = math.log(lengths) / log_base(n0)
        return usual * (max(1.0, growth) if clip else growth), None
    if not math.isfinite(number := check.number("scale", scale)):
        raise ValueError(f"scale must be finite, got {scale}")
    return number, None
