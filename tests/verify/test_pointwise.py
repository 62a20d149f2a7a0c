"""`compare` counts the points that tell something, and refutes at the first one where the relation fails."""

from __future__ import annotations

import pytest
import sympy as sp
from sympy import Abs, Derivative, Float, Integral, Limit, Piecewise, Rational, Sum, exp, floor

from lemmata.verify import claim, pointwise
from lemmata.verify.outcome import NotDecided, Refuted
from lemmata.verify.pointwise import compare, known_value

x, y = sp.symbols("x y")
r, u, v = sp.symbols("r u v", real=True)
p = sp.Symbol("p", positive=True)
k = sp.Symbol("k", integer=True)
ANY = Integral(exp(r), (r, 0, p))  # an integral whose number a test may choose
TINY, FINE = Rational(1, 10**30), Rational(1, 10**100)
demo = claim("demo")


@pytest.fixture
def known(monkeypatch):
    """Says what the second route finds for an integral."""

    def say(number, digits):
        monkeypatch.setitem(pointwise.SECOND_ROUTE, Integral, lambda _: (sp.sympify(number), digits))

    return say


@pytest.fixture
def looked_at(monkeypatch):
    """The points at which sides are compared, in order."""
    points, one = [], pointwise._one
    monkeypatch.setattr(pointwise, "_one", lambda *a: (points.append(a[-1]), one(*a))[1])
    return points


def differ(left, right, relation="=="):
    with pytest.raises(Refuted) as failure:
        compare(demo, sp.sympify(left), sp.sympify(right), relation)
    return failure.value


def undecided(left, right, match, **options):
    with pytest.raises(NotDecided, match=match):
        compare(demo, sp.sympify(left), sp.sympify(right), "==", **options)


# --- identity: what is equal is equal at as many points as are needed ---------------------------------------


@pytest.mark.parametrize("relation", ["==", ">=", "<="])
def test_equal_sides_agree_at_eight_points(looked_at, relation):
    assert compare(demo, (x + y) ** 2, x**2 + 2 * x * y + y**2, relation) == "8 random points"
    assert len(looked_at) == 8
    assert all(set(point) == {x, y} for point in looked_at)


def test_numbers_are_compared_once(looked_at):
    root = sp.sqrt(5 + 2 * sp.sqrt(6))
    assert compare(demo, sp.sqrt(2) + sp.sqrt(3), root, "==") == "one evaluation"
    assert compare(demo, Abs(sp.I - 1), sp.sqrt(2), "==") == "one evaluation"
    assert looked_at == [{}, {}]
    assert differ(sp.sqrt(2) + sp.sqrt(3), root + Rational(1, 10**40)).at == {}


def test_a_symbol_of_either_side_has_a_value():
    assert set(differ(x, y).at) == {x, y}


def test_the_points_depend_on_the_seed_alone(looked_at):
    for seed in ({}, {"seed": 0}, {"seed": 1}):
        compare(demo, x, x + 0 * y, "==", **seed)
    assert looked_at[:8] == looked_at[8:16] != looked_at[16:]


def test_a_domain_holds_the_points(looked_at):
    assert compare(demo, Abs(r), r, "==", {r: (Rational(1, 2), 3)}) == "8 random points"
    assert looked_at[0] == {r: 1}  # of 0, 1 and -1 the one that lies inside
    assert len(looked_at) == 9
    assert all(Rational(1, 2) < point[r] < 3 for point in looked_at)


def test_a_point_where_a_side_has_no_value_is_not_counted(looked_at):
    for seed in range(3):
        assert compare(demo, (k**2 - 9) / (k - 3), k + 3, "==", seed=seed) == "8 random points"
    assert len(looked_at) > 24


# --- agreement: numbers that two routes know to some digits -------------------------------------------------


def test_a_number_known_to_few_digits_counts_as_far_as_it_is_known(known):
    known(1 + Rational(9, 10**11), 12)  # the border is 1e-10
    assert compare(demo, ANY, p / p, "==") == "8 random points (integrals to 12 digits)"
    assert compare(demo, p / p + 0 * ANY, 2 - ANY + 0 * p, "==") == "8 random points (integrals to 12 digits)"
    known(1 + Rational(11, 10**11), 12)
    differ(ANY, 1)
    differ(1, ANY)


