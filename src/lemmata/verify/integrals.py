"""Integrals in ball arithmetic: python-flint's ``acb.integral``, always with the analytic flag.

When the flag is set, a function must return NaN unless it is analytic on the whole ball that it is given.
Without that, python-flint 0.9 returns tight balls that miss the integral across a branch cut. SymPy works out
what stands in the integrand, but no integral (it does not see a pole) and no slope of cases (nor a jump).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import cache

import flint
import sympy as sp
from flint import acb, arb
from sympy.core.relational import Relational

__all__ = ["integral_ball"]

ENTIRE = ("exp", "sin", "cos", "sinh", "cosh", "erf", "erfc", "erfi")
MEROMORPHIC = ("tan", "cot", "sec", "csc", "tanh", "coth", "sech", "csch", "gamma")
Ball = Callable[[sp.Expr, Mapping[sp.Symbol, arb]], arb]
EVALUATIONS, TOLERANCE = 5000, arb(2) ** -100


def integral_ball(expr: sp.Integral, values: Mapping[sp.Symbol, arb], ball: Ball) -> arb:
    """Enclosure of a definite integral over one variable; not finite where a pole lies between the limits."""
    if len(expr.limits) != 1 or len(expr.limits[0]) != 3:
        raise ValueError(f"no ball arithmetic for {expr}: it takes one variable and two limits")
    ((_, low, high),) = expr.limits
    if low.is_infinite or high.is_infinite:
        raise ValueError(f"no ball arithmetic for {expr}: the limits must be finite")
    cases = expr.function.has(sp.Piecewise)
    if expr.function.has(sp.Integral) or (cases and expr.function.has(sp.Derivative)):
        raise ValueError(f"no ball arithmetic for an integral, or a slope of cases, in an integral: {expr}")
    if cases:
        return sum((integral_ball(part, values, ball) for part in _pieces(expr)), arb(0))
    if not expr.free_symbols:
        return _constant(expr, ball, flint.ctx.prec)
    return _enclosed(expr, values, ball)


def _pieces(expr: sp.Integral) -> list[sp.Integral]:
    """The integral cut at the rational numbers where its cases change, one case in each part."""
    ((t, low, high),) = expr.limits
    relations = [r for cases in expr.function.atoms(sp.Piecewise) for r in cases.atoms(Relational)]
    if not all(r.lhs == t and r.rhs.is_Rational for r in relations) or not (
        low.is_Rational and high.is_Rational
    ):
        raise ValueError(f"no ball arithmetic for cases like these in an integral: {expr}")
    cuts = sorted(c for c in {low, high, *(r.rhs for r in relations)} if (low - c) * (c - high) >= 0)
    cuts = cuts if low < high else cuts[::-1]
    parts = []
    for a, b in itertools.pairwise(cuts):
        here = {r: r.subs(t, (a + b) / 2) for r in relations}
        body = expr.function.replace(sp.Piecewise, lambda *cases: sp.Piecewise(*_decided(cases, here)))  # noqa: B023
        if body is sp.nan:
            raise ValueError(f"no ball arithmetic for {expr}: no case holds between {a} and {b}")
        parts.append(sp.Integral(body, (t, a, b)))
    return parts


def _decided(cases: tuple[sp.Basic, ...], here: Mapping[sp.Basic, sp.Basic]) -> list[tuple[sp.Basic, ...]]:
    return [(found, condition.xreplace(here)) for found, condition in cases]


@cache
def _constant(expr: sp.Integral, ball: Ball, bits: int) -> arb:  # the same on every box
    return _enclosed(expr, {}, ball)


def _enclosed(expr: sp.Integral, values: Mapping[sp.Symbol, arb], ball: Ball) -> arb:
    ((t, low, high),) = expr.limits
    body, ends = expr.function.doit(), [acb(ball(end, values)) for end in (low, high)]
    known = {s: acb(v) for s, v in values.items() if s != t}

    def f(z: acb, analytic: bool) -> acb:
        return _complex(body, {**known, t: z}, analytic)

    found = acb.integral(f, *ends, abs_tol=TOLERANCE, rel_tol=TOLERANCE, eval_limit=EVALUATIONS)
    return found.real if found.imag.contains(0) else arb.nan()


def _complex(expr: sp.Expr, values: Mapping[sp.Symbol, acb], analytic: bool) -> acb:
    if expr in values:
        return values[expr]
    if expr.is_Rational:
        return acb(arb(flint.fmpq(int(expr.p), int(expr.q))))
    if expr == sp.pi or expr == sp.E:
        return acb(arb.pi() if expr == sp.pi else arb.const_e())
    if not expr.args:
        raise ValueError(f"no ball for the symbol or constant {expr}")
    if isinstance(expr, sp.Pow):
        base = _complex(expr.base, values, analytic)
        if expr.exp.is_Integer:
            return base ** int(expr.exp)
        if expr.exp == sp.S.Half:
            return base.sqrt(analytic=analytic)
        return base.pow(_complex(expr.exp, values, analytic), analytic=analytic)
    arguments = [_complex(argument, values, analytic) for argument in expr.args]
    if isinstance(expr, sp.Add):
        return sum(arguments[1:], arguments[0])
    if isinstance(expr, sp.Mul):
        result = arguments[0]
        for factor in arguments[1:]:
            result = result * factor
        return result
    name, own = expr.func.__name__, (expr.func.__module__ or "").startswith("sympy.")
    if isinstance(expr, sp.log):
        return arguments[0].log(analytic=analytic)
    if isinstance(expr, sp.Abs):
        return arguments[0].real_abs(analytic=analytic)
    if own and name in (*ENTIRE, *MEROMORPHIC):
        return getattr(arguments[0], name)()
    raise ValueError(f"no ball arithmetic for {expr} in an integral")
