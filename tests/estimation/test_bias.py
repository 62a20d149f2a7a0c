"""Variance, standard deviation and k-statistics: exact expectations, agreement, and what breaks."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from estimation.bias_oracle import (
    CUMULANTS,
    exact_c4,
    exact_numbers,
    exact_sums,
    expectation,
    k_of_sums,
)
from helpers import (
    DEVICES,
    DTYPES,
    F64,
    INF,
    NAN,
    Draw,
    assert_close,
    assert_refused,
    close,
    column,
    rounding,
)
from mpmath import mp
from scipy import stats

from lemmata.estimation import (
    c4,
    k_statistic,
    k_statistic_variance,
    mse_optimal_divisor,
    unbiased_std,
    variance,
)

pytestmark = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture
def normal(device):
    return Draw(6747, device).normal


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


@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_weights_have_no_scale_and_their_slopes_the_inverse_one(normal, dtype):
    """Nor does the divisor cancel where one weight is 1e30 times the others."""
    x, w = normal(6).to(dtype), normal(6).abs().to(dtype)
    near = w.clone().requires_grad_()
    (expected,) = torch.autograd.grad(variance(x, weights=near), near)
    for scale in (2.0**-100, 2.0**100):
        far = (scale * w).requires_grad_()
        value = variance(x, weights=far)
        assert torch.equal(value, variance(x, weights=w))
        (slope,) = torch.autograd.grad(value, far, create_graph=True)
        torch.testing.assert_close(slope * scale, expected, rtol=1e-5, atol=1e-6)
        (bend,) = torch.autograd.grad(slope.sum(), far)
        assert not bend.isnan().any()
    for at in (0, 5):
        heavy = torch.ones(6, dtype=dtype)
        heavy[at] = 1e30
        value = variance(x, weights=heavy)
        close(value.item(), ((x - x[at]).double().square().sum() / 10).item(), 1e-6)  # the limit


def test_weights_that_vanish_have_slopes(device):
    x = column([0.0, 1.0, 5.0, 2.0], device)
    for small in (0.0, 1e-30, 1e-300):
        w = column([1.0, 1.0, small, small], device).requires_grad_()
        (slope,) = torch.autograd.grad(variance(x, weights=w), w, create_graph=True)
        # S = sum w d^2 / (V1 - V2/V1): with V1 = V2 = 2 and S = 1/2, its slope in w3 is d^2 - S (1 + V2/V1^2)
        assert_close(slope[2:], [4.5**2 - 0.75, 1.5**2 - 0.75], 1e-12)
        assert torch.autograd.grad(slope.sum(), w)[0].isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_constant_has_variance_0_of_any_size(device, dtype):
    """As torch.var_mean, and unlike torch.var: 5.6e-17 for a thousand times 0.1 in float32 (torch 2.13)."""
    for value in (0.1, 1 / 3, 1e4 + 0.1, -7.7):
        for n in (7, 8, 1000, 1024):
            x = torch.full((n,), value, dtype=dtype, device=device)
            assert variance(x) == unbiased_std(x) == k_statistic(x, 2) == 0
            assert variance(x, weights=x.abs()) == 0


def test_weights_do_not_set_the_type(normal):
    assert variance(normal(9).half(), weights=normal(9).abs()).dtype == torch.float16


def test_weights_broadcast(normal):
    x, w = normal(2, 3, 4), normal(3, 1).abs()
    whole = variance(x, dim=1, weights=w.expand(2, 3, 4))
    torch.testing.assert_close(variance(x, dim=1, weights=w), whole, rtol=1e-14, atol=0)
    rows = [[variance(x[i, :, j], weights=w[:, 0]) for j in range(4)] for i in range(2)]
    torch.testing.assert_close(whole, torch.stack([torch.stack(r) for r in rows]), rtol=1e-13, atol=0)


def test_axes_count_from_both_ends(normal):
    x = normal(3, 4, 5)
    for dim in range(3):
        torch.testing.assert_close(variance(x, dim=dim - 3), variance(x, dim=dim), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_entries_have_variance_exactly_0(device, dtype):
    for value in (0.1, 1 / 3, 1e4, -7.7):
        x = torch.full((2, 1001), value, dtype=dtype, device=device)
        assert (variance(x, dim=-1) == 0).all()
        assert (unbiased_std(x, dim=-1) == 0).all()
        assert [k_statistic(x, order).tolist() for order in (2, 3, 4)] == [[0, 0]] * 3


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


# ------------------------------------------------------------------- agreement with exact numbers


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [5, 1000])
def test_moments_are_the_exact_ones(normal, dtype, n):
    """n eps for the sums, of terms that are as large as their sizes say; a half type then rounds once."""
    x = (normal(2, n).exp() - 1).to(dtype)
    made, kept = rounding(dtype)
    for row in x:
        sums = exact_sums(row)
        size = [row.double().abs().pow(r).mean().item() for r in range(5)]
        for order in (1, 2, 3, 4):
            slack = made * (4 + n**0.5) * 16 * (size[order] + 3 * size[2] ** 2 * (order == 4))
            assert_close(k_statistic(row, order), [k_of_sums(sums, order)], kept + made, slack)
        for result, divisor in ((variance(row), n - 1), (variance(row, correction=0), n)):
            assert_close(result, [sums[2] / divisor], kept + 8 * made)
            assert result.dtype == dtype
        k2, k4 = k_of_sums(sums, 2), k_of_sums(sums, 4)
        deviation = mp.sqrt(mp.mpf(k2.numerator) / k2.denominator)
        assert_close(unbiased_std(row), [deviation / exact_c4(n)], kept + 8 * made)
        assert_close(k_statistic_variance(row, 1), [k2 / n], kept + 8 * made)
        spread = (2 * n * k2**2 + (n - 1) * k4) / (n * (n + 1))
        slack = made * (4 + n**0.5) * 16 * (size[4] + 3 * size[2] ** 2) / n
        assert_close(k_statistic_variance(row, 2), [spread], kept + made, slack)


@pytest.mark.parametrize(("dtype", "offset"), [(F64, 1e8), (torch.float32, 1e4), (torch.float32, 1e6)])
def test_far_from_0_nothing_cancels(normal, dtype, offset):
    """Power sums fail here: scipy's fourth k-statistic of N(1e6, 1) is of order 1e9."""
    x = (normal(1000) + offset).to(dtype)
    eps = torch.finfo(dtype).eps
    sums = exact_sums(x)
    for order in (2, 3, 4):
        assert_close(k_statistic(x, order), [k_of_sums(sums, order)], 16 * eps, 200 * eps)
    assert_close(variance(x), [k_of_sums(sums, 2)], 4 * eps)
    w = torch.linspace(0.1, 1, 1000, dtype=dtype, device=x.device)
    weight, value = exact_numbers(w), exact_numbers(x)
    total = mp.fsum(weight)
    mean = mp.fsum(a * b for a, b in zip(weight, value, strict=True)) / total
    square = mp.fsum(a * (b - mean) ** 2 for a, b in zip(weight, value, strict=True))
    assert_close(variance(x, weights=w), [square / (total - mp.fsum(a * a for a in weight) / total)], 8 * eps)


