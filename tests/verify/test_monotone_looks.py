"""What the prover looks at before it proves, where it cuts, how far it goes, and what it must not believe."""

from __future__ import annotations

import pytest
import sympy as sp
from sympy import Rational, S, acosh, cos, exp, log, oo, pi, sin, sqrt

from lemmata.verify import monotone
from lemmata.verify.monotone import Prover, is_zero

y = sp.Symbol("y", real=True)
LINE, RAY, UNIT, TWO = (-oo, oo), (S.Zero, oo), (S.Zero, S.One), (S.Zero, S(2))
BUMP = (y - Rational(6, 5)) ** 2 - Rational(1, 10**8)  # below 0 where nothing looks


def prover():
    return Prover(y, 20.0)


def above(f, interval, strict=False, **depth):
    return prover().above(f, interval, strict, **depth)


# --- what is not real is not a square -----------------------------------------------------------------------


def test_an_even_power_of_what_is_not_real_everywhere_has_no_sign():
    near = Rational(1, 1000)  # to 0, nearer than a look
    for base in (log(y - near), acosh(y + 1 - near)):
        assert above(base**2, TWO, depth=0) is False
    assert prover()._product((exp(y) - 3) ** 2, TWO, False, 0)


# --- which rule is asked, of which form ---------------------------------------------------------------------


RULES = ["_by_assumptions", "_polynomial", "_wave", "_product", "_balls", "_calculus"]
THREE = exp(2 * y) - 1 + 1 / (1 + exp(-y)) - exp(y) / (1 + exp(y))  # joined, it looks different


@pytest.mark.parametrize("rule", RULES)
def test_one_rule_that_knows_one_form_is_enough(rule, monkeypatch):
    for other in RULES:
        monkeypatch.setattr(Prover, other, lambda *_: False)
    monkeypatch.setattr(Prover, "smooth", lambda *_: True)
    assert above(THREE, UNIT) is False
    monkeypatch.setattr(Prover, rule, lambda _, form, *__: form == THREE)
    assert above(THREE, UNIT) is True


def test_the_joined_and_the_factored_form_are_looked_at_too(monkeypatch):
    f = 1 / (exp(y) - 1) - 1 / (exp(y) + 1)
    seen = []
    for rule in ("_by_assumptions", "_polynomial", "_wave", "_product"):
        monkeypatch.setattr(Prover, rule, lambda *_: False)
    monkeypatch.setattr(Prover, "_balls", lambda _, form, *__: seen.append(form))
    above(f, RAY, depth=0)
    assert seen == [f, 2 / ((exp(y) - 1) * (exp(y) + 1))]


def test_signs_by_assumptions_may_show_in_one_form_only():
    p = prover()
    assert p._by_assumptions(y**2 - 2 * y + 1, LINE, False)  # factored
    assert p._by_assumptions(y * (y + 1) - 1, (S.One, oo), True)  # expanded
    assert p._by_assumptions(y**2 + 2, LINE, False)
    assert p._by_assumptions(y**2 - 1, (S.One, oo), False)


def test_balls_on_the_line_may_touch_zero_unless_strict():
    for f, strict in ((1 + sin(y), False), (2 + sin(y), True), (2 + sin(y), False)):
        assert prover()._balls(f, LINE, strict)
    for f, strict in ((1 + sin(y), True), (sin(y) - 2, False), (sin(y), False)):
        assert prover()._balls(f, LINE, strict) is False
    assert prover()._balls(Rational(11, 10) + sin(y), RAY, False)


def test_an_end_too_far_to_write_is_no_box():
    far = -pi * 2**10050
    assert prover()._balls(y + pi * 2**10049, (far, S.One), True) is False


# --- how far calculus goes ----------------------------------------------------------------------------------


def series(terms):
    """exp(y) less the first terms of its series: so many slopes are needed."""
    return exp(y) - sum(y**k / sp.factorial(k) for k in range(terms))


def test_as_many_slopes_are_taken_as_are_needed_and_allowed():
    assert above(series(3), RAY, True, depth=3) is True
    assert above(series(3), RAY, True, depth=2) is False


