"""Unbiased estimators: exact expectations, agreement with mpmath, scipy and torch, and what breaks."""

import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from mpmath import mp
from scipy import stats
from scipy.special import hyp2f1
from torch.autograd import gradcheck, gradgradcheck

from lemmata.estimation import (
    Jackknife,
    Moments,
    bias,
    c4,
    jackknife,
    k_statistic,
    k_statistic_variance,
    log_mean_exp,
    mse_optimal_divisor,
    pearson_correlation,
    u_statistic,
    unbiased_std,
    v_statistic,
    variance,
)
from lemmata.kernels.central_moments import merge, summary

mp.dps = 40
INF, NAN = math.inf, math.nan
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
F64 = torch.float64
LAW = {0: 1 / 2, 1: 1 / 3, 4: 1 / 6}  # cumulants 1, 2, 4, 2; fourth central moment 14
CUMULANTS = (None, 1, 2, 4, 2)

pytestmark = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture
def normal(device):
    """Normal samples, drawn on the CPU so that every device sees the same."""
    generator = torch.Generator().manual_seed(6747)

    def draw(*shape, dtype=F64):
        return torch.randn(shape, generator=generator, dtype=F64).to(device, dtype)

    return draw


def column(values, device, dtype=F64):
    return torch.tensor(values, dtype=dtype, device=device)


def all_samples(n, device, law=LAW):
    """Every sample of size n from the law, (len(law)^n, n), and its probability."""
    samples = column([*itertools.product(law, repeat=n)], device)
    weights = column([math.prod(p) for p in itertools.product(law.values(), repeat=n)], device)
    return samples, weights


def expectation(statistic, n, device, law=LAW):
    """The exact expectation of a statistic of rows, up to rounding."""
    samples, weights = all_samples(n, device, law)
    return (statistic(samples) * weights).sum().item()


def close(value, expected, tolerance=1e-12):
    assert value == pytest.approx(expected, rel=tolerance, abs=tolerance)


def assert_close(actual, expected, relative, absolute=0.0):
    """Elementwise |actual - expected| <= relative |expected| + absolute, measured in float64."""
    expected = torch.tensor([float(e) for e in expected], dtype=F64).reshape(actual.shape)
    torch.testing.assert_close(actual.double().cpu(), expected, rtol=relative, atol=absolute)


# ------------------------------------------------------------------- the oracle


def exact_sums(row):
    """n, mean, M2, M3, M4 of one row in mpmath, from the binary numbers that it holds."""
    x = [mp.mpf(float(v)) for v in row]
    mean = mp.fsum(x) / len(x)
    return len(x), mean, *(mp.fsum((v - mean) ** r for v in x) for r in (2, 3, 4))


def exact_k(row, order):
    n, mean, m2, m3, m4 = exact_sums(row)
    if order < 3:
        return mean if order == 1 else m2 / (n - 1)
    if order == 3:
        return n * m3 / ((n - 1) * (n - 2))
    return (n * (n + 1) * m4 - 3 * (n - 1) * m2**2) / ((n - 1) * (n - 2) * (n - 3))


def exact_c4(n):
    with mp.workdps(60):
        x = mp.mpf(n - 1) / 2
        return mp.exp(mp.loggamma(x + mp.mpf(1) / 2) - mp.loggamma(x)) / mp.sqrt(x)


def exact_log_mean_exp(row, correction=None):
    with mp.workdps(400):
        e = [mp.exp(mp.mpf(v)) for v in row]
        n, total = len(e), mp.fsum(e)
        if correction is None:
            return mp.log(total / n)
        if correction == "delta":
            mean = total / n
            square = mp.fsum((t - mean) ** 2 for t in e) / (n - 1)
            return mp.log(mean) + square / (2 * n * mean**2)
        rest = mp.fsum(mp.log((total - t) / (n - 1)) for t in e)
        return n * mp.log(total / n) - mp.mpf(n - 1) / n * rest


def exact_olkin_pratt(r, n):
    with mp.workdps(60):
        r = mp.mpf(r)
        return r * mp.hyp2f1(0.5, 0.5, mp.mpf(n - 2) / 2, (1 - r) * (1 + r))


def density_of_r(r, n, rho):
    """The density of the correlation of n normal samples (Hotelling 1953)."""
    log_scale = math.lgamma(n - 1) - math.lgamma(n - 0.5) + math.log(n - 2) - 0.5 * math.log(2 * math.pi)
    log_scale += (n - 1) / 2 * math.log1p(-rho * rho)
    tail = (1 - r * r) ** ((n - 4) / 2) * (1 - rho * r) ** (1.5 - n)
    return math.exp(log_scale) * tail * hyp2f1(0.5, 0.5, n - 0.5, (1 + rho * r) / 2)


def with_correlation(r, n, device):
    """Pairs of n samples whose correlation is exactly r, up to rounding: (len(r), n) each."""
    basis = torch.linalg.qr(torch.vander(torch.arange(n, dtype=F64), 3, increasing=True)).Q.to(device)
    x, z = basis[:, 1], basis[:, 2]
    return x.expand(len(r), n), r[:, None] * x + (1 - r * r).sqrt()[:, None] * z


# ------------------------------------------------------------------- identity: variance


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_variance_is_unbiased_and_its_variance_is_known(device, n):
    close(expectation(lambda x: variance(x, dim=-1), n, device), 2)
    close(expectation(lambda x: variance(x, dim=-1, correction=0), n, device), 2 * (n - 1) / n)
    spread = expectation(lambda x: (variance(x, dim=-1) - 2) ** 2, n, device)
    close(spread, {2: 9, 3: 14 / 3, 4: 19 / 6, 5: 12 / 5}[n])
    close(spread, 14 / n - 4 * (n - 3) / (n * (n - 1)))


@pytest.mark.parametrize("w", [(1, 1, 1, 1), (1, 2, 3, 4), (0, 0.1, 5, 5), (1e-8, 3, 0, 2)])
def test_weighted_variance_is_unbiased(device, w):
    w = column(w, device)
    close(expectation(lambda x: variance(x, dim=-1, weights=w), 4, device), 2)
    v1, v2 = w.sum().item(), w.square().sum().item()
    plain = expectation(lambda x: variance(x, dim=-1, weights=w, correction=0), 4, device)
    close(plain, 2 * (1 - v2 / v1**2))
    half = expectation(lambda x: variance(x, dim=-1, weights=w, correction=0.5), 4, device)
    close(half, 2 * (v1 - v2 / v1) / (v1 - v2 / v1 / 2))


def test_weights_by_hand_and_their_scale(normal, device):
    x, w = column([1, 2, 6], device), column([1, 2, 1], device)
    close(variance(x, weights=w).item(), 14.75 / (4 - 6 / 4))  # mean 11/4, sum of squares 14.75
    for scale in (1e-150, 1e150):
        close(variance(x, weights=w * scale).item(), 5.9)
    x = normal(3, 8)
    equal = variance(x, dim=-1, weights=torch.full_like(x, 0.3))
    torch.testing.assert_close(equal, variance(x, dim=-1), rtol=1e-14, atol=0)
    counts = column([3, 1, 2, 1, 1, 4, 1, 2], device)
    repeated = variance(x.repeat_interleave(counts.long(), -1), dim=-1)
    v1, v2 = counts.sum(), counts.square().sum()
    frequency = variance(x, dim=-1, weights=counts) * (v1 - v2 / v1) / (v1 - 1)
    torch.testing.assert_close(frequency, repeated, rtol=1e-13, atol=0)


