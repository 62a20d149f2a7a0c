"""Principal components with a density: the law of largest likelihood, its posterior, what it refuses."""

import math

import pytest
import torch
from helpers import F64, INF, NAN, column, seeded
from sklearn.datasets import load_digits, load_iris

from lemmata.estimation import PPCA, estimate_log_density

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