def test_an_argument_is_shown_to_be_above_zero_by_its_slopes():
    assert prover().smooth(log(series(2)), RAY) is True
    assert prover().smooth(log(series(2)), RAY, 1) is False


def test_four_slopes_are_allowed_and_two_within_an_argument():
    p = prover()
    p._above = lambda f, interval, strict, depth: depth
    assert p.above(y, RAY, True) == 4
    assert p.smooth(log(y), RAY) == 2


def test_a_slope_may_vanish_on_the_way():
    assert above(y - sin(y), RAY, False, depth=1) is True
    assert above(sin(y) - y, (-oo, S.Zero), False, depth=1) is True
    assert above(y - sin(y) - Rational(1, 10**20), RAY, False, depth=1) is False


def test_a_limit_above_zero_need_not_be_left_strictly():
    p = prover()
    flat = sin(y) ** 2 + cos(y) ** 2 + exp(y) - exp(y)
    p._probe = lambda f, interval: True
    p.limit = lambda f, end, side: S.One
    assert p._calculus(flat, UNIT, True, 1) is True
    p.limit = lambda f, end, side: S.Zero
    assert p._calculus(flat, UNIT, True, 1) is False
    assert p._calculus(flat, UNIT, False, 1) is True
    for unknown in (S.NaN, S.NegativeOne):
        p.limit = lambda f, end, side, unknown=unknown: unknown
        assert p._calculus(flat, UNIT, False, 1) is False


def test_a_line_is_concave_and_positive_where_one_of_its_ends_is():
    ends = {S.Zero: S.Zero, S.One: S.One}
    p = prover()
    p.limit = lambda f, end, side: ends[end]
    assert p._concave(y, S.One, UNIT, True, 1) is True
    assert p._concave(y * (2 - y), 2 - 2 * y, UNIT, True, 1) is True
    for end in (S.Zero, S.One):
        for bad in (S.NaN, S.NegativeOne):
            p.limit = lambda f, at, side, end=end, bad=bad: bad if at == end else S.One
            assert p._concave(y, S.One, UNIT, False, 1) is False
    ends[S.One] = S.Zero
    p.limit = lambda f, end, side: ends[end]
    assert p._concave(y, S.One, UNIT, True, 1) is False
    assert p._concave(y, S.One, UNIT, False, 1) is True


def test_each_slope_costs_one_of_the_depth():
    p = prover()
    p.limit = lambda f, end, side: S.Zero
    p.above = lambda f, interval, strict, depth: depth
    assert p._calculus(exp(y) - 1, RAY, False, 3) == 2
    assert p._concave(sin(y), cos(y), (S.Zero, pi), False, 3) == 2


@pytest.mark.parametrize("missing", [(0, 1), (1, 2)])
def test_a_cut_needs_both_parts_and_the_place(missing):
    p = prover()
    p._places = lambda *_: [S.One]
    p.above = lambda f, part, strict, depth: part != missing
    assert p._cut(y, S.One, TWO, False, 1) is False
    p.above = lambda f, part, strict, depth: part in ((0, 1), (1, 2)) and depth == 3
    assert p._cut(y, S.One, TWO, True, 4) is True
    assert p._cut(y - 1, S.One, TWO, True, 4) is False
    assert p._cut(y - 1, S.One, TWO, False, 4) is True
    assert p._cut(y - 2, S.One, TWO, False, 4) is False


def test_three_places_are_tried():
    p = prover()
    places = [Rational(k, 10) for k in (1, 2, 3, 4)]
    p._places = lambda *_: places
    p.above = lambda f, part, strict, depth: places[2] in part
    assert p._cut(y, S.One, UNIT, False, 1) is True
    p.above = lambda f, part, strict, depth: places[3] in part
    assert p._cut(y, S.One, UNIT, False, 1) is False