def test_the_border_of_what_is_known_is_agreement(known):
    border = Float(10, 50) ** -10
    known(border, 12)
    assert compare(demo, ANY, sp.S.Zero, "==").endswith("to 12 digits)")


def test_digits_are_relative_for_large_numbers(known):
    known(10**6 + Rational(1, 20000), 12)
    assert compare(demo, ANY, sp.Integer(10**6), "==").endswith("to 12 digits)")
    known(10**6 + Rational(1, 5000), 12)
    differ(ANY, 10**6)


def test_fifty_digits_leave_no_slack(known):
    known(1 + Rational(5, 10**49), 49)
    assert compare(demo, ANY, sp.S.One, "==").endswith("to 49 digits)")
    known(1 + Rational(5, 10**49), 50)
    differ(ANY, 1)


def test_fewer_than_twelve_digits_tell_nothing(known):
    known(2, 11)
    undecided(ANY, 1, "only 0 points")
    known(sp.nan, 0)
    assert known_value(ANY + 1, {p: sp.S.One}) == (sp.nan, 0)


def test_the_fewest_digits_of_several_integrals_are_what_is_known(monkeypatch):
    monkeypatch.setitem(pointwise.SECOND_ROUTE, Integral, lambda e: (e.limits[0][2], int(e.limits[0][2])))
    few, many = (Integral(exp(r), (r, 0, d)) for d in (20, 40))
    for whole in (few, few + many, many - few):
        assert known_value(whole, {})[1] == 20
    assert known_value(many, {}) == (sp.Float(40, 70), 40)


def test_integrals_sums_and_limits_go_the_second_way(monkeypatch):
    for kind in (Integral, Sum, sp.Product, Limit):
        monkeypatch.setitem(pointwise.SECOND_ROUTE, kind, lambda _: (sp.Integer(7), 30))
    for part in (Integral(x, (x, 0, r)), Sum(k, (k, 1, 3)), sp.Product(k, (k, 1, 3)), Limit(1 / x, x, 1)):
        assert known_value(2 * part + r, {r: sp.S.One}) == (Float(15, 70), 30)


def test_what_is_bound_further_out_or_differentiated_is_left_to_sympy():
    area = Integral(x * y, (y, 0, 1))
    assert known_value(sp.Subs(area, x, 3), {}) == (Float(1.5, 70), 70)
    slope = Derivative(Integral(exp(x * y), (y, 0, 1)), x)
    found, digits = known_value(slope, {x: sp.S.One})
    assert digits > 20
    assert abs(found - 1) < TINY  # ((x - 1) e**x + 1) / x**2 at 1
    found, digits = known_value(Derivative(x**3, x), {x: sp.Integer(2)})
    assert abs(found - 12) < TINY
    assert digits == 70


# --- failure: what differs somewhere ------------------------------------------------------------------------


def test_a_difference_is_shown_with_its_point():
    failure = differ(Abs(r), r)
    assert failure.at[r] == -1
    assert failure.found == "1.00000000000000 and -1.00000000000000"
    assert failure.expected == "Abs(r) == r"


@pytest.mark.parametrize("relation", ["<", ">"])
def test_equality_refutes_a_strict_relation(relation):
    assert "both sides equal" in differ((p + 1) ** 2, p**2 + 2 * p + 1, relation).found
    tiny = FINE if relation == "<" else -FINE
    assert compare(demo, p, p + tiny, relation) == "8 random points"  # equal to 70 digits, but not equal


def test_a_case_that_holds_at_one_point_is_looked_at(looked_at):
    assert differ(Piecewise((1, sp.Eq(r, 7)), (0, True)), 0).at == {r: 7}
    assert looked_at == [{r: 7}]
    assert differ(sp.sign(u) ** 2 + r, 1 + r).at[u] == 0


# --- failure: numbers that tell nothing ---------------------------------------------------------------------


