"""Densities by importance weights: identities, agreement with exact values and with arviz, what breaks."""

import math

import numpy as np
import pytest
import torch
from helpers import DTYPES, F64, INF, NAN, column, seeded
from sklearn.datasets import load_digits, load_iris

from lemmata.estimation import (
    PPCA,
    DensityEstimate,
    effective_sample_size,
    estimate_log_density,
    importance_weighted_bound,
    pareto_k,
)
from lemmata.estimation._density.pareto import tail_size

# ------------------------------------------------------------------- what is known


def log_joint(x, z):
    """z is standard normal, x is normal around it with variance 1."""
    return -(z.square() + (x - z).square() + 2 * math.log(2 * math.pi)).sum(-1) / 2


def proposal(m, v):
    return lambda x: (torch.full_like(x, m), torch.full_like(x, v).sqrt())


def estimate(m, v, M, seed=0, **options):
    x = torch.ones(options.pop("rows", 1), 1, dtype=F64)
    return estimate_log_density(x, log_joint, proposal(m, v), M, generator=seeded(seed), **options)


TRUTH = -1.5155121234846454


def quasi(M):
    """Numbers of (0, 1) and normal ones, the same everywhere."""
    i = np.arange(M)
    u = ((i * 0.6180339887498949) % 1 + 0.5 / M) % 1
    return u, np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * ((i * 0.7548776662466927) % 1))


# ------------------------------------------------------------------- identity: weights


def test_the_bound_is_the_logarithm_of_the_mean():
    w = torch.rand(7, 5, generator=seeded(), dtype=F64) + 0.1
    for dim in (0, 1, -1):
        torch.testing.assert_close(importance_weighted_bound(w.log(), dim), w.mean(dim).log())
        expected = w.sum(dim).square() / w.square().sum(dim)
        torch.testing.assert_close(effective_sample_size(w.log(), dim), expected)
    assert importance_weighted_bound(w.log()).shape == (5,)


def test_weights_have_no_unit():
    log_w = torch.randn(200, generator=seeded(), dtype=F64)
    for shift in (-1000.0, 1000.0, 1e5):
        moved = log_w + shift
        assert importance_weighted_bound(moved).item() == pytest.approx(
            importance_weighted_bound(log_w).item() + shift, rel=1e-12
        )
        torch.testing.assert_close(
            effective_sample_size(moved), effective_sample_size(log_w), rtol=1e-9, atol=0
        )
        torch.testing.assert_close(pareto_k(moved), pareto_k(log_w), rtol=1e-8, atol=1e-8)


def test_order_does_not_matter():
    log_w = 2 * torch.randn(300, generator=seeded(), dtype=F64)
    mixed = log_w[torch.randperm(300, generator=seeded(1))]
    torch.testing.assert_close(pareto_k(mixed), pareto_k(log_w), rtol=1e-13, atol=0)
    torch.testing.assert_close(effective_sample_size(mixed), effective_sample_size(log_w))


def test_equal_weights_are_all_effective():
    log_w = torch.full((40,), -3.25)
    assert effective_sample_size(log_w) == 40
    assert importance_weighted_bound(log_w).item() == pytest.approx(-3.25)
    assert pareto_k(log_w) == -INF
    assert effective_sample_size(column([-INF, -INF, 5.0])) == 1


def test_the_bounds_grow_and_the_mean_of_weights_is_right():
    """Over all draws of M weights, each 1 or 3."""
    log_w = column([1.0, 3.0]).log()
    bounds = []
    for M in (1, 2, 3, 4):
        draws = torch.cartesian_prod(*[log_w] * M).view(-1, M)
        bounds.append(importance_weighted_bound(draws, -1).mean().item())
        assert importance_weighted_bound(draws, -1).exp().mean().item() == pytest.approx(2)
    assert bounds == sorted(bounds)
    assert bounds[0] == pytest.approx(math.log(3) / 2)
    assert bounds[-1] < math.log(2)


# ------------------------------------------------------------------- identity: estimates


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_posterior_needs_one_draw(dtype):
    x = torch.tensor([[1.0], [-2.0]], dtype=dtype)
    r = estimate_log_density(x, log_joint, lambda x: (x / 2, torch.full_like(x, 0.5).sqrt()), 1)
    expected = -x[:, 0].double().square() / 4 - math.log(4 * math.pi) / 2
    torch.testing.assert_close(r.log_density, expected, rtol=1e-6, atol=0)
    assert r.ess.tolist() == [1, 1]
    assert r.standard_error.isnan().all()
    assert (r.pareto_k == INF).all()


