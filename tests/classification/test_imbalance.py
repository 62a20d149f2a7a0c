"""Losses and measures for rare classes: what only this chapter knows."""

import math

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import F64, INF, NAN, Draw, assert_close, assert_derivatives, assert_refused, close, column
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss

from lemmata.classification import (
    balanced_error,
    binary_focal_loss,
    f1_optimal_threshold,
    focal_loss,
    focal_recalibrate,
    logit_adjusted_cross_entropy,
)
from lemmata.classification._imbalance.focal import _ratio

GAMMAS = [0, 0.5, 1, 2, 5]
LEARNT = {1: 0.22557464823245, 2: 0.30578719490987, 5: 0.40259988246252}  # for a probability of 1/10


def torchvision_focal(s, t, alpha, gamma):
    """Its published formula, in probabilities."""
    p = torch.sigmoid(s)
    right = p * t + (1 - p) * (1 - t)
    loss = F.binary_cross_entropy_with_logits(s, t, reduction="none") * (1 - right) ** gamma
    return (alpha * t + (1 - alpha) * (1 - t)) * loss


def learnt_from(eta, gamma):
    """The probabilities at which the expected focal loss is least: h(p) = eta / S, with the S of sum 1."""

    def h(p):
        return p / ((1 - p) ** (gamma - 1) * (1 - p - gamma * p * math.log(p)))

    def halved(low, high, below):
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if below(middle) else (low, middle)
        return (low + high) / 2

    def inverse(y):
        return halved(1e-12, 1 - 1e-12, lambda p: h(p) < y)

    scale = halved(0.01, 9.0, lambda c: sum(inverse(c * v) for v in eta) < 1)
    return [inverse(scale * v) for v in eta]


# --------------------------------------------------------------------------- identity


def test_gamma_0_is_cross_entropy():
    x, t = Draw(0).normal(7, 4, 5), Draw(1).below(5, 7, 4)
    t[0, :3] = -100
    for reduction in ("none", "mean", "sum"):
        want = F.cross_entropy(x.movedim(-1, 1), t, reduction=reduction)
        torch.testing.assert_close(focal_loss(x, t, gamma=0, reduction=reduction), want)
    labels = Draw(2).labels(7, 4, 5)
    want = F.binary_cross_entropy_with_logits(x, labels.double(), pos_weight=torch.tensor(3.0, dtype=F64))
    torch.testing.assert_close(binary_focal_loss(x, labels, gamma=0, pos_weight=3.0), want)


def test_adjustment_is_cross_entropy_of_shifted_scores():
    x, t, counts = Draw(0).normal(9, 4), Draw(1).below(4, 9), torch.tensor([50, 20, 4, 1])
    for tau in (-1.0, 0.0, 1.0, 2.5):
        want = F.cross_entropy(x + tau * counts.log(), t)
        torch.testing.assert_close(logit_adjusted_cross_entropy(x, t, counts, tau=tau), want)
    scaled = logit_adjusted_cross_entropy(x, t, counts / 75)
    torch.testing.assert_close(scaled, logit_adjusted_cross_entropy(x, t, counts).to(F64))


@pytest.mark.parametrize("gamma", GAMMAS)
def test_two_classes_are_a_yes_or_no(gamma):
    s = Draw(0).normal(9, scale=3)
    two = torch.stack([torch.zeros_like(s), s], -1)
    yes = torch.arange(9) % 2
    torch.testing.assert_close(focal_loss(two, yes, gamma=gamma), binary_focal_loss(s, yes, gamma=gamma))
    back = focal_recalibrate(two, gamma=gamma)
    torch.testing.assert_close(back[:, 1] - back[:, 0], focal_recalibrate(s, gamma=gamma, dim=None))


