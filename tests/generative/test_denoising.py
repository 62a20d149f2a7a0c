"""Scores, denoisers and chains: identities, agreement with closed forms and peers, what breaks."""

import math

import pytest
import torch
from helpers import DTYPES, F64, INF, NAN, Draw, allocated, assert_refused, close, column, seeded, z_score
from sklearn.neighbors import KernelDensity
from torch.autograd import gradcheck

from lemmata.generative import (
    annealed_langevin,
    dsm_loss,
    kde_score,
    langevin,
    posterior_covariance,
    tweedie,
)

COIN = column([[-1.0], [1.0]])


def of_coin(y, sigma):
    return kde_score(y, COIN.to(y.dtype), sigma)


def height(x):
    return -x.square().flatten(1).sum(1) / 2


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_a_coin_has_tanh_and_sech(sigma):
    """denoising-tweedie."""
    y = torch.linspace(-3, 3, 13, dtype=F64).unsqueeze(-1)
    torch.testing.assert_close(tweedie(of_coin, y, sigma), (y / sigma**2).tanh(), rtol=0, atol=1e-14)
    got = posterior_covariance(of_coin, y, sigma)[..., 0]
    torch.testing.assert_close(got, (y / sigma**2).cosh() ** -2, rtol=0, atol=1e-13)


def test_numbers_of_the_sheet():
    for square, r in ((0.25, 0.964027580075816884), (1, 0.462117157260009759), (4, 0.124353001771596208)):
        close(tweedie(of_coin, column([[0.5]]), math.sqrt(square)).item(), r)
    uniform = (torch.arange(20_000, dtype=F64).unsqueeze(-1) + 0.5) / 10_000 - 1
    got = tweedie(lambda y, s: kde_score(y, uniform, s), column([[0.5]]), 0.5).item()
    close(got, 0.358606944636422996, 1e-8)  # the midpoint rule


@pytest.mark.parametrize("levels", ["number", "rows"])
def test_posterior_of_data_has_the_moments_of_its_weights(levels):
    y, data = Draw(0).normal(5, 3), Draw(1).normal(40, 3)
    sigma = 0.7 if levels == "number" else torch.linspace(0.3, 1.5, 5, dtype=F64).unsqueeze(-1)
    w = torch.softmax(-torch.cdist(y, data).square() / (2 * torch.as_tensor(sigma) ** 2), -1)
    mean = w @ data
    apart = data - mean.unsqueeze(1)
    covariance = torch.einsum("mn,mni,mnj->mij", w, apart, apart)

    def score(y, sigma):
        return kde_score(y, data, sigma)

    torch.testing.assert_close(tweedie(score, y, sigma), mean)
    torch.testing.assert_close(posterior_covariance(score, y, sigma), covariance)


def test_covariance_of_a_score_that_is_no_gradient_is_symmetric():
    turn = column([[0.0, 1.0], [-1.0, 0.0]])
    got = posterior_covariance(lambda y, s: y @ turn - y / 4, Draw(0).normal(3, 2), 1.0)
    torch.testing.assert_close(got, 0.75 * torch.eye(2, dtype=F64).expand(3, 2, 2))


def test_covariance_can_be_differentiated():
    y = Draw(0).normal(2, 2).requires_grad_()
    data = Draw(1).normal(5, 2)
    assert gradcheck(lambda y: posterior_covariance(lambda y, s: kde_score(y, data, s), y, 0.8), y)


def test_tiles_change_roundings_only(monkeypatch):
    """denoising-attention: also where rows and data have remainders."""
    y, data = Draw(0).normal(7, 3), Draw(1).normal(50, 3)
    whole = kde_score(y, data, 0.4)
    for rows, pairs in ((1, 1), (3, 20), (7, 7 * 50), (2, 14)):
        monkeypatch.setattr("lemmata.generative._denoising.kde.ROWS", rows)
        monkeypatch.setattr("lemmata.generative._denoising.kde.PAIRS", pairs)
        torch.testing.assert_close(kde_score(y, data, 0.4), whole, rtol=1e-12, atol=1e-12)


def test_loss_of_a_point_is_0_at_its_score():
    """denoising-matching: d less sigma^2 J, with J = d / sigma^2."""
    x, levels = torch.ones(50, 3, dtype=F64), torch.linspace(0.1, 3, 50, dtype=F64).unsqueeze(-1)
    for sigma in (0.3, levels):
        assert dsm_loss(lambda y, s: (1 - y) / s**2, x, sigma, generator=seeded()) < 1e-25


