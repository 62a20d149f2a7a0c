"""What softmax and cross-entropy for many labels promise."""

import torch
from contract import Row, check, each
from torch import Tensor

from lemmata.classification import (
    MultilabelCrossEntropy,
    SparseMultilabelCrossEntropy,
    linear_multilabel_cross_entropy,
    log_elementary_symmetric,
    minimum_multilabel_cross_entropy,
    multilabel_cross_entropy,
    multilabel_divergence,
    multilabel_sums,
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
    mask = draw.labels(3, 6, share=0.7)
    mask[:, 0] = True
    return hard(draw) | dict(threshold=draw.normal(3), mask=mask)


def soft(draw):
    return hard(draw) | dict(target=draw.uniform(3, 6), threshold=draw.normal(3))


def by_class(draw):
    return dict(input=draw.normal(3, 6), target=draw.uniform(3, 6), class_threshold=draw.normal(6))


def sparse(draw):
    index = torch.tensor([[0, 2, -1], [5, 5, 1], [3, -1, -1]])
    return dict(
        input=draw.normal(3, 6), index=index, padding_index=-1, threshold=draw.normal(3), reduction="none"
    )


def summed(draw):
    given = soft(draw) | dict(mask=masked(draw)["mask"])
    return {name: value for name, value in given.items() if name != "reduction"}


def scores(draw, **rest):
    return dict(input=draw.normal(3, 6), **rest)


def dense_module(input: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    return MultilabelCrossEntropy(threshold=0.5, reduction="none")(input, target, mask=mask)


def sparse_module(input: Tensor, index: Tensor) -> Tensor:
    return SparseMultilabelCrossEntropy(padding_index=-1, reduction="none")(input, index)


def weighted_loss(input: Tensor, target: Tensor, class_threshold: Tensor | None) -> Tensor:
    weight = torch.tensor([3.0, 1.0, 0.2, 1.0, 9.0, 1.0])
    weight = weight.to(input.device) if isinstance(input, Tensor) else weight
    return multilabel_cross_entropy(
        input, target, class_threshold=class_threshold, class_weight=weight, reduction="none"
    )


def soft_masked(draw):
    return soft(draw) | masked(draw) | dict(target=draw.uniform(3, 6))


def labelled(name, **rest):
    return lambda draw: scores(draw, **{name: draw.labels(3, 6)}, **rest)


def graded(draw):
    return scores(draw, target=draw.uniform(3, 6, low=0.1, high=0.9), reduction="none")


def layer(draw, **rest):
    index = torch.tensor([[0, 2, -1], [5, 5, 1], [3, -1, -1]])
    given = dict(input=draw.normal(3, 4), linear_weight=draw.normal(6, 4), target=index)
    return given | dict(linear_bias=draw.normal(6), padding_index=-1, reduction="none") | rest


def labelled_layer(draw):
    return layer(draw, target=draw.labels(3, 6), threshold=draw.normal(3), reduction="sum")


def soft_layer(draw):
    return layer(draw, target=draw.uniform(3, 6), linear_bias=None, threshold=0.5)


def labels(draw):
    return dict(target=draw.uniform(3, 6))


SIZE = dict(wrong=dict(k=(-1,)))
LAYER = ("input", "linear_weight")  # what is infinite times 0 is no number
NUMBER = dict(takes=dict(threshold="nan"))
ROWS = [
    Row(multilabel_cross_entropy, hard, programs=False, **NUMBER),
    Row(multilabel_cross_entropy, masked, "masked", programs=False, **NUMBER),
    Row(
        multilabel_cross_entropy,
        soft,
        "soft",
        points=(dict(target=HARD),),
        programs=False,
        **NUMBER,
    ),
    Row(multilabel_cross_entropy, soft_masked, "soft masked", machine_code=True, **NUMBER),
    Row(
        multilabel_sums,
        summed,
        results=(None,) * 4,
        programs=False,
        no=dict(dtypes="of half types the sums stay in float32"),
        **NUMBER,
    ),
    Row(weighted_loss, by_class, "by class", shared=("class_threshold",)),
    Row(
        sparse_multilabel_cross_entropy,
        sparse,
        **NUMBER,
    ),
    Row(
        linear_multilabel_cross_entropy,
        layer,
        shared=("linear_weight", "linear_bias"),
        bounded=LAYER,
        multiplies=True,
        wrong=dict(linear_weight=(torch.ones(6, 3), torch.ones(6)), linear_bias=(torch.ones(5),)),
        takes=dict(linear_bias="none", threshold="nan"),
    ),
    Row(
        linear_multilabel_cross_entropy,
        labelled_layer,
        "summed",
        rows=False,
        bounded=LAYER,
        multiplies=True,
        programs=False,
        takes=dict(linear_bias="none", threshold="nan"),
    ),
    Row(
        linear_multilabel_cross_entropy,
        soft_layer,
        "soft",
        shared=("linear_weight",),
        bounded=LAYER,
        multiplies=True,
        programs=False,
        takes=dict(threshold="nan"),
    ),
    Row(
        MultilabelCrossEntropy,
        lambda draw: dict(threshold=0.5, reduction="sum"),
        takes=dict(threshold="nan tensor", class_threshold="tensor", class_weight="tensor"),
    ),
    Row(
        SparseMultilabelCrossEntropy,
        lambda draw: dict(padding_index=-7, threshold=0.5, reduction="sum"),
        takes=dict(threshold="nan tensor"),
    ),
    Row(dense_module, labelled("target"), stands_for="MultilabelCrossEntropy.forward"),
    Row(
        sparse_module,
        lambda draw: scores(draw, index=sparse(draw)["index"]),
        stands_for="SparseMultilabelCrossEntropy.forward",
        programs=False,
    ),
    Row(predict_labels, lambda draw: scores(draw, threshold=draw.normal(3)), differentiable=False, **NUMBER),
    Row(
        optimal_scores,
        labels,
        points=(dict(target=HARD), dict(target=1e-30 + 0 * HARD)),
        takes=dict(target="integers"),
    ),
    Row(
        minimum_multilabel_cross_entropy,
        labels,
        points=(dict(target=HARD),),
        takes=dict(target="integers"),
    ),
    Row(multilabel_divergence, graded, points=(dict(target=HARD),)),
    Row(log_elementary_symmetric, lambda draw: scores(draw, k=4), **SIZE),
    Row(
        subset_marginals,
        lambda draw: scores(draw, k=3),
        points=(dict(input=HARD),),
        **SIZE,
    ),
    Row(subset_log_prob, labelled("subset")),
    Row(subset_cross_entropy, labelled("target", reduction="none"), programs=False),
    Row(subset_cross_entropy, labelled("target", max_size=4, reduction="none"), "padded"),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
