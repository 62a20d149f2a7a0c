"""The closed form of logistic regression: what only this chapter knows."""

import math
import warnings

import pytest
import torch
from helpers import DTYPES, F64, INF, NAN, Draw, assert_close, close, column
from torch import nn

from lemmata.classification import gaussian_logistic_regression, init_linear_from_lda_

FOUR, PAIRS = column([[0.0, 0.0], [2.0, 0.0], [1.0, 2.0], [3.0, 4.0]]), torch.tensor([0, 0, 1, 1])
MANY = dict(input=FOUR.repeat(9, 1), target=PAIRS.repeat(9))


def classes(count, *shape):
    """Each of the classes in turn."""
    return (torch.arange(math.prod(shape)) % count).view(shape)


def data(seed=0, rows=40, d=3, k=3):
    """Classes around different means, features of different sizes that go together."""
    draw, y = Draw(seed), classes(k, rows)
    mix = draw.normal(d, d)
    return (draw.normal(rows, d) + 2 * draw.normal(k, d)[y]) @ mix + 5, y


def odds(x, weight, bias):
    """Logits less that of class 0: what softmax sees."""
    scores = x @ weight.mT + bias.unsqueeze(-2)
    return scores - scores[..., :1]


def unshrunk(x, y, **options):
    """The plain formula, where no other shrinkage is asked for."""
    return gaussian_logistic_regression(x, y, **{"shrinkage": 0.0, **options})


def plain(x, y, k, shrinkage=0.0, divisor=None):
    """The formula of the first page, in float64 and with an inverse."""
    mean = torch.stack([x[y == i].mean(0) for i in range(k)])
    rest = x - mean[y]
    cov = rest.T @ rest / (divisor or len(x))
    cov = (1 - shrinkage) * cov + shrinkage * cov.diagonal().diag()
    weight = mean @ cov.inverse()
    prior = torch.bincount(y, minlength=k).to(x.dtype) / len(x)
    return weight, prior.log() - (weight * mean).sum(-1) / 2


# ------------------------------------------------------------------- identity


def test_three_points_on_a_line():
    x = column([[-0.25], [0.0], [0.25]])
    weight, bias = unshrunk(x, torch.tensor([0, 0, 1]), num_classes=2)
    close((weight[1] - weight[0]).item(), 36.0)
    close((bias[1] - bias[0]).item(), -9 / 4 - math.log(2))
    threshold = (bias[0] - bias[1]) / (weight[1] - weight[0])[0]
    close(threshold.item(), 0.081754088348887369706)
    close(1 / 16 + 3 * (threshold.item() - 1 / 16), 0.120262265046662)


def test_two_features_by_hand():
    weight, bias = unshrunk(FOUR, PAIRS, num_classes=2)
    assert_close(weight[1] - weight[0], [-4.0, 10.0], 1e-13)
    assert_close(odds(FOUR, weight, bias)[:, 1], [-9.0, -17.0, 7.0, 19.0], 1e-12)


def test_the_frequencies_weigh_the_weights_to_zero():
    x, y = data(rows=41)
    weight, _ = unshrunk(x, y, num_classes=3)
    assert (torch.bincount(y).double() @ weight).abs().max() < 1e-11


@pytest.mark.parametrize("options", [{}, {"shrinkage": 0.3}, {"shrinkage": "auto"}, {"unbiased": True}])
def test_units_and_origin_do_not_matter_nor_the_order_of_rows_and_classes(options):
    x, y = data(1)
    scores = odds(x, *unshrunk(x, y, num_classes=3, **options))
    moved = x * column([1e-3, 1.0, 1e4]) + 100
    close_to = dict(rtol=1e-8, atol=1e-9)
    there = odds(moved, *unshrunk(moved, y, num_classes=3, **options))
    torch.testing.assert_close(there, scores, **close_to)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    shuffled = unshrunk(x[order], y[order], num_classes=3, **options)
    torch.testing.assert_close(odds(x, *shuffled), scores, **close_to)
    weight, bias = unshrunk(x, 2 - y, num_classes=3, **options)
    torch.testing.assert_close(odds(x, weight.flip(0), bias.flip(0)), scores, **close_to)


def test_any_whitening_gives_the_same_scores():
    x, y = data(2)
    there = x @ Draw(3).normal(3, 3)
    ours, theirs = (odds(v, *unshrunk(v, y, num_classes=3)) for v in (x, there))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_priors_move_biases_only():
    x, y = data(3)
    weight, bias = unshrunk(x, y, num_classes=3)
    priors = column([0.5, 0.5, 0.0])
    same, moved = unshrunk(x, y, num_classes=3, priors=priors)
    assert torch.equal(weight, same)
    shares = torch.bincount(y).double() / len(y)
    assert_close(moved[:2] - bias[:2], (priors[:2] / shares[:2]).log().tolist(), 1e-12)
    assert moved[2] == -INF


