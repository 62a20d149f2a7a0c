"""Where a limit with parameters may be another: SymPy takes what it does not know to be 0 for something else.

    Limit(1/(x*t + 1), t, oo)      SymPy: 0; at x = 0 it is 1

A claim about such a limit is shown there as well (``symbolic``), or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

__all__ = ["at_edge", "edges"]

SMOOTH = (sp.exp, sp.sin, sp.cos, sp.sinh, sp.cosh, sp.tanh, sp.atan, sp.erf)  # everywhere on the real line


def edges(expr: sp.Expr) -> Iterator[tuple[sp.Symbol, sp.Expr]]:
    """(symbol, value) wherever a coefficient of a limit's variable may be 0; ``ValueError`` if not solved."""
    for limit in sorted(expr.atoms(sp.Limit), key=str):
        body, t, place, _ = limit.args
        body = body.doit()
        for coefficient in () if _regular(body, t, place) else _coefficients(body, t):
            if coefficient.free_symbols and coefficient.is_zero is None:
                yield from _roots(coefficient)


def at_edge(expr: sp.Expr, symbol: sp.Symbol, root: sp.Expr) -> sp.Expr:
    """The expression there, with a 0 for each coefficient that is 0: SymPy must see it to know the limit."""
    there = expr.subs(symbol, root)
    for limit in there.atoms(sp.Limit):
        body, t, *place = limit.args
        if zeros := _hidden_zeros(body, t):
            body = body.xreplace(dict.fromkeys(zeros, sp.S.Zero))
            body = body.replace(lambda e: isinstance(e, sp.Add), lambda e: _without_zeros(e, t))  # noqa: B023
            if left := _hidden_zeros(body, t):
                raise ValueError(f"cannot tell what the limit is where {left[0]} is 0")
            there = there.xreplace({limit: sp.Limit(body, t, *place)})
    return there


def _hidden_zeros(body: sp.Expr, t: sp.Symbol) -> list[sp.Expr]:
    return [c for c in _coefficients(body, t) if _hidden_zero(c)]


def _without_zeros(total: sp.Add, t: sp.Symbol) -> sp.Expr:
    terms = _terms(total, t)
    return sp.Add(*(c * f for f, c in terms.items() if not _hidden_zero(c)))


def _hidden_zero(c: sp.Expr) -> bool:
    """Whether it is 0 and does not look so; a number that SymPy cannot decide, to 50 digits."""
    if c.is_zero is None:
        return sp.simplify(c) == 0 if c.free_symbols else abs(sp.N(c, 50)) < 1e-50
    return c.is_zero and c is not sp.S.Zero


def _regular(body: sp.Expr, t: sp.Symbol, place: sp.Expr) -> bool:
    """Whether the body is smooth at a finite place, whatever the parameters: its limit is its value there."""
    if not place.is_finite:
        return _tame(body, t)
    return all(_smooth(part, t, place) for part in sp.preorder_traversal(body) if t in part.free_symbols)


def _smooth(part: sp.Expr, t: sp.Symbol, place: sp.Expr) -> bool:
    """Whether the part is a smooth function of its arguments there."""
    if isinstance(part, sp.log):
        return part.args[0].subs(t, place).is_positive is True
    if isinstance(part, sp.Pow) and part.exp.is_Integer:
        return part.exp.is_positive or part.base.subs(t, place).is_zero is False
    return isinstance(part, (sp.Add, sp.Mul, sp.Symbol, *SMOOTH))


def _tame(body: sp.Expr, t: sp.Symbol) -> bool:
    """Whether the body is a fraction of polynomials that stays bounded: the denominator's lead is never 0."""
    above, below = (side.as_poly(t) for side in sp.fraction(sp.cancel(sp.together(body))))
    polynomials = above is not None and below is not None
    return polynomials and above.degree() <= below.degree() and below.LC().is_zero is False


def _coefficients(body: sp.Expr, t: sp.Symbol) -> list[sp.Expr]:
    """What multiplies functions of t, is added to them, or is a power of or to them; each with parameters."""
    found: dict[sp.Expr, None] = {}
    for form in dict.fromkeys([body, sp.together(body), sp.powsimp(body)]):
        for part in sp.preorder_traversal(form):
            if t in part.free_symbols:
                found |= dict.fromkeys(_of(part, t))
    return [c for c in found if t not in c.free_symbols]


def _of(part: sp.Expr, t: sp.Symbol) -> list[sp.Expr]:
    if isinstance(part, sp.Add):
        return list(_terms(part, t).values())
    if isinstance(part, sp.Mul):
        return [part.as_independent(t)[0]]
    return [*part.args, part.base - 1] if isinstance(part, sp.Pow) else []


def _terms(total: sp.Expr, t: sp.Symbol) -> dict[sp.Expr, sp.Expr]:
    """What a sum is made of: functions of t, and their coefficients."""
    terms = [term.as_independent(t) for term in sp.Add.make_args(sp.expand(total))]
    functions = dict.fromkeys(function for _, function in terms)
    return {f: sp.Add(*(c for c, function in terms if function == f)) for f in functions}


def _roots(coefficient: sp.Expr) -> Iterator[tuple[sp.Symbol, sp.Expr]]:
    """The values of one symbol at which the coefficient is 0, as far as its assumptions allow them."""
    for symbol in sorted(coefficient.free_symbols, key=str):
        free = sp.Dummy(str(symbol), **({"real": True} if symbol.is_real else {}))
        roots = _all_roots(coefficient.subs(symbol, free), free)
        if roots is not None:
            yield from ((symbol, root) for root in roots if _possible(root, symbol))
            return
    raise ValueError(f"cannot tell where {coefficient} is 0")


def _all_roots(expr: sp.Expr, free: sp.Dummy) -> list[sp.Expr] | None:
    """All of them, and perhaps more; or None. ``solve`` gives only two zeros of cos."""
    try:
        if expr.is_algebraic_expr(free):
            return list(sp.solve(expr, free))
        found = sp.solveset(expr, free, sp.S.Reals if free.is_real else sp.S.Complexes)
    except (NotImplementedError, ValueError):
        return None
    parts = found.args if isinstance(found, sp.Intersection) else [found]
    return next((list(part) for part in parts if isinstance(part, (sp.FiniteSet, type(sp.S.EmptySet)))), None)


def _possible(root: sp.Expr, symbol: sp.Symbol) -> bool:
    return all(getattr(root, f"is_{fact}") is not (not truth) for fact, truth in symbol.assumptions0.items())
