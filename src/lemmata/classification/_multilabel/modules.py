"""The losses as modules."""

from torch import Tensor, nn

from lemmata import _arguments as check
from lemmata.classification._multilabel.loss import multilabel_cross_entropy, sparse_multilabel_cross_entropy
from lemmata.numerics.reduction import REDUCTIONS

__all__ = ["MultilabelCrossEntropy", "SparseMultilabelCrossEntropy"]


class _Loss(nn.Module):
    """Threshold and reduction; settings that are tensors move with the module."""

    threshold: float | Tensor

    def __init__(self, threshold: float | Tensor, reduction: str) -> None:
        super().__init__()
        check.choice("reduction", reduction, REDUCTIONS)
        self.reduction = reduction
        if isinstance(threshold, Tensor):
            self._hold("threshold", threshold)
        else:
            self.threshold = check.number("threshold", threshold)

    def _hold(self, name: str, value: Tensor | None) -> None:
        """A parameter as a parameter, another tensor or None as a buffer."""
        if value is not None:
            check.floating(name, value)
        if isinstance(value, nn.Parameter):
            self.register_parameter(name, value)
        else:
            self.register_buffer(name, value)

    def extra_repr(self) -> str:
        return f"threshold={_shown(self.threshold)}, reduction={self.reduction!r}"


def _shown(value: float | Tensor) -> str:
    return f"tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"{value}"


class MultilabelCrossEntropy(_Loss):
    """:func:`multilabel_cross_entropy` as a module; a threshold that is a parameter is learned.

    Example:
        >>> MultilabelCrossEntropy(threshold=0.5)
        MultilabelCrossEntropy(threshold=0.5, reduction='mean')
        >>> MultilabelCrossEntropy(class_weight=torch.ones(5))
        MultilabelCrossEntropy(threshold=0.0, reduction='mean', class_weight=tensor of shape (5,))
    """

    class_threshold: Tensor | None
    class_weight: Tensor | None

    def __init__(
        self,
        *,
        threshold: float | Tensor = 0.0,
        class_threshold: Tensor | None = None,
        class_weight: Tensor | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(threshold, reduction)
        self._hold("class_threshold", class_threshold)
        self._hold("class_weight", class_weight)

    def forward(self, input: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
        return multilabel_cross_entropy(
            input,
            target,
            threshold=self.threshold,
            mask=mask,
            class_threshold=self.class_threshold,
            class_weight=self.class_weight,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        given = (("class_threshold", self.class_threshold), ("class_weight", self.class_weight))
        more = "".join(f", {name}={_shown(value)}" for name, value in given if value is not None)
        return super().extra_repr() + more


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
        self.padding_index = check.integer("padding_index", padding_index)

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
