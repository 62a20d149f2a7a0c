"""Thresholds and weights of the classes; labels beyond [0, 1] by a rounding; slopes at hard labels."""

import pytest
import torch
from helpers import DEVICES, DTYPES, F64, INF, NAN, Draw, assert_refused, column, gradients

from lemmata.classification import (
    MultilabelCrossEntropy,
    minimum_multilabel_cross_entropy,
    multilabel_cross_entropy,
    multilabel_divergence,
    optimal_scores,
    subset_marginals,
)

pytestmark = pytest.mark.parametrize("device", DEVICES)


def by_terms(s, t, threshold, weight):
    """The loss of each row, term by term."""
    x = s - threshold
    negatives, positives = weight * (1 - t) * x.exp(), weight * t * (-x).exp()
    return torch.log1p(negatives.sum(-1)) + torch.log1p(positives.sum(-1))


# ------------------------------------------------------------------- identity


def test_weights_of_1_and_thresholds_of_0_change_nothing(draw, device):
    s, y = draw.normal(4, 6), draw.labels(4, 6)
    plain = multilabel_cross_entropy(s, y, reduction="none")
    ones, zeros = torch.ones(6, dtype=F64, device=device), torch.zeros(6, dtype=F64, device=device)
    for options in (dict(class_weight=ones), dict(class_threshold=zeros)):
        torch.testing.assert_close(multilabel_cross_entropy(s, y, reduction="none", **options), plain)
    both = multilabel_cross_entropy(s, y, class_threshold=zeros + 0.5, threshold=-0.5, reduction="none")
    torch.testing.assert_close(both, plain)
    module = MultilabelCrossEntropy(class_weight=ones, class_threshold=zeros, reduction="none")
    torch.testing.assert_close(module(s, y), plain)
    assert {*module.state_dict()} == {"class_weight", "class_threshold"}


def test_weights_do_not_move_the_best_scores(draw):
    t, threshold = draw.uniform(3, 6, low=0.05, high=0.95), draw.normal(6)
    weight = draw.uniform(3, 6, low=0.1, high=9.0)
    options = dict(class_threshold=threshold, class_weight=weight, reduction="none")
    best = threshold + optimal_scores(t)
    loss, slope = gradients(lambda s: multilabel_cross_entropy(s, t, **options), best)
    assert slope.abs().max() < 1e-14
    least = 2 * torch.log1p((weight * (t * (1 - t)).sqrt()).sum(-1))
    torch.testing.assert_close(loss, least)
    assert (multilabel_cross_entropy(best + draw.normal(3, 6), t, **options) > least).all()


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("masked", [False, True])
def test_thresholds_and_weights_agree_with_the_terms(draw, masked):
    s, threshold = draw.normal(5, 6, scale=3.0), draw.normal(5, 6)
    weight, mask = draw.uniform(6, low=0.1, high=30.0), draw.labels(5, 6, share=0.7) if masked else None
    for t in (draw.uniform(5, 6), draw.labels(5, 6), draw.labels(5, 6).long()):
        options = dict(class_weight=weight, mask=mask, reduction="none")
        one = gradients(
            lambda s, h, t=t, o=options: multilabel_cross_entropy(s, t, class_threshold=h, **o), s, threshold
        )
        kept = weight * (1.0 if mask is None else mask)
        other = gradients(lambda s, h, t=t, k=kept: by_terms(s, t.double(), h, k), s, threshold)
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_labels_a_few_roundings_beyond_their_range(device, dtype, compiled):
    """They count as 0 and 1, with the slopes of these."""
    torch.compiler.reset()
    eps = torch.finfo(dtype).eps
    t = column([[1 + 2 * eps, -2 * eps, 0.25], [1 + eps, 1 + eps, 1 + eps], [-eps, -eps, 0.5]], device, dtype)
    s = column([[30.0, -40.0, 1.0], [20.0, INF, 60.0], [-INF, -30.0, 0.0]], device, dtype)
    mask = torch.ones_like(t, dtype=torch.bool)
    for options in (
        {},
        dict(mask=mask),
        dict(threshold=0.5),
        dict(class_weight=torch.ones(3, device=device)),
    ):

        def loss(s, t, options=options):
            return multilabel_cross_entropy(s, t, reduction="none", **options)

        function = torch.compile(loss, fullgraph=True, backend="eager") if compiled else loss
        beyond, within = gradients(function, s, t), gradients(loss, s, t.clamp(0, 1))
        torch.testing.assert_close(beyond, within, rtol=8 * eps, atol=0)
        assert all(value.isfinite().all() for value in beyond[:2])


