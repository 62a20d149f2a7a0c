"""Gradients of HSIC and CKA, and what transforms and compilation make of them."""

import pytest
import torch
from estimation.hsic_oracle import ESTIMATORS, NAMES, pair
from helpers import DEVICES, F64, Draw
from torch.autograd import gradcheck, gradgradcheck

from lemmata.estimation import cka, hsic, hsic_from_gram
from lemmata.numerics import tiles

pytestmark = pytest.mark.parametrize("device", DEVICES)
GRADIENT_KERNELS = [*NAMES, lambda a, b: (a @ b.mT + 1) ** 2]


@pytest.fixture
def normal(device):
    """Normal samples, the same on every device."""
    return Draw(6910, device).normal


@pytest.fixture(params=[512, 4], ids=["one tile", "many tiles"])
def tile(request, monkeypatch):
    monkeypatch.setattr(tiles, "TILE", request.param)


# ------------------------------------------------------------------- identity


def test_gradients_reach_one_argument_alone(normal, tile):
    x, y = pair(normal, 9)
    x.requires_grad_()
    for kernel in ("gaussian", "linear", "laplace"):
        (g_x,) = torch.autograd.grad(hsic(x, y, kernel=kernel, bandwidth=1.0), x)
        both = y.clone().requires_grad_()
        g = torch.autograd.grad(hsic(x, both, kernel=kernel, bandwidth=1.0), (x, both))
        torch.testing.assert_close(g[0], g_x)
        swapped = torch.autograd.grad(hsic(both, x.detach(), kernel=kernel, bandwidth=1.0), both)[0]
        torch.testing.assert_close(g[1], swapped, rtol=1e-10, atol=1e-13)
    assert gradcheck(lambda k: hsic_from_gram(k + k.mT, k + k.mT), normal(5, 5).requires_grad_())


def test_a_kernel_may_be_blind(normal, tile):
    """A function that does not look at its arguments has the gradient 0."""
    x, y = pair(normal, 6)
    y.requires_grad_()
    value = hsic(x, y, kernel=lambda a, b: torch.ones(len(a), len(b), dtype=a.dtype) + 0 * (a @ a.mT).sum())
    assert value.abs() < 1e-12
    (slope,) = torch.autograd.grad(value, y)
    assert (slope == 0).all()


def test_gradients_take_the_median_as_a_constant(normal):
    x, y = pair(normal, 8)
    x.requires_grad_()
    widths = tuple(torch.pdist(v.detach().cpu()).median().item() for v in (x, y))
    (median,) = torch.autograd.grad(hsic(x, y), x)
    (fixed,) = torch.autograd.grad(hsic(x, y, bandwidth=widths), x)
    torch.testing.assert_close(median, fixed, rtol=1e-10, atol=1e-14)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("kernel", GRADIENT_KERNELS, ids=[*NAMES, "function"])
def test_gradients_of_both_orders(normal, tile, kernel):
    x, y = (v.requires_grad_() for v in pair(normal, 5, 2, 1))
    for estimator in ESTIMATORS:

        def measure(x, y, estimator=estimator):
            return hsic(x, y, kernel=kernel, bandwidth=(1.3, 0.9), estimator=estimator)

        def aligned(x, y, estimator=estimator):
            return cka(x, y, kernel=kernel, bandwidth=(1.3, 0.9), estimator=estimator)

        assert gradcheck(measure, (x, y), check_forward_ad=True, check_batched_grad=True)
        assert gradcheck(aligned, (x, y), fast_mode=True)
        assert gradgradcheck(measure, (x, y), fast_mode=True)


def test_gradients_of_wide_linear_kernels_go_through_tiles(normal, tile):
    """Few columns take moments instead; here there are more columns than samples."""
    x, y = normal(5, 6).requires_grad_(), normal(5, 7).requires_grad_()
    for estimator in ESTIMATORS:

        def measure(x, y, estimator=estimator):
            return hsic(x, y, kernel="linear", estimator=estimator)

        def by_gram(x, y, estimator=estimator):
            return hsic_from_gram(x @ x.mT, y @ y.mT, estimator=estimator)

        slopes = (torch.autograd.grad(f(x, y), (x, y)) for f in (measure, by_gram))
        for ours, expected in zip(*slopes, strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-12)
        assert gradcheck(measure, (x, y), fast_mode=True)
        assert gradgradcheck(measure, (x, y), fast_mode=True)


