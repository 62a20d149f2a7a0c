"""The argmax of perturbed scores: what holds exactly, against mpmath, and where it breaks."""

import math

import mpmath as mp
import pytest
import torch
import torch.nn.functional as F
from helpers import DTYPES, F64, INF, NAN, Draw, column, seeded

from lemmata.simplex import (
    gumbel_softmax,
    log_perturbed_argmax_prob,
    perturbed_argmax_prob,
    sample_argmax,
)

BOUNDED = ["uniform", "exponential", "neg_exponential"]
NOISES = ["gumbel", "normal", "logistic", "laplace", "neg_gumbel", *BOUNDED]
WAYS = [
    *((noise, "quadrature") for noise in NOISES),
    *((noise, "closed") for noise in ("gumbel", "exponential", "neg_exponential", "neg_gumbel")),
]
ROOMY = [way for way in WAYS if way not in (("exponential", "closed"), ("neg_gumbel", "closed"))]
ways = pytest.mark.parametrize(("noise", "method"), WAYS)
noises = pytest.mark.parametrize("noise", NOISES)


# ------------------------------------------------------------------- identity


@ways
def test_a_shift_changes_nothing_and_the_order_of_the_scores_does_not_matter(noise, method):
    x = Draw(0).normal(5, 7, scale=2)
    p = perturbed_argmax_prob(x, noise=noise, method=method)
    order = torch.randperm(7, generator=seeded())
    torch.testing.assert_close(p.sum(-1), torch.ones(5, dtype=F64), rtol=0, atol=1e-13)
    for other in (
        perturbed_argmax_prob(x + 3.5, noise=noise, method=method),
        perturbed_argmax_prob(x[:, order], noise=noise, method=method)[:, order.argsort()],
        perturbed_argmax_prob(x.T, noise=noise, method=method, dim=0).T,
    ):
        torch.testing.assert_close(other, p, rtol=0, atol=1e-13)


@ways
def test_the_jacobian_is_a_laplacian(noise, method):
    x = Draw(1).normal(4, 6, scale=1.5)
    J = torch.func.vmap(torch.func.jacrev(lambda x: perturbed_argmax_prob(x, noise=noise, method=method)))(x)
    assert (J - J.mT).abs().max() < 1e-13
    assert J.sum(-1).abs().max() < 1e-13
    assert (J - J.diagonal(dim1=-2, dim2=-1).diag_embed()).max() < 1e-13
    assert torch.linalg.eigvalsh(J).min() > -1e-13


@noises
def test_equal_scores_share_equally(noise):
    for n in (1, 2, 15, 16, 17, 33, 70, 300):
        p = perturbed_argmax_prob(torch.zeros(2, n, dtype=F64), noise=noise, method="quadrature")
        torch.testing.assert_close(p * n, torch.ones_like(p), rtol=0, atol=1e-13)


def test_many_equal_scores_still_share_equally():
    for noise in ("normal", "logistic", "exponential", "neg_gumbel"):
        p = perturbed_argmax_prob(torch.zeros(10_000, dtype=F64), noise=noise)
        assert (p * 10_000 - 1).abs().max() < 1e-10


def test_gumbel_is_softmax():
    x = Draw(2).normal(3, 9, scale=4)
    for method in ("auto", "quadrature"):
        p = perturbed_argmax_prob(x, noise="gumbel", method=method)
        torch.testing.assert_close(p, x.softmax(-1), rtol=0, atol=1e-14)


def test_the_defaults_are_those_of_softmax():
    x = Draw(2).normal(3, 9)
    assert torch.equal(perturbed_argmax_prob(x), perturbed_argmax_prob(x, noise="gumbel", method="closed"))
    assert torch.equal(
        sample_argmax(x, generator=seeded()),
        sample_argmax(x, noise="gumbel", num_samples=1, generator=seeded()),
    )
    assert torch.equal(
        gumbel_softmax(x, generator=seeded()),
        gumbel_softmax(x, tau=1.0, hard=False, generator=seeded()),
    )


