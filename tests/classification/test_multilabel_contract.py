"""What softmax and cross-entropy for many labels promise."""

import torch
from contract import Row, check, each

from lemmata.classification import (
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

HARD = torch.tensor([[0.0, 1.0, 0.0, 1.0, 1.0, 0.0]] * 3).double()


def hard(draw):
    return dict(input=draw.normal(3, 6), target=draw.labels(3, 6), threshold=0.5, reduction="none")


def masked(draw):
    return hard(draw) | dict(threshold=draw.normal(3), mask=draw.labels(3, 6, share=0.7))


def soft(draw):
    return hard(draw) | dict(target=draw.uniform(3, 6), threshold=draw.normal(3))


def sparse(draw):
    index = torch.tensor([[0, 2, -1], [5, 5, 1], [3, -1, -1]])
    return dict(input=draw.normal(3, 6), index=index, padding_index=-1, threshold=draw.normal(3), reduction="none")


def scores(draw, **rest):
    return dict(input=draw.normal(3, 6), **rest)


def dense_module(input, target, mask=None):
    return MultilabelCrossEntropy(threshold=0.5, reduction="none")(input, target, mask=mask)


def sparse_module(input, index):
    return SparseMultilabelCrossEntropy(padding_index=-1, reduction="none")(input, index)


ROWS = [
    Row(multilabel_cross_entropy, hard),
    Row(multilabel_cross_entropy, masked, "masked"),
    Row(multilabel_cross_entropy, soft, "soft", points=(dict(target=HARD),)),
    Row(multilabel_cross_entropy, lambda draw: soft(draw) | masked(draw) | dict(target=draw.uniform(3, 6)), "soft masked"),
    Row(sparse_multilabel_cross_entropy, sparse),
    Row(MultilabelCrossEntropy, lambda draw: dict(threshold=0.5, reduction="sum")),
    Row(SparseMultilabelCrossEntropy, lambda draw: dict(padding_index=-7, threshold=0.5, reduction="sum")),
    Row(dense_module, lambda draw: scores(draw, target=draw.labels(3, 6)), name="MultilabelCrossEntropy.forward"),
    Row(sparse_module, lambda draw: scores(draw, index=sparse(draw)["index"]), name="SparseMultilabelCrossEntropy.forward"),
    Row(predict_labels, lambda draw: scores(draw, threshold=draw.normal(3))),
    Row(optimal_scores, lambda draw: dict(target=draw.uniform(3, 6)), scalars={}, points=(dict(target=HARD), dict(target=1e-30 + 0 * HARD))),
    Row(minimum_multilabel_cross_entropy, lambda draw: dict(target=draw.uniform(3, 6)), points=(dict(target=HARD),)),
    Row(multilabel_divergence, lambda draw: scores(draw, target=draw.uniform(3, 6, low=0.1, high=0.9), reduction="none"), points=(dict(target=HARD),)),
    Row(log_elementary_symmetric, lambda draw: scores(draw, k=4), wrong=dict(k=(-1,))),
    Row(subset_marginals, lambda draw: scores(draw, k=3), wrong=dict(k=(-1,))),
    Row(subset_log_prob, lambda draw: scores(draw, subset=draw.labels(3, 6))),
    Row(subset_cross_entropy, lambda draw: scores(draw, target=draw.labels(3, 6), reduction="none")),
    Row(subset_cross_entropy, lambda draw: scores(draw, target=draw.labels(3, 6), max_size=4, reduction="none"), "padded"),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
