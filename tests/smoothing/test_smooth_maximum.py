"""Smooth maxima and smooth absolute values: identities, agreement with mpmath, and hard cases."""

import math
import shutil

import pytest
import torch
from mpmath import mp
from torch.autograd import gradcheck, gradgradcheck

from lemmata.smoothing import boltzmann_maximum, logsumexp_maximum, mellowmax, p_norm_maximum, smooth_abs
from lemmata.smoothing.smooth_maximum import _sum_dtype

mp.dps = 80  # at K = 1e-30 the oracle loses 30 digits, and has them to lose
INF, NAN = math.inf, math.nan
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
SOFT = [logsumexp_maximum, mellowmax, boltzmann_maximum]
KINDS = ["logcosh", "sqrt", "softplus", "tanh", "erf"]
SHARPNESSES = [1e-30, 1e-6, 0.5, 3.0, 1e3, 1e30]
ROW = (1.0, 2.0, 3.5, -1.0)

pytestmark = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture
def draw(device):
    """Random rows, drawn on the CPU so that every device sees the same."""
    generator = torch.Generator().manual_seed(3290)

    def rows(*shape, scale=1.0, dtype=torch.float64):
        return (torch.randn(shape, generator=generator, dtype=torch.float64) * scale).to(device, dtype)

    return rows


def column(values, device, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype, device=device)


def gradients(function, x):
    """Values and the gradient of their sum."""
    x = x.detach().clone().requires_grad_()
    values = function(x)
    return values.detach(), *torch.autograd.grad(values.sum(), x)


def second(function, x):
    """The gradient of a weighted sum of the gradient."""
    x = x.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
    weights = torch.linspace(1, 2, x.numel(), dtype=x.dtype, device=x.device).view_as(x)
    return torch.autograd.grad((slope * weights).sum(), x)[0] + 0


# ------------------------------------------------------------------- the oracle


def exact(function, x, k):
    """Value and gradient of one row in mpmath."""
    x, k, n = [mp.mpf(v) for v in x], mp.mpf(k), len(x)
    if function is p_norm_maximum:
        norm = mp.fsum(v**k for v in x) ** (1 / k)
        return norm, [(v / norm) ** (k - 1) for v in x]
    top = max(x)
    weight = [mp.exp(k * (v - top)) for v in x]
    total = mp.fsum(weight)
    p = [w / total for w in weight]
    if function is boltzmann_maximum:
        mean = mp.fdot(p, x)
        return mean, [q * (1 + k * (v - mean)) for q, v in zip(p, x, strict=True)]
    return top + mp.log(total / (n if function is mellowmax else 1)) / k, p


def lambert(n):
    """W((n - 1) / e), the worst gap of the Boltzmann maximum times K."""
    return float(mp.lambertw((n - 1) / mp.e).real)


def smooth_absolute(kind, x, k):
    """The five kinds by definition, for mpmath numbers."""
    return {
        "logcosh": lambda: abs(x) + mp.log1p(mp.exp(-2 * k * abs(x))) / k,
        "sqrt": lambda: mp.sqrt(x * x + 1 / (k * k)),
        "softplus": lambda: abs(x) + 2 * mp.log1p(mp.exp(-k * abs(x))) / k,
        "tanh": lambda: x * mp.tanh(k * x),
        "erf": lambda: x * mp.erf(k * x),
    }[kind]()


def slopes(kind, x, k):
    """First and second derivatives, by hand."""
    y = k * x
    tanh, sech2 = mp.tanh, lambda y: mp.sech(y) ** 2
    root, bell = mp.sqrt(1 + y * y), 2 / mp.sqrt(mp.pi) * mp.exp(-y * y)
    first, second = {
        "logcosh": lambda: (tanh(y), sech2(y)),
        "sqrt": lambda: (y / root, 1 / root**3),
        "softplus": lambda: (tanh(y / 2), sech2(y / 2) / 2),
        "tanh": lambda: (tanh(y) + y * sech2(y), 2 * sech2(y) * (1 - y * tanh(y))),
        "erf": lambda: (mp.erf(y) + y * bell, 2 * bell * (1 - y * y)),
    }[kind]()
    return first, k * second


