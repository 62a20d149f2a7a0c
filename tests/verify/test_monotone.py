"""Each rule for a sign is sound by itself: it shows what it can and refuses what is nearly true."""

from __future__ import annotations

import pytest
import sympy as sp
from sympy import I, Rational, S, cos, cosh, exp, gamma, log, oo, pi, sin, sqrt, tan

from lemmata.verify import monotone
from lemmata.verify.monotone import Prover, between, constant_above, inner, is_zero, parametrised

y = sp.Symbol("y", real=True)
z = sp.Symbol("z")
LINE, RAY, UNIT, TWO = (-oo, oo), (S.Zero, oo), (S.Zero, S.One), (S.Zero, S(2))
HERE = Rational(6, 5)  # a place at which no rule looks


def prover(seconds=20.0):
    return Prover(y, seconds)


def above(f, interval, strict=False, **depth):
    return prover().above(sp.sympify(f), interval, strict, **depth)


def smooth(f, interval, depth=1):
    return prover().smooth(sp.sympify(f), interval, depth)


# --- identity -----------------------------------------------------------------------------------------------


def test_an_interval_is_covered_by_one_symbol():
    for interval, middle, ends in (
        ((S(-1), S(3)), 1, (-1, 3)),
        ((S(2), oo), 3, (2, oo)),
        ((-oo, S(2)), 1, (2, -oo)),
    ):
        inside = parametrised(interval)
        (u,) = inside.free_symbols
        assert u.is_positive
        assert inner(interval) == middle
        assert (sp.limit(inside, u, 0), sp.limit(inside, u, oo)) == ends
    assert parametrised(LINE).is_real
    assert not parametrised(LINE).is_positive


def test_a_place_is_between_the_ends_and_not_at_them():
    assert between(pi / 2, (S.Zero, pi))
    assert between(S(3), (S(2), oo))
    assert between(S(-3), LINE)
    for c, interval in (
        (S.Zero, TWO),
        (S(2), TWO),
        (S(-1), TWO),
        (S(3), TWO),
        (pi, (S.Zero, pi)),
        (S(3), (-oo, S(2))),
        (I, TWO),
    ):
        assert between(c, interval) is False


def test_the_sign_of_a_constant():
    nothing = sqrt(2) + sqrt(3) - sqrt(5 + 2 * sqrt(6))
    tiny = Rational(1, 10**50)
    assert constant_above(pi - 3, True)
    assert constant_above(oo, True)
    assert constant_above(sqrt(2) - Rational(14142, 10000), True)
    assert constant_above(nothing + tiny, True)
    assert constant_above(sp.Integral(exp(-(y**2)), (y, 0, 1)), True)  # whose sign SymPy does not know
    for zero in (S.Zero, nothing):
        assert constant_above(zero, False)
        assert constant_above(zero, True) is False
    for other in (-pi, -oo, nothing - tiny, sqrt(2) - Rational(14143, 10000), y, I, sp.zeta(3, 2) * I):
        assert constant_above(other, False) is False


def test_zero_is_zero_and_not_nearly():
    nothing = sqrt(2) + sqrt(3) - sqrt(5 + 2 * sqrt(6))
    assert is_zero(S.Zero)
    assert is_zero(nothing)
    for other in (S.One, nothing + Rational(1, 10**30), nothing + 1, y, oo, log(2) - Rational(69, 100)):
        assert is_zero(other) is False


def test_one_sided_limits():
    limit = prover().limit
    assert limit(1 / y, S.Zero, "+") == oo
    assert limit(1 / y, S.Zero, "-") == -oo
    assert limit(sp.atan(1 / y), S.Zero, "+") == pi / 2
    assert limit(sp.atan(1 / y), S.Zero, "-") == -pi / 2
    assert limit(sp.atan(y), -oo, "+") == -pi / 2
    assert limit(y * exp(-y) + 2, oo, "-") == 2
    assert limit(exp(y), oo, "-") == oo
    assert limit(y**2 + pi, S(3), "+") == 9 + pi


