"""The law of an angle and of its cosine: identities, agreement with mpmath, what breaks."""

import math

import pytest
import torch
from helpers import (
    DEVICES,
    DTYPES,
    INF,
    NAN,
    assert_close,
    assert_derivatives,
    column,
    gradient,
    seeded,
)
from mpmath import mp

from lemmata.geometry import (
    angle_between,
    angle_cdf,
    angle_pdf,
    angle_quantile,
    angle_variance,
    cosine_moment,
    cosine_pdf,
    cosine_tail,
    cosine_tail_bound,
    sample_angles,
)
from lemmata.geometry._angles import angle, quadrature

PI = math.pi
EPS = 2.0**-52
OF_THETA, OF_COSINE = [angle_pdf, angle_cdf], [cosine_pdf, cosine_tail, cosine_tail_bound]
ALL = [*OF_THETA, angle_quantile, *OF_COSINE]

on_devices = pytest.mark.parametrize("device", DEVICES)
every_function = pytest.mark.parametrize("function", ALL, ids=lambda f: f.__name__)


# ------------------------------------------------------------------- the oracle


def exact_constant(n):
    n = mp.mpf(n)
    return mp.gamma(n / 2) / mp.sqrt(mp.pi) / mp.gamma((n - 1) / 2)


def exact_cdf(theta, n):
    """By quadrature of (sin f / sin theta)^m, where it is above e^-80: the scale is taken out."""
    theta, m = mp.mpf(theta), n - 2
    if theta <= 0:
        return mp.mpf(0)
    if theta > mp.pi / 2:
        return 1 - exact_cdf(mp.pi - theta, n)
    low = mp.asin(mp.sin(theta) * mp.exp(-mp.mpf(80) / m)) if m else mp.mpf(0)
    inner = mp.quad(lambda f: (mp.sin(f) / mp.sin(theta)) ** m, mp.linspace(low, theta, 5))
    return exact_constant(n) * mp.sin(theta) ** m * inner


def exact_tail(eps, n):
    eps = mp.mpf(eps)
    if eps < 0:
        return 1 - exact_tail(-eps, n)
    x = (1 - eps) * (1 + eps)
    return mp.betainc(mp.mpf(n - 1) / 2, mp.mpf(1) / 2, 0, x, regularized=True) / 2


def assert_logarithmic(actual, expected, roundings=6, eps=EPS):
    """Relative errors of a few roundings, times the size of the logarithm: it is what is exponentiated."""
    for got, want in zip(actual.double().flatten().tolist(), expected, strict=True):
        assert abs(got - want) <= roundings * eps * abs(want) * (1 + abs(mp.log(want))), (got, want)


# ------------------------------------------------------------------- identity


def test_reference_variances():
    table = {
        2: .822467033424113218, 3: .467401100272339655, 4: .322467033424113218, 5: .245178878050117432,
        10: .110661477868557663, 20: .0525831678408428731, 50: .0204053316286127896,
        100: .0101006666133485629, 200: .0050250833316667857, 1000: .00100100066666613333,
    }  # fmt: skip
    for n, value in table.items():
        assert angle_variance(n) == pytest.approx(value, rel=1e-15)
    assert angle_variance(1) == pytest.approx(PI**2 / 4, rel=1e-15)


@pytest.mark.parametrize("n", [1, 2, 3, 9, 100])
def test_the_variance_obeys_its_recursion(n):
    assert angle_variance(n + 2) == pytest.approx(angle_variance(n) - 2 / n**2, rel=1e-13)


@on_devices
def test_reference_tails(device):
    table = {(3, 0.5): 0.25, (10, 0.5): 0.0586534015071, (100, 0.1): 0.15987423707,
             (100, 0.3): 0.00115198285635, (1000, 0.1): 0.000767856921068}  # fmt: skip
    for (n, eps), value in table.items():
        assert_close(cosine_tail(column([eps], device), n), [value], 1e-11)


