"""Derivatives of the approximations in every mode, and torch's transforms of them."""


import pytest
import torch
import torch.nn.functional as F
from helpers import DEVICES, Draw, assert_derivatives, derivatives, derivatives_of_squares
from smoothing.approximations_cases import EVERY, TIES, accuracy, arguments
from torch.autograd import gradcheck, gradgradcheck

from lemmata.smoothing import smooth_accuracy

pytestmark = pytest.mark.parametrize("device", DEVICES, scope="module")


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize("function", EVERY)
def test_any_layout_and_arguments_unchanged(draw, function):
    inputs = arguments(function, draw, requires_grad=False)
    before = [x.clone() for x in inputs]
    expected = function(*inputs)
    padded = F.pad(inputs[0], (0, 6))[:, :6]
    for x in (inputs[0].T.contiguous().T, padded, inputs[0].repeat_interleave(2, 1)[:, ::2]):
        torch.testing.assert_close(function(x, *inputs[1:]), expected, rtol=1e-15, atol=1e-16)
    for one, other in zip(inputs, before, strict=True):
        assert torch.equal(one, other)


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


@pytest.mark.parametrize("function", EVERY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_autocast_changes_nothing(draw, device, function, dtype):
    inputs = [x.to(dtype) for x in arguments(function, draw, requires_grad=False)]
    plain = derivatives(lambda x: function(x, *inputs[1:]), inputs[0])
    with torch.autocast(torch.device(device).type, dtype=torch.bfloat16):
        cast = derivatives(lambda x: function(x, *inputs[1:]), inputs[0])
    for one, other in zip(plain, cast, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


@pytest.mark.parametrize("function", EVERY)
def test_no_value_is_read_off_the_cpu(draw, function):
    inputs = [
        x.to("meta") for x in arguments(function, draw, requires_grad=False)
    ]  # there are no values there
    x = inputs[0].requires_grad_()
    if function is accuracy:
        y = smooth_accuracy(x, torch.zeros(3, dtype=torch.int64, device="meta"), reduction="none")
    else:
        y = function(x, *inputs[1:])
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert gradient.shape == x.shape


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


@pytest.fixture(scope="module")
def compiled(device):
    """By name: arguments, and what one graph of all functions makes of them, values and slopes."""
    draw = Draw(6620, device)
    inputs = [arguments(function, draw, requires_grad=False) for function in EVERY]
    leaves = [first.clone().requires_grad_() for first, *_ in inputs]
    torch.compiler.reset()

    @torch.compile(fullgraph=True, backend="eager")
    def everything(leaves):
        return [f(x, *rest) for f, x, (_, *rest) in zip(EVERY, leaves, inputs, strict=True)]

    values = everything(leaves)
    slopes = [torch.autograd.grad(y.square().sum(), x)[0] for y, x in zip(values, leaves, strict=True)]
    names = [function.__name__ for function in EVERY]
    return dict(zip(names, zip(inputs, values, slopes, strict=True), strict=True))


@pytest.mark.parametrize("function", EVERY)
def test_compiles_whole(compiled, function):
    inputs, value, slope = compiled[function.__name__]
    for one, other in zip((value, slope), derivatives_of_squares(function, *inputs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