@pytest.mark.parametrize(
    ("m", "v", "elbo", "second"),
    [
        (0, 1, -1.91893853320467274, 1.3641175047559),
        (0.5, 1, -1.66893853320467274, 2 / math.sqrt(3)),
        (0.5, 0.5, TRUTH, 1.0),
        (0.5, 0.3, None, 3 / math.sqrt(5)),
        (0.5, 0.25, -1.61208571376461805, None),
        (0.5, 0.2, -1.67365748942172293, None),
    ],
)
def test_reference_numbers(m, v, elbo, second):
    """The mean of single draws is the ELBO; 1/ESS tells the second moment; the mean weight is q(x)."""
    M = 100_000
    if elbo is not None:
        single = estimate(m, v, 1, rows=M).log_density
        assert abs(single.mean() - elbo) <= 5 * single.std() / M**0.5 + 1e-12
    r = estimate(m, v, M, chunk=M)
    if second is not None:
        assert (M / r.ess).item() == pytest.approx(second, rel=0.04)  # of 0.3 the fourth moment is infinite
        assert r.standard_error.item() == pytest.approx(math.sqrt((second - 1) / M), rel=0.1, abs=1e-8)
        assert abs(r.log_density.item() - TRUTH) <= 5 * r.standard_error.item() + 1e-12


@pytest.mark.parametrize("ratio", [0.7, 0.5, 0.3])
def test_an_encoder_that_is_too_narrow_has_the_tail_of_the_theorem(ratio):
    r = estimate(0.5, ratio / 2, 20_000, rows=20, chunk=20_000)
    assert r.pareto_k.mean().item() == pytest.approx(1 - ratio, abs=0.06)


def test_the_best_diagonal_encoder_has_the_correlation_as_its_tail():
    """Two latent variables whose posterior is correlated: log w = -u^T (C - I) u / 2 + a constant."""
    u = torch.randn(20, 20_000, 2, generator=seeded(), dtype=F64)
    for rho in (0.3, 0.6):
        log_w = rho * u[..., 0] * u[..., 1]
        assert pareto_k(log_w, -1).mean().item() == pytest.approx(rho, abs=0.06)


