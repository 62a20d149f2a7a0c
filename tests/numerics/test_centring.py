"""Deviations from the mean: nothing is lost far from 0, and a constant has none."""

from fractions import Fraction

import pytest
import torch
from helpers import DEVICES, F64, NAN, Draw, assert_close, assert_derivatives, column

from lemmata.numerics.centring import centred

pytestmark = pytest.mark.parametrize("device", DEVICES)


def exact_deviations(row, share):
    """The mean of one row and the deviations from it, as fractions."""
    values, weights = ([Fraction(v) for v in t.tolist()] for t in (row, share))
    mean = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
    return mean, [v - mean for v in values]


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize("dtype", [F64, torch.float32])
@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1e4, -7.7, 1e30])
def test_a_constant_has_no_deviations(device, dtype, value):
    x = torch.full((2, 1001), value, dtype=dtype, device=device)
    for share in (None, torch.full_like(x, 1 / 1001)):
        first, rest, deviations = centred(x, (1,), share)
        assert torch.equal(first, x[:, :1])
        assert (rest == 0).all()
        assert (deviations == 0).all()


def test_axes_stay_with_size_1(device):
    x = Draw(0, device).normal(2, 3, 4)
    for dim, shape in (((0,), (1, 3, 4)), ((0, 2), (1, 3, 1)), ((0, 1, 2), (1, 1, 1))):
        first, rest, deviations = centred(x, dim)
        assert first.shape == rest.shape == shape
        assert deviations.shape == x.shape
        torch.testing.assert_close(first + rest, x.mean(dim, keepdim=True), rtol=0, atol=1e-15)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize(("dtype", "offset"), [(F64, 1e8), (torch.float32, 1e4), (torch.float32, 1e6)])
def test_deviations_are_the_exact_ones_far_from_0(device, dtype, offset):
    """Eps of the deviations, which are of order 1, and not of the offset; a few for the second mean."""
    draw = Draw(6747, device)
    x = (draw.normal(1000) + offset).to(dtype)
    eps = torch.finfo(dtype).eps
    for share in (None, draw.uniform(1000, low=0.1, dtype=dtype)):
        weights = torch.ones_like(x) if share is None else share / share.sum()
        mean, deviations = exact_deviations(x, weights)
        first, rest, found = centred(x, (0,), None if share is None else weights)
        assert_close(found, deviations, 2 * eps, 8 * eps)
        assert abs(Fraction(first.item()) + Fraction(rest.item()) - mean) < 8 * eps


def test_derivatives_are_those_of_differences(device):
    draw = Draw(1, device)
    assert_derivatives(lambda x: centred(x, (0,))[2], draw.normal(5, 2))
    shares = draw.uniform(5, 2, low=0.1)
    assert_derivatives(lambda x, w: centred(x, (0,), w / w.sum(0))[2], draw.normal(5, 2), shares)


# ------------------------------------------------------------------- failure


def test_no_samples_have_a_mean_of_nan(device):
    first, rest, deviations = centred(column([[], []], device), (1,))
    assert (first + rest).isnan().all()
    assert deviations.shape == (2, 0)


def test_nan_stays_in_its_row(device):
    _, _, deviations = centred(column([[1.0, NAN], [1.0, 3.0]], device), (1,))
    assert deviations[0].isnan().all()
    assert deviations[1].tolist() == [-1, 1]
