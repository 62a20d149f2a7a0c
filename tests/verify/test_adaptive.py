"""The oracle knows how much of a number has cancelled, and works on until enough of it is left."""

from __future__ import annotations

import math

import mpmath
import pytest
import sympy as sp
from flint import arb

from lemmata.verify import adaptive as module
from lemmata.verify import oracle
from lemmata.verify.adaptive import NAMES, NOTHING, Inexact, adaptive

x, y, t = sp.symbols("x y t")


def close(found, truth, digits=40):
    with mpmath.workdps(digits + 20):
        return abs(found - truth) <= abs(truth) * mpmath.mpf(10) ** -digits


# --- identity -----------------------------------------------------------------------------------------------


def test_an_input_is_taken_as_the_number_that_it_is():
    third = mpmath.mpf(1) / 3
    with mpmath.workdps(50):
        (found,) = adaptive([x], [3 * x - 1], 50)([third])
        assert found == -(mpmath.mpf(2) ** -54)


def test_what_is_exactly_zero_is_zero():
    assert oracle(sp.sin(x) - x * sp.cos(x), x)(0.0) == 0
    assert oracle((x + 1) ** 2 - x**2 - 2 * x - 1, x)(0.1) == 0
    assert oracle(x * sp.erfc(-x), x)(0.0) == 0


def test_every_expression_is_known_before_any_is_returned():
    """The first is exact at once, the second has lost 200 digits by then."""
    tiny = mpmath.mpf(2) ** -600
    both = [x, sp.exp(x) - 1]
    for order in (both, both[::-1], [x, 1 / y, sp.exp(x) - 1]):
        found = adaptive([x, y], order, 50)([tiny, mpmath.mpf(1)])
        assert all(close(v, tiny) or v == 1 for v in found)


def test_a_case_in_one_expression_and_a_pole_in_another_leave_the_rest_right():
    step = sp.Piecewise((1, x > 0), (2, True))
    for other in (sp.exp(x), x**2):
        found = adaptive([x], [step, other], 30)([mpmath.mpf(-1)])
        assert found[0] == 2
        assert close(found[1], other.subs(x, -1), 28)
    assert adaptive([x], [step], 30)([mpmath.mpf(1)]) == [1]
    found = adaptive([x, y], [x + y, sp.exp(-y)], 30)([mpmath.mpf(1), mpmath.inf])
    assert found == [mpmath.inf, 0]


def test_balls_are_tight_enough_or_nothing():
    one, small = arb(1), arb(2) ** -2000
    with mpmath.workdps(60):
        assert module._known(one, 50) == 1
        assert module._known(arb(1, 2.0**-30), 9) == 1
        assert module._known(arb(1, 2.0**-29), 9) is None
        assert module._known(arb(0, 2.0**-30) * arb(2) ** -1669, 50) is None
        assert module._known(arb(0, 1) * small, 50) == 0
        assert module._known(arb.nan(), 1) is None
        assert mpmath.mpf(10) ** -520 < NOTHING < mpmath.mpf(10) ** -510


def test_the_names_of_the_printer_have_balls():
    half = arb(1) / 2
    with mpmath.workdps(40):
        for order in range(4):
            with_balls, truth = NAMES["polygamma"](order, half), mpmath.psi(order, mpmath.mpf(0.5))
            assert close(mpmath.mpf(with_balls.str(20, radius=False)), truth, 12)
        hyper = NAMES["hyper"]
        for upper, lower, truth in (
            ([half, 2], [3], mpmath.hyp2f1(0.5, 2, 3, 0.25)),
            ([half], [3], mpmath.hyp1f1(0.5, 3, 0.25)),
            ([], [3], mpmath.hyp0f1(3, 0.25)),
        ):
            assert close(mpmath.mpf(hyper(upper, lower, 0.25).str(20, radius=False)), truth, 12)
        with pytest.raises(TypeError, match="2F2"):
            hyper([1, 1], [1, 1], half)
    assert NAMES["min"](3, 1, 2) == 1
    assert NAMES["max"](half) == half
    assert NAMES["mpf"](2**70 + 1) == 2**70 + 1
    assert NAMES["mpf"]("0.5") == half


