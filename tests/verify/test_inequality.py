"""Inequalities by calculus, and a few identities: what an author wants is shown, the nearly true is not."""

from __future__ import annotations

import pytest
import sympy as sp
from sympy import Rational, acos, asin, asinh, atan, cos, cosh, exp, log, pi, sin, sqrt, tan, tanh

from lemmata.verify import claim
from lemmata.verify.evidence import ClaimFailed
from lemmata.verify.monotone import Prover

r, u = sp.symbols("r u", real=True)
p, q = sp.symbols("p q", positive=True)
w = sp.Symbol("w", nonnegative=True)
m = sp.Symbol("m", integer=True, positive=True)
n, k = sp.symbols("n k", integer=True, nonnegative=True)
x, t = sp.symbols("x t")
demo = claim("demo")
LINE, RAY = (-sp.oo, sp.oo), (sp.S.Zero, sp.oo)


# --- identity -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lhs", "relation", "rhs", "domain"),
    [
        (r**2 - r + 1, ">", 0, None),
        (exp(r), ">=", 1 + r, None),
        (log(1 + p), "<", p, None),
        (tanh(p), "<=", p, None),
        (sin(w), "<=", w, None),
        (p * log(p), ">=", -exp(-1), None),
        (sin(t), ">=", 2 * t / pi, {t: (0, pi / 2)}),
        (cosh(r), ">=", 1, None),
        (sqrt(r**2 + 1), ">", sp.Abs(r), None),
        (2**m, ">", m, None),
        ((p + q) / 2, ">=", sqrt(p * q), None),
        (r**2 + r * u + u**2, ">=", 0, None),
        ((exp(r) + exp(u)) / 2, ">=", exp((r + u) / 2), None),
        (log(exp(r) + exp(u)), ">=", sp.Max(r, u), None),
        (log(exp(r) + exp(u)), "<=", sp.Max(r, u) + log(2), None),
        (sp.Abs(r + u), "<=", sp.Abs(r) + sp.Abs(u), None),
    ],
    ids=str,
)
def test_what_an_author_wants_is_proved(lhs, relation, rhs, domain):
    assert demo.proved(lhs, rhs, relation=relation, domain=domain).kind == "proved"


@pytest.mark.parametrize(
    ("lhs", "rhs"),
    [
        (asin(x) + acos(x), pi / 2),
        (asinh(r), log(r + sqrt(r**2 + 1))),
        (atan(p) + atan(1 / p), pi / 2),
        (4 * atan(Rational(1, 5)) - atan(Rational(1, 239)), pi / 4),
        (sqrt(3 + 2 * sqrt(2)), 1 + sqrt(2)),
        (sp.root(2 + sqrt(5), 3), (1 + sqrt(5)) / 2),
        (sp.Sum(sp.binomial(n, k) * p**k * q ** (n - k), (k, 0, n)), (p + q) ** n),
        (sp.Sum(k * sp.binomial(n, k), (k, 0, n)), n * 2 ** (n - 1)),
        (
            sp.Integral(t ** (p - 1) * (1 - t) ** (q - 1), (t, 0, 1)),
            sp.gamma(p) * sp.gamma(q) / sp.gamma(p + q),
        ),
    ],
    ids=str,
)
def test_identities_that_an_author_wants_are_proved(lhs, rhs):
    assert demo.proved(lhs, rhs).kind == "proved"


def test_a_kink_cuts_the_line():
    assert demo.proved(sp.Abs(r - 1) + sp.Abs(r + 1), 2, relation=">=").kind == "proved"


# --- failure ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lhs", "relation", "rhs", "domain"),
    [
        (exp(r), ">", 1 + r, None),  # equal at 0
        (exp(r), ">=", 1 + r + r**2 / 2, None),
        (exp(p), ">=", Rational(271829, 100000) * p, None),  # a little more than e
        (log(1 + p), "<=", p - p**2 / 2, None),
        (p + 1 / p, ">", 2, None),
        (
            (r - Rational(1234567, 10**6)) ** 2,
            ">=",
            Rational(1, 10**20),
            None,
        ),  # false on a tiny interval only
        (tan(t), ">=", t, {t: (0, 3)}),  # a pole inside
        (1 / r, ">=", -1, {r: (-1, 1)}),
        ((p + q) / 2, ">", sqrt(p * q), None),
        ((r + u) / 2, ">=", sqrt(r * u), None),
        (log(exp(r) + exp(u)), "<=", sp.Max(r, u) + log(2) - Rational(1, 10**6), None),
    ],
    ids=str,
)
def test_what_is_nearly_true_is_refused(lhs, relation, rhs, domain):
    with pytest.raises(ClaimFailed):
        demo.proved(lhs, rhs, relation=relation, domain=domain, seconds=5)


@pytest.mark.parametrize(
    ("lhs", "rhs"),
    [
        (atan(r) + atan(1 / r), pi / 2),  # a jump at 0
        (4 * atan(Rational(1, 5)) - atan(Rational(1, 239)), pi / 4 + 2 * pi),  # equal as angles
        (4 * atan(Rational(1, 5)) - atan(Rational(1, 238)), pi / 4),
        (sqrt(3 + 2 * sqrt(2)), 1 + sqrt(2) + Rational(1, 10**60)),
        (sp.Sum(sp.binomial(n, k) * p**k * q ** (n - k), (k, 1, n)), (p + q) ** n),
    ],
    ids=str,
)
def test_what_is_nearly_equal_is_refused(lhs, rhs):
    with pytest.raises(ClaimFailed):
        demo.proved(lhs, rhs, seconds=5)


def test_the_prover_needs_no_luck_with_points():
    """Each is false only where the probe does not look, so the rules themselves must refuse it."""
    y = sp.Symbol("y", real=True)
    bump = (y - Rational(12, 10)) ** 2 - Rational(1, 10**8)
    for f in (bump, y**2 * bump, exp(y) * bump, cos(y) + 1 - Rational(1, 10**9), 1 / bump):
        assert not Prover(y, 3).above(f, LINE, False)
    assert not Prover(y, 3).smooth(1 / bump, RAY)
    assert not Prover(y, 3).smooth(log(bump), RAY)
    assert not Prover(y, 3).smooth(sp.Abs(bump), RAY)
