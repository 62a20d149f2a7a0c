"""The k largest made soft: identities, agreement with sums over subsets and with bisection, edges."""

import itertools

import pytest
import torch
from helpers import DEVICES, DTYPES, INF, assert_close, column, derivatives, resolution
from mpmath import mp
from smoothing.approximations_cases import (
    EXACT,
    METHODS,
    smallest,
)

from lemmata.numerics.elementary_symmetric import log_symmetric
from lemmata.smoothing import (
    soft_one_hot,
    soft_top_k,
)
from lemmata.smoothing._approximations.capped_simplex import capped_simplex

pytestmark = pytest.mark.parametrize("device", DEVICES)


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_top_k_sums_to_k_within_the_unit_interval_in_order(draw, dtype, method):
    eps = torch.finfo(dtype).eps
    for n, scale in itertools.product((1, 2, 7, 30), (0.01, 1.0, 30.0, 3e4)):
        x = draw.normal(5, n, scale=scale).clamp(-6e4, 6e4).to(dtype)
        x[0] = x[0, 0]
        for k in range(0, n + 1, max(1, n // 5)):
            p = soft_top_k(x, k, method=method)
            assert p.shape == x.shape
            assert p.dtype == dtype
            assert (p >= 0).all()
            assert (p <= 1).all()
            assert ((p.double().sum(-1) - k).abs() <= 4 * (k + 1) * eps).all()
            ordered = p.gather(-1, x.argsort(-1))
            assert (ordered.diff() >= -4 * eps).all()
            torch.testing.assert_close(p[0], torch.full_like(p[0], k / n), rtol=4 * eps, atol=0)


@pytest.mark.parametrize("method", METHODS)
def test_top_k_of_everything_and_of_nothing(draw, method):
    x = draw.normal(3, 4, scale=100.0)
    for k, value in ((0, 0.0), (4, 1.0)):
        for temperature in (0, 1e-30, 1.0):
            p, gradient, _ = derivatives(
                lambda x, k=k, t=temperature: soft_top_k(x, k, temperature=t, method=method), x
            )
            assert (p == value).all()
            assert (gradient == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_k_largest_are_the_complement_of_the_others_reversed(draw, method):
    x = draw.normal(4, 7, scale=3.0)
    for k in range(1, 7):
        p = soft_top_k(x, k, temperature=0.6, method=method)
        rest = soft_top_k(-x, 7 - k, temperature=0.6, method=method)
        torch.testing.assert_close(p, 1 - rest, rtol=0, atol=1e-14)
        torch.testing.assert_close(soft_top_k(x / 0.6, k, method=method), p, rtol=1e-13, atol=1e-15)
        torch.testing.assert_close(soft_top_k(x + 9, k, temperature=0.6, method=method), p)
        order = torch.tensor([3, 0, 6, 1, 5, 2, 4], device=x.device)
        moved = soft_top_k(x[:, order], k, temperature=0.6, method=method)
        torch.testing.assert_close(moved, p[:, order], rtol=1e-13, atol=1e-15)


def test_subset_marginals_are_the_gradient_of_log_e_k(draw):
    x = draw.normal(4, 7, scale=2.0)
    for k in range(1, 8):
        _, gradient, _ = derivatives(lambda x, k=k: log_symmetric(x, k)[..., k], x)
        torch.testing.assert_close(soft_top_k(x, k), gradient, rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(soft_top_k(x, 1), torch.softmax(x, -1), rtol=1e-13, atol=0)
    torch.testing.assert_close(
        soft_top_k(x, 1, temperature=0.2), soft_one_hot(x, sharpness=5.0), rtol=1e-12, atol=0
    )


def test_the_projection_is_a_sigmoid_behind_one_threshold(draw):
    x = draw.normal(4, 7, scale=2.0)
    for k in range(1, 7):
        z = torch.logit(soft_top_k(x, k, temperature=1.5, method="sigmoid"))
        nu = x - 1.5 * z
        torch.testing.assert_close(nu, nu[:, :1].expand_as(nu), rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_ties_share_what_remains_at_temperature_0(device, method):
    x = column([[1.0, 2.0, 1.0, 1.0, 0.0], [INF, 1.0, INF, INF, 3.0], [-INF, 1.0, -INF, 2.0, -INF]], device)
    third = 1 / 3
    for k, rows in (
        (1, [[0, 1, 0, 0, 0], [third, 0, third, third, 0], [0, 0, 0, 1, 0]]),
        (2, [[third, 1, third, third, 0], [2 * third, 0, 2 * third, 2 * third, 0], [0, 1, 0, 1, 0]]),
        (4, [[1, 1, 1, 1, 0], [1, 0, 1, 1, 1], [0, 0, 0, 0, 0]]),
    ):
        p, gradient, _ = derivatives(lambda x, k=k: soft_top_k(x, k, temperature=0, method=method), x)
        assert_close(p, [v for row in rows for v in row], 1e-15)
        assert (gradient == 0).all()
        cold = soft_top_k(x, k, temperature=1e-30, method=method)
        torch.testing.assert_close(cold, p, rtol=1e-14, atol=1e-14)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1.0, 20.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_top_k_and_its_gradient_agree_with_mpmath(draw, dtype, scale, method):
    for n, k, temperature in ((2, 1, 1.0), (5, 2, 0.5), (7, 1, 1.0), (7, 4, 3.0), (7, 6, 1.0)):
        x, weights = draw.normal(2, n, scale=scale, dtype=dtype), draw.normal(2, n, dtype=dtype)
        p, gradient, _ = derivatives(
            lambda x, k=k, t=temperature: soft_top_k(x, k, temperature=t, method=method), x, weights
        )
        span = (x.amax() - x.amin()).item() / temperature
        close = resolution(dtype, 2 * span)
        for row in range(2):
            exact, jacobian = EXACT[method](x[row].tolist(), k, temperature)
            assert_close(p[row], exact, close, smallest(dtype))
            slopes = [
                mp.fsum(w * jacobian[i][j] for i, w in enumerate(weights[row].tolist())) for j in range(n)
            ]
            sizes = [mp.fsum(abs(jacobian[i][j]) for i in range(n)) for j in range(n)]
            assert_close(gradient[row], slopes, 2 * close, 8 * close * float(max(sizes)) + smallest(dtype))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_projection_of_many_entries(draw, dtype):
    eps = torch.finfo(dtype).eps
    for n, k, scale in itertools.product((1000, 20_000), (1, 10, 990), (1e-3, 3.0, 1e6)):
        x = draw.normal(2, n, scale=scale, dtype=dtype)
        x[1] = x[1, 0]
        p, gradient, _ = derivatives(
            lambda x, k=k: soft_top_k(x, k, method="sigmoid"), x, draw.normal(2, n).to(dtype)
        )
        torch.testing.assert_close(
            p.double().sum(-1), torch.full_like(p[:, 0], k).double(), rtol=30 * eps, atol=0
        )
        assert gradient.sum(-1).abs().max() <= 100 * eps * gradient.abs().sum(-1).max() + smallest(dtype)
        torch.testing.assert_close(p[1], torch.full_like(p[1], k / n), rtol=30 * eps, atol=0)


def test_the_threshold_of_worst_cases(device):
    """All alike, it lies at the ends of its bracket: log(n - k) above the middle or log k below it."""
    for n, k in ((10_000, 1), (10_000, 9_999), (2, 1), (3, 1)):
        x = torch.zeros(n, dtype=torch.float64, device=device)
        x[0], x[-1] = 5.0, -5.0
        x = x.sort(descending=True).values
        middle = (x[k - 1] + x[k]) / 2
        p = capped_simplex(x - middle, k)
        assert_close(p.sum(), [k], 1e-14)
        w = p * (1 - p)
        jacobian = torch.func.jacrev(lambda x, k=k: capped_simplex(x, k)[0])(x - middle)
        expected = -w[0] * w / w.sum()
        expected[0] += w[0]
        torch.testing.assert_close(jacobian, expected, rtol=1e-10, atol=1e-16)


# ------------------------------------------------------------------- failure: extreme input


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("temperature", [0, 1e-300, 1e-30, 1.0, 1e30, 1e300])
@pytest.mark.parametrize("dtype", DTYPES)
def test_infinite_entries_of_top_k(device, dtype, temperature, method):
    x = column([[-INF] * 4, [INF, 1.0, INF, INF], [1.0, 1.0, INF, 1.0], [-INF, 2.0, -INF, -INF],
                [-INF, 0.0, 0.0, 0.0], [INF, 0.0, 1.0, -INF]], device, dtype)  # fmt: skip
    weights = column([1.0, -2.0, 3.0, 0.5], device, dtype).expand(6, 4)
    p, gradient, second = derivatives(
        lambda x: soft_top_k(x, 2, temperature=temperature, method=method), x, weights
    )
    third = 1 / 3
    assert_close(
        p[:5],
        [0] * 4
        + [2 * third, 0, 2 * third, 2 * third]
        + [third, third, 1, third]
        + [0] * 4
        + [0]
        + [2 * third] * 3,
        8 * torch.finfo(dtype).eps,
    )
    assert p[5, [0, 3]].tolist() == [1, 0]
    assert p[5, 1] <= p[5, 2]
    for derivative in (gradient, second):
        assert not derivative.isnan().any()
        assert (derivative[x.isinf()] == 0).all()
    assert (gradient[:2] == 0).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("temperature", [1e-320, 1e-40, 1e-30, 1e-10])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_tiny_temperatures_are_the_hard_operation(draw, device, dtype, temperature, method):
    x = draw.normal(4, 9, dtype=dtype)
    x[0, :4], x[1], x[2, 0] = 0.3, 1.0, -INF
    x[3, 0], x[3, 1] = 1e-20, 2e-20
    for k in range(1, 9):
        p, gradient, second = derivatives(
            lambda x, k=k: soft_top_k(x, k, temperature=temperature, method=method), x
        )
        hard = soft_top_k(x, k, temperature=0)
        if temperature < 1e-20:
            torch.testing.assert_close(p, hard, rtol=1e-5, atol=1e-5)
        assert not gradient.isnan().any()
        assert not second.isnan().any()


def test_the_smallest_temperature(device):
    x = column([0.0, 1e-33, 1.0], device, torch.float32)
    for method in METHODS:
        p = soft_top_k(x, 2, temperature=1e-300, method=method)
        assert 0.5 < p[1] < 0.6  # 1e-32 is the least that float32 is given
        assert soft_top_k(x * 100, 2, temperature=1e-300, method=method)[1] > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_huge_temperatures_make_all_alike(draw, method):
    x = draw.normal(3, 5, dtype=torch.float32)
    for temperature in (1e30, 1e300):
        p = soft_top_k(x, 2, temperature=temperature, method=method)
        torch.testing.assert_close(p, torch.full_like(p, 0.4), rtol=1e-6, atol=0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_huge_scores_stay_exact(device, dtype, method):
    x = column([1e4, 1e4 - 1, 0.0, 1e4 - 2, -1e4, 1e30, 1e30, -1e30], device, dtype)
    exact, _ = EXACT[method]([0, -1, -2], 1)
    p = soft_top_k(x, 3, method=method)
    assert_close(p[[0, 1, 3]], exact, 1e-6 if dtype == torch.float32 else 1e-14)
    assert p[[2, 4, 5, 6, 7]].tolist() == [0, 0, 1, 1, 0]
