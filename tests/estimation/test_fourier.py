"""Fourier densities: identities, agreement with mpmath, what breaks."""

import math

import pytest
import torch
from helpers import F64, INF, NAN, column, seeded
from mpmath import mp
from torch.distributions import kl_divergence

from lemmata.estimation import FourierDensity, fourier_coefficients

CHARTS = [{}, dict(period=24.0), dict(loc=0.5, scale=2.0)]
charts = pytest.mark.parametrize("chart", CHARTS, ids=["interval", "circle", "line"])


def random(*shape, seed=0):
    return torch.view_as_complex(torch.randn(*shape, 2, dtype=F64, generator=seeded(seed)))


def precise(a, t, shift=0):
    """|F|² and 2 c_0 in mpmath."""
    a = [mp.mpc(z.real, z.imag) for z in a.tolist()]
    f = sum(z * mp.expjpi(k * mp.mpf(t)) for k, z in enumerate(a))
    return abs(f) ** 2, 2 * sum(abs(z) ** 2 for z in a)


# ------------------------------------------------------------------- identity


def test_coefficients_of_known_squares():
    assert torch.allclose(fourier_coefficients(column([1.0, 1, 1, 1])), column([4.0, 3, 2, 1]))
    a = torch.tensor([1, 0.5 + 0.25j, -0.25j], dtype=torch.complex128)
    expected = torch.tensor([11 / 8, 7 / 16 + 1j / 8, -0.25j], dtype=torch.complex128)
    assert torch.allclose(fourier_coefficients(a), expected, atol=1e-15)


def test_density_of_the_square():
    """fourier-density: reference values by hand."""
    d = FourierDensity(torch.tensor([1, 0.5 + 0.25j, -0.25j], dtype=torch.complex128))
    expected = column([9 / 11, 9 / 22, 13 / 22, 2 / 11])
    places = column([0.0, 0.5, -0.5, 1.0])
    assert torch.allclose(d.prob(places), expected, rtol=1e-13)
    assert torch.allclose(d.log_prob(places), expected.log(), rtol=1e-13)
    assert d.cdf(0.0).item() == pytest.approx(0.5 + 2 / (11 * math.pi), rel=1e-15)
    assert d.smoothness_penalty().item() == pytest.approx(18.0428705457415 / 2.75**2, rel=1e-13)


@charts
def test_integrates_to_one_and_has_the_moments(chart):
    """fourier-moments, and log_jacobian for the entropy, against sums over a fine grid."""
    d = FourierDensity(random(6), **chart)
    if "loc" in chart:
        x = torch.linspace(-60, 60, 400_001, dtype=F64)
    else:
        half = chart.get("period", 2.0) / 2
        x = (torch.arange(20_000, dtype=F64) / 10_000 - 1) * half
    step, p = x[1] - x[0], d.prob(x)
    assert (p.sum() * step).item() == pytest.approx(1, abs=1e-9)
    assert d.entropy().item() == pytest.approx(-(p * d.log_prob(x)).sum().item() * step.item(), abs=1e-7)
    if "period" in chart:
        first = (torch.polar(p, x * (2 * math.pi / 24))).sum() * step
        assert d.mean.item() == pytest.approx(first.angle().item() * 12 / math.pi, abs=1e-9)
        assert d.variance.item() == pytest.approx(1 - first.abs().item(), abs=1e-9)
    else:
        mean = (p * x).sum() * step
        spread = (p * (x - mean) ** 2).sum() * step
        edge = 1e-4 if not chart else 1e-8  # a sum over an interval has an error at its ends
        assert d.mean.item() == pytest.approx(mean.item(), abs=edge)
        assert d.variance.item() == pytest.approx(spread.item(), abs=edge)


