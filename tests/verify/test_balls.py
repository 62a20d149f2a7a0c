"""Balls hold the true value or are not finite, and subdivision decides or says that it cannot."""

from __future__ import annotations

import math
from fractions import Fraction

import flint
import mpmath
import pytest
import sympy as sp
from flint import arb

from lemmata.verify import balls
from lemmata.verify.balls import (
    Enclosure,
    Undecided,
    ball,
    enclose_supremum,
    exact,
    fraction,
    halves,
    middle,
    minimum_sign,
    rational_box,
    real_diff,
    rounded,
    to_ball,
    to_fraction,
    worked_out,
)

x, y, t = sp.symbols("x y t")
k = sp.Symbol("k", integer=True)
HALF = Fraction(1, 2)


@pytest.fixture(autouse=True)
def _precision():
    with flint.ctx.workprec(balls.PRECISION):
        yield


def at(expr, *point):
    """The ball of an expression at x, and perhaps y."""
    return ball(sp.sympify(expr), dict(zip((x, y), (to_ball(Fraction(v)) for v in point), strict=False)))


def over(expr, low, high):
    return ball(expr, {x: to_ball(Fraction(low)).union(to_ball(Fraction(high)))})


def box(low, high):
    return {x: (Fraction(low), Fraction(high))}


def is_exactly(found, value):
    return found.is_exact() and fraction(found) == value


# --- identity -----------------------------------------------------------------------------------------------


def test_rational_arithmetic_is_exact():
    assert is_exactly(at(3 * x**2 - x / 2 + 1, 2), 12)
    assert is_exactly(at((-x) ** 3, 2), -8)
    assert is_exactly(at(x**-2, 2), Fraction(1, 4))
    assert is_exactly(at(x**-1, -4), Fraction(-1, 4))
    assert is_exactly(at(sp.Float(0.1), 0), Fraction(0.1))
    assert is_exactly(at(sp.sqrt(x) * y, 9, -2), -6)
    assert is_exactly(at(sp.Max(x, y, 1), 3, -2), 3)
    assert is_exactly(at(sp.Min(x, y, 1), 3, -2), -2)
    assert is_exactly(at(x**y, -2, 3), -8)
    assert [fraction(at(x * y, *v)) for v in ((1, 2), (-1, 2), (2, 1))] == [2, -2, 2]


def test_steps_and_parts_of_numbers():
    for value, step in ((3, 1), (-3, 0), (0, HALF)):
        assert is_exactly(at(sp.Heaviside(x), value), step)
    assert is_exactly(at(sp.sign(x) + sp.floor(x) + sp.Abs(x), Fraction(-5, 2)), Fraction(-3, 2))
    assert is_exactly(at(sp.ceiling(x), Fraction(-5, 2)), -2)
    assert at(sp.factorial(x), 4).overlaps(arb(24))


def test_an_even_power_is_not_negative_and_an_odd_one_is():
    assert over(x**2, -1, 1) >= 0
    assert over(x**6, -1, 2) >= 0
    assert not over(x**3, -1, 1) >= 0
    assert over(x**3, -1, 1).contains(arb(-1))
    assert not over(x**2, -1, 1) < arb(HALF.numerator) / 2
    assert not (over(x, -1, 1) ** 2).is_finite() or over(x**-2, 1, 2) > 0
    assert not over(x**-2, -1, 1).is_finite()


def test_floats_are_the_fractions_that_they_are_or_what_is_written():
    assert exact(0.1) == sp.Rational(3602879701896397, 36028797018963968)
    assert exact(x + 0.5) == x + sp.Rational(1, 2)
    assert to_fraction(0.1) == Fraction(1, 10)
    assert to_fraction(sp.Rational(-2, 3)) == Fraction(-2, 3)
    assert fraction(arb(3) / 4) == Fraction(3, 4)
    assert fraction(arb("inf")) == math.inf
    assert fraction(arb.nan(), -math.inf) == -math.inf


def test_a_box_is_cut_across_its_widest_side():
    wide = {x: (Fraction(0), Fraction(1)), y: (Fraction(-1), Fraction(3))}
    assert middle(wide) == {x: HALF, y: 1}
    assert halves(wide) == ({**wide, y: (-1, 1)}, {**wide, y: (1, 3)})
    assert halves({**wide, y: (5, 5 + HALF)})[0][x] == (0, HALF)


def test_points_are_shown_in_six_digits():
    assert rounded({x: Fraction(1, 3), y: 2}) == "x = 1/3, y = 2"
    assert rounded({x: Fraction(10**11, 3 * 10**11 + 1)}) == "x = 0.333333"
    assert rounded({x: 12345678901}) == "x = 12345678901"
    assert rounded({x: 123456789012}) == "x = 1.23457E+11"


