"""`induction` proves a closed form for all n, and refuses one that only looks like it."""

from __future__ import annotations

import random

import pytest
import sympy as sp

from lemmata.verify import ClaimFailed, claim, induction, symbolic

n = sp.Symbol("n", integer=True, nonnegative=True)
T, S = sp.symbols("T S")
A, B, L = sp.symbols("A B L", nonnegative=True)
a, x = sp.symbols("a x", positive=True)
demo = claim("demo")


def refused(*args, error=ClaimFailed, match=None, **options):
    with pytest.raises(error, match=match):
        demo.induction(*args, **options)


# --- identity -----------------------------------------------------------------------------------------------


def test_the_sum_of_cubes():
    step = {T: T + (n + 1) ** 3, n: n + 1}
    assert demo.induction(T, (n * (n + 1) / 2) ** 2, base={T: 0, n: 0}, step=step).kind == "proved"


def test_a_product_with_a_new_number_at_every_step():
    step = {T: T * sp.exp(x), S: S + x}
    assert demo.induction(T, sp.exp(S), base={T: 1, S: 0}, step=step).kind == "proved"


def test_a_bound_that_grows_with_every_new_number():
    step = {A: A + a, L: L * (1 + a)}  # the product of 1 + a_i is at least 1 + the sum of the a_i
    assert demo.induction(L, 1 + A, base={A: 0, L: 1}, step=step, relation=">=").kind == "proved"


def test_an_invariant_of_a_state_that_moves():
    step = {T: T, S: S + x, B: B + x}
    assert demo.induction(T, S - B, base={T: 3, S: 3, B: 0}, step=step).kind == "proved"


def test_the_recursion_is_shown():
    evidence = demo.induction(T, n, base={T: 0, n: 0}, step={T: T + 1, n: n + 1})
    assert evidence.statement == "T = n"
    assert "step: T → T + 1, n → n + 1" in evidence.details
    assert "6 steps from 4 random starts" in evidence.details[-1]
    assert "reduce to 0" in evidence.how
    bound = demo.induction(L, 1 + A, base={A: 0, L: 1}, step={A: A + a, L: L * (1 + a)}, relation=">=")
    assert "reduce to a sign" in bound.how


def test_all_of_the_state_moves_at_once():
    step = {T: -T, A: B, B: A}
    assert demo.induction(T, A - B, base={T: 1, A: 1, B: 0}, step=step).kind == "proved"


def test_two_new_numbers_at_one_step():
    step = {T: T + a * x, S: S + 2 * a * x}
    assert demo.induction(T, S / 2, base={T: 0, S: 0}, step=step).kind == "proved"


# --- failure: a false claim ---------------------------------------------------------------------------------


def test_true_at_two_and_three_but_false_at_four():
    closed = 2**n + (n - 2) * (n - 3) * n * (n - 1)  # right at n = 0, 1, 2, 3
    refused(T, closed, base={T: 1, n: 0}, step={T: 2 * T, n: n + 1}, match="false after 4 steps")


def test_a_closed_form_without_a_value_at_the_start_is_refused():
    refused(T, A / B, base={T: 0, A: 0, B: 0}, step={T: T, A: 2 * A, B: 2 * B}, match="nan")
    undefined = induction._follow({T: A / B}, {A: sp.S.Zero, B: sp.S.Zero}, random.Random(0))
    assert undefined == {T: sp.nan}


def test_true_for_longer_than_the_run_but_not_for_ever():
    closed = n + sp.prod(n - i for i in range(6))  # right at n = 0 .. 5
    refused(T, closed, base={T: 0, n: 0}, step={T: T + 1, n: n + 1}, match="not reduced")
    closed = n + sp.prod(n - i for i in range(12))  # right at n = 0 .. 11; the run goes to 5
    refused(T, closed, base={T: 0, n: 0}, step={T: T + 1, n: n + 1}, match="not reduced")


@pytest.mark.parametrize(
    "closed", [-n * (n + 1) / 2, n * (n - 1) / 2, n * (n + 1) / 2 + sp.Rational(1, 10**8)]
)
def test_a_wrong_closed_form(closed):
    refused(T, closed, base={T: 0, n: 0}, step={T: T + n + 1, n: n + 1})


