"""Each step of a reduction keeps the value of what it is given, and reduces to 0 what the others may not."""

from __future__ import annotations

import pytest
import sympy as sp
from sympy import (
    Derivative,
    Eq,
    Piecewise,
    Rational,
    Sum,
    acos,
    asin,
    asinh,
    atan,
    binomial,
    cos,
    exp,
    factorial,
    gamma,
    log,
    oo,
    pi,
    sin,
    sqrt,
    tan,
)

from lemmata.verify.reductions import REDUCTIONS, binomial_sums, confined

x, y = sp.symbols("x y")
r = sp.Symbol("r", real=True)
p, q = sp.symbols("p q", positive=True)
n = sp.Symbol("n", integer=True, positive=True)
m = sp.Symbol("m", integer=True, nonnegative=True)
k = sp.Symbol("k", integer=True)
STEPS = dict(REDUCTIONS)
slopes, denest, arctangents, exceptions = (
    STEPS[name]
    for name in (
        "slopes of exponentials",
        "denest radicals",
        "arctangents as arguments",
        "leave out points without a value",
    )
)
HALF, THIRD = Rational(1, 2), Rational(1, 3)
PYTHAGORAS = sin(x) ** 2 + cos(x) ** 2 - 1
NESTED = sqrt(2) + sqrt(3) - sqrt(5 + 2 * sqrt(6))
MACHIN = 4 * atan(Rational(1, 5)) - atan(Rational(1, 239)) - pi / 4
EULER = atan(Rational(1, 2)) + atan(THIRD)  # pi/4

# --- identity: what each step reduces to 0, and nothing that differs from it by 1 ---------------------------

ZEROS = [
    ("expand", (x + 1) ** 2 - x**2 - 2 * x - 1),
    ("cancel", 1 / x - 1 / (x + 1) - 1 / (x * (x + 1))),
    ("factor", (x + 1) ** 2 - x**2 - 2 * x - 1),
    ("factor logarithms", log(1 + p + q + p * q) - log(1 + p) - log(1 + q)),
    ("combine powers", 2**x * 2**y - 2 ** (x + y)),
    ("combine powers", exp(p) * (exp(q) + 1) - exp(p + q) - exp(p)),
    ("expand exponentials, cancel", 1 / (1 + exp(x + y)) - exp(-x) / (exp(-x) + exp(y))),
    ("gammasimp", gamma(x + 1) - x * gamma(x)),
    ("gammasimp", binomial(x, 3) - x * (x - 1) * (x - 2) / 6),
    ("rewrite as exp, cancel", sp.tanh(x) - 1 + 2 / (exp(2 * x) + 1)),
    ("trigsimp", PYTHAGORAS),
    ("slopes of exponentials", Derivative(exp(p * x), (x, n)) - p**n * exp(p * x)),
    ("arctangents as arguments", MACHIN),
    ("denest radicals", NESTED),
    ("inverse sines", acos(r) + asin(r) - pi / 2),
    ("inverse functions as logarithms", asinh(r) - log(r + sqrt(r**2 + 1))),
    ("simplify", PYTHAGORAS),
    ("simplify logarithms", log(p) + log(q) - log(p * q)),
    ("radsimp, simplify", 1 / (1 + sqrt(p)) - (1 - sqrt(p)) / (1 - p)),
    ("distinguish cases, simplify", sp.Max(r, 0) - (r + sp.Abs(r)) / 2),
    ("leave out points without a value", Piecewise((sp.nan, Eq(x, 1)), (PYTHAGORAS, True))),
    ("expand trigonometric functions", tan(x + y) * (1 - tan(x) * tan(y)) - tan(x) - tan(y)),
]


@pytest.mark.parametrize(("name", "zero"), ZEROS, ids=str)
def test_a_step_reduces_to_0_what_is_0(name, zero):
    assert STEPS[name](zero) is sp.S.Zero
    assert STEPS[name](zero + 1) is not sp.S.Zero


