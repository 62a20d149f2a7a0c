"""A limit may be another where a coefficient is 0, and a claim may fail at the smallest integers only."""

import pytest
import sympy as sp
from sympy import Abs, Limit, Rational, Sum, binomial, exp, log, oo, sin, sqrt

from lemmata.verify import claim
from lemmata.verify.limits import _hidden_zero, at_edge, edges
from lemmata.verify.outcome import NotDecided, Refuted

x, y, t = sp.symbols("x y t", real=True)
p, a = sp.symbols("p a", positive=True)
z = sp.Symbol("z")
r = sp.Symbol("r", nonnegative=True)
n, k = sp.symbols("n k", integer=True, nonnegative=True)
N = sp.Symbol("N", integer=True, positive=True)


def proved(*sides, **options):
    return claim("demo").proved(*sides, seconds=10, **options)


# --- identity: what holds at the edges, too, is shown -------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        (Limit((1 + x / t) ** t, t, oo), exp(x)),
        (Limit((exp(x * t) - 1) / t, t, 0), x),
        (Limit((x * t + 1) / (t + 1), t, oo), x),
        (Limit(log(1 + p * t) / t, t, 0), p),
        (Limit((p**t - 1) / t, t, 0), log(p)),
        (Limit(sin(x * t) / t, t, 0), x),
    ],
)
def test_limits_that_hold_for_every_parameter_are_proved(limit, value):
    assert proved(limit, value).kind == "proved"


def test_edges_are_the_roots_of_what_the_variable_is_multiplied_with():
    assert set(edges(Limit(1 / (x * t + 1), t, oo))) == {(x, 0)}
    assert set(edges(Limit(1 / ((x**2 - 2) * t + 1), t, oo))) == {(x, -sp.sqrt(2)), (x, sp.sqrt(2))}
    assert (x, y) in set(edges(Limit(1 / (x * t - y * t + 1), t, oo)))
    assert (r, 0) in set(edges(Limit(r**t, t, 0)))
    assert not set(edges(Limit(1 / (p * t + 1), t, oo)))  # p is positive
    assert not set(edges(x * t))
    assert not set(edges(Limit(1 / (p + x * t) + exp(x * t), t, 0)))  # smooth there: its value is its limit
    assert not set(edges(Limit(t * (x / t + y / t**2) + (x * t + y) / (p * t + x), t, oo)))  # a fraction
    assert set(edges(Limit(1 / (y + x * t), t, 0))) == {(x, 0), (y, 0)}
    assert set(edges(Limit(1 / (x * t + 1), t, oo) + Limit(1 / (y * t + 1), t, oo))) == {(x, 0), (y, 0)}
    assert set(edges(Limit(1 / (x * exp(t) + 1), t, oo))) == {(x, 0)}  # no fraction
    assert set(edges(Limit(x * sqrt(t), t, 0))) == {(x, 0)}  # not smooth
    assert set(edges(Limit(x * sp.floor(t), t, 1, "+"))) == {(x, 0)}
    assert (p, 1) in set(edges(Limit(p**t, t, oo)))
    assert set(edges(Limit(1 / ((z**2 + 1) * t + 1), t, oo))) == {(z, sp.I), (z, -sp.I)}
    assert not set(edges(Limit(1 / ((3 * n - 1) * t + 1), t, oo)))  # n is whole
    with pytest.raises(ValueError, match="cannot tell where"):
        list(edges(Limit(t * (x * exp(x) + sp.cos(x)), t, oo)))


@pytest.mark.parametrize(
    ("limit", "places"),
    [
        (Limit(log(1 + x * t), t, 0), set()),  # a logarithm is smooth where its argument is positive
        (Limit(log(x + t), t, 0), {(x, 0)}),
        (Limit((x + t) ** 2, t, 0), set()),  # a power is smooth, a quotient where its denominator is not 0
        (Limit(1 / (x + t), t, 0), {(x, 0)}),
        (Limit((x + t) ** -2 * (y + t) ** 2, t, 0), {(x, 0), (y, 0)}),
        (Limit(x * t, t, oo), {(x, 0)}),  # not bounded
        (Limit(x * exp(-t), t, oo), {(x, 0)}),
        (Limit((x + y) / t, t, oo), set()),
        (Limit(1 / (x * t + y * t - 2 * t + 1), t, oo), {(x, 2 - y), (x, 0), (y, 0)}),
        (Limit(1 / ((Abs(x) - 1) * t + 1), t, oo), {(x, 1), (x, -1)}),
        (Limit(1 / ((z - 1) * t + 1), t, oo), {(z, 1)}),
        (Limit(1 / ((exp(x) - 1) * t + 1), t, oo), {(x, 0)}),
        (Limit(1 / ((x - exp(x)) * t + 1), t, oo) - Limit(1 / ((x - exp(x)) * t + 1), t, oo), set()),
        (Limit(1 / ((exp(x) - y) * t + 1), t, oo), {(x, log(y))}),  # if y is positive
        (Limit(1 / (sp.sign(x) * t + 1), t, oo), {(x, 0)}),
        (Limit(1 / ((sp.tanh(x) - 2) * t + 1), t, oo), set()),  # nowhere
        (Limit(1 / (sp.gamma(p) * t + 1), t, oo), set()),  # positive
        (Limit(1 / ((exp(sp.I) - 1) * t + 1), t, oo), set()),
    ],
    ids=lambda value: str(value) if isinstance(value, sp.Basic) else "",
)
def test_edges_are_sought_where_the_limit_is_not_just_a_value(limit, places):
    assert set(edges(limit)) == places


