"""Initialisers, their laws, the theory of signals: exact values, agreement with mpmath and torch, failure.

Statistical tests are seeded; their seeds aside, each fails with a probability below 1e-5 (|z| < 4.5, or the
p-value that is stated); about 200 such comparisons in all.
"""

import itertools
import math
import subprocess
import sys
from fractions import Fraction

import pytest
import torch
from mpmath import mp
from scipy import stats
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from lemmata.geometry import (
    expected_gram_error,
    fan_in_and_fan_out,
    gram_error,
    init_variance,
    initialization,
    log_norm_drift,
    orthogonal_,
    relu_correlation,
    residual_scale,
    singular_value_edges,
    truncated_normal_,
)

mp.dps = 40
INF, NAN = math.inf, math.nan
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
F64 = torch.float64
EPS = {dtype: torch.finfo(dtype).eps for dtype in DTYPES}

on_devices = pytest.mark.parametrize("device", DEVICES)
in_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def seeded(device="cpu", seed=7180):
    return torch.Generator(device).manual_seed(seed)


def draw(*shape, seed=7180, dtype=F64, device="cpu"):
    return torch.randn(shape, generator=seeded(seed=seed), dtype=F64).to(device, dtype)


def z_score(samples, expected):
    samples = samples.double().flatten()
    return ((samples.mean() - expected) / (samples.std() / len(samples) ** 0.5)).item()


def far_from_orthonormal(q):
    """The largest entry of the smaller Gram matrix less the identity."""
    q = q.double()
    q = q if q.shape[-2] >= q.shape[-1] else q.mT
    return (q.mT @ q - torch.eye(q.shape[-1], dtype=F64, device=q.device)).abs().max().item()


# --------------------------------------------------------------------------- identity: variances

GAINS = ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
GAINS += ["sigmoid", "tanh", "relu", "leaky_relu", "selu"]


@pytest.mark.parametrize("name", GAINS)
def test_gains_are_those_of_torch(name):
    assert init_variance(1, 1, nonlinearity=name) == pytest.approx(
        nn.init.calculate_gain(name) ** 2, rel=1e-15
    )


def test_no_gain_is_missing():
    assert sorted(GAINS) == sorted(initialization.SQUARED_GAINS)


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


# --------------------------------------------------------------------------- identity: orthogonal_

SHAPES = [(1, 1), (5, 5), (7, 3), (3, 7), (64, 16, 3, 3), (513, 128), (128, 520), (1030, 200), (130, 52, 10)]


@on_devices
@in_dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_columns_or_rows_are_orthonormal(shape, dtype, device):
    q = orthogonal_(torch.empty(shape, dtype=dtype, device=device), generator=seeded(device))
    assert q.dtype == dtype
    assert q.shape == shape
    rounding = 4 if dtype in (torch.float64, torch.float32) else 1
    assert far_from_orthonormal(q.flatten(1)) < rounding * EPS[dtype] * max(1, min(shape) ** 0.5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    "shape", [(40, 40), (200, 130), (512, 128), (128, 515), (1500, 300), (128, 60, 3, 3)]
)
def test_a_seed_gives_the_matrix_of_torch(shape, dtype):
    """Q is unique, so Cholesky's and Householder's differ by rounding, and never by a sign."""
    ours = orthogonal_(torch.empty(shape, dtype=dtype), 1.5, generator=seeded())
    theirs = nn.init.orthogonal_(torch.empty(shape, dtype=dtype), 1.5, generator=seeded())
    condition = 1e3 if shape[0] == shape[1] else 20
    assert (ours - theirs).abs().max() < condition * EPS[dtype]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape", [(512, 128), (1024, 256), (256, 1024), (2000, 130)])
def test_tall_matrices_are_as_orthogonal_as_those_of_torch(shape, dtype):
    ours, theirs = (
        init(torch.empty(shape, dtype=dtype), generator=seeded())
        for init in (orthogonal_, nn.init.orthogonal_)
    )
    ours, theirs = (gram_error(q.double() if shape[0] > shape[1] else q.double().T) for q in (ours, theirs))
    assert ours**0.5 < 1.6 * theirs**0.5  # 1.1 to 1.45 at four times as long and 128 wide, less beyond


