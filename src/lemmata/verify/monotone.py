"""Inequalities in one real variable: f >= 0 on an open interval, by signs of derivatives and limits.

Each rule is a theorem on an open interval (a, b), finite or not, for an f that is smooth there:

- a product has the sign of its factors; a polynomial without a root inside has one sign (Sturm);
- f' >= 0 and a limit >= 0 at a give f >= 0; f' <= 0 and a limit >= 0 at b do;
- f'' <= 0 and limits >= 0 at both ends do, for a concave function is least at an end;
- f >= 0 on (a, c) and on (c, b), and at c itself; c is a root of f or of f';
- balls that cover a finite interval, or the whole line.

"Smooth" is shown, not assumed: each logarithm, root and quotient must have its argument proved positive.
"""

from __future__ import annotations

import contextlib
import math
import time
from fractions import Fraction

import flint
import mpmath
import sympy as sp
from flint import arb

from .balls import PRECISION, ball, fraction, minimum_sign

__all__ = ["Interval", "Prover", "between", "constant_above", "inner", "is_zero"]

Interval = tuple[sp.Expr, sp.Expr]
ENTIRE = (sp.exp, sp.sin, sp.cos, sp.sinh, sp.cosh, sp.tanh, sp.atan, sp.asinh, sp.erf, sp.erfc)
GUESSES = (0, 1, -1, 2, sp.S.Half, sp.E, 1 / sp.E, sp.pi, -sp.pi, sp.pi / 2, -sp.pi / 2)
NEAR = sp.Rational("1e-25")  # so near to an end a function is looked at
DIGITS = 40  # of a look
NEGLIGIBLE = sp.Rational("1e-20")  # what is larger is not 0, and not simplified


