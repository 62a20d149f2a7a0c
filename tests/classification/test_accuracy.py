"""The expected accuracy and its loss: what only this chapter knows."""

import math

import mpmath as mp
import pytest
import torch
from helpers import DTYPES, F64, INF, NAN, Draw, assert_close, assert_refused, close, column, gradient, seeded

from lemmata.classification import expected_accuracy, expected_accuracy_loss
from lemmata.simplex import perturbed_argmax_prob

ROOT = math.sqrt(2)
FIRST = torch.tensor(0)
BOTH = (expected_accuracy, expected_accuracy_loss)
THREE = ((-0.25, 0), (0.0, 0), (0.25, 1))
FIVE = ((-6, 0), (-5, 1), (-4, 1), (0, 0), (2, 1))


def on_a_line(points, b, tau, **options):
    """The loss of the classifier that says 1 beyond b, with noise tau on the difference, for each b."""
    x, y = column([float(x) for x, _ in points]), torch.tensor([y for _, y in points])
    scores = torch.stack([torch.zeros(len(b), len(x), dtype=F64), x - b[:, None]], -1)
    options = dict(sigma=tau / ROOT, reduction="none") | options
    return expected_accuracy_loss(scores, y.expand(len(b), -1), **options).sum(-1)


def best(points, tau, low, high, **options):
    """The b of the least loss, by a grid that is refined."""
    for _ in range(12):
        b = torch.linspace(low, high, 41, dtype=F64)
        at = int(on_a_line(points, b, tau, **options).argmin())
        low, high = b[max(at - 1, 0)].item(), b[min(at + 1, 40)].item()
    return (low + high) / 2


# ------------------------------------------------------------------- identity


def test_loss_is_what_the_accuracy_lacks_and_log_is_its_logarithm():
    x, y = Draw(0).normal(6, 5, scale=2), Draw(1).below(5, 6)
    for reduction in ("none", "mean", "sum"):
        options = dict(sigma=0.7, reduction=reduction)
        right, loss = expected_accuracy(x, y, **options), expected_accuracy_loss(x, y, **options)
        total = 6 if reduction == "sum" else 1
        torch.testing.assert_close(loss, total - right, rtol=0, atol=1e-13)
    log_loss = expected_accuracy_loss(x, y, sigma=0.7, log=True, reduction="none")
    torch.testing.assert_close((-log_loss).exp(), expected_accuracy(x, y, sigma=0.7, reduction="none"))
    assert torch.equal(expected_accuracy(x, y), expected_accuracy(x, y, sigma=1.0, reduction="mean"))
    assert torch.equal(expected_accuracy_loss(x, y), expected_accuracy_loss(x, y, log=False, sigma=1.0))


def test_it_is_the_probability_of_the_simplex_part_and_sigma_is_a_scale():
    x, y = Draw(2).normal(4, 3), torch.tensor([0, 2, 1, 1])
    p = perturbed_argmax_prob(x / 0.3, noise="normal")[range(4), y]
    torch.testing.assert_close(expected_accuracy(x, y, sigma=0.3, reduction="none"), p)
    torch.testing.assert_close(expected_accuracy(x + 7, y, sigma=0.3, reduction="none"), p)
    torch.testing.assert_close(expected_accuracy(x[:, [1, 2, 0]], (y + 2) % 3, sigma=0.3), p.mean())


@pytest.mark.parametrize("n", [1, 2, 3, 7, 40])
def test_equal_scores_are_right_once_in_n(n):
    x = torch.full((n,), 3.0, dtype=F64)
    close(expected_accuracy(x, FIRST).item(), 1 / n)
    close(expected_accuracy_loss(x, FIRST).item(), 1 - 1 / n)
    close(expected_accuracy_loss(x, FIRST, log=True).item(), math.log(n))


@pytest.mark.parametrize("n", [2, 3, 10])
def test_equal_scores_pull_n_times_less_than_their_logarithm(n):
    x = torch.zeros(n, dtype=F64)
    plain, log = (
        gradient(lambda x, o=log: expected_accuracy_loss(x, FIRST, log=o), x) for log in (False, True)
    )
    assert_close(n * plain, log, 1e-12)


def test_without_noise_it_is_the_accuracy_and_ties_share():
    x = column([[1.0, 0.0, 0.5], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [2.0, 2.0, 2.0]])
    found = expected_accuracy(x, torch.tensor([0, 0, 0, 1]), sigma=1e-3, reduction="none")
    assert_close(found, [1, 1 / 2, 0, 1 / 3], 1e-12)


