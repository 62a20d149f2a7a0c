"""A number for an integral, a sum or a limit is believed when two ways agree; ball arithmetic heeds poles."""

from __future__ import annotations

import mpmath
import pytest
import sympy as sp
from sympy import Abs, Integral, Rational, Sum, exp, log, oo, pi, sin, sqrt

from lemmata.verify import ClaimFailed, claim, quadrature
from lemmata.verify.quadrature import integral, limit, series

t, x = sp.symbols("t x")
k = sp.Symbol("k", integer=True)
demo = claim("demo")


@pytest.mark.parametrize(
    ("function", "expr", "wanted"),
    [
        (integral, Integral(exp(-3 * t), (t, 0, oo)), Rational(1, 3)),
        (integral, Integral(Abs(t - Rational(1, 3)), (t, -1, 1)), Rational(10, 9)),
        (integral, Integral(log(t), (t, 0, 1)), -1),
        (integral, Integral(1 / (1 + t**2), (t, -oo, oo)), pi),
        (integral, Integral(sin(t), (t, pi, 0)), -2),
        (series, Sum(1 / k**2, (k, 1, oo)), pi**2 / 6),
        (series, Sum((-1) ** (k + 1) / k, (k, 1, oo)), log(2)),
        (series, Sum(Rational(9, 10) ** k, (k, 0, oo)), 10),
        (series, Sum(k, (k, 5, 1)), -9),  # Karr's convention
        (series, Sum(k, (k, 5, 4)), 0),
        (series, sp.Product(k, (k, 1, 5)), 120),
        (limit, sp.Limit((1 + 1 / t) ** t, t, oo), sp.E),
        (limit, sp.Limit(sin(t) / t, t, 0), 1),
    ],
    ids=lambda v: getattr(v, "__name__", str(v)),
)
def test_a_number_is_right_to_the_digits_that_are_said_to_be_known(function, expr, wanted):
    found, digits = function(expr)
    assert digits >= 12
    assert abs(found - sp.N(wanted, 70)) < sp.Float(10) ** (3 - digits) * (1 + abs(wanted))


@pytest.mark.parametrize(
    "expr",
    [Integral(1 / t**2, (t, -1, 1)), Integral(1 / t, (t, -1, 2)), Integral(1 / t, (t, 1, oo))],
    ids=str,
)
def test_what_does_not_converge_has_no_number(expr):
    assert integral(expr) == (sp.nan, 0)


def test_a_series_that_diverges_has_no_number():
    assert series(Sum(1 / k, (k, 1, oo))) == (sp.nan, 0)


def test_the_integral_of_dirichlet_is_not_minus_4():
    refuted = r"does not hold: refuted[^?]*1\.5707[0-9]* and 3\.1415"
    with pytest.raises(ClaimFailed, match=refuted):
        demo.proved(Integral(sin(t) / t, (t, 0, oo)), pi)
    assert demo.proved(Integral(sin(t) / t, (t, 0, oo)), pi / 2).kind == "proved"


def test_a_sum_that_may_run_backwards_says_so():
    n, m = sp.Symbol("n", integer=True), sp.Symbol("m", integer=True, positive=True)
    assert any("Karr" in line for line in demo.proved(Sum(k, (k, 1, n)), n * (n + 1) / 2).details)
    assert not any("Karr" in line for line in demo.proved(Sum(k, (k, 1, m)), m * (m + 1) / 2).details)


# --- ball arithmetic: both sides have a value everywhere ----------------------------------------------------


@pytest.mark.parametrize(
    ("lhs", "rhs", "box"),
    [
        (1 / x, 1 / x + x**2 + 1, (-1, 1)),
        (sqrt(x), sqrt(x) + 1 + x**2, (-1, 1)),
        (log(x) - 1 - x**2, log(x), (-1, 1)),
        (Integral(1 / t**2, (t, -1, 1)) + x, 5, (0, 1)),
        (x * 0 + Integral(1 / t, (t, -1, 2)) - 1 + x, 5, (0, 1)),
        (Integral(sqrt(t), (t, -1, 1)) + x, 5, (0, 1)),
    ],
    ids=str,
)
def test_a_side_without_a_value_inside_the_box_is_not_certified(lhs, rhs, box):
    with pytest.raises(ClaimFailed, match="not decided"):
        demo.certified(lhs, rhs, box={x: box}, limit=500)