class Prover:
    """Proves signs of expressions in one real symbol ``x``; what it has tried it does not try again."""

    def __init__(self, x: sp.Symbol, seconds: float):
        self.x, self.until = x, time.process_time() + seconds
        self.known: dict[tuple[sp.Expr, Interval, bool, int], bool] = {}

    def above(self, f: sp.Expr, interval: Interval, strict: bool, depth: int = 4) -> bool:
        """Whether f >= 0 (> 0 if ``strict``) on the open interval was proved. False means: not proved."""
        if time.process_time() > self.until:
            return False
        key = (f, interval, strict, depth)
        if key not in self.known:
            self.known[key] = False  # lest a proof lean on itself
            self.known[key] = self._above(f, interval, strict, depth)
        return self.known[key]

    def smooth(self, f: sp.Expr, interval: Interval, depth: int = 2) -> bool:
        """Whether f is shown to be real and smooth on the open interval."""
        if self.x not in f.free_symbols:
            return bool(f.is_real)
        if f == self.x:
            return True
        if not all(self.smooth(argument, interval, depth) for argument in f.args):
            return False
        if isinstance(f, (sp.Add, sp.Mul, *ENTIRE)):
            return True
        if isinstance(f, sp.Pow):
            if f.exp.is_Integer:
                return f.exp.is_positive or self._nonzero(f.base, interval, depth)
            return self.above(f.base, interval, True, depth)
        if isinstance(f, (sp.log, sp.gamma, sp.loggamma, sp.polygamma)):
            return self.above(f.args[-1], interval, True, depth)
        if isinstance(f, (sp.asin, sp.acos, sp.atanh)):
            return self.above(1 - f.args[0] ** 2, interval, True, depth)
        if isinstance(f, sp.acosh):
            return self.above(f.args[0] - 1, interval, True, depth)
        if isinstance(f, sp.tan):
            return self._nonzero(sp.cos(f.args[0]), interval, depth)
        return False

    def _nonzero(self, f: sp.Expr, interval: Interval, depth: int) -> bool:
        return self.above(f, interval, True, depth) or self.above(-f, interval, True, depth)

    # --- the rules ------------------------------------------------------------------------------------------

    def _above(self, f: sp.Expr, interval: Interval, strict: bool, depth: int) -> bool:
        if self.x not in f.free_symbols:
            return constant_above(f, strict)
        if not self._probe(f, interval):
            return False
        forms = list(dict.fromkeys(form(f) for form in (lambda e: e, _joined, sp.factor)))
        return (
            any(self._by_assumptions(form, interval, strict) for form in forms)
            or any(self._polynomial(form, interval) or self._wave(form, interval) for form in forms)
            or any(self._product(form, interval, strict, depth) for form in forms)
            or any(self._balls(form, interval, strict) for form in forms)
            or (depth > 0 and self.smooth(f, interval) and self._calculus(f, interval, strict, depth))
        )

    def _by_assumptions(self, f: sp.Expr, interval: Interval, strict: bool) -> bool:
        there = f.subs(self.x, parametrised(interval))
        return any(
            form.is_positive or (not strict and form.is_nonnegative)
            for form in (there, sp.factor(there), sp.expand(there))
        )

    def _polynomial(self, f: sp.Expr, interval: Interval) -> bool:
        if not f.is_polynomial(self.x) or not all(end.is_Rational or end.is_infinite for end in interval):
            return False
        p = sp.Poly(f, self.x)
        if p.domain not in (sp.ZZ, sp.QQ):
            return False
        roots = p.count_roots(*(None if end.is_infinite else end for end in interval))
        roots -= sum(1 for end in interval if end.is_finite and p.eval(end) == 0)
        return bool(roots == 0 and p.eval(inner(interval)) > 0)

    def _wave(self, f: sp.Expr, interval: Interval) -> bool:
        """sin(c*x + d) on (0, pi), cos(c*x + d) on (-pi/2, pi/2), and the tangent on (0, pi/2)."""
        if not isinstance(f, (sp.sin, sp.cos, sp.tan)) or not all(end.is_finite for end in interval):
            return False
        angle = f.args[0]
        if not (angle.is_polynomial(self.x) and sp.degree(angle, self.x) == 1):
            return False
        low, high = (
            (-sp.pi / 2 if isinstance(f, sp.cos) else 0),
            (sp.pi if isinstance(f, sp.sin) else sp.pi / 2),
        )
        ends = [angle.subs(self.x, end) for end in interval]
        return all(constant_above(e - low, False) and constant_above(high - e, False) for e in ends)

    def _product(self, f: sp.Expr, interval: Interval, strict: bool, depth: int) -> bool:
        if isinstance(f, sp.Pow) and f.exp.is_real and self.x not in f.exp.free_symbols:
            if f.exp.is_even:
                real = not strict and f.exp.is_positive and self.smooth(f.base, interval, depth)
                return real or self._nonzero(f.base, interval, depth)
            return self.above(f.base, interval, strict or not f.exp.is_positive, depth)
        if not isinstance(f, sp.Mul):
            return False
        negative = [factor for factor in f.args if not self._probe(factor, interval)]
        if len(negative) % 2:
            return False
        factors = [-factor if factor in negative else factor for factor in f.args]
        return all(self.above(factor, interval, strict, depth) for factor in factors)

    def _balls(self, f: sp.Expr, interval: Interval, strict: bool) -> bool:
        try:
            with flint.ctx.workprec(PRECISION):
                if not all(end.is_finite for end in interval):
                    found = ball(f, {self.x: arb("+/- inf")})
                    return bool(found > 0 or (not strict and found >= 0))
                low, high = (ball(end, {}) for end in interval)
                box = {self.x: (Fraction(fraction(low.lower(), -math.inf)), Fraction(fraction(high.upper())))}
                return isinstance(minimum_sign(f, box, strict=True, limit=200), int)
        except (ValueError, ArithmeticError):  # no ball, no bound, or undecided
            return False

    def _calculus(self, f: sp.Expr, interval: Interval, strict: bool, depth: int) -> bool:
        slope = _joined(sp.diff(f, self.x))
        a, b = interval
        for ahead, end, side in ((slope, a, "+"), (-slope, b, "-")):
            if self._probe(ahead, interval):
                start = self.limit(f, end, side)
                firm = strict and not constant_above(start, True)
                return constant_above(start, False) and self.above(ahead, interval, firm, depth - 1)
        return self._concave(f, slope, interval, strict, depth) or self._cut(
            f, slope, interval, strict, depth
        )

    def _concave(self, f: sp.Expr, slope: sp.Expr, interval: Interval, strict: bool, depth: int) -> bool:
        bend = -_joined(sp.diff(slope, self.x))
        if not self._probe(bend, interval):  # saves the limits, which may take long
            return False
        ends = [self.limit(f, *end) for end in zip(interval, "+-", strict=True)]
        firm = strict and not any(constant_above(end, True) for end in ends)
        return all(constant_above(end, False) for end in ends) and self.above(bend, interval, firm, depth - 1)

    def _cut(self, f: sp.Expr, slope: sp.Expr, interval: Interval, strict: bool, depth: int) -> bool:
        a, b = interval
        return any(
            constant_above(f.subs(self.x, c), strict)
            and self.above(f, (a, c), strict, depth - 1)
            and self.above(f, (c, b), strict, depth - 1)
            for c in self._places(f, slope, interval)[:3]
        )

    def _places(self, f: sp.Expr, slope: sp.Expr, interval: Interval) -> list[sp.Expr]:
        """Points inside where f or its slope is 0."""
        found = [sp.sympify(guess) for guess in GUESSES]
        for equation in (sp.numer(slope), f):
            with contextlib.suppress(Exception):  # no method for this equation
                found += sp.solve(equation, self.x)
        inside = [c for c in dict.fromkeys(found) if between(c, interval)]
        return [c for c in inside if is_zero(f.subs(self.x, c)) or is_zero(slope.subs(self.x, c))]

    def limit(self, f: sp.Expr, end: sp.Expr, side: str) -> sp.Expr:
        """The one-sided limit, or NaN: if SymPy finds none, or a number near the end contradicts it."""
        inwards = NEAR if side == "+" else -NEAR
        try:
            found = sp.limit(f, self.x, end, side)
            near = sp.N(f.subs(self.x, end + inwards if end.is_finite else sp.sign(end) / NEAR), maxn=500)
        except Exception:  # no limit, or no number
            return sp.nan
        if found.has(sp.AccumBounds, sp.nan, sp.zoo) or not near.is_real:
            return sp.nan
        if found.is_infinite:
            return found if near * sp.sign(found) > 10 else sp.nan
        return found if abs(near - sp.N(found)) < (1 + abs(found)) / 10 else sp.nan

    def _probe(self, f: sp.Expr, interval: Interval) -> bool:
        """Whether f is positive or 0 at a few points: what is not cannot be proved, and is not tried."""
        if self.x not in f.free_symbols:
            return not f.is_negative
        g = sp.lambdify(self.x, f, "mpmath")
        inside = parametrised(interval)
        some = (sp.Rational(1, 200), sp.Rational(1, 6), 1, 7, 150)
        places = [inside.subs(inside.free_symbols.pop(), v) for v in some]
        if interval == (-sp.oo, sp.oo):
            places += [-place for place in places]
        with mpmath.workdps(DIGITS):
            try:
                values = [mpmath.mpmathify(g(mpmath.mpmathify(sp.N(place, DIGITS)))) for place in places]
            except Exception:  # no number there
                return False
            return all(mpmath.im(v) == 0 and mpmath.re(v) >= -(mpmath.mpf(10) ** -30) for v in values)


