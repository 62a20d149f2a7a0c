"""Derivatives, compilation, dtypes and layouts: what all estimators have in common."""

import pytest
import torch
from helpers import DEVICES, DTYPES, F64, Draw
from torch.autograd import gradcheck, gradgradcheck

from lemmata.estimation import (
    jackknife,
    k_statistic,
    k_statistic_variance,
    log_mean_exp,
    pearson_correlation,
    u_statistic,
    unbiased_std,
    v_statistic,
    variance,
)

pytestmark = pytest.mark.parametrize("device", DEVICES, scope="module")


@pytest.fixture
def normal(device):
    return Draw(6747, device).normal


FUNCTIONS = {  # each over axis 0
    "variance": lambda x: variance(x, dim=0),
    "weighted variance": lambda x: variance(x, dim=0, weights=1.5 + x.sin()),
    "unbiased_std": lambda x: unbiased_std(x, dim=0),
    "k3": lambda x: k_statistic(x, 3, dim=0),
    "k4": lambda x: k_statistic(x, 4, dim=0),
    "variance of k1": lambda x: k_statistic_variance(x, 1, dim=0),
    "variance of k2": lambda x: k_statistic_variance(x, 2, dim=0),
    "jackknife": lambda x: jackknife(lambda y: y.square().mean(0).log(), x).estimate,
    "standard error": lambda x: jackknife(lambda y: y.square().mean(0).log(), x).standard_error,
    "u": lambda x: u_statistic(lambda a, b: (a - 2 * b).sin(), x, order=2),
    "v": lambda x: v_statistic(lambda a, b: (a - 2 * b).sin(), x, order=2),
    "log_mean_exp": lambda x: log_mean_exp(x, dim=0),
    "delta": lambda x: log_mean_exp(x, dim=0, correction="delta"),
    "log jackknife": lambda x: log_mean_exp(x, dim=0, correction="jackknife"),
    "correlation": lambda x: pearson_correlation(x, x.flip(-1).exp(), dim=0),
    "Olkin-Pratt": lambda x: pearson_correlation(x, x.flip(-1).exp(), dim=0, unbiased=True),
}


@pytest.fixture(params=FUNCTIONS)
def function(request):
    return FUNCTIONS[request.param]


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_layouts_and_arguments(normal, function, dtype, device):
    x = normal(6, 4).to(dtype)
    kept = x.clone()
    y = function(x)
    assert torch.equal(x, kept)
    assert y.dtype == dtype
    exact = function(x.double())
    made = torch.finfo(torch.float32 if dtype != F64 else dtype).eps
    torch.testing.assert_close(y.double(), exact, rtol=torch.finfo(dtype).eps, atol=400 * made)
    spread = x.repeat_interleave(2, 1)[:, ::2].T.contiguous().T
    assert not spread.is_contiguous()
    torch.testing.assert_close(function(spread), y, rtol=4 * made, atol=40 * made)
    with torch.autocast(torch.device(device).type, dtype=torch.bfloat16):
        again = function(x)
    assert again.dtype == dtype
    assert torch.equal(again, y)


def test_samples_may_lie_on_any_axis(normal):
    x, y = normal(2, 6, 3), normal(2, 6, 3)
    for f in (
        lambda x, y, dim: k_statistic(x, 1, dim=dim),
        lambda x, y, dim: k_statistic(x, 4, dim=dim),
        lambda x, y, dim: k_statistic_variance(x, 1, dim=dim),
        lambda x, y, dim: k_statistic_variance(x, 2, dim=dim),
        lambda x, y, dim: pearson_correlation(x, y, dim=dim),
        lambda x, y, dim: pearson_correlation(x, y, dim=dim, unbiased=True),
        lambda x, y, dim: log_mean_exp(x, dim=dim),
        lambda x, y, dim: log_mean_exp(x, dim=dim, correction="delta"),
        lambda x, y, dim: log_mean_exp(x, dim=dim, correction="jackknife"),
    ):
        last = f(x.transpose(1, 2), y.transpose(1, 2), -1)
        assert last.shape == (2, 3)
        for dim in (1, -2):
            torch.testing.assert_close(f(x, y, dim), last, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(k_statistic(x, 2), x.var(-1))
    torch.testing.assert_close(k_statistic_variance(x, 1), x.var(-1) / 3)
    torch.testing.assert_close(pearson_correlation(x, y), pearson_correlation(x, y, dim=2))


# ------------------------------------------------------------------- agreement


def test_gradients_of_both_orders(normal, function):
    x = normal(6, 2).requires_grad_()
    assert gradcheck(function, (x,), check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(function, (x,))


def test_gradients_reach_weights_and_second_arguments(normal):
    x, w, y = normal(7).requires_grad_(), normal(7).exp().requires_grad_(), normal(7).requires_grad_()
    assert gradcheck(lambda x, w: variance(x, weights=w), (x, w))
    assert gradgradcheck(lambda x, w: variance(x, weights=w), (x, w))
    assert gradcheck(lambda x, y: pearson_correlation(x, y, unbiased=True), (x, y))


def test_vmap_and_jacobians(normal, function):
    x = normal(3, 6, 2)
    rows = torch.stack([function(sample) for sample in x])
    torch.testing.assert_close(torch.vmap(function)(x), rows, rtol=1e-12, atol=1e-13)
    moved = torch.vmap(function, in_dims=1)(x.transpose(0, 1))
    torch.testing.assert_close(moved, rows, rtol=1e-12, atol=1e-13)
    reverse, forward = torch.func.jacrev(function)(x[0]), torch.func.jacfwd(function)(x[0])
    torch.testing.assert_close(reverse, forward, rtol=1e-10, atol=1e-12)


@pytest.fixture(scope="module")
def inside_and_alone(device):
    """What all functions give in one graph, and what they give alone, for samples of two sizes."""

    def every(x):
        return {name: function(x) for name, function in FUNCTIONS.items()}

    torch.compiler.reset()
    compiled = torch.compile(every, fullgraph=True, backend="eager", dynamic=True)
    return [(compiled(x), every(x)) for x in (Draw(n, device).normal(n, 2) for n in (5, 9))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiles_whole(inside_and_alone, name):
    for inside, alone in inside_and_alone:
        torch.testing.assert_close(inside[name], alone[name], rtol=1e-12, atol=1e-13)


DIFFERENTIATED = ["weighted variance", "k4", "u", "log jackknife"]


@pytest.fixture(scope="module")
def differentiable_graph():
    torch.compiler.reset()
    return torch.compile(
        lambda x: {name: FUNCTIONS[name](x) for name in DIFFERENTIATED}, fullgraph=True, backend="aot_eager"
    )


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_gradients_compile_too(differentiable_graph, normal, name):
    x = normal(5, 2).requires_grad_()
    values = differentiable_graph(x)[name], FUNCTIONS[name](x)
    slopes = (torch.autograd.grad(y.sum(), x)[0] for y in values)
    torch.testing.assert_close(*slopes, rtol=1e-10, atol=1e-12)


# ------------------------------------------------------------------- failure
