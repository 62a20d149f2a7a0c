"""Claims that say nothing: both sides are the same before any mathematics is done.

What counts as "the same": what SymPy's constructors do by themselves (``0*x``, ``x - x``, ``1*(x + y)``), the
name of a bound variable, an operator applied to nothing (the derivative of a constant, the integral of 0).
To carry out a derivative, an integral or a sum is mathematics: such a claim says something.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp
from sympy.concrete.expr_with_limits import AddWithLimits, ExprWithLimits

from .evidence import Claim
from .outcome import Vacuous

__all__ = ["plain", "refuse_vacuous"]


def refuse_vacuous(claim: Claim, pairs: Sequence[tuple[sp.Expr, sp.Expr]]) -> None:
    """``Vacuous`` when both sides of every pair are the same object, or rational numbers, as they stand."""
    plainly = [(plain(left), plain(right)) for left, right in pairs] or [(sp.S.Zero, sp.S.Zero)]
    shown = "{} and {}".format(*(pairs[0] if pairs else (0, 0)))
    if all(left == right for left, right in plainly):
        raise Vacuous(claim.label, shown, "vacuous: both sides are the same object before any work")
    if all(left.is_Rational and right.is_Rational for left, right in plainly):
        raise Vacuous(claim.label, shown, "vacuous: no symbol and no named constant; use instances")


def plain(expr: sp.Basic) -> sp.Basic:
    """The expression put together once more: ``evaluate=False`` undone, bound variables without names."""
    expr = _again(expr)
    return expr.as_dummy() if expr.has(ExprWithLimits) else expr


def _again(expr: sp.Basic) -> sp.Basic:
    if not expr.args:
        return expr
    if isinstance(expr, sp.UnevaluatedExpr):
        return _again(expr.args[0])
    if isinstance(expr, sp.Derivative):
        return _derivative(expr)
    parts = [_again(argument) for argument in expr.args]
    if isinstance(expr, sp.Mul) and 0 not in parts and any(_root(part) for part in parts):
        return expr if parts == list(expr.args) else sp.Mul(*parts)  # to join roots is mathematics
    expr = expr.func(*parts)
    return _of_nothing(expr) if isinstance(expr, ExprWithLimits) else expr


def _root(expr: sp.Basic) -> bool:
    return isinstance(expr, sp.Pow) and not expr.exp.is_integer


def _derivative(expr: sp.Derivative) -> sp.Expr:
    body = _again(expr.expr)
    if any(v not in body.free_symbols and count.is_positive for v, count in expr.variable_count):
        return sp.S.Zero
    return sp.Derivative(body, *expr.variable_count)


def _of_nothing(expr: ExprWithLimits) -> sp.Expr:
    """0 for an integral or a sum of 0 and an integral over a point, 1 for a product of 1; else unchanged."""
    neutral = sp.S.Zero if isinstance(expr, AddWithLimits) else sp.S.One
    point = isinstance(expr, sp.Integral) and any(len(lim) == 3 and lim[1] == lim[2] for lim in expr.limits)
    return neutral if expr.function == neutral or point else expr
