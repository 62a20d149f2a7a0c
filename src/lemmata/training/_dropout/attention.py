"""Attention with dropped columns: one mask, and the mean over all of them."""

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.precision import compute_dtype
from lemmata.training._dropout.gap import keeps, rate
from lemmata.training._dropout.integral import integral

__all__ = ["expected_masked_attention", "mask_columns"]

METHODS = ("exact", "second_order", "mc")


def mask_columns(attn: Tensor, keep: Tensor, dim: int = -1) -> Tensor:
    r"""Attention over the kept columns alone: the others are 0, and each row sums to 1 again.

    .. math:: \frac{a_i\varepsilon_i}{\sum_j a_j\varepsilon_j}

    That is the softmax with :math:`-\infty` in the dropped columns. Dropout of attention weights, as in
    ``scaled_dot_product_attention(dropout_p=...)``, is another thing: it divides by 1 - p and not by the sum.

    Implements :prf:ref:`dropout-weights`.

    Args:
        attn: weights that are not negative; float64, float32, bfloat16 or float16. Rows need not sum to 1.
            What stands in dropped columns is never read, NaN and negative numbers among it.
        keep: bool, broadcast to ``attn``; False drops.
        dim: the axis of the columns.

    Returns:
        The shape and dtype of ``attn``. A row of which nothing is kept, or only zeros, is 0, with gradient 0.

    Raises:
        TypeError: an argument is of none of these types.
        ValueError: the axis is empty or does not exist, ``keep`` does not fit, or (on the CPU) a kept weight
            is negative: scores take a softmax first.

    Example:
        >>> a = torch.tensor([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]])
        >>> mask_columns(a, torch.tensor([[True, True, False], [False, False, False]]))
        tensor([[0.6667, 0.3333, 0.0000],
                [0.0000, 0.0000, 0.0000]])
    """
    dim = check.axis("attn", attn, dim)
    check.mask("keep", keep)
    keep = check.broadcast("keep", keep, tuple(attn.shape))
    kept = torch.where(keep, attn, 0.0).to(compute_dtype(attn))
    _not_negative("attn", kept)
    return shares(kept, dim).to(attn.dtype)


def shares(weights: Tensor, dim: int) -> Tensor:
    """The weights over their sum; 0 where that is 0. First over the largest, so that no sum overflows."""
    top = weights.detach().abs().amax(dim, keepdim=True)
    weights = weights / torch.where(top == 0, 1.0, top)
    total = weights.sum(dim, keepdim=True)
    nothing = total == 0
    return torch.where(nothing, 0.0, weights / torch.where(nothing, 1.0, total))


