"""A sample is believed when it looks like independent draws with a variance, of whatever honest law."""

from __future__ import annotations

import math

import pytest
import torch

from lemmata.verify import ClaimFailed, claim
from lemmata.verify.draws import flaw

demo = claim("demo")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def uniform(n, seed=0):
    return torch.rand(n, dtype=torch.float64, generator=generator(seed))


def normal(n, seed=0):
    return torch.randn(n, dtype=torch.float64, generator=generator(seed))


def pareto(n, exponent, seed=0):
    return (1 - uniform(n, seed)) ** (-1 / exponent)


def chain(n, rho, seed=0):
    """The stationary autoregression x' = rho x + noise."""
    noise = (normal(n, seed) * math.sqrt(1 - rho**2)).tolist()
    x = [normal(1, seed + 99).item()]
    for e in noise[1:]:
        x.append(rho * x[-1] + e)
    return torch.tensor(x, dtype=torch.float64)


def lazy(n, stay, seed=0):
    """Fair coin tosses, each kept for a while."""
    toss, keep = uniform(n, seed) < 0.5, uniform(n, seed + 1) < stay
    x = [toss[0].item()]
    for value, kept in zip(toss[1:].tolist(), keep[1:].tolist(), strict=True):
        x.append(x[-1] if kept else value)
    return torch.tensor(x, dtype=torch.float64)


# --- agreement: honest draws --------------------------------------------------------------------------------

HONEST = {
    "normal": normal,
    "uniform": uniform,
    "a coin": lambda n, seed: (uniform(n, seed) < 0.5).double(),
    "a biased coin": lambda n, seed: (uniform(n, seed) < 0.05).double(),
    "signs": lambda n, seed: (uniform(n, seed) < 0.5).double() * 2 - 1,
    "a die": lambda n, seed: torch.randint(1, 7, (n,), generator=generator(seed)).double(),
    "a thousand numbers": lambda n, seed: torch.randint(1000, (n,), generator=generator(seed)).double() / 10,
    "counts": lambda n, seed: torch.poisson(torch.full((n,), 3.0), generator=generator(seed)).double(),
    "exponential": lambda n, seed: -torch.log1p(-uniform(n, seed)),
    "a square": lambda n, seed: normal(n, seed) ** 2,
    "half of it zero": lambda n, seed: normal(n, seed).relu(),
    "float32": lambda n, seed: torch.rand(n, generator=generator(seed)).double(),
    "float16": lambda n, seed: torch.randn(n, generator=generator(seed)).half().double(),
    "bfloat16": lambda n, seed: torch.rand(n, generator=generator(seed)).bfloat16().double(),
    "variances of signs": lambda n, seed: (uniform(8 * n, seed) < 0.5).double().reshape(n, 8).var(-1),
    "a shifted unit": lambda n, seed: 1e6 + 1e-3 * normal(n, seed),
}


@pytest.mark.parametrize("law", HONEST)
@pytest.mark.parametrize("n", [1000, 20_000])
def test_honest_draws_have_no_flaw(law, n):
    assert [flaw(HONEST[law](n, seed)) for seed in range(20)] == [None] * 20


def test_a_hundred_draws_are_enough():
    assert [flaw(normal(100, seed)) for seed in range(100)] == [None] * 100
    assert [flaw((uniform(100, seed) < 0.5).double()) for seed in range(100)] == [None] * 100


def test_a_tail_with_a_variance_is_believed():
    assert demo.sampled(pareto(100_000, 6), 6 / 5, detects=0.05).kind == "sampled"
    assert demo.sampled(normal(100_000).exp(), math.exp(0.5), detects=0.1).kind == "sampled"


def test_the_unit_does_not_matter():
    for scale in (1e-200, 1e-9, 1e9, 1e100):
        assert flaw(normal(1000) * scale) is None
        assert flaw(pareto(1000, 1.05) * scale)
        assert flaw(chain(1000, 0.9) * scale)


# --- failure: a variance that a few draws carry -------------------------------------------------------------


@pytest.mark.parametrize("exponent", [0.5, 1.05, 1.2, 1.5])
@pytest.mark.parametrize("n", [100, 1000, 20_000])
def test_a_tail_without_variance_is_refused(exponent, n):
    found = [flaw(pareto(n, exponent, seed)) for seed in range(50)]
    assert all("carried" in f or "tail" in f for f in found)