def test_shifts_and_orders_change_nothing():
    x, t = Draw(0).normal(6, 5), Draw(1).below(5, 6)
    order = torch.tensor([3, 0, 4, 1, 2])
    place = order.argsort()[t]
    for function in (focal_loss, lambda x, t: logit_adjusted_cross_entropy(x, t, torch.ones(5))):
        torch.testing.assert_close(function(x + 7, t), function(x, t))
        torch.testing.assert_close(function(x[:, order], place), function(x, t))
    back = focal_recalibrate(x)
    torch.testing.assert_close(focal_recalibrate(x + 7), back)
    torch.testing.assert_close(focal_recalibrate(x[:, order]), back[:, order])
    torch.testing.assert_close(focal_recalibrate(x.T, dim=0), back.T)
    close(back.exp().sum(-1).sub(1).abs().max().item(), 0.0)
    assert torch.equal(back.argsort(-1), x.argsort(-1))
    torch.testing.assert_close(focal_recalibrate(x, gamma=0), x.log_softmax(-1))


def test_weights_multiply_rows_and_means_add_up():
    x, t, weight = Draw(0).normal(8, 3), Draw(1).below(3, 8), column([1.0, 5.0, 0.25])
    rows = focal_loss(x, t, reduction="none")
    torch.testing.assert_close(focal_loss(x, t, class_weight=weight, reduction="none"), rows * weight[t])
    whole = focal_loss(x, t, class_weight=weight)
    halves = [focal_loss(x[k : k + 4], t[k : k + 4], class_weight=weight) for k in (0, 4)]
    torch.testing.assert_close(whole, sum(halves) / 2)
    of_torch = [F.cross_entropy(x[k : k + 4], t[k : k + 4], weight=weight) for k in (0, 4)]
    assert (F.cross_entropy(x, t, weight=weight) - sum(of_torch) / 2).abs() > 1e-3  # a ratio of sums


def test_soft_labels_are_linear():
    s = Draw(0).normal(9)
    on, off = (binary_focal_loss(s, torch.full_like(s, v), reduction="none") for v in (1.0, 0.0))
    soft = binary_focal_loss(s, torch.full_like(s, 0.3), reduction="none")
    torch.testing.assert_close(soft, 0.3 * on + 0.7 * off)
    weight = Draw(1).uniform(9, low=0.5, high=2.0)
    weighted = binary_focal_loss(s, torch.ones_like(s), pos_weight=weight, reduction="none")
    torch.testing.assert_close(weighted, weight * on)


