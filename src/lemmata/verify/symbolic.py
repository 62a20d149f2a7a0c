"""Proof: SymPy reduces the difference of two sides to the object 0, and numbers look over its shoulder.

Every proof has two independent halves. The *comparison* (``lemmata.verify.pointwise``) evaluates both sides,
as they were given, at points. The *reduction* tries the steps of ``REDUCTIONS`` until one returns the object
``S.Zero`` (or, for an inequality, something that SymPy's assumptions call nonnegative, or calculus does).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational

from .comparison import DIGITS, Domain
from .evidence import Claim, Evidence, issue
from .inequality import shown_above, shown_zero
from .limits import at_edge, edges
from .monotone import Interval
from .outcome import NotDecided, Vacuous
from .pointwise import compare
from .reductions import REDUCTIONS, binomial_sums, confined
from .timing import TimeLimit, within_time
from .vacuity import refuse_vacuous

__all__ = ["RELATIONS", "proved", "reduce", "refuse_inexact", "show"]


ON_DOMAIN = ", on the domain"
RELATIONS = ("==", ">=", "<=", ">", "<")


def proved(
    claim: Claim,
    lhs: Any,
    rhs: Any = None,
    *,
    relation: str = "==",
    domain: Domain | None = None,
    seconds: float = 30.0,
    seed: int = 0,
) -> Evidence:
    r"""Prove ``lhs relation rhs`` for all values of the symbols, as far as their assumptions reach.

    An equality is proved when one of ``REDUCTIONS`` turns ``lhs - rhs`` into the *object* 0. An inequality is
    proved when one of them turns the difference into an expression that SymPy's assumptions call nonnegative
    (positive, for a strict one), or by calculus. Both sides are also compared at random points to 50 digits.
    Like all computer algebra, this takes no notice of points where a side is not defined.

    Args:
        lhs: an expression, a matrix, an ``Eq``, or (without ``rhs``) an expression that must be 0. Pass
            ``Derivative``, ``Integral`` or ``Sum`` unevaluated: then the page shows what was derived.
        rhs: the other side, of the same shape; matrices are compared entry by entry.
        relation: one of ``==``, ``>=``, ``<=``, ``>``, ``<``.
        domain: open intervals for symbols that their assumptions do not confine, ``{t: (0, 1)}``. The
            claim is made for them only: the random points lie in them, and where no reduction holds
            everywhere they are used for it; then the evidence shows them.
        seconds: time limit, of everything together.
        seed: of the random points.

    Returns:
        Evidence of kind ``proved``.

    Raises:
        ClaimFailed: *refuted*, with a point at which the sides differ; *not decided*, with the residual of
            the difference (nothing was found against the claim); or the claim *says nothing*: both sides are
            the same object before anything is worked out, or plain rational numbers.
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
    refuse_vacuous(claim, pairs)
    _refuse_distributions(claim, lhs, rhs)
    until = time.process_time() + seconds
    steps, at = [], ""
    for left, right in pairs:
        if left != right or relation in "<>":
            at = compare(claim, left, right, relation, domain, seed, _share(until, 1.5))
            step = reduce(claim, left, right, relation, _share(until, 1), domain)
            if _in_all_cases(claim, left, right, relation, until, domain or {}) and ON_DOMAIN not in step:
                step += ON_DOMAIN
            steps.append(step)
    names = ", ".join(sorted(set(steps)))
    equal = relation == "=="
    on_domain = _on(domain) if any(ON_DOMAIN in name for name in steps) else ""
    return issue(
        claim.label,
        "proved",
        show(lhs, rhs, relation) + (rf"\quad {on_domain}" if on_domain else ""),
        f"{names} reduces the difference to 0" if equal else _how(names),
        (f"also {'equal' if equal else 'holds'} to {DIGITS} digits at {at}", *_crossed(lhs, rhs)),
        plain=f"{lhs} {relation} {rhs}" + (f" for {domain}" if on_domain else ""),
    )


def _in_all_cases(
    claim: Claim, lhs: sp.Expr, rhs: sp.Expr, relation: str, until: float, domain: Domain
) -> bool:
    try:
        return within_time(_share(until, 1), lambda: _at_edges(claim, lhs, rhs, relation, until, domain))
    except TimeLimit:
        found = "no point where the sides differ, but the cases of a limit took too long"
        raise NotDecided(claim.label, f"{lhs} {relation} {rhs}", found) from None