def test_only_gumbel_keeps_ratios():
    x = column([1.0, 0.0, -1.0])
    kept = {}
    for noise in NOISES:
        with_third, without = perturbed_argmax_prob(x, noise=noise), perturbed_argmax_prob(x[:2], noise=noise)
        ratios = [p[0] / p[1] for p in (with_third, without)]
        kept[noise] = abs(ratios[0] - ratios[1]).item() < 1e-6
    assert [noise for noise in NOISES if kept[noise]] == ["gumbel"]


def test_the_hard_draw_is_one_hot_and_the_same_at_every_temperature():
    for dtype in DTYPES:
        x = Draw(3).normal(2000, 6).to(dtype)
        draws = [gumbel_softmax(x, tau=tau, hard=True, generator=seeded()) for tau in (0.01, 1.0, 1e4)]
        assert torch.equal(draws[0], draws[1])
        assert torch.equal(draws[0], draws[2])
        assert torch.equal(draws[0].sort(-1).values, F.one_hot(torch.full((2000,), 5), 6).to(dtype))
        at = sample_argmax(x, num_samples=1, generator=seeded())
        assert torch.equal(draws[0].argmax(-1, keepdim=True), at)


def test_the_gradient_of_the_hard_draw_is_that_of_the_soft_one():
    x, g = Draw(4).normal(3, 5), Draw(5).normal(3, 5)
    slopes = []
    for hard in (False, True):
        leaf = x.clone().requires_grad_()
        y = gumbel_softmax(leaf, tau=0.7, hard=hard, generator=seeded())
        slopes.append(*torch.autograd.grad((y * g).sum(), leaf))
    torch.testing.assert_close(*slopes)
    y = gumbel_softmax(x, tau=0.7, generator=seeded())
    torch.testing.assert_close(slopes[0], y * (g - (y * g).sum(-1, keepdim=True)) / 0.7)


# ------------------------------------------------------------------- agreement