def assert_close(actual, expected, relative, scale):
    """Elementwise |actual - expected| <= relative max(|expected|, scale), in mpmath; an overflow is inf."""
    top = torch.finfo(actual.dtype).max
    scale = scale if isinstance(scale, list) else [scale] * len(expected)
    for got, want, size in zip(actual.flatten().tolist(), expected, scale, strict=True):
        if abs(want) > top:
            assert got == math.copysign(INF, want)
        else:
            assert abs(got - want) <= relative * max(abs(want), size), (got, want)


def made(dtype):
    """Rounding of the sums, and of the result of a half type on top of it."""
    sums = torch.finfo(torch.float64 if dtype == torch.float64 else torch.float32).eps
    kept = torch.finfo(dtype).eps
    return sums, (kept / 2 if kept > sums else 0.0)


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
    x = draw(20, 5, scale=2.0)
    moved = function(x + 4.0, sharpness=1.5)
    torch.testing.assert_close(moved, function(x, sharpness=1.5) + 4.0, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("function", SOFT)
def test_sharpness_is_a_unit_of_length(draw, function):
    x = draw(20, 5, scale=2.0)
    assert torch.equal(function(8 * x, sharpness=1.5), 8 * function(x, sharpness=12.0))


def test_lse_and_mellowmax_differ_by_log_n(draw):
    x = draw(20, 7, scale=3.0)
    lse, mellow = logsumexp_maximum(x, sharpness=0.7), mellowmax(x, sharpness=0.7)
    torch.testing.assert_close(lse - mellow, torch.full_like(lse, math.log(7) / 0.7), rtol=1e-14, atol=0)
    by_torch = torch.logsumexp(0.7 * x, -1) / 0.7
    torch.testing.assert_close(lse, by_torch, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("function", SOFT[:2])
def test_the_gradient_is_softmax(draw, function):
    x = draw(20, 5, scale=2.0)
    _, gradient = gradients(lambda x: function(x, sharpness=1.5), x)
    torch.testing.assert_close(gradient, torch.softmax(1.5 * x, -1), rtol=1e-14, atol=0)


def test_lse_is_the_best_value_plus_entropy(draw):
    x, k = draw(20, 5), 1.5
    lse = logsumexp_maximum(x, sharpness=k)

    def value(p):
        return (p * x).sum(-1) + torch.special.entr(p).sum(-1) / k

    torch.testing.assert_close(value(torch.softmax(k * x, -1)), lse, rtol=1e-14, atol=1e-14)
    for _ in range(20):
        assert (value(torch.softmax(k * x + draw(20, 5), -1)) <= lse + 1e-14).all()


@pytest.mark.parametrize("k", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("n", [1, 2, 3, 10, 100])
def test_no_gap_exceeds_its_bound(draw, n, k):
    x = draw(2000, n, scale=2.0 / k)
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
    x = draw(200, 6)
    sharpnesses = [1e-9, 1e-3, 0.1, 0.5, 1.0, 2.0, 8.0, 100.0, INF]
    lse, mellow, boltzmann = (torch.stack([f(x, sharpness=k) for k in sharpnesses]) for f in SOFT)
    assert (lse.diff(dim=0) <= 0).all()
    assert (mellow.diff(dim=0) >= -1e-15).all()
    assert (boltzmann.diff(dim=0) >= -1e-15).all()
    torch.testing.assert_close(mellow[0], x.mean(-1), rtol=1e-7, atol=1e-7)


def test_boltzmann_is_not_monotone_and_the_others_are(draw):
    x = draw(500, 6, scale=3.0)
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
    x, y = draw(500, 6, scale=3.0), draw(500, 6, scale=3.0)
    moved = (function(x, sharpness=2.0) - function(y, sharpness=2.0)).abs()
    assert (moved <= (x - y).abs().amax(-1) + 1e-14).all()


def test_smooth_abs_is_a_smooth_maximum_of_x_and_minus_x(draw):
    x = draw(50, scale=2.0)
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


def test_p_norms_that_are_known(draw):
    x = draw(20, 5).abs()
    torch.testing.assert_close(p_norm_maximum(x, p=1), x.sum(-1), rtol=1e-15, atol=0)
    torch.testing.assert_close(
        p_norm_maximum(x, p=2), torch.linalg.vector_norm(x, dim=-1), rtol=1e-15, atol=0
    )
    assert torch.equal(p_norm_maximum(2 * x, p=3), 2 * p_norm_maximum(x, p=3))


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


def test_any_axis_and_any_layout(draw):
    x = draw(3, 4, 5)
    calls = [lambda x, f=f, **d: f(x, sharpness=1.5, **d) for f in SOFT]
    calls.append(lambda x, **d: p_norm_maximum(x.abs(), p=3, **d))
    for call in calls:
        for dim in range(3):
            last = call(x.movedim(dim, -1).contiguous())
            assert torch.equal(call(x, dim=dim), last)
            assert torch.equal(call(x, dim=dim - 3), last)
        assert torch.equal(call(x.mT), call(x.mT.contiguous()))
        assert call(x).shape == (3, 4)
        assert call(x[0, 0]).shape == ()
        assert call(x[:0]).shape == (0, 4)
        assert torch.equal(call(x.flip(-1)), call(x)) or torch.allclose(call(x.flip(-1)), call(x), rtol=1e-15)
        torch.testing.assert_close(call(x[..., :1]), x[..., 0].abs() if call is calls[3] else x[..., 0])
    for kind in KINDS:
        turned = smooth_abs(x.mT, sharpness=2, kind=kind)
        torch.testing.assert_close(turned.mT, smooth_abs(x, sharpness=2, kind=kind), rtol=1e-15, atol=0)
        assert smooth_abs(x[:0], sharpness=2, kind=kind).shape == (0, 4, 5)


def test_arguments_are_not_modified(draw):
    x = draw(3, 4).abs()
    before = x.clone()
    for function in SOFT:
        gradients(lambda x, f=function: f(x, sharpness=2.0), x)
    gradients(lambda x: p_norm_maximum(x, p=3), x)
    for kind in KINDS:
        smooth_abs(x, sharpness=2.0, kind=kind)
    assert torch.equal(x, before)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("k", SHARPNESSES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", SOFT)
def test_agrees_with_mpmath(draw, function, dtype, k):
    """Values within 4 roundings of the larger of maximum, spread and result; gradients within K d of those.

    A rounding of d, of size eps |d|, is one of eps K |d| in an exponent, hence relative in a weight.
    """
    x = draw(8, 5, scale=2.0, dtype=dtype)
    rows, gradient = gradients(lambda x: function(x, sharpness=k), x)
    assert rows.dtype == gradient.dtype == dtype
    sums, kept = made(dtype)
    for row, value, slope in zip(x.tolist(), rows, gradient, strict=True):
        want, weights = exact(function, row, k)
        spread = [1 + k * (max(row) - v) for v in row]
        assert_close(value, [want], 4 * sums + kept, max(map(abs, row)))
        p = exact(mellowmax, row, k)[1]
        tiny = torch.finfo(dtype).tiny * (1 if dtype == torch.float16 else 1e-6)
        for got, w, q, s in zip(slope.tolist(), weights, p, spread, strict=True):
            assert abs(got - w) <= sums * (8 + 4 * s) * s * q + kept * abs(w) + tiny


@pytest.mark.parametrize("scale", [1e-10, 1.0, 1e10])
@pytest.mark.parametrize("k", [1e-30, 1e-6, 1e-300])
def test_mellowmax_keeps_its_digits_down_to_the_mean(draw, k, scale):
    x = draw(50, 7, scale=scale, dtype=torch.float32)
    rows = mellowmax(x, sharpness=k)
    for row, value in zip(x.tolist(), rows, strict=True):
        top = max(map(abs, row))
        want = exact(mellowmax, row, k)[0] if k > 1e-100 else mp.fsum(map(mp.mpf, row)) / 7
        assert_close(value, [want], 4 * torch.finfo(torch.float32).eps, top)


def test_mellowmax_of_many_entries_behind_one(device):
    x = torch.full((1_000_000,), -60.0, device=device)
    x[77] = 0
    assert mellowmax(x, sharpness=2.0).item() == pytest.approx(-math.log(1_000_000) / 2, rel=1e-6)


def test_lse_keeps_the_digits_of_a_small_gap(device):
    x = column([[0.0, -40.0, -50.0], [0.0, 0.0, -40.0], [-30.0, -70.0, 0.0]], device)
    want = [exact(logsumexp_maximum, row, 1)[0] for row in x.tolist()]
    assert_close(logsumexp_maximum(x, sharpness=1.0), want, 4e-16, 0)
    assert_close(logsumexp_maximum(x.float(), sharpness=1.0), want, 3e-7, 0)


@pytest.mark.parametrize("p", [1, 1.0001, 1.5, 2, 3, 11.5, 1e4, 1e10, 1e30])
@pytest.mark.parametrize("dtype", DTYPES)
def test_p_norm_agrees_with_mpmath(draw, dtype, p):
    """r = x / max is rounded once, and its power p times as much: a weight loses p eps."""
    x = draw(6, 5, dtype=dtype).abs()
    x[0, 1] = 0
    rows, gradient = gradients(lambda x: p_norm_maximum(x, p=p), x)
    assert rows.dtype == gradient.dtype == dtype
    sums, kept = made(dtype)
    for row, value, slope in zip(x.tolist(), rows, gradient, strict=True):
        if p > 1e4:  # the others weigh nothing
            assert_close(value, [max(row)], 4 * sums + kept, 0)
            assert slope.tolist() == pytest.approx([float(v == max(row)) for v in row], rel=4 * sums)
            continue
        want, weights = exact(p_norm_maximum, row, p)
        assert_close(value, [want], 8 * sums + kept, 0)
        for got, w in zip(slope.tolist(), weights, strict=True):
            assert abs(got - w) <= (sums * (8 + p) + kept) * w + torch.finfo(dtype).tiny


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
    sums, kept = made(dtype)
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


@pytest.mark.parametrize("k", [1e-6, 0.5, 3.0])
@pytest.mark.parametrize("function", SOFT)
def test_gradients_of_gradients(draw, function, k):
    x = draw(3, 4).requires_grad_()
    assert gradcheck(lambda x: function(x, sharpness=k), x)
    assert gradgradcheck(lambda x: function(x, sharpness=k), x)
    row = x.detach()[0]
    twice = torch.func.hessian(lambda x: function(x, sharpness=k))(row)
    forward = torch.func.jacfwd(torch.func.jacfwd(lambda x: function(x, sharpness=k)))(row)
    torch.testing.assert_close(twice, forward, rtol=1e-10, atol=1e-15)
    torch.testing.assert_close(twice, twice.T, rtol=1e-10, atol=1e-15)
    if function is not boltzmann_maximum:
        p = torch.softmax(k * row, -1)
        torch.testing.assert_close(twice, k * (p.diag() - p.outer(p)), rtol=1e-10, atol=1e-15)
        assert torch.linalg.matrix_norm(twice, 2) <= k / 2


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 7.5])
def test_gradients_of_gradients_of_the_p_norm(draw, p):
    x = (draw(3, 4).abs() + 0.05).requires_grad_()
    assert gradcheck(lambda x: p_norm_maximum(x, p=p), x)
    assert gradgradcheck(lambda x: p_norm_maximum(x, p=p), x)


def test_second_derivative_of_the_p_norm_by_an_entry_that_is_zero(device):
    x = column([0.0, 3.0, 4.0], device)
    expected = {1: 0.0, 1.5: 0.0, 2: 1 / 5, 3: 0.0}  # 1 / norm for p = 2; infinite, given as 0, for 1.5
    for p, number in expected.items():
        hessian = torch.func.hessian(lambda x, p=p: p_norm_maximum(x, p=p))(x)
        assert hessian.isfinite().all()
        assert hessian[0, 0].item() == pytest.approx(number, rel=1e-14)
        assert hessian[1, 1].item() == pytest.approx(
            0 if p == 1 else float(mp.diff(lambda v, p=p: (v**p + mp.mpf(4) ** p) ** (1 / mp.mpf(p)), 3, 2)),
            rel=1e-12,
        )


def every_call():
    """All functions, of one tensor with entries that are not negative."""
    calls = {f.__name__: lambda x, f=f: f(x, sharpness=1.7) for f in SOFT}
    calls |= {f"p = {p}": lambda x, p=p: p_norm_maximum(x, p=p) for p in (1.5, 3)}
    return calls | {kind: lambda x, kind=kind: smooth_abs(x, sharpness=1.7, kind=kind) for kind in KINDS}


@pytest.mark.parametrize("name", every_call())
def test_vmap_jvp_and_per_sample_gradients(draw, name):
    call, x, direction = every_call()[name], draw(4, 5).abs(), draw(4, 5)
    values, gradient = gradients(call, x)
    torch.testing.assert_close(torch.vmap(call)(x), values, rtol=1e-15, atol=0)
    torch.testing.assert_close(torch.vmap(call, in_dims=1)(x.T.contiguous()), values, rtol=1e-15, atol=0)
    per_row = torch.vmap(torch.func.grad(lambda x: call(x).sum()))(x)
    torch.testing.assert_close(per_row, gradient, rtol=1e-14, atol=1e-16)
    by_jvp, moved = torch.func.jvp(call, (x,), (direction,))
    torch.testing.assert_close(by_jvp, values, rtol=1e-15, atol=0)
    change = gradient * direction
    expected = change if values.shape == x.shape else change.sum(-1)
    torch.testing.assert_close(moved, expected, rtol=1e-13, atol=1e-15)


def compiled_agrees(call, x, backend):
    torch.compiler.reset()
    compiled = torch.compile(call, fullgraph=True, backend=backend)
    for one, other in zip(gradients(compiled, x), gradients(call, x), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", every_call())
def test_compiles_whole(draw, name):
    compiled_agrees(every_call()[name], draw(4, 5).abs(), "aot_eager")


@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler on the CPU")
def test_compiles_to_machine_code(draw):
    calls = every_call()

    def everything(x):
        return sum(call(x).sum() for call in calls.values())

    compiled_agrees(everything, draw(4, 5).abs(), "inductor")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_autocast_changes_nothing(draw, device, dtype):
    x = draw(4, 5, dtype=dtype).abs()
    for call in every_call().values():
        plain = gradients(call, x)
        with torch.autocast(torch.device(device).type, dtype=torch.bfloat16):
            cast = gradients(call, x)
        for one, other in zip(cast, plain, strict=True):
            assert torch.equal(one, other)
            assert one.dtype == dtype


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_summed_in_float32(device, dtype):
    x = torch.ones(100_000, dtype=dtype, device=device)
    lse, gradient = gradients(lambda x: logsumexp_maximum(x, sharpness=1.0), x)
    assert_close(lse, [1 + mp.log(100_000)], torch.finfo(dtype).eps / 2 + 1e-6, 0)
    assert_close(gradient[:1], [mp.mpf("1e-5")], torch.finfo(dtype).eps, 2**-8)
    assert mellowmax(x, sharpness=1.0) == boltzmann_maximum(x, sharpness=1.0) == 1
    assert_close(p_norm_maximum(x, p=2), [mp.sqrt(100_000)], torch.finfo(dtype).eps / 2 + 1e-6, 0)


# ------------------------------------------------------------------- failure: infinite, NaN, extreme


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
    x = draw(3, 4).abs()
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
    assert_close(boltzmann_maximum(x, sharpness=1e20), [want], 1e-6, 0)
    low = column([1e-20, 3e-20], device, torch.float32)
    assert_close(smooth_abs(low, sharpness=1e-19, kind="tanh"), [0, 0], 0, 0)
    assert_close(smooth_abs(low, sharpness=1e20), [smooth_absolute("logcosh", mp.mpf(v), mp.mpf(1e20))
                                                  for v in low.tolist()], 1e-6, 0)  # fmt: skip


def test_sums_are_in_float64_only_where_the_sharpness_asks_for_it(device):
    wide, end = 2.0**64, 2.0**1022
    usual = (1 / wide, 1e-6, 1.0, 1e6, wide, math.nextafter(end, INF), INF)
    extreme = (5e-324, math.nextafter(1 / wide, 0), math.nextafter(wide, INF), end)
    for dtype in DTYPES:
        x = column([1.0], device, dtype)
        narrow = torch.float64 if dtype == torch.float64 else torch.float32
        assert {_sum_dtype(x, k) for k in usual} == {narrow}
        assert {_sum_dtype(x, k) for k in extreme} == {torch.float64}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1e-300, 1.0, 1e300, INF])
def test_smooth_abs_of_infinity(device, kind, k):
    x = column([INF, -INF, 0.0], device)
    values, gradient = gradients(lambda x: smooth_abs(x, sharpness=k, kind=kind), x)
    assert values[:2].tolist() == [INF, INF]
    assert gradient.tolist() == [1, -1, 0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 1e30, INF])
