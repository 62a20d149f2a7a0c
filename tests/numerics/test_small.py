"""The unit of a sample, the type of a sum, the entropies of Tsallis."""

import math

import pytest
import torch
from helpers import DEVICES, INF, Draw, assert_close, column, derivatives
from mpmath import mp

from lemmata.numerics.precision import compute_dtype, no_autocast
from lemmata.numerics.tsallis import tsallis
from lemmata.numerics.units import unit_of

pytestmark = pytest.mark.parametrize("device", DEVICES)


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize("scale", [1e-300, 1e-3, 1.0, 3e7, 1e300])
def test_a_unit_is_a_power_of_two_that_keeps_every_digit(device, scale):
    x = Draw(1, device).normal(4, 5, scale=scale)
    unit = unit_of(x, -1)
    assert unit.shape == (4, 1)
    assert (torch.frexp(unit).mantissa == 0.5).all()
    assert torch.equal(x / unit * unit, x)
    assert ((x / unit).abs().amax(-1) < 2).all()
    assert ((x / unit).abs().amax(-1) >= 0.5).all()


def test_a_unit_over_two_axes_is_one(device):
    x = Draw(2, device).normal(3, 4, 5)
    assert torch.equal(unit_of(x, (0, 2)), unit_of(x.movedim(1, 0).flatten(1), -1).reshape(1, 4, 1))


def test_sums_are_made_in_float64_only_where_one_tensor_is(device):
    kinds = torch.bfloat16, torch.float32, torch.float64
    half, single, double = (torch.ones(1, dtype=kind, device=device) for kind in kinds)
    assert compute_dtype(half) == compute_dtype(half, single) == torch.float32
    assert compute_dtype(half, double) == torch.float64


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("a", [-0.5, 0.0, 1e-9, 0.5, 1.0, 3.0])
def test_an_entropy_agrees_with_mpmath(device, a):
    p = torch.softmax(Draw(3, device).normal(5, 6, scale=3.0), -1)

    def term(share: float) -> mp.mpf:
        q = mp.mpf(share)
        return -q * mp.log(q) if a == 0 else (q - q ** (mp.mpf(a) + 1)) / (mp.mpf(a) * (mp.mpf(a) + 1))

    assert_close(tsallis(p, a), [mp.fsum(term(share) for share in row) for row in p.tolist()], 1e-14, 1e-15)


# ------------------------------------------------------------------- failure: zeros, nothing, infinities


@pytest.mark.parametrize("a", [-0.5, 0.0, 0.5, 1.0])
def test_a_share_of_zero_adds_nothing_and_has_slope_zero(device, a):
    total, gradient, second = derivatives(lambda p: tsallis(p, a), column([[1.0, 0.0], [0.0, 0.0]], device))
    assert total.abs().tolist() == [0.0, 0.0]
    assert gradient[:, 1].tolist() == [0.0, 0.0]
    assert not second.isnan().any()


def test_an_entropy_of_nan_is_nan(device):
    assert tsallis(column([math.nan, 0.5], device), 1.0).isnan()


def test_nothing_zeros_and_infinities_have_unit_one(device):
    assert unit_of(torch.empty(2, 0, device=device), -1).tolist() == [[1.0], [1.0]]
    rows = column([[0.0, 0.0], [INF, 1.0], [math.nan, 1.0], [-INF, 0.0]], device)
    assert unit_of(rows, -1).tolist() == [[1.0]] * 4
    assert not unit_of(rows.requires_grad_(), -1).requires_grad


def test_autocast_lowers_no_product_inside(device):
    x = Draw(4, device).normal(3, 3).float()
    with torch.autocast(x.device.type, dtype=torch.bfloat16):
        assert (x @ x).dtype == torch.bfloat16
        with no_autocast(x):
            assert (x @ x).dtype == torch.float32
        assert (x @ x).dtype == torch.bfloat16
    with no_autocast(x.to("meta")):
        pass
