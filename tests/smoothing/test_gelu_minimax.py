"""Minimax fits: identities, agreement with closed forms and mpmath, fits that there are not."""

import math
from functools import cache

import pytest
import torch
from helpers import INF, NAN, assert_close, column, seeded
from mpmath import mp

from lemmata.smoothing import MinimaxFit, gelu, minimax_fit
from lemmata.smoothing._gelu.minimax import _exchange

ROOT = math.sqrt(2 / math.pi)


# ------------------------------------------------------------------- what is fitted


def polynomial(x, *c):
    """c_0 + c_1 x + ..."""
    return sum(ck * x**k for k, ck in enumerate(c))


def phi(x):
    return torch.special.erfc(-x / math.sqrt(2)) / 2


def error_function(x):
    return torch.erf(x / math.sqrt(2))


def exact_gelu(x):
    return x * phi(x)


def assert_levelled(f, g, fit, domain):
    """Alternates at its points and is nowhere larger."""
    residual = f(fit.points) - g(fit.points, *fit.parameters)
    assert (residual.diff().sign().diff().abs() == 2).all()
    torch.testing.assert_close(residual.abs(), torch.full_like(residual, fit.error), rtol=1e-9, atol=1e-14)
    grid = torch.linspace(*domain, 50_001, dtype=torch.float64)
    assert (f(grid) - g(grid, *fit.parameters)).abs().max() <= fit.error * (1 + 1e-9) + 1e-14
    assert (fit.points.diff() > 0).all()
    assert len(fit.points) == len(fit.parameters) + 1


def fit_and_check(f, g, initial, domain):
    fit = minimax_fit(f, g, initial, domain)
    assert isinstance(fit, MinimaxFit)
    assert fit.parameters.dtype == fit.points.dtype == torch.float64
    assert isinstance(fit.error, float)
    assert_levelled(f, g, fit, domain)
    return fit


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([1, -2, 3], [1, -2, 3]),
        ([1, -2, 3, -4], [-2, 3, -4]),
        ([4, -3, 2, -1], [4, -3, 2]),
        ([4, -1, 2, -3], [4, -1, 2]),  # one too many: an end goes, though the least is inside
        ([3, -1, 2, -4, 5], [3, -4, 5]),  # the least and its smaller neighbour
        ([3, -2, 1, -4, 5], [3, -4, 5]),
        ([5, -1, 3, -4, 2, -6, 7], [5, -6, 7]),
    ],
)
def test_an_exchange_keeps_the_largest_that_alternate(values, kept):
    points = torch.arange(len(values), dtype=torch.float64)
    found, left = _exchange(points, column([float(v) for v in values]), 3)
    assert left.tolist() == kept
    assert [values[int(p)] for p in found.tolist()] == kept


def test_an_exchange_never_loses_the_largest():
    generator = seeded(1)
    for count in (2, 3, 4):
        for size in range(count, 12):
            signs = 1 - 2.0 * (torch.arange(size) % 2)
            values = signs * torch.rand(size, generator=generator)
            points, left = _exchange(torch.arange(size).double(), values, count)
            assert len(left) == count
            assert left.abs().max() == values.abs().max()
            assert (left.sign().diff().abs() == 2).all()
            assert torch.equal(values[points.long()], left)


def test_gradients_of_what_is_fitted_stay_outside():
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    fit = minimax_fit(lambda x: scale * x.exp(), lambda x, c: c, (0.0,), (0.0, 1.0))
    assert not fit.parameters.requires_grad
    assert fit.error == pytest.approx(math.e - 1)


def test_what_the_family_contains_is_met():
    fit = minimax_fit(lambda x: 2 * x + 1, polynomial, (0.0, 0.0), (0.0, 1.0))
    assert_close(fit.parameters, [1, 2], 1e-14)
    assert fit.error <= 1e-14
    fit = minimax_fit(torch.zeros_like, lambda x, c: c * x, (3.0,), (0.0, 1.0))
    assert (fit.parameters.item(), fit.error) == (0, 0)


# ------------------------------------------------------------------- agreement


def test_best_constant_is_half_way():
    fit = fit_and_check(torch.exp, lambda x, c: c, (0.0,), (-1.0, 2.0))
    low, high = math.exp(-1), math.exp(2)
    assert_close(fit.parameters, [(low + high) / 2], 1e-14)
    assert fit.error == pytest.approx((high - low) / 2, rel=1e-14)
    assert fit.points.tolist() == [-1, 2]