@on_devices
def test_two_three_and_four_dimensions(device):
    theta = torch.linspace(0, PI, 31, dtype=torch.float64, device=device)
    eta = torch.linspace(-0.99, 0.99, 31, dtype=torch.float64, device=device)
    half = torch.full_like(theta, 0.5)
    close = lambda a, b: torch.testing.assert_close(a, b, rtol=4e-15, atol=4e-16)  # noqa: E731
    close(angle_pdf(theta, 2), torch.full_like(theta, 1 / PI))
    close(angle_cdf(theta, 2), theta / PI)
    close(cosine_pdf(eta, 2), 1 / (PI * (1 - eta**2).sqrt()))
    close(angle_pdf(theta, 3), theta.sin() / 2)
    close(angle_cdf(theta, 3), (theta / 2).sin().square())
    close(cosine_pdf(eta, 3), half)
    close(cosine_tail(eta, 3), (1 - eta) / 2)
    close(cosine_pdf(eta, 4), 2 / PI * (1 - eta**2).sqrt())
    close(cosine_tail_bound(eta.abs(), 3), (1 - eta**2) / 2)


@pytest.mark.parametrize("n", [2, 3, 4, 7, 50, 10**6])
def test_the_law_is_symmetric(n):
    q = column([1e-9, 0.01, 0.2, 0.4])
    theta = angle_quantile(q, n)
    torch.testing.assert_close(angle_cdf(theta, n) + angle_cdf(PI - theta, n), torch.ones_like(q))
    torch.testing.assert_close(angle_quantile(1 - q[1:], n), PI - theta[1:], rtol=1e-14, atol=0)
    eta = theta.cos()
    torch.testing.assert_close(cosine_tail(eta, n) + cosine_tail(-eta, n), torch.ones_like(q))
    assert torch.equal(cosine_pdf(eta, n), cosine_pdf(-eta, n))
    assert abs(cosine_tail(column(0.0), n) - 0.5) < 1e-15
    right = column(PI / 2)  # rounded, by 6e-17
    assert abs(angle_cdf(right, n) - 0.5) < 1e-15 + 1e-16 * angle_pdf(right, n)


@pytest.mark.parametrize("n", [2, 3, 5, 40, 1000, 10**6, 10**9])
def test_the_quantile_inverts(n):
    q = column([1e-300, 1e-100, 1e-20, 1e-5, 0.01, 0.1, 1 / 3, 0.49, 0.5, 0.7, 0.99])
    theta = angle_quantile(q, n)
    # what one rounding of theta does to log q
    conditioning = theta * angle_pdf(theta, n) / q
    error = (angle_cdf(theta, n) / q - 1).abs()
    assert (error <= EPS * (4 * conditioning + 8 * (1 - q.log()))).all()


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_moments_of_the_cosine(n):
    assert cosine_moment(0, n) == 1
    assert cosine_moment(2, n) == pytest.approx(1 / n, rel=1e-15)
    assert cosine_moment(4, n) == pytest.approx(3 / (n * (n + 2)), rel=1e-15)
    assert cosine_moment(6, n) == pytest.approx(15 / (n * (n + 2) * (n + 4)), rel=1e-15)
    assert [cosine_moment(odd, n) for odd in (1, 3, 5)] == [0, 0, 0]


@pytest.mark.parametrize("n", [2, 3, 4, 10, 100, 1000])
def test_the_bound_holds_is_attained_and_beats_the_gaussian_one(n):
    eps = torch.linspace(0, 1, 101, dtype=torch.float64)
    tail, bound = cosine_tail(eps, n), cosine_tail_bound(eps, n)
    assert (tail <= bound * (1 + 1e-13)).all()
    assert (tail[1:-1] < bound[1:-1])[bound[1:-1] > 1e-300].all()
    far = column(0.76)  # here (1 - eps)^power alone would underflow for n = 1000
    assert_logarithmic(cosine_tail_bound(far, n), [(1 - mp.mpf(far.item()) ** 2) ** (mp.mpf(n - 1) / 2) / 2])
    assert bound[0] == 0.5
    assert bound[-1] == tail[-1] == 0
    assert (bound <= 0.8244 * torch.exp(-n / 2 * eps**2)).all()
    assert_close(bound[30:31], [(1 - mp.mpf(eps[30].item()) ** 2) ** (mp.mpf(n - 1) / 2) / 2], 1e-13)


