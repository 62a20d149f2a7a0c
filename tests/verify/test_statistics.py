"""`sampled` and `rate` refuse what is off, and what is too weak to tell."""

from __future__ import annotations

import math
import re

import mpmath
import pytest
import sympy as sp
import torch

from lemmata.verify import ClaimFailed, claim

demo = claim("demo")


def uniform(n, seed=0):
    return torch.rand(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def refused(method, *args, error=ClaimFailed, match=None, **options):
    with pytest.raises(error, match=match):
        getattr(demo, method)(*args, **options)


# --- sampled: a mean ----------------------------------------------------------------------------------------


def test_the_mean_of_a_fair_sampler_is_found():
    evidence = demo.sampled(uniform(20_000), sp.Rational(1, 2), detects=0.02)
    assert evidence.kind == "sampled"
    assert "false-alarm rate 1e-06" in evidence.details[0]


def test_a_true_claim_is_hardly_ever_refused():
    for seed in range(50):  # a false alarm in one of 50: 5e-5
        assert demo.sampled(uniform(500, seed), 0.5, detects=0.2).kind == "sampled"


@pytest.mark.parametrize("expected", [-0.5, 0.52, 0.48, math.nan, math.inf])
def test_a_wrong_mean_is_refused(expected):
    refused("sampled", uniform(20_000), expected, detects=0.02, match="mean")


def test_an_error_of_the_size_that_is_promised_is_seen():
    limit, power = 4.8916, 3.0
    for seed in range(50):
        samples = uniform(500, seed)
        weakest = samples.std().item() / math.sqrt(500) * (limit + power) * 1.0001
        refused("sampled", samples, 0.5 + weakest, detects=weakest, match="mean")


def test_a_biased_sampler_is_refused():
    refused("sampled", uniform(20_000) ** 1.1, 0.5, detects=0.02, match="mean")


def test_a_biased_estimator_is_refused():
    samples = uniform(60_000).reshape(-1, 3)
    assert demo.sampled(samples.var(-1), sp.Rational(1, 12), detects=0.005).kind == "sampled"
    refused("sampled", samples.var(-1, correction=0), sp.Rational(1, 12), detects=0.005, match="mean")


def test_a_sample_too_weak_for_what_it_promises_is_refused():
    refused("sampled", uniform(1000), 0.5, detects=0.01, match="a sample that detects")
    refused("sampled", uniform(1000), 0.5, detects=0.046, match="a sample that detects")  # its band is ±0.045


def test_samples_that_never_vary_are_refused():
    refused("sampled", torch.full((1000,), 0.5), 0.5, detects=0.1, match="vary")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_samples_that_are_no_numbers_are_refused(value):
    samples = uniform(1000)
    samples[7] = value
    refused("sampled", samples, 0.5, detects=0.1)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((99,), {}),
        ((0,), {}),
        ((10, 100), {}),
        ((1000,), {"detects": 0.0}),
        ((1000,), {"detects": -1.0}),
        ((1000,), {"detects": math.inf}),
        ((1000,), {"detects": math.nan}),
        ((1000,), {"false_alarm": 0.0}),
        ((1000,), {"false_alarm": 1e-300}),
        ((1000,), {"false_alarm": 0.5}),
    ],
)
def test_a_test_without_power_is_refused(shape, options):
    refused("sampled", torch.rand(shape), 0.5, error=ValueError, **{"detects": 0.1, **options})


def test_the_numbers_that_differ_are_printed_with_the_digits_that_differ():
    samples = 1000 + 1e-6 * uniform(20_000)
    refused("sampled", samples, 1000, detects=2e-8, match=r"1000\.0000005\d* ± 2e-09")


# --- rate: an order of convergence --------------------------------------------------------------------------

STEPS = [2.0**-k for k in range(3, 9)]


def test_the_order_of_a_difference_quotient():
    one_sided = lambda h: abs((math.exp(h) - 1) / h - 1)  # noqa: E731
    central = lambda h: abs((math.exp(h) - math.exp(-h)) / (2 * h) - 1)  # noqa: E731
    assert demo.rate(one_sided, STEPS, 1).kind == "rate"
    assert demo.rate(central, STEPS, 2).kind == "rate"
    refused("rate", one_sided, STEPS, 2, match="order 2")
    refused("rate", central, STEPS, 1, match="order 1")


def test_orders_may_be_fractions_and_errors_mpf():
    steps = [mpmath.mpf(10) ** -k for k in (2, 4, 6, 8)]
    assert demo.rate([mpmath.sqrt(h) for h in steps], steps, sp.Rational(1, 2)).kind == "rate"


def test_what_is_printed_was_measured():
    evidence = demo.rate([h**2 * (1 + h) for h in STEPS], STEPS, 2)
    low, high = map(float, re.search(r"\[(.*), (.*)\]", evidence.statement).groups())
    last = math.log2(STEPS[-2] ** 2 * (1 + STEPS[-2]) / (STEPS[-1] ** 2 * (1 + STEPS[-1])))
    assert low <= 2 <= last <= high
    assert high - low < 0.02
    assert "h^{2}" not in evidence.statement
    assert evidence.plain == f"order of error(h), measured: between {low:.3f} and {high:.3f}"