@in_dtypes
def test_half_types_are_rounded_once(dtype):
    single = orthogonal_(torch.empty(6, 4), 3.0, generator=seeded())
    if EPS[dtype] > 1e-6:
        half = orthogonal_(torch.empty(6, 4, dtype=dtype), 3.0, generator=seeded())
        assert torch.equal(half, single.to(dtype))


def test_batched_draws_a_matrix_for_each_index():
    q = orthogonal_(torch.empty(2, 3, 6, 4, dtype=F64), 2.0, generator=seeded(), batched=True)
    assert far_from_orthonormal(q / 2) < 1e-14
    assert torch.unique(q[..., 0, 0]).numel() == 6
    flat = orthogonal_(torch.empty(2, 3, 6, 4, dtype=F64), generator=seeded())
    assert far_from_orthonormal(flat.flatten(1)) < 1e-14


def test_batches_by_cholesky_are_those_by_householder():
    a = draw(2, 600, 130)
    q, r = torch.linalg.qr(a)
    fast = initialization._orthonormal(a.clone())
    signs = r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
    torch.testing.assert_close(fast, q * signs, rtol=0, atol=1e-14)
    assert far_from_orthonormal(fast) < 1e-14


@pytest.mark.parametrize("kind", ["singular", "nearly singular", "zero column"])
def test_what_cholesky_cannot_bear_goes_to_householder(kind):
    a = draw(520, 128, dtype=torch.float32)
    a[:, 5] = {"singular": a[:, 7], "nearly singular": a[:, 4] + 1e-4 * a[:, 5], "zero column": 0 * a[:, 5]}[
        kind
    ]
    assert far_from_orthonormal(initialization._orthonormal(a)) < 1e-5


def test_cholesky_is_taken_from_the_stated_shape_on(monkeypatch):
    calls = []
    gram = initialization._gram
    monkeypatch.setattr(initialization, "_gram", lambda a: calls.append(a.shape) or gram(a))
    for shape in [(512, 128), (511, 128), (512, 127), (128, 512), (515, 129)]:
        orthogonal_(torch.empty(shape), generator=seeded())
    assert calls == [(512, 128), (512, 128)]


def test_cholesky_needs_no_help_with_gaussians(monkeypatch):
    monkeypatch.setattr(torch.linalg, "qr", None)  # would fail if it were called
    for shape in [(512, 128), (128, 3000), (1200, 300)]:
        orthogonal_(torch.empty(shape), generator=seeded())
    orthogonal_(torch.empty(2, 512, 128), generator=seeded(), batched=True)


def test_coarse_matmul_precision_is_kept_out(monkeypatch):
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "medium")
    monkeypatch.setattr(initialization, "_gram", None)  # would fail if it were called
    assert far_from_orthonormal(orthogonal_(torch.empty(512, 128), generator=seeded())) < 1e-5


@pytest.mark.parametrize("shape", [(512, 128), (20, 10)])
def test_autocast_changes_no_digit(shape):
    expected = orthogonal_(torch.empty(shape), generator=seeded())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = orthogonal_(torch.empty(shape), generator=seeded())
        error = gram_error(got)
    assert torch.equal(got, expected)
    assert torch.equal(error, gram_error(expected))


@pytest.mark.parametrize("init", [orthogonal_, truncated_normal_])
def test_initialisers_fill_in_place_without_a_gradient(init):
    parameter = nn.Parameter(torch.empty(4, 3, 2).transpose(0, 2))  # not contiguous
    assert init(parameter, generator=seeded()) is parameter
    assert parameter.requires_grad
    assert parameter.grad_fn is None
    plain = init(torch.empty(2, 3, 4), generator=seeded())
    assert torch.equal(parameter, plain)


@pytest.mark.parametrize("init", [orthogonal_, truncated_normal_])
@pytest.mark.parametrize("tensor", [torch.empty(3, 2, device="meta"), torch.empty(0, 3), torch.empty(3, 0)])
def test_nothing_is_drawn_where_there_is_nothing_to_fill(init, tensor):
    generator = seeded()
    before = generator.get_state()
    assert init(tensor, generator=generator) is tensor
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("init", [orthogonal_, truncated_normal_])
def test_draws_come_from_the_generator_alone(init):
    state = torch.get_rng_state()
    first, second, other = (init(torch.empty(4, 4), generator=seeded(seed=s)) for s in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
    init(torch.empty(4, 4))
    assert not torch.equal(torch.get_rng_state(), state)


# --------------------------------------------------------------------------- identity: Gram matrices


def naive_gram_error(weight):
    w = weight.double()
    return (w.mT @ w - torch.eye(w.shape[-1], dtype=F64, device=w.device)).square().sum((-2, -1))


@on_devices
@in_dtypes
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 3, 6, 2), (2, 0, 2, 6), (1, 1)])
def test_gram_error_is_its_definition(shape, dtype, device):
    weight = draw(*shape, dtype=dtype, device=device)
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