def test_least_squares_points_the_same_way_by_the_stated_factor():
    x, y = data(4, k=2)
    p = (y == 1).double().mean()
    weight, _ = unshrunk(x, y, num_classes=2)
    w = weight[1] - weight[0]
    delta = x[y == 1].mean(0) - x[y == 0].mean(0)
    design = torch.cat([x, torch.ones(len(x), 1, dtype=F64)], 1)
    slopes = torch.linalg.lstsq(design, y.double()[:, None]).solution[:3, 0]
    share = p * (1 - p)
    torch.testing.assert_close(slopes, w * share / (1 + share * (delta @ w)), rtol=1e-10, atol=1e-12)


def test_rows_that_do_not_count_change_nothing_whatever_they_hold():
    x, y = data(5)
    expected = gaussian_logistic_regression(x, y, num_classes=3, shrinkage="auto")
    more = torch.cat([x, column([[NAN, INF, 1e300]])])
    for index in (-100, 7):
        labels = torch.cat([y, torch.tensor([index])])
        found = gaussian_logistic_regression(
            more, labels, num_classes=3, shrinkage="auto", ignore_index=index
        )
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_a_share_of_one_is_naive_bayes_and_a_share_is_taken_off_the_correlations():
    x, y = data(6)
    for share in (0.0, 0.2, 1.0):
        found = odds(x, *unshrunk(x, y, num_classes=3, shrinkage=share))
        torch.testing.assert_close(found, odds(x, *plain(x, y, 3, share)), rtol=1e-9, atol=1e-9)


def test_a_single_class_is_sure():
    weight, bias = unshrunk(FOUR, torch.zeros(4, dtype=torch.int64), num_classes=1)
    assert torch.equal(weight, torch.zeros(1, 2, dtype=F64))
    assert bias.item() == 0


# ------------------------------------------------------------------- agreement


def iris():
    datasets = pytest.importorskip("sklearn.datasets")
    return (torch.tensor(v) for v in datasets.load_iris(return_X_y=True))


def test_reference_numbers_of_the_flowers():
    x, y = iris()
    weight, bias = unshrunk(x, y, num_classes=3)
    raw, constant = plain(x, y, 3)
    assert_close(raw[0], [24.02465992, 24.06925561, -16.76595819, -17.75348039], 1e-9)
    assert_close(constant, [-88.04744666, -74.31697465, -106.47586504], 1e-9)
    torch.testing.assert_close(odds(x, weight, bias), odds(x, raw, constant), rtol=1e-10, atol=1e-10)
    close((odds(x, weight, bias).argmax(-1) == y).double().mean().item(), 0.98)


@pytest.mark.parametrize("solver", ["svd", "lsqr", "eigen"])
def test_it_is_lda(solver):
    analysis = pytest.importorskip("sklearn.discriminant_analysis")
    x, y = iris()
    weight, bias = unshrunk(x, y, num_classes=3)
    lda = analysis.LinearDiscriminantAnalysis(solver=solver).fit(x, y)
    expected = torch.tensor(lda.predict_proba(x))
    torch.testing.assert_close((x @ weight.T + bias).softmax(-1), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("rows", "d"), [(15, 4), (60, 2)])
def test_the_estimated_share_is_the_scatter_of_correlations_over_their_squares(rows, d):
    x, y = Draw(7).normal(rows, d), classes(2, rows)
    x = x + 0.5 * x[:, :1]
    rest = x - torch.stack([x[y == i].mean(0) for i in (0, 1)])[y]
    z = rest / rest.square().mean(0).sqrt()
    noise = squares = 0.0
    for i in range(d):
        for j in range(d):
            if i != j:
                product = z[:, i] * z[:, j]
                noise += product.var(correction=0).item() / rows
                squares += product.mean().item() ** 2
    assert 0 < noise / squares < 1
    assert (squares < 1) == (d == 2)
    ours = gaussian_logistic_regression(x, y, num_classes=2, shrinkage="auto")
    stated = gaussian_logistic_regression(x, y, num_classes=2, shrinkage=noise / squares)
    torch.testing.assert_close(ours, stated, rtol=1e-10, atol=1e-10)


