"""Numbers look over the simplifier's shoulder: both sides of a claim, as they were given, at random points.

The points satisfy the assumptions of the symbols. Derivatives are evaluated by finite differences, not by
``diff``, so a bug in the simplifier or in ``diff`` cannot pass alone.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import mpmath
import sympy as sp
from sympy.concrete.expr_with_limits import ExprWithLimits

__all__ = ["GUARD", "Domain", "allowed", "draw", "holds", "value"]

DIGITS = 50
GUARD = DIGITS + 20
Domain = Mapping[sp.Symbol, Sequence[object]]
Point = Mapping[sp.Symbol, sp.Expr]


def holds(left: sp.Expr, right: sp.Expr, relation: str) -> bool:
    """Whether two numbers of 70 digits are finite and stand in the relation, to 50 digits."""
    if not (left.is_finite and right.is_finite):
        return False
    real, imaginary = sp.N(left - right, GUARD).as_real_imag()
    scale = max(sp.Integer(1), abs(left), abs(right)) * sp.Float(10, DIGITS) ** -DIGITS
    if not abs(imaginary) <= scale:
        return False
    if relation == "==":
        return bool(abs(real) <= scale)
    return bool(real >= -scale if ">" in relation else real <= scale)


def value(expr: sp.Expr, point: Point) -> sp.Expr:
    """``expr`` at ``point`` to 70 digits; derivatives by finite differences, not by ``diff``."""
    bound = {v for e in expr.atoms(ExprWithLimits) for v in e.variables}
    derivatives = {
        d: _finite_difference(d, point)
        for d in expr.atoms(sp.Derivative)
        if d.free_symbols <= point.keys() - bound
    }
    there = expr.xreplace(derivatives).subs(point)
    number = sp.N(there, GUARD)
    if number.is_finite is not None:
        return number
    try:
        return sp.N(there.doit(), GUARD)
    except NotImplementedError:
        return sp.nan


def _finite_difference(derivative: sp.Derivative, point: Point) -> sp.Expr:
    variables = [v for v, _ in derivative.variable_count]
    orders = tuple(int(sp.sympify(count).subs(point)) for _, count in derivative.variable_count)
    others = {s: v for s, v in point.items() if s not in variables}
    with mpmath.workdps(3 * DIGITS):
        f = sp.lambdify(variables, derivative.expr.doit().subs(others), "mpmath")
        start = tuple(mpmath.mpmathify(sp.N(point[v], mpmath.mp.dps)) for v in variables)
        single = len(variables) == 1
        slope = mpmath.diff(f, start[0] if single else start, orders[0] if single else orders)
        if abs(slope) < mpmath.mpf(10) ** (-2 * DIGITS):
            return sp.S.Zero
        return sp.Float(slope.real, 2 * DIGITS) + sp.I * sp.Float(slope.imag, 2 * DIGITS)


# --- the points ---------------------------------------------------------------------------------------------


def draw(symbol: sp.Symbol, generator: random.Random, interval: Sequence[object] | None = None) -> sp.Expr:
    """A random exact number that satisfies the symbol's assumptions (and lies in the open ``interval``)."""
    low, high = (
        sp.Rational(end) if end.is_Float else end for end in map(sp.sympify, interval or (-sp.oo, sp.oo))
    )
    if not low < high:
        raise ValueError(f"domain[{symbol}] must be two numbers in order, got ({low}, {high})")
    for _ in range(1000):
        rational = sp.Rational(generator.randint(-700, 700), generator.randint(50, 150))
        integer, thousandth = (
            sp.Integer(generator.randint(-9, 9)),
            sp.Rational(generator.randint(1, 999), 1000),
        )
        if interval is not None:
            finite = low.is_finite and high.is_finite
            candidates = [low + (high - low) * thousandth] if finite else [rational, integer]
            candidates = [c for c in candidates if low < c < high]
        else:
            complex_ = rational + sp.I * (thousandth * 6 - 3)
            others = [rational, integer, sp.sqrt(2) * rational, sp.pi * rational, sp.I * rational]
            candidates = [complex_, *others] if symbol.is_real is None else [*others, complex_]
        for candidate in candidates:
            if allowed(candidate, symbol):
                return candidate
    where = f" in ({low}, {high})" if interval is not None else ""
    raise ValueError(
        f"cannot draw a number{where} with the assumptions of {symbol}: {symbol._assumptions_orig}"
    )


def allowed(candidate: sp.Expr, symbol: sp.Symbol) -> bool:
    """Whether SymPy knows that ``candidate`` has every property that ``symbol`` is assumed to have."""
    return all(getattr(candidate, f"is_{fact}") is truth for fact, truth in symbol.assumptions0.items())