def test_tiny_numbers_tell_nothing():
    undecided(exp(-1000 * (1 + p)), exp(-999 * (1 + p)), "only 0 points .* not tiny")


def test_the_time_is_limited(monkeypatch):
    monkeypatch.setattr(pointwise, "_one", lambda *_: 0)
    monkeypatch.setattr(pointwise, "_special", lambda *_: iter(int, 1))  # no end
    undecided(x, x, r"compared at 0 random points in 0\.1 s", seconds=0.1)


@pytest.mark.parametrize(
    ("left", "right", "tells"),
    [
        (1, 2, True),
        (0, 0, True),
        (Float(0, 70), Float(0, 70), True),  # what rounding leaves of 0
        (Float("5e-31", 70), Float("6e-31", 70), False),
        (Float("1.5e-30", 70), Float("1.7e-30", 70), True),
        (Float("5e-31", 70), 0, False),
        (0, Float("5e-31", 70), False),
        (Float("5e-31", 70), 1, True),
        (TINY, Float("5e-31", 70), True),  # the border itself is not tiny
        (Float("5e-31", 15), 0, True),  # known to few digits: it may be 0
        (Float("5e-31", precision=100), 0, True),
        (Float("5e-31", precision=101), 0, False),
        (sp.oo, 1, False),
        (1, sp.nan, False),
        (sp.zoo, sp.zoo, False),
        (1, x, False),
    ],
)
def test_what_two_numbers_tell(left, right, tells):
    assert pointwise._telling(sp.sympify(left), sp.sympify(right)) is tells


def test_a_number_between_bounds_tells_nothing():
    bounded = sp.AccumBounds(-1, 1)
    for left, right in ((bounded, sp.S.One), (sp.S.One, bounded)):
        assert pointwise._one(demo, left, right, "==", {}) == 0


# --- the points ---------------------------------------------------------------------------------------------


def special(symbols, *sides, domain=None):
    return [tuple(point.values()) for point in pointwise._special(symbols, sides, domain or {})]


def test_special_points_are_where_cases_begin_and_0_1_and_minus_1():
    step = Piecewise((1, r > 3), (0, True))
    assert special([r], step, r) == [(3,), (0,), (1,), (-1,)]
    assert special([r], r, step) == [(3,), (0,), (1,), (-1,)]
    assert special([r], step, r, domain={r: (0, 4)}) == [(3,), (1,)]
    assert special([p], Abs(p - 2)) == [(1,)]  # a positive symbol is neither 0 nor -1
    assert special([r, u], Abs(r), Abs(u))[:4] == [(0, 0), (0, 1), (0, -1), (1, 0)]


def test_there_are_at_most_twelve_special_points():
    assert len(special([r, u, v], Abs(r * u * v))) == 12
    assert special([], floor(sp.pi, evaluate=False)) == []


def test_there_are_no_special_points_without_cases_or_next_to_what_is_worked_out():
    assert special([r], r**2, r) == []
    for part in (Derivative(Abs(r), r), Integral(Abs(r), (r, 0, 1)), Limit(Abs(r), r, 0)):
        assert special([r], part, r) == special([r], r, part) == []


@pytest.mark.parametrize(
    ("number", "inside"),
    [(1, False), (Rational(3, 2), True), (2, False), (0, False), (3, False), (sp.I, False)],
)
def test_the_ends_of_an_interval_are_outside(number, inside):
    assert pointwise.inside(sp.sympify(number), (1, 2)) is inside
    assert pointwise.inside(sp.sympify(number), None) is True


def test_ten_times_as_many_points_are_tried_as_are_needed():
    assert len(list(pointwise._random([x], {}, 0))) == 80
    assert list(pointwise._random([], {}, 0)) == [{}]


def test_a_domain_outside_the_assumptions_is_refused_before_any_point_is_looked_at(looked_at):
    with pytest.raises(ValueError, match=r"in \(-2, -1\) with the assumptions of p"):
        compare(demo, (p + 1) ** 2, p**2 + 2 * p + 1, "==", {p: (-2, -1)}, seconds=0)
    assert looked_at == []
