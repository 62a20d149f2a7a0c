"""Inequalities by calculus, and a few identities: what an author wants is shown, the nearly true is not."""

from __future__ import annotations

import time

import pytest
import sympy as sp
from sympy import Rational, acos, asin, asinh, atan, cos, cosh, exp, log, pi, sin, sqrt, tan, tanh

from lemmata.verify import claim, inequality
from lemmata.verify.evidence import ClaimFailed
from lemmata.verify.inequality import shown_above, shown_zero
from lemmata.verify.monotone import Prover

r, u = sp.symbols("r u", real=True)
p, q = sp.symbols("p q", positive=True)
w, v = sp.symbols("w v", nonnegative=True)
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
    assert demo.proved(lhs, rhs, seconds=120).kind == "proved"  # one takes 10 s, on a machine at rest


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
        assert not Prover(y, 0.5).above(f, LINE, False)
    assert not Prover(y, 3).smooth(1 / bump, RAY)
    assert not Prover(y, 3).smooth(log(bump), RAY)
    assert not Prover(y, 3).smooth(sp.Abs(bump), RAY)


# --- pieces: what each transformation gives, and what it leaves ---------------------------------------------

PARTS = "calculus in one variable"


def above(f, strict=False, domain=None, seconds=10):
    return shown_above(sp.sympify(f), strict, {} if domain is None else domain, seconds)


def test_the_range_of_a_symbol_and_the_ends_that_belong_to_it():
    def symbol(**assumptions):
        return sp.Symbol("s", **assumptions)

    for s, domain, found in (
        (r, None, (-sp.oo, sp.oo, [])),
        (w, None, (0, sp.oo, [0])),
        (p, None, (0, sp.oo, [])),
        (symbol(nonpositive=True), None, (-sp.oo, 0, [0])),
        (symbol(negative=True), None, (-sp.oo, 0, [])),
        (m, None, (1, sp.oo, [])),
        (n, None, (0, sp.oo, [0])),
        (w, (-1, 5), (0, 5, [0])),
        (w, (0, 5), (0, 5, [])),
        (p, (2, 5), (2, 5, [])),
        (symbol(nonpositive=True), (-2, 5), (-2, 0, [0])),
        (symbol(nonpositive=True), (-2, 0), (-2, 0, [])),
        (m, (3, 9), (3, 9, [])),
    ):
        ends = {} if domain is None else {s: tuple(map(sp.S, domain))}
        assert inequality._range(s, ends) == found, (s, domain)


def test_integers_are_looked_at_one_by_one_and_then_as_real_numbers():
    assert above((m - 6) * (m - 5)) == PARTS  # negative between 5 and 6
    assert above((n - 5) * (n - 4)) == PARTS
    assert above((m - 6) * (m - 5), True) is None
    assert above((m - 1) * (m - Rational(13, 2)) * (m - 6)) is None
    assert above(2**m - m - 1) == PARTS
    assert above(2**m - m - 1, True) is None  # equal at 1
    assert above(m - Rational(1, 2), True, {m: (sp.S.Zero, sp.S(9))}) == PARTS
    assert above(n - Rational(1, 2), True) is None
    assert above(m - 2, False, {m: (Rational(3, 2), sp.S(9))}) == PARTS


def test_ends_and_kinks_count_when_a_sign_is_strict():
    assert above(w) == above(p, True) == above(sp.Abs(r)) == PARTS
    assert above(w, True) is None
    assert above(sp.Abs(r), True) is None
    assert above(sp.Abs(r) + sp.Abs(r - 1) * sp.Abs(r), True) is None  # 0 at one of two kinks
    assert above(sp.Abs(r - 1) + sp.Abs(r + 1) - 2) == PARTS
    assert above(sp.Abs(r - 1) + sp.Abs(r + 1) - 2 - Rational(1, 10**9)) is None
    assert above(sp.Max(r, 1) - 1) == PARTS
    assert above(sp.Max(r, 1) - 1, True) is None
    assert above(sp.Abs(sin(r)) + r**2) is None  # bars without end
    assert above(sp.Abs(r**2 + 1), True) == PARTS


def test_who_has_no_sign_is_not_asked():
    assert above(sp.pi) is None
    assert above(x**2 + 1) is None  # not real
    assert above(x**2 + 1, True, {x: (sp.S.Zero, sp.S.One)}) == PARTS
    assert above(x * p) is None
    assert above(x * p, True, {x: (sp.S.Zero, sp.S.One)}) == "squares and calculus"
    assert above(p + q, seconds=-1) is None
    assert above(r**2 + 1, seconds=-1) is None


def test_cases_are_named():
    assert above(sp.Max(r, u) - r) in ("squares and calculus", "all cases of order")
    assert above(sp.Abs(r) + sp.Abs(u) - sp.Abs(r + u)) == "all cases of sign and order"
    assert above(sp.Max(r, u) - r, True) is None
    assert above(sp.Abs(r) + sp.Abs(u) - sp.Abs(r + 2 * u)) is None


