"""`certified`, `supremum`, `root` and `counterexample` enclose: what they show holds at every point."""

from __future__ import annotations

import time

import flint
import pytest
import sympy as sp
from sympy import Rational

from lemmata.verify import ClaimFailed, certified, claim
from lemmata.verify.balls import PRECISION, ball, real_diff, to_ball, to_fraction

x, y = sp.symbols("x y")
r = sp.Symbol("r", real=True)
p = sp.Symbol("p", positive=True)
m = sp.Symbol("m", negative=True)
demo = claim("demo")
PEAK = x * sp.exp(-x)  # its supremum is 1/e, at 1
STEP = sp.sqrt((x - Rational(1, 2)) ** 2) / (x - Rational(1, 2))
NANO = Rational(1, 10**9)


def refused(method, *args, error=ClaimFailed, match=None, **options):
    with pytest.raises(error, match=match):
        getattr(demo, method)(*args, **options)


# --- certified: an inequality on a box ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lhs", "relation", "rhs", "box"),
    [
        (PEAK, "<=", sp.exp(-1) + NANO, {x: (0, 10)}),
        (PEAK, "<", sp.exp(-1) + NANO, {x: (0, 10)}),
        (sp.log(1 + sp.exp(x)), ">", sp.Max(x, 0), {x: (-8, 8)}),
        (sp.Abs(sp.sin(x) - x), "<=", sp.Abs(x) ** 3 / 6 + 1000 * NANO, {x: (-1, 1)}),
        (sp.Abs(sp.erf(x) - sp.tanh(2 * x / sp.sqrt(sp.pi))), "<=", Rational(1, 16), {x: (-5, 5)}),
        (sp.digamma(x), "<", sp.log(x), {x: (Rational(1, 2), 9)}),
        (sp.Derivative(sp.sin(x), x), ">=", Rational(1, 2), {x: (-1, 1)}),
        ((x - y) ** 2 + NANO, ">", 0, {x: (-1, 1), y: (-1, 1)}),
        (x**4 - x**2 / 10, ">=", Rational(-1, 399), {x: (-1, 1)}),
        (
            0.1 * x,
            "<=",
            Rational(1, 10) * x + Rational(1, 10**16),
            {x: (0, 1)},
        ),  # 0.1 is a little more than 1/10
    ],
)
def test_true_inequalities_are_certified(lhs, relation, rhs, box):
    assert demo.certified(lhs, rhs, box=box, relation=relation).kind == "certified"


@pytest.mark.parametrize(
    ("lhs", "relation", "rhs", "box"),
    [
        (PEAK, "<=", sp.exp(-1) - NANO, {x: (0, 10)}),  # too tight by 1e-9
        (-PEAK, ">=", -sp.exp(-1) + NANO, {x: (0, 10)}),
        (sp.sin(x), "<=", -x, {x: (Rational(1, 10), 1)}),  # wrong sign
        ((x - Rational(1, 2)) ** 2, ">", 0, {x: (0, 1)}),  # false at one point only
        (x * y, "<=", Rational(3, 4), {x: (0, 1), y: (0, 1)}),
        (0.1 * x, "<=", Rational(1, 10) * x, {x: (Rational(1, 2), 1)}),  # false by rounding, and false
        (0.1 * x + 0.2 * x, ">=", Rational(3, 10) * x + Rational(1, 10**16), {x: (Rational(1, 2), 1)}),
    ],
)
def test_false_inequalities_are_refused_with_a_point(lhs, relation, rhs, box):
    refused("certified", lhs, rhs, box=box, relation=relation, match="at: ")


@pytest.mark.parametrize(
    ("lhs", "rhs"),
    [
        (PEAK, sp.exp(-1)),
        (-(x**2), 0 * x + sp.sin(x) ** 2 * 0),
        (sp.log(x), x),
        (sp.floor(x), x),
        (1 / (x - 1), 5),
    ],
)
def test_sides_that_touch_or_have_no_value_are_undecided_and_say_so_at_once(lhs, rhs):
    start = time.perf_counter()
    with pytest.raises(ClaimFailed, match=r"undecided near x = |at: "):
        demo.certified(lhs, rhs, box={x: (-1, 2)})
    assert time.perf_counter() - start < 2


def test_the_limit_on_boxes_is_kept():
    refused("certified", PEAK, sp.exp(-1) + Rational(1, 10**12), box={x: (0, 2)}, limit=5, match="undecided")