# --- small pieces -------------------------------------------------------------------------------------------


def parametrised(interval: Interval) -> sp.Expr:
    """The points of an open interval, each once, as an expression in a positive (or real) symbol."""
    a, b = interval
    u = sp.Dummy("u", positive=True)
    if a.is_finite and b.is_finite:
        return (a + b * u) / (1 + u)
    if a.is_infinite and b.is_infinite:
        return sp.Dummy("u", real=True)
    return a + u if a.is_finite else b - u


def inner(interval: Interval) -> sp.Expr:
    inside = parametrised(interval)
    return inside.subs(inside.free_symbols.pop(), 1)


def constant_above(c: sp.Expr, strict: bool) -> bool:
    """Whether a constant is proved to be >= 0 (> 0 if ``strict``): by assumptions, by a ball, or it is 0."""
    if c.is_extended_positive or (not strict and c.is_nonnegative):
        return True
    try:
        with flint.ctx.workprec(PRECISION):
            positive = bool(ball(c, {}) > 0)
    except ValueError:  # no ball
        return False
    return positive or (not strict and is_zero(c))


def is_zero(c: sp.Expr) -> bool:
    if c.is_zero or not c.is_number:
        return bool(c.is_zero)
    number = sp.N(c, 30, maxn=200)
    if not number.is_finite or abs(number) > NEGLIGIBLE:
        return False
    return sp.simplify(c) is sp.S.Zero


def between(c: sp.Expr, interval: Interval) -> bool:
    """Whether a number is shown, by balls, to lie in an open interval."""
    low, high = interval
    with flint.ctx.workprec(PRECISION):
        try:
            here = ball(c, {})
            above = low.is_infinite or here > ball(low, {})
            return bool(above and (high.is_infinite or here < ball(high, {})))
        except ValueError:  # no ball
            return False


def _joined(f: sp.Expr) -> sp.Expr:
    """Over one denominator, factored; for rational functions of x and of exponentials the shortest form."""
    return sp.factor(sp.cancel(sp.together(f)))