def _at_edges(
    claim: Claim, lhs: sp.Expr, rhs: sp.Expr, relation: str, until: float, domain: Domain, depth: int = 2
) -> bool:
    """``NotDecided`` unless the claim is shown wherever a parameter may change what a limit is.

    Returns whether it is shown on the domain only.
    """
    expected, on_domain = f"{lhs} {relation} {rhs}", False
    try:
        places = dict.fromkeys([*edges(lhs), *edges(rhs)])
    except ValueError as error:
        raise NotDecided(claim.label, expected, f"no point where the sides differ, but {error}") from None
    for symbol, root in places:
        if symbol in domain and _outside(root, *map(sp.sympify, domain[symbol])):
            on_domain = True
            continue
        elsewhere = {s: ends for s, ends in domain.items() if s != symbol}
        try:
            left, right = (at_edge(side, symbol, root) for side in (lhs, rhs))
            if right.has(sp.nan, sp.zoo) or left.has(sp.nan, sp.zoo):
                continue  # not defined there
            if depth == 0:
                raise NotDecided(claim.label, expected, "too many cases of a limit")
            step = reduce(claim, left, right, relation, min(5, _share(until, 2)), elsewhere)
            deeper = _at_edges(claim, left, right, relation, until, elsewhere, depth - 1)
            on_domain = on_domain or deeper or ON_DOMAIN in step
        except (NotDecided, NotImplementedError, ValueError) as error:
            found = f"no point where the sides differ, but where {symbol} = {root}: {error}"
            raise NotDecided(claim.label, expected, found) from None
    return on_domain


def _outside(root: sp.Expr, low: sp.Expr, high: sp.Expr) -> bool:
    """Whether the root surely lies outside the interval; it may have symbols."""
    return root.is_extended_real is False or sp.And(low < root, root < high) is sp.false


def _how(names: str) -> str:
    if "calculus" in names or "cases" in names:
        return f"the difference has the sign it needs, by {names}"
    return f"the difference has the sign it needs by SymPy's assumptions ({names})"


def _share(until: float, parts: float) -> float:
    return max(0.5, (until - time.process_time()) / parts)


def _on(domain: Domain | None) -> str:
    ends = [(sp.latex(s), *map(sp.latex, map(sp.sympify, pair))) for s, pair in (domain or {}).items()]
    return r",\ ".join(rf"{s}\in({low},{high})" for s, low, high in ends)


def _crossed(*sides: Any) -> tuple[str, ...]:
    """A note where the upper limit of a sum or product may lie below the lower one by more than 1."""
    limits = [l for side in sides for e in side.atoms(sp.Sum, sp.Product) for l in e.limits if len(l) == 3]
    open_ = [l for l in limits if not (l[2] - l[1] + 1).is_extended_nonnegative]
    note = "{} may run backwards, from {} to {}: read by Karr's convention, in which Sum(k, (k, 5, 1)) is -9"
    return tuple(dict.fromkeys(note.format(*l) for l in open_))


def show(lhs: Any, rhs: Any, relation: str) -> str:
    """LaTeX of the relation, printed from the objects."""
    sign = {"==": "=", ">=": r"\ge", "<=": r"\le"}.get(relation, relation)
    return f"{sp.latex(lhs)} {sign} {sp.latex(rhs)}"