@charts
def test_gauge(chart):
    """fourier-gauge: a factor, and the reversed conjugates, change nothing."""
    a, x = random(5), torch.linspace(-0.9, 0.9, 7, dtype=F64)
    d = FourierDensity(a, **chart)
    for other in (a * (3 - 4j), a.flip(-1).conj(), a * 1e200, a * 1e-200):
        e = FourierDensity(other, **chart)
        assert torch.allclose(e.log_prob(x), d.log_prob(x), rtol=1e-12, atol=1e-12)
        assert torch.allclose(e.cdf(x), d.cdf(x), rtol=1e-12)
        assert torch.allclose(e.entropy(), d.entropy(), rtol=1e-12)
        assert kl_divergence(d, e).abs().item() < 1e-12


def test_shift_moves_to_the_left():
    a, shift = random(4), 0.3
    turned = a * torch.polar(torch.ones(4, dtype=F64), math.pi * shift * torch.arange(4, dtype=F64))
    x = torch.linspace(-3, 3, 11, dtype=F64)
    one, other = (FourierDensity(z, period=2.0).prob(x + s) for z, s in ((turned, 0.0), (a, shift)))
    assert torch.allclose(one, other, rtol=1e-12)


def test_where_the_circle_closes():
    """Value and slope are those of the other side, whatever the turn."""
    d = FourierDensity(random(4), period=24)
    x = column([12.0, -12.0, 36.0, 12.0 + 2**-40, -(12.0 + 2**-40)]).requires_grad_()
    values = d.log_prob(x)
    (slopes,) = torch.autograd.grad(values.sum(), x)
    assert slopes[0].abs() > 0.01
    assert torch.allclose(values, values[0], rtol=1e-10)
    assert torch.allclose(slopes, slopes[0], rtol=1e-9)


@charts
def test_quantiles_invert_the_distribution(chart):
    d = FourierDensity(random(3, 9), **chart)
    q = torch.rand(200, 3, dtype=F64, generator=seeded())
    assert torch.allclose(d.cdf(d.icdf(q)), q, rtol=0, atol=1e-14)
    assert d.icdf(q).shape == (200, 3)


def test_quantiles_at_the_ends():
    d = FourierDensity(column([1.0, 1.0]))
    assert torch.allclose(
        d.icdf(column([0.0, 1.0])), column([-1.0, 1.0]), atol=1e-4
    )  # the density is 0 there
    on_line = FourierDensity(column([1.0, 0.5]), 0.0, 1.0)
    for dtype in (F64, torch.float32):
        ends = torch.tensor([0.0, 1.0], dtype=dtype)
        assert on_line.icdf(ends).tolist() == [-INF, INF]
        assert FourierDensity(torch.tensor([1.0, 0.5]), 0.0, 1.0).icdf(ends).tolist() == [-INF, INF]
    assert on_line.icdf(1e-6).item() == pytest.approx(-6.103033823087825, rel=1e-14)  # mpmath


def test_draws_have_the_distribution():
    d = FourierDensity(random(2, 4), period=24)
    draws = d.sample((4000,), generator=seeded(3))
    gap = (d.cdf(draws).sort(0).values - (torch.arange(4000)[:, None] + 0.5) / 4000).abs().amax()
    assert gap.item() < 2.3 / math.sqrt(4000)  # Kolmogorov, false alarm 1e-4 for two
    again = d.sample((4000,), generator=seeded(3))
    assert torch.equal(draws, again)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("size", [1, 2, 3])
def test_entropy_agrees_with_quadrature(size):
    a = random(size, seed=size)
    with mp.workdps(20):

        def minus(t):
            f, total = precise(a, t)
            return -f / total * mp.log(f / total)

        exact = mp.quad(minus, mp.linspace(-1, 1, 8 * size + 1))
    assert FourierDensity(a).entropy().item() == pytest.approx(float(exact), abs=1e-12)


