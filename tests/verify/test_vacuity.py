"""A claim says nothing when both sides are one object, or rational, before any mathematics is done."""

from __future__ import annotations

import pytest
import sympy as sp
from sympy import Add, Derivative, Integral, Mul, Pow, Product, Rational, Sum, UnevaluatedExpr, exp, sqrt

from lemmata.verify import claim
from lemmata.verify.outcome import Vacuous
from lemmata.verify.vacuity import plain, refuse_vacuous

x, y, t = sp.symbols("x y t")
n = sp.Symbol("n", integer=True, positive=True)
k = sp.Symbol("k", integer=True)
demo = claim("demo")


def apart(function, *args):
    return function(*args, evaluate=False)


# --- identity: what is the same -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (x, x),
        (apart(Add, y, x), x + y),
        (apart(Mul, 0, x), 0),
        (apart(Mul, 0, sqrt(2), x), 0),
        (apart(Mul, 0, Integral(t, (t, 0, 1))), 0),
        (apart(Mul, x, apart(Mul, 1, sqrt(y))), x * sqrt(y)),
        (sqrt(apart(Add, y, x)) * y, sqrt(x + y) * y),
        (apart(Pow, x + y, 1), x + y),
        (apart(Pow, apart(Mul, 1, x), 2) * y, x**2 * y),
        (apart(Mul, apart(Pow, x, 2), apart(Pow, x, 3)), x**5),
        (UnevaluatedExpr(apart(Add, y, x)), x + y),
        (exp(UnevaluatedExpr(apart(Mul, 1, x))), exp(x)),
        (Sum(k**2, (k, 1, n)), Sum(t**2, (t, 1, n))),
        (1 + Sum(k**2, (k, 1, n)), 1 + Sum(t**2, (t, 1, n))),
        (Integral(apart(Mul, 0, t), (t, 0, x)), 0),
        (Integral(apart(Mul, 0, t), t), 0),
        (Integral(exp(t), (t, x, x)), 0),
        (Integral(x * t, (t, 0, 1), (x, y, y)), 0),
        (Sum(0, (k, 1, n)), 0),
        (Product(1, (k, 1, n)), 1),
        (apart(Derivative, sp.Integer(5), x), 0),
        (Derivative(apart(Mul, 0, x) + y, x), 0),
        (apart(Derivative, x**2, x, y), 0),  # no y to differentiate by
        (Derivative(UnevaluatedExpr(x) ** 2, x), Derivative(x**2, x)),
    ],
    ids=str,
)
def test_what_constructors_do_by_themselves_is_no_mathematics(left, right):
    assert plain(sp.sympify(left)) == plain(sp.sympify(right))
    with pytest.raises(Vacuous, match="same object"):
        refuse_vacuous(demo, [(sp.sympify(left), sp.sympify(right))])


# --- agreement: what says something -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (x, y),
        (sp.pi, 3),
        (3, sp.pi),
        (apart(Mul, sqrt(2), sqrt(3)), sqrt(6)),  # roots that are joined
        (apart(Mul, sqrt(2), sqrt(3), 5), 5 * sqrt(6)),
        (Pow(x, Rational(1, 2)) * Pow(y, Rational(1, 2)), sqrt(x * y)),
        (Derivative(x**2, x), 2 * x),
        (Derivative(x**2 * y, x, y), 2 * x),
        (Derivative(x, (x, k)), 0),  # k may be 0
        (Derivative(y, (x, k)), 0),
        (Integral(1, (t, 0, x)), x),
        (Integral(t, t), t**2 / 2),
        (Integral(t, (t, 1)), Rational(1, 2)),
        (Integral(exp(t), (t, 0, x)), exp(x) - 1),
        (Integral(exp(t), (t, 0, x)), 0),  # false, which is something
        (Integral(exp(t), (t, x, 0)), 1 - exp(x)),
        (Sum(k, (k, 1, n)), n * (n + 1) / 2),
        (Sum(k, (k, 1, 1)), sp.I),
        (Sum(1, (k, 1, n)), n),
        (Sum(n, (k, n, n)), 1),
        (Product(0, (k, 1, n)), 0),
        (Product(k, (k, 1, n)), sp.factorial(n)),
    ],
    ids=str,
)
def test_what_takes_work_says_something(left, right):
    assert refuse_vacuous(demo, [(sp.sympify(left), sp.sympify(right))]) is None


def test_one_pair_that_says_something_is_enough():
    assert refuse_vacuous(demo, [(x, x), (x + 1, y)]) is None
    assert refuse_vacuous(demo, [(sp.S.One, sp.S.Zero), (x + 1, y)]) is None
    assert refuse_vacuous(demo, [(x + 1, y), (x, x)]) is None


def test_an_expression_of_roots_stays_as_it_stands():
    product = apart(Mul, sqrt(2), sqrt(3))
    assert plain(product) is product
    assert plain(apart(Mul, UnevaluatedExpr(sqrt(x)), sqrt(y))) == sqrt(x) * sqrt(y)


# --- failure ------------------------------------------------------------------------------------------------


def refused(pairs):
    with pytest.raises(Vacuous) as failure:
        refuse_vacuous(demo, [tuple(map(sp.sympify, pair)) for pair in pairs])
    return str(failure.value)


def test_the_first_pair_is_shown():
    assert "expected: x and x\n" in refused([(x, x), (y, y)])
    assert "no symbol" in refused([(2, 3), (Rational(1, 2), 5)])
    assert "expected: 2 and 3\n" in refused([(2, 3), (4, 5)])
    assert "expected: 0 and 0\n" in refused([])  # matrices without entries
