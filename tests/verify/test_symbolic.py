"""`proved` accepts what is true for all values of its symbols, and refuses everything else."""

from __future__ import annotations

import random

import pytest
import sympy as sp
from sympy import Rational

from lemmata.verify import ClaimFailed, claim, symbolic
from lemmata.verify.comparison import allowed, draw, holds, value
from lemmata.verify.outcome import NotDecided, Refuted, Vacuous
from lemmata.verify.pointwise import compare

x, y, t = sp.symbols("x y t")
z = sp.Symbol("z", complex=True)
r, u = sp.symbols("r u", real=True)
p, q = sp.symbols("p q", positive=True)
n = sp.Symbol("n", integer=True, positive=True)
k = sp.Symbol("k", integer=True)
demo = claim("demo")


def refused(*sides, match=None, error=ClaimFailed, **options):
    with pytest.raises(error, match=match):
        demo.proved(*sides, **options)


# --- identity: what is true is proved -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lhs", "rhs"),
    [
        (sp.sin(x) ** 2 + sp.cos(x) ** 2, 1),
        (sp.log(1 + p + q + p * q), sp.log(1 + p) + sp.log(1 + q)),
        (sp.Derivative(sp.log(1 + q + sp.exp(r)), r), sp.exp(r) / (1 + q + sp.exp(r))),
        (sp.Derivative(sp.exp(p * x), x, x, p), p * (2 + p * x) * sp.exp(p * x)),
        (sp.Derivative(sp.Integral(sp.exp(p * x), (x, 0, 1)), p), ((p - 1) * sp.exp(p) + 1) / p**2),
        (sp.Integral(sp.Derivative(sp.exp(p * x), p), (x, 0, 1)), ((p - 1) * sp.exp(p) + 1) / p**2),
        (sp.Integral(sp.exp(-p * x), (x, 0, sp.oo)), 1 / p),
        (sp.Sum(k, (k, 1, n)), n * (n + 1) / 2),
        (sp.Product(k, (k, 1, n)), sp.factorial(n)),
        (sp.Limit(sp.sin(p * x) / x, x, 0), p),
        (sp.Max(r, 0), (r + sp.Abs(r)) / 2),
        (sp.Piecewise((r**2, r > 0), (r**2, True)) * (r + 1), r**3 + r**2),
        (sp.sqrt(2) + sp.sqrt(3), sp.sqrt(5 + 2 * sp.sqrt(6))),
        ((sp.exp(sp.I * r) + sp.exp(-sp.I * r)) / 2, sp.cos(r)),
    ],
)
def test_true_equalities_are_proved(lhs, rhs):
    assert demo.proved(lhs, rhs).kind == "proved"


def test_an_equation_and_a_single_expression_are_understood():
    assert demo.proved(sp.Eq((x + y) ** 2, x**2 + 2 * x * y + y**2)).kind == "proved"
    assert demo.proved((x + y) ** 2 - x**2 - 2 * x * y - y**2).kind == "proved"


def test_matrices_are_compared_entry_by_entry_and_equal_entries_are_no_hindrance():
    turn = sp.Matrix([[sp.cos(r), -sp.sin(r)], [sp.sin(r), sp.cos(r)]])
    assert demo.proved(turn * turn.T, sp.eye(2)).kind == "proved"
    assert demo.proved(turn * turn.T - sp.eye(2)).kind == "proved"
    wrong = sp.Matrix([[1, 0], [sp.cos(r) ** 2 + sp.sin(r) ** 2 - 1 + r, 1]])
    refused(turn * turn.T, wrong)


@pytest.mark.parametrize(
    ("lhs", "rhs", "relation"),
    [(r**2 + 1, 2 * r, ">="), (0, (r - u) ** 2, "<="), (p + 1 / (1 + p), 0, ">"), (sp.Abs(z), 0, ">=")],
)
def test_true_inequalities_are_proved_by_assumptions(lhs, rhs, relation):
    assert demo.proved(lhs, rhs, relation=relation).kind == "proved"