@pytest.mark.parametrize("dtype", DTYPES)
def test_soft_label_functions_take_a_rounding_beyond(device, dtype):
    eps = torch.finfo(dtype).eps
    t = column([1 + 2 * eps, -2 * eps, 0.25], device, dtype)
    assert optimal_scores(t)[:2].tolist() == [INF, -INF]
    least, exact = minimum_multilabel_cross_entropy(t), minimum_multilabel_cross_entropy(t.clamp(0, 1))
    assert least == exact
    s = column([2.0, -2.0, 0.0], device, dtype)
    assert multilabel_divergence(s, t) == multilabel_divergence(s, t.clamp(0, 1))
    ten = torch.full((10,), 0.1).cumsum(0)[-1:]  # 1.0000001 in float32
    assert multilabel_cross_entropy(torch.zeros(1), ten).isfinite()


def test_marginals_are_probabilities(device):
    """Of 3000 rows with large scores, in float32, none is above 1."""
    p = subset_marginals(Draw(0, device).normal(3000, 6, scale=20.0, dtype=torch.float32), 3)
    assert p.min() >= 0
    assert p.max() <= 1
    torch.testing.assert_close(p.sum(-1), torch.full_like(p[:, 0], 3.0))


def test_marginals_of_infinite_scores_are_the_limit(device):
    x = column([[INF, 2.0, 2.0, -INF], [INF, INF, INF, 0.0], [1e308, 1e307, 1e307, -1e308]], device)
    expected = column([[1, 0.5, 0.5, 0], [2 / 3, 2 / 3, 2 / 3, 0], [1, 0.5, 0.5, 0]], device)
    torch.testing.assert_close(subset_marginals(x, 2), expected)


# ------------------------------------------------------------------- failure: hard labels


@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_slopes_at_hard_labels_are_infinite_with_their_sign(device, dtype):
    t = column([0.0, 1.0, 0.3], device, dtype).requires_grad_()

    def both(y):
        (first,) = torch.autograd.grad(y, t, create_graph=True)
        (second,) = torch.autograd.grad((first * column([1.0, 2.0, 3.0], device, dtype)).sum(), t)
        return first.tolist(), second.tolist()

    first, second = both(optimal_scores(t).sum())
    assert first[:2] == [INF, INF]
    assert second[:2] == [-INF, INF]
    first, second = both(minimum_multilabel_cross_entropy(t))
    assert first[:2] == [INF, -INF]
    assert second[:2] == [-INF, -INF]
    first, second = both(multilabel_divergence(torch.zeros_like(t), t))
    assert first[:2] == [-INF, INF]
    assert second[:2] == [INF, INF]
    (unused,) = torch.autograd.grad(optimal_scores(t)[2], t)  # what a slope of 0 reaches stays 0
    assert unused[:2].tolist() == [0, 0]


def test_small_labels_have_the_slopes_of_the_formula(device):
    t = column([1e-30, 1e-300], device).requires_grad_()
    (first,) = torch.autograd.grad(optimal_scores(t).sum(), t, create_graph=True)
    torch.testing.assert_close(first.detach(), 0.5 / t.detach(), rtol=1e-15, atol=0)
    (second,) = torch.autograd.grad(first.sum(), t)
    torch.testing.assert_close(second, column([-0.5e60, -INF], device), rtol=1e-14, atol=0)


# ------------------------------------------------------------------- failure: bad input


def test_bad_input_is_named(device):
    s, y = torch.zeros(2, 3, device=device), torch.zeros(2, 3, dtype=torch.int64, device=device)

    def loss(**options):
        return lambda s, y: multilabel_cross_entropy(s, y, **options)

    names = ("class_threshold", "class_weight")
    calls = [
        *(
            (TypeError, f"{name} must be a tensor, got", loss(**{name: wrong}))
            for name in names
            for wrong in (0.5, [1.0], "a", True)
        ),
        (TypeError, "class_weight must be float64.* got torch.int64", loss(class_weight=y + 1)),
        (TypeError, "class_threshold must be float64.* got torch.int64", loss(class_threshold=y)),
        (ValueError, r"class_weight must broadcast to \(2, 3\), got \(2,\)", loss(class_weight=s[:, 0] + 1)),
        (
            ValueError,
            r"class_threshold must broadcast to \(2, 3\), got \(2,\)",
            loss(class_threshold=s[:, 0]),
        ),
        *((ValueError, "class_weight must be positive", loss(class_weight=s + w)) for w in (0, -1, NAN)),
        *(
            (TypeError, f"{name} must be a tensor", lambda s, y, n=name: MultilabelCrossEntropy(**{n: 1.0}))
            for name in ("class_threshold", "class_weight")
        ),
    ]
    assert_refused(calls, s, y)