def test_float32_gradients_agree_with_float64(normal):
    x, y = pair(normal, 300)
    for kernel in NAMES:
        grads = []
        for dtype in (F64, torch.float32):
            a = x.to(dtype).requires_grad_()
            grads += torch.autograd.grad(hsic(a, y.to(dtype), kernel=kernel, bandwidth=2.0), a)
        size = grads[0].abs().max().item()
        torch.testing.assert_close(grads[1].double(), grads[0], rtol=0, atol=1e-3 * size)


def test_vmap_and_jacobians(normal):
    x, y = normal(3, 7, 2), normal(7, 3)
    for kernel in (*NAMES, lambda a, b: (a @ b.mT).exp()):
        for bandwidth in (1.5, "median"):

            def f(x, y, kernel=kernel, bandwidth=bandwidth):
                return hsic(x, y, kernel=kernel, bandwidth=bandwidth)

            rows = torch.stack([f(v, y) for v in x])
            mapped = torch.vmap(f, in_dims=(0, None))(x, y)
            torch.testing.assert_close(mapped, rows, rtol=1e-11, atol=1e-13)
            moved = torch.vmap(f, in_dims=(1, None))(x.transpose(0, 1), y)
            torch.testing.assert_close(moved, rows, rtol=1e-11, atol=1e-13)
        g = torch.func.grad(f)(x[0], y)
        leaf = x[0].clone().requires_grad_()
        torch.testing.assert_close(g, torch.autograd.grad(f(leaf, y), leaf)[0], rtol=1e-10, atol=1e-13)
        per_sample = torch.vmap(torch.func.grad(f), in_dims=(0, None))(x, y)
        torch.testing.assert_close(per_sample[0], g, rtol=1e-10, atol=1e-13)


def test_compiles_whole(normal):
    torch.compiler.reset()

    def f(x, y):
        return torch.stack([hsic(x, y, kernel=kernel, bandwidth=1.5) for kernel in NAMES])

    compiled = torch.compile(f, fullgraph=True, backend="aot_eager")
    x, y = (v.requires_grad_() for v in pair(normal, 9))
    there, here = (g(x, y) for g in (compiled, f))
    torch.testing.assert_close(there, here, rtol=1e-12, atol=1e-14)
    for one, other in zip(there, here, strict=True):
        slopes = (torch.autograd.grad(value, (x, y), retain_graph=True) for value in (one, other))
        for compiled_slope, slope in zip(*slopes, strict=True):
            torch.testing.assert_close(compiled_slope, slope, rtol=1e-10, atol=1e-13)


# ------------------------------------------------------------------- failure


@pytest.mark.parametrize("kernel", NAMES)
@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_gradients_at_equal_samples_are_finite(normal, tile, kernel, dtype):
    """The root of 0 has no slope: equal samples pull on each other with 0."""
    x, y = pair(normal, 12)
    x[3:6] = x[0]
    y[4] = y[0]
    x, y = (v.to(dtype).requires_grad_() for v in (x, y))
    g = torch.autograd.grad(hsic(x, y, kernel=kernel, bandwidth=1.0), (x, y), create_graph=True)
    again = torch.autograd.grad(sum(v.square().sum() for v in g), (x, y))
    plain = torch.autograd.grad(hsic(x, y, kernel=kernel, bandwidth=1.0), (x, y))
    for v, w in zip(g, plain, strict=True):
        assert v.isfinite().all()
        torch.testing.assert_close(
            v, w, rtol=1e-3 if dtype != F64 else 1e-9, atol=1e-5 if dtype != F64 else 1e-11
        )
    assert all(v.isfinite().all() for v in again)