def test_weight_0_leaves_an_entry_out_whatever_it_is(normal, device):
    x, w = normal(6), column([1, 2, 0, 1, 3, 0], device)
    kept = variance(x[w > 0], weights=w[w > 0])
    for hidden in (1e9, INF, -INF, NAN):
        y = x.clone()
        y[2] = hidden
        torch.testing.assert_close(variance(y, weights=w), kept, rtol=1e-14, atol=0)
        y.requires_grad_()
        (slope,) = torch.autograd.grad(variance(y, weights=w), y)
        assert (slope[w == 0] == 0).all()
        assert slope.isfinite().all()
    assert variance(x, weights=w * 0).isnan()
    assert variance(x, weights=column([0, 0, 1, 0, 0, 0], device)).isnan()  # one entry
    assert variance(x, weights=w.masked_fill(w == 3, NAN)).isnan()
    only = variance(x, weights=w, correction=9)
    assert only == INF


def test_weights_broadcast(normal):
    x, w = normal(2, 3, 4), normal(3, 1).abs()
    whole = variance(x, dim=1, weights=w.expand(2, 3, 4))
    torch.testing.assert_close(variance(x, dim=1, weights=w), whole, rtol=1e-14, atol=0)
    rows = [[variance(x[i, :, j], weights=w[:, 0]) for j in range(4)] for i in range(2)]
    torch.testing.assert_close(whole, torch.stack([torch.stack(r) for r in rows]), rtol=1e-13, atol=0)


DIMS = [None, (), 0, 1, -1, (0, 1), (0, -1), (-1, 1), (0, 1, 2)]