def test_integrals_are_enclosed():
    area = Integral(exp(-(t**2)), (t, 0, 1)) * x
    assert demo.certified(area, Rational(747, 1000), box={x: (0, 1)}).kind == "certified"
    with pytest.raises(ClaimFailed, match="refuted"):
        demo.certified(area, Rational(746, 1000), box={x: (Rational(1, 2), 1)})
    root = Integral(sqrt(t), (t, 0, 1))
    assert demo.certified(root * x, Rational(667, 1000), box={x: (0, 1)}).kind == "certified"


def test_a_supremum_is_printed_as_what_was_shown():
    peak = demo.supremum(x * exp(-x), exp(-1), box={x: (0, 10)})
    assert r"\left|\sup" in peak.statement
    assert r"\le 10^{-9}" in peak.statement


def test_an_integral_is_cut_where_its_cases_change():
    step = sp.Piecewise((0, t < Rational(1, 2)), (1, True))
    assert demo.counterexample(Integral(2 * step, (t, 0, Rational(3, 4))), 1).kind == "counterexample"
    with pytest.raises(ClaimFailed, match="to fail"):
        demo.counterexample(Integral(2 * step, (t, 0, 1)), 1)


# --- pieces: where an integral is cut, how sums end, when two ways agree ------------------------------------


def f_of(expr):
    return quadrature._function(t, sp.sympify(expr))


def test_a_piece_is_halved_inside_it():
    low, high = -mpmath.inf, mpmath.inf
    assert quadrature._halves(mpmath.mpf(2), mpmath.mpf(6), 0.25) == [[2, 3], [3, 6]]
    assert quadrature._halves(mpmath.mpf(2), high, 0.25) == [[2, 2.75], [2.75, high]]
    assert quadrature._halves(low, mpmath.mpf(2), 0.25) == [[low, 1.25], [1.25, 2]]
    assert quadrature._halves(low, high, 0.75) == [[low, 1], [1, high]]


def test_the_digits_to_which_two_numbers_agree():
    agreement = quadrature._agreement
    with mpmath.workdps(30):
        one = mpmath.mpf(1)
        assert agreement(one, one) == 30
        assert agreement(one, one + mpmath.mpf(10) ** -8.5) == 8
        assert agreement(1000 * one, 1000 * one + mpmath.mpf(10) ** -5.5) == 8
        assert agreement(one / 1000, one / 1000 + mpmath.mpf(10) ** -8.5) == 8
        assert agreement(-1000 * one, 1000 * one) == 0
        assert agreement(one, one + mpmath.mpf(10) ** -29.5) == 29
        assert agreement(one * 0, mpmath.mpf(10) ** -40) == 30
        for other in (mpmath.inf, mpmath.nan):
            assert agreement(one, other) == agreement(other, one) == agreement(other, other) == 0


@pytest.mark.parametrize(
    ("body", "low", "high", "inside"),
    [
        (Abs(t - Rational(1, 3)), -1, 1, [1 / 3]),
        (sp.Max(t, t**2 - 2), -3, 3, [-1, 2]),
        (sp.Min(t, 1 - t, 2), -3, 3, [-1, 0.5, 2]),
        (sp.Piecewise((0, t < Rational(1, 2)), (1, True)), 0, 1, [0.5]),
        (sp.Heaviside(t - 1), 0, oo, [1]),
        (Abs(t - 1), -oo, 3, [1]),
        (Abs(t - 1), -oo, oo, [1]),
        (1 / (t - Rational(1, 4)), 0, 1, [0.25]),
        ((t - Rational(1, 4)) ** Rational(1, 2), Rational(1, 8), 1, []),
        (log(t - 2) + x, 0, 5, [2]),
        (Abs(t) + Abs(t - x), 0, 1, []),
        (Abs(t), 0, 1, []),
        (1 / (t**2 - 2), 0, 3, [2**0.5]),
    ],
    ids=str,
)
def test_an_integral_is_cut_at_kinks_and_poles_between_its_ends(body, low, high, inside):
    with mpmath.workdps(20):
        ends = [quadrature._number(sp.sympify(end)) for end in (low, high)]
        first, *found, last = quadrature._cuts(body, t, *ends)
        assert [first, last] == ends
        assert found == pytest.approx(inside, abs=1e-15)