def test_a_box_keeps_its_ends():
    assert rational_box({x: (0, 0.5)}) == {x: (0, HALF)}
    assert rational_box({x: (-1, "1/3")}) == {x: (-1, Fraction(1, 3))}
    p, n = sp.Symbol("p", positive=True), sp.Symbol("n", negative=True)
    assert rational_box({p: (0, 1), n: (-1, 0)}) == {p: (0, 1), n: (-1, 0)}


# --- agreement: with mpmath ---------------------------------------------------------------------------------

ONE_ARGUMENT = [
    (sp.exp, mpmath.exp), (sp.log, mpmath.log), (sp.sin, mpmath.sin), (sp.cos, mpmath.cos),
    (sp.tan, mpmath.tan),
    (sp.cot, mpmath.cot), (sp.sec, mpmath.sec), (sp.csc, mpmath.csc), (sp.asin, mpmath.asin),
    (sp.acos, mpmath.acos), (sp.atan, mpmath.atan), (sp.sinh, mpmath.sinh), (sp.cosh, mpmath.cosh),
    (sp.tanh, mpmath.tanh), (sp.coth, mpmath.coth), (sp.sech, mpmath.sech), (sp.csch, mpmath.csch),
    (sp.asinh, mpmath.asinh), (sp.atanh, mpmath.atanh), (sp.erf, mpmath.erf), (sp.erfc, mpmath.erfc),
    (sp.erfi, mpmath.erfi), (sp.erfinv, mpmath.erfinv), (sp.gamma, mpmath.gamma),
    (sp.digamma, mpmath.digamma),
    (sp.zeta, mpmath.zeta), (sp.sinc, mpmath.sinc), (sp.loggamma, mpmath.loggamma),
    (sp.LambertW, mpmath.lambertw),
    (sp.factorial, mpmath.factorial), (sp.Ei, mpmath.ei), (sp.Si, mpmath.si), (sp.Ci, mpmath.ci),
    (sp.li, mpmath.li), (sp.Shi, mpmath.shi), (sp.Chi, mpmath.chi),
    (lambda v: sp.polygamma(0, v), mpmath.digamma),
    (lambda v: sp.polygamma(1, v), lambda v: mpmath.psi(1, v)),
    (lambda v: sp.polygamma(2, v), lambda v: mpmath.psi(2, v)),
    (lambda v: v ** sp.Rational(-5, 3), lambda v: v ** (-mpmath.mpf(5) / 3)),
    (lambda v: sp.pi * v + sp.E - sp.EulerGamma * sp.Catalan,
     lambda v: mpmath.pi * v + mpmath.e - mpmath.euler * mpmath.catalan),
]  # fmt: skip


def test_functions_mean_what_they_mean_in_mpmath():
    with mpmath.workdps(40):
        for f, g in ONE_ARGUMENT:
            wanted = mpmath.re(g(mpmath.mpf(3) / 8))
            found = at(f(x), Fraction(3, 8))
            gap = abs(
                mpmath.mpf(fraction(found.mid()).numerator) / fraction(found.mid()).denominator - wanted
            )
            assert gap <= abs(wanted) * mpmath.mpf(10) ** -36, f
            assert found.rad() < 1e-40, f


def test_an_integral_is_a_ball():
    assert at(sp.Integral(t**2, (t, 0, x)), 3).overlaps(arb(9))


def test_the_derivative_is_that_on_the_real_line():
    assert real_diff(sp.Abs(x), x) == sp.sign(x)
    assert real_diff(x**2 * y, x) == 2 * x * y
    assert real_diff(x**2, y) == 0
    p = sp.Symbol("p", positive=True)
    assert real_diff(p**2 + sp.Abs(x) * p, p) == 2 * p + sp.Abs(x)


def test_the_mean_value_form_is_tighter_where_the_function_is_smooth():
    near = box(HALF, Fraction(51, 100))
    f = x - x**2
    tight = Enclosure(f, [x]).over(near)
    assert tight.rad() < 1e-3 < ball(f, {x: arb(0.505, 0.005)}).rad()
    assert tight.contains(arb(1) / 4 - arb(1) / 10000)
    assert Enclosure(sp.floor(x) + f, [x]).slopes is None
    step = Enclosure(sp.Heaviside(x) * x, [x])
    assert step.over(box(-1, 1)).contains(arb(1))
    assert step.slopes is None  # Dirac's delta has no ball
    kink = Enclosure(sp.Abs(x), [x]).over(box(-1, 2))
    assert kink.contains(arb(0))
    assert kink.contains(arb(2))