@on_devices
def test_angles_of_known_vectors(device):
    true = column([0.0, 1e-15, 1e-9, 1e-3, 1.0, PI / 2, 3.0, PI - 1e-9, PI], device)
    x = column([1.0, 0.0], device)
    y = torch.stack([true.cos(), true.sin()], -1)
    for a, b in ((1, 1), (1e200, 1e-200), (1e-305, 1e300), (1e-200, 3.7)):
        found = angle_between(a * x, b * y)
        torch.testing.assert_close(found, true, rtol=1e-15, atol=4e-16)
        torch.testing.assert_close(angle_between(b * y, a * x), true, rtol=1e-15, atol=4e-16)
    tiny = angle_between(x, column([1.0, 1e-200], device))  # its square would underflow
    assert_close(tiny[None], [1e-200], 1e-14)


@on_devices
def test_vectors_may_lie_along_any_axis_and_broadcast(device):
    generator = seeded(0)
    x, y = (torch.randn(s, generator=generator, dtype=torch.float64) for s in ((4, 1, 5), (3, 5)))
    x, y = x.to(device), y.to(device)
    found = angle_between(x, y)
    cosine = (x * y).sum(-1) / (x.norm(dim=-1) * y.norm(dim=-1))
    torch.testing.assert_close(found, cosine.acos(), rtol=1e-13, atol=0)
    assert found.shape == (4, 3)
    torch.testing.assert_close(angle_between(x.movedim(-1, 0), y.T[:, None], dim=0), found)
    assert angle_between(x[:0], y).shape == (0, 3)
    assert angle_between(column([[2.0], [-3.0]]), column([5.0])).tolist() == [0, PI]


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 21, 64, 100, 1001])
@on_devices
def test_tails_agree_with_mpmath(device, n):
    spread = [k / math.sqrt(n) for k in (0.01, 0.5, 1, 3, 8, 20) if k < 0.99 * math.sqrt(n)]
    eps = [0.0, 1e-9, 0.1, 0.5, 0.7, 0.71, 0.9, 0.999999, -0.3, -0.9, *spread]
    truth = [exact_tail(e, n) for e in eps]
    eps, truth = zip(*((e, w) for e, w in zip(eps, truth, strict=True) if w > 1e-305), strict=True)
    assert_logarithmic(cosine_tail(column(eps, device), n), truth)


@pytest.mark.parametrize("n", [2, 3, 4, 7, 30, 1000, 10**6])
@on_devices
def test_the_distribution_of_the_angle_agrees_with_mpmath(device, n):
    below = [PI / 2 - k / math.sqrt(n) for k in (0.01, 1, 5, 20) if k < 1.5 * math.sqrt(n)]
    theta = [1e-8, 0.1, 0.7, 0.8, 1.5, PI / 2, 1.6, 3.0, *below]
    truth = [exact_cdf(t, n) for t in theta]
    theta, truth = zip(*((t, w) for t, w in zip(theta, truth, strict=True) if w > 1e-305), strict=True)
    assert_logarithmic(angle_cdf(column(theta, device), n), truth)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 30, 1000, 10**6])
@on_devices
def test_densities_agree_with_mpmath(device, n):
    spread = [k / math.sqrt(n) for k in (0.1, 1, 4) if k < math.sqrt(n)]
    theta = [PI / 2 - s for s in spread] + ([0.3, 2.5] if n < 1000 else [])
    exact = [exact_constant(n) * mp.sin(t) ** (n - 2) for t in theta]
    for got, want in zip(angle_pdf(column(theta, device), n).tolist(), exact, strict=True):
        assert abs(got / want - 1) < 30 * EPS
    eta = spread[:2] + ([0.8, -0.9, 0.75] if n < 1000 else [])
    exact = [exact_constant(n) * (1 - mp.mpf(e) ** 2) ** (mp.mpf(n - 3) / 2) for e in eta]
    for got, want in zip(cosine_pdf(column(eta, device), n).tolist(), exact, strict=True):
        assert abs(got / want - 1) < 40 * EPS


def test_the_constant_has_no_large_logarithms():
    for n in (2, 3, 4, 9, 50, 1000, 10**6, 10**9):
        assert abs(quadrature.constant(n) / exact_constant(n) - 1) < 8 * EPS