def test_what_is_smooth():
    assert smooth(sqrt(2), LINE) is True
    for f, interval in (
        (y, LINE), (y**2 + exp(y) * sin(y), LINE), (1 / y, RAY), (1 / (y - 1), UNIT), (sqrt(y), RAY),
        (y**y, RAY),
        (2**y, LINE), (log(y), RAY), (gamma(y), RAY), (sp.digamma(y + 1), RAY), (sp.asin(y), (S(-1), S.One)),
        (sp.atanh(y), UNIT), (sp.acosh(y), (S.One, oo)), (tan(y), (-pi / 2, pi / 2)), (tan(y),
        (2 * S.One, S(4))),
    ):  # fmt: skip
        assert smooth(f, interval), f


def test_each_rule_shows_what_it_is_for():
    p = prover()
    assert p._by_assumptions(y**2 + 1, LINE, True)
    assert p._by_assumptions(y**2, LINE, False)
    assert p._by_assumptions(1 - y, UNIT, True)
    for f, interval in (
        (y**2 - 2, (Rational(3, 2), S(2))), (y * (1 - y), UNIT), (y, RAY), (y**2 - y + 1, LINE),
        (-y / 3, (-oo, S.Zero)),
        (y**3 - y, (S.One, oo)),
    ):  # fmt: skip
        assert p._polynomial(f, interval), f
    for f, interval in (
        (sin(y), (S.Zero, pi)), (cos(2 - y), (2 - pi / 2, S(2))), (cos(y), (-pi / 2, pi / 2)), (tan(y),
        (S.Zero, pi / 2)),
        (sin(2 * y + 1), (Rational(-1, 2), S.One)),
    ):  # fmt: skip
        assert p._wave(f, interval), f
    for f, interval, strict in (
        ((exp(y) - 3) ** 2, TWO, False), ((exp(y) + 1) ** 2, TWO, True), (sqrt(exp(y) - 1), UNIT, True),
        (exp(y) * (1 - y), UNIT, True), ((y - 1) * log(y), UNIT, True), ((exp(y) - 3) ** 2 * y, TWO, False),
        ((exp(y) - 8) ** -2, TWO, True),
    ):  # fmt: skip
        assert p._product(f, interval, strict, 4), f
    for f, interval in (
        (2 + sin(y), LINE),
        (exp(y) - y, UNIT),
        (pi - y, (S.Zero, sqrt(3))),
        (y - 3, (pi, S(4))),
    ):
        assert p._balls(f, interval, True), f


def test_calculus_goes_from_the_end_at_which_the_limit_is_known():
    f = exp(y) - 1 - y
    assert above(f, RAY, True, depth=2)
    assert above(f, RAY, True, depth=1) is False  # two slopes are needed
    assert above(f, (-oo, S.Zero), True, depth=2)  # falls to 0
    arch = sin(y) - 2 * y / pi  # concave, 0 at both ends
    assert prover()._concave(arch, cos(y) - 2 / pi, (S.Zero, pi / 2), True, 1)
    assert prover()._concave(arch, cos(y) - 2 / pi, (S.Zero, 2 * S.One), True, 1) is False
    assert prover()._concave(-arch, 2 / pi - cos(y), (S.Zero, pi / 2), True, 1) is False
    hill = log(1 + y) + 1 - y / 4
    assert prover()._concave(hill, 1 / (1 + y) - Rational(1, 4), (S.Zero, S(4)), True, 1)


def test_the_line_is_cut_where_a_function_or_its_slope_is_zero():
    f, slope = exp(y) - 1 - y, exp(y) - 1
    assert prover()._cut(f, slope, LINE, False, 3)
    assert prover()._cut(f, slope, LINE, True, 3) is False
    assert prover()._cut(f, slope, RAY, False, 3) is False  # no place
    assert prover()._cut(f, slope, LINE, False, 2) is False
    assert prover()._cut(y * exp(y), (y + 1) * exp(y), LINE, False, 3) is False


def test_a_constant_needs_no_interval():
    assert above(pi - 3, LINE, True)
    assert above(0, LINE)
    assert above(0, LINE, True) is False
    assert above(3 - pi, LINE) is False