@pytest.mark.parametrize(
    ("box", "relation", "message"),
    [
        ({x: (0, sp.oo)}, "<=", "rational"),
        ({x: (-sp.oo, 0)}, "<=", "rational"),
        ({x: (0, sp.pi)}, "<=", "rational"),
        ({x: (1, 0)}, "<=", "order"),
        ({x: (1, 1)}, "<=", "order"),
        ({y: (0, 1)}, "<=", "misses x"),
        ({r: (0, 1)}, "<=", "misses x"),
        ({}, "<=", "misses x"),
        ({x: (0, 1)}, "==", "relation"),
    ],
)
def test_a_box_that_is_none_is_refused(box, relation, message):
    refused("certified", PEAK, 1, box=box, relation=relation, error=ValueError, match=message)


@pytest.mark.parametrize(
    ("symbol", "box"), [(p, (-1, 1)), (m, (-1, 1)), (sp.Symbol("i", imaginary=True), (0, 1))]
)
def test_a_box_keeps_to_the_assumptions_of_its_symbol(symbol, box):
    refused("certified", sp.Abs(symbol) ** 2, 2, box={symbol: box}, error=ValueError, match="assumptions")


@pytest.mark.parametrize(
    "expr",
    [sp.besselj(0, x), sp.Piecewise((0, x < 1), (1, True)), sp.I * x, sp.Function("gamma")(x), x * sp.oo],
)
def test_what_has_no_ball_is_refused(expr):
    refused("certified", expr, 2, box={x: (Rational(1, 2), 1)}, error=ValueError, match="no ball")


def test_a_constant_is_not_an_inequality_on_a_box():
    refused("certified", 1, 2, box={x: (0, 1)}, error=ValueError, match="symbol")


@pytest.mark.parametrize(
    "function",
    [
        *(sp.exp, sp.log, sp.sqrt, sp.tan, sp.acosh, sp.erfc, sp.gamma, sp.loggamma, sp.digamma, sp.trigamma),
        *(sp.zeta, sp.LambertW, sp.sinc, sp.sign, sp.Abs, sp.floor, sp.ceiling, sp.Ei, sp.Si, sp.factorial),
        *(lambda v: v**-3, lambda v: v**4, lambda v: 2**v, lambda v: v**sp.pi),
    ],
)
def test_a_ball_contains_the_value_that_sympy_gives(function):
    point = Rational(23, 10)
    with flint.ctx.workprec(PRECISION):
        found = ball(function(x), {x: to_ball(to_fraction(point))})
        wanted = sp.Rational(sp.N(function(point), 70))
        assert abs(found - to_ball(to_fraction(wanted))) < to_ball(to_fraction(Rational(1, 10**45)))


@pytest.mark.parametrize(
    ("expr", "left", "right"), [(sp.Max(x, 0), 0, 1), (sp.Min(x, 0), 1, 0), (sp.Abs(x), -1, 1)]
)
def test_the_slope_at_a_kink_holds_both_sides(expr, left, right):
    two, slope = to_ball(to_fraction(2)), real_diff(expr, x)
    assert ball(slope, {x: -two}) == left
    assert ball(slope, {x: two}) == right
    kink = ball(slope, {x: two.union(-two)})
    assert kink.contains(left)
    assert kink.contains(right)


# --- supremum -----------------------------------------------------------------------------------------------

TAIL = (20, sp.exp(-x / 2), "x ≤ exp(x/2)")


def test_a_supremum_is_enclosed():
    assert demo.supremum(PEAK, sp.exp(-1), box={x: (0, 10)}).kind == "certified"
    assert demo.supremum(r * sp.exp(-r), sp.exp(-1), box={r: (0, 10)}).kind == "certified"
    assert demo.supremum(sp.Abs(x) * y, 6, box={x: (-3, 1), y: (-1, 2)}).kind == "certified"


@pytest.mark.parametrize("error", [NANO * 11 / 10, -NANO * 11 / 10, Rational(1, 2), -Rational(1, 4)])
def test_a_supremum_off_by_a_little_more_than_1e_9_is_refused(error):
    refused("supremum", PEAK, sp.exp(-1) + error, box={x: (0, 10)}, match="sup in")


def test_a_supremum_that_is_the_infimum_is_refused():
    refused("supremum", -PEAK, -sp.exp(-1), box={x: (0, 10)})


def test_an_unbounded_function_has_no_supremum():
    refused("supremum", 1 / x, 10, box={x: (0, 1)}, match="undecided", limit=2000)


@pytest.mark.parametrize("within", [0, -NANO])
def test_a_tolerance_must_be_positive(within):
    refused("supremum", PEAK, sp.exp(-1), box={x: (0, 10)}, within=within, error=ValueError)
    refused("root", x**2 - 2, sp.sqrt(2), box={x: (1, 2)}, within=within, error=ValueError)