def test_large_and_small_scales_in_float32(normal):
    x = normal(5000)
    for scale in (1e-8, 1e8):
        for order in (2, 3, 4):
            got = k_statistic((x * scale).float(), order).double() / scale**order
            torch.testing.assert_close(got, k_statistic(x, order), rtol=1e-4, atol=1e-4)


def test_c4_agrees_with_mpmath(device):
    for n in (*range(2, 200), 999, 1000, 10**6 + 1, 10**9, 10**12):
        assert abs((mp.mpf(c4(n)) - exact_c4(n)) / exact_c4(n)) < 4e-16, n


# ------------------------------------------------------------------- agreement with scipy and torch


DIMS = [None, (), 0, 1, -1, (0, 1), (0, -1), (-1, 1), (0, 1, 2)]


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


def test_weights_are_those_of_torch(normal):
    x, w = normal(2, 40).exp(), normal(40).abs()
    expected = torch.cov(x, aweights=w).diagonal()
    torch.testing.assert_close(variance(x, dim=-1, weights=w), expected, rtol=1e-12, atol=0)


# ------------------------------------------------------------------- failure


def test_what_is_not_finite_comes_out(normal):
    for value in (NAN, INF, -INF):
        x = normal(8)
        x[2] = value
        for f in (variance, unbiased_std, lambda x: k_statistic(x, 3), lambda x: k_statistic_variance(x, 2),
                  lambda x: variance(x, weights=torch.ones_like(x))):  # fmt: skip
            assert f(x).isnan()
        mean = k_statistic(x, 1)
        assert mean.isnan() if value != value else mean == value


def test_negative_weights_raise_where_they_can_be_read(device):
    x, w = torch.ones(4, device=device), torch.tensor([1.0, 0.0, -0.5, 1.0], device=device)
    if device == "cpu":
        with pytest.raises(ValueError, match=r"weights must be at least 0, got -0\.5"):
            variance(x, weights=w)
    assert torch.func.vmap(lambda x: variance(x, weights=w.abs()))(x.expand(2, 4)).shape == (2,)
    torch.func.vmap(lambda w: variance(x, weights=w))(w.expand(2, 4))
    assert variance(torch.ones(3, 0), dim=1, weights=torch.ones(3, 0)).isnan().all()


