"""Tokens that training hides or leaves out: a corrected embedding table, and fewer tokens."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.precision import compute_dtype
from lemmata.training._dropout.gap import rate

__all__ = ["corrected_embedding", "drop_token"]


def corrected_embedding(
    weight: Tensor,
    mask_id: int,
    *,
    select: float = 0.15,
    mask: float = 0.8,
    keep: float = 0.1,
    random: float = 0.1,
    exclude_special: Sequence[int] = (),
) -> Tensor:
    r"""An embedding table for a masked language model after pre-training: the mean look of each token.

    .. math:: e \mapsto (1-s+s\,k)\,e + s\,m\,e_{[M]} + s\,r\,\bar e

    with the shares s of positions that are selected, and m, k, r of these that get the mask token, stay, or
    get a random one. With the defaults, those of BERT, it is
    :math:`0.865\,e + 0.12\,e_{[M]} + 0.015\,\bar e`. The article reports no gain from it.

    If the output layer shares the table (*tied* embeddings), give the result to the input alone, as a new
    parameter: the output layer was trained with the old one.

    Implements :prf:ref:`dropout-embedding`.

    Args:
        weight: the table ``(tokens, d)``, float64, float32, bfloat16 or float16; it is not changed.
        mask_id: the row of the mask token, which stays as it is.
        select: the probability that a position is selected.
        mask, keep, random: what becomes of it; they sum to 1.
        exclude_special: rows that are never selected, such as [CLS], [SEP] and [PAD]. They stay as they are,
            and are left out of the mean :math:`\bar e`, which is otherwise over all rows, the mask token's
            among them, as collators draw random tokens.

    Returns:
        A new table in the shape and dtype of ``weight``.

    Raises:
        TypeError: an argument is of none of these types.
        ValueError: ``weight`` is no matrix, an id is no row, a probability is not in [0, 1], the three do not
            sum to 1, or all rows are excluded.

    Example:
        >>> table = torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
        >>> corrected_embedding(table, mask_id=2)
        tensor([[0.2550, 1.1200],
                [1.1200, 0.2550],
                [2.0000, 2.0000]])
    """
    check.floating("weight", weight)
    if weight.dim() != 2:
        raise ValueError(f"weight must be a table (tokens, d), got shape {tuple(weight.shape)}")
    s, (m, k, r) = _share("select", select), _parts(mask, keep, random)
    tokens = weight.shape[0]
    hidden, special = _row("mask_id", mask_id, tokens), _rows(exclude_special, tokens)
    e = weight.to(compute_dtype(weight))
    common = torch.ones(tokens, dtype=torch.bool, device=weight.device)
    if special:
        common[special] = False
    stays = ~common
    stays[hidden] = True
    mean = torch.where(common[:, None], e, 0.0).sum(0) / (tokens - len(special))
    moved = (1 - s * (1 - k)) * e + s * m * e[hidden] + s * r * mean
    return torch.where(stays[:, None], e, moved).to(weight.dtype)


def _share(name: str, value: float) -> float:
    share = check.number(name, value)
    if not 0 <= share <= 1:
        raise ValueError(f"{name} must be in [0, 1], got {value}")
    return share


def _parts(mask: float, keep: float, random: float) -> tuple[float, float, float]:
    parts = _share("mask", mask), _share("keep", keep), _share("random", random)
    if abs(sum(parts) - 1) > 1e-6:  # NumPy's float32 is off by 1e-8
        raise ValueError(f"mask, keep and random must sum to 1, got {parts}")
    return parts


def _row(name: str, value: int, tokens: int) -> int:
    at = check.integer(name, value)
    if not 0 <= at < tokens:
        raise ValueError(f"{name} must be a row in [0, {tokens}), got {at}")
    return at


def _rows(exclude_special: Sequence[int], tokens: int) -> list[int]:
    if isinstance(exclude_special, str) or not isinstance(exclude_special, Sequence):
        kind = type(exclude_special).__name__
        raise TypeError(f"exclude_special must be a sequence of ints, got {kind}")
    rows = sorted({_row("exclude_special", value, tokens) for value in exclude_special})
    if len(rows) == tokens:
        raise ValueError("exclude_special must leave a row, got all of them")
    return rows


def drop_token(
    x: Tensor,
    p: float,
    *,
    keep_positions: bool = True,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Leave out a random share p of the tokens, for each row of a batch apart, in their order.

    The same number of tokens stays in each row, (1 - p) n rounded to the nearest integer, at least 1. With
    the positions of those that stay, attention without positional bias computes what it does with the other
    columns masked (:func:`mask_columns`). Layers on tokens then cost the share 1 - p, attention
    :math:`(1-p)^2`.

    Implements :prf:ref:`dropout-token`.

    Args:
        x: tokens ``(..., n, d)``, float64, float32, bfloat16 or float16.
        p: the share to DROP, in [0, 1).
        keep_positions: True for the places that the tokens had, False for 0, 1, 2, ...
        generator: of the choice, on the device of ``x``.

    Returns:
        The tokens that stay ``(..., k, d)``, and their positions, int64 ``(..., k)``, which increase.

    Raises:
        TypeError: an argument is of none of these types.
        ValueError: p is not in [0, 1), or ``x`` has no tokens.

    Example:
        >>> x = torch.arange(8.0).view(4, 2)
        >>> drop_token(x, 0.5, generator=torch.Generator().manual_seed(0))
        (tensor([[4., 5.],
                [6., 7.]]), tensor([2, 3]))
    """
    check.floating("x", x)
    if x.dim() < 2 or x.shape[-2] == 0:
        raise ValueError(f"x must have tokens (..., n, d), got shape {tuple(x.shape)}")
    n, share = x.shape[-2], 1 - rate(p)
    check.generator("generator", generator)
    left = max(1, round(n * share))
    noise = torch.rand(x.shape[:-1], generator=generator, device=x.device)
    places = noise.argsort(-1)[..., :left].sort(-1).values
    chosen = x.gather(-2, places.unsqueeze(-1).expand(*places.shape, x.shape[-1]))
    if not keep_positions:
        places = torch.arange(left, device=x.device).expand(places.shape).clone()
    return chosen, places
