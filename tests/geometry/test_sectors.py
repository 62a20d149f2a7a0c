"""Sectors, gaps and half-spaces: identities, agreement with exact fractions, what breaks."""

import math
from fractions import Fraction as Q

import pytest
import torch
from helpers import DEVICES, DTYPES, F64, INF, NAN, column, seeded
from mpmath import mp

from lemmata.geometry import (
    circular_range_test,
    enclosing_arc,
    max_gap,
    sector_probability,
    wendel_probability,
)
from lemmata.geometry._sectors import tails

PI = math.pi
EPS = 2.0**-53
on_devices = pytest.mark.parametrize("device", DEVICES)


# ------------------------------------------------------------------- the oracle


def exact(n, gap):
    """P(some gap >= gap) for a Fraction."""
    return sum((-1) ** (k - 1) * math.comb(n, k) * max(1 - k * gap, Q(0)) ** (n - 1) for k in range(1, n + 1))


def precise(n, gap, digits):
    """Both tails by mpmath, with so many digits to cancel."""
    with mp.workdps(digits):
        x, some, choose = mp.mpf(gap), mp.mpf(0), mp.mpf(1)
        for k in range(1, n + 1):
            choose = choose * (n - k + 1) / k
            if k * x >= 1:
                break
            term = choose * (1 - k * x) ** (n - 1)
            some -= (-1) ** k * term
            if term < mp.mpf(10) ** -(digits - 5):
                break
        return +some, 1 - some


def both(n, t):
    """The two tails at an arc t of a circle of length 1."""
    t = torch.as_tensor(t, dtype=F64)
    return sector_probability(n, t, period=1), sector_probability(n, t, period=1, complement=True)


# ------------------------------------------------------------------- identity


def test_reference_probabilities():
    table = {
        (1, 2): {3: Q(3, 4), 4: Q(1, 2), 5: Q(5, 16)},
        (1, 3): {4: Q(4, 27)},
        (2, 3): {3: Q(1), 4: Q(26, 27), 5: Q(70, 81), 6: Q(59, 81)},
        (3, 4): {4: Q(1), 5: Q(255, 256), 10: Q(86955, 131072), 20: Q(1446600985, 17179869184)},
    }
    for part, values in table.items():
        for n, value in values.items():
            assert sector_probability(n, Q(*part), period=1) == value
            assert sector_probability(n, Q(*part), period=1, complement=True) == 1 - value
            found = sector_probability(n, part[0] * 360 / part[1], period=360)
            assert found.item() == pytest.approx(float(value), rel=1e-15)


def test_exact_fractions_at_the_ends():
    assert sector_probability(1, Q(0), period=1) == 1
    assert sector_probability(1, Q(-1, 9), period=1) == 0
    assert sector_probability(3, Q(0), period=1) == 0
    assert sector_probability(3, Q(-1), period=1) == 0
    assert sector_probability(3, Q(12), period=12) == 1
    assert sector_probability(3, Q(13), period=Q(12)) == 1
    assert sector_probability(5, Q(4, 5), period=1) == 1
    assert sector_probability(5, Q(4, 5) - Q(1, 10**9), period=1) < 1
    assert sector_probability(2, Q(1, 2), period=2) == Q(1, 2)


@on_devices
def test_up_to_the_half_circle_there_is_one_term(device):
    t = column([1e-200, 1e-12, 0.01, 0.3, 0.5], device)
    for n in (2, 3, 10, 25, 1000):
        torch.testing.assert_close(
            sector_probability(n, 2 * PI * t), n * t ** (n - 1), rtol=1e-13 if n < 1000 else 1e-11, atol=0
        )


@pytest.mark.parametrize("n", [3, 8, 24, 25, 60, 1000])
def test_certainty_and_impossibility(n):
    some, none = both(n, [-INF, -1.0, 0.0, 1 - 1 / n + 2.0**-50, 1.0, 2.0, INF, NAN])
    assert some.tolist()[:-1] == [0, 0, 0, 1, 1, 1, 1]
    assert none.tolist()[:-1] == [1, 1, 1, 0, 0, 0, 0]
    assert some[-1].isnan()
    assert none[-1].isnan()


def test_one_point_needs_no_sector():
    some, none = both(1, [-0.1, 0.0, 0.3, 1.5])
    assert some.tolist() == [0, 1, 1, 1]
    assert none.tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("n", [2, 3, 7, 24, 25, 40, 1000, 10**6])
