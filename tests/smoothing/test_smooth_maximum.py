"""Smooth maxima: identities, agreement with mpmath, and hard cases."""

import math

import pytest
import torch
from helpers import DEVICES, DTYPES, INF, NAN, assert_refused, column, gradients, rounding
from mpmath import mp
from smoothing.smooth_maximum_cases import (
    KINDS,
    SHARPNESSES,
    SOFT,
    assert_within,
    exact,
    lambert,
    second,
    smooth_absolute,
)

from lemmata.smoothing import boltzmann_maximum, logsumexp_maximum, mellowmax, p_norm_maximum, smooth_abs
from lemmata.smoothing._smooth_maximum.settings import sum_dtype

pytestmark = pytest.mark.parametrize("device", DEVICES)

ROW = (1.0, 2.0, 3.5, -1.0)


# ------------------------------------------------------------------- identity


def test_reference_numbers(device):
    x = column(ROW, device)
    expected = {
        logsumexp_maximum: (3.7748431211967275319, 3.5275510179134958843, 3.5000000305916161653),
        mellowmax: (2.3885487600768369131, 2.8344038373535505749, 3.3613705944796271035),
        boltzmann_maximum: (3.0518594573953535896, 3.4128557692659269977, 3.4999995411119397688),
    }
    for function, numbers in expected.items():
        for k, number in zip((1, 2, 10), numbers, strict=True):
            assert function(x, sharpness=k).item() == pytest.approx(number, rel=4e-16)
    x[3] = 0.5
    assert p_norm_maximum(x, p=3).item() == pytest.approx(3.732511156817248243, rel=4e-16)
    assert p_norm_maximum(x, p=11).item() == pytest.approx(3.5006746062387803369, rel=4e-16)


