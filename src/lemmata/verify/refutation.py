"""A refutation: a statement is false at one exact point, shown by ball arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import flint
import sympy as sp

from .balls import PRECISION, ball, exact, rounded, to_ball, to_fraction, worked_out
from .comparison import allowed
from .evidence import Claim, Evidence, issue
from .outcome import NotDecided, Refuted
from .symbolic import RELATIONS

__all__ = ["counterexample"]

FLOAT_ROUNDING = Fraction(1, 10**12)  # relative; thousands of roundings of a float64


def counterexample(
    claim: Claim,
    lhs: Any,
    rhs: Any,
    *,
    at: Mapping[sp.Symbol, Any] | None = None,
    relation: str = "==",
    margin: Any = 0,
) -> Evidence:
    r"""Show rigorously that ``lhs relation rhs`` is false at one point.

    Args:
        lhs: SymPy expression or number. A float is what a program returned; it counts as the exact
            binary number that it is, and then ``margin`` must exceed 1e-12 of it (more
            for a program in lower precision), lest rounding be called a counterexample.
        rhs: likewise.
        at: symbol -> exact value (a float is the binary number that it is), within the symbol's assumptions.
        relation: what is refuted: ``==`` or an inequality.
        margin: the amount by which it must fail.

    Returns:
        Evidence of kind ``counterexample``.

    Raises:
        ClaimFailed: the relation holds at the point, or fails by less than the margin.
        ValueError: the point misses a symbol or leaves its assumptions, the margin is too small for a float,
            or a side has no real ball (complex, infinite, NaN).

    Example:
        >>> import sympy as sp
        >>> from lemmata.verify import claim
        >>> x, y = sp.symbols("x y")
        >>> sides = sp.sqrt(x + y), sp.sqrt(x) + sp.sqrt(y)
        >>> claim("demo-root-of-sum").counterexample(*sides, at={x: 1, y: 1}).kind
        'counterexample'
    """
    if relation not in RELATIONS:
        raise ValueError(f"relation must be one of {', '.join(RELATIONS)}, got {relation!r}")
    lhs, rhs, margin = sp.sympify(lhs), sp.sympify(rhs), to_fraction(margin)
    point = _point(at or {}, lhs, rhs)
    with flint.ctx.workprec(PRECISION):
        left, right = (ball(worked_out(exact(side).subs(point)), {}) for side in (lhs, rhs))
        gap = right - left if ">" in relation else left - right
        gap = abs(gap) if relation == "==" else gap
        floats = [abs(size) for side, size in ((lhs, left), (rhs, right)) if side.has(sp.Float)]
        if margin < 0 or not all(to_ball(margin) > size * to_ball(FLOAT_ROUNDING) for size in floats):
            raise ValueError(
                f"margin must exceed the rounding of a floating-point side, got {float(margin):g}"
            )
        refuted = gap > to_ball(margin) or ("=" not in relation and gap >= to_ball(margin))
    if not refuted:
        holds = left == right if relation == "==" else gap <= 0  # shown by the balls, without the margin
        outcome = Refuted if holds or margin else NotDecided
        found = f"{_short(left)} and {_short(right)}, a gap of {gap.str(5)}"
        raise outcome(claim.label, f"{lhs} {relation} {rhs} to fail", found, rounded(point))
    sign = {"==": r"\ne", ">=": "<", "<=": ">", ">": r"\le", "<": r"\ge"}[relation]
    where = ",\\ ".join(f"{sp.latex(s)} = {_latex(v)}" for s, v in point.items())
    return issue(
        claim.label,
        "counterexample",
        f"{sp.latex(lhs)} {sign} {sp.latex(rhs)}" + (rf"\quad\text{{at }} {where}" if where else ""),
        f"{_short(left)} against {_short(right)}, enclosed by ball arithmetic",
        plain=f"not {lhs} {relation} {rhs}" + (f" at {rounded(point)}" if point else ""),
    )


def _point(at: Mapping[sp.Symbol, Any], *sides: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
    point = {symbol: exact(v) for symbol, v in at.items()}
    if missing := set().union(*(side.free_symbols for side in sides)) - point.keys():
        raise ValueError(
            f"at must give a value to each symbol, misses {', '.join(sorted(map(str, missing)))}"
        )
    for symbol, v in point.items():
        if not allowed(v, symbol):
            raise ValueError(f"at takes {symbol} to {v}, which its assumptions do not allow")
    return point


def _latex(v: sp.Expr) -> str:
    """A number as a reader wants it: a float that was made exact, with six digits again."""
    return sp.latex(sp.N(v, 6) if v.is_Rational and v.q > 10**6 else v)


def _short(value: flint.arb) -> str:
    return f"{float(value.mid()):.6g}"
