"""Certificates by ball arithmetic: an inequality on a box, a supremum, a root."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import inf
from typing import Any

import flint
import sympy as sp

from .balls import (
    JUMPS,
    PRECISION,
    Box,
    Undecided,
    ball,
    enclose_supremum,
    exact,
    fraction,
    minimum_sign,
    rational_box,
    real_diff,
    rounded,
    to_ball,
    to_fraction,
    worked_out,
)
from .evidence import Claim, Evidence, issue
from .outcome import NotDecided, Refuted, Vacuous
from .symbolic import RELATIONS, show

__all__ = ["certified", "root", "supremum"]

Sides = Mapping[sp.Symbol, Sequence[object]]


def certified(
    claim: Claim, lhs: Any, rhs: Any, *, box: Sides, relation: str = "<=", limit: int = 200_000
) -> Evidence:
    r"""Certify ``lhs relation rhs`` at *every* point of a box, by adaptive subdivision.

    The difference is enclosed in balls (natural and mean-value form) on smaller and smaller boxes until each
    of them shows the sign, and that both sides have finite values there. Where the two sides touch, or one
    ends (a root or a logarithm at 0, a pole), no enclosure can decide: cut that point out.

    Args:
        lhs: SymPy expression in the symbols of the box; a float in it is the binary number that it is.
        rhs: likewise.
        box: symbol -> (low, high), rational and finite.
        relation: one of ``<=``, ``<``, ``>=``, ``>``.
        limit: number of boxes after which the check gives up, and fails.

    Returns:
        Evidence of kind ``certified``.

    Raises:
        ClaimFailed: with a point where the inequality is violated, or with the box that stayed undecided.
        ValueError: the box or the relation is not as above, the box misses a symbol or leaves its
            assumptions, or a function has no ball arithmetic.

    Example:
        >>> import sympy as sp
        >>> from lemmata.verify import claim
        >>> x = sp.Symbol("x")
        >>> claim("demo-sine").certified(sp.sin(x), x, box={x: (sp.Rational(1, 100), 4)}).kind
        'certified'
    """
    lhs, rhs = sp.sympify(lhs), sp.sympify(rhs)
    if relation not in RELATIONS[1:]:
        raise ValueError(f"relation must be one of {', '.join(RELATIONS[1:])}, got {relation!r}")
    left, right = worked_out(exact(lhs)), worked_out(exact(rhs))
    difference = right - left if "<" in relation else left - right
    sides = _sides(difference, box)
    expected = f"{lhs} {relation} {rhs} on {_show(sides)}"
    try:
        with flint.ctx.workprec(PRECISION):
            finite = [left, right]  # each by itself: a pole of both may cancel in the difference
            found = minimum_sign(difference, sides, strict="=" not in relation, limit=limit, finite=finite)
    except Undecided as stuck:
        raise NotDecided(claim.label, expected, stuck) from None
    if isinstance(found, dict):
        raise Refuted(claim.label, expected, f"difference {_at(difference, found)}", rounded(found))
    return issue(
        claim.label,
        "certified",
        rf"{show(lhs, rhs, relation)}\quad {_latex_box(sides)}",
        f"ball arithmetic on {found} box{'es' * (found > 1)} that cover the domain, {PRECISION} bits",
        plain=expected,
    )


def supremum(
    claim: Claim,
    expr: Any,
    value: Any,
    *,
    box: Sides,
    within: Any = Fraction(1, 10**9),
    tail: tuple[Any, Any, str] | None = None,
    limit: int = 200_000,
) -> Evidence:
    r"""Certify that the supremum of ``expr`` over a box lies within ``within`` of ``value``.

    The claim fails when the value is too small (a point exceeds it) or too large (nothing comes near).

    Args:
        expr: SymPy expression in the symbols of the box.
        value: the claimed supremum, an expression without symbols; what is shown, and printed, is that the
            supremum lies within ``within`` of it.
        box: symbol -> (low, high), rational. For a single symbol ``high`` may be ``oo``; then give a tail.
        within: how close the supremum must be to the value; small enough to tell it from the values at the
            corners and the middle of the box.
        tail: ``(cut, majorant, because)`` for :math:`x \ge` cut: an expression that is at least ``expr``
            there, and the inequality that makes it so. Checked: SymPy's assumptions make the majorant
            nonincreasing, its value at the cut is below ``value - within``, and it is not exceeded at points
            from 2**-8 to 2**42 beyond the cut. Taken on trust, and shown: *because*.
        limit: number of boxes after which the check gives up, and fails.

    Returns:
        Evidence of kind ``certified``.

    Raises:
        ClaimFailed: the supremum is elsewhere or stayed undecided, the tail does not hold, or ``within`` is
            too wide to refuse anything.
        ValueError: the box, the tail or ``within`` is not as above.

    Example:
        >>> import sympy as sp
        >>> from lemmata.verify import claim
        >>> x = sp.Symbol("x", real=True)
        >>> claim("demo-peak").supremum(x * sp.exp(-x), sp.exp(-1), box={x: (0, 10)}).kind
        'certified'
    """
    expr, value, within = worked_out(exact(expr)), exact(value), _positive("within", within)
    details: tuple[str, ...] = ()
    (symbol, (low, high)), *others = box.items()
    if (sp.sympify(high) is sp.S.Infinity) != (tail is not None) or (tail is not None and others):
        raise ValueError("box: an infinite side needs a single symbol and a tail=(cut, majorant, because)")
    sides = _sides(expr, box if tail is None else {symbol: (low, tail[0])})
    expected = f"sup {expr} within {float(within):g} of {value} on {_show(sides)}"
    if tail is not None:
        details = _check_tail(claim, expr, symbol, value - sp.Rational(within), *tail)
    try:
        with flint.ctx.workprec(PRECISION):
            lower, upper, witness = enclose_supremum(expr, sides, within=within / 4, limit=limit)
            target = ball(value, {})
            near = lower >= fraction((target - to_ball(within)).upper(), inf)
            near = near and upper <= fraction((target + to_ball(within)).lower(), -inf)
            if all(abs(ball(expr, point) - target) <= to_ball(within) for point in _landmarks(sides)):
                raise Vacuous(
                    claim.label, expected, "too wide: the corners and the middle lie as near as that"
                )
    except Undecided as stuck:
        raise NotDecided(claim.label, expected, stuck) from None
    if not near:
        found = f"sup in [{_to_digits(_rational(lower), within)}, {_to_digits(_rational(upper), within)}]"
        raise Refuted(claim.label, expected, found, rounded(witness))
    return issue(
        claim.label,
        "certified",
        rf"\left|\sup_{{{_latex_box(box)}}} {sp.latex(expr)} - {sp.latex(value)}\right| "
        rf"\le {_latex_power(within)}",
        f"ball arithmetic encloses the supremum within {float(within):g} of {_to_digits(value, within)}",
        (f"nearly attained at {rounded(witness)}", *details),
        plain=f"|sup {expr} - ({value})| <= {float(within):g} on {_show(box)}",
    )


def root(
    claim: Claim,
    expr: Any,
    value: Any,
    *,
    box: Sides,
    within: Any = Fraction(1, 10**12),
    limit: int = 200_000,
) -> Evidence:
    r"""Certify that ``expr`` has exactly one root in an interval, within ``within`` of ``value``.

    Existence by a sign change between ``value - within`` and ``value + within``, uniqueness by a derivative
    that keeps its sign on the whole interval.

    Args:
        expr: SymPy expression in one symbol.
        value: the claimed root: a rational number, a decimal string, or an expression without symbols.
        box: ``{symbol: (low, high)}``, rational.
        within: how close the root must be to the value.
        limit: number of boxes after which the uniqueness check gives up, and fails.

    Returns:
        Evidence of kind ``certified``.

    Raises:
        ClaimFailed: no sign change around the value, or a derivative that does not keep its sign.
        ValueError: the box, the value or ``within`` is not as above.

    Example:
        >>> import sympy as sp
        >>> from lemmata.verify import claim
        >>> x = sp.Symbol("x")
        >>> claim("demo-root").root(x**2 - 2, "1.4142135623731", box={x: (1, 2)}).kind
        'certified'
    """
    expr, within = worked_out(exact(expr)), _positive("within", within)
    value = sp.Rational(value) if isinstance(value, str) else exact(value)
    (symbol,) = box
    sides = _sides(expr, box)
    low, high = sides[symbol]
    if expr.has(*JUMPS):
        raise ValueError(f"expr must be continuous, got {expr}")
    with flint.ctx.workprec(PRECISION):
        centre = ball(value, {})
        ends = [centre - to_ball(within), centre + to_ball(within)]
        signs = [ball(expr, {symbol: end}) for end in ends]
        inside = ends[0] >= to_ball(low) and ends[1] <= to_ball(high)
        slope = real_diff(expr, symbol)
        slope = -slope if ball(slope, {symbol: centre}) < 0 else slope
        if not inside or not (signs[0] * signs[1] < 0):
            why = f"no sign change: {signs[0]} and {signs[1]}" if inside else "outside the box"
            raise Refuted(claim.label, f"a root within {float(within):g} of {value}", why)
        expected = f"{slope} > 0, and {expr} finite, on {_show(sides)}"
        try:
            found = minimum_sign(slope, sides, strict=True, limit=limit, finite=[expr])
        except Undecided as stuck:
            raise NotDecided(claim.label, expected, stuck) from None
    if isinstance(found, dict):
        raise NotDecided(claim.label, expected, f"slope {_at(slope, found)}", rounded(found))
    shown = _to_digits(value, within)
    return issue(
        claim.label,
        "certified",
        rf"{sp.latex(symbol)} = {shown} \pm {_latex_power(within)}\iff {sp.latex(expr)} = 0",
        f"one sign change within {float(within):g}, and a derivative of one sign on [{low}, {high}]",
        plain=f"{expr} = 0 only at {symbol} = {shown} +- {float(within):g}",
    )


# --- small pieces -------------------------------------------------------------------------------------------


def _to_digits(value: sp.Expr, within: Fraction) -> sp.Expr:
    """The value with 15 digits or more: what rounding takes from it is far below ``within``."""
    places = sp.log(sp.Max(abs(value), within) / within, 10)
    return sp.N(value, max(15, int(sp.ceiling(places)) + 2))


def _rational(end: Fraction | float) -> sp.Expr:
    return sp.Rational(end.numerator, end.denominator) if isinstance(end, Fraction) else sp.sympify(end)


def _landmarks(sides: Box) -> Iterator[dict[sp.Symbol, flint.arb]]:
    middle = [(low + high) / 2 for low, high in sides.values()]
    for point in [middle, *itertools.product(*sides.values())]:
        yield dict(zip(sides, map(to_ball, point), strict=True))


def _sides(expr: sp.Expr, box: Sides) -> Box:
    sides = rational_box(box)
    if missing := expr.free_symbols - sides.keys():
        raise ValueError(f"box must name every symbol, misses {', '.join(sorted(map(str, missing)))}")
    if not expr.free_symbols:
        raise ValueError("the difference must contain a symbol of the box, got a constant")
    return sides


def _check_tail(
    claim: Claim, expr: sp.Expr, symbol: sp.Symbol, bound: sp.Expr, cut: Any, majorant: Any, because: str
) -> tuple[str, ...]:
    cut, majorant = exact(cut), exact(majorant)
    if not because.strip():
        raise ValueError("tail must say why the majorant is one, got an empty reason")
    beyond = sp.diff(majorant, symbol).subs(symbol, cut + sp.Dummy("y", nonnegative=True))
    if not any(form.is_nonpositive for form in (beyond, sp.expand(beyond), sp.factor(beyond))):
        raise NotDecided(claim.label, f"majorant {majorant} nonincreasing beyond {cut}", f"slope {beyond}")
    with flint.ctx.workprec(PRECISION):
        if not ball(majorant.subs(symbol, cut) - bound, {}) < 0:
            raise Refuted(
                claim.label, f"majorant below {bound} at {cut}", sp.N(majorant.subs(symbol, cut), 15)
            )
        for step in range(-40, 161):
            place = cut + sp.Rational(2) ** sp.Rational(step // 4) * (4 + step % 4)
            if ball((expr - majorant).subs(symbol, place), {}) > 0:
                raise Refuted(
                    claim.label, f"{expr} <= {majorant} beyond {cut}", "larger", f"{symbol} = {place}"
                )
    return (f"beyond {cut} it stays below {majorant}, which decreases; because {because}",)


def _positive(name: str, value: Any) -> Fraction:
    number = to_fraction(value)
    if number <= 0:
        raise ValueError(f"{name} must be positive, got {value}")
    return number


def _at(expr: sp.Expr, point: Mapping[sp.Symbol, Fraction]) -> str:
    return str(sp.N(expr.subs({s: sp.Rational(v) for s, v in point.items()}), 6))


def _latex_power(number: Fraction) -> str:
    tens = len(str(number.denominator)) - 1
    return f"10^{{-{tens}}}" if number == Fraction(1, 10**tens) else f"{float(number):g}"


def _show(box: Sides) -> str:
    return ", ".join(f"{s} in [{low}, {high}]" for s, (low, high) in box.items())


def _latex_box(box: Sides) -> str:
    ends = {s: [sp.latex(sp.sympify(end)) for end in pair] for s, pair in box.items()}
    return r",\ ".join(rf"{sp.latex(s)}\in[{low},{high}]" for s, (low, high) in ends.items())
