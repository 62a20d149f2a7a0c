"""The steps by which a difference is reduced to the object 0; each is right for all values of the symbols."""

from __future__ import annotations

from collections.abc import Callable
from math import lcm

import sympy as sp

__all__ = ["REDUCTIONS", "binomial_sums", "confined"]


def _factor_logs(expr: sp.Expr) -> sp.Expr:
    return sp.expand_log(expr.replace(sp.log, lambda argument: sp.log(sp.factor(argument))))


def binomial_sums(expr: sp.Expr) -> sp.Expr:
    """Each sum that the binomial theorem gives, replaced; before ``doit``, which is slow for them."""
    closed = expr.replace(lambda e: isinstance(e, sp.Sum), _binomial_sum)
    if closed == expr:
        return expr
    return sp.powsimp(sp.expand(sp.expand_power_base(sp.expand_power_exp(closed.doit()))))


def _binomial_sum(total: sp.Sum) -> sp.Expr:
    """Terms with t(k+1)/t(k) = z (n-k)/(k+1), for k from 0 to n, add up to t(0) (1+z)**n."""
    if len(total.limits) != 1:
        return total
    ((k, low, n),) = total.limits
    term = total.function
    if low != 0 or not (n.is_integer and n.is_nonnegative) or not term.has(sp.binomial, sp.factorial):
        return total
    if term.subs(k, 0) == 0 and (n.is_positive or term.subs(k, 1).subs(n, 0) == 0):
        term, n = term.subs(k, k + 1), n - 1  # nothing to add at k = 0
    first = term.subs(k, 0)
    z = sp.simplify(sp.combsimp(sp.powsimp(term.subs(k, k + 1) / term)) * (k + 1) / (n - k))
    if first == 0 or k in z.free_symbols or first.has(sp.nan, sp.zoo):
        return total
    return sp.expand_func(first) * sp.factor(sp.together(1 + z)) ** n


def _slopes_of_exponentials(expr: sp.Expr) -> sp.Expr:
    """The n-th derivative of exp(c x + d) in x is c**n exp(c x + d), for a symbol n, too."""

    def slope(d: sp.Derivative) -> sp.Expr:
        (x, n), *more = d.variable_count
        if more or not isinstance(d.expr, sp.exp):
            return d
        c = sp.diff(d.expr.args[0], x)
        return d if x in c.free_symbols else c**n * d.expr

    return sp.powsimp(expr.replace(lambda e: isinstance(e, sp.Derivative), slope))


def _denest(expr: sp.Expr) -> sp.Expr:
    """Nested radicals; an algebraic number is 0 exactly when its minimal polynomial is x."""
    expr = sp.expand(sp.sqrtdenest(expr))
    if expr.free_symbols or not expr.is_algebraic or sp.count_ops(expr) > 40:
        return expr
    x = sp.Dummy("x")
    return sp.S.Zero if sp.minimal_polynomial(expr, x) == x else expr


def _arctangents(expr: sp.Expr) -> sp.Expr:
    """sum of n_i atan(a_i) + c pi, a constant: 0 when it is small and prod (1 + i a_i)**n_i fits."""
    expr = sp.expand(expr)
    turn, angle = sp.S.One, sp.S.Zero
    if expr.free_symbols or not expr.has(sp.atan):
        return expr
    whole = lcm(*(term.as_coeff_Mul()[0].q for term in sp.Add.make_args(expr) if not term.has(sp.pi)))
    for term in sp.Add.make_args(expr * whole):
        count, rest = term.as_coeff_Mul()
        if isinstance(rest, sp.atan) and count.is_Integer and rest.args[0].is_real:
            turn *= (1 + sp.I * rest.args[0]) ** count
        elif rest == sp.pi:
            angle += count * rest
        else:
            return expr
    turn = sp.simplify(sp.expand(turn * (sp.cos(angle) + sp.I * sp.sin(angle))))
    small = abs(sp.N(expr * whole, 30)) < 1  # a turn by 2 pi would be far from 0
    return sp.S.Zero if small and turn.is_positive else expr