def test_orders_and_signs_leave_no_case_out():
    first, second = inequality._orders(sp.Max(r, u) - r)
    assert first == 0
    assert second.is_nonnegative
    assert not list(inequality._orders(r - u))
    assert not list(inequality._orders(sp.Max(r, u, p)))
    assert not list(inequality._signs(r - u))
    assert not list(inequality._signs(sp.Abs(r)))
    values = []
    for case in inequality._signs(r + 10 * u + 100 * sp.Abs(r)):
        named = {s: {"d": 2, "size": 1}[s.name] for s in case.free_symbols}
        values.append(case.subs(named))
    sizes = [(1, 3), (3, 1)]
    points = [(i * a, j * b) for a, b in sizes for i in (1, -1) for j in (1, -1)]
    assert sorted(values) == sorted(a + 10 * b + 100 * abs(a) for a, b in points)


def test_what_is_shown_to_be_zero():
    said = "smooth, of slope 0, and 0 at a point: this"
    one = sin(x) ** 2 + cos(x) ** 2 - 1
    assert shown_zero(one.subs(x, r), {}, 5) == shown_zero(one, {x: (sp.S(3), sp.S(5))}, 5) == said
    assert shown_zero(one.subs(x, w), {}, 5) == said
    assert shown_zero(sp.erf(r) + sp.erfc(r) - 1, {}, 5) == said
    assert shown_zero(sp.erf(r) + sp.erfc(r), {}, 5) is None  # it is 1, also in the limit
    assert shown_zero(one, {}, 5) is None  # not real
    assert shown_zero(one.subs(x, r) + 1, {}, 5) is None
    assert shown_zero(one.subs(x, w) + 1, {}, 5) is None
    assert shown_zero(one.subs(x, r) + r / 10**9, {}, 5) is None
    assert shown_zero(one.subs(x, r) * u, {}, 5) is None
    assert shown_zero(atan(r) + atan(1 / r) - pi / 2, {}, 5) is None  # a jump


def test_positive_symbols_become_squares_and_real_ones_logarithms():
    means = inequality._squares((p + q) / 2 - sqrt(p * q))
    assert means.is_nonnegative
    assert means.subs({s: 3 if s.name == "p" else 5 for s in means.free_symbols}) == 2
    means = inequality._logarithms((exp(r) + exp(u)) / 2 - exp((r + u) / 2))
    assert means.is_nonnegative
    assert means.subs({s: 3 if s.name == "r" else 5 for s in means.free_symbols}) == 2


def test_a_logarithm_is_peeled_off():
    assert inequality._peeled(2 * log(p) + q) == p - exp(-q / 2)
    assert inequality._peeled(q - 3 * log(p)) == exp(q / 3) - p
    for f in (log(p) + log(q + 1), r * log(p), log(r) + q, p + q, log(p) ** 2 + q):
        with pytest.raises(ValueError, match="logarithm"):
            inequality._peeled(f)


def test_quadratic_forms():
    for f in (r**2 + r * u + u**2, r**2 - 2 * r + 1, r**2 + u**2 - 2 * u + 2, (r + u) ** 2):
        assert inequality._quadratic_form(sp.expand(f)), f
    nearly = r**2 + Rational(200001, 100000) * r * u + u**2
    for f in (nearly, r**2 - 2 * r, -(r**2), r, r + 1, r**4 + u**2, r * u, exp(r), sp.S.One, r**2 - 1):
        assert not inequality._quadratic_form(f), f
    for f in (r**2 + u**2 - 1, r + u**2, r**3 + u**2 + 1):
        assert not inequality._quadratic_form(f), f


def test_a_part_of_which_all_depends_becomes_a_symbol():
    for found in inequality._compressed(exp(r + u) - r - u - 1):
        (s,) = found.free_symbols
        assert found == exp(s) - s - 1
        assert s.is_real
        assert not s.is_positive
    for found in inequality._compressed(log(1 + p * q) - p * q):
        assert found.free_symbols.pop().is_positive
    for found in inequality._compressed(sp.expand(exp(w * v)) - w * v - 1):
        s = found.free_symbols.pop()
        assert s.is_nonnegative
        assert not s.is_positive
    assert list(inequality._compressed(exp(w * v) - w * v - 1))
    assert list(inequality._compressed(exp(r + u) - r - u - 1))
    assert list(inequality._compressed(log(1 + p * q) - p * q))
    assert list(inequality._compressed(exp(r))) == [exp(r)]
    assert list(inequality._compressed(r + u)) == []
    assert list(inequality._compressed(exp(r) + u)) == []


def test_a_part_gets_five_seconds_or_what_is_left(monkeypatch):
    limits = []
    monkeypatch.setattr(inequality, "_one_variable", lambda f, s, strict, domain, until: limits.append(until))
    now = time.process_time()
    inequality._one_symbol(exp(r) - r, False, now + 2)
    inequality._one_symbol(exp(r) - r, False, now + 1000)
    assert limits[0] == now + 2
    assert now + 5 <= limits[1] < now + 10