@pytest.mark.parametrize("n", [1000, 20_000])
def test_other_tails_without_variance_are_refused(n):
    for seed in range(20):
        cauchy = torch.tan(math.pi * (uniform(n, seed) - 0.5))
        for heavy in (cauchy, 1 / uniform(n, seed), 1 / normal(n, seed).abs(), (3 * normal(n, seed)).exp()):
            assert flaw(heavy)
        assert flaw(pareto(n, 1.05, seed).floor())  # no more than whole numbers
        assert flaw(-pareto(n, 1.3, seed) + normal(n, seed))


def test_a_wrong_mean_of_a_heavy_tail_is_not_decided():
    """Pareto's law with exponent 1.05 has mean 21; this sample has mean 9."""
    samples = pareto(20_000, 1.05)
    with pytest.raises(ClaimFailed, match="is not decided"):
        demo.sampled(samples, samples.mean().item(), detects=1e9)


def test_a_rare_event_seen_a_few_times_is_refused():
    few = torch.zeros(10_000, dtype=torch.float64)
    few[[17, 940, 5000, 8123]] = 1
    assert "carried by 4 of 10000" in flaw(few)


# --- failure: draws that know each other --------------------------------------------------------------------

DEPENDENT = {
    "a chain": lambda n, seed: chain(n, 0.9, seed),
    "a slow chain": lambda n, seed: chain(n, 0.99, seed),
    "a quick chain": lambda n, seed: chain(n, 0.5, seed),
    "a swinging chain": lambda n, seed: chain(n, -0.7, seed),
    "a lazy coin": lambda n, seed: lazy(n, 0.8, seed),
    "noise on a slow chain": lambda n, seed: normal(n, seed + 5) + chain(n, 0.98, seed),
    "a trend": lambda n, seed: normal(n, seed) + torch.linspace(0, 3, n, dtype=torch.float64),
    "sorted": lambda n, seed: uniform(n, seed).sort().values,
    "a random walk": lambda n, seed: normal(n, seed).cumsum(0),
    "moving means": lambda n, seed: normal(n + 4, seed).unfold(0, 5, 1).mean(-1),
    "a wave": lambda n, seed: torch.sin(torch.arange(n, dtype=torch.float64)),
    "a grid": lambda n, seed: torch.linspace(0, 1, n, dtype=torch.float64),
    "a golden section": lambda n, seed: torch.arange(n, dtype=torch.float64) * 0.6180339887498949 % 1,
    "x and -x": lambda n, seed: torch.stack([normal(n // 2, seed), -normal(n // 2, seed)], -1).flatten(),
    "each twice": lambda n, seed: normal(n // 2, seed).repeat_interleave(2),
    "a block twice": lambda n, seed: normal(n // 2, seed).repeat(2),
    "a block ten times": lambda n, seed: uniform(n // 10, seed).repeat(10),
    "a block of coins": lambda n, seed: (uniform(n // 4, seed) < 0.5).double().repeat(4),
    "a block mirrored": lambda n, seed: torch.cat([v := normal(n // 2, seed), v.flip(0)]),
    "twice, shuffled": lambda n, seed: normal(n // 2, seed).repeat(2)[
        torch.randperm(n, generator=generator(1))
    ],
    "drawn from draws": lambda n, seed: normal(n // 4, seed)[
        torch.randint(n // 4, (n,), generator=generator(seed + 1))
    ],
    "a block between others": lambda n, seed: torch.cat(
        [a := normal(n // 4, seed), normal(n // 4, seed + 1), a]
    )[: 3 * n // 4],
}


@pytest.mark.parametrize("law", DEPENDENT)
@pytest.mark.parametrize("n", [1000, 20_000])
def test_dependent_draws_are_refused(law, n):
    for seed in range(5):
        assert "draws that" in flaw(DEPENDENT[law](n, seed))


def test_a_wrong_mean_of_a_chain_is_not_decided():
    samples = chain(2000, 0.995)
    assert abs(samples.mean()) > 0.1
    with pytest.raises(ClaimFailed, match="is not decided"):
        demo.sampled(samples, samples.mean().item(), detects=1.0)


def test_a_block_that_comes_again_makes_no_sample_stronger():
    block = uniform(200)
    with pytest.raises(ClaimFailed, match="draws that"):
        demo.sampled(block.repeat(100), block.mean().item(), detects=0.02)
