"""How a loss over rows becomes a number: the reductions of torch's losses."""

from torch import Tensor

__all__ = ["REDUCTIONS", "reduce_rows"]

REDUCTIONS = ("none", "mean", "sum")


def reduce_rows(rows: Tensor, reduction: str, count: Tensor | None = None) -> Tensor:
    """``rows`` as they are, their sum, or their mean; of ``count`` rows where only some of them count."""
    if reduction == "none":
        return rows
    if reduction == "sum":
        return rows.sum()
    return rows.mean() if count is None or rows.numel() == 0 else rows.sum() / count
