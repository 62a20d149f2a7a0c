"""The two sums of the multi-label loss, by the kernel where one takes the tensors, else in plain PyTorch."""

from torch import Tensor

from lemmata.classification._multilabel.direct import losses as plain_losses
from lemmata.classification._multilabel.sums import log_sums as plain_log_sums
from lemmata.numerics.reduction import reduce_rows
from lemmata.numerics.triton import fused

__all__ = ["log_sums", "losses"]


def losses(
    input: Tensor,
    threshold: float | Tensor,
    target: Tensor,
    mask: Tensor | None,
    padding: int | None,
    reduction: str,
) -> Tensor:
    """log(1 + A) + log(1 + B) of each row, reduced; arguments and dtype as in :func:`log_sums`."""
    if not fused(input, threshold, target, mask):
        return plain_losses(input, threshold, target, mask, padding, reduction)
    log_a, log_b = log_sums(input, threshold, target, mask, padding)
    return reduce_rows(log_a + log_b, reduction)


def log_sums(
    input: Tensor, threshold: float | Tensor, target: Tensor, mask: Tensor | None, padding: int | None
) -> tuple[Tensor, Tensor]:
    """log(1 + A) and log(1 + B) of each row; see :func:`lemmata.classification._multilabel.sums.log_sums`."""
    if not fused(input, threshold, target, mask):
        return plain_log_sums(input, threshold, target, mask, padding)
    from lemmata.classification._multilabel.triton import fused_log_sums

    return fused_log_sums(input, threshold, target, mask, padding)