def test_a_parameter_stays_the_same_all_along():
    step = {T: T * x, n: n + 1}
    assert demo.induction(T, a * x**n, base={T: a, n: 0}, step=step).kind == "proved"
    refused(T, x**n, base={T: a, n: 0}, step=step, match="false after 0 steps")
    refused(T, a + x, base={T: a, n: 0}, step={T: T + x, n: n + 1})


def test_the_random_run_is_that_of_the_seed():
    def where(**options):
        with pytest.raises(ClaimFailed) as failure:
            demo.induction(T, S, base={T: 0, S: 0}, step={T: T + x, S: S + 2 * x}, **options)
        return failure.value.at

    assert where() == where(seed=0) != where(seed=1)


def test_the_run_keeps_rational_numbers_and_works_out_all_others():
    third = sp.Rational(1, 3)
    assert induction._number(third) is third
    total = induction._number(sp.Sum(sp.sqrt(n), (n, 0, 4)))
    assert total.is_Float
    assert abs(total - sp.N(3 + sp.sqrt(2) + sp.sqrt(3), 60)) < 1e-50


def test_a_wrong_base():
    refused(T, n**2, base={T: 1, n: 0}, step={T: T + 2 * n + 1, n: n + 1}, match="false after 0 steps")


def test_a_bound_in_the_wrong_direction():
    step = {A: A + a, L: L * (1 + a)}
    refused(L, 1 + A, base={A: 0, L: 1}, step=step, relation="<=")


def test_a_bound_that_the_step_does_not_keep_for_every_slack():
    refused(T, 0 * n, base={T: 0, n: 0}, step={T: -T, n: n + 1}, relation=">=", match="not reduced")


def test_a_simplifier_that_always_returns_zero_is_caught(monkeypatch):
    monkeypatch.setattr(symbolic, "REDUCTIONS", (("broken", lambda e: sp.S.Zero),))
    refused(T, n**2 + n, base={T: 0, n: 0}, step={T: T + 2 * n + 1, n: n + 1}, match="false after 1 steps")


# --- failure: nothing is claimed, or the recursion is none --------------------------------------------------


@pytest.mark.parametrize(
    ("closed", "base", "step"),
    [
        (5 + 0 * n, {T: 5}, {T: T}),  # changes nothing
        (5 + 0 * n, {T: 5, n: 0}, {T: T, n: n + 1}),  # counts, and changes nothing
        (n**2, {T: 0, n: 0}, {T: (n + 1) ** 2, n: n + 1}),  # writes down the closed form
    ],
)
def test_a_step_that_is_no_recursion_is_vacuous(closed, base, step):
    refused(T, closed, base=base, step=step, match="vacuous")


@pytest.mark.parametrize(
    ("quantity", "closed", "base", "step", "message"),
    [
        (T, n, {T: 0, n: -1}, {T: T + 1, n: n + 1}, "base takes n to -1"),
        (T, n, {T: 0, n: 0}, {T: T - 1, n: n - 1}, "step takes n to n - 1"),
        (A, -n, {A: 0, n: 0}, {A: A - 1, n: n + 1}, "step takes A to A - 1"),  # A is assumed nonnegative
        (A, -1 - n, {A: -1, n: 0}, {A: A + 1, n: n + 1}, "base takes A to -1"),
        (T, S, {T: 0, S: 0}, {T: T + 1, S: S + T}, "must not depend on T"),
        (T, T, {T: 0, n: 0}, {T: T + 1, n: n + 1}, "must not contain T"),
        (T, n**2, {T: n**2, n: 3}, {T: T + 2 * n + 1, n: n + 1}, "must not depend on the state"),
        (T, n, {T: 0}, {T: T + 1, n: n + 1}, "same symbols"),
        (T, n, {n: 0}, {n: n + 1}, "same symbols"),
        (T, n / 2, {T: 0, n: 0}, {T: T + 0.5, n: n + 1}, "exact"),
        (T, 0.5 * n, {T: 0, n: 0}, {T: T + sp.Rational(1, 2), n: n + 1}, "closed must be exact"),
    ],
)
def test_a_recursion_that_is_not_well_posed_is_refused(quantity, closed, base, step, message):
    refused(quantity, closed, base=base, step=step, error=ValueError, match=message)


def test_a_strict_relation_is_not_offered():
    for relation in ("<", ">"):
        refused(T, n, base={T: 0, n: 0}, step={T: T + 1, n: n + 1}, relation=relation, error=ValueError)