def test_the_quadrature_rule_is_exact_for_polynomials():
    for count in (2, 5, 32):
        rule = quadrature.legendre(count)
        for power in (0, 1, 2, 2 * count - 1):
            total = math.fsum(w * u**power for u, w in rule)
            assert total == pytest.approx(1 / (power + 1), rel=1e-14)


def test_quantiles_agree_with_closed_forms():
    q = column([1e-12, 0.1, 0.3, 0.5, 0.9])
    torch.testing.assert_close(angle_quantile(q, 2), PI * q, rtol=1e-14, atol=0)
    torch.testing.assert_close(angle_quantile(q, 3), 2 * q.sqrt().asin(), rtol=1e-14, atol=0)


@every_function
@pytest.mark.parametrize("dtype", DTYPES[1:])
@on_devices
def test_other_types_agree_with_float64(device, dtype, function):
    x = column([0.02, 0.1, 0.3, 0.4, 0.6, 0.9], device, dtype)
    got, want = function(x, 12), function(x.double(), 12)
    assert got.dtype == dtype
    eps = max(torch.finfo(dtype).eps, 1e-6 if dtype == torch.float32 else 0)
    tiny = torch.finfo(dtype).tiny * torch.finfo(dtype).eps
    assert ((got.double() - want).abs() <= 3 * eps * want * (1 - want.log().clamp(max=0) / 20) + tiny).all()
    assert angle_between(x, x.flip(0)).dtype == dtype
    assert abs(angle_between(x, x.flip(0)) - angle_between(x.double(), x.flip(0).double())) < 3 * eps


@every_function
@pytest.mark.parametrize("n", [2, 3, 6, 60])
@on_devices
def test_derivatives_in_every_mode(device, n, function, monkeypatch):
    slow = function is angle_quantile
    monkeypatch.setattr(angle, "STEPS", 5)  # these and 12 nodes err by less than 2e-7 here, and cost a fifth
    monkeypatch.setattr(quadrature, "RULE", quadrature.legendre(12))
    x = column([0.3] if slow else [0.21, 0.5, 0.74], device)
    assert_derivatives(lambda x: function(x, n), x, check_fwd_over_rev=not slow)


@pytest.mark.parametrize("n", [2, 3, 4, 30])
def test_derivatives_are_the_densities(n):
    theta, eta, q = column([0.2, 1.0, 1.6, 3.0]), column([-0.9, -0.1, 0.0, 0.8]), column([0.01, 0.5, 0.8])
    assert torch.equal(gradient(lambda t: angle_cdf(t, n), theta), angle_pdf(theta, n))
    assert torch.equal(gradient(lambda t: cosine_tail(t, n), eta), -cosine_pdf(eta, n))
    expected = 1 / angle_pdf(angle_quantile(q, n), n)
    torch.testing.assert_close(gradient(lambda t: angle_quantile(t, n), q), expected)
    # forward mode, at 0 and on both sides of it
    _, slope = torch.func.jvp(lambda t: cosine_tail(t, n), (eta,), (torch.ones_like(eta),))
    torch.testing.assert_close(slope, -cosine_pdf(eta, n), rtol=1e-12, atol=1e-14)


@on_devices
def test_gradients_of_an_angle(device):
    generator = seeded(1)
    x, y = (torch.randn(3, 4, generator=generator, dtype=torch.float64).to(device) for _ in range(2))
    assert_derivatives(angle_between, x, y)
    x.requires_grad_()
    for other in (2 * x.detach(), -x.detach()):  # the kink
        angle = angle_between(x, other)
        (slope,) = torch.autograd.grad(angle.sum(), x, create_graph=True)
        assert slope.abs().max() < 1e-7
        assert torch.autograd.grad(slope.sum(), x)[0].isfinite().all()


@every_function
@on_devices
def test_vmap(device, function):
    x = torch.linspace(0.05, 0.95, 12, dtype=torch.float64, device=device).view(3, 4)
    f = lambda x: function(x, 5)  # noqa: E731
    torch.testing.assert_close(torch.vmap(f)(x), f(x), rtol=1e-15, atol=0)
    torch.testing.assert_close(torch.vmap(f, in_dims=1)(x), f(x).T, rtol=1e-15, atol=0)
    by_sample = torch.vmap(torch.func.grad(lambda x: f(x).sum()))(x)
    torch.testing.assert_close(by_sample, gradient(f, x), rtol=1e-14, atol=0)


