"""Pairs of losses and density ratios: identities, agreement with mpmath, what breaks."""

import math

import pytest
import torch
from helpers import DTYPES, F64, INF, NAN, close, column, derivatives, gradient, seeded
from mpmath import mp

from lemmata.generative import (
    calibration_gap,
    check_gan_conditions,
    density_ratio_loss,
    f_divergence,
    f_generator,
    gan_pair,
    log_density_ratio,
    optimal_discriminator,
    ratio_mean,
)

SMOOTH = ("jensen_shannon", "squared_hellinger", "kl", "reverse_kl", "pearson", "le_cam")
ALL = (*SMOOTH, "total_variation")
OWN = {  # omega_inv, rho and the domain of the pairs by name
    "jensen_shannon": (torch.exp, lambda t: torch.sigmoid(-t) / 2, (-INF, INF)),
    "squared_hellinger": (lambda t: (2 * t).exp(), lambda t: (-t).exp() / 2, (-INF, INF)),
    "kl": (torch.exp, torch.ones_like, (-INF, INF)),
    "reverse_kl": (lambda t: 1 / (1 - t), torch.ones_like, (-INF, 1)),
    "pearson": (lambda t: t, lambda t: torch.full_like(t, 2.0), (0, INF)),
    "le_cam": (lambda t: t / (1 - t), lambda t: 4 * (1 - t), (0, 1)),
}
EXACT = {
    "jensen_shannon": lambda r: (r * mp.log(2 * r / (1 + r)) + mp.log(2 / (1 + r))) / 2,
    "squared_hellinger": lambda r: (mp.sqrt(r) - 1) ** 2 / 2,
    "kl": lambda r: r * mp.log(r) - r + 1,
    "reverse_kl": lambda r: r - 1 - mp.log(r),
    "pearson": lambda r: (r - 1) ** 2,
    "le_cam": lambda r: (r - 1) ** 2 / (r + 1) / 2,
    "total_variation": lambda r: abs(r - 1) / 2,
}
SIZES = (1e-12, 1e-6, 1e-3, 0.1, 0.5, 0.99, 1.01, 1.9, 2.01, 3.0, 10.0, 40.0)
LOGS = column([0.0, *SIZES, *(-x for x in SIZES)])
by_name = pytest.mark.parametrize("name", SMOOTH)


# ------------------------------------------------------------------- identity


@by_name
def test_the_best_output_earns_the_divergence_and_no_other_does(name):
    phi, psi = gan_pair(name)
    u = torch.linspace(-4, 4, 17, dtype=F64)
    r, t = u.exp()[:, None], optimal_discriminator(u, name)
    earned = phi(t) + r * psi(t)  # (ratios, outputs)
    assert (earned.argmax(1) == torch.arange(17)).all()
    torch.testing.assert_close(earned.diagonal(), f_generator(u, name), rtol=1e-12, atol=1e-15)


@by_name
def test_prices_are_the_curvature_of_the_divergence(name):
    _, psi = gan_pair(name)
    u = torch.linspace(-3, 3, 13, dtype=F64)
    r = u.exp()
    slope = gradient(lambda r: f_generator(r.log(), name), r)
    torch.testing.assert_close(psi(optimal_discriminator(u, name)), slope, rtol=1e-11, atol=1e-13)


@by_name
def test_stationary_at_the_ratio(name):
    phi, psi = gan_pair(name)
    u = torch.linspace(-3, 3, 13, dtype=F64)
    t = optimal_discriminator(u, name)
    one, other = gradient(phi, t), gradient(psi, t)
    torch.testing.assert_close(one, -u.exp() * other, rtol=1e-12, atol=0)
    assert (other > 0).all()


@by_name
def test_the_way_back_to_the_ratio(name):
    u = torch.linspace(-5, 5, 21, dtype=F64)
    torch.testing.assert_close(
        log_density_ratio(optimal_discriminator(u, name), name), u, rtol=1e-12, atol=1e-13
    )


