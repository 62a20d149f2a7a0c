"""Variances, Gram matrices, drift and correlation: exact values, agreement with mpmath and torch, failure.

Statistical tests are seeded; their seeds aside, each fails with a probability below 1e-5 (|z| < 4.5, or the
p-value that is stated); about 200 such comparisons in all files of the chapter.
"""

import itertools
import math
from fractions import Fraction

import pytest
import torch
from helpers import (
    DEVICES,
    DTYPES,
    F64,
    INF,
    NAN,
    Draw,
    assert_derivatives,
    assert_refused,
    gradient,
    seeded,
    z_score,
)
from mpmath import mp
from scipy import stats
from torch import nn

from lemmata.geometry import (
    expected_gram_error,
    fan_in_and_fan_out,
    gram_error,
    init_variance,
    log_norm_drift,
    orthogonal_,
    relu_correlation,
    residual_scale,
    singular_value_edges,
)
from lemmata.geometry._initialization import variances

EPS = {dtype: torch.finfo(dtype).eps for dtype in DTYPES}

on_devices = pytest.mark.parametrize("device", DEVICES)
in_dtypes = pytest.mark.parametrize("dtype", DTYPES)


# --------------------------------------------------------------------------- identity: variances

GAINS = ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
GAINS += ["sigmoid", "tanh", "relu", "leaky_relu", "selu"]


@pytest.mark.parametrize("name", GAINS)
def test_gains_are_those_of_torch(name):
    assert init_variance(1, 1, nonlinearity=name) == pytest.approx(
        nn.init.calculate_gain(name) ** 2, rel=1e-15
    )


def test_no_gain_is_missing():
    assert sorted(GAINS) == sorted(variances.SQUARED_GAINS)


@pytest.mark.parametrize("slope", [0, 0.2, -0.5, 1.0])
def test_gain_of_leaky_relu_depends_on_its_slope(slope):
    exact = 2 / (1 + slope**2)
    assert init_variance(1, 1, nonlinearity="leaky_relu", param=slope) == exact
    assert nn.init.calculate_gain("leaky_relu", slope) ** 2 == pytest.approx(exact, rel=1e-15)


def test_variance_divides_by_the_fan_of_the_mode():
    assert init_variance(8, 2) == 1 / 8
    assert init_variance(8, 2, mode="fan_out") == 1 / 2
    assert init_variance(8, 2, mode="fan_avg") == 1 / 5
    assert init_variance(8, 2, mode="fan_out", nonlinearity="relu") == 1


@pytest.mark.parametrize("shape", [(3, 4), (5, 1), (6, 2, 3), (6, 2, 3, 5), (0, 7), (2, 3, 0)])
def test_fans_are_those_of_torch(shape):
    weight = torch.empty(shape)
    assert fan_in_and_fan_out(weight) == nn.init._calculate_fan_in_and_fan_out(weight)


def test_fans_read_the_shape_only():
    assert fan_in_and_fan_out(torch.empty(64, 3, 5, 5, device="meta", dtype=torch.int8)) == (75, 1600)


@pytest.mark.parametrize("depth", [1, 2, 50, 10**6])
def test_residual_growth_is_what_was_asked_for(depth):
    assert residual_scale(depth) == 1 / depth**0.5
    assert 2 <= (1 + residual_scale(depth) ** 2) ** depth < math.e
    scale = mp.mpf(residual_scale(depth, growth=3))
    assert float((1 + scale**2) ** depth) == pytest.approx(3, rel=1e-14)
    assert residual_scale(depth, growth=1) == 0


# --------------------------------------------------------------------------- identity: Gram matrices


def naive_gram_error(weight):
    w = weight.double()
    return (w.mT @ w - torch.eye(w.shape[-1], dtype=F64, device=w.device)).square().sum((-2, -1))


@on_devices
@in_dtypes
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 3, 6, 2), (2, 0, 2, 6), (1, 1)])
def test_gram_error_is_its_definition(shape, dtype, device):
    weight = Draw(0, device).normal(*shape, dtype=dtype)
    error = gram_error(weight)
    assert error.dtype == dtype
    torch.testing.assert_close(error.double(), naive_gram_error(weight), rtol=4 * EPS[dtype], atol=1e-14)