def test_the_estimated_share_is_at_most_one():
    x, y = Draw(23).normal(200, 12, 3), classes(2, 12)
    for one in x:
        found = gaussian_logistic_regression(one, y, num_classes=2, shrinkage="auto")
        bayes = gaussian_logistic_regression(one, y, num_classes=2, shrinkage=1.0)
        rest = one - torch.stack([one[y == i].mean(0) for i in (0, 1)])[y]
        z = rest / rest.square().mean(0).sqrt()
        product = (z[:, :, None] * z[:, None])[:, *torch.triu_indices(3, 3, 1)]
        if product.var(0, correction=0).sum() / 12 > 1.01 * product.mean(0).square().sum():
            torch.testing.assert_close(found, bayes, rtol=1e-9, atol=1e-9)
            return
    raise AssertionError("no draw had a share above one")


def test_a_class_of_the_range_may_be_ignored():
    x, y = data(24, k=2)
    more = torch.cat([x, x[:3] + 100]), torch.cat([y, torch.ones(3, dtype=torch.int64) * 2])
    swapped = torch.where(more[1] == 2, 0, more[1] + 1)
    expected = odds(x, *unshrunk(x, y, num_classes=2))
    found = unshrunk(more[0], more[1], num_classes=2, ignore_index=2)
    torch.testing.assert_close(odds(x, *found), expected, rtol=1e-10, atol=1e-10)
    with pytest.raises(ValueError, match="target must have a row"):
        unshrunk(more[0], swapped, num_classes=3, ignore_index=0)


def test_unbiased_is_the_stated_correction():
    x, y = data(8, rows=22, d=4)
    raw, constant = plain(x, y, 3)
    sizes, q = torch.bincount(y).double(), (22 - 3 - 4 - 1) / 22
    prior = (sizes / 22).log()
    expected = odds(x, q * raw, prior + q * (constant - prior) + 4 / (2 * sizes))
    weight, bias = unshrunk(x, y, num_classes=3, unbiased=True)
    torch.testing.assert_close(odds(x, weight, bias), expected, rtol=1e-9, atol=1e-9)


def test_unbiased_counts_the_rank_and_not_the_columns():
    x, y = data(22)
    expected = odds(x, *unshrunk(x, y, num_classes=3, unbiased=True))
    for more in (torch.ones(40, 10, dtype=F64), x[:, :1], torch.ones(40, 60, dtype=F64)):
        wide = torch.cat([x, more], 1)
        found = odds(wide, *unshrunk(wide, y, num_classes=3, unbiased=True))
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


def test_unbiased_weights_have_the_right_mean():
    x, y = Draw(9).normal(4000, 20, 3), torch.tensor([0] * 16 + [1] * 4)
    x[..., 0] += y
    target = y.expand(4000, 20)
    for options, w, b in (
        (dict(unbiased=True), 1.0, -0.5 + math.log(1 / 4)),
        ({}, 20 / 14, -0.5 * 20 / 14 + math.log(1 / 4) - 45 / 112),
    ):
        weight, bias = unshrunk(x, target, num_classes=2, **options)
        for values, expected in ((weight[:, 1, 0] - weight[:, 0, 0], w), (bias[:, 1] - bias[:, 0], b)):
            error = values.std() / 4000**0.5
            assert abs(values.mean() - expected) < 4 * error < 0.15


def test_a_rare_class_loses_the_stated_points():
    x, y = Draw(25).normal(400, 100, 10), torch.tensor([0] * 90 + [1] * 10)
    x[..., 0] += 2 * y
    q, ratio, target = (100 - 2 - 10 - 1) / 100, math.log(9), y.expand(400, 100)
    nats = (10 / 20 - 10 / 180) / q
    for priors, share in ((None, ratio), (column([0.5, 0.5]), 0.0)):
        weight, bias = unshrunk(x, target, num_classes=2, priors=priors)
        where = 1 + share / 2  # the truth there is one half
        values = where * (weight[:, 1, 0] - weight[:, 0, 0]) + bias[:, 1] - bias[:, 0]
        error = values.std() / 20
        assert abs(values.mean() - (share * (1 / q - 1) - nats)) < 4 * error < 0.25
    weight, bias = unshrunk(x, target, num_classes=2, unbiased=True)
    values = (1 + ratio / 2) * (weight[:, 1, 0] - weight[:, 0, 0]) + bias[:, 1] - bias[:, 0]
    assert abs(values.mean()) < 4 * values.std() / 20


@pytest.mark.parametrize("dtype", DTYPES)
def test_far_from_the_origin_digits_are_kept(dtype):
    x, y = Draw(10).normal(60, 2), classes(2, 60)
    x = (x + 3 * y[:, None]).mul(8).round() / 8
    near = unshrunk(x, y, num_classes=2)[0]
    there = 1024 if dtype in DTYPES[:2] else 4
    moved = (x + there).to(dtype)
    far = unshrunk(moved, y, num_classes=2)[0]
    exact = unshrunk(moved.double() - there, y, num_classes=2)[0]
    torch.testing.assert_close(far.double(), exact, rtol=1e-3 if dtype not in DTYPES[:2] else 1e-4, atol=1e-2)
    assert dtype != F64 or torch.allclose(far, near, rtol=1e-9)


