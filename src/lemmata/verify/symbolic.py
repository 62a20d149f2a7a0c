"""Proof: SymPy reduces the difference of two sides to the object 0, and numbers look over its shoulder.

Every proof has two independent halves. The *reduction* tries the steps of ``REDUCTIONS`` in order until one
returns the object ``S.Zero`` (or, for an inequality, something that SymPy's assumptions call nonnegative).
The *comparison* (``lemmata.verify.comparison``) evaluates both sides, as they were given, at random points.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational

from .comparison import DIGITS, Domain, compare
from .evidence import Claim, ClaimFailed, Evidence, issue
from .timing import TimeLimit, within_time

__all__ = ["RELATIONS", "proved", "reduce", "refuse_inexact", "show"]


def _factor_logs(expr: sp.Expr) -> sp.Expr:
    return sp.expand_log(expr.replace(sp.log, lambda argument: sp.log(sp.factor(argument))))


REDUCTIONS: tuple[tuple[str, Callable[[sp.Expr], sp.Expr]], ...] = (
    ("doit", lambda e: e),
    ("expand", sp.expand),
    ("cancel", lambda e: sp.cancel(sp.together(e))),
    ("factor", sp.factor),
    ("factor logarithms", _factor_logs),
    ("combine powers", lambda e: sp.powsimp(sp.expand(e), force=False)),
    ("expand exponentials, cancel", lambda e: sp.cancel(sp.together(sp.expand_power_exp(e)))),
    ("gammasimp", lambda e: sp.gammasimp(sp.expand_func(e))),
    ("rewrite as exp, cancel", lambda e: sp.cancel(sp.together(sp.expand_power_exp(e.rewrite(sp.exp))))),
    ("trigsimp", sp.trigsimp),
    ("simplify", sp.simplify),
    ("simplify logarithms", lambda e: sp.simplify(sp.logcombine(e))),
    ("radsimp, simplify", lambda e: sp.simplify(sp.radsimp(e))),
    ("distinguish cases, simplify", lambda e: sp.simplify(sp.piecewise_fold(e.rewrite(sp.Piecewise)))),
)

RELATIONS = ("==", ">=", "<=", ">", "<")


def proved(
    claim: Claim,
    lhs: Any,
    rhs: Any = None,
    *,
    relation: str = "==",
    domain: Domain | None = None,
    seconds: float = 60.0,
    seed: int = 0,
) -> Evidence:
    r"""Prove ``lhs relation rhs`` for all values of the symbols, as far as their assumptions reach.

    An equality is proved when one of ``REDUCTIONS`` turns ``lhs - rhs`` into the *object* 0. An inequality is
    proved when one of them turns the difference into an expression that SymPy's assumptions call nonnegative
    (positive, for a strict one). Either way both sides are also compared at random points to 50 digits.
    Like all computer algebra, this takes no notice of points where a side is not defined.

    Args:
        lhs: an expression, a matrix, an ``Eq``, or (without ``rhs``) an expression that must be 0. Pass
            ``Derivative``, ``Integral`` or ``Sum`` unevaluated: then the page shows what was derived.
        rhs: the other side, of the same shape; matrices are compared entry by entry.
        relation: one of ``==``, ``>=``, ``<=``, ``>``, ``<``.
        domain: open intervals for symbols that their assumptions do not confine, ``{t: (0, 1)}``; they steer
            the random points only. The reduction never uses them, so a proof never needs them to be true.
        seconds: time limit of the reduction, and of the comparison (of each entry, for matrices).
        seed: of the random points.

    Returns:
        Evidence of kind ``proved``.

    Raises:
        ClaimFailed: the difference was not reduced, the sides differ at a point, or the claim is vacuous
            (both sides are the same object, or plain rational numbers).
        TypeError: a side is not an expression, or ``lhs`` is an inequality rather than its two sides.
        ValueError: a side contains a floating-point number or an undefined function, ``relation`` is not
            known, or ``domain`` names a symbol that does not occur or leaves its assumptions.

    Example:
        >>> import sympy as sp
        >>> from lemmata.verify import claim
        >>> A, B = sp.symbols("A B", positive=True)
        >>> claim("demo-factorisation").proved(sp.log(1 + A + B + A * B), sp.log(1 + A) + sp.log(1 + B)).kind
        'proved'
    """
    lhs, rhs = _sides(claim, lhs, rhs)
    if relation not in RELATIONS:
        raise ValueError(f"relation must be one of {', '.join(RELATIONS)}, got {relation!r}")
    if stray := (domain or {}).keys() - lhs.free_symbols - rhs.free_symbols:
        raise ValueError(f"domain must name symbols of the two sides, got {', '.join(map(str, stray))}")
    pairs = _pairs(lhs, rhs)
    _refuse_vacuous(claim, pairs)
    steps, at = [], ""
    for left, right in pairs:
        if left != right or relation in "<>":
            at = compare(claim, left, right, relation, domain, seed, seconds)
            steps.append(reduce(claim, left, right, relation, seconds))
    names = ", ".join(sorted(set(steps)))
    equal = relation == "=="
    return issue(
        claim.label,
        "proved",
        show(lhs, rhs, relation),
        f"{names} reduces the difference to 0"
        if equal
        else f"the difference has the sign it needs by SymPy's assumptions ({names})",
        (f"also {'equal' if equal else 'holds'} to {DIGITS} digits at {at}",),
        plain=f"{lhs} {relation} {rhs}",
    )


def show(lhs: Any, rhs: Any, relation: str) -> str:
    """LaTeX of the relation, printed from the objects."""
    sign = {"==": "=", ">=": r"\ge", "<=": r"\le"}.get(relation, relation)
    return f"{sp.latex(lhs)} {sign} {sp.latex(rhs)}"


def reduce(claim: Claim, lhs: sp.Expr, rhs: sp.Expr, relation: str, seconds: float) -> str:
    """Name of the first reduction that settles ``lhs relation rhs``; ClaimFailed when none does."""
    difference = rhs - lhs if relation in ("<=", "<") else lhs - rhs
    shortest = [difference]

    def settle() -> str | None:
        for name, step in REDUCTIONS:
            try:
                candidate = step(difference.doit())
            except Exception:  # a step that cannot treat this expression is no reason to give up
                continue
            if _settled(candidate, relation):
                return name
            shortest[0] = min(shortest[0], candidate, key=sp.count_ops)
        return None

    try:
        name, found = within_time(seconds, settle), "not reduced"
    except TimeLimit:
        name, found = None, f"not reduced to 0 in {seconds:g} s"
    if name is None:
        raise ClaimFailed(claim.label, f"{lhs} {relation} {rhs}", f"{found}; residual: {shortest[0]}")
    return name


def _settled(difference: sp.Expr, relation: str) -> bool:
    if relation == "==":
        return difference is sp.S.Zero
    return (difference.is_nonnegative if "=" in relation else difference.is_positive) is True


# --- the sides ----------------------------------------------------------------------------------------------


def _sides(claim: Claim, lhs: Any, rhs: Any) -> tuple[Any, Any]:
    lhs = sp.sympify(lhs)
    if isinstance(lhs, sp.Equality) and rhs is None:
        lhs, rhs = lhs.args
    if isinstance(lhs, sp.logic.boolalg.BooleanAtom):
        raise ClaimFailed(
            claim.label, "two sides", f"vacuous: SymPy had already decided {lhs}; pass both sides apart"
        )
    if isinstance(lhs, Relational):
        raise TypeError(f"pass the two sides of {lhs} apart, with relation=")
    if rhs is None:
        rhs = sp.zeros(*lhs.shape) if hasattr(lhs, "shape") else 0
    rhs = sp.sympify(rhs)
    for name, side in (("lhs", lhs), ("rhs", rhs)):
        refuse_inexact(name, side)
    return lhs, rhs


def refuse_inexact(name: str, side: Any) -> None:
    """TypeError or ValueError unless ``side`` is an exact expression that numbers can be put into."""
    if not isinstance(side, (sp.Expr, sp.MatrixBase)):
        raise TypeError(f"{name} must be a SymPy expression or matrix, got {side!r}")
    if floats := side.atoms(sp.Float):
        raise ValueError(f"{name} must be exact, got the floating-point number {floats.pop()}")
    if functions := side.atoms(AppliedUndef):
        raise ValueError(f"{name} must contain no undefined function, got {functions.pop()}")


def _pairs(lhs: Any, rhs: Any) -> list[tuple[sp.Expr, sp.Expr]]:
    shapes = [getattr(side, "shape", ()) for side in (lhs, rhs)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"rhs must have the shape {shapes[0]} of lhs, got {shapes[1]}")
    if not shapes[0]:
        return [(lhs, rhs)]
    return list(zip(*(sp.Matrix(side.doit()) for side in (lhs, rhs)), strict=True))


def _refuse_vacuous(claim: Claim, pairs: list[tuple[sp.Expr, sp.Expr]]) -> None:
    left, right = pairs[0] if pairs else (0, 0)
    if all(lhs == rhs for lhs, rhs in pairs):
        raise ClaimFailed(claim.label, f"{left} and {right}", "vacuous: both sides are the same object")
    if all(lhs.is_Rational and rhs.is_Rational for lhs, rhs in pairs):
        found = "vacuous: no symbol and no named constant; use instances"
        raise ClaimFailed(claim.label, f"{left} and {right}", found)