def test_gram_error_of_empty_and_orthogonal_matrices():
    assert gram_error(torch.empty(0, 3)) == 3
    assert gram_error(torch.empty(3, 0)) == 0
    q = orthogonal_(torch.empty(6, 4, dtype=F64), generator=seeded())
    assert gram_error(q) < 1e-28
    assert gram_error(q.T).item() == pytest.approx(2, rel=1e-14)
    assert gram_error(torch.zeros(4, 7)) == 7


@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, 2), (3, 2), (2, 3)])
@pytest.mark.parametrize("law", [{-1: (1, 2), 1: (1, 2)}, {-2: (1, 8), 0: (3, 4), 2: (1, 8)}])
def test_expected_gram_error_is_the_mean_over_all_matrices(m, n, law):
    """Entries v / sqrt(m), v of variance 1 and kurtosis 1 or 4: every matrix, in exact fractions."""
    law = {value: Fraction(*p) for value, p in law.items()}
    kurtosis = sum(p * value**4 for value, p in law.items())
    assert sum(p * value**2 for value, p in law.items()) == 1
    mean = Fraction(0)
    for entries in itertools.product(law, repeat=m * n):
        rows = [entries[i * n : (i + 1) * n] for i in range(m)]
        gram = [[Fraction(sum(r[i] * r[j] for r in rows), m) - (i == j) for j in range(n)] for i in range(n)]
        mean += math.prod(law[v] for v in entries) * sum(x * x for row in gram for x in row)
    assert expected_gram_error(m, n, kurtosis=float(kurtosis)) == float(mean)


def test_expected_gram_errors_of_the_sheet():
    assert expected_gram_error(64, 64) == 65
    assert expected_gram_error(50, 200) == 804
    assert expected_gram_error(64, 64, kurtosis=1) == 63
    assert expected_gram_error(64, 64, kurtosis=9 / 5) == pytest.approx(63.8, rel=1e-15)


def test_edges_are_those_of_marchenko_and_pastur():
    assert singular_value_edges(200, 50) == (0.5, 1.5)
    assert singular_value_edges(50, 200) == (1, 3)
    assert singular_value_edges(7, 7) == (0, 2)
    lower = singular_value_edges(10**16, 10**16 - 64).lower
    assert lower == pytest.approx(3.2e-15, rel=1e-12)


# --------------------------------------------------------------------------- agreement: Gram matrices


@pytest.mark.parametrize(("m", "n"), [(16, 16), (40, 10), (10, 40)])
@pytest.mark.parametrize("law", ["normal", "uniform", "signs"])
def test_gram_errors_have_the_expected_mean(m, n, law):
    u = torch.rand(2000, m, n, dtype=F64, generator=seeded())
    unit, kurtosis = {
        "normal": (torch.special.ndtri(u), 3.0),
        "uniform": ((u - 0.5) * 12**0.5, 9 / 5),
        "signs": ((u - 0.5).sign(), 1.0),
    }[law]
    assert abs(z_score(gram_error(unit / m**0.5), expected_gram_error(m, n, kurtosis=kurtosis))) < 4.5


@pytest.mark.parametrize(("m", "n"), [(400, 100), (100, 400)])
def test_singular_values_reach_the_edges(m, n):
    sigma = torch.linalg.svdvals(Draw(0).normal(m, n) / m**0.5)
    edges = singular_value_edges(m, n)
    assert sigma.min() == pytest.approx(edges.lower, abs=0.1)
    assert sigma.max() == pytest.approx(edges.upper, abs=0.1)


@on_devices
def test_gram_error_has_derivatives(device):
    weight = Draw(0, device).normal(2, 3, 2)
    assert_derivatives(gram_error, weight)
    assert_derivatives(gram_error, weight.mT.clone())
    torch.testing.assert_close(torch.func.vmap(gram_error)(weight), gram_error(weight))
    assert_derivatives(gram_error, 37 * weight)  # where it counts in another unit
    of_weight = lambda w: 4 * w @ (w.mT @ w - torch.eye(2, dtype=F64, device=device))  # noqa: E731
    for unit in (1, 5, 2.0**40):
        torch.testing.assert_close(gradient(gram_error, unit * weight), of_weight(unit * weight))