def test_a_tolerance_that_every_point_meets_is_too_wide():
    refused("supremum", PEAK, Rational(1, 2), box={x: (0, 10)}, within=1, match="too wide")
    refused("supremum", x, 4, box={x: (2, 4)}, within=2, match="too wide")  # 2 lies just as near as that


def test_a_supremum_off_by_half_of_the_tolerance_is_certified():
    for error in (NANO / 2, -NANO / 2):
        assert demo.supremum(x / 2, 1 + error, box={x: (0, 2)}).kind == "certified"


def test_a_tail_closes_an_infinite_side():
    evidence = demo.supremum(PEAK, sp.exp(-1), box={x: (0, sp.oo)}, tail=TAIL)
    assert any("x ≤ exp(x/2)" in line for line in evidence.details)
    assert r"\infty" in evidence.statement


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        ((20, sp.Integer(0), "no reason"), "larger"),  # below the function
        ((20, sp.exp(-x), "no reason"), "larger"),
        ((20, Rational(1, 5) + sp.sin(x) / 10, "it wobbles"), "nonincreasing"),
        ((20, x / 100, "it grows"), "nonincreasing"),
        ((1, sp.exp(-x / 2), "cut too early"), "majorant below"),
    ],
)
def test_a_false_majorant_is_refused(tail, message):
    refused("supremum", PEAK, sp.exp(-1), box={x: (0, sp.oo)}, tail=tail, match=message)


def test_a_second_peak_beyond_the_cut_is_found():
    bumpy = PEAK + 2 * sp.exp(-((x - 100) ** 2) / 50)
    refused("supremum", bumpy, sp.exp(-1), box={x: (0, sp.oo)}, tail=TAIL, match="larger")


def test_a_majorant_is_compared_at_four_places_an_octave(monkeypatch):
    places = []
    monkeypatch.setattr(certified, "ball", lambda expr, values: places.append(expr) or -1)
    certified._check_tail(demo, x, x, sp.S.One, 20, sp.S.Zero, "it is 0")
    below, *beyond = [place - 20 for place in places[1:]]
    assert (below, beyond[-1]) == (Rational(1, 2**8), 2**42)
    assert [step / below for step in beyond[:8]] == [
        Rational(5, 4), Rational(3, 2), Rational(7, 4), 2, Rational(5, 2), 3, Rational(7, 2), 4,
    ]  # fmt: skip
    assert len(beyond) == 4 * 50


@pytest.mark.parametrize(
    ("box", "tail"),
    [
        ({x: (0, sp.oo)}, None),
        ({x: (0, 10)}, TAIL),
        ({x: (0, sp.oo), y: (0, 1)}, TAIL),
        ({x: (-sp.oo, 0)}, None),
        ({x: (30, sp.oo)}, TAIL),
        ({x: (0, sp.oo)}, (20, sp.exp(-x / 2), " ")),
    ],
)
def test_an_infinite_side_and_a_tail_belong_together(box, tail):
    refused("supremum", PEAK + 0 * y, sp.exp(-1), box=box, tail=tail, error=ValueError)


# --- root ---------------------------------------------------------------------------------------------------


def test_a_root_is_isolated():
    assert demo.root(x**2 - 2, "1.4142135623731", box={x: (1, 2)}).kind == "certified"
    assert demo.root(sp.cos(x) - x, "0.739085133215161", box={x: (0, 1)}).kind == "certified"
    assert demo.root(1 - 3 * x, Rational(1, 3), box={x: (0, 1)}).kind == "certified"


@pytest.mark.parametrize(
    ("expr", "value", "box", "message"),
    [
        (x**2 - 2, "1.4142135625", (1, 2), "no sign change"),  # off in the 10th digit
        (x**2 - 2, "-1.4142135623731", (1, 2), "outside"),
        (x**2 - 2, "1.4142135623731", (-2, 2), "not decided"),  # two roots
        ((x - Rational(1, 2)) ** 2, "0.5", (0, 1), "no sign change"),
        (1 / (x - Rational(1, 2)), "0.5", (0, 1), "not decided"),  # a pole changes sign too
        (STEP, "0.5", (0, 1), "not decided"),  # so does a jump; SymPy's derivative of this one is 0
        (sp.atan(sp.tan(x)), sp.pi / 2, (1, 2), "not decided"),  # the same, slope 1 on either side
        (STEP + x, "0.5", (0, 1), "not decided"),  # and of this one 1
    ],
)
def test_what_is_no_single_root_is_refused(expr, value, box, message):
    refused("root", expr, value, box={x: box}, match=message, limit=2000)