# --- failure: a false claim ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lhs", "rhs"),
    [
        (sp.Derivative(sp.cos(x), x), sp.sin(x)),  # wrong sign
        (sp.log(2 * p), sp.log(p) + sp.Rational(69314719, 10**8)),  # wrong in the 8th digit
        (sp.sqrt(r**2), r),  # true for positive numbers only
        (sp.log(r**2 * u**2) / 2, sp.log(r) + sp.log(u)),
        (sp.sqrt(x**2), x),  # true on half of the complex plane
        ((n - 2) * (n - 3), 0),  # true at n = 2 and n = 3
        (sp.Sum(k**2, (k, 1, n)), n**3 - 3 * n**2 + 7 * n - 4),  # true at n = 1, 2, 3
        (sp.Integral(sp.exp(-p * x), (x, 0, sp.oo)), p),
        (sp.gamma(n), sp.factorial(n)),
    ],
)
def test_false_equalities_are_refused(lhs, rhs):
    refused(lhs, rhs, match="demo does not hold")


def test_the_counterexample_point_is_named():
    with pytest.raises(ClaimFailed) as failure:
        demo.proved(sp.sqrt(r**2), r)
    assert failure.value.claim == "demo"
    assert failure.value.at[r] < 0


@pytest.mark.parametrize(
    ("lhs", "relation", "rhs"),
    [
        ((r - 1) ** 2, ">", 0),  # false at one point only
        (r**2, ">=", 2 * r),
        (sp.Piecewise((0, sp.Eq(r, 0)), (1, True)), ">=", 1),  # false at one point only
        (x**2, ">=", 0),  # not even comparable: x is complex
        (p, ">", 1),
        (sp.exp(r), "<", 1 + r),
    ],
)
def test_false_inequalities_are_refused(lhs, relation, rhs):
    refused(lhs, rhs, relation=relation)


def test_an_expression_that_never_reduces_is_not_decided_although_true():
    refused(sp.gamma(p) + sp.gamma(q), 1, relation=">", match="not decided[^?]*no point where[^?]*residual")


def test_a_refutation_prints_numbers_that_differ():
    with pytest.raises(Refuted, match="refuted") as failure:
        demo.proved(sp.log(2 * p), sp.log(p) + sp.log(2) + Rational(1, 10**40))
    left, right = failure.value.found.split(" and ")
    assert left != right


@pytest.mark.parametrize(
    "sides",
    [
        (sp.DiracDelta(2 * r), sp.DiracDelta(r)),
        (sp.Derivative(sp.Heaviside(2 * r), r), 2 * sp.DiracDelta(r)),
        (sp.Derivative(sp.sign(r), r), 0),
        (sp.Derivative(sp.Abs(r), r, r), 0),
        (sp.DiracDelta(2 * r) + r**2, sp.DiracDelta(r) + r**2),
        (sp.Derivative(sp.Piecewise((0, r < 0), (1, True)), r), 0),
        (sp.Integral(sp.DiracDelta(2 * r), (r, -1, 1)), 1),
    ],
)
def test_points_tell_nothing_of_a_delta(sides):
    refused(*sides, error=NotDecided, match="delta|Delta")


def test_the_corner_of_a_case_is_looked_at():
    refused(sp.sign(r) ** 2, 1, error=Refuted)
    refused(sp.Piecewise((1, sp.Eq(r, 7)), (0, True)), 0, error=Refuted)


# --- failure: a vacuous claim -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sides", [(x, x), (x - x,), (2, 2), (3, 1), (sp.zeros(2), sp.zeros(2)), (sp.zeros(2),)]
)
def test_vacuous_claims_are_refused(sides):
    refused(*sides, match=r"vacuous|and 1")


@pytest.mark.parametrize("decided", [True, sp.true, sp.Eq(x, x), sp.Ge(p, 0), sp.Eq(1, 2)])
def test_what_sympy_has_decided_already_is_vacuous(decided):
    refused(decided, match="vacuous")


def apart(function, *args):
    return function(*args, evaluate=False)