# --------------------------------------------------------------------------- agreement: laws


def test_square_orthogonal_matrices_have_the_moments_of_haar():
    """Each of 20000 matrices 4 x 4: E q^4 = 3/(n(n+2)), E q11^2 q22^2 = (n+1)/(n(n-1)(n+2)), and more."""
    n = 4
    q = orthogonal_(torch.empty(20000, n, n, dtype=F64), generator=seeded(), batched=True)
    assert abs(z_score(q[:, 0, 0], 0)) < 4.5
    assert abs(z_score(q[:, 0, 0] ** 2, 1 / n)) < 4.5
    for entry in (q[:, 0, 0], q[:, 3, 3], q[:, 2, 1]):
        assert abs(z_score(entry**4, 3 / (n * (n + 2)))) < 4.5
    assert abs(z_score(q[:, 0, 0] ** 2 * q[:, 1, 1] ** 2, (n + 1) / (n * (n - 1) * (n + 2)))) < 4.5
    assert abs(z_score(q[:, 0, 0] ** 2 * q[:, 0, 1] ** 2, 1 / (n * (n + 2)))) < 4.5
    cross = q[:, 0, 0] * q[:, 1, 1] * q[:, 0, 1] * q[:, 1, 0]
    assert abs(z_score(cross, -1 / (n * (n - 1) * (n + 2)))) < 4.5
    assert abs(z_score(torch.linalg.det(q), 0)) < 4.5
    trace = q.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert abs(z_score(trace, 0)) < 4.5
    assert abs(z_score(trace**2, 1)) < 4.5


@pytest.mark.parametrize("corner", [(0, 0), (2, 2)])
def test_entries_of_haar_matrices_have_the_law_of_a_cosine(corner):
    """(1 + q) / 2 is Beta((n - 1) / 2, (n - 1) / 2), here of the first entry and the last: p > 1e-5."""
    q = orthogonal_(torch.empty(4000, 5, 3, dtype=F64), generator=seeded(), batched=True)
    entry = q[(slice(None), *corner)].numpy()
    assert stats.kstest((1 + entry) / 2, stats.beta(2, 2).cdf).pvalue > 1e-5


def test_without_the_sign_it_would_not_be_haar():
    """The Q of LAPACK: its first entry is never positive, and its determinant is fixed by n."""
    q, _ = torch.linalg.qr(torch.randn(500, 3, 3, dtype=F64, generator=seeded()))
    assert (q[:, 0, 0] <= 0).all()
    assert abs(z_score(orthogonal_(torch.empty_like(q), generator=seeded(), batched=True)[:, 0, 0], 0)) < 4.5


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
    sigma = torch.linalg.svdvals(draw(m, n) / m**0.5)
    edges = singular_value_edges(m, n)
    assert sigma.min() == pytest.approx(edges.lower, abs=0.1)
    assert sigma.max() == pytest.approx(edges.upper, abs=0.1)


# --------------------------------------------------------------------------- agreement: truncated normal

ENDS = [
    (-2, 2),
    (-1, 3),
    (-3, 1),
    (0, INF),
    (-INF, 0.5),
    (-INF, INF),
    (2, 3),
    (-6, -5),
    (5, 6),
    (9, INF),
    (0.1, 0.2),
]


def truncated_oracle(a, b):
    a, b = mp.mpf(a), mp.mpf(b)
    mass = mp.quad(mp.npdf, [a, 0, b] if a < 0 < b else [a, b])
    m1, m2 = (
        mp.quad(lambda z, k=k: z**k * mp.npdf(z), [a, 0, b] if a < 0 < b else [a, b]) / mass for k in (1, 2)
    )
    return float(m1), float(mp.sqrt(m2 - m1**2))