@by_name
def test_the_loss_is_that_of_the_pair(name):
    phi, psi = gan_pair(name)
    u, v = torch.randn(2, 9, generator=seeded(), dtype=F64)
    expected = -phi(optimal_discriminator(u, name)).mean() - psi(optimal_discriminator(v, name)).mean()
    close(density_ratio_loss(u, v, name).item(), expected.item())


@by_name
def test_a_wrong_ratio_loses_a_bregman_divergence(name):
    phi, psi = gan_pair(name)
    r, s = column([0.2, 1.0, 3.0]), column([0.5, 2.0, 1.0])
    t = optimal_discriminator(s.log(), name)
    _, slope, _ = derivatives(lambda s: f_generator(s.log(), name), s)
    lost = f_generator(r.log(), name) - phi(t) - r * psi(t)
    bregman = f_generator(r.log(), name) - f_generator(s.log(), name) - slope * (r - s)
    torch.testing.assert_close(lost, bregman, rtol=1e-11, atol=1e-14)
    assert (bregman > 0).all()


@by_name
def test_a_free_bias_fits_the_weighted_means(name):
    u, v = torch.randn(2, 50, generator=seeded(1), dtype=F64)
    weight = {
        "jensen_shannon": lambda r: 1 / (2 * (1 + r)), "squared_hellinger": lambda r: r**-0.5 / 4,
        "kl": torch.ones_like, "reverse_kl": torch.reciprocal, "pearson": lambda r: 2 * r,
        "le_cam": lambda r: 4 * r / (1 + r) ** 3,
    }[name]  # fmt: skip
    slope = gradient(lambda b: density_ratio_loss(u + b, v + b, name), column(0.0))
    expected = (u.exp() * weight(u.exp())).mean() - weight(v.exp()).mean()
    close(slope.item(), expected.item())


def test_cross_entropy_is_that_of_torch():
    u, v = torch.randn(2, 9, generator=seeded(), dtype=F64)
    labels = torch.cat([torch.zeros(9), torch.ones(9)]).double()
    bce = torch.nn.functional.binary_cross_entropy_with_logits(torch.cat([u, v]), labels)
    close(density_ratio_loss(u, v, "jensen_shannon").item(), (bce - math.log(2)).item())


def test_divergences_of_two_points():
    q, p = column([0.25, 0.75]).log(), column([0.5, 0.5]).log()
    expected = {
        "kl": 0.75 * math.log(3) - math.log(2), "reverse_kl": math.log(4 / 3) / 2, "total_variation": 0.25,
        "pearson": 0.25, "le_cam": (1 / 16 / 0.75 + 1 / 16 / 1.25) / 2,
        "squared_hellinger": 1 - math.sqrt(1 / 8) - math.sqrt(3 / 8),
    }  # fmt: skip
    for name, value in expected.items():
        close(f_divergence(q, p, name).item(), value)


def test_masses_may_sum_to_less_than_one_and_scores_are_refused():
    q, p = column([0.2, 0.3]).log(), column([0.1, 0.3]).log()
    close(f_divergence(q, p, "kl").item(), 0.2 * math.log(2) - 0.1)
    for name, pair in (("log_q", (-q, p)), ("log_p", (q, -p))):
        with pytest.raises(ValueError, match=f"{name} must be logarithms of probabilities"):
            f_divergence(*pair, "kl")


def test_hinge_is_total_variation_within_and_less_outside():
    (phi, psi), (one, other) = gan_pair("hinge"), gan_pair("total_variation")
    t, r = torch.linspace(-1, 1, 9, dtype=F64), column([0.3, 1.0, 2.0])[:, None]
    torch.testing.assert_close(phi(t) + r * psi(t), one(t) + r * other(t))
    best = (r.squeeze(1) - 1).abs() / 2
    torch.testing.assert_close((one(t) + r * other(t)).amax(1), best)
    torch.testing.assert_close(f_generator(r.squeeze(1).log(), "total_variation"), best)
    outside = column([-4.0, -1.5, 1.5, 4.0])
    assert (phi(outside) + r * psi(outside) < best[:, None]).all()
    assert optimal_discriminator(column([-1.0, 0.0, 2.0]), "hinge").tolist() == [-1, 0, 1]
    assert optimal_discriminator(column([-1.0, 2.0]), "total_variation").tolist() == [-1, 1]


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("dtype", DTYPES[:2])
@pytest.mark.parametrize("name", ALL)
def test_generators_have_their_digits(name, dtype):
    """A few roundings, also near a ratio of 1; the logarithm is taken as it is."""
    u = LOGS.to(dtype)
    for x, found in zip(u.tolist(), f_generator(u, name).tolist(), strict=True):
        with mp.workdps(60):
            want = EXACT[name](mp.exp(mp.mpf(x)))
            assert abs(found - want) <= 4 * torch.finfo(dtype).eps * want, (x, found, want)