def test_single_precision_keeps_directions_of_little_variance():
    y = classes(2, 400)
    one, two = Draw(20).normal(2, 400)
    x = torch.stack([one, one + (two + 0.6 * y) / 256], 1).float()
    exact = unshrunk(x.double(), y, num_classes=2)[0]
    weight = unshrunk(x, y, num_classes=2)[0]
    assert (exact[1] - exact[0]).abs().min() > 50
    torch.testing.assert_close(weight, exact.float(), rtol=1e-6, atol=0)


def test_single_precision_agrees_with_double_on_the_tumours():
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = (torch.tensor(v) for v in datasets.load_breast_cancer(return_X_y=True))
    exact = odds(x, *unshrunk(x, y, num_classes=2))
    fit = unshrunk(x.float(), y, num_classes=2)
    torch.testing.assert_close(odds(x, *(v.double() for v in fit)), exact, rtol=0, atol=1e-4)


def test_means_of_a_million_cost_the_weights_of_single_precision_no_digits():
    y = classes(2, 200)
    near = Draw(21).normal(200, 1).mul(4).round() / 4 + 0.5 * y[:, None]
    counted = torch.arange(8388000.0, 8388008.0, dtype=F64)[:, None]
    for x, labels, origin in (
        (near + 1e6, y, 1e6),
        (counted, torch.tensor([0, 0, 0, 1, 0, 1, 1, 1]), 8388000),
    ):
        assert torch.equal(x.float().double(), x)
        weight, bias = unshrunk(x.float(), labels, num_classes=2)
        exact = unshrunk(x, labels, num_classes=2)
        torch.testing.assert_close((weight, bias), tuple(v.float() for v in exact), rtol=1e-6, atol=0)
        there = unshrunk(x - origin, labels, num_classes=2)[0]
        torch.testing.assert_close(weight.double(), there, rtol=1e-6, atol=0)
    close((weight[1] - weight[0]).item(), 1.6, 1e-6)


