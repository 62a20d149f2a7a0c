"""PyTorch's attention, with a scale for each query and zeros for a query that sees nothing."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.precision import compute_dtype
from lemmata.simplex._attention.visible import check_keys, count, row_scale, seen

__all__ = ["scaled_dot_product_attention"]

FEW = 64  # keys, more than a vector register holds


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: str | float | Tensor | None = "sqrt",
    enable_gqa: bool = False,
    n0: float = 512,
    clip: bool = True,
) -> Tensor:
    r"""``F.scaled_dot_product_attention`` with a scale that may depend on how many keys a query sees.

    .. math:: o_i = \sum_ja_{ij}v_j,\qquad
              a_{ij} \propto \exp\Bigl(\frac{\max(1, \log n_i/\log n_0)}{\sqrt E}\langle q_i, k_j\rangle\Bigr)

    What depends on the row goes into its query, so that torch's own backends compute it, and a row with the
    factor 1 stays bit for bit what it was. The count :math:`n_i` is that of the keys in sight: of a causal
    row the keys up to it, without padding, in a cache the keys that are there.

    Implements :prf:ref:`attention-fold`, :prf:ref:`attention-logn`.

    Args:
        query: ``(..., L, E)``.
        key: ``(..., S, E)``, S at least 1.
        value: ``(..., S, Ev)``.
        attn_mask: broadcasts to ``(..., L, S)``. Bool: True where a key takes part; or floating, added to
            the scores, where ``-inf`` and the smallest number of its dtype are masked and nothing else is;
            then it is rounded to the dtype of ``query``. Masked keys and values must be finite, as in torch.
        dropout_p: the probability that a weight is dropped, always: 0 outside of training.
        is_causal: the last query is level with the last key, as of a cache; torch lets the first query be
            level with the first key, which is the same for L = S. May come with a mask. Without one, and for
            L = S or L = 1, no mask is made; else one of L times S is, and torch has fewer backends for it.
        scale: ``"sqrt"`` (or None) for :math:`1/\sqrt E`; ``"logn"`` for that times :func:`logn_scale` of
            the row's count; a number; or a tensor that broadcasts to ``(..., L)``, one for each query, with
            its gradient: ``(H, 1)`` for one a head. A number or a tensor is the whole scale, in place of
            :math:`1/\sqrt E`.
        enable_gqa: groups of heads of the query share one of key and value, as in torch.
        n0: as in :func:`logn_scale`, as is ``clip``.

    Returns:
        ``(..., L, Ev)``. A query that sees no key gets 0, with gradient 0, even if it holds NaN; to see keys
        whose scores all overflow to ``-inf`` is not that. A query that holds NaN or inf and sees a key gives
        NaN on a CPU; products of finite numbers that overflow to inf are the backend's affair, and so are
        half types. Where torch chooses a fused backend (on a CPU: four axes) there is no second derivative
        and no forward mode; under ``SDPBackend.MATH`` of ``torch.nn.attention`` there are.

    Raises:
        TypeError: types that are not as above, or differ.
        ValueError: shapes that do not fit, no key, an unknown scale, a number out of range.

    Source: Su, kexue.fm 8823 (2021).

    Example:
        >>> query, key = torch.ones(1, 1), torch.tensor([[8.0], [0.0], [0.0], [0.0]])
        >>> scaled_dot_product_attention(query, key, torch.eye(4))
        tensor([[9.9899e-01, 3.3513e-04, 3.3513e-04, 3.3513e-04]])
        >>> scaled_dot_product_attention(query, key, torch.eye(4), torch.zeros(1, 4, dtype=torch.bool))
        tensor([[0., 0., 0., 0.]])
    """
    L, S, _ = check_keys(query, key)
    _check_value(value, key)
    if not 0 <= (dropout := check.number("dropout_p", dropout_p)) <= 1:
        raise ValueError(f"dropout_p must be in [0, 1], got {dropout_p}")
    lone = is_causal and attn_mask is None
    square = True if lone and L == S else False  # noqa: SIM210 - torch wants a bool; L == S may be symbolic
    rows = (_groups if enable_gqa else _batch)(query, key, value)
    mask = None if square else seen(attn_mask, is_causal, (*rows, L, S), query)
    n = torch.arange(1, S + 1, device=query.device) if square else S if mask is None else count(mask)
    number, factor = row_scale(scale, n, query, n0, clip)
    q = query
    if mask is not None:
        blank = (count(mask) == 0).unsqueeze(-1)
        q = torch.where(blank, 0.0, q)  # else a NaN there would come back by the gradients
        mask = _open(mask, blank).to(torch.bool if mask.dtype == torch.bool else query.dtype)
    if factor is not None:
        q = _times(q, factor)
    out = F.scaled_dot_product_attention(
        q, key, value, mask, dropout, square, scale=number, enable_gqa=enable_gqa
    )
    if query.device.type == "cpu" and (S < FEW or query.itemsize == 2):  # there the fused backend loses NaN
        out = torch.where(q.isfinite().all(-1, keepdim=True), out, torch.nan)
    return out if mask is None else torch.where(blank, 0.0, out)


def _times(query: Tensor, factor: Tensor) -> Tensor:
    """Each query times its factor, rounded once."""
    dtype = compute_dtype(query)
    return (query.to(dtype) * factor.to(dtype).unsqueeze(-1)).to(query.dtype)


def _open(mask: Tensor, blank: Tensor) -> Tensor:
    """A row that sees nothing sees all, so that no backend has to know what to do."""
    if mask.dtype == torch.bool:
        return mask | blank
    hidden = mask <= torch.finfo(mask.dtype).min  # a finite number, that a large score would outweigh
    return torch.where(blank, 0.0, torch.where(hidden, -math.inf, mask))


def _batch(query: Tensor, key: Tensor, value: Tensor) -> tuple[int, ...]:
    """The leading axes of all, broadcast."""
    rows = tuple(query.shape[:-2])
    for name, other in (("key", key), ("value", value)):
        try:
            rows = tuple(torch.broadcast_shapes(rows, other.shape[:-2]))
        except RuntimeError:
            raise ValueError(
                f"{name} must have leading axes beside those of query, {rows}, got shape {tuple(other.shape)}"
            ) from None
    return rows


def _groups(query: Tensor, key: Tensor, value: Tensor) -> tuple[int, ...]:
    """The leading axes of query, whose heads share those of key and value."""
    if query.dim() < 3:
        raise ValueError(f"query must have an axis of heads with enable_gqa, got shape {tuple(query.shape)}")
    for name, other in (("key", key), ("value", value)):
        if other.dim() != query.dim() or not other.shape[-3] or query.shape[-3] % other.shape[-3]:
            raise ValueError(
                f"{name} must have a number of heads that divides the {query.shape[-3]} of query, "
                f"got shape {tuple(other.shape)}"
            )
    return tuple(query.shape[:-2])


def _check_value(value: Tensor, key: Tensor) -> None:
    check.floating("value", value)
    if value.dim() < 2 or value.shape[-2] != key.shape[-2]:
        raise ValueError(
            f"value must be (..., {key.shape[-2]}, Ev) beside key, got shape {tuple(value.shape)}"
        )
    if value.dtype != key.dtype:
        raise TypeError(f"value must be {key.dtype} as key is, got {value.dtype}")