# --- failure ------------------------------------------------------------------------------------------------


def test_what_is_not_smooth():
    for f, interval in (
        (I, LINE), (1 / y, LINE), (1 / (y**2 + y**4), LINE), (1 / (y - HERE), TWO), (sqrt(y), LINE),
        (sqrt(y**2), (S(-1), S.One)),
        ((y**2 + y**4) ** y, LINE), ((-2) ** y, LINE), (log(y), LINE), (log(y**2 + y**4), LINE),
        (gamma(y), LINE),
        (sp.asin(y), (-HERE, HERE)), (sp.acos(y), (S(-2), S.One)), (sp.atanh(1 - y**2), (S(-1), S.One)),
        (sp.acosh(y), RAY), (sp.acosh(1 + y**2), LINE), (tan(y), (S.Zero, S(3))), (sp.Abs(y), RAY),
        (sp.floor(y), UNIT),
        (exp(1 / y), LINE), (1 / y + 1, LINE),
    ):  # fmt: skip
        assert smooth(f, interval) is False, f


def test_signs_multiply_however_small_the_number():
    """What is below the tolerance of the first look is no less negative."""
    for f in (-y / 10**40, -exp(y) / 10**40, -(10**-40) * sin(y), y * (y - 1), -y * log(2 + y) / 10**35):
        assert above(f, UNIT, depth=1) is False, f
    assert prover()._product(-exp(y) / 10**40, UNIT, False, 4) is False


def test_no_proof_leans_on_itself():
    assert above(-cos(y), (pi / 2, 3 * pi / 2 + Rational(1, 100)), depth=0) is False


def test_each_rule_refuses_what_is_nearly_true():
    p = prover()
    assert p._by_assumptions(y**2, LINE, True) is False
    assert p._by_assumptions(1 - y, TWO, False) is False
    for f, interval in (
        (y**2 - 2, (S.One, S(2))), (y - 1, UNIT), ((y - 1) ** 2, TWO), (-(y**2) - 1, LINE), (y, LINE),
        (y * sqrt(2), RAY),
        (y, (S.Zero, pi)), (exp(y), UNIT), (y**2 * (1 - y) * (y - HERE), TWO), (y * z, RAY),
        (y - 1, (S.Zero, S(3))),
    ):  # fmt: skip
        assert p._polynomial(f, interval) is False, f
    tiny = Rational(1, 100)
    for f, interval in (
        (sin(y), (S.Zero, pi + tiny)), (sin(y), (-tiny, S(3))), (cos(y), (-pi / 2, pi / 2 + tiny)),
        (cos(y), (-2 * S.One, S.One)),
        (tan(y), (S.Zero, pi / 2 + tiny)), (tan(y), (-tiny, S.One)), (sin(y**2), UNIT), (sin(y), RAY),
        (exp(y), UNIT),
        (sin(exp(y)), UNIT), (sin(2 * y), (S.Zero, pi)), (sin(y), (pi, 2 * pi)),
    ):  # fmt: skip
        assert p._wave(f, interval) is False, f
    root = exp(y) - exp(HERE)
    for f, interval, strict in (
        (root**2, TWO, True), (root**-2, TWO, False), (root**3, TWO, False), (exp(y) + 1, UNIT, True),
        (sqrt(root), TWO, False),
        ((cosh(y) - 1) ** -1, LINE, False), (root**2 * y, TWO, True), (root * y, TWO, False),
        (-exp(y), UNIT, False),
    ):  # fmt: skip
        assert p._product(f, interval, strict, 4) is False, f
    for f, interval, strict in (
        (1 + sin(y), LINE, True), (y, UNIT, True), (y, (S(-1), S.One), False), (log(y), LINE, False),
        (exp(y) - y - 1, RAY, False),
        (pi - y, (S.Zero, Rational(22, 7)), True), (z + 1, UNIT, True), (y - pi, (pi, S(4)), True),
    ):  # fmt: skip
        assert p._balls(f, interval, strict) is False, f