# --- where it looks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [Rational(1, 200), Rational(1, 6), 1, 7, 150])
def test_the_first_look_is_near_both_ends_and_between(place):
    dip = (y - place) ** 2 - Rational(1, 10**12)
    assert prover()._probe(dip, RAY) is False
    assert prover()._probe(dip, LINE) is False
    assert prover()._probe(dip.subs(y, -y), LINE) is False
    assert prover()._probe(BUMP, RAY) is True


def test_the_first_look_forgives_what_rounding_may_do():
    assert prover()._probe(-(1 - exp(-y - 100)) * Rational(9, 10**31), RAY) is True
    assert prover()._probe(-(1 - exp(-y - 100)) * Rational(11, 10**31), RAY) is False


@pytest.mark.parametrize(
    ("f", "place"),
    [
        (exp(y) - 1, 0), (log(y), 1), (2**y - 1 / S(2), -1), (2**y - 4, 2), (4**y - 2, S.Half),
        (log(y) - 1, sp.E), (log(y) + 1, 1 / sp.E), (1 + cos(y), pi), (1 + cos(y), -pi),
        (1 - sin(y), pi / 2), (1 + sin(y), -pi / 2),
    ],
)  # fmt: skip
def test_places_where_functions_are_often_zero_need_no_equation_solved(f, place, monkeypatch):
    def no_method(*_):
        raise NotImplementedError

    monkeypatch.setattr(monotone.sp, "solve", no_method)
    around = (S(place) - Rational(1, 10), S(place) + Rational(1, 10))
    assert prover()._places(f, sp.diff(f, y), around) == [place]


def test_roots_that_are_not_real_are_no_places():
    for f in ((y**2 + 1) * (y - 3), y**5 - y - 1, (y**2 - 2) * (y**2 + y + 1)):
        places = prover()._places(f, S.One, LINE)
        assert all(place.is_real for place in places)
    assert places == [-sqrt(2), sqrt(2)]


def test_a_limit_is_compared_with_a_number_near_the_end(monkeypatch):
    limit = prover().limit
    shift = 1 - exp(-y)
    for claimed, there, believed in (
        (S(20), 22, True),
        (S(20), Rational(2215, 100), False),
        (S(-20), -22, True),
        (S(-20), 20, False),
        (oo, Rational(105, 10), True),
        (oo, Rational(95, 10), False),
        (-oo, Rational(-105, 10), True),
        (-oo, 20, False),
    ):
        monkeypatch.setattr(monotone.sp, "limit", lambda *_, claimed=claimed: claimed)
        assert (limit(there + shift, S.Zero, "+") is claimed) is believed, (claimed, there)
    for claimed, there in ((S(19), S(21)), (oo, S(10))):  # just not near enough
        monkeypatch.setattr(monotone.sp, "limit", lambda *_, claimed=claimed: claimed)
        assert limit(there, S.Zero, "+") is S.NaN


def test_a_limit_that_cannot_be_had_is_no_number(monkeypatch):
    def no_method(*_):
        raise NotImplementedError

    monkeypatch.setattr(monotone.sp, "limit", no_method)
    assert prover().limit(exp(y), S.Zero, "+") is S.NaN


def test_a_limit_is_looked_at_from_its_side_and_near_enough():
    limit = prover().limit
    assert limit(1 / (1 + exp(1 / y)), S.Zero, "+") == 0
    assert limit(1 / (1 + exp(1 / y)), S.Zero, "-") == 1
    assert limit(1 / log(y), S.Zero, "+") == 0
    assert limit(10**15 * y, S.Zero, "+") == 0
    assert limit((sin(y) - y + y**3 / 6) / y**5, S.Zero, "+") == Rational(1, 120)  # 100 digits cancel


def test_what_is_plainly_not_zero_is_not_simplified(monkeypatch):
    nothing = sqrt(2) + sqrt(3) - sqrt(5 + 2 * sqrt(6))
    asked = []
    monkeypatch.setattr(monotone.sp, "simplify", lambda c: asked.append(c))
    assert is_zero(nothing + Rational(15, 10**21)) is False
    assert asked == []
    assert is_zero(nothing + Rational(9, 10**21)) is False
    assert len(asked) == 1