def _decide_cases(expr: sp.Expr) -> sp.Expr:
    return sp.simplify(sp.piecewise_fold(expr.rewrite(sp.Piecewise)))


def _without_exceptions(expr: sp.Expr) -> sp.Expr:
    """A case ``x = c`` is left out when there is no value there, or the value is 0, as elsewhere."""
    expr = sp.piecewise_fold(expr)
    if not isinstance(expr, sp.Piecewise):
        return expr
    *exceptions, (rest, condition) = expr.args
    for found, where in exceptions:
        if not isinstance(where, sp.Equality):
            return expr
        there = sp.solve(where, dict=True)
        if len(there) != 1:
            return expr
        at = found.subs(there[0])
        if not (at.has(sp.nan, sp.zoo) or sp.simplify(at) is sp.S.Zero):
            return expr
    return sp.simplify(rest) if condition == True else expr  # noqa: E712


REDUCTIONS: tuple[tuple[str, Callable[[sp.Expr], sp.Expr]], ...] = (
    ("doit", lambda e: e),
    ("expand", sp.expand),
    ("cancel", lambda e: sp.cancel(sp.together(e))),
    ("factor", sp.factor),
    ("factor logarithms", _factor_logs),
    ("combine powers", lambda e: sp.powsimp(sp.expand(e))),
    ("expand exponentials, cancel", lambda e: sp.cancel(sp.together(sp.expand_power_exp(e)))),
    ("gammasimp", lambda e: sp.gammasimp(sp.expand_func(e))),
    ("rewrite as exp, cancel", lambda e: sp.cancel(sp.together(sp.expand_power_exp(e.rewrite(sp.exp))))),
    ("trigsimp", sp.trigsimp),
    ("slopes of exponentials", _slopes_of_exponentials),
    ("arctangents as arguments", _arctangents),
    ("denest radicals", _denest),
    ("inverse sines", lambda e: sp.expand(e.rewrite(sp.asin))),
    ("inverse functions as logarithms", lambda e: sp.expand_log(sp.expand(e.rewrite(sp.log)))),
    ("simplify", sp.simplify),
    ("simplify logarithms", lambda e: sp.simplify(sp.logcombine(e))),
    ("radsimp, simplify", lambda e: sp.simplify(sp.radsimp(e))),
    ("distinguish cases, simplify", _decide_cases),
    ("leave out points without a value", _without_exceptions),
    ("expand trigonometric functions", lambda e: sp.cancel(sp.together(sp.expand_trig(e)))),
)


def confined(expr: sp.Expr, domain: dict[sp.Symbol, tuple[sp.Expr, sp.Expr]]) -> sp.Expr:
    """The expression on a domain: cases that the domain decides are decided, and each symbol is written as a
    function of a positive one, (a + b u)/(1 + u) for the interval (a, b), so that its sign is known."""
    for s, (low, high) in domain.items():
        inside = sp.Interval.open(low, high)
        expr = expr.replace(
            lambda e: isinstance(e, sp.Piecewise),
            lambda e: _decided(e, s, inside),  # noqa: B023
        )
    for s, (low, high) in domain.items():
        u = sp.Dummy(s.name, positive=True)
        if low.is_finite and high.is_finite:
            expr = expr.subs(s, (low + high * u) / (1 + u))
        elif low.is_finite or high.is_finite:
            expr = expr.subs(s, low + u if low.is_finite else high - u)
        else:
            expr = expr.subs(s, sp.Dummy(s.name, real=True))
    return expr


def _decided(cases: sp.Piecewise, s: sp.Symbol, inside: sp.Interval) -> sp.Expr:
    """The cases without those whose condition, in ``s`` alone, is decided on the interval."""
    kept = []
    for found, condition in cases.args:
        if condition.free_symbols == {s}:
            there = condition.as_set()
            if inside.is_subset(there):
                condition = sp.true
            elif inside.intersect(there) is sp.S.EmptySet:
                condition = sp.false
        kept.append((found, condition))
    return sp.Piecewise(*kept)