def test_derivatives_and_sums_are_worked_out_and_integrals_kept():
    area = sp.Integral(sp.exp(t), (t, 0, x))
    found = worked_out(area + sp.Derivative(x**2, x) + sp.Sum(k, (k, 1, 3)))
    assert found == area + 2 * x + 6
    nested = sp.Integral(sp.Integral(y, (y, 0, t)), (t, 0, x))
    assert worked_out(2 * nested) == 2 * nested


def test_signs_are_shown_on_the_whole_box_or_refuted_at_a_point():
    assert minimum_sign(x**2 - x + 1, box(-2, 2), strict=True, limit=100) > 1
    assert minimum_sign(x + 3, box(0, 1), strict=True, limit=1) == 1
    assert minimum_sign(-x, box(0, 1), strict=True, limit=1) == {x: HALF}
    point = minimum_sign(x**2 - x + sp.Rational(3, 16), box(0, 1), strict=False, limit=100)
    assert Fraction(1, 4) < point[x] < Fraction(3, 4)


def test_a_border_is_reached_and_not_crossed():
    touching = sp.Abs(x - sp.Rational(1, 2))
    assert minimum_sign(sp.floor(x) ** 2, box(0, 2), strict=False, limit=1) == 1
    assert minimum_sign(touching, box(0, 1), strict=True, limit=9) == {x: HALF}
    assert minimum_sign(x + sp.Rational(1, 8), box(0, 1), strict=True, limit=1) == 1


def test_a_supremum_is_enclosed_with_its_witness():
    low, high, where = enclose_supremum(x * (1 - x), box(0, 1), within=Fraction(1, 1000), limit=300)
    assert low <= Fraction(1, 4) <= high <= low + Fraction(1, 1000)
    assert abs(where[x] - HALF) < Fraction(1, 20)
    low, high, where = enclose_supremum(2 * x + 0 * y, box(0, 1), within=Fraction(2), limit=1)
    assert low == 1
    assert 2 <= high < 2 + Fraction(1, 10**6)
    assert where == {x: HALF}


def test_of_points_that_are_as_high_the_first_is_the_witness():
    low, _, where = enclose_supremum(x**2, box(-1, 1), within=Fraction(4, 5), limit=3)
    assert (low, where) == (Fraction(1, 4), {x: -HALF})


# --- failure ------------------------------------------------------------------------------------------------


class exp(sp.Function):  # a stranger of the same name
    pass


@pytest.mark.parametrize(
    "expr",
    [y, sp.I, sp.zeta(x, 3), sp.besselj(0, x), exp(x), sp.Heaviside(x, 1), sp.polygamma(y, x), sp.Mod(x, 2)],
    ids=str,
)
def test_what_has_no_ball_says_so(expr):
    with pytest.raises(ValueError, match="no ball"):
        at(expr, 1)


@pytest.mark.parametrize(
    ("expr", "value"),
    [
        (1 / x, 0), (sp.log(x), -1), (sp.sqrt(x), -1), (x ** sp.Rational(1, 3), -1), (sp.asin(x), 2),
        (sp.polygamma(1, x), 0), (sp.polygamma(1, x), Fraction(-1, 2)), (sp.polygamma(0, x), 0),
        (sp.gamma(x), -1),
        (sp.Ci(x), -1), (sp.li(x), -1), (sp.loggamma(x), Fraction(-1, 2)), (sp.LambertW(x), -1),
        (sp.acosh(x), 0),
    ],
    ids=str,
)  # fmt: skip
def test_where_there_is_no_real_value_the_ball_is_not_finite(expr, value):
    assert not at(expr, value).is_finite()
    assert not Enclosure(expr, [x]).over(box(Fraction(value) - 1, Fraction(value) + HALF)).is_finite()


@pytest.mark.parametrize("sides", [(1, 0), (1, 1), ("a", 1), (sp.pi, 4), (0, sp.oo), (sp.I, 1)], ids=str)
def test_a_box_that_is_none_is_refused(sides):
    with pytest.raises((ValueError, TypeError), match=r"in order|rational|box"):
        rational_box({x: sides})


def test_a_box_beyond_the_symbols_sign_is_refused():
    low, high = -Fraction(1, 10**9), Fraction(1, 10**9)
    for assumption, sides in (("nonnegative", (low, 1)), ("positive", (low, 1)), ("nonpositive", (-1, high)),
                              ("negative", (-1, high)), ("imaginary", (0, 1))):  # fmt: skip
        with pytest.raises(ValueError, match="assumptions"):
            rational_box({sp.Symbol("s", **{assumption: True}): tuple(map(sp.Rational, sides))})


