"""Three outcomes of a check that does not hold: each says which it is, and in what way."""

from __future__ import annotations

import pytest
import sympy as sp
from sympy import Rational

from lemmata.verify import ClaimFailed
from lemmata.verify.outcome import NotDecided, Refuted, Vacuous, apart


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [(Refuted, "does not hold: refuted"), (NotDecided, "is not decided"), (Vacuous, "says nothing")],
)
def test_an_outcome_is_a_failure_that_says_its_verdict_once(outcome, verdict):
    said = "demo does not hold"
    failure = outcome("demo", said, "x", at={"r": 1})
    assert isinstance(failure, ClaimFailed)
    assert (failure.claim, failure.expected, failure.found, failure.at) == ("demo", said, "x", {"r": 1})
    assert str(failure) == f"demo {verdict}\n  expected: {said}\n  found:    x\n  at:       {{'r': 1}}"


def test_where_no_point_shows_it_none_is_named():
    assert "at:" not in str(Refuted("demo", 1, 2))


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        (1, 2, "1.00000000000000 and 2.00000000000000"),
        (1, 1 + Rational(2, 10**14), "1.00000000000000 and 1.00000000000002"),
        (1, 1 + Rational(2, 10**16), f"1.{'0' * 29} and 1.0000000000000002{'0' * 13}"),
        (1, 1 + Rational(2, 10**29), f"1.{'0' * 29} and 1.{'0' * 28}2"),
        (1, 1 + Rational(2, 10**30), f"1.{'0' * 59} and 1.{'0' * 29}2{'0' * 29}"),
        (1, 1 + Rational(2, 10**59), f"1.{'0' * 59} and 1.{'0' * 58}2"),
        (1, 1 + Rational(2, 10**61), f"1.{'0' * 59} twice, and a difference of -2.0000E-61"),
    ],
)
def test_numbers_have_the_digits_that_tell_them_apart(left, right, words):
    assert apart(sp.sympify(left), sp.sympify(right)) == words
