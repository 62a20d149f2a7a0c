"""The step, the sign and rounding made soft: identities, agreement with mpmath, edges."""

import math

import pytest
import torch
from helpers import DEVICES, DTYPES, INF, assert_close, column, derivatives, resolution
from mpmath import mp
from smoothing.approximations_cases import (
    X,
    exact_inverse,
    exact_round,
    exact_round_slope,
    smallest,
)

from lemmata.smoothing import (
    smooth_fbeta,
    smooth_sign,
    smooth_step,
    soft_round,
    soft_round_inverse,
    soft_top_k,
)

pytestmark = pytest.mark.parametrize("device", DEVICES)


# ------------------------------------------------------------------- identity


def test_reference_numbers(device):
    x = column(X, device)
    subset = [0.115425986879180, 0.043341151752164, 0.674583406378333, 0.870530303811567, 0.296119151178756]
    sigmoid = [0.169272836813791, 0.069733544459991, 0.600898536003117, 0.803641375433977, 0.356453707289124]
    assert_close(soft_top_k(x, 2), subset, 2e-14)
    assert_close(soft_top_k(x, 2, method="sigmoid"), sigmoid, 2e-14)
    for a, value in ((1.0, 1.2864445010057796087), (5, 1.1140365300894556017), (20, 1.0003353480706952677)):
        assert_close(soft_round(column(1.3, device), sharpness=a), [value], 3e-16)
        assert_close(soft_round_inverse(column(value, device), sharpness=a), [1.3], 1e-13)
    p = column([0.9, 0.2, 0.1, 0.6, 0.4, 0.1, 0.3, 0.05], device)
    t = torch.tensor([1, 0, 0, 1, 0, 0, 0, 0], device=device)
    assert_close(smooth_fbeta(p, t), [mp.mpf(20) / 31], 2e-16)


