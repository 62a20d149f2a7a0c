"""The entropy of each row of attention."""

import math

import torch
from torch import Tensor

from lemmata.numerics.precision import compute_dtype, no_autocast
from lemmata.simplex._attention.visible import check_keys, count, row_scale, seen

__all__ = ["attention_entropy"]

FAR = -1e4  # e to this is 0 in every dtype, and 0 times this is 0


def attention_entropy(
    query: Tensor,
    key: Tensor,
    *,
    scale: str | float | Tensor | None = "sqrt",
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
    n0: float = 512,
    clip: bool = True,
) -> Tensor:
    r"""The entropy of what each query pays attention to, in nats: 0 for one key, log n for n alike.

    .. math:: H_i = \log\sum_je^{\lambda_is_{ij}} - \lambda_i\sum_ja_{ij}s_{ij},\qquad
              s_{ij} = \langle q_i, k_j\rangle

    ``exp`` of it is the number of keys that a query reads in effect. Both terms are taken from the largest
    score, so that neither is negative, and a small entropy keeps its digits. Time and memory grow as L times
    S: watch some of the queries of a long sequence, say ``query[..., ::64, :]`` with the rows of their mask.

    Implements :prf:ref:`attention-entropy`.

    Args:
        query: ``(..., L, E)``.
        key: ``(..., S, E)``, S at least 1.
        scale: as in :func:`scaled_dot_product_attention`, and so are ``attn_mask``, ``is_causal``, ``n0``
            and ``clip``: pass what you pass there. Keys that heads share come as ``key.repeat_interleave``.

    Returns:
        ``(..., L)``, in the dtype of ``query``; half types are computed in float32. A row that sees no key
        has entropy 0 and gradient 0, even if its query holds NaN.

    Raises:
        TypeError: types that are not as above.
        ValueError: shapes that do not fit, no key, an unknown scale.

    Example:
        >>> query, key = torch.ones(1, 1), torch.tensor([[1.0], [0.0], [0.0], [0.0]])
        >>> attention_entropy(query, key).exp()
        tensor([3.5548])
        >>> attention_entropy(query, key, scale=9.0).exp()
        tensor([1.0037])
    """
    L, S, _ = check_keys(query, key)
    try:
        rows = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    except RuntimeError:
        raise ValueError(f"key must broadcast to {tuple(query.shape)}, got {tuple(key.shape)}") from None
    mask = seen(attn_mask, is_causal, (*rows, L, S), query)
    n = S if mask is None else count(mask)
    number, factor = row_scale(scale, n, query, n0, clip)
    q = query.to(dtype := compute_dtype(query))
    if isinstance(n, Tensor):
        q = torch.where((n == 0).unsqueeze(-1), 0.0, q)  # else a NaN there would come back by the gradients
    if factor is not None:
        q = q * factor.to(dtype).unsqueeze(-1)
    with no_autocast(query):
        scores = (number * q) @ key.to(dtype).mT
    return _entropy(_masked(scores, mask)).to(query.dtype)


def _masked(scores: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return scores
    if mask.dtype == torch.bool:
        return scores.masked_fill(~mask, -math.inf)
    hidden = mask <= torch.finfo(mask.dtype).min
    return (scores + torch.where(hidden, 0.0, mask).to(scores.dtype)).masked_fill(hidden, -math.inf)


def _entropy(x: Tensor) -> Tensor:
    """log sum e^u + sum a |u|, u = x - max x; what exceeds the largest term, which is 1, goes to log1p."""
    peak, top = x.max(-1, keepdim=True)
    u = (x - torch.where(peak == -math.inf, 0.0, peak)).clamp(min=FAR)
    weight = u.exp().scatter(-1, top, 0.0)
    rest = weight.sum(-1)
    return rest.log1p() - (weight * u).sum(-1) / (1 + rest)
