"""The oracle is exact where torch is not, and its errors are those of the last place."""

from __future__ import annotations

import math
import warnings

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch

from lemmata.verify import errors, oracle
from lemmata.verify.oracle import spacing

x, y, z = sp.symbols("x y z")
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


# --- the oracle ---------------------------------------------------------------------------------------------


def test_it_works_with_fifty_digits_whatever_mpmath_is_set_to():
    before = mpmath.mp.dps
    try:
        mpmath.mp.dps = 5
        found = oracle(sp.exp(x) - 1, x)(0.1)
    finally:
        mpmath.mp.dps = before
    with mpmath.workdps(60):
        assert abs(found - mpmath.expm1(mpmath.mpf(0.1))) < mpmath.mpf(10) ** -49


def test_inputs_are_the_binary_numbers_that_they_are():
    assert oracle(10 * x - 1, x)(torch.tensor(0.1, dtype=torch.float64)) != 0
    assert oracle(x, x)(torch.tensor(2**62 + 1)) == 2**62 + 1  # an int64 beyond 2**53
    assert oracle(x, x)(2**80 + 1) == 2**80 + 1
    assert oracle(2 * x - 2 * y, (x, y))([2**62 + 1, 0.5]) == 2**63 + 1  # not rounded together
    assert oracle(x + y, x, y)(torch.tensor(True), torch.tensor(0.5, dtype=torch.bfloat16)) == 1.5


def test_vectors_are_the_last_dimension_and_the_others_broadcast():
    weighted = oracle(x * z + y * z**2, (x, y), z)
    vectors, numbers = torch.arange(6.0).reshape(3, 1, 2), torch.tensor([1.0, 2.0])
    found = weighted(vectors, numbers)
    assert found.shape == (3, 2)
    assert found[2, 1] == 4 * 2 + 5 * 4
    assert oracle([x, x + 1, x * 2], x)(torch.zeros(5)).shape == (5, 3)
    assert oracle(x, x)(torch.zeros(0)).shape == (0,)


def test_the_order_of_the_arguments_matters():
    assert oracle(x - y, x, y)(3, 1) == 2
    assert oracle(x - y, y, x)(3, 1) == -2


def test_infinities_and_nan_go_through_and_a_pole_is_nan():
    softplus = oracle(sp.log(1 + sp.exp(x)), x)
    assert softplus(math.inf) == math.inf
    assert softplus(-math.inf) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a NaN is a number here
        assert mpmath.isnan(softplus(math.nan).item())
    assert mpmath.isnan(oracle(1 / x, x)(0.0).item())


def test_unevaluated_sums_and_integrals_are_evaluated():
    t = sp.Symbol("t")
    assert oracle(sp.Sum(x**t, (t, 0, 3)), x)(2) == 15
    assert abs(oracle(sp.Integral(sp.exp(-x * t), (t, 0, 1)), x)(1.0) - (1 - mpmath.exp(-1))) < 1e-15


@pytest.mark.parametrize(
    ("arguments", "values", "message"),
    [
        ((x,), (1,), "misses y"),
        ((x, y), (1,), "expected 2 arguments"),
        (((x, y),), (torch.zeros(3),), "last dimension 2"),
        ((x, x, y), (1, 2, 3), "each once"),
        (((x, y), y), (torch.zeros(2), 3), "each once"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, values, message):
    with pytest.raises(ValueError, match=message):
        oracle(x + y, *arguments)(*values)


def test_a_constant_has_no_arguments_and_no_oracle():
    with pytest.raises(ValueError, match="at least one"):
        oracle(sp.pi)


# --- errors -------------------------------------------------------------------------------------------------


def want(*numbers):
    return np.array([mpmath.mpf(number) for number in numbers], dtype=object)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_next_number_is_one_ulp_away(dtype):
    one = torch.ones(1, dtype=dtype)
    above = one + torch.finfo(dtype).eps
    assert errors(above, want(1)).ulp == 1
    assert errors(one, want(1)).ulp == 0
    assert spacing(mpmath.mpf(1), dtype) == torch.finfo(dtype).eps
    assert spacing(mpmath.mpf("1.99"), dtype) == torch.finfo(dtype).eps
    assert spacing(mpmath.mpf("0.99"), dtype) == torch.finfo(dtype).eps / 2


def test_each_worst_error_is_the_worst_of_its_kind():
    found = errors(torch.tensor([1.0, 1e-3], dtype=torch.float64), want(1 + 1e-6, 1.1e-3))
    assert found.absolute == pytest.approx(1e-4)
    assert found.relative == pytest.approx(1 / 11)
    assert found.index == (1,)
    mixed = errors(torch.tensor([1000.0, 1e-3], dtype=torch.float64), want(1001, 1.1e-3))
    assert (mixed.absolute, mixed.index) == (1.0, (1,))


@pytest.mark.parametrize(
    ("got", "truth"),
    [(math.nan, 1), (1, math.nan), (math.nan, math.nan), (math.inf, 1), (math.inf, -math.inf), (1, math.inf)],
)
def test_a_nan_or_a_wrong_infinity_is_an_infinite_error(got, truth):
    assert errors(torch.tensor([float(got), 1.0]), want(truth, 1)).ulp == math.inf


def test_an_infinity_is_right_where_the_truth_is_infinite_or_overflows():
    assert errors(torch.tensor([math.inf, -math.inf]), want(math.inf, -math.inf)).ulp == 0
    assert errors(torch.tensor([math.inf], dtype=torch.float16), want(70000)).ulp == 0
    assert errors(torch.tensor([-math.inf], dtype=torch.float16), want(70000)).ulp == math.inf


def test_an_infinity_is_no_error_only_beyond_the_largest_number():
    largest = torch.finfo(torch.float16).max
    half = torch.tensor([math.inf], dtype=torch.float16)
    assert errors(half, want(largest)).ulp == math.inf
    found = errors(half, want(largest + 1))
    assert (found.absolute, found.relative, found.ulp) == (0.0, 0.0, 0.0)


def test_the_index_is_that_of_the_worst_and_the_words_are_its_size():
    found = errors(
        torch.tensor([[3.0, 1.0], [1.0, 1.0]], dtype=torch.float64), want(1, 1, 1, 1).reshape(2, 2)
    )
    assert (found.index, found.got, found.want) == ((0, 0), 3.0, 1)
    assert str(found) == "9e+15 ulp (2 absolute, 2 relative)"


def test_where_the_truth_is_zero_only_zero_is_right():
    assert errors(torch.zeros(1), want(0)).relative == 0
    assert errors(torch.full((1,), 1e-30), want(0)).relative == math.inf


def test_below_the_scale_an_ulp_is_that_of_the_scale():
    assert (
        errors(torch.tensor([1e-7]), want(0), scale=1.0).ulp < 1 < errors(torch.tensor([1e-7]), want(0)).ulp
    )


@pytest.mark.parametrize(
    ("got", "truth", "error"),
    [
        (torch.zeros(2), want(0), ValueError),
        (torch.zeros(0), want(), ValueError),
        (torch.zeros(1, dtype=torch.int64), want(0), TypeError),
    ],
)
def test_what_cannot_be_compared_is_refused(got, truth, error):
    with pytest.raises(error, match="got"):
        errors(got, truth)
