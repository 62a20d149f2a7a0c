"""A limit is shown at its edges, too, where a parameter changes what it is; and proofs keep their time."""

from __future__ import annotations

import time

import pytest
import sympy as sp
from sympy import Abs, Limit, Rational, cos, exp, oo

from lemmata.verify import claim, symbolic
from lemmata.verify.outcome import NotDecided
from lemmata.verify.timing import TimeLimit

x, y, z, t = sp.symbols("x y z t", real=True)
w = sp.Symbol("w")
EDGED = Limit(1 / ((3 * x - 1) * t + 1), t, oo)  # 0, but 1 at x = 1/3
demo = claim("demo")


def proved(*sides, **options):
    return demo.proved(*sides, seconds=10, **options)


def not_decided(*sides, **options):
    with pytest.raises(NotDecided) as failure:
        proved(*sides, **options)
    return failure.value.found


def at_edges(lhs, rhs, relation="==", domain=None):
    return symbolic._at_edges(demo, lhs, rhs, relation, time.process_time() + 10, domain or {})


# --- identity: what holds at the edges is proved ------------------------------------------------------------


def test_a_relation_that_holds_at_the_edges_is_proved():
    assert proved(EDGED, 1, relation="<=").kind == "proved"
    assert proved(-1, EDGED, relation="<").kind == "proved"


def test_an_edge_where_a_side_has_no_value_does_not_count():
    growth = Limit(t / (x * t + 1), t, oo)
    assert proved(growth, 1 / x).kind == "proved"
    assert proved(1 / x, growth).kind == "proved"


def test_a_domain_that_leaves_an_edge_out_is_shown():
    evidence = proved(EDGED, 0, domain={x: (1, 2)})
    assert evidence.statement.endswith(r"= 0\quad x\in(1,2)")
    assert evidence.how == "doit, on the domain reduces the difference to 0"


def test_a_domain_that_is_needed_at_an_edge_only_is_shown():
    either = Limit((y * x * t + Abs(y)) / (x * t + 1), t, oo)  # y, but |y| at x = 0
    assert proved(either, y, domain={y: (0, oo)}).statement.endswith(r"y\quad y\in(0,\infty)")
    assert proved(either + sp.sqrt(z**2), y + z, domain={y: (0, 1), z: (0, 1)}).how.count("domain") == 1


def test_a_domain_that_no_edge_needs_is_not_shown():
    assert proved(EDGED, 1, relation="<=", domain={x: (0, 1)}).statement.endswith(r"\le 1")


def test_edges_of_edges_are_looked_at_as_deep_as_two():
    two = Limit(1 / (x * t**2 + y * t + 1), t, oo)
    assert at_edges(two, two) is False
    three = Limit(1 / (x * t**3 + y * t**2 + z * t + 1), t, oo)
    with pytest.raises(NotDecided) as failure:
        at_edges(three, three)
    assert failure.value.found.count("but where") == 3
    assert "too many cases of a limit" in failure.value.found


def test_an_edge_lies_outside_when_that_is_sure():
    third, one = Rational(1, 3), sp.S.One
    assert not symbolic._outside(third, sp.S.Zero, one)
    assert symbolic._outside(third, sp.S.Zero, third)
    assert symbolic._outside(third, third, one)
    assert symbolic._outside(sp.I, sp.S.Zero, one)
    assert symbolic._outside(-Abs(y), sp.S.Zero, one)
    for unknown in (y, w, sp.sqrt(y)):
        assert not symbolic._outside(unknown, sp.S.Zero, one)


# --- failure: what does not hold at an edge -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("sides", "relation"),
    [((EDGED, 0), "=="), ((0, EDGED), "=="), ((EDGED, 1), "<"), ((1, EDGED), ">"), ((0, EDGED), ">=")],
    ids=str,
)
def test_what_fails_at_an_edge_is_not_decided(sides, relation):
    found = not_decided(*sides, relation=relation)
    assert "no point where the sides differ, but where x = 1/3: demo is not decided" in found


def test_an_edge_within_the_domain_is_looked_at():
    assert "where x = 1/3" in not_decided(EDGED, 0, domain={x: (0, 1)})
    assert "where x = y + 3" in not_decided(Limit(1 / ((x - y - 3) * t + 1), t, oo), 0, domain={x: (0, 5)})