@pytest.mark.parametrize(
    "sides",
    [
        (apart(sp.Mul, 0, x), 0),
        (apart(sp.Add, x, -x), 0),
        (apart(sp.Mul, 1, x + y), x + y),
        (apart(sp.Pow, x + y, 0), 1),
        (apart(sp.Add, y, x), x + y),
        (sp.UnevaluatedExpr(x + y), x + y),
        (sp.Integral(0, (t, 0, 1)), 0),
        (sp.Integral(apart(sp.Mul, 0, t), (t, 0, x)), 0),
        (sp.Integral(sp.sin(t), (t, x, x)), 0),
        (sp.Sum(0, (k, 1, n)), 0),
        (sp.Sum(k**2, (k, 1, n)), sp.Sum(t**2, (t, 1, n))),
        (apart(sp.Mul, 0, sp.Integral(sp.sin(t) * x, (t, 0, 1))), 0),
        (apart(sp.Derivative, sp.Integer(5), x), 0),
        (sp.Matrix([[apart(sp.Add, x, -x), 0]]), sp.Matrix([[0, 0]])),
    ],
    ids=str,
)
def test_vacuous_claims_in_disguise_are_refused(sides):
    refused(*sides, error=Vacuous, match="says nothing")


def test_rational_inequalities_are_vacuous():
    refused(3, 2, relation=">=", match="vacuous")


@pytest.mark.parametrize(
    ("sides", "error", "message"),
    [
        ((sp.Ge(r, 0),), TypeError, "apart"),
        (([x, 1], [x, 2]), TypeError, "expression"),
        ((0.5 * x, x / 2), ValueError, "exact"),
        ((x, sp.Matrix([x])), ValueError, "shape"),
        ((sp.eye(2), sp.eye(3)), ValueError, "shape"),
        ((sp.Function("f")(x), x), ValueError, "undefined function"),
    ],
)
def test_sides_that_cannot_be_compared_are_refused(sides, error, message):
    refused(*sides, error=error, match=message)


def test_an_unknown_relation_is_refused():
    refused(x, y, relation="=", error=ValueError, match="relation")


# --- failure: the simplifier or the derivative is broken ----------------------------------------------------


def test_a_simplifier_that_always_returns_zero_is_caught(monkeypatch):
    monkeypatch.setattr(symbolic, "REDUCTIONS", (("broken", lambda e: sp.S.Zero),))
    refused(sp.sin(x), sp.cos(x))
    refused(sp.log(2 * p), sp.log(p) + sp.Rational(69314719, 10**8))
    assert demo.proved(sp.sin(x) ** 2, 1 - sp.cos(x) ** 2).kind == "proved"


def test_a_derivative_that_is_wrong_everywhere_in_sympy_is_caught(monkeypatch):
    monkeypatch.setattr(sp.sin, "fdiff", lambda self, argindex=1: -sp.cos(self.args[0]))
    slope = sp.Derivative(sp.sin(3 * r + 1), r)
    assert slope.doit() == -3 * sp.cos(3 * r + 1)
    refused(slope, -3 * sp.cos(3 * r + 1), match="at:")


def test_tiny_values_tell_nothing_and_do_not_count(monkeypatch):
    monkeypatch.setattr(symbolic, "REDUCTIONS", (("broken", lambda e: sp.S.Zero),))
    refused(sp.exp(-1000 * (1 + p)), sp.exp(-2000 * (1 + p)), match="tiny")
    with pytest.raises(ClaimFailed, match="tiny"):
        compare(demo, sp.exp(-1000 * (1 + p)), sp.exp(-999 * (1 + p)), "==")


def test_the_comparison_sees_the_fiftieth_digit():
    assert not holds(sp.Float(1, 70), sp.N(1 + sp.Rational(1, 10**49), 70), "==")
    assert holds(sp.Float(1, 70), sp.N(1 + sp.Rational(1, 10**55), 70), "==")


def test_a_constant_that_is_not_zero_is_no_proof():
    with pytest.raises(ClaimFailed, match="residual: 1"):
        symbolic.reduce(demo, x + 1, x, "==", 5)
    with pytest.raises(ClaimFailed, match="residual: -1"):
        symbolic.reduce(demo, x, x + 1, ">=", 5)


def test_numbers_that_differ_by_an_imaginary_part_stand_in_no_relation():
    assert not any(holds(sp.S.One + sp.I, sp.S.One, relation) for relation in symbolic.RELATIONS)


def test_a_pole_is_not_a_point_of_the_domain():
    for seed in range(5):  # 3 is among the points
        assert compare(demo, (k**2 - 9) / (k - 3), k + 3, "==", seed=seed) == "8 random points"


def test_not_a_number_stands_in_no_relation():
    assert not any(holds(sp.nan, sp.S.One, relation) for relation in symbolic.RELATIONS)