def test_it_is_a_distribution_function(n):
    """Steps down are below the rounding of a probability; the tails add up to 1."""
    t = torch.linspace(0, 1, 4001, dtype=F64)
    t = torch.cat([t, 1 - torch.linspace(0, min(1, 40 / n), 4001, dtype=F64)]).sort().values
    some, none = both(n, t)
    assert ((some >= 0) & (some <= 1) & (none >= 0) & (none <= 1)).all()
    assert (some.diff() >= -1e-13).all()
    assert (none.diff() <= 1e-13).all()
    assert (some + none - 1).abs().max() < 1e-15


@pytest.mark.parametrize("n", [5, 24, 30, 1000])
def test_the_dual_gap(n):
    """Q(x) = (nx - 1)^(n-1) Q(x / (nx - 1)), which is the symmetry of a spline."""
    for y in (1.7, 1.9, 1.99, 2.0, 2.3, 3.0):
        one = both(n, 1 - y / n)[1].item()
        other = both(n, 1 - y / (y - 1) / n)[1].item() * (y - 1) ** (n - 1)
        assert one == pytest.approx(other, rel=1e-11)


def test_n_may_be_a_tensor():
    n = torch.tensor([[1], [4], [24], [25], [3000]])
    theta = column([0.0, 3.0, 5.9, 6.27])
    found = sector_probability(n, theta)
    assert found.shape == (5, 4)
    for row, size in zip(found, n.flatten().tolist(), strict=True):
        assert torch.equal(row, sector_probability(size, theta))


def test_the_mean_range_is_that_of_harmonic_numbers():
    for n in (2, 3, 4, 10, 50):
        t = torch.linspace(0, 1, 5001, dtype=F64)
        mean = torch.trapezoid(sector_probability(n, t, period=1, complement=True), t)
        assert mean.item() == pytest.approx(1 - sum(1 / k for k in range(1, n + 1)) / n, abs=1e-6)


def test_gaps_and_arcs_by_hand():
    for shift in (0.0, -1.0, 3.0, 1000.0):
        hours = (
            torch.tensor([[23.0, 1.5, 22.0, 4.0], [1.0, 13.0, 7.0, 19.0], [5.0, 5.0, 5.0, 5.0]]) + 24 * shift
        )
        assert max_gap(hours, period=24).tolist() == [18, 6, 24]
        start, length = enclosing_arc(hours, period=24)
        assert length.tolist() == [6, 18, 0]
        assert (start[0] % 24).item() == 22
        assert (start[2] % 24).item() == 5
    turned = enclosing_arc(hours.T, 0, period=24)
    assert torch.equal(turned[1], length)


def test_one_point_no_point_and_what_is_masked():
    angles = column([[1.0, 2.0, NAN], [1.0, INF, 4.0], [7.0, 8.0, 9.0], [NAN, 1.0, 2.0]]).requires_grad_()
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]]).bool()
    start, length = enclosing_arc(angles, mask=mask)
    assert start.tolist()[:2] == [1, 1]
    assert start[2:].isnan().all()
    assert length.tolist()[:3] == [1, 0, 0]
    gap = max_gap(angles, mask=mask)
    assert gap.tolist()[:3] == pytest.approx([2 * PI - 1, 2 * PI, 2 * PI], rel=1e-15)
    for alternative, first in (("less", 2 / (2 * PI)), ("greater", 1 - 2 / (2 * PI))):
        size, p = circular_range_test(angles, mask=mask, alternative=alternative)
        assert p.tolist()[:3] == pytest.approx([first, 1, 1], rel=1e-14)
        assert torch.equal(size[:3], length[:3])
        assert p[3].isnan()
        assert size[3].isnan()
    (slope,) = torch.autograd.grad(length[:3].sum() + p[:3].sum(), angles)
    assert slope[:3].isfinite().all()
    assert slope[0, 2] == slope[1, 1] == 0


@on_devices
def test_neighbours_of_zero_keep_their_digits(device):
    """Reduced first, -1e-12 would be 6.28 with an error of 1e-16: a range with four digits."""
    angles = column([1e-12, -3e-12, 2e-12, 2 * PI], device)
    for given, sure in ((angles[:3], 1e-13), (angles, 1e-3)):  # 2 pi itself is rounded by 2e-16
        n = len(given)
        size, p = circular_range_test(given)
        assert size.item() == pytest.approx(5e-12, rel=sure)
        assert p.item() == pytest.approx(n * (5e-12 / (2 * PI)) ** (n - 1), rel=n * sure)


