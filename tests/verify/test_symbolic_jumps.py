"""A slope of something that jumps has a delta, which points and simplifiers do not see: it is not decided."""

from __future__ import annotations

import pytest
import sympy as sp
from sympy import Derivative, Eq, Heaviside, Integral, Piecewise, Rational, ceiling, cos, exp, floor, pi, sin

from lemmata.verify import claim, symbolic
from lemmata.verify.outcome import NotDecided

t, a = sp.symbols("t a", real=True)
p = sp.Symbol("p", positive=True)
n = sp.Symbol("n", integer=True, positive=True)
HUBER = Piecewise((-1 - 2 * t, t < -1), (t**2, t < 1), (2 * t - 1, True))
HALF = Rational(1, 2)
demo = claim("demo")


# --- identity: cases that join ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lhs", "rhs"),
    [
        (
            Derivative(Piecewise((p * t, t < 0), (t**2 + p * t, True)), t),
            Piecewise((p, t < 0), (2 * t + p, True)),
        ),
        (
            Derivative(HUBER, t),
            Piecewise((-2, t < -1), (2 * t, t < 1), (2, True)),
        ),  # not every case meets every
        (Derivative(HUBER.subs(t, -t), t), Piecewise((2, t > 1), (2 * t, t > -1), (-2, True))),
        (Derivative(Piecewise((0, t < 0), (t**3, True)), t, t), Piecewise((0, t < 0), (6 * t, True))),
        (Derivative(Piecewise((0, t < a), (t - a, True)), t), Piecewise((0, t < a), (1, True))),
        (Derivative(Piecewise((p * t, p < 1), (t * p**2, True)), t), Piecewise((p, p < 1), (p**2, True))),
        (Derivative(Piecewise((1, t < 0), (1 + sp.sqrt(t), True)) + p, p), 1 + 0 * t),
    ],
    ids=str,
)
def test_a_slope_of_cases_that_join_is_proved(lhs, rhs):
    assert demo.proved(lhs, rhs).kind == "proved"


def test_cases_that_are_not_differentiated_may_jump():
    step = Piecewise((1, t < 0), (2, True))
    assert demo.proved(step * (t + 1), Piecewise((t + 1, t < 0), (2 * t + 2, True))).kind == "proved"
    assert demo.proved(step + Derivative(p**2, p), 2 * p + step).kind == "proved"
    assert demo.proved(Integral(p * Piecewise((0, t < 1), (1, True)), (t, 0, 3)), 2 * p).kind == "proved"


@pytest.mark.parametrize(
    ("cases", "j", "border", "meets"),
    [
        (HUBER, 1, -1, True),
        (HUBER, 2, -1, False),
        (HUBER, 2, 1, True),
        (Piecewise((0, t < 0), (1, t < 1), (2, t < 5), (3, True)), 2, 1, True),
        (Piecewise((0, t < 0), (1, t < 1), (2, t < 5), (3, True)), 2, 5, True),
        (Piecewise((0, t < 0), (1, t < 1), (2, t < 5), (3, True)), 3, 1, False),
        (Piecewise((0, t < 0), (p, t < a), (1, True)), 1, 0, True),  # as far as SymPy knows
        (Piecewise((0, t < a), (1, True)), 1, a, True),
        (Piecewise((0, t < a), (1, (t < a) & (t > -2)), (2, True), evaluate=False), 1, -2, False),
    ],
    ids=str,
)
def test_a_border_meets_the_cases_that_hold_next_to_it(cases, j, border, meets):
    assert symbolic._meets(cases, j, t, sp.sympify(border)) is meets


@pytest.mark.parametrize(
    ("cases", "joined"),
    [
        (HUBER, True),
        (HUBER + 0 * p, True),
        (Piecewise((1, t < 1), (t, t < 3), (3, True)), True),
        (Piecewise((1, t < 1), (t, t < 3), (4, True)), False),
        (Piecewise((0, t < 1), (t, t < 3), (3, True)), False),
        (Piecewise((1, t < 1), (t, t > 0), (7, True), evaluate=False), True),  # nothing meets the border 0
        (Piecewise((1, t < p), (t / p, True)), True),
        (Piecewise((1, t < p), (t * p, True)), False),
    ],
    ids=str,
)
def test_cases_are_joined_when_they_agree_at_every_border(cases, joined):
    assert symbolic._joined(cases) is joined


# --- failure: what may jump ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lhs", "rhs"),
    [
        (Derivative(Piecewise((0, t < 0), (1, True)), t), 0),
        (Derivative(Piecewise((0, t > 0), (1, True)), t), 0),
        (Derivative(Piecewise((0, t**2 < 2), (1, True)), t), 0),  # where does it begin?
        (Derivative(Piecewise((0, t < exp(t) - 2), (1, True)), t), 0),
        (Derivative(Piecewise((0, t < 0), (t, sp.gamma(t) < 1), (1 + t, True)), t), HALF),
        (Derivative(Piecewise((0, sp.Contains(t, sp.S.Naturals)), (1, True)), t), 0),
        (Derivative(Piecewise((1, Eq(t, 0)), (0, True)), t), 0),
        (Derivative(Piecewise((0, t < 0), (t, True)), t, t), 0),  # the slope jumps
        (Derivative(Piecewise((0, t < 0), (t**2, True)), t, t, t), 0),
        (Derivative(Piecewise((0, t < 0), (exp(t), True)), (t, n)), Piecewise((0, t < 0), (exp(t), True))),
        (Derivative(Piecewise((0, t < 0), (p * exp(t), True)), p, (t, n)), 0),
        (Derivative(Piecewise((0, t < 0), (p, t < a), (p, True)), t), 0),  # a may be below 0
        (
            Derivative(Piecewise((0, t < 0), (t, t < 1), (2, True)), t),
            Piecewise((0, t < 0), (1, t < 1), (0, True)),
        ),
        (
            Derivative(Piecewise((0, (t >= 0) & (t < 1)), (sin(pi * t), t < 0), (7 * t, True)), t),
            Piecewise((0, (t >= 0) & (t < 1)), (pi * cos(pi * t), t < 0), (7, True)),
        ),
        (Integral(p * Derivative(Piecewise((0, t < 0), (t + 1, True)), t), (t, -1, 1)), p),
        (Derivative(floor(t), t), 0),
        (p + Derivative(ceiling(t), t), p),
        (Derivative(sp.frac(t), t), 1),
        (Derivative(Heaviside(t), t), 0),
        (0 * t + 5, 5 + p * Derivative(sp.sign(t), t)),
    ],
    ids=str,
)
def test_a_slope_of_what_may_jump_is_not_decided(lhs, rhs):
    for sides in ((lhs, rhs), (rhs, lhs)):
        with pytest.raises(NotDecided, match=r"[dD]elta") as failure:
            demo.proved(*sides)
        assert failure.value.expected == " and ".join(map(str, sides))


def test_the_first_part_that_may_jump_is_named():
    step = Piecewise((0, t < 0), (1, True))
    with pytest.raises(NotDecided, match=r"Piecewise\(\(0, t < 0\), \(1, True\)\) may jump"):
        demo.proved(Derivative(HUBER, t) + Derivative(step, t), Derivative(HUBER, t))
