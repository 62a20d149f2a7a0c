"""An expression at exact numbers, to as many digits as are asked for, however much of them cancels.

First by balls (python-flint's ``arb``), whose radius says how much is known: more bits until it is enough.
Where an expression has no balls (integrals, endless sums, complex steps, a pole), mpmath works at two
precisions, the second with room for four factors of the largest or smallest input, and both must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import flint
import mpmath
import sympy as sp
from flint import arb
from sympy.printing.pycode import MpmathPrinter

__all__ = ["Inexact", "adaptive"]

FIRST, LAST = 256, 1 << 14  # bits
NOTHING = mpmath.mpf(2) ** -1700  # an absolute error that no dtype sees: a 10^-180th of float64's smallest
JUMPS = (sp.Heaviside, sp.Piecewise)  # Python compares there, and a ball may have no answer

SAME = (
    "exp log sqrt sin cos tan cot sec csc asin acos atan sinh cosh tanh coth sech csch asinh acosh atanh "
    "erf erfc erfi gamma digamma zeta sinc floor"
)
OTHER = {"loggamma": "lgamma", "sign": "sgn", "ceil": "ceil", "factorial": "fac", "fac": "fac"}
CONSTANTS = {sp.pi: arb.pi, sp.E: arb.const_e, sp.EulerGamma: arb.const_euler, sp.Catalan: arb.const_catalan}


class Inexact(ArithmeticError):
    """A value that could not be had to the digits that were asked for."""


def adaptive(
    symbols: Sequence[sp.Symbol], expressions: Sequence[sp.Expr], digits: int
) -> Callable[[Sequence[mpmath.mpf]], list[Any]]:
    """A function of one exact number for each symbol: the expressions there, right to ``digits`` digits."""
    balls = _balls(symbols, expressions)
    numbers = cache(lambda: [sp.lambdify(symbols, expr, "mpmath", cse=True) for expr in expressions])

    def at(point: Sequence[mpmath.mpf]) -> list[Any]:
        found = balls(point, digits) if balls and all(map(mpmath.isfinite, point)) else None
        return found or _twice(numbers(), point, digits)

    return at


# --- by balls -----------------------------------------------------------------------------------------------


def _balls(symbols: Sequence[sp.Symbol], expressions: Sequence[sp.Expr]) -> Any:
    """The expressions by balls, None where they are not finite; or None if a function has no balls."""
    constants = {c: sp.Dummy() for c in CONSTANTS}
    settings = {"fully_qualified_modules": False, "inline": True, "allow_unknown_functions": True}
    printer = MpmathPrinter(settings)
    function = sp.lambdify(
        [*symbols, *constants.values()],
        [expr.xreplace(constants) for expr in expressions],
        [NAMES],
        printer=printer,
        cse=True,
    )
    taken = {name.split(".")[-1] for names in printer.module_imports.values() for name in names}
    if taken - NAMES.keys() or any(expr.has(*JUMPS) for expr in expressions):
        return None  # mpmath would take a ball for its middle

    def at(point: Sequence[mpmath.mpf], digits: int) -> list[mpmath.mpf] | None:
        values, bits = [], FIRST
        while bits <= LAST:
            with flint.ctx.workprec(bits):
                try:
                    values = function(*map(_ball, point), *(CONSTANTS[c]() for c in constants))
                    values = [v if isinstance(v, arb) else arb(v) for v in values]
                except (ArithmeticError, AttributeError, NameError, TypeError, ValueError):
                    return None  # a step that has no balls
                known = [_known(value, digits) for value in values]
            if all(v is not None for v in known):
                return known
            bits *= 2
        if all(value.is_finite() for value in values):
            raise Inexact(f"not known to {digits} digits with {LAST} bits: {values[0]}")
        return None

    return at


def _ball(number: Any) -> arb:
    """The mpf as a ball without radius."""
    sign, mantissa, exponent, _ = number._mpf_
    return arb((flint.fmpz(-mantissa if sign else mantissa), flint.fmpz(exponent)))


def _known(value: arb, digits: int) -> mpmath.mpf | None:
    """The middle of a ball that is small enough, rounded to the digits of mpmath; None of any other."""
    if not value.is_finite():
        return None
    middle, radius = (mpmath.mpf(tuple(map(int, end.man_exp()))) for end in (value.mid(), value.rad()))
    enough = abs(middle) * mpmath.mpf(10) ** -digits
    return middle if radius <= max(enough, NOTHING) else None


def _polygamma(order: Any, x: arb) -> arb:
    if order == 0:
        return x.digamma()
    return (-1) ** (order + 1) * arb(order + 1).gamma() * arb(order + 1).zeta(x)


def _hyper(upper: Sequence[Any], lower: Sequence[Any], x: Any) -> arb:
    """Gauss's and Kummer's functions; others raise TypeError, and have no balls here."""
    name = {(2, 1): "hypgeom_2f1", (1, 1): "hypgeom_1f1", (0, 1): "hypgeom_0f1"}.get((len(upper), len(lower)))
    if name is None:
        raise TypeError(f"no balls for {len(upper)}F{len(lower)}")
    return getattr(arb(x), name)(*map(arb, [*upper, *lower]))


def _extreme(name: str) -> Callable[..., arb]:
    def of(first: Any, *others: Any) -> arb:
        result = arb(first)
        for other in others:
            result = getattr(result, name)(arb(other))
        return result

    return of


def _method(name: str) -> Callable[[Any], arb]:
    return lambda x: getattr(arb(x), name)()


# What mpmath's printer writes, in balls.
NAMES: dict[str, Any] = {
    **{name: _method(name) for name in SAME.split()},
    **{name: _method(method) for name, method in OTHER.items()},
    "mpf": lambda number: arb(number) if isinstance(number, int) else _ball(mpmath.mpf(number)),
    "hyper": _hyper,
    "polygamma": _polygamma,
    "min": _extreme("min"),
    "max": _extreme("max"),
}


# --- at two precisions --------------------------------------------------------------------------------------


def _twice(functions: Sequence[Any], point: Sequence[mpmath.mpf], digits: int) -> list[Any]:
    """At a second precision that agrees with the first to half of the digits, or a third with the second."""
    finite = [abs(v) for v in point if mpmath.isfinite(v) and v]
    powers = max((abs(mpmath.log10(v)) for v in finite), default=0)
    room = 4 * int(powers) + int(min(max(finite, default=0), 1000))
    first = 2 * digits + 30 + room
    rough = _at(functions, point, digits + 15)
    for dps in (first, 2 * first):
        fine = _at(functions, point, dps)
        with mpmath.workdps(digits):
            if all(_agree(a, b, digits // 2) for a, b in zip(rough, fine, strict=True)):
                return fine
        before, rough = rough, fine
    shown = [mpmath.nstr(values[0], 15) for values in (before, rough)]
    raise Inexact(f"{shown[0]} with {first} digits, {shown[1]} with {2 * first}")


def _at(functions: Sequence[Any], point: Sequence[mpmath.mpf], dps: int) -> list[Any]:
    with mpmath.workdps(dps):
        return [_value(function, point) for function in functions]


def _value(function: Any, point: Sequence[mpmath.mpf]) -> Any:
    try:
        return mpmath.mpmathify(function(*point))
    except ZeroDivisionError:
        return mpmath.nan


def _agree(rough: Any, fine: Any, digits: int) -> bool:
    if not (mpmath.isfinite(rough) and mpmath.isfinite(fine)):
        return rough == fine or bool(mpmath.isnan(rough) and mpmath.isnan(fine))
    return bool(abs(rough - fine) <= max(abs(fine) * mpmath.mpf(10) ** -digits, NOTHING))
