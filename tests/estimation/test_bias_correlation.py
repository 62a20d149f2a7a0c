"""The correlation and its unbiased form: lines, the density of normal samples, mpmath, and constants."""

import math

import numpy as np
import pytest
import torch
from estimation.bias_oracle import exact_numbers
from helpers import DEVICES, DTYPES, F64, INF, NAN, Draw, assert_close, assert_refused, close, column
from mpmath import mp
from scipy import stats
from scipy.special import hyp2f1

from lemmata.estimation import pearson_correlation
from lemmata.estimation._bias.correlation import _olkin_pratt

pytestmark = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture
def normal(device):
    return Draw(6747, device).normal


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


# ------------------------------------------------------------------- identity


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


# ------------------------------------------------------------------- agreement


def exact_olkin_pratt(r, n):
    with mp.workdps(60):
        r = mp.mpf(r)
        return r * mp.hyp2f1(0.5, 0.5, mp.mpf(n - 2) / 2, (1 - r) * (1 + r))


def test_olkin_pratt_agrees_with_mpmath(device):
    r = column([1e-8, 1e-4, 0.01, 0.3, 0.6, 0.9, 0.999999], device)
    for n in (4, 5, 6, 7, 8, 12, 20, 33, 50, 200, 1000, 10_000):
        assert_close(_olkin_pratt(r, n), [exact_olkin_pratt(v, n) for v in r.tolist()], 1e-14)
        assert _olkin_pratt(column([0.0, 1.0, -1.0, NAN], device), n)[:3].tolist() == pytest.approx(
            [0, 1, -1], abs=1e-15
        )
    x, y = with_correlation(r[2:], 11, device)
    exact = [exact_olkin_pratt(v, 11) for v in pearson_correlation(x, y).tolist()]
    assert_close(pearson_correlation(x, y, unbiased=True), exact, 1e-14)
    single = pearson_correlation(x.float(), y.float(), unbiased=True)
    assert_close(single, exact, 1e-5)
    assert single.dtype == torch.float32


@pytest.mark.parametrize(("dtype", "offset"), [(F64, 1e8), (torch.float32, 1e4), (torch.float32, 1e6)])
def test_far_from_0_nothing_cancels(normal, dtype, offset):
    x = (normal(1000) + offset).to(dtype)
    y = x + (normal(1000) / 2).to(dtype)
    d, e = ([v - mp.fsum(t) / 1000 for v in t] for t in map(exact_numbers, (x, y)))
    r = mp.fsum(a * b for a, b in zip(d, e, strict=True))
    r /= mp.sqrt(mp.fsum(a * a for a in d) * mp.fsum(b * b for b in e))
    assert_close(pearson_correlation(x, y), [r], 8 * torch.finfo(dtype).eps)


def test_large_and_small_scales_in_float32(normal):
    x = normal(5000)
    y = x + normal(5000)
    for scale in (1e-30, 1e30):
        r = pearson_correlation((x * scale).float(), (y * scale).float())
        torch.testing.assert_close(r.double(), pearson_correlation(x, y), rtol=1e-5, atol=0)


def test_scipy_and_torch_agree(normal):
    x = normal(3, 40).exp()
    y = x + normal(3, 40)
    expected = [stats.pearsonr(a, b).statistic for a, b in zip(x.cpu(), y.cpu(), strict=True)]
    assert_close(pearson_correlation(x, y), expected, 1e-13)
    torch.testing.assert_close(pearson_correlation(x[0], x[1]), torch.corrcoef(x)[0, 1], rtol=1e-13, atol=0)


# ------------------------------------------------------------------- failure


def test_a_correlation_with_a_constant_is_nan(normal, device):
    x = normal(3, 7)
    x[1] = 0.1
    for unbiased in (False, True):
        r = pearson_correlation(x, normal(3, 7), unbiased=unbiased)
        assert r.isnan().tolist() == [False, True, False]
    assert pearson_correlation(x[:, :1], x[:, :1]).isnan().all()
    close(pearson_correlation(column([1.0, 2.0], device), column([5.0, 3.0], device)).item(), -1)


def test_second_argument_sets_the_type_too(normal):
    x, y = normal(9), normal(9)
    assert pearson_correlation(x.half(), y.float()).dtype == torch.float32
    assert pearson_correlation(x.half(), y.bfloat16()).dtype == torch.float32
    exact = pearson_correlation(x.float().double(), y)
    assert torch.equal(pearson_correlation(x.float(), y), exact)


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_entries_correlate_with_nothing(device, dtype):
    for value in (0.1, 1 / 3, 1e4, -7.7):
        x = torch.full((2, 1001), value, dtype=dtype, device=device)
        assert pearson_correlation(x, x).isnan().all()


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_what_is_not_finite_comes_out(normal, value):
    x = normal(8)
    x[2] = value
    finite = x.sin().nan_to_num()
    assert pearson_correlation(x, finite).isnan()
    assert pearson_correlation(finite, x, unbiased=True).isnan()


BAD_CALLS = [
    (TypeError, "x must be", lambda x, i: pearson_correlation(i, x)),
    (TypeError, "y must be", lambda x, i: pearson_correlation(x, i)),
    (ValueError, r"y must .*\(3, 5\).* got \(5,\)", lambda x, i: pearson_correlation(x, x[0])),
    (ValueError, "dim must be an axis of x", lambda x, i: pearson_correlation(x, x, dim=2)),
    (ValueError, "at least one entry", lambda x, i: pearson_correlation(x[:, :0], x[:, :0])),
    (
        ValueError,
        "at least 4 entries",
        lambda x, i: pearson_correlation(x[:, 2:], x[:, 2:], unbiased=True),
    ),
]


def test_bad_input_is_named(device):
    x, i = torch.ones(3, 5, device=device), torch.ones(3, 5, dtype=torch.int64, device=device)
    assert_refused(BAD_CALLS, x, i)