def test_a_derivative_of_an_integral_has_no_ball():
    for outer in (
        sp.Derivative(sp.Integral(t * x, (t, 0, 1)), x),
        sp.Sum(sp.Integral(t, (t, 0, k)), (k, 1, 2)),
    ):
        with pytest.raises(ValueError, match="of an integral"):
            worked_out(outer)


def test_what_a_box_does_not_show_is_undecided():
    with pytest.raises(Undecided, match=r"near x = .* within") as caught:
        minimum_sign(x**2 - x + sp.Rational(1, 4), box(0, Fraction(4, 5)), strict=False, limit=50)
    assert caught.value.box[x][0] <= HALF <= caught.value.box[x][1]
    with pytest.raises(Undecided):
        minimum_sign(x**2 - x + 1, box(-2, 2), strict=True, limit=1)
    with pytest.raises(Undecided):
        enclose_supremum(x * (1 - x), box(0, 1), within=Fraction(1, 1000), limit=3)
    with pytest.raises(Undecided):
        enclose_supremum(1 / x, box(-1, 2), within=Fraction(1), limit=20)
    assert enclose_supremum(x, box(0, 1), within=Fraction(3, 8), limit=2)[0] == Fraction(3, 4)
    with pytest.raises(Undecided):
        enclose_supremum(x, box(0, 1), within=Fraction(3, 8), limit=1)


def test_each_side_must_have_a_value_on_the_box_and_at_a_violation():
    with pytest.raises(Undecided):
        minimum_sign(x**2 + 1, box(-1, 2), strict=True, limit=20, finite=[1 / x])
    assert minimum_sign(x + 3, box(1, 2), strict=True, limit=1, finite=[1 / x, sp.log(x)]) == 1
    with pytest.raises(Undecided):
        minimum_sign(-(x**2) - 1, box(-1, 1), strict=True, limit=1, finite=[1 / x])  # no value at 0
    assert minimum_sign(-(x**2) - 1, box(-1, 1), strict=True, limit=5, finite=[sp.cos(x)]) == {x: 0}


def test_subdivision_ends_at_small_boxes_and_after_some_time(monkeypatch):
    monkeypatch.setattr(balls, "SMALLEST", Fraction(1, 8))
    with pytest.raises(Undecided) as caught:
        minimum_sign(x**2, box(-1, 2), strict=True, limit=10**9, finite=[1 / x])
    assert Fraction(1, 20) < caught.value.box[x][1] - caught.value.box[x][0] < Fraction(1, 8)
    with pytest.raises(Undecided):
        enclose_supremum(1 / x, box(-1, 2), within=Fraction(1), limit=10**9)
    monkeypatch.setattr(balls, "SMALLEST", Fraction(0))
    monkeypatch.setattr(balls, "SECONDS", -1.0)
    with pytest.raises(Undecided):
        minimum_sign(x**2 - x + 1, box(-2, 2), strict=True, limit=10**9)
    with pytest.raises(Undecided):
        enclose_supremum(x * (1 - x), box(0, 1), within=Fraction(1, 1000), limit=10**9)


def test_a_box_is_small_when_each_of_its_sides_is(monkeypatch):
    monkeypatch.setattr(balls, "SMALLEST", Fraction(1, 8))
    flat = {x: (Fraction(0), Fraction(1, 16)), y: (Fraction(-2), Fraction(-1))}
    valley = y**2 + 3 * y + sp.Rational(23, 10)
    assert minimum_sign(x**2 + valley, flat, strict=True, limit=99) > 1
    low, high, _ = enclose_supremum(-(x**2) - valley, flat, within=Fraction(1, 20), limit=99)
    assert low <= -Fraction(1, 20) <= high <= low + Fraction(1, 20)


@pytest.mark.parametrize(("lower", "upper"), [(0, Fraction(1, 2**10_000)), (Fraction(-1, 2**10_000), 0)])
def test_ends_that_are_tiny_are_rounded_outwards_and_not_written_out(lower, upper):
    end = arb(2) ** -(10**12)
    end = end if upper else -end
    assert fraction(end, -math.inf) == lower
    assert fraction(end) == upper
    huge = 1 / end
    assert (fraction(huge, -math.inf), fraction(huge)) in (
        (2**10_000, math.inf),
        (-math.inf, -(2**10_000)),
    )