@pytest.mark.parametrize("shape", [(64, 48), (48, 64)])
def test_gram_error_knows_no_autocast_backwards(shape):
    weight = Draw(0).normal(*shape, dtype=torch.float32).requires_grad_()
    outcomes = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            (slope,) = torch.autograd.grad(gram_error(weight), weight, create_graph=True)
            outcomes.append((slope, *torch.autograd.grad(slope.square().sum(), weight)))
    for plain, cast in zip(*outcomes, strict=True):
        assert torch.equal(plain, cast)


@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_derivatives_of_a_huge_gram_error_are_infinite_and_not_nan(dtype):
    weight = torch.tensor([[1, -2], [3, 4], [-1, 1]], dtype=F64)
    exact = weight @ (weight.mT @ weight)  # its cube, beside which W is nothing
    huge = (weight * (1e30 if dtype == torch.float32 else 1e105)).to(dtype)
    assert gram_error(huge) == INF
    assert torch.equal(gradient(gram_error, huge), exact.sign().to(dtype) * INF)
    weight[1, 0], weight[2, 1] = INF, -INF
    assert gram_error(weight.to(dtype)) == INF
    slope = gradient(gram_error, weight.to(dtype))
    assert slope.tolist() == [[0, 0], [INF, 0], [0, -INF]]


# --------------------------------------------------------------------------- agreement: depth


def drift_oracle(m, activation):
    """Mean and variance of a layer, by a sum over all counts."""
    if activation == "linear":
        return mp.psi(0, mp.mpf(m) / 2) + mp.log(mp.mpf(2) / m), mp.psi(1, mp.mpf(m) / 2)
    weights = {n: mp.binomial(m, n) / (mp.mpf(2) ** m - 1) for n in range(1, m + 1)}
    value = {n: mp.psi(0, mp.mpf(n) / 2) + mp.log(mp.mpf(4) / m) for n in weights}
    mean = sum(w * value[n] for n, w in weights.items())
    return mean, sum(w * (mp.psi(1, mp.mpf(n) / 2) + (value[n] - mean) ** 2) for n, w in weights.items())


@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize("width", [1, 2, 3, 8, 39, 40, 64, 1000])
def test_drift_is_that_of_mpmath(width, activation):
    """A few roundings of the worst term, relative to a mean that is small by cancellation."""
    drift = log_norm_drift(width, 7, activation=activation)
    mean, variance = (float(7 * x) for x in drift_oracle(width, activation))
    assert drift.mean == pytest.approx(mean, rel=3e-12)
    assert drift.variance == pytest.approx(variance, rel=3e-12)


def test_drift_of_the_sheet():
    assert log_norm_drift(2, 1).mean == pytest.approx(-0.577215664901533, rel=1e-14)
    assert log_norm_drift(64, 1).mean == pytest.approx(-0.0157063722647393, rel=1e-13)
    assert log_norm_drift(64, 1, activation="relu").mean == pytest.approx(-0.0401085988357457, rel=1e-13)
    assert log_norm_drift(64, 0) == (0, 0)


@pytest.mark.parametrize("width", [10**6, 10**9])
def test_drift_of_wide_layers_keeps_its_digits(width):
    m = mp.mpf(width)
    linear, relu = log_norm_drift(width, 1), log_norm_drift(width, 1, activation="relu")
    assert linear.mean == pytest.approx(float(mp.psi(0, m / 2) + mp.log(2 / m)), rel=1e-13)
    assert linear.variance == pytest.approx(float(mp.psi(1, m / 2)), rel=1e-13)
    assert relu.mean * width == pytest.approx(-2.5, rel=4 / width + 2e-7)
    assert relu.variance * width == pytest.approx(5, rel=10 / width + 1e-9)


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_drift_is_what_networks_do(activation):
    """4000 networks of width 8 and depth 3; a dead ReLU layer is left out, as the moments are conditional."""
    h = torch.ones(4000, 8, 1, dtype=F64)
    gain = 2 if activation == "relu" else 1
    generator = seeded()
    for _ in range(3):
        h = torch.randn(4000, 8, 8, dtype=F64, generator=generator) @ h * (gain / 8) ** 0.5
        h = h.relu() if activation == "relu" else h
    squares = h.square().sum((-2, -1)) / 8
    log = squares[squares > 0].log()
    drift = log_norm_drift(8, 3, activation=activation)
    assert abs(z_score(log, drift.mean)) < 4.5
    assert abs(z_score((log - drift.mean) ** 2, drift.variance)) < 4.5
    dead = (squares == 0).sum().item()
    expected = 1 - (1 - 2**-8) ** 3 if activation == "relu" else 0
    assert stats.binomtest(dead, 4000, expected).pvalue > 1e-5


