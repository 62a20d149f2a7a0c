"""An integral is enclosed rigorously, or refused: the ball holds the truth, whatever the integrand does."""

from __future__ import annotations

import flint
import pytest
import sympy as sp
from flint import acb, arb
from sympy import Abs, Derivative, Integral, Max, Piecewise, Rational, erf, exp, log, oo, pi, sin, sqrt

from lemmata.verify import integrals
from lemmata.verify.balls import PRECISION, ball, to_ball, to_fraction
from lemmata.verify.integrals import integral_ball

t, s, x = sp.symbols("t s x")
r = sp.Symbol("r", real=True)
STEP = Piecewise((1, t < Rational(1, 2)), (3, t < 2), (7, True))
HALF, THIRD = Rational(1, 2), Rational(1, 3)


def enclosed(expr, **values):
    with flint.ctx.workprec(PRECISION):
        known = {sp.Symbol(name): to_ball(to_fraction(v)) for name, v in values.items()}
        return integral_ball(expr, known, ball)


def contains(found, wanted, digits=25):
    """Whether the truth lies in the ball, and the ball is small."""
    with flint.ctx.workprec(PRECISION):
        truth = ball(sp.sympify(wanted), {})
        return found.overlaps(truth) and found.rad() < arb(10) ** -digits


# --- identity: integrals with a closed form -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "low", "high", "wanted"),
    [
        (sp.Integer(2), 0, 3, 6),
        (t, 0, 1, HALF),
        (t, 1, 0, -HALF),
        (t, 1, 1, 0),
        (t**3 - 2 * t + 5, 0, 2, 10),
        (t**-2, 1, 2, HALF),
        (THIRD * t * (1 - t), 0, 1, Rational(1, 18)),
        (pi * t**2 + sp.E, 0, 1, pi / 3 + sp.E),
        (sqrt(t), 1, 4, Rational(14, 3)),
        (1 / sqrt(t), 1, 4, 2),
        (t**THIRD, 1, 8, Rational(45, 4)),
        (2**t, 0, 1, 1 / log(2)),
        (exp(2 * t), 0, 1, (sp.E**2 - 1) / 2),
        (log(t), 1, 2, 2 * log(2) - 1),
        (sin(t) * sp.cos(t), 0, pi, 0),
        (sin(t), 0, pi, 2),
        (sp.sinh(t) + sp.cosh(t), 0, 1, sp.E - 1),
        (sp.tan(t), 0, 1, -log(sp.cos(1))),
        (sp.cot(t), 1, 2, log(sin(2) / sin(1))),
        (sp.sec(t), 0, 1, log(sp.sec(1) + sp.tan(1))),
        (sp.csc(t) * sin(t) ** 2, 1, 2, sp.cos(1) - sp.cos(2)),
        (sp.tanh(t), 0, 1, log(sp.cosh(1))),
        (sp.coth(t), 1, 2, log(sp.sinh(2) / sp.sinh(1))),
        (sp.sech(t) * sp.cosh(t) ** 2, 0, 1, sp.sinh(1)),
        (sp.csch(t) * sp.sinh(t) ** 2, 1, 2, sp.cosh(2) - sp.cosh(1)),
        (sp.gamma(t + 1) / sp.gamma(t), 1, 2, Rational(3, 2)),
        (erf(t) + sp.erfc(t), 0, 2, 2),
        (sp.erfi(t) * exp(-(t**2)), 0, 0, 0),
        (exp(-(t**2)), 0, 1, sqrt(pi) * erf(1) / 2),
        (Derivative(t**3, t), 0, 2, 8),
        (STEP, 0, 3, HALF + Rational(9, 2) + 7),
        (STEP, 3, 0, -HALF - Rational(9, 2) - 7),
        (STEP, HALF, 2, Rational(9, 2)),  # the ends are where cases change
        (STEP, 2, HALF, -Rational(9, 2)),
        (STEP, 1, 1, 0),
        (STEP, -5, -4, 1),
        (t * STEP + 1, 0, 1, Rational(1, 8) + Rational(9, 8) + 1),
        (Piecewise((0, sp.Eq(t, HALF)), (t, True)), 0, 1, HALF),
        (Piecewise((5, (t > THIRD) & (t < HALF)), (0, True)), 0, 1, Rational(5, 6)),
    ],
    ids=str,
)
def test_an_integral_lies_in_its_ball(body, low, high, wanted):
    assert contains(enclosed(Integral(body, (t, low, high))), wanted)