@pytest.mark.parametrize("n", [2, 3, 10, 10**6])
def test_samples_have_the_moments_of_the_law(n):
    """|z| below 5 in nine comparisons: a false alarm in one of 200 000 sets of seeds."""
    theta = sample_angles(n, 40_000, seeded(n))
    assert theta.shape == (40_000,)
    assert theta.dtype == torch.float64
    assert theta.min() >= 0
    assert theta.max() <= PI
    cosine = theta.cos() * n**0.5
    for values, mean in (
        (cosine, 0.0),
        (cosine**2, 1.0),
        (cosine**4, n * n * cosine_moment(4, n)),
        ((theta - PI / 2).square(), angle_variance(n)),
        (angle_cdf(theta, n).square(), 1 / 3),
    ):
        error = values.std() / len(values) ** 0.5
        assert abs(values.mean() - mean) < 5 * error


def test_samples_follow_the_generator_and_the_shape():
    draw = lambda seed, **rest: sample_angles(5, (2, 3), seeded(seed), **rest)  # noqa: E731
    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))
    assert draw(0).shape == (2, 3)
    for dtype in DTYPES:
        assert draw(0, dtype=dtype).dtype == dtype
    assert sample_angles(4, ()).shape == ()
    one = sample_angles(1, 1000, seeded(0))
    assert set(one.tolist()) == {0.0, PI}
    assert 400 < (one == 0).sum() < 600


# ------------------------------------------------------------------- failure


@on_devices
@pytest.mark.parametrize("n", [2, 3, 4, 5, 100])
def test_outside_of_the_range(device, n):
    theta = column([-INF, -0.1, 3.2, INF, NAN], device)
    assert angle_pdf(theta, n)[:4].tolist() == [0, 0, 0, 0]
    assert angle_cdf(theta, n)[:4].tolist() == [0, 0, 1, 1]
    eta = column([-INF, -1.1, 1.1, INF, NAN], device)
    assert cosine_pdf(eta, n)[:4].tolist() == [0, 0, 0, 0]
    assert cosine_tail(eta, n)[:4].tolist() == [1, 1, 0, 0]
    assert cosine_tail_bound(eta, n)[:4].tolist() == [1, 1, 0, 0]
    assert angle_quantile(column([-0.1, 1.1, INF, NAN], device), n).isnan().all()
    assert angle_quantile(column([0.0, 1.0], device), n).tolist() == [0, PI]
    for function in (*OF_THETA, *OF_COSINE):
        assert function(theta, n)[4].isnan()
        slope = gradient(lambda x, f=function: f(x, n), column([-INF, -4.0, 4.0, INF], device))
        assert slope.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_ends_of_the_range(dtype):
    theta = torch.tensor([0.0, PI], dtype=dtype)
    for n in (3, 4, 50):
        pdf, cdf = angle_pdf(theta, n), angle_cdf(theta, n)
        assert pdf.isfinite().all()
        assert (pdf[0], cdf[0]) == (0, 0)
        assert cdf[1].item() == pytest.approx(1, abs=2e-3)
        assert gradient(lambda t, n=n: angle_cdf(t, n), theta)[0] == 0
    assert angle_cdf(torch.zeros(1, dtype=dtype), 2) == 0
    ends = torch.tensor([-1.0, 1.0], dtype=dtype)
    assert cosine_pdf(ends, 2).tolist() == [INF, INF]
    assert cosine_pdf(ends, 3).tolist() == pytest.approx([0.5, 0.5], rel=1e-6)
    assert cosine_pdf(ends, 4).tolist() == [0, 0]
    assert cosine_tail(ends, 4).tolist() == [1, 0]
    middle = angle_quantile(torch.tensor(0.5, dtype=dtype), 9).item()
    assert middle == pytest.approx(PI / 2, rel=2 * torch.finfo(dtype).eps)
    slope = gradient(lambda t: cosine_pdf(t, 4), ends)  # infinite, and not NaN
    assert slope.tolist() == [INF, -INF]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [2, 3, 4, 50])
