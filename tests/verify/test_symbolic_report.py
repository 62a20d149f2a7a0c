"""What `proved` says: which steps, which domain, how long, what is left; and how sides are understood."""

from __future__ import annotations

import re

import pytest
import sympy as sp
from sympy import Derivative, MatMul, Matrix, MatrixSymbol, Product, Rational, Sum, cos, exp, sin, sqrt

from lemmata.verify import claim, symbolic
from lemmata.verify.outcome import NotDecided, Refuted, Vacuous

x, y = sp.symbols("x y")
r, u = sp.symbols("r u", real=True)
p, q = sp.symbols("p q", positive=True)
k, m = sp.symbols("k m", integer=True)
n = sp.Symbol("n", integer=True, positive=True)
PYTHAGORAS = sin(x) ** 2 + cos(x) ** 2
demo = claim("demo")


def refused(*sides, match=None, error=NotDecided, **options):
    with pytest.raises(error, match=match) as failure:
        demo.proved(*sides, **options)
    return failure.value


# --- identity: what the evidence says -----------------------------------------------------------------------


def test_an_equality_says_which_step_and_how_often_it_was_compared():
    evidence = demo.proved((x + 1) ** 2, x**2 + 2 * x + 1)
    assert evidence.claim == "demo"
    assert evidence.statement == r"\left(x + 1\right)^{2} = x^{2} + 2 x + 1"
    assert evidence.how == "expand reduces the difference to 0"
    assert evidence.details == ("also equal to 50 digits at 8 random points",)
    assert evidence.plain == "(x + 1)**2 == x**2 + 2*x + 1"


@pytest.mark.parametrize(
    ("lhs", "rhs", "relation", "sign", "how"),
    [
        (p + q, 0, ">", ">", "by SymPy's assumptions (doit)"),
        (0, r**2 - 2 * r * u + u**2, "<=", r"\le", "by SymPy's assumptions (factor)"),
        (exp(r), 1 + r, ">=", r"\ge", ", by calculus in one variable"),
        (-(p + 1), 0, "<", "<", "by SymPy's assumptions (doit)"),
    ],
)
def test_an_inequality_says_by_what_it_has_its_sign(lhs, rhs, relation, sign, how):
    evidence = demo.proved(lhs, rhs, relation=relation)
    assert f" {sign} " in evidence.statement
    assert evidence.how == f"the difference has the sign it needs{how if how[0] == ',' else ' ' + how}"
    assert evidence.details[0] == "also holds to 50 digits at 8 random points"
    assert f" {relation} " in evidence.plain


def test_every_case_of_a_case_distinction_is_named():
    assert symbolic._how("all cases of sign") == "the difference has the sign it needs, by all cases of sign"
    assert symbolic._how("calculus, on the domain").endswith("needs, by calculus, on the domain")
    assert symbolic._how("expand").endswith("needs by SymPy's assumptions (expand)")


def test_the_steps_of_all_entries_are_named_once_each():
    evidence = demo.proved(
        Matrix([(x + 1) ** 2, (x + 2) ** 2, PYTHAGORAS, y]),
        Matrix([x**2 + 2 * x + 1, x**2 + 4 * x + 4, 1, y]),
    )
    assert re.fullmatch(r"expand, [a-z ,]+ reduces the difference to 0", evidence.how)
    assert evidence.how.count("expand") == 1


def test_a_domain_that_one_entry_needs_is_shown():
    evidence = demo.proved(
        Matrix([sqrt(r**2), (r + 1) ** 2]), Matrix([r, r**2 + 2 * r + 1]), domain={r: (1, 2)}
    )
    assert evidence.statement.endswith(r"\quad r\in(1,2)")
    assert evidence.plain.endswith(" for {r: (1, 2)}")
    both = demo.proved(sqrt(r**2 * u**2), r * u, domain={r: (1, sp.oo), u: (0.5, 2)})
    assert both.statement.endswith(r"\quad r\in(1,\infty),\ u\in(0.5,2)")
    assert "on the domain" in both.how
    without = demo.proved((r + 1) ** 2, r**2 + 2 * r + 1, domain={r: (1, 2)})
    assert without.plain == "(r + 1)**2 == r**2 + 2*r + 1"
    assert r"\in" not in without.statement