def test_p_norm_of_zeros_infinity_and_large_numbers(device, dtype, p):
    large = torch.finfo(dtype).max / 64
    x = column(
        [[0.0] * 4, [INF, 1.0, INF, 0.0], [large, 0.0, 0.0, large], [0.0, 2.0, 0.0, 0.0]], device, dtype
    )
    rows, gradient = gradients(lambda x: p_norm_maximum(x, p=p), x)
    both = 2.0 ** (1 / p)
    expected = torch.tensor([0, INF, large * both, 2], dtype=torch.float64).to(dtype)
    torch.testing.assert_close(rows.cpu(), expected)
    slopes = [
        [4 ** (1 / p - 1)] * 4,
        [0.5, 0, 0.5, 0],
        [both / 2, p == 1, p == 1, both / 2],
        [p == 1, 1] + [p == 1] * 2,
    ]
    torch.testing.assert_close(gradient.cpu(), torch.tensor(slopes, dtype=torch.float64).to(dtype))
    if p < 1e9:
        assert not second(lambda x: p_norm_maximum(x, p=p), x).isnan().any()


def test_p_norm_refuses_negative_entries_where_it_can_look(device):
    x = column([[1.0, 2.0], [1.0, -2.0]], device)
    if device == "cpu":
        for p in (1, 3, INF):
            with pytest.raises(ValueError, match=r"x must be at least 0, got values down to -2"):
                p_norm_maximum(x, p=p)
        with pytest.raises(ValueError, match="-inf"):
            p_norm_maximum(column([[NAN, 1.0], [-INF, 1.0]], device), p=3)
    for p in (1, 2, 3, INF):
        rows = torch.vmap(lambda x, p=p: p_norm_maximum(x, p=p))(x)
        assert rows.isnan().tolist() == [False, True]
    compiled = torch.compile(lambda x: p_norm_maximum(x, p=3), fullgraph=True, backend="aot_eager")
    assert compiled(x).isnan().tolist() == [False, True]
    assert p_norm_maximum(column([[-0.0, 1.0]], device), p=3) == 1