def test_a_reduction_that_raises_is_skipped(monkeypatch):
    def broken(expr):
        raise sp.PolynomialError("no polynomial")

    monkeypatch.setattr(symbolic, "REDUCTIONS", (("broken", broken), *symbolic.REDUCTIONS))
    assert demo.proved((x + 1) ** 2, x**2 + 2 * x + 1).kind == "proved"


# --- the random points --------------------------------------------------------------------------------------

ASSUMPTIONS = [
    {},
    {"real": True},
    {"positive": True},
    {"negative": True},
    {"nonnegative": True},
    {"nonzero": True},
    {"zero": False},
    {"integer": True},
    {"integer": True, "positive": True},
    {"even": True},
    {"odd": True},
    {"prime": True},
    {"rational": True, "integer": False},
    {"irrational": True},
    {"imaginary": True},
    {"extended_real": True},
    {"complex": True},
]


@pytest.mark.parametrize("assumptions", ASSUMPTIONS, ids=str)
def test_points_have_every_property_that_the_symbol_is_assumed_to_have(assumptions):
    symbol, generator = sp.Symbol("s", **assumptions), random.Random(0)
    for _ in range(20):
        point = draw(symbol, generator)
        assert all(getattr(point, f"is_{fact}") is truth for fact, truth in assumptions.items())


def test_a_symbol_without_assumptions_is_complex():
    assert not draw(x, random.Random(0)).is_real
    assert not allowed(sp.I, r)


def test_an_even_exponent_proves_what_an_integer_does_not():
    even, integer = sp.Symbol("m", even=True), sp.Symbol("m", integer=True)
    assert demo.proved(sp.cos(sp.pi * even) + x**even, 1 + (-x) ** even).kind == "proved"
    refused(sp.cos(sp.pi * integer) + x**integer, 1 + (-x) ** integer)


def test_a_domain_steers_the_points():
    half = sp.sqrt(1 - t)
    assert demo.proved((1 + half) * (1 - half), t, domain={t: (0, 1)}).kind == "proved"
    assert demo.proved((1 + t) ** 2, 1 + 2 * t + t**2, domain={t: (0, sp.oo)}).kind == "proved"
    assert demo.proved((1 + t) ** 2, 1 + 2 * t + t**2, domain={t: (0.25, 0.5)}).kind == "proved"


def test_a_domain_is_part_of_the_claim_and_is_shown_where_it_was_needed():
    assert r"r\in(1,2)" in demo.proved(sp.sqrt(r**2), r, domain={r: (1, 2)}).statement
    assert r"\in" not in demo.proved((1 + t) ** 2, 1 + 2 * t + t**2, domain={t: (0, 1)}).statement
    series = sp.Sum(t**k, (k, 0, sp.oo))
    assert demo.proved(series, 1 / (1 - t), domain={t: (-1, 1)}).kind == "proved"
    assert demo.proved(sp.atanh(t), sp.log((1 + t) / (1 - t)) / 2, domain={t: (-1, 1)}).kind == "proved"


@pytest.mark.parametrize(
    ("lhs", "rhs", "domain"),
    [
        (sp.sqrt(r**2), r, {r: (-1, 2)}),
        (sp.Max(r, 0), r, {r: (-1, 2)}),
        (sp.Sum(r**k, (k, 0, sp.oo)), 1 / (1 - r), {r: (-2, 1)}),
        (sp.Sum(r**k, (k, 1, sp.oo)), 1 / (1 - r), {r: (-1, 1)}),
        (sp.atan(r) + sp.atan(1 / r), sp.pi / 2, {r: (-1, 1)}),
    ],
)
def test_a_domain_that_is_too_wide_is_refused(lhs, rhs, domain):
    refused(lhs, rhs, domain=domain, seconds=5)


@pytest.mark.parametrize("domain", [{y: (0, 1)}, {p: (-2, -1)}, {p: (2, 1)}, {n: (0, 1)}])
def test_a_domain_that_does_not_fit_is_refused(domain):
    refused((p + n) ** 2, p**2 + 2 * p * n + n**2, domain=domain, error=ValueError)


def test_a_derivative_is_evaluated_without_diff():
    found = value(sp.Derivative(sp.exp(2 * x), (x, n)), {x: sp.Rational(1, 3), n: sp.Integer(3)})
    assert abs(found - 8 * sp.exp(sp.Rational(2, 3)).n(60)) < sp.Rational(1, 10**50)