def test_of_the_jacobian_nothing_is_left_in_a_row_and_a_third_class_can_come_between():
    def p(x):
        return torch.stack([expected_accuracy(x, torch.tensor(i)) for i in range(3)])

    J = torch.autograd.functional.jacobian(p, column([1.0, 0.0, -1.0]))
    assert_close(J[0], [0.247343813345796, -0.195455376168221, -0.0518884371775743], 1e-13)
    torch.testing.assert_close(J, J.T)
    assert J.sum(-1).abs().max() < 1e-15
    two = gradient(lambda x: expected_accuracy(x, FIRST), column([0.0, 0.0]))
    assert_close(two * math.sqrt(math.pi), [0.5, -0.5], 1e-13)
    far = gradient(lambda x: expected_accuracy(x, FIRST), column([0.0, 0.0, 30.0]))
    assert far.abs().max() < 1e-60


def test_rows_that_are_wrong_cost_at_least_what_is_said():
    x, y = Draw(3).normal(300, 4, scale=3), Draw(4).below(4, 300)
    wrong = (x.argmax(-1) != y).double()
    loss, log_loss = (expected_accuracy_loss(x, y, log=log, reduction="none") for log in (False, True))
    assert (2 * loss >= wrong).all()
    assert (log_loss >= wrong * math.log(2)).all()
    assert (log_loss >= loss).all()


# ------------------------------------------------------------------- agreement


def test_reference_numbers():
    for row, expected in (
        ([1, 0], (0.760249938906523, 0.239750061093477)),
        ([1, 0, -1], (0.728751015300469, 0.224098304780442, 0.0471506799190884)),
        ([2, 1, 0, -1], (0.725301847863113, 0.222284052038823, 0.0464487484962943, 5.96535160176921e-3)),
    ):
        x = column([float(v) for v in row]).expand(len(row), -1)
        assert_close(expected_accuracy(x, torch.arange(len(row)), reduction="none"), expected, 2e-14)


def test_two_classes_are_one_normal_distribution_function():
    mp.mp.dps = 40
    d = column([-40.0, -12.0, -1.0, 0.0, 2.0, 9.0, 15.0])
    x = torch.stack([d, torch.zeros_like(d)], -1)
    target = torch.zeros(7, dtype=torch.int64)
    z = [mp.mpf(v) / mp.mpf(1.25) / mp.sqrt(2) for v in d.tolist()]
    options = dict(sigma=1.25, reduction="none")
    assert_close(expected_accuracy(x, target, **options), [mp.ncdf(v) for v in z], 1e-12, 1e-14)
    assert_close(expected_accuracy_loss(x, target, **options), [mp.ncdf(-v) for v in z], 1e-11)
    log_loss = expected_accuracy_loss(x, target, log=True, **options)
    assert_close(log_loss[:4], [-mp.log(mp.ncdf(v)) for v in z[:4]], 1e-12)
    assert_close(log_loss[4:], [-mp.log(mp.ncdf(v)) for v in z[4:]], 0, 1e-12)


@pytest.mark.parametrize("dtype", DTYPES[:2])
def test_a_row_that_is_right_by_far_keeps_its_digits(dtype):
    for lead, loss, slope in ((8.0, 1.5411026805e-08, None), (12.0, 2.151972898553e-17, 1.30865e-16)):
        x = column([lead, 0.0, 0.0], dtype=dtype)
        assert expected_accuracy_loss(x, FIRST).item() == pytest.approx(loss, rel=2e-6)
        found = gradient(lambda x: expected_accuracy_loss(x, FIRST), x)
        assert slope is None or found[0].item() == pytest.approx(-slope, rel=1e-5)


def normal_tail(lead):
    """The loss, its logarithmic form and their slopes for two classes, the right one ahead by the lead."""
    z = mp.mpf(lead) / mp.sqrt(2)
    loss, slope = mp.ncdf(-z), mp.npdf(z) / mp.sqrt(2)
    return [(loss, slope), (-mp.log1p(-loss), slope / (1 - loss))]