# --------------------------------------------------------------------------- agreement: correlations


def kappa(rho):
    rho = mp.mpf(rho)
    return (mp.sqrt(1 - rho**2) + (mp.pi - mp.acos(rho)) * rho) / mp.pi


def near_the_ends(dtype):
    steps = torch.logspace(-7, 0, 40, dtype=F64)
    return torch.cat([steps - 1, 1 - steps, torch.linspace(-1, 1, 161, dtype=F64)]).to(dtype)


@on_devices
@in_dtypes
def test_correlation_keeps_relative_accuracy_everywhere(dtype, device):
    """kappa is ill-conditioned by at most 3/2 in 1 + rho, which is exact: a few roundings."""
    rho = near_the_ends(dtype).to(device)
    got = relu_correlation(rho)
    assert got.dtype == dtype
    for x, y in zip(rho.tolist(), got.tolist(), strict=True):
        tiny = torch.finfo(dtype).smallest_normal * EPS[dtype]
        assert y == pytest.approx(float(kappa(x)), rel=8 * EPS[dtype], abs=tiny)


def test_correlations_of_the_sheet():
    got = relu_correlation(torch.tensor([0, 0.5, 1, -1], dtype=F64))
    expected = torch.tensor([0.318309886183791, 0.608997781044229, 1, 0], dtype=F64)
    torch.testing.assert_close(got, expected, rtol=1e-14, atol=0)


def test_gradient_of_the_correlation_is_exact_at_the_ends():
    rho = near_the_ends(F64).requires_grad_()
    (slope,) = torch.autograd.grad(relu_correlation(rho).sum(), rho)
    for x, y in zip(rho.tolist(), slope.tolist(), strict=True):
        assert y == pytest.approx(float((mp.pi - mp.acos(mp.mpf(x))) / mp.pi), rel=1e-14)


def test_correlation_can_be_differentiated_twice():
    assert_derivatives(relu_correlation, torch.linspace(-0.98, 0.98, 9, dtype=F64))
    ends = torch.tensor([-1.0, 1.0], dtype=F64)
    second = torch.func.vmap(torch.func.grad(torch.func.grad(relu_correlation)))(ends)
    assert (second == INF).all()


def test_correlation_suits_transforms():
    rho = torch.linspace(-1, 1, 8, dtype=F64)
    slope = torch.func.vmap(torch.func.grad(relu_correlation))(rho)
    torch.testing.assert_close(slope, (math.pi - rho.acos()) / math.pi)
    value, tangent = torch.func.jvp(relu_correlation, (rho,), (torch.ones_like(rho),))
    torch.testing.assert_close(value, relu_correlation(rho))
    torch.testing.assert_close(tangent, slope)
    torch.testing.assert_close(torch.func.vmap(relu_correlation)(rho), relu_correlation(rho))


def test_both_functions_of_tensors_compile_in_one_graph():
    compiled = torch.compile(
        lambda rho, weight: (relu_correlation(rho), gram_error(weight)), fullgraph=True, backend="aot_eager"
    )
    rho, weight = torch.linspace(-1, 1, 8, requires_grad=True), Draw(0).normal(2, 4, 3).requires_grad_()
    correlation, error = compiled(rho, weight)
    torch.testing.assert_close(correlation, relu_correlation(rho))
    torch.testing.assert_close(error, gram_error(weight))
    slope, by_weight = torch.autograd.grad(correlation.sum() + error.sum(), (rho, weight))
    torch.testing.assert_close(slope, (math.pi - rho.detach().acos()) / math.pi)
    torch.testing.assert_close(by_weight, torch.autograd.grad(gram_error(weight).sum(), weight)[0])