def test_derivatives_of_the_quantile_at_its_ends(n, dtype, monkeypatch):
    monkeypatch.setattr(angle, "STEPS", 2)  # of what is between the ends
    monkeypatch.setattr(quadrature, "RULE", quadrature.legendre(3))
    q = torch.tensor([0.0, 1.0], dtype=dtype, requires_grad=True)
    (slope,) = torch.autograd.grad(angle_quantile(q, n).sum(), q, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), q)
    ones, at = torch.ones(2, dtype=dtype), q.detach()
    along = lambda q: torch.func.jvp(lambda q: angle_quantile(q, n), (q,), (ones,))[1]  # noqa: E731
    moved = torch.func.jvp(along, (at,), (ones,))[1]
    if n == 2:
        torch.testing.assert_close(slope, PI * ones)
        torch.testing.assert_close(along(at), PI * ones)
        assert bend.tolist() == moved.tolist() == [0, 0]
    else:
        assert slope.tolist() == along(at).tolist() == [INF, INF]
        assert bend.tolist() == moved.tolist() == [-INF, INF]


def test_forward_mode_is_finite_at_the_ends():
    theta = column([0.0, PI])
    value, slope = torch.func.jvp(lambda t: angle_cdf(t, 5), (theta,), (torch.ones(2, dtype=torch.float64),))
    assert value.tolist() == [0, 1]
    assert slope.abs().max() < 1e-15


@on_devices
def test_vectors_without_a_direction(device):
    x = column([1.0, 2.0], device)
    for bad in ([0.0, 0.0], [INF, 1.0], [NAN, 1.0]):
        assert angle_between(x, column(bad, device)).isnan()
        assert angle_between(column(bad, device), x).isnan()
    rows = column([[0.0, 0.0], [1.0, 0.0]], device)
    slope = gradient(lambda r: angle_between(r, x), rows)
    assert slope[0].isnan().all()
    assert slope[1].isfinite().all()


def test_inputs_stay_as_they_are_and_layout_does_not_matter():
    x = torch.linspace(0.1, 0.9, 12, dtype=torch.float64).view(3, 4)
    before = x.clone()
    for function in ALL:
        assert torch.equal(function(x.T, 6), function(x, 6).T)
        assert function(x[:0], 6).shape == (0, 4)
        assert function(x[0, 0], 6).shape == ()
    angle_between(x, x.flip(0))
    assert torch.equal(x, before)


@every_function
def test_bad_arguments(function):
    x = torch.ones(2)
    with pytest.raises(ValueError, match="n must be at least 2, got 1"):
        function(x, 1)
    for n in (2.5, True, torch.tensor(3)):
        with pytest.raises(TypeError, match="n must be an int"):
            function(x, n)
    with pytest.raises(TypeError, match="must be a tensor or a number, got str"):
        function("0.5", 3)
    with pytest.raises(TypeError, match="must be float64"):
        function(torch.ones(2, dtype=torch.int64), 3)


def test_bad_arguments_of_the_others():
    x = torch.ones(2, 3)
    for function in (angle_variance, lambda n: cosine_moment(2, n), lambda n: sample_angles(n, 3)):
        with pytest.raises(ValueError, match="n must be at least 1, got 0"):
            function(0)
        with pytest.raises(TypeError, match="n must be an int, got float"):
            function(2.0)
    for size in (-1, (2, -1)):
        with pytest.raises(ValueError, match="size must be at least 0, got -1"):
            sample_angles(3, size)
    with pytest.raises(TypeError, match=r"dtype must be float64, .*got torch.int64"):
        sample_angles(3, 2, dtype=torch.int64)
    with pytest.raises(ValueError, match="order must be at least 0"):
        cosine_moment(-2, 3)
    with pytest.raises(ValueError, match="y must broadcast with x of shape"):
        angle_between(x, torch.ones(2, 4))
    with pytest.raises(ValueError, match="dim must be an axis"):
        angle_between(x, x, dim=2)
    with pytest.raises(ValueError, match="at least one entry along dim"):
        angle_between(x[:, :0], x[:, :0])
    with pytest.raises(TypeError, match="y must be a tensor"):
        angle_between(x, 1.0)
    with pytest.raises(TypeError, match="x must be float64"):
        angle_between(x.to(torch.int64), x)