# --- agreement: with the series -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e-3, 1e-27, 1e-60, 1e-160, 1e-200])
@pytest.mark.parametrize(
    ("expr", "series"),
    [
        ((1 - sp.cos(x)) / x**2, lambda h: [mpmath.mpf(1) / 2, -(h**2) / 24]),
        (sp.log(1 + x) / x, lambda h: [1, -h / 2, h**2 / 3]),
        ((sp.exp(x) - 1 - x) / x**2, lambda h: [mpmath.mpf(1) / 2, h / 6, h**2 / 24]),
        ((x - sp.sin(x)) / x**3, lambda h: [mpmath.mpf(1) / 6, -(h**2) / 120]),
        (sp.erf(x) / x - 2 / sp.sqrt(sp.pi), lambda h: [-2 * h**2 / 3 / mpmath.sqrt(mpmath.pi)]),
        (sp.besselj(1, x) / x - sp.Rational(1, 2), lambda h: [-(h**2) / 16]),  # no balls: two precisions
        (sp.Piecewise((sp.exp(x) - 1, x > 0), (0, True)), lambda h: [h, h**2 / 2, h**3 / 6]),
    ],
)
def test_what_cancels_near_zero_is_found(expr, series, size):
    with mpmath.workdps(100):
        assert close(oracle(expr, x)(size), mpmath.fsum(series(mpmath.mpf(size))), 4 if size == 1e-3 else 40)


@pytest.mark.parametrize("size", [1e9, 1e30, 1e300])
def test_what_cancels_far_out_is_found(size):
    with mpmath.workdps(1000):
        root = x + sp.sqrt(x**2 + 1)
        assert close(oracle(root, x)(-size), 1 / (mpmath.sqrt(mpmath.mpf(size) ** 2 + 1) + size))
        assert close(oracle(sp.log(x + 1) - sp.log(x), x)(size), mpmath.log1p(1 / mpmath.mpf(size)))
        assert close(oracle((x + y) - x, x, y)(size, 1.5), mpmath.mpf(1.5))


def test_tails_and_their_products_are_found():
    softplus = sp.log(1 + sp.exp(-x)) * sp.exp(x)
    assert close(oracle(softplus, x)(700.0), 1 - mpmath.exp(-700) / 2)
    assert close(oracle(1 - sp.erf(x), x)(20.0), mpmath.erfc(20), 15)
    assert oracle(sp.log(1 + sp.exp(x)), x)(-1e5) == 0  # below 1e-450


def test_the_largest_and_smallest_and_the_parts_of_a_number_have_balls():
    assert oracle(sp.Max(x, y, 1), x, y)(0.5, 2.0) == 2
    assert oracle(sp.Min(x, y) + sp.sign(x) + sp.Abs(y) + sp.floor(x), x, y)(0.5, -2.0) == 1
    with mpmath.workdps(50):
        assert close(oracle(sp.polygamma(2, x), x)(2.5), mpmath.psi(2, 2.5))
        for c, z in ((3, 0.75), (3, 1.0), (2.5, -4.0)):
            gauss = sp.hyper([sp.Rational(1, 2), y], [sp.nsimplify(c)], x)
            assert close(oracle(gauss, x, y)(z, 0.5), mpmath.hyp2f1(0.5, 0.5, c, z))
        assert close(oracle(sp.hyper([y], [2], x), x, y)(-7.5, 0.5), mpmath.hyp1f1(0.5, 2, -7.5))
        assert close(
            oracle(sp.hyper([y, y, y], [2, 3], x), x, y)(0.5, 0.5), mpmath.hyper([0.5] * 3, [2, 3], 0.5)
        )
        assert close(oracle(sp.pi * x + sp.E + sp.EulerGamma, x)(1.0), mpmath.pi + mpmath.e + mpmath.euler)