def reduce(
    claim: Claim, lhs: sp.Expr, rhs: sp.Expr, relation: str, seconds: float, domain: Domain | None = None
) -> str:
    """Name of the first reduction that settles ``lhs relation rhs``; ``NotDecided`` when none does.

    First without the domain, which makes the stronger statement; then on it.
    """
    difference = rhs - lhs if relation in ("<=", "<") else lhs - rhs
    intervals = {s: tuple(map(sp.nsimplify, map(sp.sympify, pair))) for s, pair in (domain or {}).items()}
    until, shortest = time.process_time() + seconds, [difference]

    def settle(expr: sp.Expr) -> str | None:
        for name, step in REDUCTIONS:
            try:
                candidate = step(expr)
            except Exception:  # a step that cannot treat this expression is no reason to give up
                continue
            if _settled(candidate, relation):
                return name
            shortest[0] = min(shortest[0], candidate, key=sp.count_ops)
        return None

    def everywhere() -> str | None:
        if difference.has(sp.Sum) and _settled(binomial_sums(difference), relation):
            return "the binomial theorem"
        return settle(difference.doit())

    def by_calculus() -> str | None:
        return calculus(difference.doit(), {})

    def calculus(expr: sp.Expr, where: Mapping[sp.Symbol, Interval]) -> str | None:
        if relation == "==":
            return shown_zero(expr, where, _share(until, 2))
        return shown_above(expr, "=" not in relation, where, _share(until, 2))

    def on_domain() -> str | None:
        there = confined(difference.doit(), intervals)
        name = settle(there) or calculus(difference.doit(), intervals)
        return name and name + ON_DOMAIN

    routes = [everywhere, by_calculus] + [on_domain] * bool(domain)
    tried = "not reduced to 0" if relation == "==" else "not reduced to a sign"
    for left, route in zip(range(len(routes), 0, -1), routes, strict=True):
        try:
            if name := within_time(_share(until, left), route):
                return name
        except NotImplementedError as error:
            tried += f"; SymPy: {error}"
        except TimeLimit:
            tried += f"; {route.__name__.replace('_', ' ')} took longer than its share of {seconds:.3g} s"
    found = f"no point where the sides differ, but {tried}; residual: {shortest[0]}"
    raise NotDecided(claim.label, f"{lhs} {relation} {rhs}", found)


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
        found = f"vacuous: SymPy had already decided {lhs}; pass both sides apart"
        raise Vacuous(claim.label, "two sides", found)
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
    return list(zip(sp.Matrix(lhs), sp.Matrix(rhs), strict=True))


def _refuse_distributions(claim: Claim, *sides: Any) -> None:
    """A delta is 0 at every point but one: points tell nothing of it, and SymPy confuses its multiples."""
    worked_out = [*sides, *(side.doit() for side in sides if side.has(sp.Derivative))]
    if any(side.has(sp.DiracDelta, sp.SingularityFunction) for side in worked_out):
        found = (
            "a distribution (DiracDelta) has no values at points; claim an integral of it that is worked out"
        )
        raise NotDecided(claim.label, " and ".join(map(str, sides)), found)
    jumps = [d.expr for side in sides for d in side.atoms(sp.Derivative) if _may_jump(d)]
    # SymPy takes the cases out of a slope inside an integral: what it was a slope of is lost
    bodies = [i.function for side in sides for i in side.atoms(sp.Integral)]
    jumps += [body for body in bodies if body.has(sp.Piecewise) and body.has(sp.Derivative)]
    if jumps:
        found = f"{jumps[0]} may jump, and then its derivative has a delta"
        raise NotDecided(claim.label, " and ".join(map(str, sides)), found)


def _may_jump(slope: sp.Derivative) -> bool:
    """Whether a step, or cases that do not join at a border, stand in what is differentiated at any order."""
    if slope.expr.has(sp.floor, sp.ceiling, sp.frac):
        return True
    if not all(order.is_Integer for _, order in slope.variable_count):
        return slope.expr.has(sp.Piecewise)
    steps = [v for v, order in slope.variable_count for _ in range(order)]
    bodies = itertools.accumulate(steps[:-1], sp.diff, initial=slope.expr)
    return any(not _joined(cases) for body in bodies for cases in body.atoms(sp.Piecewise))


def _joined(cases: sp.Piecewise) -> bool:
    """Whether each case is shown to equal, at each of its borders, the cases that it meets there."""
    borders = [(i, *r.args) for i, (_, c) in enumerate(cases.args) for r in c.atoms(Relational)]
    plain = all(s.is_Symbol and s not in end.free_symbols for _, s, end in borders)
    return (plain and not cases.has(sp.Contains)) and all(
        sp.simplify((cases.args[i].expr - cases.args[j].expr).subs(s, end)) == 0
        for i, s, end in borders
        for j in range(i + 1, len(cases.args))
        if _meets(cases, j, s, end)
    )


def _meets(cases: sp.Piecewise, j: int, s: sp.Symbol, border: sp.Expr) -> bool:
    """Whether the j-th case holds next to the border, as far as SymPy knows."""
    *earlier, here = (condition for _, condition in cases.args[: j + 1])
    where = sp.And(here, *map(sp.Not, earlier))
    if where.free_symbols != {s} or border.free_symbols:
        return where is not sp.false
    return where.as_set().closure.contains(border) is not sp.false