def test_the_range_knows_neither_order_nor_origin():
    draws = torch.rand(50, 9, generator=seeded(), dtype=F64) * 24
    size, p = circular_range_test(draws, period=24)
    shuffled = draws[:, torch.randperm(9, generator=seeded())]
    assert torch.equal(circular_range_test(shuffled, period=24)[1], p)
    turned = circular_range_test(draws + 7.3 - 48, period=24)
    torch.testing.assert_close(turned, (size, p), rtol=1e-12, atol=0)
    mirrored = circular_range_test(-draws, period=24)
    torch.testing.assert_close(mirrored, (size, p), rtol=1e-12, atol=0)
    in_turns = circular_range_test(draws / 24, period=1)
    torch.testing.assert_close(in_turns, (size / 24, p), rtol=1e-12, atol=0)
    torch.testing.assert_close(max_gap(draws, period=24), 24 - size, rtol=1e-13, atol=0)
    by_hand = torch.cat([draws, draws[:, :1]], 1).sort().values  # a tie changes nothing
    torch.testing.assert_close(enclosing_arc(by_hand, period=24)[1], size, rtol=1e-13, atol=0)


@on_devices
def test_any_number_of_turns_is_taken_off_exactly(device):
    """Even where neighbouring floats are turns apart: a range is none below 0."""
    given = [1e17, 0.0, 1.0, -3e200, 1e-300, -1e-300, 2 * PI, 1e9]
    for period in (2 * PI, 24.0, 0.7):
        turned = sorted(Q(a) % Q(period) for a in given)
        gaps = [b - a for a, b in zip(turned, [*turned[1:], turned[0] + Q(period)], strict=True)]
        angles = column(given, device)
        start, size = enclosing_arc(angles, period=period)
        assert size.item() == pytest.approx(float(Q(period) - max(gaps)), rel=1e-15)
        assert max_gap(angles, period=period).item() == pytest.approx(float(max(gaps)), rel=1e-15)
        assert start in angles