@pytest.mark.parametrize(
    ("total", "backwards"),
    [
        (Sum(k, (k, 1, m)), True),
        (Sum(k, (k, 1, n)), False),
        (Sum(k, (k, 2, n)), False),  # at n = 1 it is empty, which is no backwards
        (Sum(k, (k, 3, n)), True),
        (Sum(k, (k, -n, n)), False),
        (Sum(k, (k, n, 2 * n)), False),
        (Sum(p**k, (k, 0, sp.oo)), False),
        (Product(k, (k, 1, m)), True),
        (Product(k, (k, 1, n)), False),
    ],
    ids=str,
)
def test_a_sum_that_may_run_backwards_is_noted_once(total, backwards):
    notes = symbolic._crossed(total, 1 + total**2)
    assert len(notes) == backwards
    if backwards:
        _, low, high = total.limits[0]
        assert notes[0].startswith(f"{k} may run backwards, from {low} to {high}: ")


# --- agreement: how sides are understood --------------------------------------------------------------------


def test_one_side_alone_is_compared_with_0():
    assert demo.proved(PYTHAGORAS - 1).statement.endswith("= 0")
    assert demo.proved(Matrix([PYTHAGORAS - 1, 0])).kind == "proved"
    assert refused(PYTHAGORAS, error=Refuted).expected.endswith("== 0")
    refused(Matrix([PYTHAGORAS]), error=Refuted)
    assert demo.proved(sp.Eq(PYTHAGORAS, 1)).plain.endswith("== 1")


def test_matrix_expressions_are_worked_out():
    turn = Matrix([[cos(r), -sin(r)], [sin(r), cos(r)]])
    assert demo.proved(MatMul(turn, turn.T), sp.eye(2)).kind == "proved"
    assert demo.proved(sp.eye(2), MatMul(turn, turn.T)).kind == "proved"
    refused(MatMul(turn, turn), sp.eye(2), error=Refuted)
    refused(MatMul(turn, turn.T), sp.zeros(2), error=Refuted)


def test_entries_are_compared_before_they_are_worked_out(monkeypatch):
    seen = []
    monkeypatch.setattr(symbolic, "compare", lambda _, left, *rest: seen.append(left) or "no point")
    slope = Derivative(p**2, p)
    demo.proved(Matrix([slope]), Matrix([2 * p]))
    assert seen == [slope]


def test_equal_entries_of_a_strict_relation_are_no_hindrance_to_refusal():
    refused(Matrix([p + 1, p]), Matrix([p, p]), relation=">", error=Refuted, match="both sides equal")
    assert demo.proved(Matrix([p + 1, p]), Matrix([p, p]), relation=">=").kind == "proved"


def test_random_points_are_those_of_the_seed(monkeypatch):
    seeds = []
    monkeypatch.setattr(symbolic, "compare", lambda *a: seeds.append(a[5]) or "no point")
    demo.proved((x + 1) ** 2, x**2 + 2 * x + 1, seed=7)
    demo.proved((x + 1) ** 2, x**2 + 2 * x + 1)
    assert seeds == [7, 0]


def test_the_binomial_theorem_has_its_name():
    total = Sum(sp.binomial(n, k) * p**k, (k, 0, n))
    assert demo.proved(total, (1 + p) ** n).how.startswith("the binomial theorem reduces")

    gauss = symbolic.reduce(demo, Sum(k, (k, 1, n)), n * (n + 1) / 2, "==", 5)
    assert gauss in dict(symbolic.REDUCTIONS)
    with pytest.raises(NotDecided):
        symbolic.reduce(demo, Sum(k, (k, 1, n)), n**2, "==", 5)


@pytest.mark.parametrize(("relation", "strict"), [(">", True), ("<", True), (">=", False), ("<=", False)])
def test_calculus_is_told_whether_the_relation_is_strict(monkeypatch, relation, strict):
    monkeypatch.setattr(symbolic, "shown_above", lambda _, strictly, *rest: f"strictly: {strictly}")
    assert symbolic.reduce(demo, r, u, relation, 5) == f"strictly: {strict}"


# --- failure: what is left ----------------------------------------------------------------------------------


def test_what_is_not_reduced_is_shown_in_its_shortest_form(monkeypatch):
    steps = (("long", lambda e: e + x**5 + y), ("short", lambda e: x), ("long again", lambda e: e * y + 5))
    monkeypatch.setattr(symbolic, "REDUCTIONS", steps)
    failure = refused((x + y) ** 2, x**2 + 2 * x * y + y**2, seconds=5)
    assert failure.found == "no point where the sides differ, but not reduced to 0; residual: x"
    assert failure.expected == "(x + y)**2 == x**2 + 2*x*y + y**2"