def test_a_root_may_lie_as_far_from_its_value_as_the_tolerance_says():
    pico, half = Rational(1, 10**12), Rational(1, 2)
    for slope in (1, half, -half, -2):
        line = slope * (x - half)
        assert demo.root(line, half + pico / 2, box={x: (0, 1)}).kind == "certified"
        refused("root", line, half + pico * 3 / 2, box={x: (0, 1)}, match="no sign change")


def test_the_tolerance_of_a_root_may_fill_its_box_and_not_leave_it():
    half = Rational(1, 2)
    assert demo.root(x - half, half, box={x: (0, 1)}, within=half).kind == "certified"
    for box in ((Rational(1, 10), 1), (0, Rational(9, 10))):
        refused("root", x - half, half, box={x: box}, within=half, match="outside")


def test_a_root_is_shown_to_the_digits_that_were_shown_of_it():
    value = "0.87962566103423975"
    shown = demo.root(x - Rational(value), value, box={x: (0, 1)}, within=Rational(1, 10**17))
    assert f"= {value}" in shown.statement
    assert f"= {value}" in shown.plain


def test_a_jump_is_no_root():
    refused("root", sp.sign(r) + r, 0, box={r: (-1, 1)}, within=NANO, error=ValueError, match="continuous")


def test_a_root_shows_no_more_than_was_certified():
    evidence = demo.root(x**2 - 2, Rational(14, 10), box={x: (1, 2)}, within=Rational(1, 10))
    assert r"1.40000000000000 \pm 10^{-1}" in evidence.statement


# --- in words -----------------------------------------------------------------------------------------------


def test_numbers_and_tolerances_in_words():
    assert certified._at(x / 3, {x: to_fraction(2)}) == "0.666667"
    tolerances = [to_fraction(v) for v in (Rational(1, 100), Rational(1, 3), Rational(3, 100))]
    assert [certified._latex_power(v) for v in tolerances] == ["10^{-2}", "0.333333", "0.03"]


# --- counterexample -----------------------------------------------------------------------------------------


def test_a_false_statement_is_refuted_at_a_point():
    assert demo.counterexample(sp.sqrt(x**2), x, at={x: -1}).kind == "counterexample"
    assert demo.counterexample(sp.exp(x), 1 + x, at={x: 1}, relation="<=").kind == "counterexample"
    assert demo.counterexample(x**2, x, at={x: 1}, relation=">").kind == "counterexample"  # equality refutes
    assert demo.counterexample(-0.425, Rational(2, 100), margin=0.4).kind == "counterexample"
    assert demo.counterexample(sp.Sum(x, (x, 1, y)), y**2, at={y: 3}).kind == "counterexample"


@pytest.mark.parametrize(
    ("lhs", "rhs", "at"),
    [
        ((x + 1) ** 2, x**2 + 2 * x + 1, {x: 3}),
        ((x + 1) ** 2, x**2 + 2 * x + 1, {x: 0.1}),  # a float in SymPy's arithmetic would round
        (sp.sin(2 * x), 2 * sp.sin(x) * sp.cos(x), {x: 0.3}),
        (sp.sin(x) ** 2 + sp.cos(x) ** 2, 1, {x: Rational(1, 3)}),
        (sp.sqrt(2) * sp.sqrt(3), sp.sqrt(6), {}),
    ],
)
def test_a_true_statement_has_no_counterexample(lhs, rhs, at):
    for relation in ("==", "<=", ">="):
        refused("counterexample", lhs, rhs, at=at, relation=relation, match="to fail")


@pytest.mark.parametrize("margin", [0, 1e-30, -1])
def test_the_rounding_of_a_float_is_no_counterexample(margin):
    refused("counterexample", 0.1 + 0.2, Rational(3, 10), margin=margin, error=ValueError, match="margin")


def test_a_float_that_is_right_to_its_last_digit_is_no_counterexample():
    refused("counterexample", 0.1 + 0.2, Rational(3, 10), margin=1e-11)


def test_a_difference_below_the_margin_is_no_counterexample():
    refused("counterexample", x**2, x, at={x: Rational(1, 2)}, margin=Rational(1, 3))


@pytest.mark.parametrize(
    ("lhs", "at"),
    [
        (p, {p: -1}),
        (p + x, {p: 1}),
        (m, {m: sp.I}),
        (sp.Symbol("n", integer=True), {sp.Symbol("n", integer=True): 0.5}),
    ],
)
def test_a_point_must_be_complete_and_keep_to_the_assumptions(lhs, at):
    refused("counterexample", lhs, 0, at=at, error=ValueError, match="at ")


@pytest.mark.parametrize("side", [float("nan"), float("inf"), sp.log(-1), sp.I])
def test_what_is_no_real_number_is_no_counterexample(side):
    refused("counterexample", side, 1, margin=Rational(1, 2), error=ValueError, match="no ball")