@pytest.mark.parametrize(
    "coefficient",
    [
        sp.cos(x),  # SymPy's solve gives two of its zeros
        exp(z) - 1,  # and one of these
        x * exp(x) + Rational(1, 10),
        Abs(z) - 1,
        sp.gamma(x) - 1,
    ],
    ids=str,
)
def test_zeros_without_number_are_not_told(coefficient):
    with pytest.raises(ValueError, match="cannot tell where"):
        list(edges(Limit(1 / (coefficient * t + 1), t, oo)))


@pytest.mark.parametrize(
    ("coefficient", "root"),
    [
        (3 * x**5 - x - 1, sp.CRootOf(3 * x**5 - x - 1, 0)),
        (x**2 - 3 * x * y + 1, (3 * y + sqrt(9 * y**2 - 4)) / 2),
        (x * exp(x) + Rational(1, 10), sp.LambertW(Rational(-1, 10))),
        (x**2 - 3 * x + 1, (3 + sqrt(5)) / 2),
        (x - 2, 2),
    ],
    ids=str,
)
def test_a_coefficient_that_is_0_at_an_edge_looks_so(coefficient, root):
    limit = Limit(1 / (coefficient * t + 1), t, oo)
    assert at_edge(1 + limit, x, root).doit() == 2
    scattered = Limit(1 / (sp.expand(coefficient * t) + 1), t, oo)
    assert at_edge(scattered, x, root).doit() == 1
    others = Limit(t / (sp.expand(coefficient * t**2) + 2 * t + 1), t, oo)
    assert at_edge(others, x, root).doit() == Rational(1, 2)
    assert at_edge(limit, x, sp.S.One) == limit.subs(x, 1)


def test_a_0_that_cannot_be_shown_is_no_edge():
    power = Limit((3 * x**5 - x) ** t, t, oo)  # 1 at the root, and 0 or infinite next to it
    with pytest.raises(ValueError, match=r"cannot tell what the limit is where .* is 0"):
        at_edge(power, x, sp.CRootOf(3 * x**5 - x - 1, 0))


UNDECIDED = sp.Integral(sin(exp(x)), (x, 0, 1))  # by SymPy; it is 0.87


@pytest.mark.parametrize("number", [sp.S.Zero, sp.pi - 3, UNDECIDED, y, exp(z) + 1], ids=str)
def test_what_is_0_in_sight_or_not_at_all_is_no_hidden_0(number):
    assert not _hidden_zero(number)


# --- failure ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "value", "options"),
    [
        (Limit(1 / (x * t + 1), t, oo), 0, {}),  # x = 0: 1
        (Limit(1 / (x * t + 1), t, oo), Rational(1, 2), {"relation": "<"}),
        (Limit(Abs(x) / (Abs(x) + p), p, 0), 1, {}),  # x = 0: 0, as in Adam and RMSNorm
        (Limit(n * t / (1 + n * t), t, oo), 1, {}),
        (Limit(1 / (x * t - y * t + 1), t, oo), 0, {}),  # x = y
        (Limit(exp(-(x**2) * t), t, oo), 0, {}),
    ],
)
def test_limits_that_fail_at_a_simple_value_are_refuted(limit, value, options):
    with pytest.raises(Refuted):
        proved(limit, value, **options)


@pytest.mark.parametrize(
    ("limit", "value", "where"),
    [
        (Limit(1 / ((x**2 - 2) ** 2 * t + 1), t, oo), 0, r"sqrt\(2\)"),
        (Limit(r**t, t, 0), 1, "r = 0"),
        (Limit(1 / ((3 * x - 1) * t + 1), t, oo), 0, "x = 1/3"),
    ],
)
def test_limits_that_fail_elsewhere_are_not_decided_and_say_where(limit, value, where):
    with pytest.raises(NotDecided, match=where):
        proved(limit, value)


def test_a_domain_without_the_edge_is_enough():
    assert proved(Limit(1 / ((3 * x - 1) * t + 1), t, oo), 0, domain={x: (1, 2)}).kind == "proved"


def test_limits_that_sympy_does_not_know_are_not_decided():
    for limit in (Limit(sin(t), t, oo), Limit(t * sp.cos(t), t, oo)):
        with pytest.raises(NotDecided):
            proved(limit, 0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("lhs", "rhs", "relation"),
    [
        (Sum((-1) ** k * binomial(n, k), (k, 0, n)), 0, "=="),  # n = 0: 1
        (Sum((-1) ** k * binomial(n, k), (k, 0, n)), 0, "<="),
        (Sum((-1) ** k * k * binomial(N, k), (k, 0, N)), 0, "=="),  # N = 1: -1
        (binomial(n - 1, n), 0, "=="),  # n = 0: 1
        (binomial(2 * n, n), 2 * binomial(2 * n - 1, n), "=="),  # n = 0: 1 and 2
        (binomial(n - 2, n), 0, "=="),
    ],
)
def test_what_fails_at_the_smallest_integers_only_is_refuted(lhs, rhs, relation, seed):
    with pytest.raises(Refuted):
        proved(lhs, rhs, relation=relation, seed=seed)
