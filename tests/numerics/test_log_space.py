"""Sums and products of numbers that are given by their logarithms."""

import math

import pytest
import torch
from helpers import DEVICES, INF, Draw, assert_close, column, derivatives
from mpmath import mp

from lemmata.numerics.log_space import log_sum_exp, log_times

pytestmark = pytest.mark.parametrize("device", DEVICES)


# ------------------------------------------------------------------- identity


def test_without_zeros_a_product_is_a_sum_of_logarithms(device):
    draw = Draw(1, device)
    x, y = draw.normal(20, scale=9.0), draw.normal(20, scale=9.0)
    assert torch.equal(log_times(x, y), x + y)


def test_zero_times_anything_is_zero(device):
    nothing, every = column([-INF, -INF, -INF], device), column([-INF, INF, 1.0], device)
    assert log_times(nothing, every).tolist() == [-INF] * 3
    assert log_times(every, nothing).tolist() == [-INF] * 3
    assert log_times(column([INF, 0.0], device), column([1.0, 3.0], device)).tolist() == [INF, 3.0]


# ------------------------------------------------------------------- agreement


def test_a_sum_agrees_with_mpmath_and_its_gradient_is_softmax(device):
    x = Draw(2, device).normal(6, 5, scale=30.0)
    total, gradient, _ = derivatives(log_sum_exp, x)
    assert_close(total, [mp.log(mp.fsum(mp.exp(v) for v in row)) for row in x.tolist()], 1e-15, 1e-15)
    torch.testing.assert_close(gradient, torch.softmax(x, -1), rtol=1e-13, atol=0)
    pair = log_sum_exp(column([1.0, 3.0], device))
    assert_close(pair, [3 + mp.log1p(mp.exp(-2))], 1e-15)


# ------------------------------------------------------------------- failure: infinite terms


def test_infinite_terms_give_no_nan(device):
    x = column([[-INF, -INF], [INF, 0.0], [1.0, 3.0], [INF, INF], [INF, -INF]], device)
    total, gradient, second = derivatives(log_sum_exp, x)
    assert total[[0, 1, 3, 4]].tolist() == [-INF, INF, INF, INF]
    assert not gradient.isnan().any()
    assert not second.isnan().any()


def test_the_largest_number_is_no_infinity(device):
    top = torch.finfo(torch.float64).max
    x = column([[top, top], [top, -INF], [top, INF], [math.nan, INF]], device)
    total, gradient, _ = derivatives(log_sum_exp, x)
    assert total[:3].tolist() == [top, top, INF]
    assert total[3].isnan()
    assert gradient[:2].tolist() == [[0.5, 0.5], [1.0, 0.0]]