def test_axes_count_from_both_ends(normal):
    x = normal(3, 4, 5)
    for dim in range(3):
        torch.testing.assert_close(variance(x, dim=dim - 3), variance(x, dim=dim), rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize("correction", [0, 1, 2, 2.5, 30])
def test_variance_is_that_of_torch(normal, device, correction):
    x = normal(3, 4, 2)
    for dim in DIMS:
        torch.testing.assert_close(
            variance(x, dim=dim, correction=correction), torch.var(x, dim=dim, correction=correction)
        )
    for values in ([], [1.0], [1.0, 2.0], [1.0, 1.0], [1.0, INF], [NAN, 1.0]):
        x = column(values, device)
        expected = torch.var(x, correction=correction)
        torch.testing.assert_close(variance(x, correction=correction), expected, equal_nan=True)
    assert variance(column(3.0, device)).isnan()
    assert variance(column(3.0, device), correction=0) == 0
    torch.testing.assert_close(
        variance(torch.ones(0, 3, device=device), dim=0), torch.full((3,), NAN, device=device), equal_nan=True
    )
    assert variance(torch.ones(0, 3, device=device), dim=1).shape == (0,)


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_entries_have_variance_exactly_0(device, dtype):
    for value in (0.1, 1 / 3, 1e4, -7.7):
        x = torch.full((2, 1001), value, dtype=dtype, device=device)
        assert (variance(x, dim=-1) == 0).all()
        assert (unbiased_std(x, dim=-1) == 0).all()
        assert [k_statistic(x, order).tolist() for order in (2, 3, 4)] == [[0, 0]] * 3
        assert pearson_correlation(x, x).isnan().all()
        moments = Moments.of(x)
        assert moments.mean == x[0, 0].double()
        assert moments.variance == 0
        assert moments.skewness.isnan()
        assert moments.kurtosis.isnan()


# ------------------------------------------------------------------- identity: c4, divisor


def test_c4_reference_numbers(device):
    reference = {2: .797884560802865356, 3: .886226925452758014, 4: .921317731923561278,
                 5: .939985602986625188, 10: .972659274121588243, 25: .989640375585703084,
                 100: .997477976071263511}  # fmt: skip
    for n, value in reference.items():
        assert c4(n) == pytest.approx(value, rel=4e-16)
    assert c4(10**400) == 1


def test_unbiased_std_divides_by_c4(normal, device):
    x = normal(5, 7)
    assert_close(unbiased_std(x, dim=-1), [s / exact_c4(7) for s in x.std(-1).tolist()], 1e-14)
    assert_close(unbiased_std(x, dim=(0, 1)), [x.std().item() / exact_c4(35)], 1e-14)
    assert_close(unbiased_std(x), [x.std().item() / exact_c4(35)], 1e-14)
    assert unbiased_std(x[:, :1], dim=-1).isnan().all()
    assert unbiased_std(x[:, :0], dim=-1).isnan().all()
    flat = torch.ones(4, device=device, requires_grad=True)
    assert torch.autograd.grad(unbiased_std(flat), flat)[0].tolist() == [0, 0, 0, 0]


def test_unbiased_std_is_unbiased_for_two_normal_samples(device):
    """|x - y| / sqrt 2 is half-normal; Gauss-Hermite in the rotated plane: (x - y)/sqrt 2 = z."""
    z, w = np.polynomial.legendre.leggauss(200)
    z, w = 5 * (z + 1), 5 * w  # z in [0, 10]
    weight = column(2 * w * np.exp(-z * z / 2) / math.sqrt(2 * math.pi), device)
    pairs = torch.stack([column(z, device), -column(z, device)], -1) / math.sqrt(2)
    close((weight * unbiased_std(pairs, dim=-1)).sum().item(), 1)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_the_divisor_minimises_the_mean_squared_error(device, n):
    best = mse_optimal_divisor(n, kurtosis=14 / 4)

    def error(divisor):
        return expectation(lambda x: (variance(x, dim=-1) * (n - 1) / divisor - 2) ** 2, n, device)

    assert error(best) < min(error(best * 1.001), error(best * 0.999))
    slope = (error(best * (1 + 1e-5)) - error(best * (1 - 1e-5))) / error(best)
    assert abs(slope) < 1e-9


def test_divisors(device):
    for n in (2, 5, 100):
        assert mse_optimal_divisor(n) == n + 1
        close(mse_optimal_divisor(n, kurtosis=1), n - 1 + 2 / n)
    k = Fraction(9, 5)  # uniform
    assert mse_optimal_divisor(10, kurtosis=1.8) == float(10 - 2 + k - (k - 3) / 10)
    assert mse_optimal_divisor(10, kurtosis=INF) == INF


# ------------------------------------------------------------------- identity: k-statistics


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_k_statistics_are_unbiased(device, order):
    for n in range(order, 6):
        close(expectation(lambda x: k_statistic(x, order), n, device), CUMULANTS[order])


def test_k_statistic_variances_are_unbiased(device):
    for n in (2, 3, 4, 5):
        close(expectation(lambda x: k_statistic_variance(x, 1), n, device), 2 / n)
    for n, truth in ((4, 19 / 6), (5, 12 / 5)):
        close(expectation(lambda x: k_statistic_variance(x, 2), n, device), truth)
    close(k_statistic_variance(column([0, 0, 1, 1], device), 2).item(), -1 / 18)


def test_k_statistics_do_not_feel_a_shift(normal):
    x = (normal(4, 50) * 64).round() / 64  # exact in float32 beside 2^17
    for dtype, shift in ((torch.float32, 2.0**17), (F64, 2.0**40)):
        eps = torch.finfo(dtype).eps
        for order in (2, 3, 4):
            moved = k_statistic((x + shift).to(dtype), order)
            torch.testing.assert_close(moved, k_statistic(x.to(dtype), order), rtol=8 * eps, atol=20 * eps)


# ------------------------------------------------------------------- identity: jackknife, U, V


def test_jackknife_turns_divisor_n_into_n_minus_1(normal):
    x = normal(9, 3)
    result = jackknife(lambda x: x.var(0, correction=0), x)
    assert isinstance(result, Jackknife)
    torch.testing.assert_close(result.estimate, x.var(0), rtol=1e-13, atol=0)
    torch.testing.assert_close(result.bias, -x.var(0) / 9, rtol=1e-12, atol=0)
    square = jackknife(lambda x: x.mean(0) ** 2, x).estimate
    pairs = u_statistic(lambda a, b: a * b, x, order=2)
    torch.testing.assert_close(square, pairs, rtol=1e-12, atol=1e-14)


def test_jackknife_of_a_mean(normal):
    x = normal(2, 9, 3)
    for dim in (1, -2):
        mean = jackknife(lambda x: x.mean(1), x, dim=dim)
        torch.testing.assert_close(mean.estimate, x.mean(1), rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(mean.bias, torch.zeros_like(mean.bias), rtol=0, atol=1e-14)
        torch.testing.assert_close(mean.standard_error, x.std(1) / 3, rtol=1e-13, atol=0)


def test_jackknife_of_log_mean_is_the_closed_form(normal, device):
    x = normal(30)
    whole = jackknife(lambda x: log_mean_exp(x, dim=0), x)
    torch.testing.assert_close(
        log_mean_exp(x, dim=0, correction="jackknife"), whole.estimate, rtol=1e-12, atol=0
    )
    one = column([2.0, 3.0], device)
    assert jackknife(lambda x: x.sum(), one).estimate == 5 + (5 - 2.5)  # 2 theta - mean of the two


def test_jackknife_takes_a_loop_where_vmap_cannot(normal):
    x, calls = normal(2, 6), []

    def branching(sample):
        calls.append(sample.shape)
        return sample.var(-1, correction=0) if sample.sum() < 1e9 else sample.sum(-1)

    def smooth(sample):
        return sample.var(-1, correction=0)

    for one, other in zip(jackknife(branching, x, dim=1), jackknife(smooth, x, dim=-1), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-15)
    assert calls[0] == (2, 6)
    assert calls[-6:] == [(2, 5)] * 6


def test_jackknife_of_equal_entries_has_gradient_0(device):
    x = torch.ones(5, device=device, dtype=F64, requires_grad=True)
    error = jackknife(lambda x: x.mean(), x).standard_error
    assert error == 0
    assert torch.autograd.grad(error, x)[0].tolist() == [0] * 5


def unsymmetric(a, b, c):
    return a * b**2 + (c - a).exp()


def test_u_and_v_statistics_are_means_over_tuples(normal):
    x = normal(6)
    values = [unsymmetric(*triple) for triple in itertools.permutations(x, 3)]
    torch.testing.assert_close(u_statistic(unsymmetric, x, order=3), torch.stack(values).mean())
    values = [unsymmetric(*triple) for triple in itertools.product(x, repeat=3)]
    torch.testing.assert_close(v_statistic(unsymmetric, x, order=3), torch.stack(values).mean())
    four = [a * b**2 * c**3 * d**4 for a, b, c, d in itertools.permutations(x[:5], 4)]
    torch.testing.assert_close(
        u_statistic(lambda a, b, c, d: a * b**2 * c**3 * d**4, x[:5], order=4), torch.stack(four).mean()
    )
    torch.testing.assert_close(u_statistic(torch.sin, x, order=1), x.sin().mean())
    torch.testing.assert_close(v_statistic(torch.sin, x[:1], order=2 - 1), x[0].sin())


def test_u_statistic_visits_each_tuple_once(device):
    x = torch.arange(5, dtype=F64, device=device)
    for order, statistic, number in ((2, u_statistic, 20), (3, u_statistic, 60), (3, v_statistic, 125)):
        codes = []

        def kernel(*samples, kept=codes):
            kept.append(torch.stack(samples))
            return samples[0]

        unmapped = pytest.MonkeyPatch()
        unmapped.setattr(torch.func, "vmap", lambda f, **_: f)
        statistic(kernel, x, order=order)
        unmapped.undo()
        tuples = {tuple(t) for t in torch.cat(codes, -1).T.tolist()}
        assert len(tuples) == number
        assert torch.cat(codes, -1).shape[-1] == number
        if statistic is u_statistic:
            assert all(len(set(t)) == order for t in tuples)


def test_variance_is_a_u_statistic_and_covariance_too(normal):
    x = normal(12, 3)
    half_square = u_statistic(lambda a, b: (a - b) ** 2 / 2, x, order=2)
    torch.testing.assert_close(half_square, variance(x, dim=0), rtol=1e-13, atol=0)
    plug_in = v_statistic(lambda a, b: (a - b) ** 2 / 2, x, order=2)
    torch.testing.assert_close(plug_in, variance(x, dim=0, correction=0), rtol=1e-13, atol=0)
    outer = u_statistic(lambda a, b: torch.outer(a - b, a - b) / 2, x, order=2)
    torch.testing.assert_close(outer, torch.cov(x.T), rtol=1e-13, atol=1e-15)
    concordant = u_statistic(lambda a, b: (a[0] - b[0]) * (a[1] - b[1]) > 0, x, order=2)
    tau = stats.kendalltau(x[:, 0].cpu(), x[:, 1].cpu()).statistic
    close(2 * concordant.item() - 1, tau)


def test_u_statistic_is_unbiased_and_v_statistic_is_not(device):
    def third(a, b, c):  # its mean is mu^3
        return a * b * c

    samples, weights = all_samples(4, device)
    u = torch.stack([u_statistic(third, row, order=3) for row in samples])
    v = torch.stack([v_statistic(third, row, order=3) for row in samples])
    close((u * weights).sum().item(), 1)
    assert (v * weights).sum().item() > 1.5


def test_chunks_give_what_one_piece_gives(normal, monkeypatch):
    x = normal(23, 2)

    def kernel(a, b):
        return (a * b.flip(0)).cos()

    def slopes(x):
        x = x.clone().requires_grad_()
        u, v = u_statistic(kernel, x, order=2), v_statistic(kernel, x, order=2)
        values = torch.stack([u, v, jackknife(lambda x: x.std(0), x).estimate])
        (slope,) = torch.autograd.grad((values**2).sum(), x, create_graph=True)
        return values, slope, *torch.autograd.grad(slope.square().sum(), x)

    whole = slopes(x)
    for entries in (1, 100, 203):
        monkeypatch.setattr(bias, "_ENTRIES", entries)
        for one, other in zip(slopes(x), whole, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(
    ("entries", "sizes"),
    [(1, [1] * 42), (40, [10] * 4 + [2]), (55, [13] * 3 + [3]), (84, [21, 21]), (168, [42]), (10**6, [42])],
)
def test_a_chunk_gathers_no_more_than_it_may(normal, monkeypatch, entries, sizes):
    """7 samples of 2 numbers: a pair gathers 4 numbers, a sample without one row 14."""
    x, seen = normal(7, 2), []
    monkeypatch.setattr(bias, "_ENTRIES", entries)
    original = torch.func.vmap

    def counted(f, **options):
        return lambda *rows: seen.append(rows[0].shape[0]) or original(f, **options)(*rows)

    monkeypatch.setattr(torch.func, "vmap", counted)
    u_statistic(lambda a, b: (a * b).sum(), x, order=2)
    assert seen == sizes
    seen.clear()
    jackknife(lambda x: x.sum(), x)
    assert seen == {1: [1] * 7, 40: [2, 2, 2, 1], 55: [3, 3, 1], 84: [6, 1]}.get(entries, [7])


def test_memory_is_that_of_a_chunk(normal):
    """order 2 with n = 2000: all pairs at once would save 2000^2 numbers several times over."""
    if not normal(1).is_cpu:
        pytest.skip("counted on the CPU")
    x = normal(2000, 3).requires_grad_()
    held = []

    def pack(tensor):
        held.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        value = u_statistic(lambda a, b: (-(a - b).square().sum()).exp(), x, order=2)
    assert sum(held) < 1e5
    kernel = (-torch.cdist(x, x).square()).exp().detach()
    close(value.item(), ((kernel.sum() - 2000) / (2000 * 1999)).item())


# ------------------------------------------------------------------- identity: log-mean-exp


def test_log_mean_exp_by_hand(device):
    x = column([0.0, math.log(3)], device)  # terms 1 and 3, mean 2, variance 2
    close(log_mean_exp(x, dim=0).item(), math.log(2))
    close(log_mean_exp(x, dim=0, correction="delta").item(), math.log(2) + 2 / (2 * 2 * 4))
    close(log_mean_exp(x, dim=0, correction="jackknife").item(), 2 * math.log(2) - math.log(3) / 2)
    assert log_mean_exp(x[1:], dim=0) == x[1]


@pytest.mark.parametrize("correction", [None, "delta", "jackknife"])
def test_log_mean_exp_moves_with_a_shift(normal, correction):
    x = normal(5, 9)
    for shift in (-1e5, 700.0, 1e5):
        moved = log_mean_exp(x + shift, dim=1, correction=correction) - shift
        torch.testing.assert_close(moved, log_mean_exp(x, dim=1, correction=correction), rtol=0, atol=1e-10)
    flat = log_mean_exp(normal(1).expand(7), dim=0, correction=correction)
    torch.testing.assert_close(flat, normal(0).new_tensor(flat.item()))
    x = normal(3).repeat_interleave(4)[:, None]
    torch.testing.assert_close(
        log_mean_exp(x, dim=0, correction=correction), log_mean_exp(x.flip(0), dim=0, correction=correction)
    )


def test_the_corrections_remove_the_first_order_of_the_bias(device):
    law = {math.log(1): 1 / 2, math.log(2): 1 / 3, math.log(4): 1 / 6}
    truth = math.log(1 / 2 + 2 / 3 + 4 / 6)

    def error(correction, n):
        return expectation(lambda x: log_mean_exp(x, dim=-1, correction=correction), n, device, law) - truth

    plain, delta, jack = ([error(c, n) for n in (2, 4, 8)] for c in (None, "delta", "jackknife"))
    assert plain[0] / plain[1] == pytest.approx(2, rel=0.05)
    assert plain[1] / plain[2] == pytest.approx(2, rel=0.02)
    assert delta[1] / delta[2] > 4  # of order 1/n^2 and beyond
    assert jack[1] / jack[2] > 4
    for n, p, d, j in zip((2, 4, 8), plain, delta, jack, strict=True):
        assert p < -0.16 / n
        assert p * 0.7 / n < d < j < 0


# ------------------------------------------------------------------- identity: correlation


@pytest.mark.parametrize("rho", [0.0, 0.6, -0.9])
@pytest.mark.parametrize("n", [4, 5, 8, 25])
def test_olkin_pratt_is_unbiased_for_normal_samples(device, n, rho):
    theta, w = np.polynomial.legendre.leggauss(400)
    theta, w = theta * math.pi / 2, w * math.pi / 2
    r = np.sin(theta)
    weight = column(w * density_of_r(r, n, rho) * np.cos(theta), device)
    pair = with_correlation(column(r, device), n, device)
    close(weight.sum().item(), 1, 1e-10)
    close((weight * pearson_correlation(*pair, unbiased=True)).sum().item(), rho, 1e-6 if n == 4 else 1e-9)
    if n == 8 and rho == 0.6:
        close((weight * pearson_correlation(*pair)).sum().item(), 0.57088047363, 1e-10)


def test_correlation_of_lines(device):
    x = column([1.0, 2.0, 4.0, 8.0], device)
    for scale, offset in ((1, 0), (3e-200, 0), (1e150, 0), (0.1, 1e6)):
        for sign in (1, -1):
            for unbiased in (False, True):
                r = pearson_correlation(x, sign * scale * x + offset, unbiased=unbiased)
                close(r.item(), sign, 1e-10)
                assert abs(r) <= 1


def test_olkin_pratt_is_odd_and_further_from_0(normal, device):
    r = torch.linspace(-1, 1, 41, dtype=F64, device=device)
    for n in (4, 5, 9, 50, 4000):
        pair = with_correlation(r, n, device)
        plain, fair = pearson_correlation(*pair), pearson_correlation(*pair, unbiased=True)
        torch.testing.assert_close(plain, r, rtol=0, atol=1e-12)
        torch.testing.assert_close(fair, -fair.flip(0), rtol=0, atol=1e-7 if n == 4 else 1e-11)
        assert (fair.abs() >= plain.abs() - 1e-15).all()
        assert (fair.abs() <= 1).all()
        assert (fair.diff() > 0).all()


# ------------------------------------------------------------------- identity: moments in pieces


def assert_same_moments(one, other, relative=1e-12):
    for name in ("count", "mean", "variance", "skewness", "kurtosis"):
        a, b = getattr(one, name), getattr(other, name)
        torch.testing.assert_close(a, b, rtol=relative, atol=relative, equal_nan=True)
    for order in (1, 2, 3, 4):
        torch.testing.assert_close(
            one.k_statistic(order), other.k_statistic(order), rtol=relative, atol=relative
        )


CUTS = [(0, 1, 2, 700), (0, 0, 1000), (500, 999), (1, 3, 7, 20, 55, 148, 400)]


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("offset", [0.0, -3.0, 1e8])
def test_pieces_have_the_moments_of_the_whole(normal, cuts, offset):
    x = normal(1000).exp() + offset
    x[cuts[-1] :] += 2.5  # the pieces differ
    whole = Moments.of(x)
    pieces = x.tensor_split(cuts)
    updated = Moments.of(x[:0])
    for piece in pieces:
        assert updated.update(piece) is updated
    assert_same_moments(updated, whole)
    merged = [Moments.of(piece) for piece in pieces]
    before = [m.state.clone() for m in merged]
    tree = Moments.of(x[:0])
    for m in reversed(merged):
        assert tree.merge(m) is tree
    assert_same_moments(tree, whole)
    assert all(torch.equal(m.state, b) for m, b in zip(merged, before, strict=True))
    n, *sums = (float(s) for s in exact_sums(x.cpu()))
    assert whole.count == n
    assert_close(whole.mean, sums[:1], 1e-15)
    assert_close(whole.variance, [sums[1] / (n - 1)], 1e-13)
    assert_close(whole.skewness, [sums[2] / n / (sums[1] / n) ** 1.5], 1e-13)
    assert_close(whole.kurtosis, [sums[3] / n / (sums[1] / n) ** 2], 1e-13)
    for order in (1, 2, 3, 4):
        assert_close(updated.k_statistic(order), [exact_k(x.cpu(), order)], 1e-13)


def test_ten_million_values_in_uneven_pieces(normal):
    x = normal(10_000_000, dtype=torch.float32) + 1000
    whole, pieces = Moments.of(x), Moments.of(x[:0])
    for piece in x.tensor_split([1, 10, 1000, 1_000_000, 1_000_000, 7_654_321]):
        pieces.merge(Moments.of(piece))
    assert_same_moments(pieces, whole, 1e-11)
    assert whole.count == 1e7


def test_moments_of_columns(normal):
    x = normal(40, 3, 2).exp()
    for dim in (0, (0, 2), -1):
        whole = Moments.of(x, dim=dim)
        torch.testing.assert_close(whole.mean, x.mean(dim), rtol=1e-14, atol=0)
        torch.testing.assert_close(whole.variance, x.var(dim), rtol=1e-13, atol=0)
        assert (whole.count == x.numel() // whole.mean.numel()).all()
    pieces = Moments.of(x[:0], dim=0).update(x[:11]).update(x[11:])
    assert_same_moments(pieces, Moments.of(x, dim=0))
    assert pieces.state.shape == (6, 3, 2)
    alone = Moments.of(x[:, 1, 1])
    torch.testing.assert_close(pieces.k_statistic(4)[1, 1], alone.k_statistic(4), rtol=1e-12, atol=0)


def test_moments_of_too_little_are_nan(device):
    x = column([1.0, 5.0, 6.0], device)
    for n, known in ((0, 0), (1, 1), (2, 2), (3, 3)):
        moments = Moments.of(x[:n])
        assert moments.count == n
        assert [moments.k_statistic(order).isnan().item() for order in (1, 2, 3, 4)] == [
            order > known for order in (1, 2, 3, 4)
        ]
    assert Moments.of(x[:0]).mean.isnan()
    assert Moments.of(x[:1]).variance.isnan()
    assert Moments.of(torch.ones(0, 3, device=device), dim=0).mean.isnan().tolist() == [True] * 3
    assert Moments.of(torch.ones(3, 0, device=device), dim=0).mean.shape == (0,)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_what_is_not_finite_stays_in_the_moments(normal, value):
    x = normal(10)
    x[3] = value
    for moments in (Moments.of(x), Moments.of(x[:5]).update(x[5:]), Moments.of(x[5:]).update(x[:5]),
                    Moments.of(x[:0]).update(x)):  # fmt: skip
        assert moments.count == 10
        for name in ("mean", "variance", "skewness", "kurtosis"):
            assert getattr(moments, name).isnan()


def test_merging_does_not_lose_the_rounding_of_the_means(device):
    """Two points 1 apart at 2^52: their mean ends in 1/2, which no float64 there can hold with a third."""
    x = column([2.0**52, 2.0**52 + 1, 2.0**52 + 3], device)
    moments = Moments.of(x[:2]).update(x[2:])
    close(moments.variance.item(), 7 / 3)
    close(moments.k_statistic(3).item(), Fraction(20, 9) * 3 / 2)
    state = merge(summary(x[:1], (0,)), summary(x[1:], (0,)))
    close((state[1] - 2.0**52 + state[2]).item(), 4 / 3)


def test_all_reduce_gathers_once(normal, monkeypatch):
    x, calls = normal(50), []
    shards = [Moments.of(piece) for piece in x.tensor_split([7, 7, 30])]
    group = object()
    states = [s.state.clone() for s in shards]

    def all_gather(out, mine, group):
        calls.append(group)
        assert any(torch.equal(mine, s) for s in states)
        for place, state in zip(out, states, strict=True):
            place.copy_(state)

    monkeypatch.setattr(bias.dist, "get_world_size", lambda g: len(shards) if g is group else -1)
    monkeypatch.setattr(bias.dist, "all_gather", all_gather)
    for shard in shards:
        assert shard.all_reduce(group) is shard
        assert torch.equal(shard.state, shards[0].state)
    assert calls == [group] * 4
    assert_same_moments(shards[0], Moments.of(x))


WORKER = """
import json, sys, torch, torch.distributed as dist
from lemmata.estimation import Moments

rank, folder = int(sys.argv[1]), sys.argv[2]
generator = torch.Generator().manual_seed(6747)
x = torch.randn(101, 2, generator=generator, dtype=torch.float64).exp() + 1e6
for world, cuts in ((1, []), (2, [77]), (3, [5, 5])):
    if rank < world:
        store = f"file://{folder}/{world}-{cuts}".replace(" ", "")
        dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world)
        shard = x.tensor_split(cuts)[rank]
        group = dist.new_group(list(range(world)))
        total, columns = Moments.of(shard).all_reduce(), Moments.of(shard, dim=0).all_reduce(group)
        print(json.dumps([world, cuts, total.state.tolist(), columns.state.tolist()]), flush=True)
        dist.destroy_process_group()
"""


def test_gloo_worlds_of_one_two_and_three(device, run_ranks):
    if device != "cpu":
        pytest.skip("gloo works on the CPU")
    lines = run_ranks(WORKER)
    x = torch.randn(101, 2, generator=torch.Generator().manual_seed(6747), dtype=F64).exp() + 1e6
    whole, columns = Moments.of(x), Moments.of(x, dim=0)
    assert [len(printed) for printed in lines] == [3, 2, 1]
    seen = {}
    for world, cuts, *states in (json.loads(line) for line in itertools.chain(*lines)):
        assert seen.setdefault((world, str(cuts)), states) == states  # the same on every rank
        for state, expected in zip(states, (whole, columns), strict=True):
            dim = None if expected is whole else 0
            assert_same_moments(Moments(torch.tensor(state, dtype=F64), dim), expected)


# ------------------------------------------------------------------- agreement with mpmath


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [5, 1000])
def test_moments_agree_with_mpmath(normal, dtype, n):
    """n eps for the sums, of terms that are as large as their sizes say; a half type then rounds once."""
    x = (normal(2, n).exp() - 1).to(dtype)
    made = torch.finfo(torch.float64 if dtype == F64 else torch.float32).eps
    kept = torch.finfo(dtype).eps / 2 if torch.finfo(dtype).eps > made else 0
    for row in x.cpu():
        size = [float(mp.fsum(abs(mp.mpf(float(v))) ** r for v in row) / n) for r in (0, 1, 2, 3, 4)]
        row = row.to(x.device)
        for order in (1, 2, 3, 4):
            slack = made * (4 + n**0.5) * 16 * (size[order] + 3 * size[2] ** 2 * (order == 4))
            assert_close(k_statistic(row, order), [exact_k(row, order)], kept + made, slack)
        for result, divisor in ((variance(row), n - 1), (variance(row, correction=0), n)):
            assert_close(result, [exact_sums(row)[2] / divisor], kept + 8 * made)
            assert result.dtype == dtype
        assert_close(unbiased_std(row), [mp.sqrt(exact_k(row, 2)) / exact_c4(n)], kept + 8 * made)
        k2, k4 = exact_k(row, 2), exact_k(row, 4)
        assert_close(k_statistic_variance(row, 1), [k2 / n], kept + 8 * made)
        spread = (2 * n * k2**2 + (n - 1) * k4) / (n * (n + 1))
        slack = made * (4 + n**0.5) * 16 * (size[4] + 3 * size[2] ** 2) / n
        assert_close(k_statistic_variance(row, 2), [spread], kept + made, slack)


@pytest.mark.parametrize(("dtype", "offset"), [(F64, 1e8), (torch.float32, 1e4), (torch.float32, 1e6)])
def test_far_from_0_nothing_cancels(normal, dtype, offset):
    """Power sums fail here: scipy's fourth k-statistic of N(1e6, 1) is of order 1e9."""
    x = (normal(1000) + offset).to(dtype)
    eps = torch.finfo(dtype).eps
    for order in (2, 3, 4):
        assert_close(k_statistic(x, order), [exact_k(x.cpu(), order)], 16 * eps, 200 * eps)
    assert_close(variance(x), [exact_k(x.cpu(), 2)], 4 * eps)
    w = torch.linspace(0.1, 1, 1000, dtype=dtype, device=x.device)
    weight, value = ([mp.mpf(float(v)) for v in t.cpu()] for t in (w, x))
    total = mp.fsum(weight)
    mean = mp.fsum(a * b for a, b in zip(weight, value, strict=True)) / total
    square = mp.fsum(a * (b - mean) ** 2 for a, b in zip(weight, value, strict=True))
    assert_close(variance(x, weights=w), [square / (total - mp.fsum(a * a for a in weight) / total)], 8 * eps)
    y = x + (normal(1000) / 2).to(dtype)
    numbers = [[mp.mpf(float(v)) for v in t.cpu()] for t in (x, y)]
    d, e = ([v - mp.fsum(t) / 1000 for v in t] for t in numbers)
    r = mp.fsum(a * b for a, b in zip(d, e, strict=True))
    r /= mp.sqrt(mp.fsum(a * a for a in d) * mp.fsum(b * b for b in e))
    assert_close(pearson_correlation(x, y), [r], 8 * eps)


def test_large_and_small_scales_in_float32(normal):
    x = normal(5000)
    for scale in (1e-8, 1e8):
        for order in (2, 3, 4):
            got = k_statistic((x * scale).float(), order).double() / scale**order
            torch.testing.assert_close(got, k_statistic(x, order), rtol=1e-4, atol=1e-4)
    y = x + normal(5000)
    for scale in (1e-30, 1e30):
        r = pearson_correlation((x * scale).float(), (y * scale).float())
        torch.testing.assert_close(r.double(), pearson_correlation(x, y), rtol=1e-5, atol=0)


def test_c4_agrees_with_mpmath(device):
    for n in (*range(2, 200), 999, 1000, 10**6 + 1, 10**9, 10**12):
        assert abs((mp.mpf(c4(n)) - exact_c4(n)) / exact_c4(n)) < 4e-16, n


ROWS = {
    "ordinary": (0.3, -1.2, 2.5, 0.0, 0.9),
    "two": (1.0, -2.0),
    "ties": (3.0, 3.0, -700.0),
    "equal": (0.1,) * 7,
    "one towers": (0.0, -100.0, -200.0, -300.0),
    "huge": (1e4, 1e4 - 1, 9e3),
    "tiny": (-1e4, -1e4 - 1, -1.1e4),
    "wide": tuple(30 * math.sin(7 * i) for i in range(50)),
}


@pytest.mark.parametrize("correction", [None, "delta", "jackknife"])
@pytest.mark.parametrize("row", ROWS)
def test_log_mean_exp_agrees_with_mpmath(device, row, correction):
    """eps of the size of the exponents and of log n for the sum, n eps for the falls; rows of one scale."""
    for dtype in DTYPES:
        x = column(ROWS[row], device, dtype)
        exact = exact_log_mean_exp(x.tolist(), correction)
        made = torch.finfo(torch.float64 if dtype == F64 else torch.float32).eps
        kept = torch.finfo(dtype).eps / 2 if torch.finfo(dtype).eps > made else made
        got = log_mean_exp(x, dim=0, correction=correction)
        assert_close(got, [exact], kept, made * (8 + float(x.abs().max()) / 4))
        assert got.dtype == dtype


def test_olkin_pratt_agrees_with_mpmath(device):
    r = column([1e-8, 1e-4, 0.01, 0.3, 0.6, 0.9, 0.999999], device)
    for n in (4, 5, 6, 7, 8, 12, 20, 33, 50, 200, 1000, 10_000):
        assert_close(bias._olkin_pratt(r, n), [exact_olkin_pratt(v, n) for v in r.tolist()], 1e-14)
        assert bias._olkin_pratt(column([0.0, 1.0, -1.0, NAN], device), n)[:3].tolist() == pytest.approx(
            [0, 1, -1], abs=1e-15
        )
    x, y = with_correlation(r[2:], 11, device)
    exact = [exact_olkin_pratt(v, 11) for v in pearson_correlation(x, y).tolist()]
    assert_close(pearson_correlation(x, y, unbiased=True), exact, 1e-14)
    single = pearson_correlation(x.float(), y.float(), unbiased=True)
    assert_close(single, exact, 1e-5)
    assert single.dtype == torch.float32


# ------------------------------------------------------------------- agreement with scipy and torch


def test_scipy_is_right_where_nothing_cancels(normal):
    x = normal(3, 40).exp()
    for order in (1, 2, 3, 4):
        expected = torch.as_tensor(stats.kstat(x.cpu().numpy(), order, axis=-1))
        torch.testing.assert_close(k_statistic(x, order).cpu(), expected, rtol=1e-11, atol=0)
        columns = (
            torch.as_tensor(stats.kstat(x.cpu().numpy()[:, :3], order, axis=1))[:2] if order < 4 else None
        )
        if columns is not None:
            torch.testing.assert_close(k_statistic(x[:2, :3], order).cpu(), columns, rtol=1e-9, atol=1e-12)
    for order in (1, 2):
        expected = torch.as_tensor(stats.kstatvar(x.cpu().numpy(), order, axis=-1))
        torch.testing.assert_close(k_statistic_variance(x, order).cpu(), expected, rtol=1e-11, atol=0)
    y = x + normal(3, 40)
    expected = [stats.pearsonr(a, b).statistic for a, b in zip(x.cpu(), y.cpu(), strict=True)]
    assert_close(pearson_correlation(x, y), expected, 1e-13)
    moments = Moments.of(x[0])
    close(moments.skewness.item(), stats.skew(x[0].cpu()))
    close(moments.kurtosis.item(), stats.kurtosis(x[0].cpu(), fisher=False))


def test_torch_and_numpy_agree(normal):
    x, w = normal(2, 40).exp(), normal(40).abs()
    torch.testing.assert_close(pearson_correlation(x[0], x[1]), torch.corrcoef(x)[0, 1], rtol=1e-13, atol=0)
    expected = torch.cov(x, aweights=w).diagonal()
    torch.testing.assert_close(variance(x, dim=-1, weights=w), expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(log_mean_exp(x, dim=-1), x.logsumexp(-1) - math.log(40), rtol=1e-13, atol=0)


# ------------------------------------------------------------------- agreement: gradients and transforms

FUNCTIONS = {  # each over axis 0
    "variance": lambda x: variance(x, dim=0),
    "weighted variance": lambda x: variance(x, dim=0, weights=1.5 + x.sin()),
    "unbiased_std": lambda x: unbiased_std(x, dim=0),
    "k3": lambda x: k_statistic(x, 3, dim=0),
    "k4": lambda x: k_statistic(x, 4, dim=0),
    "variance of k1": lambda x: k_statistic_variance(x, 1, dim=0),
    "variance of k2": lambda x: k_statistic_variance(x, 2, dim=0),
    "jackknife": lambda x: jackknife(lambda y: y.square().mean(0).log(), x).estimate,
    "standard error": lambda x: jackknife(lambda y: y.square().mean(0).log(), x).standard_error,
    "u": lambda x: u_statistic(lambda a, b: (a - 2 * b).sin(), x, order=2),
    "v": lambda x: v_statistic(lambda a, b: (a - 2 * b).sin(), x, order=2),
    "log_mean_exp": lambda x: log_mean_exp(x, dim=0),
    "delta": lambda x: log_mean_exp(x, dim=0, correction="delta"),
    "log jackknife": lambda x: log_mean_exp(x, dim=0, correction="jackknife"),
    "correlation": lambda x: pearson_correlation(x, x.flip(-1).exp(), dim=0),
    "Olkin-Pratt": lambda x: pearson_correlation(x, x.flip(-1).exp(), dim=0, unbiased=True),
}


@pytest.fixture(params=FUNCTIONS)
def function(request):
    return FUNCTIONS[request.param]


def test_gradients_of_both_orders(normal, function):
    x = normal(6, 2).requires_grad_()
    assert gradcheck(function, (x,), check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(function, (x,))


def test_vmap_and_jacobians(normal, function):
    x = normal(3, 6, 2)
    rows = torch.stack([function(sample) for sample in x])
    torch.testing.assert_close(torch.vmap(function)(x), rows, rtol=1e-12, atol=1e-13)
    moved = torch.vmap(function, in_dims=1)(x.transpose(0, 1))
    torch.testing.assert_close(moved, rows, rtol=1e-12, atol=1e-13)
    reverse, forward = torch.func.jacrev(function)(x[0]), torch.func.jacfwd(function)(x[0])
    torch.testing.assert_close(reverse, forward, rtol=1e-10, atol=1e-12)


def test_compiles_whole(normal, function):
    """In one graph, for samples of any size."""
    torch.compiler.reset()
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager", dynamic=True)
    for n in (5, 9):
        x = normal(n, 2)
        torch.testing.assert_close(compiled(x), function(x), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["weighted variance", "k4", "u", "log jackknife"])
def test_gradients_compile_too(normal, name):
    torch.compiler.reset()
    compiled = torch.compile(FUNCTIONS[name], fullgraph=True, backend="aot_eager")
    x = normal(5, 2).requires_grad_()
    slopes = (torch.autograd.grad(f(x).sum(), x)[0] for f in (compiled, FUNCTIONS[name]))
    torch.testing.assert_close(*slopes, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_layouts_and_arguments(normal, function, dtype, device):
    x = normal(6, 4).to(dtype)
    kept = x.clone()
    y = function(x)
    assert torch.equal(x, kept)
    assert y.dtype == dtype
    exact = function(x.double())
    made = torch.finfo(torch.float32 if dtype != F64 else dtype).eps
    torch.testing.assert_close(y.double(), exact, rtol=torch.finfo(dtype).eps, atol=400 * made)
    spread = x.repeat_interleave(2, 1)[:, ::2].T.contiguous().T
    assert not spread.is_contiguous()
    torch.testing.assert_close(function(spread), y, rtol=4 * made, atol=40 * made)
    with torch.autocast(torch.device(device).type, dtype=torch.bfloat16):
        again = function(x)
    assert again.dtype == dtype
    assert torch.equal(again, y)


def test_empty_batches(device, function):
    x = torch.ones(6, 0, device=device, requires_grad=True)
    y = function(x)
    assert y.shape[-1] == 0
    assert torch.autograd.grad(y.sum(), x)[0].shape == (6, 0)


def test_samples_may_lie_on_any_axis(normal):
    x, y = normal(2, 6, 3), normal(2, 6, 3)
    for f in (
        lambda x, y, dim: k_statistic(x, 1, dim=dim),
        lambda x, y, dim: k_statistic(x, 4, dim=dim),
        lambda x, y, dim: k_statistic_variance(x, 1, dim=dim),
        lambda x, y, dim: k_statistic_variance(x, 2, dim=dim),
        lambda x, y, dim: pearson_correlation(x, y, dim=dim),
        lambda x, y, dim: pearson_correlation(x, y, dim=dim, unbiased=True),
        lambda x, y, dim: log_mean_exp(x, dim=dim),
        lambda x, y, dim: log_mean_exp(x, dim=dim, correction="delta"),
        lambda x, y, dim: log_mean_exp(x, dim=dim, correction="jackknife"),
    ):
        last = f(x.transpose(1, 2), y.transpose(1, 2), -1)
        assert last.shape == (2, 3)
        for dim in (1, -2):
            torch.testing.assert_close(f(x, y, dim), last, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(k_statistic(x, 2), x.var(-1))
    torch.testing.assert_close(k_statistic_variance(x, 1), x.var(-1) / 3)
    torch.testing.assert_close(pearson_correlation(x, y), pearson_correlation(x, y, dim=2))


def test_gradients_reach_weights_and_second_arguments(normal):
    x, w, y = normal(7).requires_grad_(), normal(7).exp().requires_grad_(), normal(7).requires_grad_()
    assert gradcheck(lambda x, w: variance(x, weights=w), (x, w))
    assert gradgradcheck(lambda x, w: variance(x, weights=w), (x, w))
    assert gradcheck(lambda x, y: pearson_correlation(x, y, unbiased=True), (x, y))


def test_second_argument_sets_the_type_too(normal):
    x, y = normal(9), normal(9)
    assert pearson_correlation(x.half(), y.float()).dtype == torch.float32
    assert pearson_correlation(x.half(), y.bfloat16()).dtype == torch.float32
    exact = pearson_correlation(x.float().double(), y)
    assert torch.equal(pearson_correlation(x.float(), y), exact)
    assert variance(x.half(), weights=y.abs()).dtype == torch.float16


# ------------------------------------------------------------------- failure: extreme input


def test_what_is_not_finite_comes_out(normal):
    for value in (NAN, INF, -INF):
        x = normal(8)
        x[2] = value
        for f in (variance, unbiased_std, lambda x: k_statistic(x, 3), lambda x: k_statistic_variance(x, 2),
                  lambda x: pearson_correlation(x, x.sin().nan_to_num()),
                  lambda x: pearson_correlation(x.sin().nan_to_num(), x, unbiased=True),
                  lambda x: variance(x, weights=torch.ones_like(x))):  # fmt: skip
            assert f(x).isnan()
        mean = k_statistic(x, 1)
        assert mean.isnan() if value != value else mean == value


@pytest.mark.parametrize("correction", [None, "delta", "jackknife"])
def test_infinite_exponents(device, correction):
    rows = column([[INF, 0, 1], [INF, INF, 0], [-INF] * 3, [NAN, 0, 1], [-INF, INF, 0]], device)
    rows.requires_grad_()
    y = log_mean_exp(rows, dim=-1, correction=correction)
    assert y[[0, 1, 2, 4]].tolist() == [INF, INF, -INF, INF]
    assert y[3].isnan()
    (slope,) = torch.autograd.grad(y.sum(), rows)
    assert (slope[[0, 1, 2, 4]] == 0).all()
    x = column([0.0, -INF, 0.0], device).requires_grad_()
    y = log_mean_exp(x, dim=0, correction=correction)
    expected = {None: math.log(2 / 3), "delta": math.log(2 / 3) + 1 / 8}
    expected["jackknife"] = 3 * math.log(2 / 3) - 2 / 3 * 2 * math.log(1 / 2)
    close(y.item(), expected[correction])
    assert torch.autograd.grad(y, x)[0].tolist() == pytest.approx([0.5, 0, 0.5])


def test_corrections_when_one_term_is_everything(device):
    x = column([0.0, -INF], device).requires_grad_()
    close(log_mean_exp(x, dim=0, correction="delta").item(), 0.5 - math.log(2))
    y = log_mean_exp(x, dim=0, correction="jackknife")
    assert y == INF
    assert torch.autograd.grad(y, x)[0].isfinite().all()
    towers = column([0.0, -1000.0, -1000.0], device)
    jackknifed = log_mean_exp(towers, dim=0, correction="jackknife").item()
    close(jackknifed, -3 * math.log(3) - 2 / 3 * (-1000 - 2 * math.log(2)))
    assert log_mean_exp(towers, dim=0, correction="delta") < 0.5 - math.log(3) + 1e-12


def test_a_correlation_with_a_constant_is_nan(normal, device):
    x = normal(3, 7)
    x[1] = 0.1
    for unbiased in (False, True):
        r = pearson_correlation(x, normal(3, 7), unbiased=unbiased)
        assert r.isnan().tolist() == [False, True, False]
    assert pearson_correlation(x[:, :1], x[:, :1]).isnan().all()
    close(pearson_correlation(column([1.0, 2.0], device), column([5.0, 3.0], device)).item(), -1)


# ------------------------------------------------------------------- failure: bad input

BAD_CALLS = {
    "types": [
        (TypeError, "x must be float64.* got torch.int64", lambda x, i: variance(i)),
        (TypeError, "got torch.int64", lambda x, i: unbiased_std(i)),
        (TypeError, "got torch.int64", lambda x, i: k_statistic(i, 1)),
        (TypeError, "got torch.int64", lambda x, i: k_statistic_variance(i, 1)),
        (TypeError, "x must be", lambda x, i: jackknife(torch.sum, i)),
        (TypeError, "got torch.int64", lambda x, i: u_statistic(torch.mul, i, order=2)),
        (TypeError, "got torch.int64", lambda x, i: v_statistic(torch.mul, i, order=2)),
        (TypeError, "got torch.int64", lambda x, i: log_mean_exp(i, dim=0)),
        (TypeError, "x must be", lambda x, i: pearson_correlation(i, x)),
        (TypeError, "y must be", lambda x, i: pearson_correlation(x, i)),
        (TypeError, "got torch.int64", lambda x, i: Moments.of(i)),
        (TypeError, "got torch.int64", lambda x, i: Moments.of(x).update(i)),
        (TypeError, "got torch.complex64", lambda x, i: variance(x + 0j)),
        (TypeError, "x must be a tensor, got list", lambda x, i: variance([1.0])),
        (TypeError, "weights must be float64.* got torch.int64", lambda x, i: variance(x, weights=i)),
        (TypeError, r"statistic\(x\) must be", lambda x, i: jackknife(lambda x: x.argmax(), x)),
        (TypeError, r"statistic\(x\) must be a tensor, got float", lambda x, i: jackknife(lambda x: 1.0, x)),
        (TypeError, "n must be an int, got float", lambda x, i: c4(5.0)),
        (TypeError, "n must be an int, got float", lambda x, i: mse_optimal_divisor(5.0)),
        (TypeError, "order must be an int, got float", lambda x, i: k_statistic(x, 2.0)),
        (TypeError, "order must be an int, got bool", lambda x, i: k_statistic_variance(x, True)),
        (TypeError, "order must be an int", lambda x, i: u_statistic(torch.sin, x, order=1.0)),
        (TypeError, "dim must be an int", lambda x, i: k_statistic(x, 1, dim=(0,))),
    ],
    "axes": [
        (ValueError, r"distinct axes of x of shape \(3, 5\), got 2", lambda x, i: variance(x, dim=2)),
        (ValueError, "dim must be distinct axes.* got -3", lambda x, i: variance(x, dim=-3)),
        (ValueError, r"got \(0, -2\)", lambda x, i: variance(x, dim=(0, -2))),
        (ValueError, "got 2", lambda x, i: unbiased_std(x, dim=2)),
        (ValueError, "got 2", lambda x, i: Moments.of(x, dim=2)),
        (ValueError, "got 0", lambda x, i: variance(x[0, 0], dim=0)),
        (ValueError, "dim must be an axis of x", lambda x, i: k_statistic(x, 1, dim=2)),
        (ValueError, "dim must be an axis of x", lambda x, i: jackknife(torch.sum, x, dim=2)),
        (ValueError, "dim must be an axis of x", lambda x, i: log_mean_exp(x, dim=-3)),
        (ValueError, "dim must be an axis of x", lambda x, i: pearson_correlation(x, x, dim=2)),
        (ValueError, "dim must be an axis of x", lambda x, i: u_statistic(torch.sin, x[0, 0], order=1)),
    ],
    "sizes": [
        *((ValueError, f"x must have at least {k} entries along dim -1",
           lambda x, i, k=k: k_statistic(x[:, : k - 1], k)) for k in (2, 3, 4)),
        (ValueError, "at least one entry", lambda x, i: k_statistic(x[:, :0], 1)),
        (ValueError, "at least 2 entries", lambda x, i: k_statistic_variance(x[:, :1], 1)),
        (ValueError, "at least 4 entries", lambda x, i: k_statistic_variance(x[:, :3], 2)),
        (ValueError, "at least 2 entries along dim 0", lambda x, i: jackknife(torch.sum, x[:1])),
        (ValueError, "at least 2 entries", lambda x, i: u_statistic(torch.mul, x[:1], order=2)),
        (ValueError, "at least one entry", lambda x, i: v_statistic(torch.mul, x[:0], order=2)),
        (ValueError, "at least 4 entries",
         lambda x, i: pearson_correlation(x[:, 2:], x[:, 2:], unbiased=True)),
        (ValueError, "at least one entry", lambda x, i: pearson_correlation(x[:, :0], x[:, :0])),
        (ValueError, "at least 2 entries", lambda x, i: log_mean_exp(x[:, :1], dim=1, correction="delta")),
        (ValueError, "at least 2", lambda x, i: log_mean_exp(x[:, :1], dim=1, correction="jackknife")),
        (ValueError, "at least one entry", lambda x, i: log_mean_exp(x[:, :0], dim=1)),
        (ValueError, "n must be at least 2, got 1", lambda x, i: c4(1)),
        (ValueError, "n must be at least 2, got 1", lambda x, i: mse_optimal_divisor(1)),
    ],
    "values": [
        (ValueError, "order must be from 1 to 4, got 5", lambda x, i: k_statistic(x, 5)),
        (ValueError, "order must be from 1 to 4, got 0", lambda x, i: k_statistic(x, 0)),
        (ValueError, "order must be from 1 to 2, got 3", lambda x, i: k_statistic_variance(x, 3)),
        (ValueError, "order must be from 1 to 4, got 5", lambda x, i: Moments.of(x).k_statistic(5)),
        (ValueError, "order must be at least 1, got 0", lambda x, i: u_statistic(torch.sin, x, order=0)),
        (ValueError, "order must be at least 1, got 0", lambda x, i: v_statistic(torch.sin, x, order=0)),
        (ValueError, "correction must be None, 'delta' or 'jackknife', got 'jack'",
         lambda x, i: log_mean_exp(x, dim=0, correction="jack")),
        (ValueError, r"kurtosis .* 1, .* 0\.9", lambda x, i: mse_optimal_divisor(5, kurtosis=0.9)),
        (ValueError, "got nan", lambda x, i: mse_optimal_divisor(5, kurtosis=NAN)),
        (ValueError, r"y must .*\(3, 5\), got \(5,\)", lambda x, i: pearson_correlation(x, x[0])),
        (ValueError, r"weights must broadcast.* got \(3,\)", lambda x, i: variance(x, weights=x[:, 0])),
        (ValueError, r"other must hold moments of shape \(\), got \(5,\)",
         lambda x, i: Moments.of(x).merge(Moments.of(x, dim=0))),
        (ValueError, r"other must hold moments of shape \(5,\), got \(\)",
         lambda x, i: Moments.of(x, dim=0).merge(Moments.of(x))),
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_CALLS)
def test_bad_input_is_named(device, kind):
    x, i = torch.ones(3, 5, device=device), torch.ones(3, 5, dtype=torch.int64, device=device)
    for error, message, call in BAD_CALLS[kind]:
        with pytest.raises(error, match=message):
            call(x, i)


def test_negative_weights_raise_where_they_can_be_read(device):
    x, w = torch.ones(4, device=device), torch.tensor([1.0, 0.0, -0.5, 1.0], device=device)
    if device == "cpu":
        with pytest.raises(ValueError, match=r"weights must be at least 0, got -0\.5"):
            variance(x, weights=w)
    assert torch.func.vmap(lambda x: variance(x, weights=w.abs()))(x.expand(2, 4)).shape == (2,)
    torch.func.vmap(lambda w: variance(x, weights=w))(w.expand(2, 4))
    assert variance(torch.ones(3, 0), dim=1, weights=torch.ones(3, 0)).isnan().all()