@pytest.mark.parametrize(("a", "b"), ENDS)
def test_moments_of_the_truncated_law(a, b):
    """Cancellation in 1 + ... - mu^2 costs about (b - a)^-2 roundings, and mu^4 in a tail."""
    mean, std = initialization._truncated_moments(a, b)
    expected = truncated_oracle(a, b)
    assert mean == pytest.approx(expected[0], rel=1e-13, abs=1e-15)
    assert std == pytest.approx(expected[1], rel=1e-10)


def test_factor_at_two_is_that_of_keras_and_jax():
    assert initialization._truncated_moments(-2.0, 2.0) == (0, pytest.approx(0.87962566103423975, rel=2e-16))


@in_dtypes
@pytest.mark.parametrize(("a", "b"), ENDS)
def test_result_has_the_mean_and_the_deviation(a, b, dtype):
    x = truncated_normal_(
        torch.empty(40000, dtype=dtype), 0.5, mean=-1.0, a=a, b=b, generator=seeded()
    ).double()
    slack = EPS[dtype] * 2  # of rounding the mean -1 to a half type
    mu, s = truncated_oracle(a, b)
    low, high = (-1 + 0.5 * (end - mu) / s for end in (a, b))
    assert low - 8 * slack <= x.min()
    assert x.max() <= high + 8 * slack
    if dtype in (torch.float64, torch.float32):
        law = stats.truncnorm(a, b, loc=-1 - 0.5 * mu / s, scale=0.5 / s)
        assert stats.kstest(x.numpy(), law.cdf).pvalue > 1e-5
    assert abs(z_score(x, -1)) < 4.5 + slack * 400
    assert abs(z_score((x + 1) ** 2, 0.25)) < 4.5 + slack * 400


def test_torch_returns_less_than_its_std():
    theirs = nn.init.trunc_normal_(torch.empty(10**5), std=1.0, a=-2.0, b=2.0, generator=seeded())
    assert theirs.std().item() == pytest.approx(0.8796, abs=0.01)
    ours = truncated_normal_(torch.empty(10**5), 1.0, generator=seeded())
    assert ours.std().item() == pytest.approx(1, abs=0.01)


def test_truncated_normal_of_deviation_zero_is_its_mean():
    assert (truncated_normal_(torch.empty(9), 0.0, mean=3.0, generator=seeded()) == 3).all()


def test_mirrored_ends_give_mirrored_numbers():
    right = truncated_normal_(torch.empty(99), a=1.0, b=2.0, generator=seeded())
    left = truncated_normal_(torch.empty(99), a=-2.0, b=-1.0, generator=seeded())
    assert torch.equal(right, -left)


def test_smallest_uniform_number_is_no_infinity(monkeypatch):
    """0 comes up once in 2^24 draws of float32; the middle of its cell stands for it."""
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda x, low, high, generator: x.fill_(low))
    z = initialization._truncated(torch.empty(1), -INF, INF, None)
    assert z.item() == pytest.approx(stats.norm.ppf(2**-25), rel=1e-5)
    assert initialization._truncated(torch.empty(1), -6.0, -5.0, None).item() == pytest.approx(-6, rel=1e-6)


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
    rho = torch.linspace(-0.98, 0.98, 9, dtype=F64, requires_grad=True)
    assert gradcheck(relu_correlation, rho)
    assert gradgradcheck(relu_correlation, rho)
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


def test_correlation_compiles_in_one_graph():
    rho = torch.linspace(-1, 1, 8, requires_grad=True)
    compiled = torch.compile(relu_correlation, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(rho), relu_correlation(rho))
    (slope,) = torch.autograd.grad(compiled(rho).sum(), rho)
    torch.testing.assert_close(slope, (math.pi - rho.detach().acos()) / math.pi)


def test_correlation_is_that_of_a_wide_layer():
    for rho in (-0.6, 0.3, 0.9):
        u, v = draw(2, 200_000)
        v = rho * u + (1 - rho**2) ** 0.5 * v
        assert (
            abs(z_score(2 * u.relu() * v.relu(), relu_correlation(torch.tensor(rho, dtype=F64)).item())) < 4.5
        )


@on_devices
def test_gram_error_has_derivatives(device):
    weight = draw(2, 4, 3, device=device).requires_grad_()
    assert gradcheck(gram_error, weight)
    assert gradcheck(gram_error, weight.detach().mT.clone().requires_grad_())
    assert gradgradcheck(gram_error, weight)
    torch.testing.assert_close(torch.func.vmap(gram_error)(weight), gram_error(weight))
    compiled = torch.compile(gram_error, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(weight), gram_error(weight))


