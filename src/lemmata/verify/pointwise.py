"""Both sides of a claim, as they were given, at points: numbers look over the simplifier's shoulder.

The points have every property that the symbols are assumed to have. Special ones come first, which only
refute: 0, 1, -1 and the numbers at which a case begins, where there are cases; small integers for integers;
0, 1, -1 for what a limit depends on. Then random ones. Derivatives are evaluated by finite differences,
integrals, sums and limits by two ways that must agree (``quadrature``).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence

import sympy as sp
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.relational import Relational

from . import quadrature
from .comparison import DIGITS, GUARD, Domain, Point, allowed, draw, holds, value
from .evidence import Claim
from .outcome import NotDecided, Refuted, apart
from .timing import TimeLimit, within_time

__all__ = ["compare", "inside"]

POINTS, SPECIAL = 8, 12
CASES = (sp.Piecewise, sp.sign, sp.Abs, sp.Heaviside, sp.floor, sp.ceiling, sp.KroneckerDelta, sp.frac)
SIMPLE = (sp.S.Zero, sp.S.One, sp.S.NegativeOne)
SMALL = (sp.S.Zero, sp.S.One, sp.Integer(2), sp.S.NegativeOne)
FEWEST = 12  # digits that a number must have to tell anything
TINY = sp.Rational(1, 10**30)
SECOND_ROUTE = {sp.Integral: quadrature.integral, sp.Sum: quadrature.series, sp.Product: quadrature.series}
SECOND_ROUTE |= {sp.Limit: quadrature.limit}


def compare(
    claim: Claim,
    lhs: sp.Expr,
    rhs: sp.Expr,
    relation: str,
    domain: Domain | None = None,
    seed: int = 0,
    seconds: float = 60.0,
) -> str:
    """Where the sides were compared, in words; ``Refuted`` at the first point where the relation fails."""
    symbols = sorted(lhs.free_symbols | rhs.free_symbols, key=str)
    needed, met, done = POINTS if symbols else 1, GUARD, 0
    expected = f"{lhs} {relation} {rhs}"

    for symbol, ends in (domain or {}).items():
        draw(symbol, random.Random(seed), ends)  # an interval outside its assumptions is refused first

    def look() -> None:
        nonlocal done, met
        for point in _special(symbols, (lhs, rhs), domain or {}):
            _one(claim, lhs, rhs, relation, point)
        for point in _small(symbols, (lhs, rhs), domain or {}, seed):
            _one(claim, lhs, rhs, relation, point)
        for point in _random(symbols, domain or {}, seed):
            digits = _one(claim, lhs, rhs, relation, point)
            done, met = done + (digits > 0), min(met, digits or met)
            if done == needed:
                return

    try:
        within_time(seconds, look)
    except TimeLimit:
        found = f"no point where the sides differ; compared at {done} random points in {seconds:.3g} s"
        raise NotDecided(claim.label, expected, found) from None
    if done < needed:
        found = f"only {done} points where both sides are finite, known and not tiny; a domain= could help"
        raise NotDecided(claim.label, expected, found)
    few = f" (integrals to {met} digits)" if met < DIGITS else ""
    return (f"{done} random points" if symbols else "one evaluation") + few


def _one(claim: Claim, lhs: sp.Expr, rhs: sp.Expr, relation: str, point: Point) -> int:
    """The digits to which the relation holds at the point; 0 where the numbers tell nothing."""
    (left, known), (right, also) = known_value(lhs, point), known_value(rhs, point)
    digits = min(known, also)
    if digits < FEWEST or left.has(sp.AccumBounds) or right.has(sp.AccumBounds) or not _telling(left, right):
        return 0
    if not holds(left, right, relation):
        slack = sp.Float(10, DIGITS) ** (2 - digits) * max(sp.S.One, abs(left), abs(right))
        if digits < DIGITS and abs(left - right) <= slack:
            return digits  # they agree as far as they are known
        raise Refuted(claim.label, f"{lhs} {relation} {rhs}", apart(left, right), point)
    if relation in ("<", ">") and left == right and (lhs - rhs).subs(point) is sp.S.Zero:
        raise Refuted(claim.label, f"{lhs} {relation} {rhs}", f"both sides equal {left.n(15)}", point)
    return GUARD


def known_value(expr: sp.Expr, point: Point) -> tuple[sp.Expr, int]:
    """``expr`` at the point, and how many of its digits are known."""
    digits = GUARD
    expr = expr.replace(
        lambda e: isinstance(e, sp.Derivative) and e.has(sp.Integral),
        lambda e: e.expr.diff(*e.variable_count),
    )
    for part in _outermost(expr):
        if not part.free_symbols <= point.keys():
            continue
        number, met = _by_second_route(part, point)
        if met == 0:
            return sp.nan, 0
        expr, digits = expr.xreplace({part: number}), min(digits, met)
    return value(expr, point), digits


def _by_second_route(part: sp.Expr, point: Point) -> tuple[sp.Expr, int]:
    there = part.subs(point)
    if type(there) not in SECOND_ROUTE:
        return sp.N(there, GUARD), GUARD
    try:
        return SECOND_ROUTE[type(there)](there)
    except (ArithmeticError, NameError, NotImplementedError, TypeError, ValueError):
        return sp.nan, 0


def _outermost(expr: sp.Basic) -> list[sp.Basic]:
    if isinstance(expr, sp.Derivative):
        return []
    if type(expr) in SECOND_ROUTE:
        return [expr]
    return [part for argument in expr.args for part in _outermost(argument)]


def _telling(left: sp.Expr, right: sp.Expr) -> bool:
    """Whether the two numbers can tell right from wrong: finite (no pole), and not both next to 0."""
    if not all(number.is_number and number.is_finite for number in (left, right)):
        return False
    return not all(abs(number) < TINY for number in (left, right)) or not any(map(_is_tiny, (left, right)))


def _is_tiny(number: sp.Expr) -> bool:
    """A number next to 0 that is known to many digits; 0 and what rounding left of it are not."""
    size = abs(number)
    return size < TINY and getattr(size, "_prec", 0) > 100  # 0 has no such digits


def _special(symbols: Sequence[sp.Symbol], sides: Sequence[sp.Expr], domain: Domain) -> Iterator[Point]:
    """Points at which cases begin, or 0, 1, -1; where no derivative or integral stands in the way."""
    if any(side.has(sp.Derivative, sp.Limit, ExprWithLimits) for side in sides):
        return
    if not any(side.has(*CASES) for side in sides):
        return
    relations = [r for side in sides for r in side.atoms(Relational)]
    numbers = [number for r in relations for number in r.args if number.is_number and number.is_finite]
    wanted = list(dict.fromkeys([*numbers, sp.S.Zero, sp.S.One, sp.S.NegativeOne]))
    choices = [[v for v in wanted if allowed(v, s) and inside(v, domain.get(s))] for s in symbols]
    for chosen in itertools.islice(itertools.product(*choices), SPECIAL if symbols else 0):
        yield dict(zip(symbols, chosen, strict=True))


def _small(
    symbols: Sequence[sp.Symbol], sides: Sequence[sp.Expr], domain: Domain, seed: int
) -> Iterator[Point]:
    """Small integers for integers, 0, 1, -1 for what a limit depends on, one random value for the others."""
    wanted = dict.fromkeys(
        [s for side in sides for e in side.atoms(sp.Limit) for s in e.free_symbols], SIMPLE
    )
    wanted |= dict.fromkeys([s for s in symbols if s.is_integer], SMALL)
    if not wanted:
        return
    generator = random.Random(seed)
    choices = [
        [v for v in wanted[s] if allowed(v, s) and inside(v, domain.get(s))]
        if s in wanted
        else [draw(s, generator, domain.get(s))]
        for s in symbols
    ]
    for chosen in itertools.islice(itertools.product(*choices), 2 * SPECIAL):
        yield dict(zip(symbols, chosen, strict=True))


def inside(v: sp.Expr, interval: Sequence[object] | None) -> bool:
    if interval is None:
        return True
    low, high = map(sp.sympify, interval)
    return bool(v.is_extended_real and low < v < high)


def _random(symbols: Sequence[sp.Symbol], domain: Domain, seed: int) -> Iterator[Point]:
    generator = random.Random(seed)
    for _ in range(10 * POINTS if symbols else 1):
        yield {s: draw(s, generator, domain.get(s)) for s in symbols}