def test_chunks_change_nothing_and_memory_is_that_of_one():
    shapes, told = [], []

    def watched(x, z):
        shapes.append(tuple(z.shape))
        return log_joint(x, z)

    x = torch.linspace(-1, 1, 3, dtype=F64)[:, None]
    results = []
    for chunk in (1, 7, 100, 1000):
        shapes.clear()
        told.clear()
        results.append(
            estimate_log_density(
                x,
                watched,
                proposal(0.2, 0.7),
                100,
                chunk=chunk,
                generator=seeded(),
                progress=lambda done, M: told.append((done, M)),
            )
        )
        assert max(shapes) <= (chunk, 3, 1)
        assert sum(shape[0] for shape in shapes) == 100
        assert told[-1] == (100, 100)
        assert len(told) == len(shapes)
    for r in results[1:]:
        for one, other in zip(r, results[0], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_what_is_kept_between_chunks_does_not_grow(monkeypatch):
    from lemmata.estimation._density import estimate as module

    sizes = []
    add = module._Weights.add

    def spied(self, log_w):
        add(self, log_w)
        sizes.append(sum(v.numel() for v in vars(self).values() if isinstance(v, torch.Tensor)))

    monkeypatch.setattr(module._Weights, "add", spied)
    for M in (100, 5000):
        sizes.clear()
        estimate(0.0, 1.0, M, rows=2, chunk=20, pareto=False)
        assert set(sizes) == {8}
        sizes.clear()
        estimate(0.0, 1.0, M, rows=2, chunk=20)
        assert max(sizes) == 8 + 2 * (tail_size(M) + 1)


def test_the_stream_gives_what_all_weights_give():
    seen = []

    def log_joint_(x, z):
        seen.append(z)
        return log_joint(x, z)

    x = torch.tensor([[1.0], [40.0]], dtype=F64)  # the second is far from its proposal
    r = estimate_log_density(x, log_joint_, proposal(0.3, 0.4), 500, chunk=30, generator=seeded())
    z = torch.cat(seen)
    log_p = -(z - 0.3).square().sum(-1) / 0.8 - math.log(2 * math.pi * 0.4) / 2
    log_w = log_joint(x, z) - log_p
    torch.testing.assert_close(r.log_density, importance_weighted_bound(log_w), rtol=1e-12, atol=0)
    torch.testing.assert_close(r.ess, effective_sample_size(log_w), rtol=1e-10, atol=0)
    torch.testing.assert_close(r.pareto_k, pareto_k(log_w), rtol=1e-10, atol=1e-10)
    w = (log_w - log_w.amax(0)).exp()
    error = w.std(0) / w.mean(0) / math.sqrt(500)
    torch.testing.assert_close(r.standard_error, error, rtol=1e-10, atol=0)


def test_full_covariances():
    """The exact posterior of two correlated latent variables, by its Cholesky factor."""
    W = column([[1.0, 0.5], [0.2, 1.0], [0.7, 0.7]])
    x = torch.randn(4, 3, generator=seeded(), dtype=F64)
    precision = torch.eye(2, dtype=F64) + W.T @ W
    cov = torch.linalg.inv(precision)

    def log_joint_(x, z):
        error = x - z @ W.T
        return -(error.square().sum(-1) + z.square().sum(-1) + 5 * math.log(2 * math.pi)) / 2

    def encoder(x):
        return x @ W @ cov, torch.linalg.cholesky(cov).expand(len(x), 2, 2)

    r = estimate_log_density(x, log_joint_, encoder, 30, generator=seeded())
    law = torch.distributions.MultivariateNormal(torch.zeros(3).double(), W @ W.T + torch.eye(3).double())
    torch.testing.assert_close(r.log_density, law.log_prob(x), rtol=1e-12, atol=0)
    assert (r.ess > 30 - 1e-9).all()


# ------------------------------------------------------------------- agreement: the tail, with arviz

ARVIZ = {  # az.psislw(log_w)[1], arviz 0.23.4, for quasi(1000)
    "pareto .8": (lambda u, z: -0.8 * np.log(u), 0.9450574296525782),
    "pareto .3": (lambda u, z: -0.3 * np.log(u), 0.46760331211939604),
    "pareto 1.5": (lambda u, z: -1.5 * np.log(u), 1.6044068920271175),
    "uniform": (lambda u, z: np.log(u), -0.8120284208131667),
    "log-normal": (lambda u, z: 2 * z, 0.9085669267137815),
    "light": (lambda u, z: 0.5 * z, 0.2925863977412531),
    "narrow": (lambda u, z: 0.375 * z**2, None),
    "bounded": (lambda u, z: -(z**2) / 2, -1.6234447850838094),
    "far": (lambda u, z: 1e4 + z, 0.49880928774387895),
    "ties": (lambda u, z: np.round(3 * z), 1.019412623041181),
    "zeros": (lambda u, z: np.where(u < 0.5, -np.inf, z), -0.31406203203697197),
}


@pytest.mark.parametrize("case", [name for name, (_, k) in ARVIZ.items() if k is not None])
def test_the_tail_is_that_of_arviz(case):
    weights, expected = ARVIZ[case]
    assert pareto_k(torch.tensor(weights(*quasi(1000)))).item() == pytest.approx(expected, rel=1e-11)


def test_tails_of_other_sizes_are_those_of_arviz():
    sizes = {
        20: INF,
        21: 0.4891822501217034,
        25: 0.574181826037961,
        30: 0.42606922516827245,
        100: 0.6261422518403867,
        10000: 0.5986159729946724,
    }
    for M, expected in sizes.items():
        assert pareto_k(torch.tensor(-0.6 * np.log(quasi(M)[0]))).item() == pytest.approx(expected, rel=1e-12)


def test_rows_with_different_numbers_of_ties_in_one_call():
    u, z = quasi(1000)
    rows = np.stack([weights(u, z) for weights, _ in ARVIZ.values()])
    together = pareto_k(torch.tensor(rows), -1)
    alone = torch.stack([pareto_k(torch.tensor(row)) for row in rows])
    torch.testing.assert_close(together, alone, rtol=1e-13, atol=0)


@pytest.mark.parametrize("k", [-0.5, 0.2, 0.7, 1.2])
def test_it_finds_the_shape_of_a_generalised_pareto_law(k):
    u = torch.rand(30, 40_000, generator=seeded(), dtype=F64)
    log_w = (1 + 10 * torch.expm1(-k * u.log()) / k).log()
    assert pareto_k(log_w, -1).mean().item() == pytest.approx(k, abs=0.04)


def test_any_spread_has_a_tail():
    log_w = torch.randn(400, generator=seeded(), dtype=F64)
    for factor in (1e-12, 1e-3, 30.0):
        assert pareto_k(factor * log_w).isfinite()
    assert pareto_k(1e300 * log_w) == INF  # all weights but one are 0


# ------------------------------------------------------------------- agreement: principal components


def test_reference_likelihoods():
    iris = torch.tensor(load_iris().data)
    model = PPCA(2).fit(iris)
    expected = column([4.20005343, 0.24105294, 0.0776881, 0.02367619])
    torch.testing.assert_close(model.eigenvalues, expected, rtol=1e-6, atol=0)
    assert model.noise_variance.item() == pytest.approx(0.05068214786479683, rel=1e-12)
    assert model.score_samples(iris).mean().item() == pytest.approx(-2.69975186770741, rel=1e-13)
    digits = torch.tensor(load_digits().data / 16)
    for q, score in {2: 0.00570672495158, 10: 17.4519470218778, 20: 27.2772999288681}.items():
        assert PPCA(q).fit(digits).score_samples(digits).mean().item() == pytest.approx(score, rel=1e-10)


def data(n=30, D=5, seed=0):
    scale = torch.linspace(3, 0.3, D, dtype=F64)
    return torch.randn(n, D, generator=seeded(seed), dtype=F64) * scale + torch.arange(D)


@pytest.mark.parametrize(("n", "D", "q"), [(30, 5, 2), (30, 5, 4), (6, 9, 2)])
def test_it_is_the_normal_law_of_largest_likelihood(n, D, q):
    x = data(n, D)
    model = PPCA(q).fit(x)
    W, noise = model.loadings, model.noise_variance
    cov = W @ W.T + noise * torch.eye(D, dtype=F64)
    law = torch.distributions.MultivariateNormal(model.mean, cov)
    torch.testing.assert_close(model.score_samples(x), law.log_prob(x), rtol=1e-9, atol=1e-10)
    assert cov.trace().item() == pytest.approx(x.var(0, correction=0).sum().item())
    kept = model.eigenvalues[:q].log().sum() + (D - q) * noise.log()
    expected = -(D * math.log(2 * math.pi) + kept + D) / 2
    assert model.score_samples(x).mean().item() == pytest.approx(expected.item(), rel=1e-12)
    for seed in range(5):  # no neighbour is better
        V = W + 0.03 * torch.randn(D, q, generator=seeded(seed), dtype=F64)
        other = V @ V.T + noise * (1 + 0.1 * (seed - 2)) * torch.eye(D, dtype=F64)
        neighbour = torch.distributions.MultivariateNormal(model.mean, other)
        assert neighbour.log_prob(x).mean() < model.score_samples(x).mean()


def test_joint_less_posterior_is_the_density():
    x = data()
    model = PPCA(2).fit(x)
    loc, scale = model.posterior(x)
    z = loc + scale * torch.randn(4, *loc.shape, generator=seeded(), dtype=F64)
    posterior = torch.distributions.Normal(loc, scale).log_prob(z).sum(-1)
    expected = model.score_samples(x).expand(4, -1)
    torch.testing.assert_close(model.log_joint(x, z) - posterior, expected, rtol=1e-12, atol=1e-12)
    r = estimate_log_density(x, model.log_joint, model.posterior, 3)
    torch.testing.assert_close(r.log_density, expected[0], rtol=1e-12, atol=1e-12)


def test_collapse_is_where_the_noise_is_above_the_eigenvalue():
    """At equal eigenvalues the gain is 0 and the posterior is the prior."""
    x = torch.cat([torch.eye(3, dtype=F64), -torch.eye(3, dtype=F64)])
    model = PPCA(1).fit(x)
    loc, scale = model.posterior(x)
    assert model.loadings.abs().max() < 1e-7
    assert loc.abs().max() < 1e-7
    torch.testing.assert_close(scale, torch.ones_like(scale), rtol=1e-12, atol=0)


def test_samples_have_the_model_s_moments():
    model = PPCA(2).fit(data())
    y = model.sample(100_000, generator=seeded())
    cov = model.loadings @ model.loadings.T + model.noise_variance * torch.eye(5, dtype=F64)
    torch.testing.assert_close(y.mean(0), model.mean, rtol=0, atol=0.05)
    torch.testing.assert_close(y.T.cov(), cov, rtol=0.03, atol=0.05)
    assert model.sample(0).shape == (0, 5)


def test_units_and_places_move_the_density_by_a_constant():
    x = data()
    score = PPCA(2).fit(x).score_samples(x)
    for unit in (1e-130, 1e-12, 1e12, 1e130):
        moved = PPCA(2).fit(unit * x).score_samples(unit * x) + 5 * math.log(unit)
        torch.testing.assert_close(moved, score, rtol=1e-11, atol=1e-10)
    torch.testing.assert_close(PPCA(2).fit(x + 1e6).score_samples(x + 1e6), score, rtol=1e-8, atol=1e-8)


def test_a_state_comes_back():
    x = data()
    model, other = PPCA(2).fit(x), PPCA(2)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.score_samples(x), model.score_samples(x))
    with pytest.raises(ValueError, match="2 components"):
        other.load_state_dict(PPCA(3).fit(x).state_dict())