@pytest.mark.parametrize(
    ("error", "order"),
    [
        (lambda h: h * (1 + mpmath.sqrt(h)), 1),  # the slowest next term that is believed
        (lambda h: h * (1 + h), 1),
        (lambda h: h**2 * (1 - h / 2), 2),
        (lambda h: h**3 * (1 + 3 * h**2), 3),
        (lambda h: 7 * mpmath.sqrt(h), 0.5),
        (lambda h: 1 / (1 / h + 5), 1),
        (lambda h: mpmath.exp(h) - 1, 1),
    ],
)
@pytest.mark.parametrize("ratio", [1.5, 2, 4, 10])
def test_the_order_is_found_with_steps_of_any_ratio(error, order, ratio):
    steps = [0.005 / mpmath.mpf(ratio) ** k for k in range(5)]
    assert demo.rate(error, steps, order).kind == "rate"


@pytest.mark.parametrize(
    ("error", "claimed"),
    [
        (lambda h: h**1.09, 1),
        (lambda h: h**0.95, 1),
        (lambda h: h**1.01, 1),
        (lambda h: h**2.45, 2),
        (lambda h: h**2.2, 2),
        (lambda h: h * mpmath.log(1 / h), 1),
        (lambda h: h**2 * mpmath.log(1 / h), 2),
        (lambda h: h**2 * mpmath.log(1 / h) ** 2, 2),
        (lambda h: h / mpmath.log(1 / h), 1),
        (lambda h: h * mpmath.sqrt(mpmath.log(1 / h)), 1),
        (lambda h: h * mpmath.log(mpmath.log(1 / h)), 1),
        (lambda h: h * (1 + 1 / mpmath.log(1 / h)), 1.05),
    ],
)
@pytest.mark.parametrize("within", [0.05, 0.1, 0.25, 0.49])
@pytest.mark.parametrize("first", [0.01, 1e-4, 1e-9, 1e-25])
@pytest.mark.parametrize("ratio", [1.1, 2, 10])
def test_another_order_and_slopes_that_drift_are_refused(error, claimed, within, first, ratio):
    steps = [first / mpmath.mpf(ratio) ** k for k in range(5)]
    refused("rate", error, steps, claimed, within=within, match="slopes")


def test_slopes_that_pass_through_the_order_are_not_decided():
    slopes = [3.0, 2.45]
    errors = [1, 2 ** -slopes[0], 2 ** -sum(slopes)]
    refused("rate", errors, [1, 0.5, 0.25], 2, within=0.49, match="is not decided")


@pytest.mark.parametrize(
    "errors",
    [
        [h * (1.3 - h) for h in STEPS[:5]] + [STEPS[4] * 1.3 / 4.1],  # order 1, and one lucky step
        [h - STEPS[-1] / 1.55 for h in STEPS],  # crosses 0 beyond the last step: slopes rise through 2
        [1, 2, 4, 2, 1, 0.25],  # not even decreasing
        [1, 1 / 4, 1 / 16, 1 / 64, 1 / 64, 1 / 256],
        [1, 4, 1, 1 / 4, 1 / 16, 1 / 64],
        STEPS[::-1],
        [1e-3] * 6,
        [h**2 for h in STEPS[:4]] + [1e-9, 1e-9],  # rounding has set in
    ],
)
def test_errors_that_are_not_of_order_two_are_refused(errors):
    refused("rate", errors, STEPS, 2, match="slopes")


@pytest.mark.parametrize(
    ("errors", "steps", "options"),
    [
        ([1, 0.5], [1, 0.5], {}),
        ([1, 0.5, 0.25], [0.25, 0.5, 1], {}),
        ([1, 0.5, 0.25], [1, 0.5, 0.5], {}),
        ([1, 0.5, 0.25], [1, 0.5, 0], {}),
        ([1, 0.5], [1, 0.5, 0.25], {}),
        ([1, 0.5, 0.0], [1, 0.5, 0.25], {}),
        ([1, -0.5, 0.25], [1, 0.5, 0.25], {}),
        ([1, 0.5, math.nan], [1, 0.5, 0.25], {}),
        ([math.inf, 0.5, 0.25], [1, 0.5, 0.25], {}),
        ([1, 0.5, 0.25], [1, 0.5, 0.25], {"within": 0.5}),
        ([1, 0.5, 0.25], [1, 0.5, 0.25], {"within": 0}),
        ([1, 0.5, 0.25], [1, 0.5, 0.25], {"within": math.nan}),
        ([1, 1, 1], [1, 0.5, 0.25], {"order": 0}),
    ],
)
def test_steps_errors_and_tolerances_that_tell_nothing_are_refused(errors, steps, options):
    refused("rate", errors, steps, options.pop("order", 1), error=ValueError, **options)


def test_complex_samples_are_refused():
    with pytest.raises(TypeError, match=r"samples must be real, got torch\.complex128"):
        claim("demo").sampled(torch.rand(200, dtype=torch.float64) + 5j, 0.5, detects=0.5)
