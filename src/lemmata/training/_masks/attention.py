"""Attention over a padded batch."""

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.simplex import scaled_dot_product_attention
from lemmata.training._masks.entries import which

__all__ = ["masked_attention"]


def masked_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, *, scale: str | float | Tensor | None = "sqrt"
) -> Tensor:
    r"""Attention where padding may hold anything: a key that no query sees, and a query that sees no key.

    They are replaced by 0 before they are multiplied, so that neither a value nor a gradient meets them. The
    mask of a padded batch is the outer product ``m.unsqueeze(-1) & m.unsqueeze(-2)``: with the keys alone,
    NaN in a padded query comes back by the gradients of the keys. What some query sees is data: a NaN there
    reaches every query of its row, also those for which that key is hidden.

    Implements :prf:ref:`masks-attention`.

    Args:
        query: ``(..., L, E)``.
        key: ``(..., S, E)``, S at least 1.
        value: ``(..., S, Ev)``.
        mask: bool, broadcasts to ``(..., L, S)``; True where the query sees the key. A causal one:
            ``mask & torch.ones(L, S, dtype=torch.bool).tril()``.
        scale: as in :func:`lemmata.simplex.scaled_dot_product_attention`, which computes the rest.

    Returns:
        ``(..., L, Ev)``, 0 with gradient 0 for a query that sees no key. Where torch chooses a fused backend
        (on a CPU: four axes) there is no second derivative and no forward mode.

    Raises:
        TypeError: types that are not as above, or differ.
        ValueError: shapes that do not fit, no key.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [torch.nan, torch.inf]])
        >>> m = torch.tensor([True, True, False])
        >>> masked_attention(x, x, x, m.unsqueeze(-1) & m)
        tensor([[0.6698, 0.3302],
                [0.3302, 0.6698],
                [0.0000, 0.0000]])
    """
    for name, x in (("query", query), ("key", key), ("value", value)):
        check.floating(name, x)
        if x.dim() < 2:
            raise ValueError(f"{name} must have axes of entries and features, got shape {tuple(x.shape)}")
    if isinstance(mask, Tensor) and mask.dim() == 0:
        raise ValueError("mask must have an axis of keys, got a scalar")
    here = which(mask, (*_batch(query, key, value), query.shape[-2], key.shape[-2]))
    sees, seen = here.any(-1).unsqueeze(-1), here.any(-2).unsqueeze(-1)
    query = torch.where(sees, query, 0.0)
    key, value = torch.where(seen, key, 0.0), torch.where(seen, value, 0.0)
    return scaled_dot_product_attention(query, key, value, here, scale=scale)


def _batch(query: Tensor, key: Tensor, value: Tensor) -> tuple[int, ...]:
    """The leading axes of all, broadcast; and key and value are of one length."""
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(f"value must have {key.shape[-2]} entries as key has, got {value.shape[-2]}")
    rows = tuple(query.shape[:-2])
    for name, x in (("key", key), ("value", value)):
        try:
            rows = tuple(torch.broadcast_shapes(rows, x.shape[:-2]))
        except RuntimeError:
            raise ValueError(f"{name} must broadcast to {rows} in front, got {tuple(x.shape)}") from None
    return rows