def test_correlation_is_that_of_a_wide_layer():
    for rho in (-0.6, 0.3, 0.9):
        u, v = Draw(0).normal(2, 200_000)
        v = rho * u + (1 - rho**2) ** 0.5 * v
        assert (
            abs(z_score(2 * u.relu() * v.relu(), relu_correlation(torch.tensor(rho, dtype=F64)).item())) < 4.5
        )


# --------------------------------------------------------------------------- failure


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init_variance(0, 3), "fan_in must be at least 1, got 0"),
        (lambda: init_variance(3, 0), "fan_out must be at least 1, got 0"),
        (
            lambda: init_variance(3, 3, mode="fan"),
            "mode must be 'fan_in', 'fan_out' or 'fan_avg', got 'fan'",
        ),
        (
            lambda: init_variance(3, 3, nonlinearity="gelu"),
            "nonlinearity must be 'linear', .* or 'selu', got 'gelu'",
        ),
        (lambda: init_variance(3, 3, param=0.1), "param must be None for nonlinearity 'linear'"),
        (lambda: fan_in_and_fan_out(torch.empty(3)), r"tensor must have at least 2 dimensions.*\(3,\)"),
        (lambda: residual_scale(0), "depth must be at least 1, got 0"),
        (lambda: residual_scale(3, growth=0.9), "growth must be finite and at least 1, got 0.9"),
        (lambda: residual_scale(3, growth=INF), "growth must be finite and at least 1, got inf"),
        (lambda: gram_error(torch.empty(3)), r"weight must have at least 2 dimensions, got shape \(3,\)"),
        (lambda: expected_gram_error(0, 1), "m must be at least 1, got 0"),
        (lambda: expected_gram_error(1, 0), "n must be at least 1, got 0"),
        (lambda: expected_gram_error(1, 1, kurtosis=0.9), "kurtosis must be at least 1, .*got 0.9"),
        (lambda: singular_value_edges(0, 1), "m must be at least 1, got 0"),
        (lambda: singular_value_edges(1, 0), "n must be at least 1, got 0"),
        (lambda: log_norm_drift(0, 1), "width must be at least 1, got 0"),
        (lambda: log_norm_drift(1, -1), "depth must be at least 0, got -1"),
        (
            lambda: log_norm_drift(1, 1, activation="tanh"),
            "activation must be 'linear' or 'relu', got 'tanh'",
        ),
    ],
)
def test_bad_values_are_named(call, message):
    assert_refused([(ValueError, message, call)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init_variance(3.0, 3), "fan_in must be an int, got float"),
        (
            lambda: init_variance(3, 3, nonlinearity="leaky_relu", param="a"),
            "param must be a number, got str",
        ),
        (lambda: fan_in_and_fan_out((3, 4)), "tensor must be a tensor, got tuple"),
        (lambda: gram_error([[1.0]]), "weight must be a tensor, got list"),
        (lambda: relu_correlation("0.5"), "rho must be a tensor or a number, got str"),
        (lambda: residual_scale(True), "depth must be an int, got bool"),
    ],
)
def test_bad_types_are_named(call, message):
    assert_refused([(TypeError, message, call)])


def test_least_kurtosis_is_accepted():
    assert expected_gram_error(1, 1, kurtosis=1) == 0


@in_dtypes
def test_nan_and_infinity_propagate(dtype):
    weight = torch.tensor([[[NAN, 0], [0, 1]], [[INF, 0], [0, 1]]], dtype=dtype)
    first, second = gram_error(weight)
    assert first.isnan()
    assert second == INF
    rho = torch.tensor([NAN, 1.1, -1.1, INF, -INF], dtype=dtype)
    assert relu_correlation(rho).isnan().all()
    assert relu_correlation(torch.empty(0, 2, dtype=dtype)).shape == (0, 2)