def test_loss_is_that_of_the_wrong_score_and_a_constant():
    """denoising-matching, for a normal law: E|sigma (s - s*)|^2 + d - sigma^2 J, by sampling."""
    S, sigma, c, n = 2.0, 0.5, 0.8, 100_000
    x = math.sqrt(S) * torch.randn(n, 2, generator=seeded(1), dtype=F64)
    total = S + sigma**2
    expected = 2 * ((sigma * (1 / total - c)) ** 2 * total + 1 - sigma**2 / total)
    got = dsm_loss(lambda y, s: -c * y, x, sigma, generator=seeded(2)).item()
    assert abs(got - expected) < 5 * 2 / math.sqrt(n)


def test_constant_score_shows_the_step():
    """x + h/2 s + sqrt(h) xi, with one h."""
    x = langevin(torch.ones_like, torch.zeros(20_000, 2), 0.5, 3, generator=seeded()).x
    assert abs(z_score(x, 0.75)) < 5
    assert abs(z_score((x - 0.75).square(), 1.5)) < 5


def test_states_are_shown_in_order_and_kept():
    seen = []
    out = langevin(
        torch.neg, torch.ones(3, 2), 0.1, 4, callback=lambda k, x: seen.append((k, x)), generator=seeded()
    )
    assert [k for k, _ in seen] == [1, 2, 3, 4]
    assert torch.equal(seen[-1][1], out.x)
    assert not torch.equal(seen[0][1], seen[1][1])
    first = langevin(torch.neg, torch.ones(3, 2), 0.1, 1, generator=seeded()).x
    assert torch.equal(seen[0][1], first)
    levels = []
    annealed_langevin(of_coin, torch.zeros(2, 1), [2.0, 1.0], 0.1, 1, callback=lambda s, x: levels.append(s))
    assert levels == [2.0, 1.0]


# ------------------------------------------------------------------- agreement


def test_score_is_the_slope_of_sklearn():
    y, data, e = Draw(0).normal(4, 3), Draw(1).normal(60, 3), 1e-5
    kde = KernelDensity(bandwidth=0.5).fit(data.numpy())
    for k, axis in enumerate(torch.eye(3, dtype=F64)):
        up, down = (torch.tensor(kde.score_samples((y + sign * e * axis).numpy())) for sign in (1, -1))
        torch.testing.assert_close(kde_score(y, data, 0.5)[:, k], (up - down) / (2 * e), rtol=0, atol=1e-8)


@pytest.mark.parametrize("dtype", DTYPES)
def test_far_points_and_offsets_keep_their_digits(dtype):
    """No weight underflows to 0 / 0, and data far from 0 are as good as data at 0."""
    data = column([[-1.0], [1.0]]).to(dtype)
    y = column([[1e4], [-1e4], [3.0]]).to(dtype)
    got = kde_score(y, data, 0.01).double()
    want = (column([[1.0], [-1.0], [1.0]]) - y.double()) / 1e-4
    eps = torch.finfo(dtype).eps
    if dtype != torch.float16:  # which has no such numbers
        torch.testing.assert_close(got, want, rtol=2 * eps, atol=0)
    far = kde_score(column([[0.5 + 2.0**20]]), COIN + 2.0**20, 1.0)
    torch.testing.assert_close(far, kde_score(column([[0.5]]), COIN, 1.0), rtol=1e-12, atol=0)


@pytest.mark.parametrize(("h", "v"), [(0.5, 1.0), (1.0, 0.5), (0.2, 2.0)])
def test_variance_of_unadjusted_chains(h, v):
    """denoising-ula: after k steps, and in the limit."""
    x0 = torch.zeros(20_000, 1, dtype=F64)
    for k in (1, 5, 60):
        limit = v / (1 - h / (4 * v))
        want = limit * (1 - (1 - h / (2 * v)) ** (2 * k))
        x = langevin(lambda x: -x / v, x0, h, k, generator=seeded(k)).x
        assert abs(z_score(x.square(), want)) < 5


def test_from_four_variances_on_chains_run_away():
    for h, small in ((3.5, True), (4.5, False)):
        x = langevin(torch.neg, torch.ones(100, 1, dtype=F64), h, 300, generator=seeded()).x
        assert (x.square().mean() < 100) == small


@pytest.mark.parametrize("shape", [(20_000,), (20_000, 1), (5_000, 2, 2)])
@pytest.mark.parametrize("factor", [1.0, 2.5])
def test_metropolis_keeps_the_law_with_any_score(shape, factor):
    """denoising-mala."""
    x0 = torch.randn(shape, generator=seeded(3), dtype=F64)

    def log_density(x):
        return -x.square().reshape(len(x), -1).sum(1) / 2

    out = langevin(lambda x: -factor * x, x0, 1.0, 6, log_density=log_density, generator=seeded())
    assert abs(z_score(out.x.square(), 1)) < 5
    assert out.acceptance.shape == shape[:1]
    assert 0.2 < out.acceptance.mean() < 0.99


