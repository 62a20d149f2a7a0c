"""Induction: a quantity that is defined by a recursion, and its closed form."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import sympy as sp

from .comparison import GUARD, allowed, draw, holds
from .evidence import Claim, Evidence, issue
from .outcome import Refuted, Vacuous, apart
from .symbolic import RELATIONS, reduce, refuse_inexact, show

__all__ = ["induction"]

ROUNDS, STEPS = 4, 6
State = Mapping[sp.Symbol, sp.Expr]


def induction(
    claim: Claim,
    quantity: sp.Symbol,
    closed: Any,
    *,
    base: Mapping[sp.Symbol, object],
    step: Mapping[sp.Symbol, object],
    relation: str = "==",
    seconds: float = 60.0,
    seed: int = 0,
) -> Evidence:
    r"""Prove ``quantity relation closed`` along the recursion from ``base`` that ``step`` updates.

    The *state* is a handful of symbols, the keys of ``base`` and ``step``; ``closed`` is an expression in
    them. Other symbols of ``closed`` and ``base`` are parameters, the same all along; those that occur
    only in the values of ``step`` are new at every step. The proof holds for all of either. Base and step
    are both reduced as in ``proved``. In the step the hypothesis is put in: ``quantity`` is replaced by
    ``closed`` (for ``>=`` by ``closed + d`` with any :math:`d \ge 0`; for ``<=`` by ``closed - d``). The
    recursion is also run with random numbers and compared to 50 digits.

    Args:
        quantity: the symbol of the accumulated quantity.
        closed: its closed form (or bound), in the other symbols of the state and in parameters.
        base: the state at the start, in numbers or in symbols that are not part of the state.
        step: the next state, in terms of the present one and of new symbols.
        relation: ``==``, ``>=`` or ``<=``.
        seconds: time limit of each of the two reductions.
        seed: of the random run.

    Returns:
        Evidence of kind ``proved``.

    Raises:
        ClaimFailed: base or step is not reduced, the random run contradicts the claim, or the quantity is
            not defined by a recursion (its step does not use it, or nothing changes).
        ValueError: base and step do not speak of the same symbols, leave the assumptions of a symbol (the
            quantity's among them), or contain a floating-point number.

    Example:
        The sum of the first n odd numbers.

        >>> import sympy as sp
        >>> from lemmata.verify import claim
        >>> n, total = sp.symbols("n total", integer=True, nonnegative=True)
        >>> claim("demo-odd").induction(
        ...     total, n**2, base={total: 0, n: 0}, step={total: total + 2 * n + 1, n: n + 1}
        ... ).kind
        'proved'
    """
    closed = sp.sympify(closed)
    start: State = {symbol: sp.sympify(v) for symbol, v in base.items()}
    update: State = {symbol: sp.sympify(v) for symbol, v in step.items()}
    _check_recursion(quantity, closed, start, update, relation)
    _refuse_vacuous(claim, quantity, closed, update)
    _run(claim, quantity, closed, start, update, relation, seed)

    slack = sp.Dummy("d", nonnegative=True) * {"==": 0, ">=": 1, "<=": -1}[relation]
    first = _reduce(claim, start[quantity], closed.subs(start, simultaneous=True), relation, seconds)
    after = update[quantity].subs(quantity, closed + slack)
    second = _reduce(claim, after, closed.subs(update, simultaneous=True), relation, seconds)
    goal = "0" if relation == "==" else "a sign"
    return issue(
        claim.label,
        "proved",
        show(quantity, closed, relation),
        f"induction: base ({first}) and step ({second}) both reduce to {goal}",
        (
            "base: " + ", ".join(f"{s} = {v}" for s, v in start.items()),
            "step: " + ", ".join(f"{s} → {v}" for s, v in update.items()),
            f"also run for {STEPS} steps from {ROUNDS} random starts, to 50 digits",
        ),
        plain=f"{quantity} {relation} {closed}",
    )


def _reduce(claim: Claim, lhs: sp.Expr, rhs: sp.Expr, relation: str, seconds: float) -> str:
    return "at once" if lhs == rhs else reduce(claim, lhs, rhs, relation, seconds)


def _check_recursion(quantity: sp.Symbol, closed: sp.Expr, base: State, step: State, relation: str) -> None:
    if relation not in RELATIONS[:3]:
        raise ValueError(f"relation must be ==, >= or <=, got {relation!r}")
    if base.keys() != step.keys() or quantity not in base:
        names = f"got {set(base)}, {set(step)}"
        raise ValueError(f"base and step must name the same symbols, {quantity} among them, {names}")
    if quantity in closed.free_symbols:
        raise ValueError(f"closed must not contain {quantity}, the quantity that it stands for, got {closed}")
    refuse_inexact("closed", closed)
    for symbol in base:
        for where, v in (("base", base[symbol]), ("step", step[symbol])):
            refuse_inexact(f"{where}[{symbol}]", v)
            if not allowed(v, symbol):
                raise ValueError(f"{where} takes {symbol} to {v}, which its assumptions do not allow")
        if inner := base[symbol].free_symbols & base.keys():
            raise ValueError(f"base[{symbol}] must not depend on the state, got {inner}")
        if symbol != quantity and quantity in step[symbol].free_symbols:
            raise ValueError(f"step[{symbol}] must not depend on {quantity}, got {step[symbol]}")


def _refuse_vacuous(claim: Claim, quantity: sp.Symbol, closed: sp.Expr, step: State) -> None:
    if quantity not in step[quantity].free_symbols:
        found = f"vacuous: the step of {quantity} does not use it: {step[quantity]}"
        raise Vacuous(claim.label, "a recursion", found)
    if step[quantity] == quantity and all(step.get(s, s) == s for s in closed.free_symbols):
        raise Vacuous(claim.label, "a recursion", f"vacuous: the step changes nothing: {step}")


def _run(
    claim: Claim, quantity: sp.Symbol, closed: sp.Expr, base: State, step: State, relation: str, seed: int
) -> None:
    generator = random.Random(seed)
    for _ in range(ROUNDS):
        names = closed.free_symbols.union(*(v.free_symbols for v in base.values())) - base.keys()
        fixed = {s: draw(s, generator) for s in sorted(names, key=str)}
        state = _follow(base, fixed, generator)
        for count in range(STEPS):
            known = {**fixed, **state}
            if not holds(state[quantity], _number(closed.subs(known)), relation):
                numbers = apart(state[quantity], _number(closed.subs(known)))
                found = f"false after {count} steps: {numbers}"
                raise Refuted(claim.label, f"{quantity} {relation} {closed}", found, known)
            state = _follow(step, known, generator)


def _follow(update: State, state: State, generator: random.Random) -> dict[sp.Symbol, sp.Expr]:
    """The next state, with a random number for every symbol that is new."""
    new = sorted({s for v in update.values() for s in v.free_symbols} - state.keys(), key=str)
    values = {**state, **{s: draw(s, generator) for s in new}}
    return {symbol: _number(v.subs(values, simultaneous=True)) for symbol, v in update.items()}


def _number(v: sp.Expr) -> sp.Expr:
    return v if v.is_Rational else sp.N(v.doit(), GUARD)
