"""Ball arithmetic: a SymPy expression on a box, enclosed rigorously (python-flint's ``arb``).

Two things of python-flint 0.9 are silently wrong, and not used here or anywhere: fractional powers of
``fmpq_series``, and ``acb.integral`` of a function that does not heed its flag ``analytic``, whose tight
balls miss the truth at a branch cut. Integrals are enclosed in ``integrals``, which heeds it.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import inf
from typing import Any

import flint
import sympy as sp
from flint import arb

from .integrals import integral_ball

__all__ = [
    "JUMPS",
    "PRECISION",
    "Box",
    "Undecided",
    "ball",
    "enclose_supremum",
    "exact",
    "fraction",
    "minimum_sign",
    "rational_box",
    "real_diff",
    "rounded",
    "to_ball",
    "to_fraction",
    "worked_out",
]

PRECISION = 192  # bits
SECONDS = 25.0  # after which subdivision stops
FAR = 10_000  # bits: an end beyond 2^FAR, or nearer to 0 than 2^-FAR, is not written out
SMALLEST = Fraction(1, 2 ** (PRECISION // 2))  # side of a box at which subdivision stops to help
Box = dict[sp.Symbol, tuple[Fraction, Fraction]]

_CONSTANTS = {sp.pi: arb.pi, sp.E: arb.const_e, sp.EulerGamma: arb.const_euler, sp.Catalan: arb.const_catalan}
_SAME = (
    "exp log sin cos tan cot sec csc asin acos atan sinh cosh tanh coth sech csch asinh acosh atanh "
    "erf erfc erfi erfinv erfcinv gamma digamma zeta floor sinc"
)
_OTHER = {"LambertW": "lambertw", "loggamma": "lgamma", "sign": "sgn", "Abs": "__abs__", "ceiling": "ceil"}
_OTHER |= {"factorial": "fac", "Ei": "ei", "Si": "si", "Ci": "ci", "li": "li", "Shi": "shi", "Chi": "chi"}
_METHODS = {name: name for name in _SAME.split()} | _OTHER  # SymPy's name -> arb's, where both mean the same
JUMPS = (sp.sign, sp.floor, sp.ceiling)


def ball(expr: sp.Expr, values: Mapping[sp.Symbol, arb]) -> arb:
    """Enclosure of ``expr`` where each symbol lies in its ball; not finite where it is undefined."""
    if expr in values:
        return values[expr]
    if expr.is_Rational:
        return arb(flint.fmpq(int(expr.p), int(expr.q)))
    if expr.is_Float:  # a binary number is a fraction, and is taken as that fraction
        return ball(sp.Rational(expr), values)
    if expr in _CONSTANTS:
        return _CONSTANTS[expr]()
    if not expr.args:
        raise ValueError(f"no ball for the symbol or constant {expr}")
    if isinstance(expr, sp.Integral):
        return integral_ball(expr, values, ball)
    if isinstance(expr, sp.Pow) and expr.exp.is_Integer:
        return _integer_power(ball(expr.base, values), int(expr.exp))
    arguments = [ball(argument, values) for argument in expr.args]
    return _apply(expr, arguments)


def _integer_power(base: arb, exponent: int) -> arb:
    if exponent < 0:
        return 1 / _integer_power(base, -exponent)
    if exponent % 2:
        return base * _integer_power(base, exponent - 1) if exponent > 1 else base
    half = _integer_power(base, exponent // 2)
    square = half * half  # never negative, which the product of two balls does not know
    return square.nonnegative_part() if square.is_finite() else square


def _apply(expr: sp.Expr, arguments: list[arb]) -> arb:
    if isinstance(expr, sp.Add):
        return sum(arguments[1:], arguments[0])
    if isinstance(expr, sp.Mul):
        return _product(arguments)
    if isinstance(expr, sp.Pow):
        return arguments[0].sqrt() if expr.exp == sp.S.Half else arguments[0] ** arguments[1]
    if isinstance(expr, (sp.Max, sp.Min)):
        name = "max" if isinstance(expr, sp.Max) else "min"
        return _fold(name, arguments)
    if isinstance(expr, sp.polygamma) and expr.args[0].is_Integer:
        return _polygamma(int(expr.args[0]), arguments[1])
    if isinstance(expr, sp.Heaviside) and expr.args[1] == sp.S.Half:
        return (1 + arguments[0].sgn()) / 2
    if (
        not (expr.func.__module__ or "").startswith("sympy.")
        or len(arguments) != 1
        or expr.func.__name__ not in _METHODS
    ):
        raise ValueError(f"no ball arithmetic for {expr}")
    return getattr(arguments[0], _METHODS[expr.func.__name__])()


def _polygamma(order: int, x: arb) -> arb:
    if order == 0 or not x > 0:
        return x.digamma() if order == 0 else arb.nan()
    return (-1) ** (order + 1) * arb(order + 1).gamma() * arb(order + 1).zeta(x)


def _product(factors: list[arb]) -> arb:
    result = factors[0]
    for factor in factors[1:]:
        result = -factor if result == -1 else result * factor  # a sign costs no rounding
    return result


def _fold(name: str, arguments: list[arb]) -> arb:
    result = arguments[0]
    for argument in arguments[1:]:
        result = getattr(result, name)(argument)
    return result


def as_balls(box: Box) -> dict[sp.Symbol, arb]:
    return {s: to_ball(low).union(to_ball(high)) for s, (low, high) in box.items()}


def real_diff(expr: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    """The derivative on the real line; else SymPy differentiates ``Abs`` in the complex plane."""
    real = {s: sp.Dummy(s.name, real=True) for s in expr.free_symbols}
    slope = sp.diff(expr.xreplace(real), real.get(symbol, symbol))
    return slope.xreplace({dummy: s for s, dummy in real.items()})


class Enclosure:
    """A function on boxes: the natural enclosure, sharpened by the mean-value form where that exists.

    At a kink of ``Abs``, ``Max`` or ``Min`` the ball of the slope holds both its sides, as the mean-value
    theorem for such functions (Lebourg's) needs.
    """

    def __init__(self, expr: sp.Expr, symbols: Sequence[sp.Symbol]):
        self.expr, self.symbols = expr, list(symbols)
        self.slopes = None if expr.has(*JUMPS) else [real_diff(expr, s) for s in symbols]

    def at(self, point: Mapping[sp.Symbol, Fraction]) -> arb:
        return ball(self.expr, {s: to_ball(v) for s, v in point.items()})

    def over(self, box: Box) -> arb:
        values = as_balls(box)
        natural = ball(self.expr, values)
        if self.slopes is None or not natural.is_finite():
            return natural
        try:
            centre = middle(box)
            centred = self.at(centre)
            for symbol, slope in zip(self.symbols, self.slopes, strict=True):
                centred = centred + ball(slope, values) * (values[symbol] - to_ball(centre[symbol]))
        except ValueError:  # the derivative is a function that has no balls
            self.slopes = None
            return natural
        return natural.intersection(centred) if centred.is_finite() else natural


def exact(value: Any) -> sp.Expr:
    """The value as an expression, each float in it replaced by the fraction that it is."""
    value = sp.sympify(value)
    return value.xreplace({number: sp.Rational(number) for number in value.atoms(sp.Float)})


def worked_out(expr: sp.Expr) -> sp.Expr:
    """Derivatives, sums and the like carried out, but no integral: SymPy does not see a pole inside."""
    integrals = {part: sp.Dummy("integral") for part in _outermost_integrals(expr)}
    if any(d.has(sp.Integral) for d in expr.atoms(sp.Derivative, sp.Sum, sp.Product, sp.Limit)):
        raise ValueError(f"no ball arithmetic for a derivative, sum or limit of an integral: {expr}")
    return expr.xreplace(integrals).doit().xreplace({dummy: part for part, dummy in integrals.items()})


def _outermost_integrals(expr: sp.Basic) -> list[sp.Integral]:
    if isinstance(expr, sp.Integral):
        return [expr]
    return [part for argument in expr.args for part in _outermost_integrals(argument)]


def to_fraction(value: Any) -> Fraction:
    number = sp.Rational(str(value)) if isinstance(value, float) else sp.Rational(value)
    return Fraction(int(number.p), int(number.q))


def to_ball(value: Fraction) -> arb:
    return arb(flint.fmpq(value.numerator, value.denominator))


def middle(box: Box) -> dict[sp.Symbol, Fraction]:
    return {s: (low + high) / 2 for s, (low, high) in box.items()}


def halves(box: Box) -> tuple[Box, Box]:
    """The box cut in two across its widest side."""
    symbol = max(box, key=lambda s: box[s][1] - box[s][0])
    low, high = box[symbol]
    cut = (low + high) / 2
    return {**box, symbol: (low, cut)}, {**box, symbol: (cut, high)}


def rational_box(box: Mapping[sp.Symbol, Sequence[object]]) -> Box:
    """The box with ``Fraction`` ends; ValueError unless rational, in order, and of the symbol's sign."""
    result = {}
    for symbol, (low, high) in box.items():
        ends = sp.sympify(low), sp.sympify(high)
        ends = tuple(sp.Rational(end) if end.is_Float else end for end in ends)
        if not all(end.is_Rational for end in ends) or ends[0] >= ends[1]:
            raise ValueError(f"box[{symbol}] must be two rational numbers in order, got ({low}, {high})")
        if symbol.is_real is False or _wrong_sign(symbol, *ends):
            raise ValueError(f"box[{symbol}] must keep to the symbol's assumptions, got ({low}, {high})")
        result[symbol] = (Fraction(int(ends[0].p), int(ends[0].q)), Fraction(int(ends[1].p), int(ends[1].q)))
    return result


def _wrong_sign(symbol: sp.Symbol, low: sp.Rational, high: sp.Rational) -> bool:
    return bool((symbol.is_nonnegative and low < 0) or (symbol.is_nonpositive and high > 0))


class Undecided(ArithmeticError):
    """Subdivision came to its limit; carries the box where the sign was still open."""

    def __init__(self, box: Box, enclosure: arb):
        self.box, self.enclosure = box, enclosure
        where, radius = rounded(middle(box)), float(enclosure.rad())
        super().__init__(
            f"undecided near {where}, where the sides are equal within {radius:.2g} or not defined"
        )


def minimum_sign(
    expr: sp.Expr, box: Box, *, strict: bool, limit: int, finite: Sequence[sp.Expr] = ()
) -> dict[sp.Symbol, Fraction] | int:
    """Number of boxes that together show ``expr >= 0`` (> 0 if strict), or a point where it is violated.

    Every box must also show that each of ``finite`` has a value everywhere.
    """
    enclosure, open_boxes, seen = Enclosure(expr, list(box)), [box], 0
    until = time.process_time() + SECONDS
    while open_boxes:
        part = open_boxes.pop()
        seen += 1
        values = enclosure.over(part)
        holds = values > 0 or (not strict and values >= 0)
        if holds and all(ball(side, as_balls(part)).is_finite() for side in finite):
            continue
        centre = middle(part)
        here = enclosure.at(centre)
        there = {s: to_ball(v) for s, v in centre.items()}
        if (here < 0 or (strict and here <= 0)) and all(ball(side, there).is_finite() for side in finite):
            return centre
        if (
            seen >= limit
            or time.process_time() > until
            or all(high - low < SMALLEST for low, high in part.values())
        ):
            raise Undecided(part, values)
        open_boxes.extend(halves(part))
    return seen


Supremum = tuple[Fraction | float, Fraction | float, dict[sp.Symbol, Fraction]]


def enclose_supremum(expr: sp.Expr, box: Box, *, within: Fraction, limit: int) -> Supremum:
    """(lower, upper, witness) with ``upper - lower <= within``, by best-first subdivision."""
    enclosure = Enclosure(expr, list(box))
    lower: Fraction | float = -inf
    witness, count = middle(box), 0
    queue: list[tuple[Any, int, Box]] = []
    until = time.process_time() + SECONDS
    pending: tuple[Box, ...] = (box,)
    while True:
        for part in pending:
            centre, count = middle(part), count + 1
            if (here := fraction(enclosure.at(centre).lower(), -inf)) > lower:
                lower, witness = here, centre
            heapq.heappush(queue, (-fraction(enclosure.over(part).upper(), inf), count, part))
        upper = -queue[0][0]
        if upper - lower <= within:
            return lower, upper, witness
        worst = queue[0][2]
        if (
            count >= limit
            or time.process_time() > until
            or all(high - low < SMALLEST for low, high in worst.values())
        ):
            raise Undecided(worst, enclosure.over(worst))
        pending = halves(heapq.heappop(queue)[2])


def fraction(end: arb, otherwise: float = inf) -> Fraction | float:
    """An exact end of a ball as a Fraction; ``otherwise`` if the ball has no bound there, or is undefined.

    The lower end has ``otherwise`` -inf. Ends that are tiny or huge beyond 2^FAR are rounded outwards.
    """
    if not end.is_finite():
        return otherwise
    mantissa, exponent = map(int, end.man_exp())
    outwards = (mantissa < 0) == (otherwise < 0)
    if exponent + mantissa.bit_length() < -FAR:
        return Fraction((mantissa > 0) - (mantissa < 0), 2**FAR) if outwards else Fraction(0)
    if exponent > FAR:
        return otherwise if outwards else Fraction((-1) ** (mantissa < 0) * 2**FAR)
    return Fraction(mantissa) * Fraction(2) ** exponent


def rounded(point: Mapping[sp.Symbol, Any]) -> str:
    """The point in words, with six digits where a number is long."""
    return ", ".join(f"{s} = {v if len(str(v)) < 12 else sp.N(v, 6)}" for s, v in point.items())