@by_name
def test_slopes_of_generators(name):
    """d'(r) r by autograd, both orders, against mpmath: across the ends of all series."""
    u = column([-2.5, -1.99, -1.01, -0.5, -1e-5, 0.0, 1e-5, 0.5, 1.01, 1.99, 2.5])
    _, first, second = derivatives(lambda u: f_generator(u, name), u)
    weights = torch.linspace(1, 2, len(u)).double().tolist()
    with mp.workdps(40):
        for x, one, two, w in zip(u.tolist(), first.tolist(), second.tolist(), weights, strict=True):
            g = [float(mp.diff(lambda x: EXACT[name](mp.exp(x)), x, n)) for n in (1, 2)]
            close(one, g[0], 1e-11)
            close(two, w * g[1], 1e-10)


@by_name
def test_functions_of_ones_own_make_the_same_pair(name):
    """By quadrature, to ten digits; the slopes to the last."""
    omega_inv, rho, domain = OWN[name]
    u = torch.linspace(-6, 6, 25, dtype=F64)
    t = optimal_discriminator(u, name)
    for own, known in zip(gan_pair((omega_inv, rho), domain=domain), gan_pair(name), strict=True):
        torch.testing.assert_close(own(t), known(t), rtol=1e-10, atol=1e-12)
        for one, other in zip(derivatives(own, t)[1:], derivatives(known, t)[1:], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


def test_own_functions_in_float32_and_forward_mode():
    phi, _ = gan_pair((torch.exp, torch.ones_like))
    t = torch.tensor([-2.0, 0.0, 3.0])
    torch.testing.assert_close(phi(t), 1 - t.exp())
    assert phi(t.bfloat16()).dtype == torch.bfloat16
    _value, slope = torch.func.jvp(phi, (t,), (torch.ones(3),))
    torch.testing.assert_close(slope, -t.exp())


def test_where_the_ratio_is_one():
    assert check_gan_conditions(torch.exp, torch.ones_like) == pytest.approx(0, abs=1e-12)
    assert check_gan_conditions(lambda t: t / (1 - t), torch.reciprocal, domain=(0, 1)) == pytest.approx(0.5)
    assert check_gan_conditions(lambda t: t**2, torch.ones_like, domain=(0, INF)) == pytest.approx(1)
    assert check_gan_conditions(lambda t: 1 / (1 - t), torch.ones_like, domain=(-INF, 1)) == pytest.approx(0)


def test_mean_error_and_effective_size():
    r = torch.rand(40, generator=seeded(), dtype=F64) + 0.1
    mean, error, ess = ratio_mean(r.log())
    close(mean.item(), r.mean().item())
    close(error.item(), r.std().item() / math.sqrt(40))
    close(ess.item(), (r.sum() ** 2 / r.square().sum()).item())
    shifted = ratio_mean((r.log() - 800).view(5, 8).expand(2, 5, 8), dim=1)
    assert shifted.effective_sample_size.shape == (2, 8)
    close(shifted.effective_sample_size[0, 0].item(), ratio_mean(r.view(5, 8)[:, 0].log())[2].item(), 1e-11)
    assert ratio_mean(torch.zeros(7)) == (1, 0, 7)


def test_gap_with_weights():
    u, v = torch.randn(2, 30, generator=seeded(), dtype=F64)
    a, b = u.sigmoid() * u.sign(), (-v[:20]).sigmoid() * v[:20].sign()
    gap, error = calibration_gap(u, v[:20], weight_p=u.sign(), weight_q=v[:20].sign())
    close(gap.item(), (a.mean() - b.mean()).item())
    close(error.item(), math.sqrt(a.var() / 30 + b.var() / 20))
    plain = calibration_gap(u, v[:20])
    close(plain.gap.item(), (u.sigmoid().mean() - (-v[:20]).sigmoid().mean()).item())


def test_gaps_of_the_true_ratio_of_normal_laws():
    """A shift, and twice the slope, are seen; the truth passes (|z| <= 4: false alarms 1 in 16,000)."""
    x, y = torch.randn(2, 4000, generator=seeded(2), dtype=F64)
    u, v = x - 0.5, y + 0.5

    def z(u, v):
        plain, sign = calibration_gap(u, v), calibration_gap(u, v, weight_p=u.sign(), weight_q=v.sign())
        return [(g.gap / g.error).item() for g in (plain, sign)]

    assert all(abs(value) < 4 for value in z(u, v))
    assert z(u + 0.5, v + 0.5)[0] > 20
    assert abs(z(2 * u, 2 * v)[0]) < 4 < 10 < z(2 * u, 2 * v)[1]
    assert z(u / 2, v / 2)[1] < -10
    mean, error, _ = ratio_mean(u)
    assert abs(mean - 1) < 4 * error


# ------------------------------------------------------------------- failure


@pytest.mark.parametrize("name", ["reverse_kl", "total_variation"])
def test_outputs_beyond_the_domain_are_refused(name):
    for function in gan_pair(name):
        with pytest.raises(ValueError, match=rf"t must be within .* for {name}, got 1.5"):
            function(column([0.5, 1.5]))
        assert function(column([1.0])).shape == (1,)
    with pytest.raises(ValueError, match=r"got -1\.25"):
        gan_pair("total_variation")[0](column([-1.25]))
    batched = torch.func.vmap(gan_pair(name)[1])(column([[0.5, 1.5]]))
    assert batched[0, 0] == gan_pair(name)[1](column(0.5))
    assert batched[0, 1].isnan()


def test_own_domain_is_kept():
    phi, _ = gan_pair((lambda t: t / (1 - t), torch.reciprocal), domain=(0, 1))
    with pytest.raises(ValueError, match=r"t must be within \[0.0, 1.0\]"):
        phi(column([1.5]))


def test_the_others_stay_concave_beyond_it():
    for name in ("pearson", "le_cam", "hinge"):
        phi, psi = gan_pair(name)
        t = torch.linspace(-3, 3, 61, dtype=F64)
        earned = phi(t) + 0.5 * psi(t)
        assert (earned.diff().diff() <= 1e-12).all()
    assert log_density_ratio(column([-1.0, 2.0]), "le_cam").tolist() == [-INF, INF]
    assert log_density_ratio(column([-1.0]), "pearson").item() == -INF
    assert log_density_ratio(column([1.5]), "reverse_kl").item() == INF


def test_large_outputs_are_finite():
    t = column([-1e30, -800.0, 800.0, 1e30])
    for function in gan_pair("jensen_shannon"):
        value, first, second = derivatives(function, t)
        assert value.isfinite().all()
        assert first.isfinite().all()
        assert not second.isnan().any()
    assert gan_pair("jensen_shannon")[1](t)[3] == pytest.approx(math.log(2) / 2)
    assert gan_pair("jensen_shannon")[0](t)[0] == pytest.approx(math.log(2) / 2)


def test_generators_at_their_ends():
    ends = {"jensen_shannon": math.log(2) / 2, "squared_hellinger": 0.5, "kl": 1.0, "reverse_kl": INF,
            "pearson": 1.0, "le_cam": 0.5, "total_variation": 0.5}  # fmt: skip
    for name, value in ends.items():
        found = f_generator(column([-INF, INF, NAN]), name)
        assert found[0].item() == pytest.approx(value)
        assert found[1].item() == INF
        assert found[2].isnan()


def test_points_that_only_one_law_has():
    q, p = column([0.5, 0.5, 0.0, 0.0]).log(), column([0.5, 0.0, 0.5, 0.0]).log()
    expected = {"jensen_shannon": math.log(2) / 2, "squared_hellinger": 0.5, "kl": INF, "reverse_kl": INF,
                "pearson": INF, "le_cam": 0.5, "total_variation": 0.5}  # fmt: skip
    for name, value in expected.items():
        assert f_divergence(q, p, name).item() == pytest.approx(value)
    assert f_divergence(q[:1], p[:1], "kl") == 0
    assert f_divergence(column([-INF, 0.0]), column([math.log(0.5)] * 2), "kl").item() == pytest.approx(
        math.log(2)
    )


def test_tiny_probabilities_do_not_overflow():
    q, p = column([-1e-300, -900.0]), column([-900.0, -1e-300])
    assert f_divergence(q, p, "kl").item() == pytest.approx(900)
    assert f_divergence(q, p, "jensen_shannon").item() == pytest.approx(math.log(2))
    assert f_divergence(q.float(), p.float(), "squared_hellinger").item() == pytest.approx(1)


def test_conditions_name_what_fails_and_where():
    cases = [
        ((torch.exp, torch.neg), {}, "rho must be positive"),
        ((lambda t: -t, torch.ones_like), dict(domain=(-5, 0)), "omega_inv must increase"),
        ((torch.zeros_like, torch.ones_like), {}, "omega_inv must be 1 within"),
        ((torch.ones_like, torch.ones_like), {}, "omega_inv must increase"),
        ((lambda t: t, torch.ones_like), {}, "omega_inv must be at least 0"),
        ((lambda t: t + 2, torch.ones_like), dict(domain=(0, 1)), "omega_inv must be 1 within"),
        ((lambda t: t / 4, torch.ones_like), dict(domain=(0, 1)), "omega_inv must be 1 within"),
    ]
    for pair, options, words in cases:
        with pytest.raises(ValueError, match=words):
            check_gan_conditions(*pair, **options)
        with pytest.raises(ValueError, match=words):
            gan_pair(pair, **options)
    with pytest.raises(TypeError, match="rho must return a tensor of the shape"):
        check_gan_conditions(torch.exp, torch.sum)
    with pytest.raises(TypeError, match="pair must be a name or two functions"):
        gan_pair((torch.exp,))
    with pytest.raises(ValueError, match="domain must be None beside the name"):
        gan_pair("kl", domain=(0, 1))
    with pytest.raises(ValueError, match="pair must be"):
        gan_pair("nonsense")


def test_a_constant_ratio_passes_and_one_draw_has_no_error():
    zeros = torch.zeros(50)
    assert calibration_gap(zeros, zeros) == (0, 0)
    assert calibration_gap(torch.zeros(1), zeros).error.isnan()
    assert ratio_mean(torch.zeros(1)).error.isnan()


def test_infinite_ratios():
    mean, _, ess = ratio_mean(column([-INF, 0.0, 0.0, -INF]))
    assert mean == 0.5
    assert ess == 2
    gap, _ = calibration_gap(column([-INF, INF]), column([-INF, INF]))
    assert gap == 0
    assert ratio_mean(column([0.0, NAN])).mean.isnan()


def test_variance_is_infinite_from_twice_the_width_on():
    """With sigma = 2 the standard error misses 1 far too often; the bounded gap does not."""
    x, y = torch.randn(2, 400, 500, generator=seeded(3), dtype=F64)
    y = 2 * y

    def log_ratio(x):
        return 3 * x.square() / 8 - math.log(2)

    mean, error, _ = ratio_mean(log_ratio(x))
    gap, spread = calibration_gap(log_ratio(x), log_ratio(y))
    assert ((mean - 1).abs() > 2.58 * error).double().mean() > 0.1
    assert (gap.abs() > 2.58 * spread).double().mean() < 0.03