def expected_masked_attention(
    A: Tensor,
    p: float,
    method: str = "exact",
    *,
    own: Tensor | None = None,
    num_samples: int = 1000,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""The mean of attention over random masks of its columns, each dropped with probability p.

    .. math:: \mathbb E\Bigl[\frac{a_i\varepsilon_i}{\sum_ja_j\varepsilon_j}\Bigm|\text{not all dropped}\Bigr]
        = \frac{\int_0^\infty q\,a_i e^{-ta_i}\prod_{j\ne i}(p+q\,e^{-ta_j})\,dt}{1-p^m}

    where the m positive weights are not all dropped. It is flatter than A, and near 1/m on them for p near 1.
    ``"exact"`` is the trapezoidal rule in :math:`\log t`, whose 514 nodes miss less than 2e-15, for every n,
    p and row, and roundings. An entry below 2^-126 (1.2e-38) of the sum of its row counts as 0, though
    without the cut its mean may be large: above p/(1 + p) for two columns. The gradient in an entry has an
    error of some 1e-15 *over that entry's share*: right in scores, through a softmax, and without a digit in
    the entry itself below 1e-15. ``"second_order"`` is

    .. math:: a_i\Bigl(1+\frac pq\bigl(\textstyle\sum_j a_j^2-a_i\bigr)\Bigr),

    cheap, good where all weights are small and of one order, and negative for a large weight and large p.
    ``"mc"`` draws masks.

    Implements :prf:ref:`dropout-integral`, :prf:ref:`dropout-trapezoid`, :prf:ref:`dropout-second`,
    :prf:ref:`dropout-pair`, :prf:ref:`dropout-flatter`.

    Args:
        A: rows ``(..., n)`` of weights that are not negative, divided by their sum first; float64, float32,
            bfloat16 or float16, computed in float64. A row of zeros stays.
        p: the probability to DROP, in [0, 1).
        method: ``"exact"``, ``"second_order"`` or ``"mc"``.
        own: int64, broadcast to ``(...)``: in each row a column that is never dropped. For self-attention,
            where a query sees itself, ``torch.arange(n)``.
        num_samples: masks of ``"mc"``, drawn for each row apart; a mask that drops everything does not count.
        generator: of these masks, on the device of ``A``.

    Returns:
        The shape and dtype of ``A``. With ``"mc"`` NaN where no mask left anything.

    Raises:
        TypeError: an argument is of none of these types.
        ValueError: p is not in [0, 1), the method is unknown, A has no entries along its last axis or (on the
            CPU) negative ones, ``own`` is no column, or ``num_samples`` is below 1.

    Example:
        >>> a = torch.tensor([0.9, 0.1], dtype=torch.float64)
        >>> expected_masked_attention(a, 0.75)  # 39/70 and 31/70
        tensor([0.5571, 0.4429], dtype=torch.float64)
        >>> expected_masked_attention(a, 0.75, own=torch.tensor(1))
        tensor([0.2250, 0.7750], dtype=torch.float64)
    """
    check.scores("A", A)
    check.axis("A", A, -1)
    _not_negative("A", A)
    p = rate(p)
    check.choice("method", method, METHODS)
    count = check.at_least("num_samples", num_samples, 1)
    check.generator("generator", generator)
    a = shares(A.double(), -1)
    held = _column(own, a)
    if p == 0:
        result = a
    elif method == "exact":
        result = integral(a, p, held)
    elif method == "second_order":
        result = _second_order(a, p, held)
    else:
        result = _sampled(a, p, held, count, generator)
    return result.to(A.dtype)


def _not_negative(name: str, weights: Tensor) -> None:
    if weights.numel() and readable(weights) and (weights < 0).any():
        raise ValueError(f"{name} must not be negative, got {weights.detach().nan_to_num().min().item()}")


def _column(own: Tensor | None, a: Tensor) -> Tensor:
    """Where a column is never dropped: bool, in the shape of a."""
    if own is None:
        return torch.zeros_like(a, dtype=torch.bool)
    check.index("own", own)
    check.within("own", own, a.shape[-1])
    own = check.broadcast("own", own, tuple(a.shape[:-1]))
    return torch.arange(a.shape[-1], device=a.device) == own.unsqueeze(-1)


def _second_order(a: Tensor, p: float, held: Tensor) -> Tensor:
    """Mean of a ratio, from means, variances and covariances of both; r is the probability to be kept."""
    r = torch.where(held, 1.0, torch.full_like(a, 1 - p))
    mean = (r * a).sum(-1, keepdim=True)
    mean = torch.where(mean == 0, 1.0, mean)
    variance = (r * (1 - r) * a * a).sum(-1, keepdim=True)
    return r * a / mean * (1 + variance / mean / mean - (1 - r) * a / mean)


def _sampled(a: Tensor, p: float, held: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    total = torch.zeros_like(a)
    alive = torch.zeros_like(a[..., :1])
    for _ in range(count):
        kept = torch.where(keeps(a, p, generator) | held, a, 0.0)
        total = total + shares(kept, -1)
        alive = alive + (kept.detach().amax(-1, keepdim=True) > 0)
    nothing = a.detach().amax(-1, keepdim=True) == 0
    return torch.where(nothing, 0.0, total / torch.where(nothing, 1.0, alive))
