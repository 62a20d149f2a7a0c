"""Numbers for integrals, sums and limits that are believed only when two ways of computing them agree.

SymPy's own evaluation goes wrong without a word: 1.14 gives -4.0 for Dirichlet's integral of sin(t)/t over
the half-line. Here an integral is cut at its kinks and poles and computed over two different sets of pieces,
an infinite sum and a limit are compared with what leads up to them. What does not agree is NaN, which tells
nothing.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import sympy as sp
from mpmath import mp

__all__ = ["integral", "limit", "series"]

DIGITS = 64  # at which integrals are computed
GUARD = 6  # digits beyond them, where SymPy or a sum loses some
CHECKED = 24  # digits at which the second way is computed
DIGITS_MET = 15  # at which integrals of integrals, and those that oscillate, are computed, or nearly
ENOUGH = 12  # digits to which two ways must agree
MANY = 400  # terms up to which a finite sum is added one by one
QUIET = 100  # terms in a row that die out, after which an infinite sum ends
SHARES = (0.3, 0.6)  # where the two ways cut a piece
KINKS = (sp.Abs, sp.Max, sp.Min, sp.sign, sp.Heaviside, sp.Piecewise, sp.log, sp.floor, sp.ceiling)
Number = Any  # mpf or mpc
Function = Callable[[Number], Number]
Known = tuple[sp.Expr, int]  # a number, and how many of its digits are known
NOTHING: Known = (sp.nan, 0)


def integral(expr: sp.Integral) -> Known:
    """The number of a definite integral without free symbols, and how many digits two ways agree to."""
    single = len(expr.limits) == 1
    with mpmath.workdps(DIGITS if single else DIGITS_MET + 5):
        found = _nested(expr.function.doit(), list(expr.limits), {})
        return NOTHING if found is None else (_sympy(found[0], mp.dps), found[1])


def series(expr: sp.Sum | sp.Product) -> Known:
    """The number of a sum or product without free symbols: term by term, or, when infinite, by two ways."""
    if len(expr.limits) != 1:
        return NOTHING
    ((k, low, high),) = expr.limits
    join = sp.Add if isinstance(expr, sp.Sum) else sp.Mul
    if low.is_Integer and high.is_Integer and abs(high - low) <= MANY:
        if high >= low:
            terms = (sp.N(expr.function.subs(k, j), DIGITS) for j in range(int(low), int(high) + 1))
            return join(*terms), DIGITS
        inside = join(*(expr.function.subs(k, j) for j in range(int(high) + 1, int(low))))
        return sp.N(-inside if isinstance(expr, sp.Sum) else 1 / inside, DIGITS), DIGITS  # Karr's convention
    if (fast := _fast(expr, k, low, high)) is not sp.nan:
        return fast, DIGITS - 4
    try:
        found = sp.N(expr, DIGITS + GUARD)
    except Exception:  # it diverges, or SymPy has no method for it
        return NOTHING
    known = found.is_number and found.is_finite and _approached(expr, found)
    return (found, DIGITS) if known else NOTHING


def _fast(expr: sp.Sum | sp.Product, k: sp.Symbol, low: sp.Expr, high: sp.Expr) -> sp.Expr:
    """A sum whose terms die out at least geometrically, added up until they do; else NaN."""
    if isinstance(expr, sp.Product) or not low.is_Integer or high is not sp.oo:
        return sp.nan
    term, total, before, quiet = _function(k, expr.function), mp.zero, mp.inf, 0
    with mpmath.workdps(DIGITS + GUARD):
        for j in range(4000):
            last = term(mpmath.mpf(int(low) + j))
            total += last
            dies = abs(last) < mp.eps and abs(last) <= 0.97 * before < mp.inf
            quiet = quiet + 1 if dies else 0  # one term may vanish, or a few, before others that do not
            if quiet == QUIET:
                return _sympy(total, DIGITS)
            before = abs(last) or before
    return sp.nan


def _approached(expr: sp.Sum | sp.Product, found: sp.Expr) -> bool:
    """Whether partial sums (or products) come nearer and nearer to the number that SymPy found."""
    ((k, low, high),) = expr.limits
    if not low.is_Integer or high is not sp.oo:
        return True
    try:
        with mpmath.workdps(20):
            goal, term = mpmath.mpmathify(found), sp.lambdify(k, expr.function, "mpmath")
            join, total = (operator.add, mp.zero) if isinstance(expr, sp.Sum) else (operator.mul, mp.one)
            gaps = []
            for j in range(2000):
                total = join(total, term(mpmath.mpf(int(low) + j)))
                if j in (200, 1999):
                    gaps.append(abs(total - goal))
            return bool(gaps[1] <= max(0.9 * gaps[0], mpmath.mpf(10) ** -12 * (1 + abs(goal))))
    except Exception:  # no number there
        return False


def limit(expr: sp.Limit) -> Known:
    """The number of a limit, if the values on the way come nearer to it."""
    body, x, x0, direction = expr.args
    found = sp.N(expr.doit(), DIGITS + GUARD)
    if not found.is_finite or found.has(sp.AccumBounds):
        return NOTHING
    with mpmath.workdps(4 * DIGITS):  # much cancels near a limit
        goal = mpmath.mpmathify(found)
        if x0.is_infinite:
            places = [sp.sign(x0) * far for far in (mp.mpf("1e4"), mp.mpf("1e8"))]
        else:
            far = mp.mpf("-1e-4") if str(direction) == "-" else mp.mpf("1e-4")
            places = [_number(x0) + far, _number(x0) + far * mp.mpf("1e-4")]
        try:
            f = _function(x, body.doit())  # floats: (1 + 1/x)**x at an exact power of 10 would never end
            gaps = [abs(f(mpmath.mpmathify(place)) - goal) for place in places]
        except Exception:  # no number there
            return NOTHING
        nearer = gaps[1] <= max(0.7 * gaps[0], mp.mpf(10) ** -DIGITS_MET)
    return (found, DIGITS) if nearer else NOTHING


def _nested(
    body: sp.Expr, limits: list[sp.Tuple], known: dict[sp.Symbol, sp.Expr]
) -> tuple[Number, int] | None:
    """The integral over the last limit of the integral over the others, and its digits."""
    *inner, (t, low, high) = limits
    low, high = (_number(sp.sympify(end).subs(known)) for end in (low, high))
    if low == high:
        return mp.zero, mp.dps

    def of_inner(v: Number) -> Number:
        found = _nested(body, inner, {**known, t: _sympy(v, mp.dps)})
        return mp.nan if found is None else found[0]

    body = body.subs(known)
    f = of_inner if inner else _function(t, body)
    sign, low, high = mpmath.sign(high - low), min(low, high), max(low, high)
    cuts = _cuts(body, t, low, high)
    ways: list[Number] = []
    for share in SHARES[:1] if known else SHARES:  # the outermost integral is done twice
        pieces = [piece for a, b in itertools.pairwise(cuts) for piece in _halves(a, b, share)]
        with mpmath.workdps(min(mp.dps, CHECKED) if ways else mp.dps):  # the second way is a check, and cheap
            ways.append(mpmath.fsum(mpmath.quad(f, piece) for piece in pieces))
    digits = _agreement(*ways) if len(ways) == 2 else mp.dps
    if digits < ENOUGH and not inner and low != -mp.inf and high == mp.inf:
        ways, digits = _oscillating(f, body, t, low)
    return (sign * ways[0], digits) if digits >= ENOUGH else None


def _halves(a: Number, b: Number, share: Number) -> list[list[Number]]:
    if a == -mp.inf and b == mp.inf:
        middle = 4 * share - 2
    elif b == mp.inf:
        middle = a + 3 * share
    elif a == -mp.inf:
        middle = b - 3 * share
    else:
        middle = a + (b - a) * share
    return [[a, middle], [middle, b]]


def _oscillating(f: Function, body: sp.Expr, t: sp.Symbol, low: Number) -> tuple[list[Number], int]:
    """To infinity, where the zeros of a sine or cosine of c*t**k cut the tail into parts of changing sign."""
    waves = {w.args[0] for w in body.atoms(sp.sin, sp.cos) if w.has(t)}
    if len(waves) != 1:
        return [], 0
    c, power = waves.pop().as_independent(t, as_Add=False)
    base, order = power.as_base_exp()
    if not (base == t and order.is_positive and c.is_real):
        return [], 0
    ways = []
    with mpmath.workdps(DIGITS_MET + 1):
        start = max(low, mp.zero)
        cut = _wave_cuts(abs(_number(c)), _number(order), start)
        for shift in (0, 0.5):

            def part(n: int, shift: float = shift) -> Number:
                return mpmath.quad(f, [cut(n + shift), cut(n + shift + 1)])

            try:
                head = mpmath.quad(f, [low, start, cut(1 + shift)])
                ways.append(head + mpmath.nsum(part, [1, mp.inf]))
            except Exception:  # no convergence
                return [], 0
        return ways, _agreement(*ways)


def _wave_cuts(rate: Number, order: Number, start: Number) -> Function:
    """Where the phase ``rate * t**order`` has grown by n half turns since ``start``."""
    return lambda n: (start**order + n * mp.pi / rate) ** (1 / order)


def _agreement(first: Number, second: Number) -> int:
    """The number of digits (after the point, for numbers below 1) to which two numbers agree."""
    if not (mpmath.isfinite(first) and mpmath.isfinite(second)):
        return 0
    gap = abs(first - second) / max(1, abs(first))
    return int(min(mp.dps, -mpmath.log10(gap)))


def _cuts(body: sp.Expr, t: sp.Symbol, low: Number, high: Number) -> list[Number]:
    """The ends, and the places between them where a kink, a jump or a pole may lie: sign changes."""
    suspects = [a for part in body.atoms(*KINKS) for a in _arguments(part)]
    suspects += [p.base for p in body.atoms(sp.Pow) if not p.exp.is_nonnegative]
    places: set[Number] = set()
    for suspect in suspects:
        if suspect.free_symbols == {t}:
            places |= set(_sign_changes(_function(t, suspect), low, high))
    return [low, *sorted(places), high]


def _arguments(part: sp.Basic) -> Sequence[sp.Expr]:
    if isinstance(part, sp.Piecewise):
        return [r.lhs - r.rhs for r in part.atoms(sp.core.relational.Relational)]
    if isinstance(part, (sp.Max, sp.Min)):
        return [a - b for i, a in enumerate(part.args) for b in part.args[:i]]
    return part.args


def _sign_changes(f: Function, low: Number, high: Number) -> list[Number]:
    def place(share: Number) -> Number:
        if mpmath.isinf(low) and mpmath.isinf(high):
            return mpmath.cot(mp.pi * share)
        if mpmath.isinf(high):
            return low + share / (1 - share)
        return high - share / (1 - share) if mpmath.isinf(low) else low + (high - low) * share

    with mpmath.workdps(DIGITS_MET):
        grid = [place(mp.mpf(2 * i + 1) / 254) for i in range(127)]
        values = [f(v) for v in grid]
    found = []
    for (a, fa), (b, fb) in itertools.pairwise(zip(grid, values, strict=True)):
        if mpmath.im(fa) == 0 == mpmath.im(fb) and mpmath.re(fa) * mpmath.re(fb) < 0:
            found.append(_bisect(f, a, b))
        elif fa == 0:
            found.append(a)
    return found


def _bisect(f: Function, a: Number, b: Number) -> Number:
    """Where f changes its sign between a and b, if only by a jump."""
    side = mpmath.sign(f(b))
    for _ in range(mp.prec):
        middle = (a + b) / 2
        a, b = (a, middle) if mpmath.sign(f(middle)) == side else (middle, b)
    return b


def _function(t: sp.Symbol, body: sp.Expr) -> Function:
    raw = sp.lambdify(t, body, "mpmath")

    def f(v: Number) -> Number:
        try:
            return mpmath.mpmathify(raw(v))
        except (ZeroDivisionError, ValueError, OverflowError):
            return mp.nan

    return f


def _number(end: sp.Expr) -> Number:
    if end.is_infinite:
        return mp.inf if end.is_extended_positive else -mp.inf
    return mpmath.mpmathify(sp.N(end, mp.dps))


def _sympy(v: Number, digits: int) -> sp.Expr:
    if not mpmath.isfinite(v):
        return sp.nan
    v = mpmath.mpmathify(v)
    real = sp.Float(mpmath.re(v), digits)
    return real if mpmath.im(v) == 0 else real + sp.I * sp.Float(mpmath.im(v), digits)
