"""The margin of the right class over all others, and what the arguments of the losses have in common."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.infinite import above
from lemmata.numerics.log_space import log_sum_exp
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.reduction import reduce_rows

__all__ = ["Rows", "centred", "constant", "margin", "of_classes", "per_class", "reduced"]


class Rows(NamedTuple):
    """Scores of each row, its right class, and whether it counts."""

    x: Tensor  # (..., C), float32 or float64
    place: Tensor  # (..., 1)
    counts: Tensor  # (...)


def of_classes(input: Tensor, target: Tensor, ignore_index: int) -> Rows:
    """The rows of a loss whose target is one class a row; those to be ignored are 0."""
    ignore_index = check.integer("ignore_index", ignore_index)
    check.axis("input", input, -1)
    check.index("target", target)
    check.shape("target", target, input.shape[:-1])
    counts = target != ignore_index
    if readable(target):
        check.within("target", target[counts], input.shape[-1])
    x = input.to(compute_dtype(input)).masked_fill(~counts.unsqueeze(-1), 0.0)
    return Rows(x, torch.where(counts, target, 0).unsqueeze(-1), counts)


def per_class(name: str, value: Tensor, input: Tensor, dtype: torch.dtype) -> Tensor:
    """A positive finite number for each class, a constant of the dtype."""
    check.shape(name, value, input.shape[-1:])
    return constant(name, value, dtype)


def constant(name: str, value: Tensor, dtype: torch.dtype) -> Tensor:
    """Positive finite numbers, without gradient; checked in the dtype, where a float64 may be 0 or inf."""
    check.tensor(name, value)
    if value.is_complex() or value.dtype == torch.bool:
        raise TypeError(f"{name} must be real numbers, got {value.dtype}")
    kept = value.detach().to(dtype)
    if readable(kept) and not ((kept > 0) & (kept < math.inf)).all():
        raise ValueError(f"{name} must be positive and finite in {dtype}, got {value.tolist()}")
    return kept


def centred(x: Tensor) -> Tensor:
    """Less the largest of the row: of infinite ones all are 0, and the rest is masked."""
    return above(x, x.detach().amax(-1, keepdim=True))


def margin(x: Tensor, place: Tensor) -> Tensor:
    """s_t less the log-sum-exp of the others, ``(...)``; -inf where s_t is, inf where only the others are."""
    u = centred(x)
    others = log_sum_exp(u.scatter(-1, place, -math.inf))
    chosen = u.gather(-1, place).squeeze(-1)
    masked = x.detach().gather(-1, place).squeeze(-1) == -math.inf
    nan = x.detach().isnan().any(-1)
    return torch.where(masked & ~nan, -math.inf, chosen - others)


def reduced(values: Tensor, rows: Rows, reduction: str, dtype: torch.dtype) -> Tensor:
    """The losses of the rows that count; their mean is over the number of these."""
    kept = torch.where(rows.counts, values, 0.0)
    return reduce_rows(kept, reduction, rows.counts.sum()).to(dtype)
