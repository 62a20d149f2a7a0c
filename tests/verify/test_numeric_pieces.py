"""The small pieces of `agrees` and `gradient`: weights, first points, tolerances, and what is printed."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch

from lemmata.verify import claim, numeric
from lemmata.verify.oracle import Errors
from lemmata.verify.outcome import NotDecided

x, y = sp.symbols("x y", real=True)
F64 = torch.float64
TINY, LARGEST = torch.finfo(F64).tiny, torch.finfo(F64).max
POINTS = torch.linspace(-2, 3, 6, dtype=F64)
demo = claim("demo")


def numbers(*shape):
    return torch.randn(shape, dtype=F64, generator=torch.Generator().manual_seed(0))


# --- what is said of a check that holds ---------------------------------------------------------------------


def test_an_agreement_names_function_expression_and_tolerance():
    def soft_plus(v):
        return torch.nn.functional.softplus(v)

    evidence = demo.agrees(soft_plus, sp.log(1 + sp.exp(x)), [x], [POINTS], why="a test", dtypes=[F64])
    assert evidence.statement.startswith(r"\mathtt{soft\_plus} \approx \log")
    assert evidence.plain == "soft_plus = log(exp(x) + 1), within 4 ulp"
    assert evidence.how.startswith("6 values in float64 within 4 ulp of the proved expression")
    assert evidence.how.endswith("why: a test")


def test_a_gradient_names_what_it_is_taken_by():
    one = demo.gradient(torch.square, x**2, [x], [POINTS], why="a test", dtypes=[F64])
    assert one.statement == r"\mathtt{autograd} \approx \nabla_{x}\left(x^{2}\right)"
    assert one.plain == "autograd = gradient of x**2, within 8 ulp"
    assert one.how.endswith("why: a test; gradcheck and gradgradcheck pass")
    two = demo.gradient(
        lambda v: v.prod(-1), x * y, [(x, y)], [numbers(2, 3, 2)], why="a test", dtypes=[F64], scale=0.5
    )
    assert two.statement == r"\mathtt{autograd} \approx \nabla_{x,\ldots}\left(x y\right)"
    assert two.plain.endswith("within 8 ulp at scale 0.5")


def test_the_worst_of_all_devices_and_dtypes_is_reported(monkeypatch):
    monkeypatch.setattr(numeric, "devices", lambda: ["cpu", "cpu"])
    calls = []

    def off_the_first_time_in_each_dtype(v):
        calls.append(v.dtype)
        last = 4 * torch.finfo(v.dtype).eps  # of 6
        return torch.where(v == 3, 6 + last * (len(calls) % 2), 2 * v)

    dtypes = [F64, torch.float32]
    off = off_the_first_time_in_each_dtype
    evidence = demo.agrees(off, 2 * x, [x], [POINTS], why="a test", dtypes=dtypes)
    assert calls == [F64, F64, torch.float32, torch.float32]
    assert [line.split(" (")[0] for line in evidence.details] == [
        "float64: worst error 1 ulp",
        "float32: worst error 1 ulp",
    ]


def test_what_a_function_does_to_its_input_is_not_seen_outside():
    points = POINTS.clone()
    assert demo.agrees(torch.exp_, sp.exp(x), [x], [points], why="in place", dtypes=[F64]).kind == "agrees"
    assert torch.equal(points, POINTS)


def test_a_tolerance_may_be_met_exactly():
    assert demo.agrees(lambda v: 2 * v, 2 * x, [x], [POINTS], why="exact", ulp=0).tolerance == "0 ulp"


# --- gradients ----------------------------------------------------------------------------------------------


def test_weights_are_exact_to_divide_by_and_tell_samples_apart():
    weights = numeric._weights(torch.zeros(50, 2, dtype=torch.bfloat16))
    assert weights.shape == (50, 2)
    assert weights.dtype == torch.bfloat16
    assert weights.unique().tolist() == [-2, -1, 1, 2]
    assert weights[0, 0] != weights[0, 1]
    assert numeric._weights(torch.zeros(3, device="meta")).device.type == "meta"


def test_four_points_of_the_arguments_that_have_points_are_few():
    def shapes(args, *inputs):
        return [tuple(v.shape) for v in numeric._few(args, inputs)]

    row = (x, y)
    assert shapes([x, row], numbers(6), numbers(6, 2)) == [(4,), (4, 2)]
    assert shapes([row, row], numbers(6, 2), numbers(2)) == [(4, 2), (2,)]
    assert shapes([sp.symbols("s:6")], numbers(6)) == [(6,)]  # one point, of six numbers
    assert shapes([x, y], numbers(5, 6), numbers(6)) == [(4, 6), (6,)]
    few = numeric._few([x, y], [numbers(3).float(), torch.arange(3)])
    assert [v.dtype for v in few] == [F64, torch.int64]


# --- inputs -------------------------------------------------------------------------------------------------


def test_rows_in_any_number_of_dimensions_must_fit_their_symbols():
    p = sp.Symbol("p", positive=True)
    rows = torch.tensor([[[-1.0, 1.0], [-2.0, 2.0], [0.0, 3.0]]], dtype=F64)
    fits = demo.agrees(lambda v: v.sum(-1), x + p, [(x, p)], [rows], why="a test", scale=1.0)
    assert fits.kind == "agrees"
    with pytest.raises(ValueError, match=r"got p = -1\.0 in float64"):
        demo.agrees(lambda v: v.sum(-1), x + p, [(p, x)], [rows[:, :1]], why="a test")


def test_numbers_go_to_sympy_as_they_are():
    assert numeric._sympy(0.1) == sp.Rational(0.1)
    for number, wanted in ((float("inf"), sp.oo), (float("-inf"), -sp.oo), (float("nan"), sp.nan)):
        assert numeric._sympy(number) is wanted


# --- a tolerance that tells nothing -------------------------------------------------------------------------


def wide(values, ulp, scale=0.0, finest=True):
    want = np.array([mpmath.mpf(v) for v in values], dtype=object)
    try:
        numeric._refuse_wide(demo, want, F64, ulp, scale, finest)
    except NotDecided:
        return True
    return False


def test_a_quarter_of_a_value_is_too_wide():
    quarter = 2.0**50  # ulp of 1
    assert wide([1], quarter)
    assert wide([-1], quarter)
    assert not wide([1], 0.9 * quarter)
    assert wide([1], 0.9 * quarter, scale=2.0)
    assert not wide([4], 0.9 * quarter, scale=2.0)
    assert not wide([mpmath.inf], 1, finest=False)


def test_a_quarter_of_the_values_may_be_met_by_anything_in_the_finest_dtype():
    assert not wide([1e-9, 1, 1, 1], 4, scale=1e7)
    assert wide([1e-9, 1e-9, 1, 1], 4, scale=1e7)
    assert not wide([1e-9, 1e-9, 1e-9, 1], 4, scale=1e7, finest=False)
    assert wide([1e-9, 1e-9], 4, scale=1e7, finest=False)


def test_numbers_that_underflow_are_not_counted():
    assert wide([TINY, 1, 1], 4, scale=1.0)
    assert not wide([TINY / 2, 1, 1], 4, scale=1.0)


def test_a_value_must_be_finite_in_the_finest_dtype():
    assert not wide([LARGEST], 4)
    beyond = 2 * mpmath.mpf(LARGEST)
    assert wide([beyond, -beyond], 4)
    assert not wide([beyond, 1], 4)
    assert not wide([beyond, -beyond], 4, finest=False)


# --- what is said of a check that fails ---------------------------------------------------------------------


@pytest.mark.parametrize(("apart", "digits"), [("1e-10", 17), ("1e-20", 34), ("1e-40", 51), ("1e-60", 51)])
def test_as_many_digits_are_shown_as_tell_two_numbers_apart(apart, digits):
    with mpmath.workdps(70):
        want = mpmath.mpf(1 / 3) * (1 + mpmath.mpf(apart))
        error = Errors(0.0, 0.0, 0.0, (), 1 / 3, want)
        assert numeric._shown(error) == (mpmath.nstr(want, digits), mpmath.nstr(mpmath.mpf(1 / 3), digits))


@pytest.mark.parametrize(
    ("values", "index", "part"),
    [
        ([5.0, 6.0], (1,), 6),
        ([[1.0, 2.0], [3.0, 4.0]], (1, 0), [3, 4]),
        ([5.0, 6.0], (), [5, 6]),
        (7.0, (1,), 7),
        ([5.0, 6.0], (2,), [5, 6]),  # a parameter that all points share
    ],
)
def test_the_part_of_an_input_that_made_an_output(values, index, part):
    assert numeric._at(torch.tensor(values), index) == part
