"""A number for an integral, a sum or a limit is believed when two ways agree; ball arithmetic heeds poles."""

from __future__ import annotations

import pytest
import sympy as sp
from sympy import Abs, Integral, Rational, Sum, exp, log, oo, pi, sin, sqrt

from lemmata.verify import ClaimFailed, claim
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