def test_odd_p_with_negative_entries_would_not_be_a_maximum(device):
    """Why they are refused: the formula tends to the entry of largest modulus, here the minimum."""
    x = column([-1.0, -2.0], device)
    for p, number in ((3, -2.0800838230519), (5, -2.01234661708556)):
        norm = -((-(x**p).sum()) ** (1 / p))
        assert norm.item() == pytest.approx(number, rel=1e-13)


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
                 (TypeError, "got Tensor", torch.tensor(2.0))]
# fmt: on


def test_bad_input_is_named(device):
    x = torch.ones(2, 3, dtype=torch.float64, device=device)
    calls = [lambda x, f=f, **d: f(x, sharpness=1.0, **d) for f in SOFT]
    calls.append(lambda x, **d: p_norm_maximum(x, p=2, **d))
    absolute = [lambda x, kind=kind: smooth_abs(x, sharpness=1.0, kind=kind) for kind in KINDS]
    for function in calls + absolute:
        for error, message, call in BAD_CALLS + (BAD_AXES if function in calls else []):
            with pytest.raises(error, match=message):
                call(function, x)


def test_bad_sharpness_is_named(device):
    x = torch.ones(2, 3, dtype=torch.float64, device=device)
    for function in [*SOFT, smooth_abs]:
        for error, message, k in BAD_SHARPNESS:
            with pytest.raises(error, match=f"sharpness must be {message}" if "a " in message else message):
                function(x, sharpness=k)
        for k in (0, 0.0, -1, -INF, NAN):
            with pytest.raises(ValueError, match=f"sharpness must be positive .* got {k}"):
                function(x, sharpness=k)
    for error, message, p in BAD_SHARPNESS:
        with pytest.raises(error, match=f"p must be {message}" if "a " in message else message):
            p_norm_maximum(x, p=p)
    for p in (0.5, 0, -2, 0.999999, -INF, NAN):
        with pytest.raises(ValueError, match=f"p must be at least 1 .* got {p}"):
            p_norm_maximum(x, p=p)
    with pytest.raises(ValueError, match=r"kind must be one of 'logcosh', 'sqrt', .* got 'relu'"):
        smooth_abs(x, sharpness=1.0, kind="relu")