def test_an_entire_function_that_has_no_closed_form():
    found = enclosed(Integral(sp.erfi(t), (t, 0, 1)))
    assert contains(found, sp.erfi(1) - (sp.E - 1) / sqrt(pi))


def test_a_kink_costs_digits_and_no_truth():
    assert contains(enclosed(Integral(Abs(t - THIRD), (t, 0, 1))), Rational(5, 18), digits=20)
    assert contains(enclosed(Integral(sqrt(t), (t, 0, 1))), Rational(2, 3), digits=20)


# --- agreement: parameters, a precision ---------------------------------------------------------------------


def test_parameters_have_their_values_and_the_bound_symbol_its_own():
    assert contains(enclosed(Integral(x * t**2, (t, 0, x)), x=2), Rational(16, 3))
    assert contains(enclosed(Integral(x * t**2, (t, 0, 1)), x=3, t=100), 1)
    assert contains(enclosed(Integral(t**2, (t, 0, t)), t=3), 9)  # the limit is another t
    assert contains(enclosed(Integral(x * STEP, (t, 0, 1)), x=3), 6)


def test_a_constant_is_worked_out_once_for_each_precision(monkeypatch):
    area, calls, enclose = Integral(exp(-(t**4)), (t, 0, 1)), [], integrals._enclosed
    monkeypatch.setattr(integrals, "_enclosed", lambda *a: (calls.append(a[0]), enclose(*a))[1])
    assert enclosed(area).overlaps(enclosed(area))
    assert calls == [area]
    with flint.ctx.workprec(60):
        coarse = integral_ball(area, {}, ball)
    assert coarse.overlaps(enclosed(area))
    assert calls == [area, area]
    enclosed(Integral(x * t, (t, 0, 1)), x=1)
    enclosed(Integral(x * t, (t, 0, 1)), x=2)
    assert len(calls) == 4


# --- failure: poles, branch cuts, no value ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "low", "high"),
    [
        (1 / t, -1, 2),
        (t**-2, -1, 1),
        (1 / (t - THIRD), 0, 1),
        (sp.tan(t), 0, 2),
        (sp.gamma(t), -HALF, 1),
        (sqrt(t), -1, 1),
        (sqrt(t), -2, -1),  # not real
        (log(t), -1, 1),
        (log(t), -2, -1),
        (t**THIRD, -1, 1),
        (t**pi, -2, -1),
        (sqrt(1 - t**2), -2, 2),
    ],
    ids=str,
)
def test_no_ball_holds_what_has_no_real_value(body, low, high):
    assert not enclosed(Integral(body, (t, low, high))).is_finite()


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (log(t**2), 4 * log(2) - 2),
        (sqrt(t**2), Rational(3, 2)),
        ((t**2) ** THIRD, Rational(3, 5) * (2 ** Rational(5, 3) - 1)),
        (Abs(t), Rational(3, 2)),
        (Abs(sin(pi * t)), 2 / pi),
    ],
    ids=str,
)
def test_a_cut_that_only_balls_in_the_complex_plane_meet_does_no_harm(body, wanted):
    assert contains(enclosed(Integral(body, (t, 1, 2))), wanted)


@pytest.mark.parametrize("body", [sqrt(t), log(t), t**THIRD, t**pi, Abs(t)], ids=str)
def test_a_function_is_nan_on_a_ball_where_it_is_not_analytic(body):
    centre = (0, 2) if body.has(Abs) else (-2, 0)  # a cut goes through the ball
    across = acb(*(arb(c, 0.5) for c in centre))
    assert not integrals._complex(body, {t: across}, True).is_finite()
    assert integrals._complex(body, {t: across}, False).is_finite()
    assert integrals._complex(body, {t: across + 9}, True).is_finite()


