"""Classification: losses that mean something."""

from lemmata.classification import multilabel
from lemmata.classification.multilabel import (
    MultilabelCrossEntropy,
    SparseMultilabelCrossEntropy,
    log_elementary_symmetric,
    minimum_multilabel_cross_entropy,
    multilabel_cross_entropy,
    multilabel_divergence,
    optimal_scores,
    predict_labels,
    sparse_multilabel_cross_entropy,
    subset_cross_entropy,
    subset_log_prob,
    subset_marginals,
)

__all__ = [
    "MultilabelCrossEntropy",
    "SparseMultilabelCrossEntropy",
    "log_elementary_symmetric",
    "minimum_multilabel_cross_entropy",
    "multilabel",
    "multilabel_cross_entropy",
    "multilabel_divergence",
    "optimal_scores",
    "predict_labels",
    "sparse_multilabel_cross_entropy",
    "subset_cross_entropy",
    "subset_log_prob",
    "subset_marginals",
]