def test_two_precisions_serve_where_there_are_no_balls():
    integral = sp.Integral(sp.exp(-x * t), (t, 0, 1))
    assert close(oracle(integral, x)(1.0), 1 - mpmath.exp(-1), 15)
    assert oracle(sp.sqrt(x), x)(-4.0) == 2j
    assert oracle(sp.Heaviside(x), x)(-1.0) == 0


def test_poles_and_infinities_are_what_they_were():
    assert mpmath.isnan(oracle(1 / x, x)(0.0).item())
    assert mpmath.isnan(oracle(1 / (sp.cos(x) - 1), x)(0.0).item())
    assert oracle(sp.exp(-x), x)(math.inf) == 0


# --- failure ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expr",
    [
        sp.floor(x * sp.log(8) / sp.log(2)),  # 3, but how should it know
        sp.sign(sp.sin(x) ** 2 + sp.cos(x) ** 2 - 1),  # 0
        sp.sin(sp.exp(sp.exp(12 * x))),  # an angle of 70,000 digits
    ],
)
def test_what_is_not_known_is_refused(expr):
    with pytest.raises(Inexact, match=r"not known|with"):
        oracle(expr, x)(1.0)


def test_two_precisions_that_do_not_agree_are_refused():
    kink = sp.Integral(sp.Abs(t - x), (t, 0, 1))
    with pytest.raises(Inexact, match="digits"):
        oracle(kink, x, digits=36)(0.3)


@pytest.mark.parametrize(
    ("rough", "fine", "agree"),
    [
        (1, 1 + mpmath.mpf(9) / 10**5, True),
        (mpmath.mpf(1) + mpmath.mpf(10) ** -3, 1, False),
        (0, mpmath.mpf(2) ** -1700, True),
        (0, mpmath.mpf(2) ** -1690, False),
        (-(mpmath.mpf(2) ** -1690), 0, False),
        (mpmath.inf, mpmath.inf, True),
        (mpmath.inf, -mpmath.inf, False),
        (mpmath.inf, 1, False),
        (1, mpmath.inf, False),
        (mpmath.nan, mpmath.nan, True),
        (mpmath.nan, 1, False),
        (1, mpmath.nan, False),
        (mpmath.inf, mpmath.nan, False),
    ],
)
def test_when_two_precisions_agree(rough, fine, agree):
    assert module._agree(mpmath.mpf(rough), mpmath.mpf(fine), 4) is agree


def test_two_precisions_have_room_for_what_cancels():
    asked = []

    def third(*point):
        asked.append(mpmath.mp.dps)
        return mpmath.mpf(len(asked) < 3) / 3

    def counted(*point):
        asked.append(0)
        return max(len(asked), least)

    tiny = [3 * mpmath.mpf(10) ** -101, mpmath.mpf(0), mpmath.inf, mpmath.mpf(0.5)]
    found, one = module._twice([third, lambda *_: 1], tiny, 20)  # digits + 15, then 2 digits + 30 and room
    assert one == 1
    assert close(found, mpmath.mpf(1) / 3, 12)
    assert asked == [35, 2 * 20 + 30 + 4 * 100]
    asked.clear()
    module._twice([third], [mpmath.mpf(2) * 10**9], 20)
    assert asked == [35, 70 + 36 + 1000]
    asked.clear()
    least = 2
    assert module._twice([counted], [], 20) == [2]
    asked.clear()
    least = 0
    with pytest.raises(Inexact, match=r"^2(\.0)? with 70 digits, 3(\.0)? with 140$"):
        module._twice([counted], [mpmath.mpf(0.25), mpmath.mpf(0)], 20)


def test_a_pole_of_one_expression_leaves_the_others():
    first, second = adaptive([x], [1 / x, x + 2], 20)([mpmath.mpf(0)])
    assert mpmath.isnan(first)
    assert second == 2
    unknown = sp.floor(y * sp.log(8) / sp.log(2))
    assert mpmath.isnan(adaptive([x, y], [1 / x, unknown], 20)([mpmath.mpf(0), mpmath.mpf(1)])[0])
