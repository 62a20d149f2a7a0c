"""`instances` and `expectation` are exact: no float, no empty list, no biased estimator gets through."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from sympy import Rational

from lemmata.verify import ClaimFailed, claim, expectation
from lemmata.verify.outcome import NotDecided, Refuted

demo = claim("demo")
LAW = {-1: Rational(1, 2), 0: Rational(1, 3), 4: Rational(1, 6)}  # three points, skewed
PAIRS = {(-1, 0): Rational(1, 2), (0, 2): Rational(1, 4), (3, 1): Rational(1, 4)}  # (x, y), dependent


def mean(f, law):
    return sum(p * f(x) for x, p in law.items())


def variance_by(divisor):
    """The estimator of the variance with divisor n - 1 or n."""

    def estimate(sample):
        centre = Rational(sum(sample), len(sample))
        return sum((x - centre) ** 2 for x in sample) / divisor(len(sample))

    return estimate


def variance(law):
    return mean(lambda x: x**2, law) - mean(lambda x: x, law) ** 2


# --- identity -----------------------------------------------------------------------------------------------


def test_the_expectation_of_one_draw():
    assert expectation(lambda x: x, LAW) == Rational(1, 6)
    assert expectation(lambda x: x > 0, LAW) == Rational(1, 6)
    assert expectation(lambda x: sp.exp(x), {0: Fraction(1, 2), 1: Fraction(1, 2)}) == (1 + sp.E) / 2


def test_a_sample_of_one_is_one_draw():
    assert expectation(lambda sample: sample[0], LAW, draws=1) == expectation(lambda x: x, LAW)


def test_what_is_equal_only_when_expanded_or_simplified_is_equal():
    v = sp.Symbol("v", real=True)
    sides = [((v + 1) ** 2, v**2 + 2 * v + 1), (sp.sin(v) ** 2 + sp.cos(v) ** 2, 1)]
    assert demo.instances(lambda left, _: left, lambda _, right: right, sides).kind == "instances"


def test_the_first_and_the_last_case_are_shown_and_a_dozen_listed():
    evidence = demo.instances(lambda k: k**2, lambda k: k * k, range(2, 15))
    assert evidence.plain == "2: 4; 14: 196"
    assert evidence.statement == r"2:\ 4,\quad 14:\ 196"
    assert evidence.details == (*(f"{k}: {k**2}" for k in range(2, 14)), "…")
    dozen = demo.instances(lambda k: k**2, lambda k: k * k, range(12))
    assert len(dozen.details) == 12
    assert demo.instances(lambda k: k, int, [3]).plain == "3: 3"


def test_the_variance_with_divisor_n_minus_1_is_unbiased():
    unbiased = variance_by(lambda n: n - 1)
    evidence = demo.instances(
        lambda n: expectation(unbiased, LAW, draws=n), lambda n: variance(LAW), [2, 3, 4]
    )
    assert evidence.kind == "instances"
    assert "3 cases" in evidence.how


def test_matrices_tuples_and_events_can_be_cases_and_results():
    assert demo.instances(lambda a, b: a + b, lambda a, b: b + a, [(1, 2), (3, 4)]).kind == "instances"
    assert demo.instances(lambda n: sp.eye(n) * sp.eye(n), lambda n: sp.eye(n), [1, 2]).kind == "instances"
    assert demo.instances(lambda n: n % 2 == 0, lambda n: (-1) ** n == 1, range(4)).kind == "instances"
    assert demo.instances(len, lambda name: sum(1 for _ in name), ["a_b", "50%"]).kind == "instances"


# --- failure: a false claim ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3])
def test_the_variance_with_divisor_n_is_biased(n):
    biased = variance_by(lambda n: n)
    assert expectation(biased, LAW, draws=n) == variance(LAW) * Rational(n - 1, n)
    with pytest.raises(ClaimFailed, match=f"case {n}"):
        demo.instances(lambda n: expectation(biased, LAW, draws=n), lambda n: variance(LAW), [n])


def hsic_v(sample):
    """The biased estimator of HSIC with linear kernels: the squared covariance with divisor n."""
    n = len(sample)
    x, y = (sp.Matrix([pair[i] for pair in sample]) for i in (0, 1))
    centred = x.dot(y) - Rational(1, n) * sum(x) * sum(y)
    return (Rational(1, n) * centred) ** 2


def test_rescaling_by_n_over_n_minus_1_does_not_make_hsic_unbiased():
    true = (
        mean(lambda z: z[0] * z[1], PAIRS) - mean(lambda z: z[0], PAIRS) * mean(lambda z: z[1], PAIRS)
    ) ** 2

    def rescaled(n):
        return expectation(lambda sample: Rational(n**2, (n - 1) ** 2) * hsic_v(sample), PAIRS, draws=n)

    with pytest.raises(ClaimFailed):
        demo.instances(rescaled, lambda n: true, [2, 3, 4])


def test_true_at_two_and_three_but_false_at_four():
    with pytest.raises(ClaimFailed, match="case 4"):
        demo.instances(lambda n: (n - 2) * (n - 3), lambda n: 0, [2, 3, 4])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, -1),
        (Rational(10**8 + 1, 10**8), 1),
        (sp.sqrt(2), Rational(14142135623730950488, 10**19)),
        (sp.nan, sp.nan),
        (sp.oo, sp.oo),
        (sp.eye(2), 2 * sp.eye(2)),
        (sp.eye(2), sp.eye(3)),
        (sp.eye(1), 1),
        (True, False),
    ],
)
def test_unequal_values_are_refused(left, right):
    with pytest.raises(ClaimFailed):
        demo.instances(lambda _: left, lambda _: right, [0])


@pytest.mark.parametrize(("places", "outcome"), [(2, Refuted), (49, Refuted), (50, NotDecided)])
def test_numbers_that_differ_in_no_digit_are_not_called_different(places, outcome):
    near = Rational(sp.floor(sp.sqrt(2) * 10**places), 10**places)
    with pytest.raises(outcome):
        demo.instances(lambda _: sp.sqrt(2), lambda _: near, [0])


# --- failure: not exact, not a law, nothing to check --------------------------------------------------------


@pytest.mark.parametrize("result", [0.5, 1.0, np.float64(1), sp.Float(1), "1", [1, 2], sp.pi.n(), None])
def test_results_that_are_not_exact_are_refused(result):
    with pytest.raises((TypeError, sp.SympifyError)):
        demo.instances(lambda _: result, lambda _: 1, [0])
    with pytest.raises((TypeError, sp.SympifyError)):
        expectation(lambda _: result, LAW)


def test_no_case_is_no_evidence():
    with pytest.raises(ClaimFailed, match="at least one case"):
        demo.instances(lambda n: n, lambda n: n + 0, [])


def test_a_function_is_not_compared_with_itself():
    with pytest.raises(ClaimFailed, match="vacuous"):
        demo.instances(sp.factorial, sp.factorial, [1, 2])


@pytest.mark.parametrize(
    "law",
    [
        {0: 0.5, 1: 0.5},
        {0: Rational(1, 2), 1: Rational(1, 3)},
        {0: Rational(3, 2), 1: Rational(-1, 2)},
        {0: 1, 1: 0},
        {0: sp.Symbol("p", positive=True)},
        {},
    ],
)
def test_weights_that_are_no_law_are_refused(law):
    with pytest.raises(ValueError, match="sum 1"):
        expectation(lambda x: x, law)


@pytest.mark.parametrize("draws", [0, -1])
def test_a_sample_has_at_least_one_draw(draws):
    with pytest.raises(ValueError, match="draws"):
        expectation(len, LAW, draws=draws)


def test_a_side_that_changes_its_case_changes_nothing_for_the_other():
    with pytest.raises(ClaimFailed):
        claim("demo").instances(lambda c: (c.append(1), len(c))[1], len, [[1], [2]])