# ------------------------------------------------------------------- failure


def test_weights_of_zero():
    log_w = column([-INF, 0.0, -INF, math.log(3)]).requires_grad_()
    bound = importance_weighted_bound(log_w)
    bound.backward()
    assert bound.item() == pytest.approx(0)
    assert log_w.grad.tolist() == pytest.approx([0, 0.25, 0, 0.75])
    nothing = torch.full((30,), -INF, dtype=F64, requires_grad=True)
    for function, value in ((importance_weighted_bound, -INF), (effective_sample_size, 0)):
        result = function(nothing)
        assert result.item() == value
        assert torch.autograd.grad(result, nothing)[0].tolist() == [0] * 30
    assert pareto_k(nothing) == INF


def test_what_is_not_finite_stays_in_its_row():
    rows = torch.randn(3, 40, generator=seeded(), dtype=F64)
    rows[0, 3], rows[1, 5] = NAN, INF
    assert importance_weighted_bound(rows, -1)[:2].tolist()[1] == INF
    for function in (importance_weighted_bound, effective_sample_size, pareto_k):
        result = function(rows, -1)
        assert result[0].isnan()
        assert result[1].isnan() or result[1] == INF
        torch.testing.assert_close(result[2], function(rows[2]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_draw_is_an_error(dtype):
    for function in (importance_weighted_bound, effective_sample_size, pareto_k):
        with pytest.raises(ValueError, match="log_w"):
            function(torch.empty(0, 3, dtype=dtype))
        assert function(torch.empty(2, 0, dtype=dtype)).shape == (0,)
        with pytest.raises(TypeError, match="log_w"):
            function(torch.ones(3, dtype=torch.int64))


def test_no_weight_at_all_is_a_density_of_zero():
    def impossible(x, z):
        return torch.full(z.shape[:-1], -INF)

    for M in (1, 40):
        r = estimate_log_density(torch.ones(2, 1), impossible, proposal(0.0, 1.0), M, chunk=7)
        assert (r.log_density == -INF).all()
        assert r.ess.tolist() == [0, 0]
        assert (r.pareto_k == INF).all()


def test_nan_stays_in_its_row():
    x = torch.tensor([[1.0], [NAN], [2.0]], dtype=F64)
    r = estimate_log_density(x, log_joint, proposal(0.5, 0.5), 50, generator=seeded())
    assert r.log_density.isnan().tolist() == [False, True, False]
    assert r.ess.isnan().tolist() == [False, True, False]
    assert r.pareto_k.isnan().tolist() == [False, True, False]


def test_what_the_caller_s_functions_return_is_checked():
    x = torch.ones(2, 1)
    good = proposal(0.0, 1.0)
    for bad, message in (
        (lambda x: x, "pair"),
        (lambda x: (x[:1], x[:1]), "loc"),
        (lambda x: (x, x[:, 0]), "scale"),
        (lambda x: (x, 0 * x), "positive"),
        (lambda x: (x, None), "scale"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            estimate_log_density(x, log_joint, bad, 3)
    for joint in (lambda x, z: z, lambda x, z: z.sum(), lambda x, z: 1.0):
        with pytest.raises((TypeError, ValueError), match="log_joint"):
            estimate_log_density(x, joint, good, 3)
    with pytest.raises(ValueError, match="rows"):
        estimate_log_density(torch.tensor(1.0), log_joint, good, 3)
    assert isinstance(estimate_log_density(x, log_joint, good, 3, pareto=False), DensityEstimate)


def test_a_model_without_noise_is_refused():
    line = torch.arange(6.0)[:, None] * torch.ones(3)
    with pytest.raises(ValueError, match="unbounded"):
        PPCA(1).fit(line)
    with pytest.raises(ValueError, match="columns"):
        PPCA(3).fit(line)
    with pytest.raises(ValueError, match="finite"):
        PPCA(1).fit(line / 0)
    with pytest.raises(ValueError, match="finite"):
        PPCA(1).fit(line[:0])
    with pytest.raises(ValueError, match="fitted"):
        PPCA(1).score_samples(line)


def test_points_far_away_and_nan():
    model = PPCA(2).fit(data())
    x = data()[:4]
    x[0, 1], x[1, 2], x[2, 0] = INF, NAN, 1e200
    score = model.score_samples(x)
    assert score[0] == -INF
    assert score[1].isnan()
    assert score[2] == -INF
    assert score[3].isfinite()