def test_two_limits_that_are_no_numbers_are_not_equal():
    with pytest.raises(NotDecided, match="where x = 1/3"):
        at_edges(
            Limit(cos(t) / ((3 * x - 1) * t + 1), t, oo), Limit(cos(2 * t) / ((3 * x - 1) * t + 1), t, oo)
        )


@pytest.mark.parametrize(
    ("sides", "domain"),
    [
        ((Limit(1 / (cos(x) * t + 1), t, oo), 0), {x: (7, 9)}),  # 5 pi/2 lies there
        ((Limit(1 / (cos(x) * t + 1), t, oo) * (x - sp.pi / 2) * (x - 3 * sp.pi / 2), 0), None),
        ((Limit(1 / ((exp(w) - 1) * t + 1), t, oo) * w, 0), None),  # w = 2 pi i
        ((Limit(1 / ((3 * x**5 - x - 1) * t + 1), t, oo), 0), None),
        ((Limit((3 * x**5 - x) ** t, t, oo), 0), {x: (Rational(3, 4), Rational(9, 10))}),  # at the root 1
    ],
    ids=str,
)
def test_edges_that_solve_does_not_find_or_simplify_does_not_see(sides, domain):
    with pytest.raises(NotDecided):
        at_edges(*map(sp.sympify, sides), domain=domain)


def test_edges_that_cannot_be_found_are_not_decided():
    unsolved = Limit(t * (x * exp(x) + cos(x)), t, oo)
    with pytest.raises(NotDecided, match="no point where the sides differ, but cannot tell where x"):
        at_edges(unsolved, unsolved)


# --- failure: time ------------------------------------------------------------------------------------------


PLACE = {"compare": 6, "reduce": 4, "within_time": 0, "shown_zero": 2, "shown_above": 3}  # of the seconds


def spend(monkeypatch, name, result):
    """Replace a function of symbolic, and note the seconds that it is given."""
    given = []

    def noted(*args):
        given.append(args[PLACE[name]])
        return result(*args) if callable(result) else result

    monkeypatch.setattr(symbolic, name, noted)
    return given


def test_the_time_is_shared_out(monkeypatch):
    compared, reduced = spend(monkeypatch, "compare", "no point"), spend(monkeypatch, "reduce", "doit")
    for options, seconds in (({}, 30), ({"seconds": 60}, 60)):
        demo.proved(EDGED, 0, domain={x: (1, 2)}, **options)
        assert compared.pop() == pytest.approx(seconds / 1.5, abs=1)
        assert reduced.pop() == pytest.approx(seconds, abs=1)


@pytest.mark.parametrize(("left", "seconds"), [(100, 5), (8, 4), (0.2, 0.5)])
def test_a_case_of_a_limit_gets_half_of_what_is_left_and_no_more_than_five_seconds(
    monkeypatch, left, seconds
):
    given = spend(monkeypatch, "reduce", "doit")
    symbolic._at_edges(demo, EDGED, sp.S.Zero, "==", time.process_time() + left, {})
    assert given == [pytest.approx(seconds, abs=0.5)]


def test_all_cases_of_a_limit_get_what_is_left(monkeypatch):
    given = spend(monkeypatch, "within_time", lambda seconds, work: work())
    assert not symbolic._in_all_cases(demo, EDGED, sp.S.One, "<=", time.process_time() + 50, {})
    assert given[0] == pytest.approx(50, abs=1)


def test_cases_that_take_too_long_are_not_decided(monkeypatch):
    def late(*_):
        raise TimeLimit

    monkeypatch.setattr(symbolic, "_at_edges", late)
    assert not_decided(EDGED, 0) == "no point where the sides differ, but the cases of a limit took too long"


def test_calculus_gets_half_of_what_is_left(monkeypatch):
    monkeypatch.setattr(symbolic, "REDUCTIONS", ())
    zero, above = spend(monkeypatch, "shown_zero", "zero"), spend(monkeypatch, "shown_above", "above")
    assert symbolic.reduce(demo, x, y, "==", 20) == "zero"
    assert symbolic.reduce(demo, x, y, ">", 20) == "above"
    assert [*zero, *above] == [pytest.approx(10, abs=1)] * 2