def test_how_far_ahead_digits_are_kept():
    mp.mp.dps = 60
    for dtype, lead, log, tolerance in (
        (F64, 12, False, 1e-13),
        (F64, 16, False, 1e-13),
        (F64, 18, False, 1e-10),
        (F64, 12, True, 1e-13),
        (F64, 40, True, 1e-12),
        (torch.float32, 8, True, 1e-5),
        (torch.float32, 16, False, 1e-5),
        (torch.float32, 16, True, 1e-5),
    ):
        loss, slope = (float(v) for v in normal_tail(lead)[log])
        x = column([float(lead), 0.0], dtype=dtype)
        found = gradient(lambda x, log=log: expected_accuracy_loss(x, FIRST, log=log), x)
        assert expected_accuracy_loss(x, FIRST, log=log).item() == pytest.approx(loss, rel=tolerance)
        assert found.tolist() == pytest.approx([-slope, slope], rel=10 * tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_logarithm_of_a_row_that_is_right_by_far_is_positive_and_falls(dtype):
    x = column([8.0, 0.0, 0.0], dtype=dtype)
    loss = expected_accuracy_loss(x, FIRST, log=True)
    slope = gradient(lambda x: expected_accuracy_loss(x, FIRST, log=True), x)
    least = 6e-8 if dtype == torch.float16 else 0  # its smallest number
    assert loss.item() == pytest.approx(1.5411026924e-08, rel=0.01, abs=least)
    assert slope[0].item() == pytest.approx(-6.3456e-08, rel=0.01, abs=least / 4)
    assert slope[0] < 0 <= slope[1]
    one = column([3.0], dtype=dtype)
    assert expected_accuracy_loss(one, FIRST, log=True) == 0
    assert gradient(lambda x: expected_accuracy_loss(x, FIRST, log=True), one) == 0


def test_the_pull_of_the_logarithm_on_a_row_that_is_wrong_by_far():
    for ahead in (1, 2, 3):
        x = column([0.0] + [40 * 0.5] * ahead)
        slope = gradient(lambda x: expected_accuracy_loss(x, FIRST, sigma=0.5, log=True), x)[0]
        assert -slope.item() == pytest.approx(ahead / (ahead + 1) * 20 / 0.5**2, rel=5e-3)


@pytest.mark.parametrize("dtype", DTYPES[:2])
def test_behind_by_100_it_is_right_and_further_it_bounds_from_above(dtype):
    hundred = column([0.0, 100.0], dtype=dtype)
    true = -float(mp.log(mp.ncdf(-100 / mp.sqrt(2))))
    assert expected_accuracy_loss(hundred, FIRST, log=True).item() == pytest.approx(true, rel=1e-6)
    for gap in (1e3, 1e4, 1e6, 4e9):
        x = column([0.0, gap], dtype=dtype)
        slope = gradient(lambda x: expected_accuracy_loss(x, FIRST, log=True), x)
        assert 1 < expected_accuracy_loss(x, FIRST, log=True).item() / (gap**2 / 4) < 2
        assert 1 < -slope[0].item() / (gap / 2) < 2


def test_a_row_that_is_wrong_by_far_has_its_slope_in_the_logarithm():
    x = column([-12.0, 0.0, 0.0])
    slope = gradient(lambda x: expected_accuracy_loss(x, FIRST, log=True), x)
    close(expected_accuracy_loss(x, FIRST, log=True).item(), 53.2173257160796, 1e-13)
    assert_close(-slope, [8.158, -4.079, -4.079], 1e-4)
    assert gradient(lambda x: expected_accuracy_loss(x, FIRST), x.float()).abs().max() < 1e-20
    forty = gradient(lambda x: expected_accuracy_loss(x, FIRST, log=True), column([0.0, 40.0]).float())
    assert_close(forty, [-20.02493788705414, 20.02493788705414], 1e-5)


def sampled(gaps, draws, generator):
    """Genz's idea: one difference after the other, from a normal law that is cut at 0."""
    L = torch.linalg.cholesky(torch.eye(len(gaps), dtype=gaps.dtype) + 1)
    noise, weight = torch.zeros(draws, 0, dtype=gaps.dtype), torch.ones(draws, dtype=gaps.dtype)
    for i, gap in enumerate(gaps):
        inside = torch.special.ndtr((gap + noise @ L[i, :i]) / L[i, i])
        u = torch.rand(draws, generator=generator, dtype=gaps.dtype)
        noise = torch.cat([noise, -torch.special.ndtri(u * inside)[:, None]], -1)
        weight = weight * inside
    return weight


def test_against_the_sampler_of_the_authors():
    x = column([1.0, 0.5, 0.0, -0.5, -1.0, 0.2])
    exact = expected_accuracy(x, FIRST).item()
    few = torch.stack([sampled(x[:1] - x[1:], 16, seeded(seed)).mean() for seed in range(200)])
    assert 1e-3 < few.std() < 0.1
    many = sampled(x[:1] - x[1:], 200_000, seeded(7))
    assert abs(many.mean() - exact) < 6 * many.std() / 200_000**0.5  # once in 500 million
    assert sampled(torch.tensor([-12.0, -12.0]), 16, seeded()).mean() == 0


@pytest.mark.parametrize("tau", [0.1, 0.25, 0.5, 1.0, ROOT])
def test_three_points_have_this_best_threshold(tau):
    closed = 4 * tau**2 * math.asinh(math.exp(1 / (32 * tau**2)) / 2)
    assert best(THREE, tau, 0.0, 6.0) == pytest.approx(closed, abs=1e-6)


def test_three_points_are_perfect_below_these_temperatures():
    for log, critical in ((False, 0.31139040275028395), (True, 0.50089727561779777)):
        assert best(THREE, critical - 1e-3, 0.0, 2.0, log=log) < 0.25
        assert best(THREE, critical + 1e-3, 0.0, 2.0, log=log) > 0.25
    hot = 1000.0  # the logarithm tends to the base rate, two thirds of one class
    frequency = 0.5 * math.erfc(-best(THREE, hot, 0.0, 4000.0, log=True) / hot / ROOT)
    assert frequency == pytest.approx(2 / 3, abs=1e-3)


def test_five_points_one_of_which_is_wrong():
    assert best(FIVE, 1.0, -8.0, 2.0) == pytest.approx(-5.7516, abs=1e-4)
    assert best(FIVE, 0.3, -8.0, 2.0) == pytest.approx(-5.5, abs=1e-4)
    assert best(FIVE, 1.0, -8.0, 2.0, log=True) == pytest.approx(-3.2335, abs=1e-4)
    assert best(FIVE, 10.0, -20.0, 2.0) < -12


def test_the_majority_and_the_frequencies():
    y = torch.tensor([0, 0, 0, 1])
    for log, expected in ((True, 0.75), (False, 1.0)):
        x = torch.zeros(2, dtype=F64, requires_grad=True)
        optimizer = torch.optim.LBFGS([x], max_iter=200, line_search_fn="strong_wolfe")

        def closure(x=x, log=log, optimizer=optimizer):
            optimizer.zero_grad()
            loss = expected_accuracy_loss(x.expand(4, 2), y, log=log)
            loss.backward()
            return loss

        optimizer.step(closure)
        assert expected_accuracy(x.detach(), FIRST).item() == pytest.approx(expected, abs=1e-3)


# ------------------------------------------------------------------- failure


def test_what_is_masked_infinite_or_nan():
    x = column([[-INF, 0.0, 1.0], [1.0, -INF, 0.0], [-INF] * 3, [INF, INF, 0.0], [NAN, 0.0, 0.0]])
    y = torch.zeros(5, dtype=torch.int64)
    right = expected_accuracy(x[:4], y[:4], reduction="none")
    assert_close(right, [0, 0.760249938906523, 0, 0.5], 1e-13)
    loss = expected_accuracy_loss(x[:4], y[:4], reduction="none")
    assert_close(loss, [1, 0.239750061093477, 1, 0.5], 1e-13)
    log_loss = expected_accuracy_loss(x, y, log=True, reduction="none")
    assert_close(log_loss[:4], [INF, -math.log(0.760249938906523), INF, math.log(2)], 1e-13)
    for log in (False, True):
        assert expected_accuracy_loss(x[4:], y[4:], log=log).isnan()
        options = dict(log=log, reduction="none")
        slope = gradient(lambda x, o=options: expected_accuracy_loss(x, y[:4], **o), x[:4])
        assert slope.isfinite().all()
        assert (slope[x[:4].isinf()] == 0).all()
    assert expected_accuracy_loss(column([[NAN]]), FIRST[None]).isnan()


def test_ignored_rows_and_empty_batches():
    x, y = Draw(5).normal(4, 3), torch.tensor([0, 7, 2, 7])
    for function in (expected_accuracy, expected_accuracy_loss):
        rows = function(x, y, ignore_index=7, reduction="none")
        assert (rows[[1, 3]] == 0).all()
        torch.testing.assert_close(function(x, y, ignore_index=7), rows.sum() / 2)
        slope = gradient(lambda x, f=function: f(x, y, ignore_index=7), x)
        assert (slope[[1, 3]] == 0).all()
        assert slope[0].abs().max() > 0
        assert function(x, torch.full((4,), -100)).isnan()
        none = torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)
        assert function(*none).isnan()
        assert function(*none, reduction="sum") == 0
        assert function(x[:2, None], y[[0, 2], None]).shape == ()
        one = function(torch.zeros(2, 1), torch.tensor([-100, 0]), reduction="none")  # of a single class
        assert one.tolist() == [0, function is expected_accuracy]


