"""Exact arithmetic on finitely many cases, and exact expectations over finite laws."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sympy as sp

from .evidence import Claim, ClaimFailed, Evidence, issue
from .outcome import NotDecided, Refuted, Vacuous

__all__ = ["expectation", "instances"]


def instances(
    claim: Claim, lhs: Callable[..., Any], rhs: Callable[..., Any], cases: Iterable[Any]
) -> Evidence:
    r"""Check ``lhs(case) == rhs(case)`` exactly, for each of finitely many cases; never called a proof.

    Args:
        lhs: function of a case (of its members, if the case is a tuple) that returns an exact SymPy number,
            polynomial or matrix; a Python int or bool is exact, a float is refused.
        rhs: likewise.
        cases: at least one case.

    Returns:
        Evidence of kind ``instances``, which says which cases were checked.

    Raises:
        ClaimFailed: a case for which the difference is not 0; no case at all; or ``lhs`` is ``rhs``.
        TypeError: a side is not exact.

    Example:
        >>> from lemmata.verify import claim
        >>> claim("demo-cubes").instances(lambda n: sum(k**3 for k in range(n + 1)),
        ...                               lambda n: (n * (n + 1) // 2) ** 2, range(1, 6)).kind
        'instances'
    """
    if lhs is rhs:
        raise Vacuous(claim.label, "two functions", "vacuous: both sides are the same object")
    rows = []
    for case in cases:
        arguments = case if isinstance(case, tuple) else (case,)
        left, right = (
            _exact(name, side(*map(_own, arguments))) for name, side in (("lhs", lhs), ("rhs", rhs))
        )
        if not _equal(left, right):
            raise _outcome(left, right)(claim.label, left, right, f"case {case}")
        rows.append((case, left))
    if not rows:
        raise ClaimFailed(claim.label, "at least one case", "none")
    first, last = rows[0], rows[-1]
    shown = [first] if first is last else [first, last]
    return issue(
        claim.label,
        "instances",
        r",\quad ".join(rf"{_latex_case(case)}:\ {sp.latex(left)}" for case, left in shown),
        f"exactly equal in {len(rows)} case{'s' * (len(rows) > 1)}; not a proof for others",
        tuple(f"{case}: {left}" for case, left in rows[:12]) + (("…",) if len(rows) > 12 else ()),
        plain="; ".join(f"{case}: {left}" for case, left in shown),
    )


def _own(argument: Any) -> Any:
    """A copy of what a side could change, so that the other sees it as it was."""
    return copy.deepcopy(argument) if isinstance(argument, (list, dict, set)) else argument


def expectation(statistic: Callable[..., Any], law: Mapping[Any, Any], draws: int | None = None) -> sp.Expr:
    r"""The exact expectation of a statistic over a finite law.

    .. math:: \mathbb E\, f(X_1, \dots, X_n) = \sum_{x_1 \dots x_n} f(x_1, \dots, x_n) \prod_i p(x_i)

    Args:
        statistic: of one outcome, or, with ``draws``, of a tuple of independent outcomes. It must return
            something exact; a bool counts as 0 or 1, so an event has its probability.
        law: outcome -> probability; positive rationals (int, ``Rational`` or ``Fraction``) that sum to 1.
        draws: size n of the sample; costs ``len(law)**n`` evaluations.

    Raises:
        ValueError: the probabilities are not positive rationals with sum 1, ``draws`` is below 1, or the
            statistic is not finite for some outcome.
        TypeError: the statistic returned a float.

    Example:
        The variance with divisor n is biased: one fair coin flipped twice.

        >>> from sympy import Rational
        >>> coin = {0: Rational(1, 2), 1: Rational(1, 2)}
        >>> expectation(lambda x: Rational((x[0] - x[1]) ** 2, 4), coin, draws=2)
        1/8
    """
    weights = {outcome: sp.sympify(p) for outcome, p in law.items()}
    if not all(p.is_Rational and p > 0 for p in weights.values()) or sum(weights.values()) != 1:
        raise ValueError(f"law must hold positive rationals with sum 1, got {list(law.values())}")
    if draws is not None and draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    if draws is None:
        return sum((p * _finite(statistic, x) for x, p in weights.items()), sp.S.Zero)
    return sum(
        (
            sp.prod(weights[x] for x in sample) * _finite(statistic, sample)
            for sample in itertools.product(weights, repeat=draws)
        ),
        sp.S.Zero,
    )


def _finite(statistic: Callable[..., Any], outcome: Any) -> Any:
    value = _exact("statistic", statistic(outcome))
    if value.has(sp.nan, sp.zoo, sp.oo, -sp.oo):
        raise ValueError(f"statistic must be finite for every outcome, got {value} for {outcome}")
    return value


def _exact(name: str, value: Any) -> Any:
    if isinstance(value, (bool, sp.logic.boolalg.BooleanAtom)):
        value = int(bool(value))
    value = value if isinstance(value, str) else sp.sympify(value)  # a string would be evaluated
    if not isinstance(value, (sp.Expr, sp.MatrixBase)):
        raise TypeError(f"{name} must be a number, polynomial or matrix, got {value!r}")
    if value.atoms(sp.Float):
        raise TypeError(f"{name} must be exact, got the floating-point number {value}")
    return value


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, sp.MatrixBase) or isinstance(right, sp.MatrixBase):
        same = getattr(left, "shape", ()) == getattr(right, "shape", ())
        return same and all(_equal(a, b) for a, b in zip(left, right, strict=True))
    difference = left - right
    return (
        difference is sp.S.Zero or sp.expand(difference) is sp.S.Zero or sp.simplify(difference) is sp.S.Zero
    )


def _outcome(left: Any, right: Any) -> type[ClaimFailed]:
    """``NotDecided`` for two numbers that were not shown to be equal, and that do not differ to 50 digits."""
    if getattr(left, "is_number", False) and getattr(right, "is_number", False):
        gap = sp.N(left - right, 50)
        if gap.is_number and gap.is_finite and abs(gap) < sp.Rational(1, 10**50):
            return NotDecided
    return Refuted


def _latex_case(case: Any) -> str:
    if isinstance(case, (int, tuple, list, sp.Basic, sp.MatrixBase)):
        return sp.latex(case)
    return r"\text{" + re.sub(r"([{}_#$%&])", r"\\\1", str(case).replace("\\", "")) + "}"