BAD_CALLS = [
    (TypeError, "x must be float64.* got torch.int64", lambda x, i: variance(i)),
    (TypeError, "got torch.int64", lambda x, i: unbiased_std(i)),
    (TypeError, "got torch.int64", lambda x, i: k_statistic(i, 1)),
    (TypeError, "got torch.int64", lambda x, i: k_statistic_variance(i, 1)),
    (TypeError, "got torch.complex64", lambda x, i: variance(x + 0j)),
    (TypeError, "x must be a tensor, got list", lambda x, i: variance([1.0])),
    (TypeError, "correction must be a number, got str", lambda x, i: variance(x, correction="1")),
    (ValueError, "correction must not be NaN", lambda x, i: variance(x, correction=NAN)),
    (TypeError, "weights must be float64.* got torch.int64", lambda x, i: variance(x, weights=i)),
    (ValueError, r"weights must broadcast.* got \(3,\)", lambda x, i: variance(x, weights=x[:, 0])),
    (ValueError, r"distinct axes of x of shape \(3, 5\), got 2", lambda x, i: variance(x, dim=2)),
    (ValueError, "dim must be distinct axes.* got -3", lambda x, i: variance(x, dim=-3)),
    (ValueError, r"got \(0, -2\)", lambda x, i: variance(x, dim=(0, -2))),
    (ValueError, "got 0", lambda x, i: variance(x[0, 0], dim=0)),
    (TypeError, "dim must be an int, got float", lambda x, i: variance(x, dim=(0.0,))),
    (ValueError, "got 2", lambda x, i: unbiased_std(x, dim=2)),
    (TypeError, "n must be an int, got float", lambda x, i: c4(5.0)),
    (ValueError, "n must be at least 2, got 1", lambda x, i: c4(1)),
    (TypeError, "n must be an int, got float", lambda x, i: mse_optimal_divisor(5.0)),
    (ValueError, "n must be at least 2, got 1", lambda x, i: mse_optimal_divisor(1)),
    (
        TypeError,
        "kurtosis must be a number, got Tensor",
        lambda x, i: mse_optimal_divisor(5, kurtosis=x[0, 0]),
    ),
    (ValueError, r"kurtosis .* 1, .* 0\.9", lambda x, i: mse_optimal_divisor(5, kurtosis=0.9)),
    (ValueError, "got nan", lambda x, i: mse_optimal_divisor(5, kurtosis=NAN)),
    (TypeError, "order must be an int, got float", lambda x, i: k_statistic(x, 2.0)),
    (TypeError, "order must be an int, got bool", lambda x, i: k_statistic_variance(x, True)),
    (ValueError, "order must be from 1 to 4, got 5", lambda x, i: k_statistic(x, 5)),
    (ValueError, "order must be from 1 to 4, got 0", lambda x, i: k_statistic(x, 0)),
    (ValueError, "order must be from 1 to 2, got 3", lambda x, i: k_statistic_variance(x, 3)),
    (TypeError, "dim must be an int", lambda x, i: k_statistic(x, 1, dim=(0,))),
    (ValueError, "dim must be an axis of x", lambda x, i: k_statistic(x, 1, dim=2)),
    (ValueError, "at least one entry", lambda x, i: k_statistic(x[:, :0], 1)),
    *(
        (
            ValueError,
            f"x must have at least {k} entries along dim -1",
            lambda x, i, k=k: k_statistic(x[:, : k - 1], k),
        )
        for k in (2, 3, 4)
    ),
    (ValueError, "at least 2 entries", lambda x, i: k_statistic_variance(x[:, :1], 1)),
    (ValueError, "at least 4 entries", lambda x, i: k_statistic_variance(x[:, :3], 2)),
]


def test_bad_input_is_named(device):
    x, i = torch.ones(3, 5, device=device), torch.ones(3, 5, dtype=torch.int64, device=device)
    assert_refused(BAD_CALLS, x, i)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("size", [1e-30, 1e-22, 1e30])
def test_unbiased_std_of_any_size(dtype, size, device):
    x = torch.tensor([1.0, 3.0], dtype=dtype, device=device) * size
    high, low = x.double().flip(0).tolist()
    assert unbiased_std(x).item() == pytest.approx(
        (high - low) * math.sqrt(math.pi) / 2, rel=torch.finfo(dtype).eps
    )