def test_step_and_sign_are_one_function(draw):
    x = draw.normal(100, scale=3.0)
    step, sign = smooth_step(x, sharpness=1.7), smooth_sign(x, sharpness=1.7)
    torch.testing.assert_close(sign, 2 * step - 1, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(smooth_step(-x, sharpness=1.7), 1 - step, rtol=1e-13, atol=1e-15)
    assert torch.equal(smooth_sign(-x, sharpness=1.7), -sign)
    _, slope, _ = derivatives(lambda x: smooth_step(x, sharpness=1.7), x)
    torch.testing.assert_close(slope, 1.7 * step * smooth_step(-x, sharpness=1.7), rtol=1e-14, atol=0)
    assert smooth_step(x[0] * 0, sharpness=1.7) == 0.5


@pytest.mark.parametrize("a", [1e-30, 0.1, 5.0, 60.0, 800.0, 1e5])
def test_soft_rounding_keeps_integers_halves_signs_and_order(draw, device, a):
    n = torch.arange(-5.0, 6.0, device=device, dtype=torch.float64)
    assert torch.equal(soft_round(n, sharpness=a), n)
    assert torch.equal(soft_round(n + 0.5, sharpness=a), n + 0.5)
    assert torch.equal(soft_round_inverse(n, sharpness=a), n)
    torch.testing.assert_close(soft_round_inverse(n + 0.5, sharpness=a), n + 0.5, rtol=1e-15, atol=0)
    x = draw.uniform(400, low=-3, high=3).sort().values
    y = soft_round(x, sharpness=a)
    assert torch.equal(soft_round(-x, sharpness=a), -y)
    torch.testing.assert_close(soft_round(x + 7, sharpness=a), y + 7, rtol=0, atol=3e-15 * max(a, 1))
    assert (y.diff() >= 0).all()
    assert ((y - n[:, None]).abs().amin(0) <= (x - n[:, None]).abs().amin(0) + 1e-15).all()
    if a == 1e-30:
        torch.testing.assert_close(y, x, rtol=1e-15, atol=0)
    if a == 1e5:
        torch.testing.assert_close(y, x.round(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("a", [0.1, 1.0, 5.0, 20.0])
def test_slopes_of_soft_rounding_from_both_sides(device, a):
    for x, slope in ((2.0, a / math.sinh(a)), (0.5, a / 2 / math.tanh(a / 2))):
        for step in (-1e-12, 0.0, 1e-12):
            _, gradient, _ = derivatives(lambda x: soft_round(x, sharpness=a), column(x + step, device))
            assert_close(gradient, [slope], 1e-10 * a)
    _, gradient, _ = derivatives(lambda y: soft_round_inverse(y, sharpness=a), column([2.0, 0.5], device))
    assert_close(gradient, [math.sinh(a) / a, 2 * math.tanh(a / 2) / a], 1e-13)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("a", [1e-6, 0.5, 5.0, 30.0])
def test_the_inverse_undoes_soft_rounding(draw, dtype, a):
    x = draw.uniform(200, low=-3, high=3, dtype=dtype)
    eps = torch.finfo(dtype).eps
    back = soft_round_inverse(soft_round(x, sharpness=a), sharpness=a)
    whole = x.round()
    lost = (whole.abs() + 0.5) * eps * math.sinh(a) / a  # the rounding of y, through the steepest slope
    near = (back - x).abs() <= 4 * lost + 4 * eps
    assert near.all()
    forth = soft_round(soft_round_inverse(x, sharpness=a), sharpness=a)
    torch.testing.assert_close(forth, x, rtol=0, atol=4 * eps * (3 + a))


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("dtype", DTYPES)
def test_step_and_sign_agree_with_mpmath(draw, dtype):
    x = draw.normal(60, scale=5.0, dtype=dtype)
    close = resolution(dtype, 2.5 * x.abs().max().item())
    z = [mp.mpf(2.5) * mp.mpf(v) for v in x.tolist()]
    step = [1 / (1 + mp.exp(-v)) for v in z]
    slope = [mp.mpf(2.5) / (2 + mp.exp(v) + mp.exp(-v)) for v in z]
    for function, values, slopes in (
        (smooth_step, step, slope),
        (smooth_sign, [mp.tanh(v / 2) for v in z], [2 * v for v in slope]),
    ):
        y, gradient, _ = derivatives(lambda x, f=function: f(x, sharpness=2.5), x)
        assert y.dtype == gradient.dtype == dtype
        assert_close(y, values, close, smallest(dtype))
        assert_close(gradient, slopes, 2 * close, smallest(dtype))


@pytest.mark.parametrize("a", [1e-8, 0.3, 5.0, 50.0, 1e3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_soft_rounding_agrees_with_mpmath(draw, dtype, a):
    x = torch.cat([draw.uniform(60, low=-4, high=4), 10.0 ** draw.uniform(40, low=-30, high=0)]).to(dtype)
    close = resolution(dtype, a)
    with mp.workdps(60 + int(a)):  # tanh must not be 1
        exact = [exact_round(v, a) for v in x.tolist()]
        slopes = [exact_round_slope(v, a) for v in x.tolist()]
    y, gradient, _ = derivatives(lambda x: soft_round(x, sharpness=a), x)
    assert y.dtype == gradient.dtype == dtype
    lost = 2 * max(torch.finfo(dtype).tiny, torch.finfo(torch.float32).tiny)  # torch's sigmoid ends there
    assert_close(y, exact, close, lost)
    assert_close(gradient, slopes, 2 * close, lost * a)


@pytest.mark.parametrize("a", [1e-8, 0.3, 5.0, 50.0, 87.0, 1e3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_inverse_agrees_with_mpmath(draw, dtype, a):
    y = torch.cat([draw.uniform(60, low=-4, high=4), 10.0 ** draw.uniform(40, low=-30, high=0)]).to(dtype)
    with mp.workdps(60 + int(a / 2)):  # 1 - e^-a must not be 1
        exact = [exact_inverse(v, a) for v in y.tolist()]
    x = soft_round_inverse(y, sharpness=a)
    assert x.dtype == dtype
    assert_close(x, exact, resolution(dtype, 1.0), smallest(dtype))


# ------------------------------------------------------------------- failure: extreme input


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sharpness", [1e-320, 3.0, 1e3, 1e30])
def test_elementwise_functions_at_infinity(device, dtype, sharpness):
    x = column([-INF, INF, 0.0], device, dtype)
    for function, values in ((smooth_step, [0, 1, 0.5]), (smooth_sign, [-1, 1, 0]),
                             (soft_round, [-INF, INF, 0]), (soft_round_inverse, [-INF, INF, 0])):  # fmt: skip
        y, gradient, second = derivatives(lambda x, f=function: f(x, sharpness=sharpness), x)
        assert y.tolist() == values
        assert gradient[:2].tolist() == [0, 0]
        assert not gradient.isnan().any()
        assert not second.isnan().any()


def test_the_inverse_where_its_slope_overflows(device):
    y = column([0.0, 1e-37, 0.3, 0.5, -1e-37, 7.25], device, torch.float32)
    x, gradient, _ = derivatives(lambda y: soft_round_inverse(y, sharpness=1e3), y)
    with mp.workdps(1000):
        assert_close(x, [exact_inverse(v, 1e3) for v in y.tolist()], 3e-7)
    assert 1e34 < gradient[0] < INF
    assert (gradient > 0).all()
    wide = soft_round_inverse(y, sharpness=1e39)  # beyond float32 itself
    assert_close(wide, [0, 0.5, 0.5, 0.5, -0.5, 7.5], 1e-6)
    subnormal = column([1e-40, 1e-42], device, torch.float32)
    with mp.workdps(1000):
        exact = [exact_inverse(v, 90) for v in subnormal.tolist()]
    assert_close(
        soft_round_inverse(subnormal, sharpness=90.0), exact, 0, 2e-7
    )  # roundings of numbers near 1/2
