"""Inequalities that SymPy's assumptions alone do not see: calculus in one variable, transformations in more.

Every transformation is an equivalence on the domain (a positive symbol is a square, a real one is a logarithm
of a square, log is increasing), a case distinction that leaves no case out, or it proves more than was asked.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping

import sympy as sp

from .monotone import Interval, Prover, between, constant_above, inner, is_zero
from .reductions import confined

__all__ = ["shown_above", "shown_zero"]

FIRST = 6  # integers that are looked at one by one before calculus takes the rest
Domain = Mapping[sp.Symbol, Interval]


def shown_above(f: sp.Expr, strict: bool, domain: Domain, seconds: float) -> str | None:
    """How f >= 0 (> 0 if ``strict``) was proved for all values of the symbols; None if it was not."""
    until = time.process_time() + seconds
    symbols = sorted(f.free_symbols, key=str)
    if not symbols or not all(s.is_real or s in domain for s in symbols):
        return None
    if len(symbols) == 1:
        return "calculus in one variable" if _one_variable(f, symbols[0], strict, domain, until) else None
    f = confined(f, {s: domain[s] for s in symbols if s in domain})
    if _several(f, strict, until):
        return "squares and calculus"
    for kind, cases in (("order", _orders(f)), ("sign and order", _signs(f))):
        parts = list(cases)
        if parts and all(_several(part, strict, until) for part in parts):
            return f"all cases of {kind}"
    return None


def shown_zero(f: sp.Expr, domain: Domain, seconds: float) -> str | None:
    """How f = 0 was proved for a function of one real variable: smooth, of slope 0, and 0 at a place."""
    if len(f.free_symbols) != 1:
        return None
    (s,) = f.free_symbols
    if not (s.is_real or s in domain):
        return None
    x, (low, high, ends) = sp.Dummy(s.name, real=True), _range(s, domain)
    f, prover = f.xreplace({s: x}), Prover(x, seconds)
    places = [(low, high), *ends]
    flat = sp.simplify(sp.diff(f, x)) is sp.S.Zero and prover.smooth(f, (low, high))
    if not flat or not all(is_zero(f.subs(x, end)) for end in ends):
        return None
    inside = [c for c in (sp.S.Zero, sp.S.One, inner(places[0])) if between(c, places[0])]
    zero = any(is_zero(f.subs(x, c)) for c in inside) or prover.limit(f, low, "+") == 0
    return "smooth, of slope 0, and 0 at a point: this" if zero else None


# --- one variable -------------------------------------------------------------------------------------------


def _one_variable(f: sp.Expr, s: sp.Symbol, strict: bool, domain: Domain, until: float) -> bool:
    x = sp.Dummy(s.name, real=True)
    low, high, ends = _range(s, domain)
    g = f.xreplace({s: x}).rewrite(sp.Abs) if f.has(sp.Max, sp.Min) else f.xreplace({s: x})
    if s.is_integer and low.is_finite:  # the first few one by one, and the real numbers beyond them
        low = sp.ceiling(low)
        ends = [low + j for j in range(FIRST)]
        low = low + FIRST - 1
    prover = Prover(x, until - time.process_time())
    return all(constant_above(sp.simplify(f.subs(s, end)), strict) for end in ends) and _without_kinks(
        g, x, (low, high), strict, prover
    )


def _range(s: sp.Symbol, domain: Domain) -> tuple[sp.Expr, sp.Expr, list[sp.Expr]]:
    """The open interval of a symbol, and the ends that belong to it."""
    low, high = domain.get(s, (-sp.oo, sp.oo))
    ends = []
    if s.is_nonnegative and low < 0:
        low, ends = sp.S.Zero, [] if s.is_positive else [sp.S.Zero]
    if s.is_nonpositive and high > 0:
        high, ends = sp.S.Zero, [] if s.is_negative else [sp.S.Zero]
    if s.is_integer and s.is_positive and low == 0:
        low = sp.S.One
    return low, high, ends


def _without_kinks(f: sp.Expr, x: sp.Symbol, interval: Interval, strict: bool, prover: Prover) -> bool:
    """f >= 0, on each of the parts into which the zeros of what stands between bars cut the interval."""
    kinks = [a.args[0] for a in f.atoms(sp.Abs)]
    if not kinks:
        return prover.above(f, interval, strict)
    zeros: set[sp.Expr] = set()
    for inside in kinks:
        found = sp.solveset(inside, x, sp.Interval.open(*interval))
        if not isinstance(found, sp.FiniteSet) and found is not sp.S.EmptySet:
            return False
        zeros |= set(found)
    marks = [interval[0], *sorted(zeros, key=lambda c: sp.N(c, 30)), interval[1]]
    for part in itertools.pairwise(marks):
        signs = {}
        for inside in kinks:
            sign = next((s for s in (1, -1) if prover.above(s * inside, part, False)), None)
            if sign is None:
                return False
            signs[sp.Abs(inside)] = sign * inside
        if not prover.above(f.xreplace(signs), part, strict):
            return False
    return all(constant_above(f.subs(x, c), strict) for c in zeros)


# --- several variables --------------------------------------------------------------------------------------


def _several(f: sp.Expr, strict: bool, until: float) -> bool:
    """Whether a transformation of f has the sign by assumptions, or by calculus in its one variable."""
    for transform in (lambda e: e, sp.factor, _squares, _logarithms, _peeled, _peeled_and_squared):
        if time.process_time() > until:
            return False
        try:
            g = transform(f)
            if _by_assumptions(g, strict) or (not strict and _quadratic_form(g)):
                return True
            if any(_one_symbol(h, strict, until) for h in _compressed(g)):
                return True
        except Exception:  # a step that cannot treat this expression is no reason to give up
            continue
    return False


def _by_assumptions(f: sp.Expr, strict: bool) -> bool:
    return any(
        g.is_positive or (not strict and g.is_nonnegative)
        for g in (f, sp.factor(f), sp.expand(f), sp.simplify(f))
    )


def _one_symbol(f: sp.Expr, strict: bool, until: float) -> bool:
    symbols = list(f.free_symbols)
    return len(symbols) == 1 and _one_variable(f, symbols[0], strict, {}, min(until, time.process_time() + 5))


def _squares(f: sp.Expr) -> sp.Expr:
    """Each positive symbol as a square: roots of products become products."""
    named = {s: sp.Dummy(s.name, positive=True) ** 2 for s in f.free_symbols if s.is_positive}
    return sp.factor(sp.together(f.subs(named)))


def _logarithms(f: sp.Expr) -> sp.Expr:
    """Each real symbol as a logarithm: exponentials become powers."""
    named = {s: 2 * sp.log(sp.Dummy(s.name, positive=True)) for s in f.free_symbols if s.is_real}
    return sp.factor(sp.together(sp.powdenest(sp.expand_power_exp(sp.expand(f.subs(named))))))


def _peeled(f: sp.Expr) -> sp.Expr:
    """c log(A) + R >= 0 as A - exp(-R/c) >= 0, for c > 0; and exp(-R/c) - A >= 0 for c < 0."""
    f = sp.expand(f)
    logs = [term for term in sp.Add.make_args(f) if term.has(sp.log) and term.free_symbols]
    if len(logs) != 1:
        raise ValueError("not one logarithm")
    c, log = logs[0].as_coeff_Mul()
    if not isinstance(log, sp.log) or not log.args[0].is_positive:
        raise ValueError("not the logarithm of something positive")
    gap = log.args[0] - sp.exp(-(f - logs[0]) / c)
    return sp.expand(sp.expand_power_exp(gap * sp.sign(c)))


def _peeled_and_squared(f: sp.Expr) -> sp.Expr:
    return _logarithms(_peeled(f))


def _quadratic_form(f: sp.Expr) -> bool:
    """A polynomial of degree 2, v^T Q v with v = (1, x, y, ...), is >= 0 when Q is positive semidefinite."""
    symbols = sorted(f.free_symbols, key=str)
    if not symbols or not f.is_polynomial(*symbols):
        return False
    v = [sp.Dummy("one"), *symbols]
    homogeneous = sp.expand(sp.Poly(f, *symbols).homogenize(v[0]).as_expr())
    if sp.Poly(homogeneous, *v).total_degree() != 2:
        return False
    return sp.hessian(homogeneous, v).is_positive_semidefinite is True


def _compressed(f: sp.Expr) -> Iterator[sp.Expr]:
    """f in one new symbol, where it depends on the others through one expression: more than was asked."""
    if len(f.free_symbols) < 2:
        yield f
        return
    for part in sorted(f.atoms(sp.Mul, sp.Add, sp.Pow), key=sp.count_ops)[:8]:
        if part == f or not part.is_real:
            continue
        u = sp.Dummy(
            "u", positive=part.is_positive or None, nonnegative=part.is_nonnegative or None, real=True
        )
        g = f.subs(part, u)
        if g.free_symbols == {u}:
            yield g


# --- cases --------------------------------------------------------------------------------------------------


def _orders(f: sp.Expr) -> Iterator[sp.Expr]:
    """x = y + d and y = x + d, with d >= 0: one of them always holds."""
    symbols = sorted(f.free_symbols, key=str)
    if len(symbols) != 2 or not f.has(sp.Max, sp.Min, sp.Abs):
        return
    d = sp.Dummy("d", nonnegative=True)
    for x, y in (symbols, symbols[::-1]):
        yield sp.expand_log(_factored_logs(f.subs(x, y + d)))


def _factored_logs(f: sp.Expr) -> sp.Expr:
    return f.replace(sp.log, lambda a: sp.log(sp.factor(sp.expand_power_exp(a))))


def _signs(f: sp.Expr) -> Iterator[sp.Expr]:
    """Each symbol as plus or minus its size, and the sizes in either order."""
    symbols = sorted(f.free_symbols, key=str)
    if len(symbols) != 2 or not f.has(sp.Max, sp.Min, sp.Abs):
        return
    d, size = sp.symbols("d size", nonnegative=True, cls=sp.Dummy)
    for signs in itertools.product((1, -1), repeat=2):
        for x, y in ((size, size + d), (size + d, size)):
            named = dict(zip(symbols, (signs[0] * x, signs[1] * y), strict=True))
            yield f.subs(named, simultaneous=True)
