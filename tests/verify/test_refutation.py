"""`counterexample` shows that a statement is false at a point, by more than its margin, or it raises."""

from __future__ import annotations

import re

import pytest
import sympy as sp
from sympy import Rational, sqrt

from lemmata.verify import claim
from lemmata.verify.outcome import NotDecided, Refuted

x, y = sp.symbols("x y")
p = sp.Symbol("p", positive=True)
demo = claim("demo")
AGAINST = {"==": "!=", "<=": ">", ">=": "<", "<": ">=", ">": "<="}  # what refutes a relation


def refused(*sides, error=(Refuted, NotDecided), match=None, **options):
    with pytest.raises(error, match=match):
        demo.counterexample(*sides, **options)


# --- identity: a counterexample is one ----------------------------------------------------------------------


@pytest.mark.parametrize("relation", AGAINST)
@pytest.mark.parametrize(("left", "right"), [(1, 2), (2, 1), (2, 2), (-3, 3), (-1, -2)])
def test_two_numbers_refute_every_relation_in_which_they_do_not_stand(left, right, relation):
    holds = {"==": left == right, "<=": left <= right, ">=": left >= right}
    holds |= {"<": left < right, ">": left > right}
    if holds[relation]:
        refused(sp.Integer(left), right, relation=relation, error=Refuted, match="to fail")
    else:
        evidence = demo.counterexample(sp.Integer(left), right, relation=relation)
        assert evidence.kind == "counterexample"
        assert evidence.how == f"{left} against {right}, enclosed by ball arithmetic"
        assert evidence.plain == f"not {left} {relation} {right}"


def test_the_statement_and_the_point_are_shown():
    evidence = demo.counterexample(sqrt(x + y), sqrt(x) + sqrt(y), at={x: 4, y: Rational(9, 4)})
    assert evidence.claim == "demo"
    assert evidence.statement.endswith(r"\sqrt{y}\quad\text{at } x = 4,\ y = \frac{9}{4}")
    assert evidence.plain == "not sqrt(x + y) == sqrt(x) + sqrt(y) at x = 4, y = 9/4"
    assert evidence.how.startswith("2.5 against 3.5")
    signs = {"==": r"\ne", "<=": ">", "<": r"\ge"}
    for relation, sign in signs.items():
        assert demo.counterexample(x, 1, at={x: 2}, relation=relation).statement.startswith(f"x {sign} 1")
    for relation, sign in {">=": "<", ">": r"\le"}.items():
        assert demo.counterexample(x, 3, at={x: 2}, relation=relation).statement.startswith(f"x {sign} 3")
    assert demo.counterexample(sp.pi, 3).statement == r"\pi \ne 3"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0.1, "0.1"),
        (Rational(1, 10**6), r"\frac{1}{1000000}"),
        (Rational(1, 10**6 + 1), r"9.99999 \cdot 10^{-7}"),
        (Rational(1, 3 * 10**6), r"3.33333 \cdot 10^{-7}"),
        (sqrt(2), r"\sqrt{2}"),
        (Rational(1, 7), r"\frac{1}{7}"),
    ],
)
def test_a_float_at_a_point_is_shown_in_six_digits(number, shown):
    statement = demo.counterexample(x + 1, x, at={x: number}).statement
    assert re.sub(r"(\.\d*?)0+\b", r"\1", statement).endswith(f"x = {shown}")


# --- agreement: the margin, and floats ----------------------------------------------------------------------


def test_a_statement_must_fail_by_more_than_the_margin():
    half = Rational(1, 2)
    for relation in ("==", "<="):
        assert demo.counterexample(x, 1, at={x: 2}, relation=relation, margin=half)
        refused(x, 1, at={x: 2}, relation=relation, margin=1, error=Refuted)  # by the margin, not more
        refused(x, 1, at={x: 2}, relation=relation, margin=2, error=Refuted)
    assert demo.counterexample(x, 1, at={x: 2}, relation="<", margin=1)  # a strict one: at least by it
    refused(x, 1, at={x: 2}, relation="<", margin=Rational(11, 10), error=Refuted)
    assert demo.counterexample(1, x, at={x: 2}, relation=">", margin=1)
    refused(1, x, at={x: 2}, relation=">=", margin=1, error=Refuted)


def test_the_margin_exceeds_the_rounding_of_a_float():
    border = Rational(1, 10**12)
    for sides in ((1.0, 2), (2, 1.0), (-1.0, 2)):
        assert demo.counterexample(*sides, margin=border * Rational(101, 100))
        refused(*sides, margin=border, error=ValueError, match="margin must exceed")
        refused(*sides, margin=border / 2, error=ValueError, match="margin must exceed")
    refused(1.0, 2000.0, margin=border * 1999, error=ValueError)  # of the larger one
    assert demo.counterexample(1.0, 2000.0, margin=border * 2001)
    refused(2, 3, margin=-1, error=ValueError, match="got -1")
    assert demo.counterexample(2, 3, margin=0)


# --- failure: what is true, or not known --------------------------------------------------------------------


def test_what_balls_cannot_tell_apart_is_not_decided():
    equal = sqrt(2) * sqrt(3 + x), sqrt(6)
    refused(*equal, at={x: 0}, error=NotDecided, match="a gap of")
    refused(*equal, at={x: 0}, relation="<=", error=NotDecided)
    refused(*equal, at={x: 0}, margin=Rational(1, 10), error=Refuted)  # not by so much
    refused(sp.exp(x), 1 + x, at={x: 1}, relation=">=", error=Refuted)


def test_the_relation_is_known():
    refused(1, 2, relation="!=", error=ValueError, match="relation must be one of")


def test_the_point_is_complete_and_fits():
    refused(x + y, p, at={p: 1}, error=ValueError, match="misses x, y")
    refused(x, 1, error=ValueError, match="misses x")
    refused(p, 1, at={p: 0}, error=ValueError, match="takes p to 0, which its assumptions")
    assert demo.counterexample(x, 1, at={x: 2, y: 5})  # more than it needs