@pytest.mark.parametrize("function", SOFT)
def test_a_shift_of_the_row_shifts_the_result(draw, function):
    x = draw.normal(20, 5, scale=2.0)
    moved = function(x + 4.0, sharpness=1.5)
    torch.testing.assert_close(moved, function(x, sharpness=1.5) + 4.0, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("function", SOFT)
def test_sharpness_is_a_unit_of_length(draw, function):
    x = draw.normal(20, 5, scale=2.0)
    assert torch.equal(function(8 * x, sharpness=1.5), 8 * function(x, sharpness=12.0))


def test_lse_and_mellowmax_differ_by_log_n(draw):
    x = draw.normal(20, 7, scale=3.0)
    lse, mellow = logsumexp_maximum(x, sharpness=0.7), mellowmax(x, sharpness=0.7)
    torch.testing.assert_close(lse - mellow, torch.full_like(lse, math.log(7) / 0.7), rtol=1e-14, atol=0)
    by_torch = torch.logsumexp(0.7 * x, -1) / 0.7
    torch.testing.assert_close(lse, by_torch, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("function", SOFT[:2])
def test_the_gradient_is_softmax(draw, function):
    x = draw.normal(20, 5, scale=2.0)
    _, gradient = gradients(lambda x: function(x, sharpness=1.5), x)
    torch.testing.assert_close(gradient, torch.softmax(1.5 * x, -1), rtol=1e-14, atol=0)


def test_lse_is_the_best_value_plus_entropy(draw):
    x, k = draw.normal(20, 5), 1.5
    lse = logsumexp_maximum(x, sharpness=k)

    def value(p):
        return (p * x).sum(-1) + torch.special.entr(p).sum(-1) / k

    torch.testing.assert_close(value(torch.softmax(k * x, -1)), lse, rtol=1e-14, atol=1e-14)
    for _ in range(20):
        assert (value(torch.softmax(k * x + draw.normal(20, 5), -1)) <= lse + 1e-14).all()


@pytest.mark.parametrize("k", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("n", [1, 2, 3, 10, 100])
def test_no_gap_exceeds_its_bound(draw, n, k):
    x = draw.normal(2000, n, scale=2.0 / k)
    top, mean, log = x.amax(-1), x.mean(-1), math.log(n) / k
    slack = 1e-15 * (top.abs() + log)
    lse, mellow, boltzmann = (f(x, sharpness=k) for f in SOFT)
    for low, high in ((top, lse), (lse, top + log), (top - log, mellow), (mellow, top), (mean, mellow),
                      (top - lambert(n) / k, boltzmann), (boltzmann, top), (mean, boltzmann)):  # fmt: skip
        assert (low <= high + slack).all()
    for p in (1, 1.5, 2, 7, 100):
        ratio = p_norm_maximum(x.abs(), p=p) / x.abs().amax(-1)
        assert (ratio >= 1 - 1e-15).all()
        assert (ratio <= n ** (1 / p) * (1 + 1e-14)).all()


@pytest.mark.parametrize("k", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("n", [1, 2, 3, 10, 100])
def test_every_bound_is_attained(device, n, k):
    equal = torch.full((n,), 0.75, dtype=torch.float64, device=device)
    ahead = equal.clone()
    ahead[1:] -= 800 / k
    log = math.log(n) / k
    assert logsumexp_maximum(equal, sharpness=k).item() == pytest.approx(0.75 + log, rel=1e-15)
    assert logsumexp_maximum(ahead, sharpness=k) == 0.75
    assert mellowmax(equal, sharpness=k) == 0.75
    assert mellowmax(ahead, sharpness=k).item() == pytest.approx(0.75 - log, rel=1e-15)
    assert boltzmann_maximum(equal, sharpness=k) == boltzmann_maximum(ahead, sharpness=k) == 0.75
    worst = equal.clone()
    worst[1:] -= (1 + lambert(n)) / k
    assert boltzmann_maximum(worst, sharpness=k).item() == pytest.approx(0.75 - lambert(n) / k, rel=1e-14)
    for p in (1, 1.5, 2, 7, 100):
        assert p_norm_maximum(equal, p=p).item() == pytest.approx(0.75 * n ** (1 / p), rel=1e-15)


def test_the_constants_of_the_boltzmann_gap(device):
    expected = {2: 0.27846454276107379511, 3: 0.4630555133655488574, 10: 1.1010029972769726631,
                100: 2.6286495970202822507}  # fmt: skip
    for n, constant in expected.items():
        assert lambert(n) == pytest.approx(constant, rel=1e-15)


def test_lse_falls_with_sharpness_and_the_others_rise(draw):
    x = draw.normal(200, 6)
    sharpnesses = [1e-9, 1e-3, 0.1, 0.5, 1.0, 2.0, 8.0, 100.0, INF]
    lse, mellow, boltzmann = (torch.stack([f(x, sharpness=k) for k in sharpnesses]) for f in SOFT)
    assert (lse.diff(dim=0) <= 0).all()
    assert (mellow.diff(dim=0) >= -1e-15).all()
    assert (boltzmann.diff(dim=0) >= -1e-15).all()
    torch.testing.assert_close(mellow[0], x.mean(-1), rtol=1e-7, atol=1e-7)


def test_boltzmann_is_not_monotone_and_the_others_are(draw):
    x = draw.normal(500, 6, scale=3.0)
    for function in SOFT[:2]:
        assert (gradients(lambda x, f=function: f(x, sharpness=1.0), x)[1] >= 0).all()
    values, gradient = gradients(lambda x: boltzmann_maximum(x, sharpness=1.0), x)
    falls = x < values.unsqueeze(-1) - 1
    assert falls.any(-1).double().mean() > 0.9
    assert torch.equal(gradient < 0, falls)
    low, higher = column([[0.0, 5.0], [1.0, 5.0]], x.device)
    assert boltzmann_maximum(higher, sharpness=1.0) < boltzmann_maximum(low, sharpness=1.0) - 0.03


@pytest.mark.parametrize("function", SOFT[:2])
def test_moves_no_further_than_the_entry_that_moves_most(draw, function):
    x, y = draw.normal(500, 6, scale=3.0), draw.normal(500, 6, scale=3.0)
    moved = (function(x, sharpness=2.0) - function(y, sharpness=2.0)).abs()
    assert (moved <= (x - y).abs().amax(-1) + 1e-14).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [INF, 1e308, 10**400])
def test_infinite_sharpness_is_the_hard_operation(device, dtype, k):
    x = column([[3.0, 1.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0]], device, dtype)
    calls = [lambda x, f=f: f(x, sharpness=k) for f in SOFT] + [lambda x: p_norm_maximum(x, p=k)]
    for call in calls:
        values, gradient = gradients(call, x)
        assert values.tolist() == [3, 0]
        assert gradient.tolist() == [[0.5, 0, 0.5, 0], [0.25] * 4]
        assert values.dtype == gradient.dtype == dtype
    for kind in KINDS:
        values, gradient = gradients(
            lambda x, kind=kind: smooth_abs(x, sharpness=k, kind=kind),
            column([-2.0, 0.0, 3.0], device, dtype),
        )
        assert values.tolist() == [2, 0, 3]
        assert gradient.tolist() == [-1, 0, 1]
        assert values.dtype == dtype


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("k", SHARPNESSES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", SOFT)
def test_agrees_with_mpmath(draw, function, dtype, k):
    """Values within 4 roundings of the larger of maximum, spread and result; gradients within K d of those.

    A rounding of d, of size eps |d|, is one of eps K |d| in an exponent, hence relative in a weight.
    """
    x = draw.normal(8, 5, scale=2.0, dtype=dtype)
    rows, gradient = gradients(lambda x: function(x, sharpness=k), x)
    assert rows.dtype == gradient.dtype == dtype
    sums, kept = rounding(dtype)
    for row, value, slope in zip(x.tolist(), rows, gradient, strict=True):
        want, weights = exact(function, row, k)
        spread = [1 + k * (max(row) - v) for v in row]
        assert_within(value, [want], 4 * sums + kept, max(map(abs, row)))
        p = exact(mellowmax, row, k)[1]
        tiny = torch.finfo(dtype).tiny * (1 if dtype == torch.float16 else 1e-6)
        for got, w, q, s in zip(slope.tolist(), weights, p, spread, strict=True):
            assert abs(got - w) <= sums * (8 + 4 * s) * s * q + kept * abs(w) + tiny


@pytest.mark.parametrize("scale", [1e-10, 1.0, 1e10])
@pytest.mark.parametrize("k", [1e-30, 1e-6, 1e-300])
def test_mellowmax_keeps_its_digits_down_to_the_mean(draw, k, scale):
    x = draw.normal(50, 7, scale=scale, dtype=torch.float32)
    rows = mellowmax(x, sharpness=k)
    for row, value in zip(x.tolist(), rows, strict=True):
        top = max(map(abs, row))
        want = exact(mellowmax, row, k)[0] if k > 1e-100 else mp.fsum(map(mp.mpf, row)) / 7
        assert_within(value, [want], 4 * torch.finfo(torch.float32).eps, top)


def test_mellowmax_of_many_entries_behind_one(device):
    x = torch.full((1_000_000,), -60.0, device=device)
    x[77] = 0
    assert mellowmax(x, sharpness=2.0).item() == pytest.approx(-math.log(1_000_000) / 2, rel=1e-6)


def test_lse_keeps_the_digits_of_a_small_gap(device):
    x = column([[0.0, -40.0, -50.0], [0.0, 0.0, -40.0], [-30.0, -70.0, 0.0]], device)
    want = [exact(logsumexp_maximum, row, 1)[0] for row in x.tolist()]
    assert_within(logsumexp_maximum(x, sharpness=1.0), want, 4e-16, 0)
    assert_within(logsumexp_maximum(x.float(), sharpness=1.0), want, 3e-7, 0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_summed_in_float32(device, dtype):
    x = torch.ones(100_000, dtype=dtype, device=device)
    lse, gradient = gradients(lambda x: logsumexp_maximum(x, sharpness=1.0), x)
    assert_within(lse, [1 + mp.log(100_000)], torch.finfo(dtype).eps / 2 + 1e-6, 0)
    assert_within(gradient[:1], [mp.mpf("1e-5")], torch.finfo(dtype).eps, 2**-8)
    assert mellowmax(x, sharpness=1.0) == boltzmann_maximum(x, sharpness=1.0) == 1
    assert_within(p_norm_maximum(x, p=2), [mp.sqrt(100_000)], torch.finfo(dtype).eps / 2 + 1e-6, 0)


# ------------------------------------------------------------------- failure: extreme input


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [1e-6, 1.0, INF])
@pytest.mark.parametrize("function", SOFT)
def test_minus_infinity_has_no_weight(device, function, k, dtype):
    x = column([[-INF] * 4, [2.0, -INF, 2.0, -INF], [-INF, -INF, 1.0, -INF]], device, dtype)
    rows, gradient = gradients(lambda x: function(x, sharpness=k), x)
    counted = function(column([[0.0] * 4, [0.0] * 2, [0.0]][1], device, dtype), sharpness=k)
    assert counted.isfinite() or dtype == torch.float16
    assert rows[0] == -INF
    assert gradient.tolist() == [[0] * 4, [0.5, 0, 0.5, 0], [0, 0, 1, 0]]
    less = {logsumexp_maximum: (math.log(2), 0), mellowmax: (-math.log(2), -math.log(4))}.get(
        function, (0, 0)
    )
    expected = torch.tensor([2 + less[0] / k, 1 + less[1] / k], dtype=torch.float64).to(dtype)
    torch.testing.assert_close(rows[1:].cpu(), expected)
    if k != INF:
        assert not second(lambda x: function(x, sharpness=k), x).isnan().any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [1e-300, 1e-6, 1.0, 1e300, INF])
@pytest.mark.parametrize("function", SOFT)
def test_infinity_is_the_maximum_and_takes_the_gradient(device, function, k, dtype):
    x = column([[INF, 1.0, -INF, INF], [0.0, INF, 3.0, 1.0], [INF] * 4], device, dtype)
    rows, gradient = gradients(lambda x: function(x, sharpness=k), x)
    assert rows.tolist() == [INF] * 3
    assert gradient.tolist() == [[0.5, 0, 0, 0.5], [0, 1, 0, 0], [0.25] * 4]
    if k != INF:
        assert not second(lambda x: function(x, sharpness=k), x).isnan().any()


@pytest.mark.parametrize("k", [1e-6, 1.0, INF])
def test_nan_propagates_to_its_row(draw, k):
    x = draw.normal(3, 4).abs()
    x[1, 2] = NAN
    x[1, 3] = INF
    calls = [lambda x, f=f: f(x, sharpness=k) for f in SOFT] + [lambda x: p_norm_maximum(x, p=max(k, 1))]
    for call in calls:
        rows, gradient = gradients(call, x)
        assert rows.isnan().tolist() == [False, True, False]
        assert gradient.isnan().any(-1).tolist() == [False, True, False]
    for kind in KINDS:
        values = smooth_abs(x, sharpness=k, kind=kind)
        assert torch.equal(values.isnan(), x.isnan())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [5e-324, 1e-300, 1e-30, 1e-6, 1.0, 1e30, 1e300, 4e307, INF])
def test_no_sharpness_gives_nan(device, dtype, k):
    top, small = min(torch.finfo(dtype).max, 1e306), torch.finfo(dtype).smallest_normal
    x = column([[top, -top, 0, 1], [0] * 4, [small, 0, -small, 1], [3, 3, -top, -INF]], device).to(dtype)
    for function in SOFT:
        values, gradient = gradients(lambda x, f=function: f(x, sharpness=k), x)
        assert not values.isnan().any()
        one = torch.ones(4, dtype=torch.float64, device=device)
        close = 4 * torch.finfo(dtype).eps
        torch.testing.assert_close(gradient.double().sum(-1), one, rtol=close, atol=0)
        if k != INF:
            assert not second(lambda x, f=function: f(x, sharpness=k), x).isnan().any()
    flat = x.flatten()
    for kind in KINDS:
        values, gradient = gradients(lambda x, kind=kind: smooth_abs(x, sharpness=k, kind=kind), flat)
        assert not values.isnan().any()
        assert not gradient.isnan().any()
        assert (gradient.abs() <= 1.26).all()  # x erf x is steepest at 1
        assert not second(lambda x, kind=kind: smooth_abs(x, sharpness=k, kind=kind), flat).isnan().any()


def test_sharpness_beyond_float32_is_kept(device):
    """Sums in float64: K = 1e-30 would make K d subnormal, K = 1e300 infinite."""
    x = column([[1e-9, 3e-9, 8e-9, 0.0]], device, torch.float32)
    assert mellowmax(x, sharpness=1e-30).item() == pytest.approx(3e-9, rel=1e-6)
    assert boltzmann_maximum(x, sharpness=1e-30).item() == pytest.approx(3e-9, rel=1e-6)
    assert boltzmann_maximum(x, sharpness=1e30).item() == pytest.approx(8e-9, rel=1e-6)
    assert logsumexp_maximum(x, sharpness=1e-300).item() == INF  # log 4 / K is beyond float32
    x = column([1e-20, 1e-20, 0.0, 0.0], device, torch.float32)
    want = exact(boltzmann_maximum, x.tolist(), 1e20)[0]
    assert_within(boltzmann_maximum(x, sharpness=1e20), [want], 1e-6, 0)
    low = column([1e-20, 3e-20], device, torch.float32)
    assert_within(smooth_abs(low, sharpness=1e-19, kind="tanh"), [0, 0], 0, 0)
    assert_within(smooth_abs(low, sharpness=1e20), [smooth_absolute("logcosh", mp.mpf(v), mp.mpf(1e20))
                                                  for v in low.tolist()], 1e-6, 0)  # fmt: skip


def test_sums_are_in_float64_only_where_the_sharpness_asks_for_it(device):
    wide, end = 2.0**64, 2.0**1022
    usual = (1 / wide, 1e-6, 1.0, 1e6, wide, math.nextafter(end, INF), INF)
    extreme = (5e-324, math.nextafter(1 / wide, 0), math.nextafter(wide, INF), end)
    for dtype in DTYPES:
        x = column([1.0], device, dtype)
        narrow = torch.float64 if dtype == torch.float64 else torch.float32
        assert {sum_dtype(x, k) for k in usual} == {narrow}
        assert {sum_dtype(x, k) for k in extreme} == {torch.float64}


# ------------------------------------------------------------------- failure: bad input


# fmt: off
BAD_CALLS = [
    (TypeError, "x must be float64.* got torch.int64", lambda f, x: f(x.long())),
    (TypeError, "got torch.complex128", lambda f, x: f(x + 0j)),
    (TypeError, "x must be a tensor, got list", lambda f, x: f([1.0])),
]


BAD_AXES = [
    (ValueError, r"dim must be an axis of x of shape \(2, 3\), got 2", lambda f, x: f(x, dim=2)),
    (ValueError, "got -3", lambda f, x: f(x, dim=-3)),
    (ValueError, r"axis of x of shape \(\), got -1", lambda f, x: f(x[0, 0])),
    (ValueError, r"at least one entry along dim 1, got shape \(2, 0\)", lambda f, x: f(x[:, :0], dim=1)),
    (ValueError, r"at least one entry", lambda f, x: f(x[:0], dim=0)),
    (TypeError, "dim must be an int, got tuple", lambda f, x: f(x, dim=(0, 1))),
    (TypeError, "dim must be an int, got bool", lambda f, x: f(x, dim=True)),
]


BAD_SHARPNESS = [(TypeError, "a number, got str", "2"), (TypeError, "got bool", True),
                 (TypeError, "must be float64.* got torch.int64", torch.tensor(2))]
# fmt: on


def test_bad_input_is_named(device):
    x = torch.ones(2, 3, dtype=torch.float64, device=device)
    calls = [lambda x, f=f, **d: f(x, sharpness=1.0, **d) for f in SOFT]
    calls.append(lambda x, **d: p_norm_maximum(x, p=2, **d))
    absolute = [lambda x, kind=kind: smooth_abs(x, sharpness=1.0, kind=kind) for kind in KINDS]
    for function in calls + absolute:
        assert_refused(BAD_CALLS + (BAD_AXES if function in calls else []), function, x)


def test_bad_sharpness_is_named(device):
    x = torch.ones(2, 3, dtype=torch.float64, device=device)
    for function in [*SOFT, smooth_abs]:
        for error, message, k in BAD_SHARPNESS:
            with pytest.raises(error, match=f"sharpness must be {message}" if "a " in message else message):
                function(x, sharpness=k)
        for k in (0, 0.0, -1, -INF, NAN):
            with pytest.raises(ValueError, match=f"sharpness must be positive .* got {k}"):
                function(x, sharpness=k)
            with pytest.raises(ValueError, match=r"sharpness must be positive .* got values from"):
                function(x, sharpness=torch.tensor(float(k)))
        with pytest.raises(ValueError, match=r"sharpness must broadcast to .*, got \(3, 2\)"):
            function(x, sharpness=torch.ones(3, 2))
    for error, message, p in BAD_SHARPNESS:
        with pytest.raises(error, match=f"p must be {message}" if "a " in message else message):
            p_norm_maximum(x, p=p)
    for p in (0.5, 0, -2, 0.999999, -INF, NAN):
        with pytest.raises(ValueError, match=f"p must be at least 1 .* got {p}"):
            p_norm_maximum(x, p=p)
        with pytest.raises(ValueError, match=r"p must be at least 1 .* got"):
            p_norm_maximum(x, p=torch.tensor(float(p)))
    with pytest.raises(ValueError, match=r"kind must be 'logcosh', 'sqrt', .* got 'relu'"):
        smooth_abs(x, sharpness=1.0, kind="relu")