def test_balanced_error_by_hand():
    scores = column([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert balanced_error(scores, torch.tensor([0, 0, 0, 1, 1])) == 0.25
    assert balanced_error(scores, torch.tensor([0, 0, 0, -100, 1])) == 0.5
    assert balanced_error(scores[:3], torch.tensor([0, 0, 0])) == 0  # the other class does not occur
    assert balanced_error(scores[:1, :1], torch.tensor([0])) == 0
    assert balanced_error(scores.view(5, 1, 2), torch.tensor([[0], [0], [0], [1], [1]])) == 0.25


def test_threshold_predicts_what_half_of_the_best_f1_predicts():
    p = torch.arange(1, 200, dtype=F64) / 200
    cut, f1 = f1_optimal_threshold(p, p)
    assert f1.item() == pytest.approx(8487 / 11125, rel=1e-14)
    assert torch.equal(p > cut, p > f1 / 2)
    assert (p > cut).sum() == 199 - 76
    for seed in range(20):
        p = Draw(seed).uniform(12)
        cut, f1 = f1_optimal_threshold(p, p)
        assert torch.equal(p > cut, p > f1 / 2)
    many = torch.linspace(0, 1, 100_001, dtype=F64)
    close(f1_optimal_threshold(many, many)[1].item(), 3 - math.sqrt(5), 1e-4)


# --------------------------------------------------------------------------- agreement


@pytest.mark.parametrize("gamma", GAMMAS)
def test_focal_loss_against_mpmath(gamma):
    m = [-300.0, -30.0, -2.0, -1e-3, 0.0, 0.5, 20.0, 36.0, 300.0]

    def exact(s):
        with mpmath.workdps(200):
            p = 1 / (1 + mpmath.exp(-mpmath.mpf(s)))
            return -((1 - p) ** gamma) * mpmath.log(p)

    s = column(m)
    want = [exact(v) for v in m]
    assert_close(binary_focal_loss(s, torch.ones_like(s), gamma=gamma, reduction="none"), want, 1e-13, 1e-300)
    two = torch.stack([s, torch.zeros_like(s)], -1)
    first = torch.zeros(len(m), dtype=torch.int64)
    assert_close(focal_loss(two, first, gamma=gamma, reduction="none"), want, 1e-13, 1e-300)


@pytest.mark.parametrize("gamma", [1, 2, 5])
def test_recalibration_of_the_reference(gamma):
    p = column([LEARNT[gamma], 1 - LEARNT[gamma]])
    assert_close(focal_recalibrate(p.log(), gamma=gamma).exp(), [0.1, 0.9], 1e-12)
    logit = focal_recalibrate(p.logit(), gamma=gamma, dim=None)
    assert_close(logit.sigmoid(), [0.1, 0.9], 1e-12)


@pytest.mark.parametrize(
    ("eta", "gamma", "top"),
    [
        ([0.1] + [0.9 / 99] * 99, 2, 0.11314115670609),
        ([0.19] + [0.09] * 9, 0.5, 0.19111059617597),
        ([0.19] + [0.09] * 9, 2, 0.18386390967859),
    ],
)
def test_many_classes_err_on_both_sides(eta, gamma, top):
    p = column([top] + [(1 - top) / (len(eta) - 1)] * (len(eta) - 1))
    assert_close(focal_recalibrate(p.log(), gamma=gamma).exp(), eta, 1e-11)
    assert (top > eta[0]) == ((gamma, len(eta)) != (2, 10))


def test_recalibration_leads_back_from_the_minimiser():
    eta, weight = column([0.55, 0.3, 0.1, 0.05]), column([1.0, 2.0, 5.0, 10.0])
    for gamma in (0.5, 2):
        p = column(learnt_from(eta.tolist(), gamma))
        assert_close(focal_recalibrate(p.log(), gamma=gamma).exp(), eta.tolist(), 1e-11)
        p = column(learnt_from((weight * eta / (weight @ eta)).tolist(), gamma))
        back = (focal_recalibrate(p.log(), gamma=gamma) - weight.log()).softmax(-1)
        assert_close(back, eta.tolist(), 1e-11)


def test_the_way_back_from_weighted_focal_loss():
    eta, weight, both = column([0.9, 0.1]), column([3.0, 1.0]), torch.arange(2)  # alpha of 1/4

    def risk(s):
        two = torch.stack([torch.zeros_like(s), s])
        return eta @ focal_loss(two.expand(2, 2), both, class_weight=weight, reduction="none")

    s = column(0.0)
    for _ in range(30):
        slope = torch.func.grad(risk)
        s = s - (slope(s) / torch.func.grad(slope)(s)).clamp(-1, 1)
    back = (focal_recalibrate(s, dim=None) - math.log(1 / 3)).sigmoid()
    close(back.item(), 0.1, 1e-9)
    close(focal_recalibrate(s, dim=None).sigmoid().item(), 1 / 28, 1e-9)


def test_best_scores_of_weights_and_of_adjustment_are_the_same():
    eta, prior = column([0.7, 0.3]), column([0.99, 0.01])
    best = (eta / prior).log()
    both = torch.arange(2)

    def weighted(s):
        rows = focal_loss(s.expand(2, 2), both, gamma=0, class_weight=1 / prior, reduction="none")
        return eta @ rows

    def adjusted(s):
        return eta @ logit_adjusted_cross_entropy(s.expand(2, 2), both, prior, reduction="none")

    for loss in (weighted, adjusted):
        assert torch.func.grad(loss)(best).abs().max() < 1e-12
    close(best.softmax(-1)[1].item(), 297 / 304)
    close((best[1] - best[0]).item(), 3.74782198974739)


@pytest.mark.parametrize("n", [4, 99])
@pytest.mark.parametrize("k", [0.0, 0.5, 3.0])
def test_weights_fade_to_their_root_and_adjustment_does_not(k, n):
    x, y = column([1.0] + [-1.0] * n), torch.tensor([1] + [0] * n)

    def scores(b):
        return torch.stack([torch.zeros(n + 1, dtype=F64), k * x + b], -1)

    z = ((n - 1) + math.sqrt((n - 1) ** 2 + 4 * n * math.exp(2 * k))) / (2 * math.exp(k))
    assert math.sqrt(n) < z < n + 1e-9
    for power, best in ((0, -math.log(z)), (1, 0.0), (2, math.log(z))):
        weight = column([1.0, float(n) ** power])
        slope = torch.func.grad(lambda b, w=weight: focal_loss(scores(b), y, gamma=0, class_weight=w))
        assert slope(column(best)).abs() < 1e-10
    counts = torch.tensor([n, 1])
    adjusted = torch.func.grad(lambda b: logit_adjusted_cross_entropy(scores(b), y, counts))
    assert adjusted(column(math.log(n) - math.log(z))).abs() < 1e-12


def test_rows_drawn_more_often_are_rows_with_weights():
    x, t, often = Draw(0).normal(9, 3), Draw(1).below(3, 9), column([1.0, 4.0, 10.0])
    draws = torch.utils.data.WeightedRandomSampler(often[t], num_samples=4)
    law = draws.weights / draws.weights.sum()
    drawn = law @ focal_loss(x, t, gamma=0, reduction="none")
    weighted = focal_loss(x, t, gamma=0, class_weight=often, reduction="sum")
    torch.testing.assert_close(drawn, weighted / often[t].sum())


@pytest.mark.parametrize("gamma", GAMMAS)
def test_hard_labels_of_torchvision(gamma):
    s, t = Draw(0).normal(30), Draw(1).labels(30)
    want = torchvision_focal(s, t.double(), 0.25, gamma)
    ours = 0.75 * binary_focal_loss(s, t, gamma=gamma, pos_weight=1 / 3, reduction="none")
    torch.testing.assert_close(ours, want)


def test_measures_of_scikit_learn():
    x, t = Draw(0).normal(60, 4), Draw(1).below(4, 60)
    close(balanced_error(x, t).item(), 1 - balanced_accuracy_score(t, x.argmax(-1)))
    s, y = Draw(2).normal(40).round(decimals=1), Draw(3).labels(40)  # with ties
    cut, f1 = f1_optimal_threshold(s, y)
    close(f1.item(), f1_score(y, s > cut))
    best = max(f1_score(y, s > c, zero_division=0) for c in [-9.0, *s.tolist()])
    close(f1.item(), best)
    p = focal_recalibrate(x, gamma=2).exp().double()
    assert np.isfinite(log_loss(t, p.numpy(), labels=range(4)))


def test_derivatives():
    x, t = Draw(0).normal(3, 4), torch.tensor([0, 2, 3])
    assert_derivatives(lambda x: focal_loss(x, t, gamma=2, reduction="none"), x)
    assert_derivatives(lambda x: focal_recalibrate(x, gamma=1.5), x)
    assert_derivatives(lambda x: focal_recalibrate(x, gamma=1.5, dim=None), x)
    assert_derivatives(
        lambda x, y: binary_focal_loss(x, y, gamma=0.5, reduction="none"), x, Draw(1).uniform(3, 4)
    )


# --------------------------------------------------------------------------- failure


def test_published_form_is_bold_on_soft_labels_and_ours_modest():
    s = torch.linspace(-9, 9, 18_001, dtype=F64)
    nine = torch.full_like(s, 0.9)
    published = s[torchvision_focal(s, nine, 0.5, 2).argmin()].sigmoid().item()
    ours = s[binary_focal_loss(s, nine, gamma=2, reduction="none").argmin()].sigmoid().item()
    close(published, 0.98624614264761, 1e-4)
    close(ours, 1 - LEARNT[2], 1e-3)


def test_published_form_has_no_slope_where_ours_has():
    s = torch.tensor(20.0, requires_grad=True)
    (slope,) = torch.autograd.grad(torchvision_focal(s, torch.ones(()), 0.5, 0.5), s)
    assert slope.isnan()
    (ours,) = torch.autograd.grad(binary_focal_loss(s, torch.ones(()), gamma=0.5), s)
    p = mpmath.exp(-20)
    assert ours.item() == pytest.approx(float(-(p**1.5) * 1.5), rel=1e-5)


def test_infinite_scores():
    x = column([[INF, 0.0, 0.0], [-INF, 0.0, 0.0], [0.0, -INF, -INF], [INF, INF, 0.0], [-INF] * 3])
    first = torch.zeros(5, dtype=torch.int64)
    for loss in (focal_loss, lambda x, t, **k: logit_adjusted_cross_entropy(x, t, torch.ones(3), **k)):
        rows = loss(x, first, reduction="none")
        assert rows[[0, 2]].tolist() == [0, 0]
        assert rows[[1, 4]].tolist() == [INF, INF]
    close(focal_loss(x, first, reduction="none")[3].item(), math.log(2) / 4)
    x.requires_grad_()
    (slope,) = torch.autograd.grad(focal_loss(x, first, reduction="none").sum(), x)
    assert slope.isfinite().all()
    s = column([INF, -INF, INF, -INF])
    rows = binary_focal_loss(s, torch.tensor([1, 0, 0, 1]), reduction="none")
    assert rows.tolist() == [0, 0, INF, INF]


def test_infinite_scores_are_recalibrated_to_themselves():
    x = column([[INF, 0.0, -INF], [0.0, 0.0, -INF], [-INF, -INF, -INF], [NAN, 0.0, 0.0]])
    p = focal_recalibrate(x).exp()
    assert_close(p[:2], [1, 0, 0, 0.5, 0.5, 0], 1e-14)
    assert p[2:].isnan().all()
    s = column([INF, -INF, 0.0, 1e30, NAN])
    assert_close(focal_recalibrate(s, dim=None)[:4], [INF, -INF, 0.0, 3e30], 1e-12)
    assert focal_recalibrate(s, dim=None)[4].isnan()
    far = focal_recalibrate(column([300.0, -300.0]), gamma=2, dim=None)
    assert_close(far, [900 - math.log(3), math.log(3) - 900], 1e-14)
    assert_close(focal_recalibrate(column([1e6]), gamma=2, dim=None), [3e6 - math.log(3)], 1e-14)
    slope = torch.func.grad(lambda s: focal_recalibrate(s, gamma=0, dim=None))(column(10001.0))
    assert slope == 1
    for end in (INF, -INF):
        assert torch.func.grad(lambda s: focal_recalibrate(s, dim=None))(column(end)) == 0
    assert_close(focal_recalibrate(column([[0.0, -3e4]]), gamma=2), [0.0, math.log(3) - 9e4], 1e-14)
    wide = focal_recalibrate(column([[300.0, 0.0]]), gamma=2)
    assert_close(wide, [0.0, math.log(3) - 900], 1e-14)


def exact_ratio(s):
    return mpmath.exp(s) * mpmath.log1p(mpmath.exp(-s))


def test_the_way_back_keeps_its_digits():
    def exact(s, gamma):
        with mpmath.workdps(60):
            s = mpmath.mpf(s)
            quotient = (1 + gamma * exact_ratio(s)) / (1 + gamma * exact_ratio(-s))
            return float((1 + gamma) * s - mpmath.log(quotient))

    s = [1e-12, -1e-5, 0.3, -0.999, 1.0, 1.001, 6.95, -40.0]
    for gamma in (0.5, 2, 5):
        assert_close(focal_recalibrate(column(s), gamma=gamma, dim=None), [exact(v, gamma) for v in s], 1e-14)
    assert_close(_ratio(column([6.95])), [float(exact_ratio(mpmath.mpf(6.95)))], 1e-15)


def test_numbers_that_float32_does_not_have():
    x, t = torch.zeros(1, 2), torch.tensor([0])
    tiny = column([1e-50, 1.0])
    close(logit_adjusted_cross_entropy(x, t, tiny).item(), 50 * math.log(10), 1e-4)
    close(logit_adjusted_cross_entropy(x, t, column([1e40, 1e38])).item(), math.log(1.01), 1e-6)
    close(logit_adjusted_cross_entropy(x, t, tiny, tau=0).item(), math.log(2), 1e-6)
    yes = torch.ones(1, 2)
    assert_refused(
        [
            (ValueError, "class_weight must be positive", lambda: focal_loss(x, t, class_weight=tiny)),
            (ValueError, "pos_weight must be positive", lambda: binary_focal_loss(x, yes, pos_weight=tiny)),
            (ValueError, "pos_weight must be positive", lambda: binary_focal_loss(x, yes, pos_weight=1e-50)),
            (ValueError, "pos_weight must be positive", lambda: binary_focal_loss(x, yes, pos_weight=INF)),
            (ValueError, "gamma must be at least 0", lambda: focal_loss(x, t, gamma=1e39)),
        ]
    )


def test_certain_labels_at_infinite_scores():
    s, most = torch.tensor(INF), torch.tensor(1.0000002)
    assert binary_focal_loss(s, most) == 0
    for gamma in (0.0, 2.0):
        slope = torch.func.grad(lambda t, g=gamma: binary_focal_loss(s, t, gamma=g))
        assert slope(torch.tensor(1.0)) == -INF
        assert torch.func.grad(lambda t, g=gamma: binary_focal_loss(-s, t, gamma=g))(torch.tensor(0.0)) == INF


def test_pos_weight_is_a_constant_of_any_real_type():
    s, weight = Draw(0).normal(3), column(2.0).requires_grad_()
    want = binary_focal_loss(s, torch.ones(3), pos_weight=2.0)
    got = binary_focal_loss(s, torch.ones(3), pos_weight=weight)
    assert not got.requires_grad
    assert got == want == binary_focal_loss(s, torch.ones(3), pos_weight=torch.tensor(2))


def test_nan_beside_a_masked_right_class():
    rows = focal_loss(column([[-INF, NAN, 0.0]]), torch.tensor([0]), reduction="none")
    assert rows.isnan().all()


def test_nothing_to_do():
    none = torch.empty(0, 3)
    label = torch.empty(0, dtype=torch.int64)
    assert focal_loss(none, label).isnan()
    assert focal_loss(none, label, reduction="sum") == 0
    assert focal_loss(torch.zeros(2, 3), torch.tensor([-100, -100])).isnan()
    assert balanced_error(none, label).isnan()
    assert focal_loss(torch.zeros(1, 1), torch.tensor([0])) == 0
    cut, f1 = f1_optimal_threshold(column([0.2, 0.7]), torch.tensor([0, 0]))
    assert (cut, f1) == (0.7, 0)
    cut, f1 = f1_optimal_threshold(column([0.5, 0.5]), torch.tensor([1, 0]))
    assert cut == -INF
    close(f1.item(), 2 / 3)
    cut, f1 = f1_optimal_threshold(column([[NAN, 0.5], [0.25, 0.5]]), torch.tensor([[1, 0], [0, 1]]))
    assert cut[0].isnan()
    assert (cut[1], f1[1]) == (0.375, 1)


@pytest.mark.parametrize("last_bit", [0, 1])  # to which of the two their middle is rounded
def test_neighbouring_scores_are_told_apart(last_bit):
    a = torch.tensor(1.0 + last_bit * 2.0**-23)
    b = torch.nextafter(a, torch.tensor(2.0))
    cut, f1 = f1_optimal_threshold(torch.stack([a, b]), torch.tensor([0, 1]))
    assert f1 == 1
    assert (b > cut) & ~(a > cut)


def test_wrong_arguments():
    x, t = torch.zeros(2, 3), torch.tensor([0, 1])
    assert_refused(
        [
            (ValueError, "gamma must be at least 0", lambda: focal_loss(x, t, gamma=-1)),
            (ValueError, "class_weight must be positive", lambda: focal_loss(x, t, class_weight=x[0])),
            (ValueError, "class_weight must have shape", lambda: focal_loss(x, t, class_weight=x[:, 0])),
            (ValueError, "prior must be positive", lambda: logit_adjusted_cross_entropy(x, t, x[0])),
            (TypeError, "prior must be real", lambda: logit_adjusted_cross_entropy(x, t, x[0] > 0)),
            (ValueError, "tau must be finite", lambda: logit_adjusted_cross_entropy(x, t, x[0] + 1, tau=INF)),
            (ValueError, "target must be in", lambda: focal_loss(x, t + 2)),
            (ValueError, "target must be in", lambda: binary_focal_loss(x, x + 2)),
            (ValueError, "pos_weight must be positive", lambda: binary_focal_loss(x, x, pos_weight=0.0)),
            (ValueError, "dim must be an axis", lambda: focal_recalibrate(x, dim=2)),
        ]
    )