def test_problems_side_by_side():
    both = [data(seed) for seed in (11, 12)]
    x, y = (torch.stack(v) for v in zip(*both, strict=True))
    weight, bias = gaussian_logistic_regression(x, y, num_classes=3, shrinkage="auto")
    assert (weight.shape, bias.shape) == ((2, 3, 3), (2, 3))
    for i, (one, labels) in enumerate(both):
        alone = gaussian_logistic_regression(one, labels, num_classes=3, shrinkage="auto")
        torch.testing.assert_close((weight[i], bias[i]), alone, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_a_layer_starts_at_the_closed_form(outputs):
    x, y = data(13, k=max(outputs, 2))
    layer = nn.Linear(3, outputs)
    before = layer.weight
    assert init_linear_from_lda_(layer, x.float(), y) is layer
    assert layer.weight is before
    assert layer.weight.requires_grad
    weight, bias = gaussian_logistic_regression(x, y, num_classes=max(outputs, 2), shrinkage="auto")
    scores = layer(x.float())
    scores = scores if outputs == 1 else scores[:, 1:] - scores[:, :1]
    torch.testing.assert_close(scores.double(), odds(x, weight, bias)[:, 1:], rtol=1e-3, atol=1e-3)


def test_a_start_takes_the_same_options():
    x, y = data(14)
    for options in ({}, dict(priors=column([0.2, 0.3, 0.5])), dict(shrinkage=0.0, unbiased=True)):
        layer = init_linear_from_lda_(nn.Linear(3, 3, dtype=F64), x, y, **options)
        expected = gaussian_logistic_regression(x, y, num_classes=3, **options)
        more = torch.cat([x, x[:1]]), torch.cat([y, torch.tensor([-100])])
        again = init_linear_from_lda_(nn.Linear(3, 3, dtype=F64), *more, **options)
        torch.testing.assert_close(again.weight, layer.weight)
        torch.testing.assert_close((layer.weight.detach(), layer.bias.detach()), expected)


# ------------------------------------------------------------------- failure


def test_a_perfect_feature_is_ignored_with_a_warning_and_used_with_shrinkage():
    x = column([[0.0, 1.0], [0.0, 2.0], [1.0, 1.1], [1.0, 2.3], [1.0, 2.0]])
    y = torch.tensor([0, 0, 1, 1, 1])
    with pytest.warns(UserWarning, match="no class varies"):
        weight, bias = unshrunk(x, y, num_classes=2)
    assert weight[:, 0].abs().max() == 0
    assert_close(odds(x, weight, bias)[:2, 1], [1.171875 - 1.52812864, 2 * 1.171875 - 1.52812864], 1e-7)
    weight, bias = gaussian_logistic_regression(x, y, num_classes=2)
    assert torch.equal(odds(x, weight, bias).argmax(-1), y)


@pytest.mark.parametrize("dtype", DTYPES[:2])
def test_constant_and_doubled_features_change_nothing_and_are_no_reason_to_warn(dtype):
    x, y = data(15)
    more = torch.cat([x, torch.full((40, 1), 0.1, dtype=F64), 3 * x[:, :1]], 1).to(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = unshrunk(more, y, num_classes=3)
    expected = odds(x, *unshrunk(x, y, num_classes=3))
    tolerance = dict(rtol=1e-8, atol=1e-8) if dtype == F64 else dict(rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(odds(more, *found).double(), expected, **tolerance)
    assert found[0][:, 3].abs().max() == 0


def test_fewer_rows_than_features():
    x, y = data(16, rows=12, d=20, k=2)
    with pytest.warns(UserWarning, match="shrinkage='auto'"):
        unshrunk(x, y, num_classes=2)
    weight, bias = gaussian_logistic_regression(x, y, num_classes=2)
    assert torch.equal(odds(x, weight, bias).argmax(-1), y)


def test_what_separates_need_not_be_separated():
    x, y = column([[-1.0], [0.0], [1.0], [20.0]]), torch.tensor([0, 0, 1, 1])
    scores = odds(x, *unshrunk(x, y, num_classes=2))[:, 1]
    close(scores[2].item(), -4 * 11 / (181 / 4))
    assert scores[2] < 0


def test_a_missing_class_is_refused_where_it_can_be_seen_and_else_never_chosen():
    x, y = data(17)
    for options in ({}, dict(priors=torch.ones(4) / 4)):
        with pytest.raises(ValueError, match="target must have a row"):
            unshrunk(x, y, num_classes=4, **options)
    batched = torch.vmap(lambda x, y: unshrunk(x, y, num_classes=4))
    weight, bias = (v[0] for v in batched(x[None], y[None]))
    expected = unshrunk(x, y, num_classes=3)
    torch.testing.assert_close((weight[:3], bias[:3]), expected)
    assert bias[3] == -INF
    assert not weight.isnan().any()


def test_bad_arguments_are_named():
    def refused(kind, name, **wrong):
        given = dict(input=FOUR, target=PAIRS, num_classes=2) | wrong
        with pytest.raises(kind, match=name):
            gaussian_logistic_regression(**given)

    for value in (NAN, INF, -INF):
        refused(ValueError, "input", input=FOUR.clone().fill_(value))
    refused(TypeError, "input", input=FOUR.long())
    refused(ValueError, "input", input=FOUR[:, 0])
    refused(ValueError, "input", input=FOUR[:, :0])
    refused(TypeError, "target", target=PAIRS.int())
    refused(ValueError, "target", target=PAIRS[:3])
    refused(ValueError, "target", target=torch.tensor([0, 1, 2, 0]))
    refused(ValueError, "target", input=FOUR[:0], target=PAIRS[:0])
    refused(ValueError, "shrinkage", shrinkage=1.5)
    refused(ValueError, "shrinkage", shrinkage=NAN)
    refused(ValueError, "shrinkage", shrinkage="ledoit")
    refused(ValueError, "priors", priors=torch.ones(3) / 3)
    refused(ValueError, "priors", priors=torch.tensor([1.5, -0.5]))
    refused(ValueError, "priors", priors=torch.ones(2))
    refused(TypeError, "unbiased", unbiased="no")
    refused(ValueError, "unbiased", unbiased=True, shrinkage=0.0)
    refused(ValueError, "shrinkage=0.0, got 'auto'", **MANY, unbiased=True)
    refused(ValueError, "shrinkage=0.0, got 0.1", **MANY, unbiased=True, shrinkage=0.1)


def test_a_layer_that_does_not_fit_is_refused():
    for layer, kind, name in (
        (nn.Conv1d(2, 2, 1), TypeError, "linear"),
        (nn.Linear(2, 2, bias=False), ValueError, "linear"),
        (nn.Linear(3, 2), ValueError, "input"),
        (nn.Linear(2, 3), ValueError, "target"),
    ):
        with pytest.raises(kind, match=name):
            init_linear_from_lda_(layer, FOUR.float(), PAIRS)