@pytest.mark.parametrize(
    ("a", "value"),
    [
        ([1.0, 1.0], math.log(4) - 1),
        ([0.0, 1.0, 1.0, 0.0], math.log(4) - 1),
        ([1e-12, 1.0, 1.0, 1e-13], math.log(4) - 1),
        ([1.0, 2.0, 1.0], 0.15157331645466698),
        ([1.0, 3.0, 3.0, 1.0], -0.011120545886063697),
        ([0.0, 0.0, 1.0], math.log(2)),
        ([3.0], math.log(2)),
    ],
)
def test_entropy_with_zeros_on_the_circle(a, value):
    """Multiple roots, roots at 0 and at infinity, no roots; mpmath."""
    assert FourierDensity(column(a)).entropy().item() == pytest.approx(value, abs=1e-11)


@charts
def test_divergence_agrees_with_a_sum(chart):
    p, q = FourierDensity(random(4), **chart), FourierDensity(random(7, seed=5), **chart)
    base, other = FourierDensity(random(4)), FourierDensity(random(7, seed=5))
    t = torch.arange(-(2**15), 2**15, dtype=F64) / 2**15
    summed = (base.prob(t) * (base.log_prob(t) - other.log_prob(t))).mean() * 2
    assert kl_divergence(p, q).item() == pytest.approx(summed.item(), abs=1e-8)


def test_divergence_where_nobody_can_look():
    """NaN where the lines differ, under vmap."""
    p, q, loc = random(2, 4), random(2, 4, seed=1), column([0.0, 1.0])

    def divergence(a, b, loc):
        one = FourierDensity(a, loc, 1.0, validate_args=False)
        return kl_divergence(one, FourierDensity(b, 0.0, 1.0, validate_args=False))

    found = torch.vmap(divergence)(p, q, loc)
    assert found[0].item() == pytest.approx(kl_divergence(*map(FourierDensity, (p, q)))[0].item())
    assert found[1].isnan()


def test_tails_have_all_digits():
    """fourier-tails: far out, and at a zero at the end."""
    for wave, slope in (([1.0, 0.5], -2), ([1.0, 1.0], -6)):
        y = column([7.0, 20.0, 100.0, -50.0]).requires_grad_()
        values = FourierDensity(column(wave), 0.0, 1.0).log_prob(y)
        (found,) = torch.autograd.grad(values.sum(), y)
        assert torch.allclose(found, slope * y.detach().sign(), rtol=1e-4)
    with mp.workdps(60):
        f, total = precise(column([1.0, 1.0]), mp.tanh(20))
        exact = mp.log(f / total * mp.sech(20) ** 2)
    found = FourierDensity(column([1.0, 1.0]), 0.0, 1.0).log_prob(20.0).item()
    assert found == pytest.approx(float(exact), rel=1e-15)


@pytest.mark.parametrize("phase", [0.0, 0.7, 2.5])
def test_a_zero_at_the_end_keeps_its_digits(phase):
    """Whatever the phase of a: what is 0 at the end is added first, before what moves from there."""
    turn = torch.polar(column(1.0), column(phase))
    y = column([2.0, 6.0, 10.0, 16.0, 20.0])
    for wave, order in (([1.0, 1.0], 1), ([1.0, 2.0, 1.0], 2)):
        a = column(wave) * turn
        with mp.workdps(80):
            for at, found in zip(y, FourierDensity(a, 0.0, 1.0).log_prob(y), strict=True):
                f, total = precise(column(wave).to(a.dtype), mp.tanh(at.item()))
                exact = float(mp.log(f / total * mp.sech(at.item()) ** 2))
                lost = 2**-50 / (2 * math.exp(-2 * at.item())) ** (order - 1)
                assert lost > 1 or found.item() == pytest.approx(exact, rel=1e-14, abs=4 * lost)


def test_nothing_lies_at_infinity():
    d = FourierDensity(column([1.0, 0.5]), 0.0, 1.0, validate_args=False)
    far = column([INF, -INF, 1e300])
    assert d.log_prob(far)[:2].tolist() == [-INF, -INF]
    assert d.prob(far).tolist() == [0, 0, 0]
    assert d.cdf(far).tolist() == [1, 0, 1]
    assert d.log_prob(far)[2].item() == pytest.approx(-2e300)


