"""How the two ways of a number differ, how precise they are, and when neither is believed."""

from __future__ import annotations

import mpmath
import pytest
import sympy as sp
from sympy import Abs, Integral, Rational, Sum, cos, exp, log, oo, pi, sin

from lemmata.verify import quadrature
from lemmata.verify.quadrature import NOTHING, integral, limit, series

t, x = sp.symbols("t x")
k = sp.Symbol("k", integer=True)


def f_of(expr):
    return quadrature._function(t, sp.sympify(expr))


def near(found, wanted, digits):
    return abs(found - sp.N(wanted, 90)) < sp.Float(10) ** -digits


# --- sums ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "wanted"),
    [
        ((k - 20) / sp.S(2) ** k, -38),  # one term vanishes, at k = 20
        (sp.prod(k - j for j in range(12)) / sp.S(3) ** k, sp.factorial(12) * Rational(3, 2**13)),
        ((k - 30) * (k - 31) / sp.S(2) ** k, 1744),
        ((1 + (-1) ** k) / 2**k, Rational(8, 3)),  # each second one
    ],
    ids=str,
)
def test_a_sum_does_not_end_at_terms_that_vanish(term, wanted):
    found, digits = series(Sum(term, (k, 0, oo)))
    assert digits == 60
    assert near(found, wanted, 60)


@pytest.mark.parametrize("term", [1 / k, Rational(101, 100) ** k, 1 / (k * sp.log(k + 1)), (-1) ** k])
def test_small_terms_that_do_not_die_out_have_no_sum(term):
    def fast(term):
        return quadrature._fast(Sum(term, (k, 1, oo)), k, sp.S.One, oo)

    assert fast(term / 10**80) is sp.nan
    assert fast(term * 0) is sp.nan


def test_a_sum_of_up_to_401_terms_is_added_one_by_one(monkeypatch):
    monkeypatch.setattr(quadrature, "_fast", lambda *_: sp.S.Zero)
    for low, high, wanted in ((300, 700, 401 * 500), (300, 701, 0), (700, 301, -398 * Rational(1001, 2))):
        assert near(series(Sum(k, (k, low, high)))[0], wanted, 50)


def test_a_sum_by_terms_and_one_by_sympy_know_their_digits():
    found, digits = series(Sum(1 / sp.factorial(k), (k, 0, oo)))
    assert digits == 60
    assert near(found, sp.E, 62)
    found, digits = series(Sum(1 / k**2, (k, 1, oo)))
    assert digits == 64
    assert near(found, pi**2 / 6, 66)


def test_partial_sums_come_as_near_as_rounding_lets_them():
    thirds = Sum(Rational(1, 3) ** k, (k, 1, oo))
    assert quadrature._approached(thirds, sp.N(Rational(1, 2) + Rational(7, 10**13), 30)) is True
    assert quadrature._approached(thirds, sp.N(Rational(1, 2) + Rational(2, 10**12), 30)) is False


# --- limits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "body", "believed"),
    [
        (Rational(11, 10), cos(t), False),
        (3, 3 + Rational(5, 10**16) * cos(t), True),
        (3, 3 + Rational(2, 10**15) * cos(t), False),
        (1, exp(-1 / t), False),
        (3, 3 + 1 / log(-log(t)), False),  # too slow to be sure
    ],
)
def test_values_on_the_way_must_come_nearer_to_a_limit(said, body, believed, monkeypatch):
    monkeypatch.setattr(sp.Limit, "doit", lambda *_, **__: sp.sympify(said))
    assert (limit(sp.Limit(body, t, 0))[1] == 64) is believed


def test_a_limit_that_moves_to_and_fro_is_none():
    assert limit(sp.Limit(sin(t), t, oo)) == limit(sp.Limit(1 / t, t, 0)) == NOTHING


def test_a_limit_is_approached_from_its_side_at_two_places(monkeypatch):
    seen = []
    monkeypatch.setattr(quadrature, "_function", lambda *_: lambda v: seen.append(v) or v * 0)
    for end, side, places in (
        (2, "+", ["2.0001", "2.00000001"]),
        (2, "-", ["1.9999", "1.99999999"]),
        (oo, "-", ["10000", "100000000"]),
        (-oo, "+", ["-10000", "-100000000"]),
    ):
        seen.clear()
        limit(sp.Limit(1 / t, t, end, side))
        with mpmath.workdps(30):
            assert [abs(v - mpmath.mpf(p)) < 1e-25 for v, p in zip(seen, places, strict=True)] == [True] * 2


def test_a_limit_is_known_to_64_digits():
    found, digits = limit(sp.Limit((1 + 1 / t) ** t, t, oo))
    assert digits == 64
    assert near(found, sp.E, 66)


# --- integrals ----------------------------------------------------------------------------------------------


def test_an_integral_is_precise_and_as_known_as_its_check():
    for expr, wanted in (
        (Integral(exp(-3 * t), (t, 0, oo)), Rational(1, 3)),
        (Integral(Abs(t - Rational(1, 3)) + 1, (t, 1, -1)), -Rational(28, 9)),
    ):
        found, digits = integral(expr)
        assert near(found, wanted, 60)
        assert 23 <= digits <= 25