def test_wendel_by_hand_and_by_symmetry():
    assert wendel_probability(4, 2, exact=True) == Q(1, 2)
    assert wendel_probability(4, 3, exact=True) == Q(7, 8)
    assert wendel_probability(5, 3, exact=True) == Q(11, 16)
    assert [wendel_probability(n, 1) for n in (1, 2, 5)] == [1, 0.5, 2**-4]
    assert wendel_probability(3, 3) == wendel_probability(3, 3, exact=True) == 1
    for n in (2, 5, 60, 1001, 4000):
        assert wendel_probability(n, 2) == pytest.approx(n * mp.mpf(2) ** (1 - n), rel=1e-11)
        for d in {1, n // 3 + 1, n // 2, n - 1}:
            assert wendel_probability(n, d) + wendel_probability(n, n - d) == pytest.approx(1, rel=1e-15)
    assert wendel_probability(10**6, 5 * 10**5) == 0.5


# ------------------------------------------------------------------- agreement

POINTS = [2, 3, 4, 5, 9, 16, 23, 24, 25, 26, 40, 64]


@pytest.mark.parametrize("n", POINTS)
def test_both_tails_against_fractions(n):
    """As if the gap had been rounded a few times: its relative error times x p'(x) / p(x)."""
    gaps = torch.cat([torch.linspace(1.02, min(n - 0.1, 12), 23, dtype=F64) / n, column([0.4, 0.6, 0.97])])
    gaps = gaps[(gaps > 1.01 / n) & (gaps < 1)]
    t = 1 - gaps
    some, none = both(n, t)
    for arc, p, q in zip(t.tolist(), some.tolist(), none.tolist(), strict=True):
        x = 1 - Q(arc)
        true = exact(n, x)
        slope = exact_slope(n, x)
        assert abs(Q(p) / true - 1) <= 12 * EPS * (1 + slope / true), (n, float(x))
        if 1 - true > Q(10) ** -300:
            assert abs(Q(q) / (1 - true) - 1) <= 12 * EPS * (1 + slope / (1 - true)), (n, float(x))


def exact_slope(n, x):
    """x times the size of the derivative, which is what a rounding of x does."""
    terms = (
        (-1) ** (k - 1) * math.comb(n, k) * (n - 1) * k * max(1 - k * x, Q(0)) ** (n - 2)
        for k in range(1, n + 1)
    )
    return x * abs(sum(terms)) if n > 2 else 2 * x


LARGE = [
    (100, (2.0, 2.5, 4.0, 5.0, 60.0)),
    (1000, (2.4, 3.3, 6.0, 7.0, 20.0, 75.0)),
    (10**4, (4.0, 7.0, 9.0, 9.5, 80.0)),
    (10**6, (8.0, 11.0, 13.5, 14.0, 83.0, 600.0)),
    (10**9, (16.0, 19.0, 21.0, 90.0)),
]


@pytest.mark.parametrize(("n", "widths"), LARGE)
def test_many_points_against_mpmath(n, widths):
    """From 1e-300 on, as if the gap had been rounded a few times."""
    for y in widths:
        t = column(1 - y / n).requires_grad_()
        size = n * math.exp(-y)  # of the sum, before it cancels
        p, q = precise(n, 1 - mp.mpf(t.item()), 30 + int(0.9 * size + y))
        some, none = both(n, t)
        bend = ((1 - t) * torch.autograd.grad(some, t)[0]).item()
        assert abs(some.item() / p - 1) < 8 * EPS * (1 + bend / p), (y, some, p)
        if q > 1e-300:
            assert abs(none.item() / q - 1) < 8 * EPS * (1 + bend / q), (y, none, q)


@pytest.mark.parametrize("n", [10**14, 10**15, 2**53, 2**62])
def test_more_points_than_anyone_has(n):
    """Binomial coefficients overflow, the numbers at the end do not."""
    t = column([1e-300, 0.3, 0.5, 0.9, 1 - 1e-12, 1 - 2.0**-48, 1 - 2.0**-52])
    some, none = both(n, t)
    for arc, p, q in zip(t.tolist(), some.tolist(), none.tolist(), strict=True):
        term = n * math.exp((n - 1) * math.log(arc))  # gaps above x to expect: nearly Poisson
        near = 1e-11 + 2 * term**2 * (n * (1 - arc)) ** 2 / n
        assert p == pytest.approx(-math.expm1(-term), rel=min(near, 1e-8), abs=1e-300)
        assert q == pytest.approx(math.exp(-term), rel=near, abs=1e-300)


def test_forward_mode_at_tiny_sectors():
    n, t = column([1, 2, 3, 4, 30]).long()[:, None], column([1e-300, 1e-200, 1e-100, 0.2])
    value, slope = torch.func.jvp(lambda t: sector_probability(n, t, period=1), (t,), (torch.ones_like(t),))
    torch.testing.assert_close(value, n * t ** (n - 1), rtol=1e-14, atol=0)
    torch.testing.assert_close(slope, n * (n - 1) * t ** (n - 2).clamp(min=0), rtol=1e-14, atol=0)


@pytest.mark.parametrize(("n", "y"), [(30, 1.2), (100, 1.05), (300, 1.4), (1000, 1.6), (10**5, 1.09)])
def test_gaps_that_are_nearly_equal(n, y):
    """The other tail, by the sum over k with k x above 1."""
    t = 1 - y / n
    x = 1 - mp.mpf(t)
    dual = x / (n * x - 1)
    size = n * math.exp(-n * dual)
    _, inner = precise(n, dual, 40 + int(0.9 * size))
    with mp.workdps(40):
        true = (n * x - 1) ** (n - 1) * inner
    none = both(n, t)[1].item()
    assert true < 1e-9
    if true > 1e-300:
        assert abs(none / true - 1) < 8 * EPS * (1 + float(n * n * x / (n * x - 1)))
    else:
        assert none == 0


def test_types_are_computed_in_float64():
    theta = torch.tensor([2.0, 4.0, 5.5, 6.0], dtype=F64)
    for dtype in DTYPES:
        narrow = theta.to(dtype)
        for n in (3, 30, 5000):
            exact_value = sector_probability(n, narrow.double())
            assert torch.equal(sector_probability(n, narrow), exact_value.to(dtype))


@pytest.mark.parametrize("n", [2, 3, 4, 9, 30, 300])
def test_slopes_of_every_order(n):
    """Against the derivatives of the sum."""
    theta = column([0.3, 0.45, 0.55, 0.72, 0.9]).requires_grad_()
    mp.dps = 60
    value = sector_probability(n, theta, period=1)
    for order in (1, 2, 3):
        (value,) = torch.autograd.grad(value.sum(), theta, create_graph=True)
        for t, found in zip(theta.tolist(), value.tolist(), strict=True):
            factor = mp.ff(n - 1, order)
            power = n - 1 - order
            terms = [
                (-1) ** (k - 1)
                * mp.binomial(n, k)
                * factor
                * mp.mpf(k) ** order
                * (1 - k * (1 - mp.mpf(t))) ** power
                for k in range(1, n + 1)
                if k * (1 - t) < 1 and factor
            ]
            size = max(map(abs, terms), default=1)
            assert abs(found - sum(terms)) <= 1e-13 * size + 1e-11 * abs(sum(terms)), (order, t)
    complement = torch.autograd.grad(sector_probability(n, theta, period=1, complement=True).sum(), theta)[0]
    torch.testing.assert_close(complement, -torch.autograd.grad(
        sector_probability(n, theta, period=1).sum(), theta)[0], rtol=0, atol=0)  # fmt: skip
    mp.dps = 15


def test_ten_thousand_samples():
    """Each of 12 shares within 4.5 standard errors: a false alarm in 12 000 runs."""
    for n in (4, 30):
        draws = torch.rand(10_000, n, generator=seeded(3), dtype=F64)
        for alternative in ("less", "greater"):
            _, p = circular_range_test(draws, period=1, alternative=alternative)
            for level in (0.05, 0.3, 0.8):
                share = (p <= level).double().mean().item()
                assert abs(share - level) < 4.5 * math.sqrt(level * (1 - level) / 10_000)


def test_wendel_against_integers():
    for n, d in (
        (30, 3),
        (1000, 480),
        (1001, 1),
        (1003, 2),
        (1100, 30),
        (3000, 1490),
        (3000, 1300),
        (3000, 1700),
    ):
        true = wendel_probability(n, d, exact=True)
        assert abs(Q(wendel_probability(n, d)) / true - 1) < 4 * EPS * (
            4 + abs(math.log2(true.numerator) - n)
        ), (n, d)
    with mp.workdps(40):  # by the sum from the largest term down
        m, k = 10**6 - 1, 497_999
        total = term = mp.binomial(m, k) / mp.mpf(2) ** m
        while term > total * mp.mpf(10) ** -30:
            term *= mp.mpf(k) / (m - k + 1)
            total, k = total + term, k - 1
    assert wendel_probability(10**6, 498_000) == pytest.approx(float(total), rel=1e-13)


# ------------------------------------------------------------------- failure


def test_the_sum_alone_would_fail():
    """n = 100 at a gap of 0.012: the sum in float64 is above 1 by 4e-6."""
    n, x = 100, 0.012
    naive = sum((-1) ** (k - 1) * math.comb(n, k) * (1 - k * x) ** (n - 1) for k in range(1, 84))
    some, none = both(n, 1 - x)
    assert naive > 1 + 1e-6
    assert some.item() == 1
    assert none.item() == pytest.approx(float(1 - exact(n, 1 - Q(1 - x))), rel=1e-12)


@pytest.mark.parametrize("alternative", ["less", "greater"])
def test_a_row_that_is_lost_spoils_no_other(alternative):
    angles = torch.rand(3, 6, generator=seeded(), dtype=F64)
    angles[1, 2] = NAN
    angles.requires_grad_()
    size, p = circular_range_test(angles, alternative=alternative)
    assert size.isnan().tolist() == p.isnan().tolist() == [False, True, False]
    (slope,) = torch.autograd.grad(size[::2].sum() + p[::2].sum(), angles)
    assert slope.isfinite().all()


def test_bad_arguments():
    angles = torch.ones(3)
    with pytest.raises(ValueError, match="at least one entry along dim"):
        max_gap(torch.ones(2, 0))
    with pytest.raises(TypeError, match="mask must be bool"):
        max_gap(angles, mask=torch.ones(3))
    with pytest.raises(ValueError, match="mask must broadcast"):
        enclosing_arc(angles, mask=torch.ones(4).bool())
    with pytest.raises(ValueError, match="alternative must be 'less' or 'greater'"):
        circular_range_test(angles, alternative="two-sided")
    with pytest.raises(ValueError, match="n must be at least 1, got values from 0"):
        sector_probability(torch.tensor([0, 3]), 1.0)
    with pytest.raises(ValueError, match=r"n must be below 2\^63, got 10000"):
        sector_probability(10**30, 1.0)
    with pytest.raises(TypeError, match="n must be int64"):
        sector_probability(torch.tensor([2.0]), 1.0)
    with pytest.raises(TypeError, match="period must be an int"):
        sector_probability(3, Q(1, 2))
    with pytest.raises(ValueError, match="period must be positive"):
        sector_probability(3, Q(1, 2), period=0)
    with pytest.raises(TypeError, match="n must be an int"):
        sector_probability(torch.tensor([3]), Q(1, 2), period=1)


def test_the_constants_suffice():
    """Four times as many nodes, and twice the terms, change nothing but the last digits."""
    t = 1 - torch.linspace(2, 6, 9, dtype=F64) / 25
    before = both(25, t)
    kept = tails.NODES, tails.TERMS
    try:
        tails.NODES, tails.TERMS = 4 * kept[0], 2 * kept[1]
        after = both(25, t)
    finally:
        tails.NODES, tails.TERMS = kept
    torch.testing.assert_close(before, after, rtol=4e-15, atol=0)