@pytest.mark.parametrize("degree", [1, 12, 50])
def test_mean_and_entropy_on_the_line(degree):
    """fourier-line: mean and entropy by the integrals of sine and cosine, in mpmath."""
    a = random(degree + 1, seed=degree)
    d = FourierDensity(a, 0.5, 2.0)
    c = fourier_coefficients(a)
    c = (c / c[0])[1:]
    n = torch.arange(1, degree + 1, dtype=F64)
    sign = 1 - 2 * (n % 2)
    si = column([float(mp.si(2 * mp.pi * k)) for k in range(1, degree + 1)])
    cin = column(
        [float(mp.euler + mp.log(2 * mp.pi * k) - mp.ci(2 * mp.pi * k)) for k in range(1, degree + 1)]
    )
    mean = 0.5 + 2 * (c.imag * sign * cin / (math.pi * n)).sum()
    logs = 2 * math.log(2) - 2 - 2 * (c.real * sign * si / (math.pi * n)).sum()
    assert torch.allclose(d.mean, mean, rtol=1e-13, atol=1e-13)
    assert torch.allclose(d.entropy(), FourierDensity(a).entropy() + math.log(2) - logs, atol=1e-13)


def test_entropy_of_many_polynomials():
    """fourier-entropy: degree up to 50, zeros on the circle, narrow types, in a batch."""
    generator, size = seeded(2), 2**18
    rows = torch.randn(6, 51, dtype=torch.complex128, generator=generator)
    angles = 2 * math.pi * torch.rand(6, 2, dtype=F64, generator=generator)
    for angle in (*angles.T, angles[:, 0]):  # each row with three zeros on the circle, two in one place
        rows = torch.nn.functional.pad(rows[:, :-1], (1, 0)) - torch.polar(
            torch.ones_like(angle), angle
        ).unsqueeze(-1) * torch.nn.functional.pad(rows[:, :-1], (0, 1))
    half = torch.polar(torch.ones(51, dtype=F64), math.pi / size * torch.arange(51, dtype=F64))
    for a in (rows, rows.real, rows.real.float(), rows.real.bfloat16()):
        wide = a.to(torch.complex128)
        f = torch.fft.fft(wide * half, n=size).abs().square()
        p = f / (2 * wide.abs().square().sum(-1, keepdim=True))
        exact = -2 * torch.special.xlogy(p, p).mean(-1)
        eps = torch.finfo(a.dtype).eps
        assert torch.allclose(FourierDensity(a).entropy().double(), exact, rtol=eps, atol=1e-12)


def test_second_derivative_on_the_line():
    y = column([0.0, 0.3, -2.0, 30.0]).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda y: FourierDensity(random(3), 0.0, 1.0).log_prob(y), (y,))


def test_gradients_of_quantile_and_divergence():
    a, b = random(2, 4).requires_grad_(), random(2, 3, seed=4).requires_grad_()
    q = column([0.2, 0.7]).requires_grad_()
    place = column(0.3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, q, s: FourierDensity(a, s, s.exp()).icdf(q), (a, q, place), fast_mode=True
    )
    assert torch.autograd.gradgradcheck(
        lambda a, q, s: FourierDensity(a, s, s.exp()).icdf(q), (a, q, place), fast_mode=True
    )
    assert torch.autograd.gradcheck(
        lambda a, b: kl_divergence(FourierDensity(a), FourierDensity(b)), (a, b), fast_mode=True
    )


def test_float32_where_the_density_is_small():
    """A sum of c_n would have lost all digits."""
    wave = column([1.0, 1.0])
    place = torch.tensor([0.99, 0.9999])
    exact = FourierDensity(wave).log_prob(place.double())
    assert torch.allclose(FourierDensity(wave.float()).log_prob(place).double(), exact, rtol=1e-6)


# ------------------------------------------------------------------- failure