def normal(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


LAWS = {  # distribution function, density, and where it has kinks or ends
    "gumbel": (lambda x: mp.exp(-mp.exp(-x)), lambda x: mp.exp(-x - mp.exp(-x)), None),
    "normal": (normal, mp.npdf, None),
    "logistic": (lambda x: 1 / (1 + mp.exp(-x)), lambda x: 1 / (2 + mp.exp(x) + mp.exp(-x)), None),
    "laplace": (
        lambda x: mp.exp(x) / 2 if x < 0 else 1 - mp.exp(-x) / 2,
        lambda x: mp.exp(-abs(x)) / 2,
        [0],
    ),
    "uniform": (lambda x: min(max(x, 0), 1), lambda x: mp.mpf(1 if 0 < x < 1 else 0), [0, 1]),
    "exponential": (
        lambda x: 1 - mp.exp(-x) if x > 0 else mp.mpf(0),
        lambda x: mp.exp(-x) if x > 0 else mp.mpf(0),
        [0],
    ),
    "neg_exponential": (
        lambda x: mp.exp(x) if x < 0 else mp.mpf(1),
        lambda x: mp.exp(x) if x < 0 else mp.mpf(0),
        [0],
    ),
    "neg_gumbel": (lambda x: -mp.expm1(-mp.exp(x)), lambda x: mp.exp(x - mp.exp(x)), None),
}


def integral(row, i, noise):
    """p_i as the article has it: the density of one noise, and the distribution function of the others."""
    cdf, density, kinks = LAWS[noise]
    mu = [mp.mpf(v) for v in row]

    def integrand(e):
        return density(e) * mp.fprod(cdf(mu[i] - mu[j] + e) for j in range(len(mu)) if j != i)

    ends = {mp.mpf(k) for k in (-42, -25, -12, -6, -3, 0, 3, 6, 12, 25, 42)}
    ends |= {mu[j] - mu[i] + k for k in kinks or () for j in range(len(mu))}
    return float(mp.quad(integrand, sorted(ends)))


@noises
def test_against_mpmath_to_1e_12(noise):
    x = Draw(6).normal(1, 4, scale=1.2)
    want = [[integral(row, i, noise) for i in range(4)] for row in x.tolist()]
    for method in ("quadrature", "closed") if (noise, "closed") in WAYS else ("quadrature",):
        p = perturbed_argmax_prob(x, noise=noise, method=method)
        torch.testing.assert_close(p, column(want), rtol=0, atol=1e-12)


REFERENCE = {  # of (1, 0, -1), from mpmath and exact enumeration
    "gumbel": (0.665240955774822, 0.244728471054798, 0.0900305731703805),
    "neg_gumbel": (0.701886229778268, 0.244728471054798, 0.0533852991669346),
    "exponential": (0.764988327251927, 0.175641875857744, 0.059369796890329),
    "neg_exponential": (0.807762434686301, 0.175641875857744, 0.0165956894559546),
    "logistic": (0.583793301756756, 0.288203321414532, 0.128003376828712),
}


@pytest.mark.parametrize("noise", REFERENCE)
def test_the_reference_numbers_of_three(noise):
    p = perturbed_argmax_prob(column([1.0, 0.0, -1.0]), noise=noise)
    torch.testing.assert_close(p, column(REFERENCE[noise]), rtol=0, atol=2e-15)


def of_two(noise, d):
    e = math.exp(-d)
    return {
        "normal": math.erfc(-d / 2) / 2,
        "logistic": (1 - e - d * e) / (1 - e) ** 2,
        "laplace": 1 - (1 + d / 2) * e / 2,
        "uniform": 1 - (1 - min(d, 1)) ** 2 / 2,
        "exponential": 1 - e / 2,
        "neg_exponential": 1 - e / 2,
        "gumbel": 1 / (1 + e),
        "neg_gumbel": 1 / (1 + e),
    }[noise]


@noises
def test_the_closed_forms_of_two(noise):
    for d in (0.1, 0.5, 1.0, 3.0, 11.0, 30.0):
        p = perturbed_argmax_prob(column([d, 0.0]), noise=noise, method="quadrature")
        want = of_two(noise, d)
        torch.testing.assert_close(p, column([want, 1 - want]), rtol=0, atol=2e-14)


def test_small_probabilities_of_normal_noise_keep_their_digits():
    for d in (4.0, 8.0, 15.0):
        p = perturbed_argmax_prob(column([0.0, -d]), noise="normal")[1].item()
        assert abs(p / float(normal(-mp.mpf(d) / mp.sqrt(2))) - 1) < 1e-10


def test_uniform_of_three():
    p = perturbed_argmax_prob(column([0.5, 0.0, -0.25]), noise="uniform")
    torch.testing.assert_close(p, column([329 / 384, 47 / 384, 1 / 48]), rtol=0, atol=2e-15)


@pytest.mark.parametrize("noise", ["exponential", "neg_gumbel", "neg_exponential"])
def test_subsets_and_nodes_agree_on_sixteen(noise):
    x = Draw(7).normal(2, 16)
    one, other = (perturbed_argmax_prob(x, noise=noise, method=m) for m in ("closed", "quadrature"))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


@ways
def test_one_winner_and_many_tied_losers(noise, method):
    """Q falls as a line's power n - 1 below the losers, which no piece of fixed length integrates."""
    cdf, density, kinks = LAWS[noise]
    kinks = kinks or []
    ends = sorted({*(-42, -12, -6, -3, -1, 0, 1, 3, 6, 12, 42), *kinks, *(k - 0.5 for k in kinks)})
    for n in (100, 1000) if (noise, method) in ROOMY else (10,):
        x = torch.full((n,), -0.5, dtype=F64)
        x[0] = 0
        p = perturbed_argmax_prob(x, noise=noise, method=method)
        first = float(mp.quad(lambda e, n=n: density(e) * cdf(e + mp.mpf(0.5)) ** (n - 1), ends))
        want = torch.full_like(p, (1 - first) / (n - 1))
        want[0] = first
        torch.testing.assert_close(p, want, rtol=0, atol=2e-13)
    if noise == "uniform":  # of n = 300
        x = x.detach()[:300].requires_grad_()
        (slope,) = torch.autograd.grad(perturbed_argmax_prob(x, noise=noise)[0], x)
        torch.testing.assert_close(slope[:2], column([1.0, -1 / 299]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("noise", ["gumbel", "logistic", "laplace", "neg_gumbel", "exponential", "normal"])
def test_small_probabilities_keep_their_digits_in_float32(noise):
    for gap in (8.0, 14.0) if noise == "normal" else (12.0, 16.0, 20.0, 25.0, 30.0):
        x = torch.tensor([0.0, -gap, -1.0])
        p = perturbed_argmax_prob(x, noise=noise)[1].item()
        assert p == pytest.approx(perturbed_argmax_prob(x.double(), noise=noise)[1].item(), rel=1e-5)
    assert integral([0, -20, -1], 1, "neg_gumbel") == pytest.approx(
        perturbed_argmax_prob(column([0.0, -20.0, -1.0]), noise="neg_gumbel")[1].item(), rel=1e-9
    )


POSITIVE = [noise for noise in NOISES if noise != "uniform"]
positive = pytest.mark.parametrize("noise", POSITIVE)


@positive
def test_logarithms_are_those_of_the_probabilities(noise):
    x = Draw(11).normal(6, 12, scale=2)
    log_p = log_perturbed_argmax_prob(x, noise=noise)
    torch.testing.assert_close(log_p.exp(), perturbed_argmax_prob(x, noise=noise), rtol=0, atol=1e-13)
    torch.testing.assert_close(log_perturbed_argmax_prob(x.T, noise=noise, dim=0).T, log_p)
    assert torch.equal(log_perturbed_argmax_prob(x), log_perturbed_argmax_prob(x, noise="gumbel"))


def log_integral(row, noise):
    """Of the last score, by mpmath, where the integrand is divided by its largest value."""
    cdf, density, _ = LAWS[noise]

    def integrand(v):
        return density(v - row[-1]) * mp.fprod(cdf(v - m) ** row[:-1].count(m) for m in set(row[:-1]))

    top = max(integrand(mp.mpf(v) / 2 + 0.01) for v in range(-120, 30))
    ends = sorted({*row, *range(-45, 10), 12, 20, 50, -60})
    return float(mp.log(mp.quad(lambda v: integrand(v) / top, ends, maxdegree=5)) + mp.log(top))


@positive
def test_logarithms_of_scores_far_behind(noise):
    for row in ([0.0, -1.0, -25.0, -40.0], [0.0] * 5 + [-40.0]):
        want = log_integral(row, noise)
        x = column(row).requires_grad_()
        log_p = log_perturbed_argmax_prob(x, noise=noise)[-1]
        (slope,) = torch.autograd.grad(log_p, x)
        assert log_p.item() == pytest.approx(want, abs=1e-11)
        assert abs(slope.sum()) < 1e-11
        assert slope[-1] > 0.9
        low = log_perturbed_argmax_prob(x.detach().float(), noise=noise)[-1]
        assert low.item() == pytest.approx(want, rel=2e-6)


def test_logarithms_in_float32_have_the_slope_of_float64():
    for gap in (1e3, 1e9):  # log p, some 5e17, absorbs the logarithm of how many nodes have a part in it
        low, high = (column([0.0, -gap], dtype=dtype).requires_grad_() for dtype in (torch.float32, F64))
        (found,), (want,) = (
            torch.autograd.grad(log_perturbed_argmax_prob(x, noise="normal")[1], x) for x in (low, high)
        )
        assert found[1].item() == pytest.approx(want[1].item(), rel=1e-5)


def test_logarithms_of_closed_forms():
    for d in (1.0, 10.0, 40.0, 60.0):
        x, e = column([0.0, -d]), math.exp(-d)
        for noise, want in (
            ("gumbel", -d - math.log1p(e)),
            ("neg_gumbel", -d - math.log1p(e)),
            ("normal", float(mp.log(normal(-mp.mpf(d) / mp.sqrt(2))))),
            ("exponential", -d - math.log(2)),
            ("neg_exponential", -d - math.log(2)),
            ("laplace", -d + math.log((1 + d / 2) / 2)),
            ("logistic", -d + math.log((d - 1 + e) / (1 - e) ** 2)),
        ):
            log_p = log_perturbed_argmax_prob(x, noise=noise)[1].item()
            assert log_p == pytest.approx(want, abs=1e-11), (noise, d)


@positive
def test_logarithms_beyond_their_range_are_a_lower_bound_with_a_slope(noise):
    x = column([0.0, -150.0]).requires_grad_()
    log_p = log_perturbed_argmax_prob(x, noise=noise)[1]
    (slope,) = torch.autograd.grad(log_p, x)
    assert log_p.isfinite()
    if noise == "normal":
        assert log_p < float(mp.log(normal(-150 / mp.sqrt(2)))) + 1e-9
    assert slope.isfinite().all()


@positive
def test_logarithms_of_masks(noise):
    x = column([[1.0, -INF, 0.0], [-INF] * 3, [INF, 3.0, INF], [NAN, 0.0, 0.0]]).requires_grad_()
    log_p = log_perturbed_argmax_prob(x, noise=noise)
    want = perturbed_argmax_prob(x.detach(), noise=noise).log()
    torch.testing.assert_close(log_p.detach(), want, equal_nan=True, rtol=0, atol=1e-13)
    (slope,) = torch.autograd.grad(log_p[:3][log_p[:3].isfinite()].sum(), x)
    assert (slope[:3].isinf() | slope[:3].isnan()).sum() == 0
    assert slope[0, 1] == 0


def test_no_logarithm_of_what_may_be_zero():
    with pytest.raises(ValueError, match=r"noise must be .* or 'neg_gumbel', got 'uniform'"):
        log_perturbed_argmax_prob(torch.zeros(3), noise="uniform")


@noises
def test_long_rows_of_spread_scores_sum_to_one(noise):
    x = Draw(8).normal(1, 400, scale=4)
    p = perturbed_argmax_prob(x, noise=noise, method="quadrature")
    assert abs(p.sum().item() - 1) < 1e-12
    assert (p >= 0).all()
    order = x.argsort(-1)
    assert (p.gather(-1, order).diff(dim=-1) >= -1e-16).all()


@noises
def test_float32_is_right_to_six_digits_of_one(noise):
    x = Draw(9).normal(4, 20, scale=2)
    p = perturbed_argmax_prob(x.float(), noise=noise, method="quadrature")
    want = perturbed_argmax_prob(x.float().double(), noise=noise, method="quadrature")
    assert (p.double() - want).abs().max() < 2e-6


@noises
def test_draws_have_the_probabilities(noise):
    x, count = column([0.4, 0.2, -0.1, -0.4]), 40_000
    drawn = sample_argmax(x, noise=noise, num_samples=count, generator=seeded(1))
    share = drawn.bincount(minlength=4) / count
    p = perturbed_argmax_prob(x, noise=noise)
    z = (share - p) / (p * (1 - p) / count).sqrt()
    assert z.abs().max() < 5  # false alarm: 2e-6 in all


def test_the_shape_of_draws():
    x = Draw(10).normal(2, 5, 3)
    assert sample_argmax(x, num_samples=7, generator=seeded()).shape == (2, 5, 7)
    assert sample_argmax(x, num_samples=7, dim=1, generator=seeded()).shape == (2, 7, 3)
    assert sample_argmax(x, num_samples=0, generator=seeded()).shape == (2, 5, 0)
    row = column([0.0, 50.0, 0.0])
    assert sample_argmax(torch.stack([row, row.roll(1)]), num_samples=4).tolist() == [[1] * 4, [2] * 4]


def test_the_mean_of_gumbel_softmax_is_not_monotone_in_the_temperature():
    logits = column([0.6, 0.3, 0.1]).log().expand(400_000, 3)
    means = {}
    for tau in (0.02, 4.0, 60.0):
        y = gumbel_softmax(logits, tau=tau, generator=seeded())[:, 1]
        means[tau] = y.mean().item(), (y.var() / len(y)).sqrt().item()
    for tau, want in (
        (0.02, 0.3),
        (4.0, 0.3392),
        (60.0, 1 / 3 + (math.log(0.3) - math.log(0.018) / 3) / 180),
    ):
        assert abs(means[tau][0] - want) < 5 * means[tau][1] + 2e-4, (tau, means[tau])


# ------------------------------------------------------------------- failure


def test_bounded_noise_gives_nothing_to_who_cannot_win():
    x = column([0.5, -0.6, -0.8])
    assert perturbed_argmax_prob(x, noise="uniform").tolist() == pytest.approx([1, 0, 0], abs=1e-15)
    assert (perturbed_argmax_prob(x, noise="exponential") > 0).all()


@ways
def test_masks_and_rows_without_a_probability(noise, method):
    x = column([[1.0, -INF, 0.0], [-INF] * 3, [INF, 3.0, INF], [NAN, 0.0, 0.0]]).requires_grad_()
    p = perturbed_argmax_prob(x, noise=noise, method=method)
    want = perturbed_argmax_prob(column([1.0, 0.0]), noise=noise, method=method)
    torch.testing.assert_close(p[0, [0, 2]], want, rtol=0, atol=1e-14)
    torch.testing.assert_close(p[1:3], column([[0.0] * 3, [0.5, 0.0, 0.5]]), rtol=0, atol=1e-14)
    assert p[3].isnan().all()
    (slope,) = torch.autograd.grad((p[:3] * column([1.0, 2.0, 3.0])).sum(), x)
    assert slope[0, 1] == 0
    assert (slope[1:3] == 0).all()
    assert slope[0].sum().abs() < 1e-14


@ways
def test_nan_spoils_its_row_and_the_gradient_there(noise, method):
    x = column([[NAN, 0.0, 1.0], [0.0, 1.0, 2.0]]).requires_grad_()
    p = perturbed_argmax_prob(x, noise=noise, method=method)
    (slope,) = torch.autograd.grad(p.square().sum(), x)
    assert slope[0].isnan().all()
    assert slope[1].isfinite().all()


def test_draws_of_rows_without_a_probability():
    x = column([[1.0, -INF, 0.0], [-INF] * 3, [INF, 3.0, INF], [NAN, 0.0, 0.0]])
    drawn = sample_argmax(x, num_samples=300, generator=seeded())
    assert set(drawn[0].tolist()) == {0, 2}
    assert set(drawn[2].tolist()) == {0, 2}
    assert (drawn[[1, 3]] == -1).all()
    for hard in (False, True):
        leaf = x.clone().requires_grad_()
        y = gumbel_softmax(leaf, hard=hard, generator=seeded())
        assert y[1].tolist() == [0, 0, 0]
        assert y[3].isnan().all()
        (slope,) = torch.autograd.grad(y.square().sum(), leaf)
        assert slope.isnan().any(-1).tolist() == [False, False, False, True]


def test_no_temperature_and_no_size_overflows():
    for dtype in DTYPES:
        x = column([6e4, -6e4, 0.0]).to(dtype)
        for tau in (1e-300, 1e-30, 1e30, 1e300):
            y = gumbel_softmax(x, tau=tau, generator=seeded())
            assert y.isfinite().all()
        for noise in NOISES:
            assert perturbed_argmax_prob(x, noise=noise).tolist() == pytest.approx([1, 0, 0], abs=1e-6)


def test_draws_from_half_precision_are_fair():
    """torch.distributions gives the first tenth 33 % and 54 % in bfloat16."""
    for dtype in (torch.bfloat16, torch.float16):
        x = torch.zeros(2000, 1000, dtype=dtype)
        drawn = sample_argmax(x, num_samples=1, generator=seeded()).squeeze(-1)
        softened = gumbel_softmax(x, tau=100.0, hard=True, generator=seeded(1)).float().argmax(-1)
        for index in (drawn, softened):
            assert abs((index < 100).double().mean().item() - 0.1) < 0.034  # five standard errors


def test_subsets_of_long_rows_are_refused():
    for noise in ("exponential", "neg_gumbel"):
        with pytest.raises(ValueError, match=r"method must not be 'closed' .* more than 16 .* got 17"):
            perturbed_argmax_prob(torch.zeros(17), noise=noise, method="closed")
        assert perturbed_argmax_prob(torch.zeros(17), noise=noise).sum() == pytest.approx(1)
    assert perturbed_argmax_prob(torch.zeros(17), noise="neg_exponential", method="closed")[0] == 1 / 17
    with pytest.raises(ValueError, match=r"noise must be one of .* for method='closed', got 'normal'"):
        perturbed_argmax_prob(torch.zeros(3), noise="normal", method="closed")


def test_a_row_of_one():
    for noise in NOISES:
        p = perturbed_argmax_prob(column([[3.0], [-INF]]), noise=noise)
        torch.testing.assert_close(p, column([[1.0], [0.0]]), rtol=0, atol=1e-15)
