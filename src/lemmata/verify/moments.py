r"""Expectations of polynomials in power sums, for a sample of any size n; and unbiased estimators, from them.

A sample enters through its power sums :math:`S_r = \sum_i x_i^r`, its law through the raw moments
:math:`m_r = \mathbb E x^r`. Between them stand the *distinct sums*, over indices that all differ:

.. math:: [a_1 \dots a_k] = \sum_{i_1 \dots i_k \text{ distinct}} x_{i_1}^{a_1} \cdots x_{i_k}^{a_k},
    \qquad \mathbb E [a_1 \dots a_k] = n (n-1) \cdots (n-k+1)\; m_{a_1} \cdots m_{a_k} .

One more power sum either meets an index that is there already, or it does not:
:math:`S_a [a_1 \dots a_k] = [a_1 \dots a_k, a] + \sum_j [\dots, a_j + a, \dots]`.
Read from left to right this gives expectations; solved for :math:`[a_1 \dots a_k, a]`, estimators.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import sympy as sp

__all__ = [
    "SampleExpectation",
    "central_moment",
    "centred_sum",
    "cumulant",
    "power_sums",
    "raw_moments",
    "sample_expectation",
    "unbiased_estimator",
]

Exponents = tuple[int, ...]  # of a distinct sum, or of a product of power sums; sorted
Family = Callable[[int], tuple[sp.Symbol, ...]]  # power_sums or raw_moments


def power_sums(order: int) -> tuple[sp.Symbol, ...]:
    r"""The symbols :math:`S_1, \dots, S_r`: power sums of a sample."""
    return sp.symbols(f"S_1:{order + 1}", real=True)


def raw_moments(order: int) -> tuple[sp.Symbol, ...]:
    r"""The symbols :math:`m_1, \dots, m_r`: raw moments of a law, or of a population."""
    return sp.symbols(f"m_1:{order + 1}", real=True)


def centred_sum(order: int, n: Any) -> sp.Expr:
    r""":math:`\sum_i (x_i - \bar x)^r` in power sums; for r = 2, the sum of squares."""
    return _centred((sp.sympify(n), *power_sums(order)), power_sums(1)[0] / n)


def central_moment(order: int) -> sp.Expr:
    r""":math:`\mu_r = \mathbb E (x - m_1)^r` in raw moments; for r = 2, the variance."""
    return _centred((sp.S.One, *raw_moments(order)), raw_moments(1)[0])


def cumulant(order: int) -> sp.Expr:
    r""":math:`\kappa_r` in raw moments: mean, variance, :math:`\mu_3`, :math:`\mu_4 - 3\mu_2^2`, ..."""
    m = (sp.S.One, *raw_moments(order))
    lower = (sp.binomial(order - 1, j - 1) * cumulant(j) * m[order - j] for j in range(1, order))
    return sp.expand(m[order] - sum(lower))


def sample_expectation(statistic: Any, n: Any, *, population: Any = sp.oo) -> sp.Expr:
    r"""The expectation of a polynomial in power sums, for all sample sizes at once.

    Args:
        statistic: polynomial in the symbols of ``power_sums``; its coefficients may contain n and N.
        n: number of draws, an expression or a positive integer.
        population: number N of values from which the draws are made *without replacement*; then the raw
            moments are those of the N values. Infinite for independent draws.

    Returns:
        A polynomial in the symbols of ``raw_moments``.

    Raises:
        ValueError: ``statistic`` is no such polynomial, ``n`` or ``population`` is no size, or there are more
            draws than values to draw from.

    Example:
        >>> import sympy as sp
        >>> from lemmata.verify import power_sums, sample_expectation
        >>> n, (S_1,) = sp.Symbol("n", positive=True), power_sums(1)
        >>> sample_expectation((S_1 / n) ** 2, n)  # the squared mean is biased
        m_1**2*(n - 1)/n + m_2/n
    """
    _check_size("n", n)
    _check_size("population", population)
    if sp.sympify(n) == sp.oo or (sp.sympify(population) - n).is_extended_negative:
        raise ValueError(f"n must be finite and at most population={population}, got {n}")
    result = sp.S.Zero
    for factors, coefficient in _terms("statistic", statistic, power_sums, n, population):
        for blocks, count in _distinct_sums(factors).items():
            mean = _product(blocks, raw_moments)
            if population != sp.oo:  # every tuple of different values is equally likely
                sums, moments = power_sums(sum(blocks)), raw_moments(sum(blocks))
                values = {s: population * m for s, m in zip(sums, moments, strict=True)}
                if sp.sympify(n).is_number and n < len(blocks):
                    continue  # there are not so many different draws
                mean = _in_power_sums(blocks).subs(values) / _falling(population, len(blocks))
            result += coefficient * count * _falling(n, len(blocks)) * mean
    return _tidy(result, raw_moments)


def unbiased_estimator(parameter: Any, n: Any) -> sp.Expr:
    r"""The symmetric statistic of n independent draws whose expectation is a polynomial in raw moments.

    :math:`m_{a_1} \cdots m_{a_k}` is estimated by :math:`[a_1 \dots a_k]`, divided by its number of terms.

    Args:
        parameter: polynomial in the symbols of ``raw_moments``; its coefficients may contain n.
        n: number of draws; not less than the number of factors of any product.

    Returns:
        A polynomial in the symbols of ``power_sums``.

    Raises:
        ValueError: ``parameter`` is no such polynomial, or ``n`` is no size or too small.

    Example:
        >>> import sympy as sp
        >>> from lemmata.verify import central_moment, unbiased_estimator
        >>> unbiased_estimator(central_moment(2), sp.Symbol("n", positive=True))
        -S_1**2/(n*(n - 1)) + S_2/(n - 1)
    """
    _check_size("n", n)
    result = sp.S.Zero
    for factors, coefficient in _terms("parameter", parameter, raw_moments, n):
        if sp.sympify(n).is_number and n < len(factors):
            raise ValueError(f"n must be at least {len(factors)} for a product of so many moments, got {n}")
        result += coefficient * _in_power_sums(factors) / _falling(n, len(factors))
    return _tidy(result, power_sums)


class SampleExpectation(sp.Expr):
    r"""``sample_expectation`` not yet carried out, as ``Derivative`` is to ``diff``: a side of a claim.

    Its numbers, at the random points of a proof, come another way: one draw after another is added to
    the power sums and averaged over (independent draws only).

    Example:
        >>> import sympy as sp
        >>> from lemmata.verify import SampleExpectation, central_moment, centred_sum, claim
        >>> n = sp.Symbol("n", integer=True, positive=True)
        >>> mean = SampleExpectation(centred_sum(2, n), n)
        >>> claim("demo-squares").proved(mean, (n - 1) * central_moment(2)).kind
        'proved'
    """

    is_commutative = True

    def __new__(cls, statistic: Any, n: Any, population: Any = sp.oo, moments: Any = None) -> sp.Expr:
        statistic, n, population = map(sp.sympify, (statistic, n, population))
        if not statistic.is_finite and statistic.has(sp.nan, sp.zoo):
            return sp.nan  # a pole of a coefficient, at a number n
        if (population - n).is_extended_negative:
            return sp.nan  # more draws than values
        terms = _terms("statistic", statistic, power_sums, n, population)
        weight = max(sum(factors) for factors, _ in terms)
        moments = sp.Tuple(*(raw_moments(weight) if moments is None else moments))
        return super().__new__(cls, statistic, n, population, moments)

    @property
    def free_symbols(self) -> set[sp.Basic]:
        return super().free_symbols - self.args[0].free_symbols | self.args[1].free_symbols

    def doit(self, **_: Any) -> sp.Expr:
        statistic, n, population, moments = self.args
        mean = sample_expectation(statistic, n, population=population)
        return mean.subs(dict(zip(raw_moments(len(moments)), moments, strict=True)), simultaneous=True)

    def _eval_evalf(self, prec: int) -> sp.Expr:
        statistic, n, population, moments = self.args
        if not n.is_Integer or population != sp.oo or moments.free_symbols:
            return self.doit()._eval_evalf(prec)
        means = [sp.S.One, *(m if m.is_Rational else m._eval_evalf(4 * prec) for m in moments)]
        terms = dict(sp.Poly(statistic, *power_sums(len(moments))).terms())
        for _ in range(int(n)):
            terms = _one_more(terms, means)
        return sp.sympify(terms.get((0,) * len(moments), 0))._eval_evalf(prec)

    def _latex(self, printer: Any) -> str:
        return rf"\mathbb{{E}}\left[{printer._print(self.args[0])}\right]"


def _one_more(terms: dict[Exponents, sp.Expr], means: Sequence[sp.Expr]) -> dict[Exponents, sp.Expr]:
    """A polynomial in power sums after one more draw x, averaged over it: each S_r becomes S_r + x^r."""
    grown: dict[Exponents, sp.Expr] = defaultdict(lambda: sp.S.Zero)
    for powers, coefficient in terms.items():
        for left, degree, count in _expanded(powers):
            grown[left] += coefficient * count * means[degree]
    return grown


@cache
def _expanded(powers: Exponents) -> list[tuple[Exponents, int, int]]:
    """The terms of prod (S_r + x^r)^powers[r]: powers left of the S_r, the degree in x, how often."""
    terms = []
    for taken in itertools.product(*(range(power + 1) for power in powers)):
        left = tuple(power - k for power, k in zip(powers, taken, strict=True))
        count = math.prod(math.comb(power, k) for power, k in zip(powers, taken, strict=True))
        terms.append((left, sum(r * k for r, k in enumerate(taken, 1)), count))
    return terms


# --- distinct sums ------------------------------------------------------------------------------------------


@cache
def _distinct_sums(factors: Exponents) -> Counter[Exponents]:
    """A product of power sums as a sum of distinct sums, each with its count."""
    terms: Counter[Exponents] = Counter({(): 1})
    for a in factors:
        grown: Counter[Exponents] = Counter()
        for blocks, count in terms.items():
            for met in (*_met(blocks, a), (*blocks, a)):
                grown[tuple(sorted(met))] += count
        terms = grown
    return terms


@cache
def _in_power_sums(blocks: Exponents) -> sp.Expr:
    """A distinct sum as a polynomial in power sums."""
    if not blocks:
        return sp.S.One
    *rest, a = blocks
    joined = power_sums(a)[-1] * _in_power_sums(tuple(rest))
    return sp.expand(joined - sum(map(_in_power_sums, _met(rest, a))))


def _met(blocks: Sequence[int], a: int) -> Iterator[Exponents]:
    """The blocks after the exponent ``a`` has met each of them in turn."""
    for j, b in enumerate(blocks):
        yield (*blocks[:j], b + a, *blocks[j + 1 :])


# --- small pieces -------------------------------------------------------------------------------------------


def _centred(powers: tuple[sp.Expr, ...], centre: sp.Expr) -> sp.Expr:
    order = len(powers) - 1
    return sp.expand(
        sum(sp.binomial(order, k) * powers[k] * (-centre) ** (order - k) for k in range(order + 1))
    )


def _falling(n: Any, count: int) -> sp.Expr:
    return sp.prod(n - j for j in range(count))


def _product(factors: Exponents, family: Family) -> sp.Expr:
    return sp.prod(family(a)[-1] for a in factors)


def _tidy(expression: sp.Expr, family: Family) -> sp.Expr:
    """Each product of symbols once, with one factored coefficient."""
    symbols = sorted(expression.free_symbols & set(family(_order(expression, family))), key=str)
    if not symbols:
        return sp.factor(expression)
    terms = sp.Poly(expression, *symbols).terms()
    return sum(sp.factor(c) * sp.prod(s**e for s, e in zip(symbols, es, strict=True)) for es, c in terms)


def _order(expression: sp.Expr, family: Family) -> int:
    """The highest index of a family's symbols in the expression."""
    prefix = family(1)[0].name[:-1]
    indices = (s.name.removeprefix(prefix) for s in expression.free_symbols if s.name.startswith(prefix))
    return max((int(i) for i in indices if i.isdigit()), default=1)