def test_outside_and_nan():
    lax, strict = (FourierDensity(column([1.0, 0.5]), validate_args=v) for v in (False, True))
    assert lax.log_prob(column([1.5, -2.0])).tolist() == [-INF, -INF]
    assert lax.prob(1.5).item() == 0
    assert lax.cdf(column([1.5, -2.0])).tolist() == [1, 0]
    assert strict.cdf(column([1.5])).item() == 1
    for f in (lax.log_prob, lax.prob, lax.cdf, lax.icdf):
        assert f(NAN).isnan()
    for f in (strict.log_prob, strict.prob):
        with pytest.raises(ValueError, match=r"value must be in \[-1, 1\]"):
            f(column([1.5]))
    with pytest.raises(ValueError, match="value must be in"):
        strict.icdf(1.5)
    rows = FourierDensity(torch.stack([column([1.0, NAN]), column([1.0, 0.5])]))
    assert rows.entropy().isnan().tolist() == [True, False]


def test_a_zero_of_the_density():
    d = FourierDensity(column([1.0, 1.0]).requires_grad_())
    value = d.log_prob(column([1.0]))
    assert value.item() == -INF
    (slope,) = torch.autograd.grad(value.sum(), d.a)
    assert slope.tolist() == [0, 0]


def test_what_is_refused():
    one = column([1.0, 0.5])
    with pytest.raises(ValueError, match="a must have an entry other than 0"):
        FourierDensity(torch.zeros(2, 3))
    with pytest.raises(TypeError, match="a must be complex or real"):
        FourierDensity(torch.ones(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="a must have shape"):
        FourierDensity(column(1.0))
    with pytest.raises(ValueError, match="period must be None beside"):
        FourierDensity(one, 0.0, period=2.0)
    for period in (0, -1, INF):
        with pytest.raises(ValueError, match="period must be"):
            FourierDensity(one, period=period)
    with pytest.raises(ValueError, match="scale must be positive"):
        FourierDensity(one, 0.0, column([1.0, -1.0]))
    with pytest.raises(ValueError, match="scale must be finite"):
        FourierDensity(one, 0.0, INF)
    with pytest.raises(ValueError, match="loc must be finite"):
        FourierDensity(one, column([0.0, -INF]))
    with pytest.raises(ValueError, match="p and q must have batches"):
        kl_divergence(FourierDensity(torch.ones(3, 2)), FourierDensity(torch.ones(2, 2)))
    with pytest.raises(TypeError, match="loc must be a number"):
        FourierDensity(one, "0")
    with pytest.raises(ValueError, match="batches that broadcast"):
        FourierDensity(torch.ones(2, 3), torch.zeros(3))
    with pytest.raises(ValueError, match="batch_shape must be"):
        FourierDensity(torch.ones(2, 3)).expand((3,))
    with pytest.raises(TypeError, match="sample_shape must be"):
        FourierDensity(one).sample(3)
    with pytest.raises(TypeError, match="generator must be"):
        FourierDensity(one).sample((3,), generator=0)
    with pytest.raises(NotImplementedError, match="one interval, circle or line"):
        kl_divergence(FourierDensity(one), FourierDensity(one, period=2))
    with pytest.raises(NotImplementedError, match="one interval, circle or line"):
        kl_divergence(FourierDensity(one, 0.0), FourierDensity(one, 1.0))


def test_shapes_and_expansion():
    d = FourierDensity(torch.ones(3, 1, 4), torch.zeros(2), 1.0)
    assert (d.batch_shape, d.event_shape) == ((3, 2), ())
    assert d.log_prob(torch.zeros(5, 3, 2)).shape == (5, 3, 2)
    assert d.expand((7, 3, 2)).rsample((5,)).shape == (5, 7, 3, 2)
    assert d.mean.shape == d.variance.shape == d.entropy().shape == (3, 2)
    assert FourierDensity(torch.ones(3)).support.check(torch.tensor(0.5))
    assert not FourierDensity(torch.ones(3)).support.check(torch.tensor(1.5))
    assert FourierDensity(torch.ones(3), period=2).support.check(torch.tensor(1.5))