def test_best_line_for_the_exponential():
    fit = fit_and_check(torch.exp, polynomial, (0.0, 0.0), (0.0, 1.0))
    slope = math.e - 1  # the chord's; the tangent of that slope touches at log(e - 1)
    touch = math.log(slope)
    offset = (1 + slope - slope * touch) / 2
    assert_close(fit.parameters, [offset, slope], 1e-14)
    assert fit.error == pytest.approx(1 - offset, rel=1e-13)
    assert_close(fit.points, [0, touch, 1], 1e-13, 1e-15)


@pytest.mark.parametrize("degree", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("domain", [(-1.0, 1.0), (1.0, 5.0)])
def test_powers_leave_chebyshev_polynomials(degree, domain):
    low, high = domain
    fit = fit_and_check(lambda x: x**degree, polynomial, [0.0] * degree, domain)
    assert fit.error == pytest.approx(2 * ((high - low) / 4) ** degree, rel=1e-10)
    nodes = [-math.cos(math.pi * k / degree) for k in range(degree + 1)]
    assert_close(fit.points, [(low + high) / 2 + (high - low) / 2 * c for c in nodes], 1e-7, 1e-9)


def test_cubic_for_the_exponential():
    fit = fit_and_check(torch.exp, polynomial, [0.0] * 4, (-1.0, 1.0))
    points = fit.points.tolist()
    assert points[0] == -1
    assert points[-1] == 1
    rows = mp.matrix([[mp.mpf(p) ** k for k in range(4)] + [(-1) ** i] for i, p in enumerate(points)])
    solution = mp.lu_solve(rows, mp.matrix([mp.exp(p) for p in points]))  # levels at these points exactly
    assert_close(fit.parameters, list(solution)[:4], 1e-13)
    assert fit.error == pytest.approx(abs(float(solution[4])), rel=1e-12)
    assert fit.error == pytest.approx(0.0055283701, rel=1e-7)


def test_a_kink_is_a_point_of_alternation():
    fit = fit_and_check(torch.abs, lambda x, a, b: a + b * x * x, (0.0, 0.0), (0.0, 1.0))
    assert_close(fit.parameters, [1 / 8, 1], 1e-13)
    shifted = lambda x: (x - 0.3).abs()  # noqa: E731
    fit = fit_and_check(shifted, polynomial, (0.0, 0.0), (0.0, 1.0))
    assert fit.points[1].item() == pytest.approx(0.3, abs=1e-15)


def test_a_rational_family():
    fit = fit_and_check(torch.exp, lambda x, a, b, c: (a + b * x) / (1 + c * x), (1.0, 0.5, -0.5), (0.0, 1.0))
    assert fit.points[[0, -1]].tolist() == [0, 1]
    assert fit.error == pytest.approx(0.0042954653, rel=1e-7)


# f, g, start, domain, parameters, error, points (mpmath, 25 digits)
FITS = {
    "logistic for Phi": (phi, lambda x, k: torch.sigmoid(k * x),
        [1.6], (-10.0, 0.0), ["1.70174492533800331231317"], "0.009457309176371080314523",
        ["-2.043072520252685733277795", "-0.5710571477393298276197781"]),
    "logistic for GELU": (exact_gelu, lambda x, k: x * torch.sigmoid(k * x),
        [1.6], (-10.0, 0.0), ["1.772933965616754629752701"], "0.01392224547275849967152732",
        ["-2.426615321578609045260359", "-0.8957586320634452466240556"]),
    "tanh for erf": (error_function, lambda x, c: torch.tanh(ROOT * (x + c * x**3)),
        [0.0455], (0.0, 8.0), ["0.04471491122763249495629819"], "0.0003578426218904394470402268",
        ["1.242107884535900012790521", "2.592175979278243019904856"]),
    "tanh for GELU": (exact_gelu, lambda x, c: x * torch.sigmoid(2 * ROOT * (x + c * x**3)),
        [0.0455], (-8.0, 0.0), ["0.04438294381673409237262439"], "0.0003874187383106077330965827",
        ["-2.795078892610052442341212", "-1.4561494108861910747212"]),
    "two parameters for erf": (error_function, lambda x, a, b: torch.tanh(a * x + b * x**3),
        [ROOT, 0.0356], (0.0, 8.0), ["0.7988014371203919780604145", "0.03528204828283358126235846"],
        "0.0002806261602116814707118977",
        ["0.481633058643499606718452", "1.476398735189734010671213", "2.687644054638885594913949"]),
    "two parameters for GELU": (exact_gelu, lambda x, a, b: x * torch.sigmoid(2 * (a * x + b * x**3)),
        [ROOT, 0.0356], (-8.0, 0.0), ["0.8001570785481035526172205", "0.03470089343233105472297196"],
        "0.0002707274746579727492066959",
        ["-2.923219509584958318534774", "-1.742209579449030396866749", "-0.754118522273132733008789"]),
}  # fmt: skip


@cache
def fitted(case):
    return fit_and_check(*FITS[case][:4])


@pytest.mark.parametrize("case", FITS)
def test_the_constants_of_gelu(case):
    *_, parameters, error, points = FITS[case]
    fit = fitted(case)
    assert_close(fit.parameters, [mp.mpf(p) for p in parameters], 1e-13)
    assert abs(fit.error - mp.mpf(error)) <= 1e-15
    assert_close(fit.points, [mp.mpf(p) for p in points], 1e-9)


def test_the_constants_of_the_module_are_the_fits():
    _, g, *_ = FITS["logistic for GELU"]
    (k,) = fitted("logistic for GELU").parameters
    x = torch.linspace(-6, 6, 50, dtype=torch.float64)
    torch.testing.assert_close(gelu(x, approximate="sigmoid-minimax"), g(x, k), rtol=1e-13, atol=0)
    _, g, *_ = FITS["two parameters for GELU"]
    a, b = fitted("two parameters for GELU").parameters
    torch.testing.assert_close(gelu(x, approximate="tanh-minimax"), g(x, a, b), rtol=1e-12, atol=0)


def test_a_far_start_ends_at_the_same_place():
    f, g, _, domain, parameters, *_ = FITS["two parameters for GELU"]
    for initial in ((3.0, 1.0), torch.tensor([0.5, 0.1])):  # (3, 1) needs damped steps
        assert_close(minimax_fit(f, g, initial, domain).parameters, [mp.mpf(p) for p in parameters], 1e-12)


# ------------------------------------------------------------------- failure


def test_parameters_that_do_the_same_do_not_alternate_enough():
    with pytest.raises(RuntimeError, match="the error must alternate 3 times, got 2"):
        minimax_fit(torch.exp, lambda x, a, b: a + b, (0.0, 0.0), (0.0, 1.0))


def test_alternation_without_the_haar_property_is_refused():
    f, g, initial, *_ = FITS["logistic for Phi"]
    with pytest.raises(RuntimeError, match="is no minimum: g lacks the Haar property"):
        minimax_fit(f, g, initial, (-10.0, 10.0))  # any odd error alternates twice


def test_a_fit_that_runs_away_says_so(monkeypatch):
    monkeypatch.setattr("lemmata.smoothing._gelu.minimax.ROUNDS", 8)  # with 60 it says the same, later
    with pytest.raises(RuntimeError, match="the exchange did not converge"):
        minimax_fit(torch.sin, lambda x, a, b: a * torch.sin(b * x), (1.0, 50.0), (0.0, 30.0))


@pytest.mark.parametrize(
    ("domain", "error"),
    [((1.0, 0.0), ValueError), ((0.0, 0.0), ValueError), ((0.0, INF), ValueError), ((-INF, 0.0), ValueError),
     ((0.0, NAN), ValueError), ((0.0, 1.0, 2.0), ValueError), ((0.0,), ValueError), (1.0, TypeError)],
)  # fmt: skip
def test_bad_domains(domain, error):
    with pytest.raises(error, match="domain must be"):
        minimax_fit(torch.exp, polynomial, (0.0,), domain)


@pytest.mark.parametrize(
    ("initial", "error"),
    [
        ((), ValueError),
        ((0.0, NAN), ValueError),
        ((INF,), ValueError),
        (0.0, TypeError),
        ((None,), TypeError),
    ],
)
def test_bad_starts(initial, error):
    with pytest.raises(error, match="initial must be"):
        minimax_fit(torch.exp, polynomial, initial, (0.0, 1.0))


def test_functions_that_are_not_finite_are_refused():
    for f, g in ((torch.log, polynomial), (torch.exp, lambda x, a: a / x)):
        with pytest.raises(ValueError, match="f and g must be finite on the domain"):
            minimax_fit(f, g, (1.0,), (0.0, 1.0))