def test_every_step_has_an_example():
    assert {"doit", *(name for name, _ in ZEROS)} == set(STEPS)
    assert STEPS["doit"](x) is x


POINT = {x: -2 + sp.I / 3, y: -3 + sp.I}
VALUES = [
    sqrt(x) * sqrt(y) - 1,  # not the root of x y: both lie in the left half-plane
    log(x * y) + log(1 + x + y + x * y),
    exp(x + y) / (1 + exp(x)) + sqrt(x**2),
]


@pytest.mark.parametrize("expr", VALUES, ids=str)
@pytest.mark.parametrize("name", STEPS)
def test_a_step_keeps_the_value(name, expr):
    there, wanted = (sp.N(e.subs(POINT), 30) for e in (STEPS[name](expr), expr))
    assert abs(there - wanted) < Rational(1, 10**20)


# --- agreement: binomial sums, term by term -----------------------------------------------------------------

BINOMIAL = [
    (Sum(binomial(n, k) * p**k, (k, 0, n)), (1 + p) ** n),
    (Sum(binomial(m, k) * p**k * q ** (m - k), (k, 0, m)), (p + q) ** m),
    (Sum(binomial(n, k) * (-1) ** k * p**k, (k, 0, n)), (1 - p) ** n),
    (Sum(k * binomial(n, k) * p**k, (k, 0, n)), n * p * (1 + p) ** (n - 1)),
    (Sum(k * binomial(m, k) * p**k, (k, 0, m)), m * p * (1 + p) ** (m - 1)),  # nothing at m = 0 either
    (Sum(3 * binomial(n, k), (k, 0, n)), 3 * 2**n),
    (Sum(p**k / (factorial(k) * factorial(n - k)), (k, 0, n)), (1 + p) ** n / factorial(n)),
]


@pytest.mark.parametrize(("total", "closed"), BINOMIAL, ids=str)
def test_a_binomial_sum_has_its_closed_form(total, closed):
    found = binomial_sums(total)
    assert not found.has(Sum)
    for count in (0, 1, 2, 5) if total.has(m) else (1, 2, 5):
        numbers = {n: count, m: count, p: THIRD, q: Rational(5, 7)}
        wanted = total.subs(numbers).doit()
        assert sp.simplify(found.subs(numbers) - wanted) == 0
        assert sp.simplify(closed.subs(numbers) - wanted) == 0
    assert sp.simplify(found - closed) == 0


def test_a_binomial_sum_is_replaced_inside_an_expression():
    assert binomial_sums(q * Sum(binomial(n, k), (k, 0, n)) - q * 2**n) is sp.S.Zero
    assert binomial_sums(x + 1 - x * Sum(1, (k, 1, 2))) == x + 1 - x * Sum(1, (k, 1, 2))


@pytest.mark.parametrize(
    "total",
    [
        Sum(p**k, (k, 0, n)),
        Sum(binomial(n, k) * p**k, (k, 1, n)),  # not from 0
        Sum(binomial(n, k) * p**k, (k, 2, n)),
        Sum(binomial(n, k) * p**k, (k, 0, n - 1)),
        Sum(binomial(x, k) * p**k, (k, 0, x)),  # x is no natural number
        Sum(binomial(p, k) * p**k, (k, 0, p)),
        Sum(binomial(k + n, k) * p**k, (k, 0, n)),
        Sum(binomial(n, k) ** 2, (k, 0, n)),
        Sum(p**k / factorial(k), (k, 0, n)),
        Sum(p**k / factorial(k), (k, 0, oo)),
        Sum(k * (k - 1) * binomial(n, k), (k, 0, n)),  # the first two terms are 0
        Sum(binomial(n, k) * p**k / k, (k, 0, n)),  # and here the first has no value
        Sum(binomial(n, k) * p**k, (k, 0, n), (p, 1, 2)),
        Sum((k + 1) * binomial(m, k + 1) * p**k, (k, 0, m)),
    ],
    ids=str,
)
def test_any_other_sum_stays_or_is_right(total):
    found = binomial_sums(total)
    for count in (1, 2, 4):
        numbers = {n: count, m: count, p: THIRD, x: count}
        assert found == total or sp.simplify((found - total).subs(numbers).doit()) == 0
    if not total.has(m):
        assert found == total