def test_a_sign_change_is_found_where_the_grid_meets_it_too():
    with mpmath.workdps(15):
        changes = quadrature._sign_changes
        assert changes(f_of(t - Rational(1, 2)), mpmath.mpf(0), mpmath.mpf(1)) == [
            0.5
        ]  # the middle of the grid
        assert changes(f_of(t + 5), mpmath.mpf(0), mpmath.mpf(1)) == []
        assert changes(f_of(sqrt(-t)), mpmath.mpf(1), mpmath.mpf(2)) == []  # not real
        jump = f_of(sp.sign(t - Rational(1, 3)))
        for f in (jump, lambda v: -jump(v)):
            assert quadrature._bisect(f, mpmath.mpf(0), mpmath.mpf(1)) == pytest.approx(1 / 3, abs=1e-14)


def test_a_function_has_no_number_at_a_pole():
    assert f_of(t**2)(mpmath.mpf(3)) == 9
    assert mpmath.isnan(f_of(1 / t)(mpmath.mpf(0)))
    assert mpmath.isnan(f_of(sp.gamma(t))(mpmath.mpf(-1)))


def test_numbers_go_to_mpmath_and_back():
    assert quadrature._number(oo) == mpmath.inf
    assert quadrature._number(-oo) == -mpmath.inf
    assert quadrature._sympy(mpmath.mpf(0.5), 20) == sp.Float(0.5, 20)
    assert quadrature._sympy(mpmath.mpc(0.5, 2), 20) == sp.Float(0.5, 20) + sp.Float(2, 20) * sp.I
    assert quadrature._sympy(mpmath.inf, 20) is sp.nan
    with mpmath.workdps(40):
        assert quadrature._number(pi) == +mpmath.pi
        assert abs(quadrature._sympy(+mpmath.pi, 40) - pi.n(50)) < sp.Float(10) ** -39


def test_integrals_of_integrals(monkeypatch):
    monkeypatch.setattr(quadrature, "DIGITS_MET", 5)  # few, which is fast
    monkeypatch.setattr(quadrature, "ENOUGH", 2)
    s = sp.Symbol("s")
    found, digits = integral(Integral(t * s, (s, 0, t), (t, 0, 2)))
    assert abs(found - 2) < 1e-5
    assert 5 <= digits <= 10


def test_integrals_of_complex_numbers_and_over_nothing():
    found, digits = integral(Integral(exp(sp.I * t), (t, 0, pi)))
    assert digits > 20
    assert abs(found - 2 * sp.I) < 1e-20
    assert integral(Integral(t, (t, 2, 2))) == (0, quadrature.DIGITS)


@pytest.mark.parametrize(
    ("expr", "wanted"),
    [
        (Sum(k, (k, 1, 401)), 401 * 201),
        (Sum(k, (k, 1, 1)), 1),
        (sp.Product(k, (k, 5, 1)), Rational(1, 24)),
        (sp.Product(k, (k, 5, 4)), 1),
        (Sum(k, (k, 3, 1)), -2),
        (Sum(1 / sp.factorial(k), (k, 2, oo)), sp.E - 2),
        (Sum(2 ** (-k), (k, -1, oo)), 4),
        (Sum(Rational(19, 20) ** k, (k, 0, oo)), 20),
    ],
    ids=str,
)
def test_sums_and_products_term_by_term(expr, wanted):
    found, digits = series(expr)
    assert digits >= 60
    assert abs(found - sp.N(wanted, 70)) < sp.Float(10) ** -58 * (1 + abs(wanted))