CORNERS = (Abs(t), sqrt(t**2), t**2 / Abs(t), Piecewise((-t, t < 0), (t, True)))


@pytest.mark.parametrize("body", CORNERS, ids=str)
def test_a_corner_is_not_taken_for_something_smooth(body):
    """Over (-1, 2) the integral of |t| is 5/2; |t| continued from one side has 3/2."""
    found = enclosed(Integral(body, (t, -1, 2)))
    with flint.ctx.workprec(PRECISION):
        assert not found.is_finite() or found.contains(arb(5) / 2)


def named(name):
    return type(name, (sp.Function,), {})


@pytest.mark.parametrize(
    "expr",
    [
        Integral(t, t),
        Integral(t, (t, 1)),
        Integral(t * s, (t, 0, 1), (s, 0, 1)),
        Integral(STEP, (t, 0, pi)),
        Integral(STEP, (t, pi, 4)),
        Integral(STEP, (t, 0, x)),
        Integral(Piecewise((1, t < x), (0, True)), (t, 0, 1)),
        Integral(Piecewise((1, t < sqrt(2)), (0, True)), (t, 0, 1)),
        Integral(Piecewise((1, t**2 < HALF), (0, True)), (t, 0, 1)),
        Integral(Piecewise((1, t < HALF), (0, t**2 < 9), (2, True)), (t, 0, 1)),
        Integral(Piecewise((1, t < HALF)), (t, 0, 1)),  # no value beyond
        Integral(x * t, (t, 0, 1)),  # no value of x
        Integral(sp.EulerGamma * t, (t, 0, 1)),
        Integral(sp.besselj(0, t), (t, 0, 1)),
        Integral(sp.zeta(t), (t, 2, 3)),
        Integral(sp.floor(t), (t, 0, 3)),
        Integral(Max(t, 1), (t, 0, 3)),
        Integral(sp.sign(t), (t, 0, 3)),
        Integral(sp.atan2(t, 1), (t, 0, 1)),
        Integral(sp.uppergamma(THIRD, t), (t, 1, 2)),
    ],
    ids=str,
)
def test_what_is_not_known_is_refused(expr):
    with pytest.raises(ValueError, match="no ball"):
        enclosed(expr)


@pytest.mark.parametrize(("low", "high"), [(0, oo), (-oo, 0), (-oo, oo)])
def test_infinite_limits_are_refused(low, high):
    for body in (exp(-(t**2)), STEP):
        with pytest.raises(ValueError, match="the limits must be finite"):
            enclosed(Integral(body, (t, low, high)))


@pytest.mark.parametrize(
    "body",
    [
        sp.Function("exp")(t),
        named("tanh")(t),
        named("log")(t),
        t + Integral(s**-2, (s, -1, t)),  # SymPy gives -1 - 1/t, and sees no pole
        t * Integral(exp(s), (s, 0, 1)),
        Derivative(Integral(s**-2, (s, -1, t)), t),
        Derivative(Piecewise((0, t < HALF), (1, True)), t),  # a delta, not 0
        Derivative(t * STEP, t),
        STEP + Derivative(t**2, t),  # SymPy takes cases out of a slope: they cannot be told apart
    ],
    ids=str,
)
def test_what_only_looks_like_a_function_is_refused(body):
    with pytest.raises(ValueError, match="no ball"):
        enclosed(Integral(body, (t, 0, 2)))
    with pytest.raises(ValueError, match="no ball"):
        enclosed(Integral(x * body, (t, 1, 2)), x=1)


def test_an_integral_that_takes_too_long_is_wide_and_true():
    found = enclosed(Integral(sin(1 / t), (t, Rational(1, 10**5), 1)))
    with flint.ctx.workprec(PRECISION):
        assert found.rad() > arb(10) ** -3 or not found.is_finite()
