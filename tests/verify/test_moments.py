"""The symbolic expectations hold for every sample size: exact enumeration is the witness."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
import sympy as sp
from sympy import Rational

from lemmata.verify import (
    ClaimFailed,
    SampleExpectation,
    central_moment,
    centred_sum,
    claim,
    cumulant,
    expectation,
    power_sums,
    raw_moments,
    sample_expectation,
    unbiased_estimator,
)

demo = claim("demo")
n, N = sp.symbols("n N", integer=True, positive=True)
S1, S2, S3, S4 = power_sums(4)
m1, m2, m3, m4 = raw_moments(4)
LAW = {0: Rational(1, 2), 1: Rational(1, 3), 4: Rational(1, 6)}  # mean 1, variance 2, mu_3 = 4, mu_4 = 14
COIN = {Rational(-1, 2): Rational(2, 5), Rational(3, 2): Rational(3, 5)}
STATISTICS = [
    S1,
    S1**2,
    S2,
    S1 * S2,
    S1**3,
    S1**2 * S2 - S4 / 3,
    S2**2,
    S1 * S3 / n,
    n * S1**4,
    sp.Integer(7),
]
PARAMETERS = [
    m1, m1**2, m1**3, m2, m2**2, m1 * m3, central_moment(2) ** 2, m1 * cumulant(3), cumulant(4), n * m1 + 2,
]  # fmt: skip


def moments_of(law):
    """The values of the symbols m_1 ... m_8."""
    return {m: expectation(lambda x, r=r: x**r, law) for r, m in enumerate(raw_moments(8), 1)}


def at_sample(statistic, sample):
    values = {s: sum(sp.sympify(x) ** r for x in sample) for r, s in enumerate(power_sums(8), 1)}
    return sp.sympify(statistic).subs(values).subs(n, len(sample))


def enumerated(statistic, law, size):
    return expectation(lambda sample: at_sample(statistic, sample), law, draws=size)


# --- identity -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", [LAW, COIN], ids=["three points", "two points"])
@pytest.mark.parametrize("statistic", STATISTICS, ids=str)
def test_the_expectation_is_the_enumerated_one(statistic, law):
    symbolic = sample_expectation(statistic, n).subs(moments_of(law))
    assert demo.instances(
        lambda size: symbolic.subs(n, size), lambda size: enumerated(statistic, law, size), range(1, 6)
    )


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_number_of_draws_may_be_a_number(size):
    assert sp.expand(sample_expectation(S1**4, size) - sample_expectation(S1**4, n).subs(n, size)) == 0


@pytest.mark.parametrize("parameter", PARAMETERS, ids=str)
def test_the_estimator_is_unbiased_for_every_n(parameter):
    estimator = unbiased_estimator(parameter, n)
    assert sp.cancel(sample_expectation(estimator, n) - parameter) == 0
    for size in range(4, 6):  # no product has more than four factors
        assert enumerated(estimator, LAW, size) == sp.sympify(parameter).subs(moments_of(LAW)).subs(n, size)


def test_the_estimators_are_means_over_distinct_indices():
    x = (1, 3, 4, -2)
    triples = list(itertools.permutations(x, 3))
    mean = sum(Rational(a * b**2 * c) for a, b, c in triples) / len(triples)
    assert at_sample(unbiased_estimator(m1**2 * m2, n), x) == mean


def test_the_variance_of_the_variance():
    second = sample_expectation((centred_sum(2, n) / (n - 1)) ** 2, n).subs(m1, 0)
    variance = sp.expand(second - m2**2)
    assert sp.simplify(variance - (m4 / n - m2**2 * (n - 3) / (n * (n - 1)))) == 0
    central = {m2: 2, m4: 14}
    assert [variance.subs(central).subs(n, k) for k in range(2, 6)] == [
        9, Rational(14, 3), Rational(19, 6), Rational(12, 5),
    ]  # fmt: skip


def test_k_statistics_are_those_of_fisher():
    M2, M3, M4 = (centred_sum(r, n) for r in (2, 3, 4))
    assert sp.simplify(unbiased_estimator(cumulant(3), n) - n * M3 / ((n - 1) * (n - 2))) == 0
    k4 = (n * (n + 1) * M4 - 3 * (n - 1) * M2**2) / ((n - 1) * (n - 2) * (n - 3))
    assert sp.simplify(unbiased_estimator(cumulant(4), n) - k4) == 0


def test_conversions():
    moments = moments_of(LAW)
    assert [central_moment(r).subs(moments) for r in (1, 2, 3, 4)] == [0, 2, 4, 14]
    assert [cumulant(r).subs(moments) for r in (1, 2, 3, 4)] == [1, 2, 4, 2]
    sample = (0, 1, 4, 4)
    for r in (1, 2, 3, 4):
        assert at_sample(centred_sum(r, n), sample) == sum((x - Rational(9, 4)) ** r for x in sample)


def test_sampling_without_replacement():
    values = [0, 1, 1, 4, -2]
    law_moments = {
        m: Rational(sum(x**r for x in values), len(values)) for r, m in enumerate(raw_moments(8), 1)
    }
    for statistic in STATISTICS[:9]:
        symbolic = sample_expectation(statistic, n, population=N).subs(law_moments).subs(N, len(values))
        for size in range(1, 5):
            if (found := symbolic.subs(n, size)).is_finite:  # N - 3 and more cancel against n when n is small
                draws = list(itertools.combinations(values, size))
                assert found == sum(at_sample(statistic, draw) for draw in draws) / Rational(len(draws))


def test_a_large_population_is_a_law():
    finite = sample_expectation(S1**2 * S2, n, population=N)
    assert sp.simplify(sp.limit(finite, N, sp.oo) - sample_expectation(S1**2 * S2, n)) == 0


def test_products_of_eight_factors():
    """The eighth moment of a sum of coin flips: 105 n^4 - 420 n^3 + 588 n^2 - 272 n."""
    flips = {m: (r + 1) % 2 for r, m in enumerate(raw_moments(8), 1)}
    eighth = sp.expand(sample_expectation(S1**8, n).subs(flips))
    assert eighth == 105 * n**4 - 420 * n**3 + 588 * n**2 - 272 * n
    assert eighth.subs(n, 3) == Rational(2 * 3**8 + 6, 8)


# --- as a side of a claim -----------------------------------------------------------------------------------


def test_an_expectation_not_yet_carried_out_is_a_side_of_a_claim():
    sides = SampleExpectation(unbiased_estimator(cumulant(3), n), n), cumulant(3)
    assert demo.proved(*sides).kind == "proved"
    assert r"\mathbb{E}\left[" in demo.proved(*sides).statement
    finite = SampleExpectation(centred_sum(2, n) / (n - 1), n, N)
    assert demo.proved(finite, N * central_moment(2) / (N - 1)).kind == "proved"


def test_its_symbols_are_those_of_the_law():
    node = SampleExpectation(S1**2 / n, n)
    assert node.free_symbols == {n, m1, m2}
    assert sp.expand(node.subs({m1: 0, n: 5}).doit()) == m2


def test_its_moments_may_change_places():
    node = SampleExpectation(S1 + 2 * S2, n)
    swapped = node.subs({m1: m2, m2: m1}, simultaneous=True).doit()
    assert sp.expand(swapped - n * m2 - 2 * n * m1) == 0


@pytest.mark.parametrize(
    ("statistic", "wrong"),
    [
        (centred_sum(2, n) / n, central_moment(2)),  # divisor n
        ((S1 / n) ** 2, m1**2),
        (centred_sum(3, n) / (n - 1), cumulant(3)),
        (S1 * S2, n * m3 + n**2 * m1 * m2),
    ],
    ids=str,
)
def test_a_false_expectation_is_refused_by_numbers(statistic, wrong):
    with pytest.raises(ClaimFailed) as failure:
        demo.proved(SampleExpectation(statistic, n), wrong)
    assert failure.value.at is not None


def test_the_numbers_come_without_distinct_sums(monkeypatch):
    from lemmata.verify import moments

    node = SampleExpectation(S1**2 * S2, n)
    want = sample_expectation(S1**2 * S2, n)
    point = {n: 4, m1: Rational(1, 3), m2: 2, m3: -1, m4: 5}
    monkeypatch.setattr(moments, "_distinct_sums", None)
    assert abs(sp.N(node.subs(point), 50) - want.subs(point)) < 1e-45


# --- failure ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statistic",
    [
        1 / S1, sp.sqrt(S2), S1 / S2, sp.exp(S1), sp.Abs(S1), 0.5 * S1,
        m1, S1 * m2, sp.Symbol("S_1"), sp.Symbol("x"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_polynomial_in_power_sums_is_refused(statistic):
    for function in (sample_expectation, SampleExpectation):
        with pytest.raises(ValueError, match="statistic must"):
            function(statistic, n)


@pytest.mark.parametrize(
    "parameter", [sp.sqrt(m2), 1 / m1, m3 / m2, 0.1 * m1, S1, sp.Symbol("m_2"), sp.log(m1)], ids=str
)
def test_what_is_no_polynomial_in_moments_is_refused(parameter):
    with pytest.raises(ValueError, match="parameter must"):
        unbiased_estimator(parameter, n)


@pytest.mark.parametrize("size", [0, -1, Rational(5, 2), 2.0, Fraction(1, 2)])
def test_a_sample_has_a_whole_number_of_draws(size):
    with pytest.raises(ValueError, match="n must be a positive integer"):
        sample_expectation(S1, size)
    with pytest.raises(ValueError, match="n must be a positive integer"):
        unbiased_estimator(m1, size)


def test_a_population_has_a_whole_number_of_values():
    with pytest.raises(ValueError, match="population must be a positive integer"):
        sample_expectation(S1, n, population=Rational(7, 2))


@pytest.mark.parametrize(("parameter", "needs"), [(m1**2, 2), (central_moment(2), 2), (cumulant(4), 4)])
def test_too_few_draws_for_an_unbiased_estimator_are_refused(parameter, needs):
    assert unbiased_estimator(parameter, needs) != 0
    with pytest.raises(ValueError, match=f"n must be at least {needs}"):
        unbiased_estimator(parameter, needs - 1)