def test_an_inequality_without_a_sign_says_so(monkeypatch):
    monkeypatch.setattr(symbolic, "shown_above", lambda *_: None)
    assert "but not reduced to a sign; residual" in refused(exp(r), 1 + r, relation=">=", seconds=5).found


def test_a_step_that_takes_too_long_is_named(monkeypatch):
    def endless(_):
        while True:
            pass

    monkeypatch.setattr(symbolic, "REDUCTIONS", (("endless", endless),))
    found = refused((x + 1) ** 2, x**2 + 2 * x + 1, seconds=0.6, domain={x: (0, 1)}).found
    assert "not reduced to 0; everywhere took longer than its share of" in found
    assert "; on domain took longer than its share" in found


@pytest.mark.parametrize(
    ("difference", "settled"),
    [
        (0, "== >= <="),
        (1, ">= > <= <"),
        (p, ">= > <= <"),
        (r**2, ">= <="),
        (-p, ""),
        (r, ""),
        (x - x + sp.nan, ""),
    ],
)
def test_a_sign_is_what_assumptions_know(difference, settled):
    """The difference is taken so that it must be positive: for every relation the same."""
    found = [rel for rel in symbolic.RELATIONS if symbolic._settled(sp.sympify(difference), rel)]
    assert sorted(found) == sorted(settled.split())


@pytest.mark.parametrize("relation", symbolic.RELATIONS)
def test_a_reduction_alone_takes_the_difference_the_right_way(relation):
    wrong = {"==": (p + 1, p), ">=": (p, p + 1), ">": (p, p + 1), "<=": (p + 1, p), "<": (p + 1, p)}[relation]
    right = ((p + 1) ** 2, p**2 + 2 * p + 1) if relation == "==" else wrong[::-1]
    assert symbolic.reduce(demo, *right, relation, 5)
    with pytest.raises(NotDecided):
        symbolic.reduce(demo, *wrong, relation, 5)


def test_a_strict_relation_is_not_shown_by_a_weak_one():
    with pytest.raises(NotDecided):
        symbolic.reduce(demo, r**2, sp.S.Zero, ">", 5)
    with pytest.raises(NotDecided):
        symbolic.reduce(demo, sp.S.Zero, r**2, "<", 5)
    assert symbolic.reduce(demo, r**2, sp.S.Zero, ">=", 5) == "doit"


def test_time_that_is_over_leaves_half_a_second():
    assert symbolic._share(0.0, 2) == 0.5
    later = symbolic.time.process_time() + 100
    assert 49 < symbolic._share(later, 2) <= 50


@pytest.mark.parametrize(
    ("sides", "options", "error", "match"),
    [
        ((True,), {}, Vacuous, "already decided"),
        ((sp.Lt(r, u),), {}, TypeError, "apart"),
        ((sp.Eq(x, y), y), {}, TypeError, "apart"),
        ((x, "y x"), {}, (TypeError, sp.SympifyError), None),
        (([x], [y]), {}, TypeError, "lhs must be a SymPy expression"),
        ((x, [y]), {}, TypeError, "rhs must be a SymPy expression"),
        ((x, 0.5), {}, ValueError, "rhs must be exact"),
        ((x, sp.Function("f")(x)), {}, ValueError, "rhs must contain no undefined function"),
        ((sp.eye(2), sp.eye(3)), {}, ValueError, r"shape \(2, 2\) of lhs, got \(3, 3\)"),
        ((x, Matrix([x])), {}, ValueError, r"shape \(\) of lhs, got \(1, 1\)"),
        ((x, y), {"relation": "<>"}, ValueError, "relation must be one of ==, >=, <=, >, <, got '<>'"),
        ((x, y), {"domain": {p: (1, 2), x: (0, 1)}}, ValueError, r"two sides, got p$"),
        ((x + Rational(1, 2), sp.S.Half + x), {}, Vacuous, "same object"),
    ],
    ids=str,
)
def test_what_cannot_be_a_claim_is_refused(sides, options, error, match):
    refused(*sides, error=error, match=match, **options)


def test_a_symbol_of_one_side_may_have_a_domain():
    for sides in ((sqrt(r**2), r + 0 * u), (r, sqrt(r**2))):
        assert demo.proved(*sides, domain={r: (0, 1)}).kind == "proved"
    assert demo.proved(Derivative(u, u), 1 + r - r, domain={u: (0, 1)}).kind == "proved"


def test_a_symbolic_matrix_has_no_entries():
    a = MatrixSymbol("a", 2, 2)
    with pytest.raises((TypeError, NotDecided, Refuted)):
        demo.proved(a, 2 * a)