def test_an_ignored_row_of_nan_has_gradient_0():
    x, y = column([[1.0, 0.0], [NAN, 0.0], [INF, INF]]), torch.tensor([1, -100, -100])
    for options in ({}, {"log": True}):
        loss = gradient(lambda x, o=options: expected_accuracy_loss(x, y, **o), x)
        assert loss[0, 1] < 0 < loss[0, 0]
        assert (loss[1:] == 0).all()
    assert (gradient(lambda x: expected_accuracy(x, y), x)[1:] == 0).all()


@pytest.mark.parametrize("dtype", DTYPES[2:])
def test_half_types_are_computed_in_float32(dtype):
    x, y = (Draw(6).normal(50, 10) * 2).to(dtype), Draw(7).below(10, 50)
    for log in (False, True):
        found = expected_accuracy_loss(x, y, sigma=0.3, log=log, reduction="none")
        exact = expected_accuracy_loss(x.double(), y, sigma=0.3, log=log, reduction="none")
        assert found.dtype == dtype
        torch.testing.assert_close(found, exact.to(dtype), rtol=torch.finfo(dtype).eps, atol=1e-7)


def test_scores_that_overflow_beside_a_small_sigma():
    for row, sigma, dtype in (
        ([8.0, 4.0], 1e-38, torch.float32),
        ([8.0, 4.0], 1e-300, torch.float32),
        ([8.0, 4.0], 1e-310, F64),
        ([3e38, 1e38], 0.1, torch.float32),
        ([3e38, -3e38], 1.0, torch.float32),
        ([INF, 3e38], 0.1, torch.float32),
    ):
        x = column(row, dtype=dtype)
        both = [torch.stack([f(x, torch.tensor(i), sigma=sigma) for i in (0, 1)]) for f in BOTH]
        assert_close(both[0], [1, 0], 1e-6)
        assert_close(both[1], [0, 1], 1e-6)
        assert expected_accuracy_loss(x, FIRST, sigma=sigma, log=True) == 0
        for log in (False, True):
            slope = gradient(lambda x, s=sigma, g=log: expected_accuracy_loss(x, FIRST, sigma=s, log=g), x)
            assert (slope == 0).all()
    for dtype, sigma in ((torch.float32, 1e-46), (F64, 1e-310)):
        tied = column([7.0, 7.0, 1.0], dtype=dtype)
        assert expected_accuracy(tied, FIRST, sigma=sigma).item() == pytest.approx(0.5)


def test_log_must_be_a_bool():
    for log in ("no", 1, None):
        with pytest.raises(TypeError, match="log must be a bool, got"):
            expected_accuracy_loss(torch.zeros(2), FIRST, log=log)


@pytest.mark.parametrize("function", [expected_accuracy, expected_accuracy_loss])
def test_refusals(function):
    x, y = torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)
    assert_refused(
        [
            (ValueError, r"sigma must be positive, got 0", lambda: function(x, y, sigma=0)),
            (ValueError, r"sigma must be finite, got inf", lambda: function(x, y, sigma=INF)),
            (ValueError, r"target must be in \[0, 3\), got", lambda: function(x, y + 3)),
            (ValueError, r"target must have shape \(2,\) beside input", lambda: function(x, y[:1])),
            (TypeError, "target must be int64", lambda: function(x, y.int())),
            (TypeError, "input must be float64", lambda: function(y[:, None], y)),
            (ValueError, "at least one entry", lambda: function(x[:, :0], y)),
            (ValueError, "axis of classes", lambda: function(x[0, 0], y)),
        ]
    )