def test_a_box_holds_its_interval_however_far_out_it_is():
    far = pi * 10**40
    low = sp.Rational(sp.N(far, 60)) + Rational(1, 10**15)
    assert prover()._balls(y - low, (far, far + 1), True) is False
    assert prover()._balls(y - low + Rational(1, 10**14), (far, far + 1), True)


def test_nothing_is_not_above_nothing():
    nothing = sin(y) ** 2 + cos(y) ** 2 - 1
    p = prover()
    hidden = sin(2 * y) - 2 * sin(y) * cos(y)
    p.limit = lambda f, end, side: S.Zero
    assert p._concave(hidden, sp.diff(hidden, y), UNIT, True, 0) is False
    assert p._calculus(nothing, UNIT, True, 4) is False
    assert p._calculus(nothing, UNIT, False, 4)


def test_a_minimum_between_the_ends_is_seen():
    bump = (y - HERE) ** 2 - Rational(1, 10**8)
    assert above(bump, RAY, depth=1) is False
    for f in (exp(y) * bump, 1 / bump):
        assert above(f, RAY, depth=0) is False, f
    assert smooth(1 / bump, RAY) is False
    assert smooth(log(bump), RAY) is False
    assert above(1 / (cosh(y) - 1), LINE, depth=0) is False
    low = sin(y) - 2 * y / pi - Rational(1, 10**9)
    assert prover()._concave(low, cos(y) - 2 / pi, (S.Zero, pi / 2), False, 1) is False


def test_a_limit_that_numbers_contradict_is_no_number(monkeypatch):
    limit = prover().limit
    assert limit(sin(1 / y), S.Zero, "+") is S.NaN
    assert limit(sqrt(y), S.Zero, "-") is S.NaN
    assert limit(sp.Function("h")(y), S.Zero, "+") is S.NaN
    for f, end, wrong in (
        (exp(y), S.Zero, S(2)),
        (1 / y, S.Zero, -oo),
        (y, S.Zero, oo),
        (y, S.Zero, sp.zoo),
        (y, S.One, S.Zero),
    ):
        monkeypatch.setattr(monotone.sp, "limit", lambda *_, wrong=wrong: wrong)
        assert limit(f, end, "+") is S.NaN, f
    monkeypatch.setattr(monotone.sp, "limit", lambda *_: S(20))
    assert limit(y + Rational(41, 2), S.Zero, "+") == 20  # as near as such a look can tell


def test_the_first_look():
    look = prover()._probe
    for f, interval in (
        (y, RAY),
        (y - 1, (S.One, oo)),
        (1 - y, UNIT),
        (y**2, LINE),
        (-y, (-oo, S.Zero)),
        (-y / 10**40, UNIT),
    ):
        assert look(f, interval), f
    for f, interval in (
        (y, LINE), (-y, LINE), (y + 100, LINE), (-y / 10**20, UNIT), (sqrt(-y), RAY), (I * y, RAY),
        (1 / (y - 1), TWO), (-y, RAY), (y - 1, RAY),
        (100 - y, RAY), (sp.Function("h")(y), RAY),
    ):  # fmt: skip
        assert look(f, interval) is False, f
    assert look(S.One, RAY)
    assert look(S.Zero, RAY)
    assert look(S(-1), RAY) is False


def test_places_are_roots_inside():
    def places(f, interval):
        return prover()._places(f, sp.diff(f, y), interval)

    assert places(y**2 - 3 * y + 2, RAY) == [1, 2, Rational(3, 2)]
    assert places(y**2 - 3 * y + 2, (S.One, S(2))) == [Rational(3, 2)]
    assert places(y**2 + 1, RAY) == []
    assert places(y * (y**2 + 4), LINE) == [0]


def test_after_its_time_nothing_is_shown():
    assert prover(-1.0).above(y**2 + 1, LINE, True) is False


@pytest.mark.parametrize("strict", [True, False])
def test_what_was_tried_is_not_tried_again(strict, monkeypatch):
    p = prover()
    assert p.above(y + 1, RAY, strict)
    monkeypatch.setattr(p, "_above", None)
    assert p.above(y + 1, RAY, strict)