def test_the_outermost_integral_is_done_twice_in_other_pieces(monkeypatch):
    shares = []
    monkeypatch.setattr(quadrature, "_halves", lambda a, b, share: shares.append(share) or [[a, b]])
    limits = [sp.Tuple(t, 0, 1)]
    assert quadrature._nested(t * x, limits, {x: sp.S(2)})[0] == pytest.approx(1)
    assert len(shares) == 1
    shares.clear()
    assert quadrature._nested(t, limits, {})[0] == pytest.approx(0.5)
    first, second = shares
    assert 0 < first < second < 1


@pytest.mark.parametrize(("met", "enough"), [(11, False), (12, True)])
def test_two_ways_must_agree_to_twelve_digits(met, enough, monkeypatch):
    asked = []
    monkeypatch.setattr(quadrature, "_agreement", lambda *_: met)
    monkeypatch.setattr(quadrature, "_oscillating", lambda *_: asked.append(met) or ([], 0))
    monkeypatch.setattr(mpmath, "quad", lambda *_: mpmath.mp.one)
    with mpmath.workdps(20):
        found = quadrature._nested(exp(-t), [sp.Tuple(t, 0, oo)], {})
        assert (found is not None and found[1] == met) is enough
        assert asked == ([] if enough else [met])
        asked.clear()
        for low, high in ((0, 1), (-oo, oo), (-oo, 0)):
            quadrature._nested(exp(-(t**2)), [sp.Tuple(t, low, high)], {})
        quadrature._nested(exp(-t - x), [sp.Tuple(x, 0, 1), sp.Tuple(t, 0, oo)], {})
    assert asked == []


def test_a_wave_over_the_whole_line_has_no_number():
    assert integral(Integral(sin(t) / t, (t, -oo, oo))) == NOTHING


def test_numbers_agree_relative_to_the_first_or_to_one():
    agreement = quadrature._agreement
    with mpmath.workdps(30):
        one, near_one = mpmath.mpf(1), mpmath.mpf(1) + mpmath.mpf(10) ** -7.9
        assert agreement(one, near_one) == agreement(near_one, one) == 7
        assert agreement(one, 0 * one) == 0
        assert agreement(0 * one, 0 * one) == 30


# --- where an integral is cut -------------------------------------------------------------------------------


def test_a_wave_is_cut_where_its_phase_is_what_it_was():
    cut = quadrature._wave_cuts(mpmath.mpf(3), mpmath.mpf(2), mpmath.mpf(2))
    for n in (0, 0.5, 1, 7):
        assert 3 * (cut(n) ** 2 - 4) == pytest.approx(n * mpmath.pi)


@pytest.mark.parametrize(("low", "start"), [(1, 1), (-1, 0)])
def test_a_tail_goes_on_where_its_head_ends(low, start, monkeypatch):
    pieces, ranges = [], []
    monkeypatch.setattr(mpmath, "quad", lambda _, points: pieces.append(points) or mpmath.mpf(1))
    monkeypatch.setattr(mpmath, "nsum", lambda part, ends: ranges.append(ends) or part(ends[0]) + 3)
    ways, digits = quadrature._oscillating(f_of(t), sin(2 * t) / t, t, mpmath.mpf(low))
    assert (ways, digits) == ([5, 5], 16)
    assert ranges == [[1, mpmath.inf]] * 2
    first, after_first, second, after_second = pieces
    for head, part in ((first, after_first), (second, after_second)):
        assert head[:2] == [low, start]
        assert head[-1] == part[0]
        assert part[1] - part[0] == pytest.approx(mpmath.pi / 2)
    assert second[-1] - first[-1] == pytest.approx(mpmath.pi / 4)  # other zeros than the first


def test_a_tail_whose_parts_have_no_sum_is_none(monkeypatch):
    def no_convergence(*_):
        raise mpmath.libmp.NoConvergence

    monkeypatch.setattr(mpmath, "nsum", no_convergence)
    assert quadrature._oscillating(f_of(sin(t)), sin(t), t, mpmath.mpf(0)) == ([], 0)


@pytest.mark.parametrize("ends", [(0, 1), (2, 3)])
def test_two_changes_of_sign_are_told_apart_near_an_end(ends):
    low, high = map(mpmath.mpf, ends)
    for a, b in ((low + 0.005, low + 0.0125), (high - 0.0125, high - 0.005)):
        found = quadrature._sign_changes(lambda v, a=a, b=b: (v - a) * (v - b), low, high)
        assert found == pytest.approx([a, b])


def test_a_change_of_sign_is_found_on_the_right_digit():
    for low, high in ((0, 3), (3, 0)):
        with mpmath.workdps(40):
            found = quadrature._bisect(f_of(t**2 - 2), mpmath.mpf(low), mpmath.mpf(high))
            assert abs(found - mpmath.sqrt(2)) < mpmath.mpf(10) ** -39


def test_a_number_with_an_imaginary_part_keeps_it():
    assert quadrature._sympy(mpmath.mpc(0.5, 1), 20) == sp.Float(0.5, 20) + sp.Float(1, 20) * sp.I
    assert quadrature._sympy(mpmath.mpc(0.5, 0), 20) == sp.Float(0.5, 20)