# --- agreement: slopes, radicals, arctangents ---------------------------------------------------------------


def test_slopes_of_exponentials_are_powers():
    assert slopes(Derivative(exp(3 * x + y), (x, n))) == 3**n * exp(3 * x + y)
    assert slopes(x + Derivative(exp(-x / 2), (x, 2))) == x + exp(-x / 2) / 4
    assert slopes(Derivative(exp(y), (x, n), evaluate=False)) == 0**n * exp(y)
    for other in (exp(x**2), sin(3 * x), x**3, exp(3 * x) + 1):
        assert slopes(Derivative(other, (x, n))) == Derivative(other, (x, n))
    twice = Derivative(exp(x * y), (x, n), (y, m))
    assert slopes(twice) == twice


def test_radicals_are_denested_exactly():
    cube = sp.cbrt(2 + sqrt(5)) + sp.cbrt(2 - sqrt(5))
    assert denest(NESTED + 1) == 1
    assert denest(NESTED + Rational(1, 10**40)) == Rational(1, 10**40)
    assert denest(sqrt(x) + NESTED) == sqrt(x)
    assert denest(pi + NESTED) == pi
    assert denest(sp.cbrt(9 * sqrt(3) + 11 * sqrt(2)) - sqrt(2) - sqrt(3)) == 0  # by its minimal polynomial
    assert denest(cube) == sp.expand(cube)  # not 0


def test_long_sums_of_radicals_are_left_alone(monkeypatch):
    monkeypatch.setattr(sp, "minimal_polynomial", lambda expr, x: x)
    roots = [sqrt(sp.prime(i)) for i in range(1, 15)]
    for expr, operations in ((sum(roots[:13]) + roots[0] + 1, 40), (sum(roots), 41)):
        assert sp.count_ops(expr) == operations
        assert (denest(expr) == 0) is (operations <= 40)


@pytest.mark.parametrize(
    "zero",
    [
        MACHIN,
        EULER - pi / 4,
        2 * atan(THIRD) + atan(Rational(1, 7)) - pi / 4,
        MACHIN / 3,
        EULER / 6 + pi * Rational(-1, 24),
        atan(1 / (2 + sqrt(3)), evaluate=False) - pi / 12,
        atan(2) + atan(3) - 3 * pi / 4,
        -atan(2) - atan(3) + 3 * pi / 4,
        (atan(Rational(3, 4)) - 2 * atan(THIRD)) / 5,
    ],
    ids=str,
)
def test_arctangents_add_up(zero):
    assert arctangents(zero) is sp.S.Zero
    assert abs(sp.N(zero, 40)) < Rational(1, 10**30)


@pytest.mark.parametrize(
    "expr",
    [
        EULER + 7 * pi / 4,  # a whole turn
        (4 * EULER + pi) / 7,  # a whole turn by 7
        EULER - pi / 5,
        EULER - pi / 4 + Rational(1, 10**20),
        atan(Rational(1, 2)) - atan(THIRD),
        EULER + 3 * pi / 4,  # half a turn: the product is negative
        atan(r) + atan(1 / r) - pi / 2,
        sqrt(2) * atan(2) + atan(3),
        atan(2 + sp.I) + atan(3),
        pi - 3,
        x + pi,
    ],
    ids=str,
)
def test_other_angles_stay(expr):
    assert arctangents(expr) == sp.expand(expr)