def test_metropolis_finds_a_law_that_is_not_normal():
    """The Laplace law, from afar: E|x| = 1 and E x^2 = 2."""
    x = langevin(lambda x: -x.sign(), torch.full((20_000, 1), 3.0, dtype=F64), 1.0, 100,
                 log_density=lambda x: -x.abs().sum(1), generator=seeded()).x  # fmt: skip
    assert abs(z_score(x.abs(), 1)) < 5
    assert abs(z_score(x.square(), 2)) < 5


def test_outside_is_never_taken():
    def inside(x):
        return torch.where((x.abs() < 1).all(1), 0.0, -INF)

    out = langevin(
        torch.zeros_like, torch.zeros(10_000, 1, dtype=F64), 1.0, 30, log_density=inside, generator=seeded()
    )
    assert (out.x.abs() < 1).all()
    assert abs(z_score(out.x.square(), 1 / 3)) < 5


def test_annealing_finds_both_sides_and_their_spread():
    data = column([[-5.0], [5.0]])
    x0 = torch.full((1000, 1), 5.0, dtype=F64)
    x = annealed_langevin(
        lambda y, s: kde_score(y, data, s), x0, [10.0, 5.0, 2.0, 1.0], 0.2, 60, generator=seeded()
    )
    assert 0.4 < (x < 0).double().mean() < 0.6
    spread = (x.abs() - 5).square().mean().item()
    assert spread == pytest.approx(1 / (1 - 0.05), rel=0.2)  # h = 0.2 sigma^2


def test_half_types_keep_small_steps():
    """By hand in bfloat16 the drift is lost, and the variance is 4."""
    x0 = torch.zeros(2000, 1, dtype=torch.bfloat16)
    out = langevin(torch.neg, x0, 0.008, 500, generator=seeded())
    assert out.x.dtype == torch.bfloat16
    assert out.x.double().var().item() == pytest.approx(1 - math.exp(-4), rel=0.1)
    seen = []
    langevin(lambda x: (seen.append(x.dtype), -x)[1], x0[:2], 0.1, 1)
    assert seen == [torch.bfloat16]


def test_memory_does_not_grow_with_the_data():
    y = Draw(0).normal(64, 2)
    few, many = (allocated(lambda n=n: kde_score(y, Draw(1).normal(n, 2), 0.5))[0] for n in (20_000, 80_000))
    assert few < 2.5e7
    assert many - few < 60_000 * 2 * 8 * 4  # copies of the data, and no pairs


def test_levels_in_float16_keep_their_squares():
    """0.0001 and 300, whose squares float16 has not; and a loss beyond its largest number."""
    y = torch.tensor([[0.0]], dtype=torch.float16)
    for size, slope in ((1e-4, 3e4), (300.0, 1e-4)):
        got = tweedie(lambda y, s, slope=slope: torch.full_like(y, slope), y, torch.full_like(y, size))
        assert got.item() == pytest.approx(size**2 * slope, rel=0.01)
    spread = posterior_covariance(lambda y, s: -1e-5 * y, y, torch.full_like(y, 300.0))
    assert spread.item() == pytest.approx(300**2 * (1 - 0.9), rel=0.02)
    many = torch.zeros(1, 200_000, dtype=torch.float16)
    assert dsm_loss(lambda y, s: 0 * y, many, 1.0, generator=seeded()).item() == pytest.approx(2e5, rel=0.02)


def test_covariance_of_attention_and_of_scores_without_gradients():
    layer = torch.nn.TransformerEncoderLayer(4, 1, 8, batch_first=True).double().eval()
    y = Draw(0).normal(3, 4)

    @torch.no_grad()
    def score(y, sigma):
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            return layer(y.unsqueeze(1)).squeeze(1)

    slope = torch.stack(
        [torch.autograd.functional.jacobian(lambda y: layer(y[None, None])[0, 0], row) for row in y]
    )
    want = 0.25 * (torch.eye(4, dtype=F64) + 0.25 * (slope + slope.mT) / 2)
    torch.testing.assert_close(posterior_covariance(score, y, 0.5), want)


# ------------------------------------------------------------------- failure


