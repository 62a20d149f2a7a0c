"""The losses as modules."""

from torch import Tensor, nn

from lemmata import _arguments as check
from lemmata.classification._multilabel.loss import multilabel_cross_entropy, sparse_multilabel_cross_entropy
from lemmata.numerics.reduction import REDUCTIONS

__all__ = ["MultilabelCrossEntropy", "SparseMultilabelCrossEntropy"]


class _Loss(nn.Module):
    """Threshold and reduction; a threshold that is a tensor moves with the module."""

    threshold: float | Tensor

    def __init__(self, threshold: float | Tensor, reduction: str) -> None:
        super().__init__()
        check.choice("reduction", reduction, REDUCTIONS)
        self.reduction = reduction
        if isinstance(threshold, Tensor) and not isinstance(threshold, nn.Parameter):
            self.register_buffer("threshold", threshold)
        else:
            self.threshold = threshold

    def extra_repr(self) -> str:
        value = self.threshold
        shown = f"tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"{value}"
        return f"threshold={shown}, reduction={self.reduction!r}"


class MultilabelCrossEntropy(_Loss):
    """:func:`multilabel_cross_entropy` as a module; a threshold that is a parameter is learned.

    Example:
        >>> MultilabelCrossEntropy(threshold=0.5)
        MultilabelCrossEntropy(threshold=0.5, reduction='mean')
    """

    def __init__(self, *, threshold: float | Tensor = 0.0, reduction: str = "mean") -> None:
        super().__init__(threshold, reduction)

    def forward(self, input: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
        return multilabel_cross_entropy(
            input, target, threshold=self.threshold, mask=mask, reduction=self.reduction
        )


class SparseMultilabelCrossEntropy(_Loss):
    """:func:`sparse_multilabel_cross_entropy` as a module.

    Example:
        >>> SparseMultilabelCrossEntropy(padding_index=-100)
        SparseMultilabelCrossEntropy(padding_index=-100, threshold=0.0, reduction='mean')
    """

    def __init__(
        self, *, padding_index: int = -1, threshold: float | Tensor = 0.0, reduction: str = "mean"
    ) -> None:
        super().__init__(threshold, reduction)
        self.padding_index = padding_index

    def forward(self, input: Tensor, index: Tensor) -> Tensor:
        return sparse_multilabel_cross_entropy(
            input,
            index,
            padding_index=self.padding_index,
            threshold=self.threshold,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        return f"padding_index={self.padding_index}, {super().extra_repr()}"