def test_a_sum_is_added_up_only_where_its_terms_die_out():
    def fast(term):
        return quadrature._fast(Sum(term, (k, 1, oo)), k, sp.S.One, oo)

    assert fast(1 / k**2) is sp.nan
    assert fast(Rational(1, 2) ** k) == sp.Float(1, 64)
    assert fast(Rational(99, 100) ** k) is sp.nan  # too slow to be sure
    assert abs(fast(1 / sp.factorial(k)) - sp.N(sp.E - 1, 80)) < sp.Float(10) ** -62
    assert quadrature._fast(sp.Product(2, (k, 1, oo)), k, sp.S.One, oo) is sp.nan
    assert quadrature._fast(Sum(2**k, (k, -oo, 1)), k, -oo, sp.S.One) is sp.nan
    assert quadrature._fast(Sum(k, (k, 1, x)), k, sp.S.One, x) is sp.nan
    assert series(Sum(k * x, (k, 1, 2), (x, 1, 2))) == quadrature.NOTHING


def test_partial_sums_must_come_nearer():
    square = Sum(1 / k**2, (k, 1, oo))
    assert quadrature._approached(square, sp.N(pi**2 / 6, 30))
    assert quadrature._approached(square, sp.N(pi**2 / 6, 30) + Rational(1, 10)) is False
    wallis = sp.Product(4 * k**2 / (4 * k**2 - 1), (k, 1, oo))
    assert quadrature._approached(wallis, sp.N(pi / 2, 30))
    assert quadrature._approached(wallis, sp.N(pi, 30)) is False
    assert quadrature._approached(Sum(1 / (k - 1), (k, 1, oo)), sp.Float(1)) is False
    assert quadrature._approached(Sum(Rational(1, 2) ** k, (k, 1, oo)), sp.Float(1))
    assert quadrature._approached(Sum(k, (k, 1, x)), sp.Float(1))  # nothing to compare


@pytest.mark.parametrize(
    ("expr", "wanted"),
    [
        (sp.Limit(Abs(t) / t, t, 0, "-"), -1),
        (sp.Limit(Abs(t) / t, t, 0, "+"), 1),
        (sp.Limit(t * exp(-t) + 2, t, oo), 2),
        (sp.Limit(exp(t) + 2, t, -oo), 2),
        (sp.Limit((t**2 - 4) / (t - 2), t, 2), 4),
    ],
    ids=str,
)
def test_limits_from_their_side(expr, wanted):
    found, digits = limit(expr)
    assert digits == quadrature.DIGITS
    assert abs(found - wanted) < sp.Float(10) ** -60


def test_a_limit_that_values_on_the_way_contradict_is_none(monkeypatch):
    for expr in (sp.Limit(1 / t, t, 0), sp.Limit(sin(t), t, oo)):
        assert limit(expr) == quadrature.NOTHING
    monkeypatch.setattr(sp.Limit, "doit", lambda *_, **__: sp.S(3))
    assert limit(sp.Limit(sp.cos(t), t, 0)) == quadrature.NOTHING
    assert limit(sp.Limit(sp.Function("h")(t), t, 0)) == quadrature.NOTHING
    assert abs(limit(sp.Limit(3 + t, t, 0))[0] - 3) < 1e-60


def test_a_tail_of_changing_sign_is_summed():
    def tail(body):
        with mpmath.workdps(20):
            return quadrature._oscillating(f_of(body), body, t, mpmath.mpf(0))

    ways, digits = tail(sin(3 * t**2) / t)
    assert digits >= 12
    assert abs(ways[0] - sp.N(pi / 4, 30)) < 1e-12
    for body in (sin(t) * sin(2 * t), exp(-t), sin(t + 1) / t, sin(exp(t)), sin(1 / t), sin(sp.I * t)):
        assert tail(body) == ([], 0), body