def test_states_beyond_the_dtype_of_the_start_are_lost():
    """The state is float32, but what comes back is float16."""
    x0 = torch.full((2, 1), 6e4, dtype=torch.float16)
    with pytest.raises(ValueError, match="chain 0 was not after step 1 of 1"):
        langevin(lambda x: torch.full_like(x, 6e4), x0, 1.0, 1, generator=seeded())


def test_an_infinite_log_density_is_an_error_and_no_trap():
    """Once taken, such a state would never be left."""

    def pole(x):
        return torch.where(x[:, 0] > 0.5, INF, 0.0)

    with pytest.raises(ValueError, match="log_density and step must keep chains finite, but chain"):
        langevin(torch.zeros_like, torch.zeros(50, 1), 1.0, 1, log_density=pole, generator=seeded())


def test_a_lost_chain_is_named_with_its_step():
    x0 = column([[0.1], [9.0], [0.2]])

    def cubic(x):
        return -(x**3)

    with pytest.raises(ValueError, match=r"chain 1 was not after step 6 of 20 \(step 0.5\); 1 of 3"):
        langevin(cubic, x0, 0.5, 20, generator=seeded())
    with pytest.raises(ValueError, match=r"chain 0 was not after step 6 of 20 .*at sigma 0.5"):
        annealed_langevin(
            lambda y, s: -y if s == 1 else cubic(9 * y), x0, [1.0, 0.5], 2.0, 20, generator=seeded()
        )


def test_nan_of_a_log_density_is_an_error_and_not_a_refusal():
    def broken(x):
        return torch.where(x[:, 0] > 0.5, NAN, 0.0)

    with pytest.raises(ValueError, match="log_density and step must keep chains finite, but chain"):
        langevin(torch.zeros_like, torch.zeros(50, 1), 1.0, 5, log_density=broken, generator=seeded())


def test_wrong_results_of_functions_are_refused():
    y = torch.zeros(3, 2)
    start = dict(x0=y, step=0.1, n=1)
    assert_refused(
        [
            (ValueError, "score's result must have shape", lambda: tweedie(lambda y, s: y[:1], y, 1.0)),
            (TypeError, "score's result must be a tensor", lambda: langevin(lambda x: None, **start)),
            (
                ValueError,
                r"log_density's result must have shape \(3,\)",
                lambda: langevin(torch.neg, **start, log_density=lambda x: x.sum()),
            ),
            (ValueError, "x0 must be finite", lambda: langevin(torch.neg, y + INF, 0.1, 1)),
            (ValueError, "x0 must be .chains", lambda: langevin(torch.neg, torch.tensor(0.0), 0.1, 1)),
            (ValueError, "y must be", lambda: posterior_covariance(of_coin, torch.tensor(0.0), 1.0)),
            (
                ValueError,
                "sigma must be finite",
                lambda: kde_score(y, y, torch.tensor([[INF], [1.0], [1.0]])),
            ),
            (ValueError, "sigma must broadcast", lambda: kde_score(y, y, torch.ones(3))),
            (
                ValueError,
                "sigmas must be a list of decreasing",
                lambda: annealed_langevin(of_coin, y, [1.0, 2.0], 0.1, 1),
            ),
            (TypeError, "sigmas must be", lambda: annealed_langevin(of_coin, y, 1.0, 0.1, 1)),
        ]
    )


def test_denoised_points_vary_too_little_and_drawn_ones_do_not():
    """denoising-deficit, for the coin: Var r + E Cov = 1, and draws with the right covariance have 1."""
    x = torch.randint(2, (20_000, 1), generator=seeded()).double() * 2 - 1
    y = x + torch.randn(x.shape, generator=seeded(1), dtype=F64)
    r, spread = tweedie(of_coin, y, 1.0), posterior_covariance(of_coin, y, 1.0)[..., 0]
    assert abs(z_score(r.square() + spread, 1)) < 5
    assert r.var() < 0.6
    drawn = r + spread.sqrt() * torch.randn(r.shape, generator=seeded(2), dtype=F64)
    assert abs(z_score(drawn.square(), 1)) < 5


def test_gradients_of_a_log_density_serve_as_score():
    score = torch.func.grad(lambda x: height(x).sum())
    one = langevin(score, torch.ones(3, 2), 0.1, 3, generator=seeded()).x
    assert torch.equal(one, langevin(torch.neg, torch.ones(3, 2), 0.1, 3, generator=seeded()).x)
    assert not one.requires_grad


def test_the_loss_compiles_into_one_graph():
    x = Draw(0).normal(4, 2)
    made = torch.compile(lambda x: dsm_loss(lambda y, s: -y / s, x, 0.5), fullgraph=True, backend="eager")
    assert made(x).isfinite()
