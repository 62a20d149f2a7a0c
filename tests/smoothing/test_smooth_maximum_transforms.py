"""Derivatives of the smooth maxima in every mode, layouts, and torch's transforms of them."""

import pytest
import torch
from helpers import DEVICES, Draw, gradients
from smoothing.smooth_maximum_cases import (
    KINDS,
    SOFT,
    every_call,
)
from torch.autograd import gradcheck, gradgradcheck

from lemmata.smoothing import boltzmann_maximum, p_norm_maximum, smooth_abs

pytestmark = pytest.mark.parametrize("device", DEVICES, scope="module")


# ------------------------------------------------------------------- identity


def test_any_axis_and_any_layout(draw):
    x = draw.normal(3, 4, 5)
    calls = [lambda x, f=f, **d: f(x, sharpness=1.5, **d) for f in SOFT]
    calls.append(lambda x, **d: p_norm_maximum(x.abs(), p=3, **d))
    for call in calls:
        for dim in range(3):
            last = call(x.movedim(dim, -1).contiguous())
            assert torch.equal(call(x, dim=dim), last)
            assert torch.equal(call(x, dim=dim - 3), last)
        assert torch.equal(call(x.mT), call(x.mT.contiguous()))
        assert call(x).shape == (3, 4)
        assert call(x[0, 0]).shape == ()
        assert call(x[:0]).shape == (0, 4)
        assert torch.equal(call(x.flip(-1)), call(x)) or torch.allclose(call(x.flip(-1)), call(x), rtol=1e-15)
        torch.testing.assert_close(call(x[..., :1]), x[..., 0].abs() if call is calls[3] else x[..., 0])
    for kind in KINDS:
        turned = smooth_abs(x.mT, sharpness=2, kind=kind)
        torch.testing.assert_close(turned.mT, smooth_abs(x, sharpness=2, kind=kind), rtol=1e-15, atol=0)
        assert smooth_abs(x[:0], sharpness=2, kind=kind).shape == (0, 4, 5)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("k", [1e-6, 0.5, 3.0])
@pytest.mark.parametrize("function", SOFT)
def test_gradients_of_gradients(draw, function, k):
    x = draw.normal(3, 4).requires_grad_()
    assert gradcheck(lambda x: function(x, sharpness=k), x)
    assert gradgradcheck(lambda x: function(x, sharpness=k), x)
    row = x.detach()[0]
    twice = torch.func.hessian(lambda x: function(x, sharpness=k))(row)
    forward = torch.func.jacfwd(torch.func.jacfwd(lambda x: function(x, sharpness=k)))(row)
    torch.testing.assert_close(twice, forward, rtol=1e-10, atol=1e-15)
    torch.testing.assert_close(twice, twice.T, rtol=1e-10, atol=1e-15)
    if function is not boltzmann_maximum:
        p = torch.softmax(k * row, -1)
        torch.testing.assert_close(twice, k * (p.diag() - p.outer(p)), rtol=1e-10, atol=1e-15)
        assert torch.linalg.matrix_norm(twice, 2) <= k / 2


@pytest.mark.parametrize("name", every_call())
def test_vmap_jvp_and_per_sample_gradients(draw, name):
    call, x, direction = every_call()[name], draw.normal(4, 5).abs(), draw.normal(4, 5)
    values, gradient = gradients(call, x)
    torch.testing.assert_close(torch.vmap(call)(x), values, rtol=1e-15, atol=0)
    torch.testing.assert_close(torch.vmap(call, in_dims=1)(x.T.contiguous()), values, rtol=1e-15, atol=0)
    per_row = torch.vmap(torch.func.grad(lambda x: call(x).sum()))(x)
    torch.testing.assert_close(per_row, gradient, rtol=1e-14, atol=1e-16)
    by_jvp, moved = torch.func.jvp(call, (x,), (direction,))
    torch.testing.assert_close(by_jvp, values, rtol=1e-15, atol=0)
    change = gradient * direction
    expected = change if values.shape == x.shape else change.sum(-1)
    torch.testing.assert_close(moved, expected, rtol=1e-13, atol=1e-15)


@pytest.fixture(scope="module")
def compiled(device):
    """The numbers, and what one graph of all functions gives: values, and the gradient of the sum of each."""
    torch.compiler.reset()
    x = Draw(3290, device).normal(4, 5).abs().requires_grad_()
    calls = every_call()

    @torch.compile(fullgraph=True, backend="aot_eager")
    def everything(x):
        return [call(x) for call in calls.values()]

    values = everything(x)
    slopes = [torch.autograd.grad(y.sum(), x, retain_graph=True)[0] for y in values]
    return x, dict(zip(calls, zip(values, slopes, strict=True), strict=True))


@pytest.mark.parametrize("name", every_call())
def test_compiles_whole(compiled, name):
    x, results = compiled
    for one, other in zip(results[name], gradients(every_call()[name], x), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-15)
