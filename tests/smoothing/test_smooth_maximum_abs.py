"""Smooth absolute values: their table, agreement with mpmath, infinity."""

import math

import pytest
import torch
from helpers import DEVICES, DTYPES, INF, column, gradients, rounding
from mpmath import mp
from smoothing.smooth_maximum_cases import (
    KINDS,
    SHARPNESSES,
    second,
    slopes,
    smooth_absolute,
)
from torch.autograd import gradcheck, gradgradcheck

from lemmata.smoothing import boltzmann_maximum, logsumexp_maximum, smooth_abs

pytestmark = pytest.mark.parametrize("device", DEVICES)


# ------------------------------------------------------------------- identity


def test_smooth_abs_is_a_smooth_maximum_of_x_and_minus_x(draw):
    x = draw.normal(50, scale=2.0)
    both = torch.stack([x, -x], -1)
    for kind, function in (("logcosh", logsumexp_maximum), ("tanh", boltzmann_maximum)):
        one, other = smooth_abs(x, sharpness=1.5, kind=kind), function(both, sharpness=1.5)
        torch.testing.assert_close(one, other, rtol=1e-14, atol=1e-16)
    softplus = 2 * torch.nn.functional.softplus(1.5 * x) / 1.5 - x
    torch.testing.assert_close(smooth_abs(x, sharpness=1.5, kind="softplus"), softplus, rtol=1e-14, atol=0)
    torch.testing.assert_close(smooth_abs(x, sharpness=1.5), smooth_abs(x, sharpness=1.5, kind="logcosh"))


@pytest.mark.parametrize("k", [0.1, 1.0, 10.0])
def test_smooth_abs_keeps_to_its_table(device, k):
    x = torch.linspace(-5, 5, 20_001, dtype=torch.float64, device=device) / k
    over = {"logcosh": math.log(2), "sqrt": 1.0, "softplus": 2 * math.log(2)}
    for kind, constant in over.items():
        gap = smooth_abs(x, sharpness=k, kind=kind) - x.abs()
        assert (gap >= 0).all()
        assert gap.argmax() == 10_000
        assert gap.max().item() == pytest.approx(constant / k, rel=1e-15)
    under = {
        "tanh": (0.27846454276107379511, 0.63923227138053689755),
        "erf": (0.24037558683101101677, 0.53159688514939322273),
    }
    for kind, (constant, where) in under.items():
        gap = x.abs() - smooth_abs(x, sharpness=k, kind=kind)
        assert (gap >= 0).all()
        assert gap.max() <= constant / k * (1 + 1e-15)
        for sign in (-1, 1):
            at = column(sign * where / k, device)
            worst = at.abs() - smooth_abs(at, sharpness=k, kind=kind)
            assert worst.item() == pytest.approx(constant / k, rel=1e-14)
    assert float(mp.lambertw(1 / mp.e).real) == pytest.approx(under["tanh"][0], rel=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_of_smooth_abs_at_zero(device, kind):
    k = 1.7
    second_at_0 = {
        "logcosh": k,
        "sqrt": k,
        "softplus": k / 2,
        "tanh": 2 * k,
        "erf": 4 * k / math.sqrt(math.pi),
    }

    def function(x):
        return smooth_abs(x, sharpness=k, kind=kind)

    zero = column(0.0, device)
    first, third = torch.func.grad(function), torch.func.grad(torch.func.grad(torch.func.grad(function)))
    assert first(zero) == 0
    assert first(-zero) == 0
    assert torch.func.grad(first)(zero).item() == pytest.approx(second_at_0[kind], rel=1e-15)
    assert torch.func.jacfwd(torch.func.jacfwd(function))(zero).item() == pytest.approx(second_at_0[kind])
    assert third(zero) == 0
    near = column([0.0, 1e-9, -1e-9, 1e-3, -0.3, 0.999 / k, 1.001 / k, 2.0], device).requires_grad_()
    assert gradcheck(function, near)
    assert gradgradcheck(function, near)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", SHARPNESSES)
def test_smooth_abs_agrees_with_mpmath(device, kind, dtype, k):
    """A few roundings of value and slope, relative to themselves: nothing cancels, not even near 0."""
    y = [0, 1e-12, 1e-5, 0.1, 0.5, 0.999, 1.001, 1.5, 1.999, 2.001, 4, 9, 30, 1e3, 1e9]
    x = column([s * v / k for v in y for s in (1, -1)], device, torch.float64).to(dtype)
    x = x[x.isfinite()]
    values, slope = gradients(lambda x: smooth_abs(x, sharpness=k, kind=kind), x)
    assert values.dtype == slope.dtype == dtype
    curve = second(lambda x: smooth_abs(x, sharpness=k, kind=kind), x)
    curve = curve / torch.linspace(1, 2, len(x), dtype=dtype, device=device)
    sums, kept = rounding(dtype)
    info = torch.finfo(dtype)
    points = [(mp.mpf(v), mp.mpf(k)) for v in x.tolist()]
    least = info.tiny * (info.eps if dtype in (torch.float16, torch.bfloat16) else 1)
    for got, at in zip(values.tolist(), points, strict=True):
        want = smooth_absolute(kind, *at)
        if want < info.max:
            assert abs(got - want) <= (4 * sums + kept) * want + least
        else:
            assert got == INF
    for got, bend, at in zip(slope.tolist(), curve.tolist(), points, strict=True):
        first, other = slopes(kind, *at)
        assert abs(got - first) <= (16 * sums + kept) * abs(first) + least
        if k < info.max / 8:
            assert abs(bend - other) <= (16 * sums + 3 * kept) * k * 4 + 3 * least


# ------------------------------------------------------------------- failure: extreme input


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1e-300, 1.0, 1e300, INF])
def test_smooth_abs_of_infinity(device, kind, k):
    x = column([INF, -INF, 0.0], device)
    values, gradient = gradients(lambda x: smooth_abs(x, sharpness=k, kind=kind), x)
    assert values[:2].tolist() == [INF, INF]
    assert gradient.tolist() == [1, -1, 0]
