"""Two numbers stand in a relation to 50 digits; a point has what its symbols are assumed to have."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
import sympy as sp
from sympy import Derivative, Float, Integral, Rational, exp, sin

from lemmata.verify.comparison import DIGITS, allowed, draw, holds, value

x, y = sp.symbols("x y")
r = sp.Symbol("r", real=True)
n = sp.Symbol("n", integer=True, positive=True)
BORDER = Float(10, DIGITS) ** -DIGITS  # of agreement, for numbers up to 1
LARGE = Float(10**9, 70)
RELATIONS = ("==", ">=", "<=", ">", "<")


def close(found, wanted, digits=50):
    return abs(found - sp.N(wanted, 70)) < Rational(1, 10**digits)


# --- identity: relations and their borders ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "true"),
    [
        (sp.S.One, sp.S.One, RELATIONS),  # points do not tell a strict relation from a weak one
        (sp.Integer(2), sp.S.One, (">=", ">")),
        (sp.S.One, sp.Integer(2), ("<=", "<")),
        (BORDER, sp.S.Zero, RELATIONS),
        (-BORDER, sp.S.Zero, RELATIONS),
        (BORDER * Rational(101, 100), sp.S.Zero, (">=", ">")),
        (-BORDER * Rational(101, 100), sp.S.Zero, ("<=", "<")),
        (sp.I * BORDER, sp.S.Zero, RELATIONS),
        (sp.I * BORDER * Rational(101, 100), sp.S.Zero, ()),
        (sp.I, sp.S.Zero, ()),
        (sp.I, sp.I, RELATIONS),
        (LARGE, LARGE + Float("9e-42", 70), RELATIONS),  # relative for large numbers
        (LARGE, LARGE + Float("2e-41", 70), ("<=", "<")),
        (sp.oo, sp.oo, ()),
        (sp.oo, sp.S.Zero, ()),
        (sp.S.Zero, sp.oo, ()),
        (sp.nan, sp.nan, ()),
    ],
    ids=str,
)
def test_a_relation_holds_to_fifty_digits(left, right, true):
    assert [holds(left, right, relation) for relation in RELATIONS] == [rel in true for rel in RELATIONS]


# --- agreement: values against those by hand ----------------------------------------------------------------


def test_a_derivative_is_a_difference_and_no_derivative(monkeypatch):
    monkeypatch.setattr(sp.sin, "fdiff", lambda self, argindex=1: sp.S.Zero)
    third = Rational(1, 3)
    assert Derivative(sin(5 * r + 3), r).doit() == 0  # what a bug would make of it
    assert close(value(Derivative(sin(5 * r + 3), r), {r: third}), 5 * sp.cos(5 * third + 3))
    assert close(value(Derivative(sin(5 * r + 4), r), {r: third, x: sp.S.One}), 5 * sp.cos(5 * third + 4))


@pytest.mark.parametrize(
    ("expr", "point", "wanted"),
    [
        (Derivative(x**3 * y, x), {x: 2, y: 5}, 60),
        (Derivative(x**3, (x, 2)), {x: 2}, 12),
        (Derivative(x**3 * y**2, x, (y, 2)), {x: 2, y: 5}, 24),
        (Derivative(exp(2 * x), (x, n)), {x: 1, n: 3}, 8 * exp(2)),
        (Derivative(exp(sp.I * r), r), {r: 1}, sp.I * exp(sp.I)),
        (Derivative(sp.Integer(5) + 0 * x, x, evaluate=False), {x: 1}, 0),
        (Derivative((x - 1) ** 2, x) + 1, {x: 1}, 1),
        (x * Integral(Derivative(exp(y * x), y), (x, 0, 1)), {x: 3, y: 1}, 3),
        (sp.Subs(x * y, x, 3), {y: 2}, 6),
        (sp.sqrt(x), {x: -1}, sp.I),
    ],
    ids=str,
)
def test_values_are_those_by_hand(expr, point, wanted):
    found = value(expr, {s: sp.sympify(number) for s, number in point.items()})
    assert close(sp.re(found), sp.re(wanted))
    assert close(sp.im(found), sp.im(wanted))


def test_values_have_seventy_digits():
    assert value(sp.sqrt(2) + x, {x: sp.S.Zero}) == sp.sqrt(2).n(70)


def test_a_slope_next_to_0_is_0():
    for size, wanted in ((Rational(1, 10**102), 0), (Rational(1, 10**98), Rational(1, 10**98))):
        assert close(value(Derivative(size * x, x), {x: sp.S.One}), wanted, digits=140)


class Opaque(sp.Function):
    """SymPy knows nothing of it, and cannot work it out."""

    def doit(self, **_):
        raise NotImplementedError


def test_what_cannot_be_worked_out_is_no_number():
    assert value(Opaque(x), {x: sp.S.One}) is sp.nan
    assert value(1 / x, {x: sp.S.Zero}) is sp.zoo


# --- the points ---------------------------------------------------------------------------------------------

LOW = SimpleNamespace(randint=lambda low, high: low)  # the ends of what can be drawn
HIGH = SimpleNamespace(randint=lambda low, high: high)


@pytest.mark.parametrize(
    ("assumed", "lowest", "highest"),
    [
        ({}, -14 - sp.I * Rational(1497, 500), Rational(14, 3) + sp.I * Rational(1497, 500)),
        ({"real": True}, -14, Rational(14, 3)),
        ({"integer": True}, -14, 9),
        ({"irrational": True}, -14 * sp.sqrt(2), sp.sqrt(2) * Rational(14, 3)),
        ({"transcendental": True}, -14 * sp.pi, sp.pi * Rational(14, 3)),
        ({"imaginary": True}, -14 * sp.I, sp.I * Rational(14, 3)),
        ({"complex": True}, -14 - sp.I * Rational(1497, 500), Rational(14, 3) + sp.I * Rational(1497, 500)),
    ],
    ids=str,
)
def test_what_is_drawn_first(assumed, lowest, highest):
    symbol = sp.Symbol("s", **assumed)
    assert (draw(symbol, LOW), draw(symbol, HIGH)) == (lowest, highest)
    assert allowed(sp.sympify(lowest), symbol)


@pytest.mark.parametrize(
    ("interval", "lowest", "highest"),
    [
        ((2, 4), Rational(2002, 1000), Rational(3998, 1000)),  # never an end
        ((0.25, 0.5), Rational(1001, 4000), Rational(1999, 4000)),  # exact
        ((0, sp.oo), None, Rational(14, 3)),
        ((-sp.oo, 0), -14, None),
        ((5, sp.oo), None, 9),
        ((9, sp.oo), None, None),  # 9 is an end
        ((-14, sp.oo), -9, Rational(14, 3)),  # so is -14, and there are whole numbers
        ((-sp.oo, -14), None, None),
        ((-sp.oo, sp.oo), -14, Rational(14, 3)),
    ],
    ids=str,
)
def test_what_is_drawn_from_an_interval(interval, lowest, highest):
    for generator, wanted in ((LOW, lowest), (HIGH, highest)):
        if wanted is None:
            with pytest.raises(ValueError, match=r"cannot draw a number in \("):
                draw(r, generator, interval)
        else:
            found = draw(r, generator, interval)
            assert found == wanted
            assert found.is_Rational


def test_points_differ_from_one_another_and_lie_inside():
    generator = random.Random(0)
    points = [draw(r, generator, (-3, Rational(1, 2))) for _ in range(20)]
    assert len(set(points)) > 15
    assert all(-3 < point < Rational(1, 2) for point in points)


# --- failure ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", [(2, 1), (1, 1), (sp.oo, 0)])
def test_an_interval_that_is_empty_is_refused(interval):
    with pytest.raises(ValueError, match=r"domain\[r\] must be two numbers in order"):
        draw(r, random.Random(0), interval)


def test_what_no_number_can_be_is_not_drawn():
    with pytest.raises(ValueError, match="cannot draw a number with the assumptions of s"):
        draw(sp.Symbol("s", infinite=True), LOW)


@pytest.mark.parametrize(
    ("candidate", "symbol", "fits"),
    [
        (sp.Integer(2), n, True),
        (sp.S.Zero, n, False),
        (Rational(1, 2), n, False),
        (sp.I, r, False),
        (sp.I, x, True),
        (y, r, False),  # nothing is known of it
    ],
)
def test_a_value_fits_when_it_is_known_to_have_every_property(candidate, symbol, fits):
    assert allowed(candidate, symbol) is fits