# --- agreement: cases ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cases", "left"),
    [
        (((sp.nan, Eq(x, 0)), (PYTHAGORAS, True)), 0),
        (((1 / x, Eq(x, 0)), (PYTHAGORAS, True)), 0),
        (((x - 1, Eq(x, 1)), (PYTHAGORAS, True)), 0),  # 0 there as well
        (((sp.nan, Eq(2 * x + 2, 0)), (1 / x, Eq(x, 0)), (x + 0 * y, True)), x),
    ],
    ids=str,
)
def test_a_case_that_makes_no_difference_is_left_out(cases, left):
    assert exceptions(Piecewise(*cases)) == left


@pytest.mark.parametrize(
    "cases",
    [
        ((1, Eq(x, 0)), (PYTHAGORAS, True)),  # 1 there
        ((x, Eq(x, 1)), (0, True)),
        ((0, Eq(x, 0)), (1, Eq(x, 1)), (0, True)),
        ((sp.nan, r < 0), (0, True)),  # more than a point
        ((sp.nan, Eq(x**2, 1)), (x, True)),
        ((sp.nan, Eq(exp(x), 0)), (x, True)),  # nowhere
        ((sp.nan, Eq(x, 0)), (0, r > 0)),  # and else?
    ],
    ids=str,
)
def test_a_case_that_makes_a_difference_stays(cases):
    folded = sp.piecewise_fold(Piecewise(*cases))
    assert exceptions(folded) == folded
    assert exceptions(x + y) == x + y


# --- agreement: on a domain ---------------------------------------------------------------------------------

DOMAINS = [
    ((0, 1), 0, 1),
    ((-1, 3), -1, 3),
    ((Rational(-5, 2), -1), Rational(-5, 2), -1),
    ((2, oo), 2, oo),
    ((-oo, -3), -oo, -3),
]


@pytest.mark.parametrize(("interval", "low", "high"), DOMAINS, ids=str)
def test_a_positive_number_runs_through_the_interval(interval, low, high):
    inside = confined(x, {x: tuple(map(sp.sympify, interval))})
    (positive,) = inside.free_symbols
    assert positive.is_positive
    assert {sp.limit(inside, positive, end) for end in (0, oo)} == {low, high}
    assert sp.simplify(sp.diff(inside, positive)).is_nonzero  # each value once


def test_the_whole_line_makes_a_symbol_real():
    (real,) = confined(x, {x: (-oo, oo)}).free_symbols
    assert real.is_real
    assert real.is_positive is None
    assert confined(x * y, {}) == x * y
    both = confined(x * y, {x: (sp.S.Zero, oo), y: (-oo, sp.S.Zero)})
    assert both.is_negative


@pytest.mark.parametrize(
    ("cases", "interval", "left"),
    [
        (((1, x < 2), (3, True)), (0, 1), 1),
        (((1, x < 0), (3, True)), (0, 1), 3),
        (((1, x < 0), (3, True)), (0, oo), 3),
        (((1, x > 1), (2, x > 0), (3, True)), (0, 1), 2),
        (((1, x**2 < 1), (3, True)), (-1, 1), 1),
        (((1, (x > 0) & (x < 1)), (3, True)), (0, 1), 1),
    ],
    ids=str,
)
def test_a_domain_decides_cases(cases, interval, left):
    domain = {x: tuple(map(sp.sympify, interval))}
    assert confined(Piecewise(*cases), domain) == left
    assert confined(y + Piecewise(*cases), domain) == y + left


def test_cases_that_a_domain_does_not_decide_stay():
    for cases in (((1, x < HALF), (3, True)), ((1, x < y), (3, True)), ((1, y < 2), (3, True))):
        found = confined(Piecewise(*cases), {x: (sp.S.Zero, sp.S.One)})
        assert [case.args[0] for case in found.args] == [1, 3]
    kept = confined(Piecewise((1, x < HALF), (3, True)), {x: (sp.S.Zero, sp.S.One)})
    (positive,) = kept.free_symbols
    assert [kept.subs(positive, v) for v in (HALF, 2)] == [1, 3]  # x = 1/3 and x = 2/3