def _terms(name: str, expression: Any, family: Family, *sizes: Any) -> list[tuple[Exponents, sp.Expr]]:
    """Each term as (indices of its factors, coefficient): 2 S_1**2 S_3 is ((1, 1, 3), 2)."""
    expression = sp.sympify(expression)
    if floats := expression.atoms(sp.Float):
        raise ValueError(f"{name} must be exact, got the floating-point number {floats.pop()}")
    symbols = family(_order(expression, family))
    known = set(symbols).union(*(sp.sympify(size).free_symbols for size in sizes))
    if unknown := expression.free_symbols - known:
        raise ValueError(
            f"{name} must contain symbols of {family.__name__} and n only, got {sorted(unknown, key=str)}"
        )
    try:
        terms = sp.Poly(expression, *symbols).terms()
    except sp.PolynomialError:
        found = f"must be a polynomial in {symbols[0]}, ..., got {expression}"
        raise ValueError(f"{name} {found}") from None
    return [(tuple(r for r, e in enumerate(es, 1) for _ in range(e)), c) for es, c in terms]


def _check_size(name: str, size: Any) -> None:
    size = sp.sympify(size)
    if size.is_number and size != sp.oo and not (size.is_Integer and size > 0):
        raise ValueError(f"{name} must be a positive integer or an expression, got {size}")