# --------------------------------------------------------------------------- failure


def test_import_costs_torch_only():
    heavy = ("sympy", "mpmath", "matplotlib")
    program = f"import sys, lemmata.geometry; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init_variance(0, 3), "fan_in must be at least 1, got 0"),
        (lambda: init_variance(3, 0), "fan_out must be at least 1, got 0"),
        (
            lambda: init_variance(3, 3, mode="fan"),
            "mode must be one of 'fan_in', 'fan_out', 'fan_avg', got 'fan'",
        ),
        (lambda: init_variance(3, 3, nonlinearity="gelu"), "nonlinearity must be one of 'linear'"),
        (lambda: init_variance(3, 3, param=0.1), "param must be None for nonlinearity 'linear'"),
        (lambda: fan_in_and_fan_out(torch.empty(3)), r"tensor must have at least 2 dimensions.*\(3,\)"),
        (lambda: residual_scale(0), "depth must be at least 1, got 0"),
        (lambda: residual_scale(3, growth=0.9), "growth must be finite and at least 1, got 0.9"),
        (lambda: residual_scale(3, growth=INF), "growth must be finite and at least 1, got inf"),
        (lambda: orthogonal_(torch.empty(3)), r"tensor must have at least 2 dimensions, got shape \(3,\)"),
        (lambda: truncated_normal_(torch.empty(3), -1.0), "std must be finite and at least 0, got -1.0"),
        (lambda: truncated_normal_(torch.empty(3), INF), "std must be finite and at least 0, got inf"),
        (lambda: truncated_normal_(torch.empty(3), a=1.0, b=1.00009), "b must exceed a by at least 1e-4"),
        (lambda: truncated_normal_(torch.empty(3), a=NAN), "b must exceed a"),
        (lambda: truncated_normal_(torch.empty(3), a=2.0, b=1.0), "b must exceed a"),
        (lambda: truncated_normal_(torch.empty(3), a=12.0, b=13.0), "a and b must keep at least 1e-30"),
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
            "activation must be one of 'linear', 'relu', got 'tanh'",
        ),
    ],
)
def test_bad_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init_variance(3.0, 3), "fan_in must be an int, got float"),
        (
            lambda: init_variance(3, 3, nonlinearity="leaky_relu", param="a"),
            "param must be a number, got str",
        ),
        (lambda: fan_in_and_fan_out((3, 4)), "tensor must be a tensor, got tuple"),
        (
            lambda: orthogonal_(torch.empty(3, 3, dtype=torch.int64)),
            "tensor must be float64.*got torch.int64",
        ),
        (lambda: orthogonal_(torch.empty(3, 3), "relu"), "gain must be a number, got str"),
        (lambda: truncated_normal_(torch.empty(3, dtype=torch.complex64)), "tensor must be float64"),
        (lambda: truncated_normal_(torch.empty(3), True), "std must be a number, got bool"),
        (lambda: gram_error([[1.0]]), "weight must be a tensor, got list"),
        (lambda: relu_correlation(0.5), "rho must be a tensor, got float"),
        (lambda: residual_scale(True), "depth must be an int, got bool"),
    ],
)
def test_bad_types_are_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_edges_of_what_is_accepted():
    assert truncated_normal_(torch.empty(2), a=1.0, b=1.00011, generator=seeded()).isfinite().all()
    assert truncated_normal_(torch.empty(2), a=11.0, b=12.0, generator=seeded()).isfinite().all()
    assert expected_gram_error(1, 1, kurtosis=1) == 0
    assert orthogonal_(torch.empty(1, 1), INF, generator=seeded()).isinf()


@in_dtypes
def test_nan_and_infinity_propagate(dtype):
    weight = torch.tensor([[[NAN, 0], [0, 1]], [[INF, 0], [0, 1]]], dtype=dtype)
    first, second = gram_error(weight)
    assert first.isnan()
    assert not second.isfinite()
    rho = torch.tensor([NAN, 1.1, -1.1, INF, -INF], dtype=dtype)
    assert relu_correlation(rho).isnan().all()
    assert relu_correlation(torch.empty(0, 2, dtype=dtype)).shape == (0, 2)
