"""Derivatives of the approximations in every mode, and torch's transforms of them."""

import pytest
import torch
from helpers import DEVICES, assert_derivatives, derivatives
from smoothing.approximations_cases import EVERY, TIES, arguments
from torch.autograd import gradcheck, gradgradcheck

pytestmark = pytest.mark.parametrize("device", DEVICES, scope="module")


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize("function", EVERY)
def test_vmap_is_a_loop(draw, function):
    inputs = arguments(function, draw, requires_grad=False)
    many = torch.stack([inputs[0], inputs[0] + 0.25, 2 * inputs[0]])
    rest = inputs[1:]
    rows = torch.vmap(lambda x: function(x, *rest))(many)
    slopes = torch.vmap(torch.func.grad(lambda x: function(x, *rest).square().sum()))(many)
    for i, x in enumerate(many):
        y, gradient, _ = derivatives(lambda x: function(x, *rest).square(), x)
        torch.testing.assert_close(rows[i].square(), y)
        torch.testing.assert_close(slopes[i], gradient)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("function", EVERY)
def test_derivatives_in_every_mode(draw, function):
    assert_derivatives(function, *arguments(function, draw), check_fwd_over_rev=True)


@pytest.mark.parametrize("function", TIES)
def test_derivatives_at_ties(draw, function):
    x = arguments(function, draw, requires_grad=False)[0]
    x[:, :4] = 0.5
    x[1] = -1.0
    x[2] = x[0]
    x.requires_grad_()
    assert gradcheck(function, (x,), check_forward_ad=True)
    assert gradgradcheck(function, (x,))


@pytest.mark.parametrize("function", EVERY)
def test_third_derivatives(draw, function):
    first, *rest = arguments(function, draw, requires_grad=False)

    def slope(x):
        return torch.func.grad(lambda x: function(x, *rest).square().sum())(x)

    curved = torch.func.jacrev(slope)
    direction, size = draw.normal(3, 6), 1e-5
    secant = (curved(first + size * direction) - curved(first - size * direction)) / (2 * size)
    _, moved = torch.func.jvp(curved, (first,), (direction,))
    torch.testing.assert_close(moved, secant, rtol=1e-5, atol=1e-6 * (1 + secant.abs().max().item()))
