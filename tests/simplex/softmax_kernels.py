"""The fused entmax against its plain twin; see tests/kernels.py for how this runs."""

import pytest
import torch
from contract import check, infinite, one, strided, untouched
from helpers import F64, INF, NAN, Draw
from kernels import DEVICE, REAL, on_the_cpu
from test_contract import rows
from torch.autograd import gradcheck, gradgradcheck
from torch.library import opcheck

from lemmata.simplex import entmax, sparsemax
from lemmata.simplex._softmax.fused import entmax_rows
from lemmata.simplex._softmax.rows import entmax_rows as plain_rows

HALVES = pytest.mark.parametrize("a", [0.5, 1.0])
ENDS = [
    [-INF, 1.0, -INF],
    [-INF, -INF, -INF],
    [INF, 1.0, INF],
    [NAN, 1.0, 2.0],
    [INF, -INF, NAN],
    [1e308, -1e308, 1e308],
]
ROWS = [row for row in rows("simplex") if row.function in ("entmax", "sparsemax")][:3]


@pytest.fixture(scope="module", autouse=True)
def _device():
    on_the_cpu()


def pulled(function, x, a):
    x = x.detach().requires_grad_()
    p = function(x, a)
    weight = torch.linspace(0, 1, x.shape[-1], dtype=p.dtype, device=DEVICE)
    return p, torch.autograd.grad((p * weight).sum(), x)[0]


@HALVES
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e30])
@pytest.mark.parametrize("n", [1, 2, 15, 100])
def test_values_and_gradients_are_those_of_the_plain_form(n, scale, a):
    x = Draw(1, DEVICE).normal(3, n, scale=scale)
    x[0] = x[0, 0]
    for found, expected in zip(pulled(entmax_rows, x, a), pulled(plain_rows, x, a), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


@HALVES
def test_float32_has_its_digits(a):
    x = Draw(2, DEVICE).normal(4, 300)
    found, exact = pulled(entmax_rows, x.float(), a), pulled(plain_rows, x.float().double(), a)
    for one_, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one_.double(), other, rtol=2e-5, atol=4e-7)


@REAL
@HALVES
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types_are_made_in_float32(a, dtype):
    x = Draw(2, DEVICE).normal(4, 300).to(dtype)
    found, exact = pulled(entmax_rows, x, a), pulled(plain_rows, x.double(), a)
    torch.testing.assert_close(found[0].double(), exact[0], rtol=torch.finfo(dtype).eps, atol=1e-6)


@HALVES
@pytest.mark.parametrize("row", ENDS)
def test_what_is_not_finite(row, a):
    x = torch.tensor([row, [0.0, 1.0, 0.5]], dtype=F64, device=DEVICE)
    for found, expected in zip(pulled(entmax_rows, x, a), pulled(plain_rows, x, a), strict=True):
        spoiled = expected[0].isnan().any()  # then the row is NaN, all of it or where it counts
        assert found[0].isnan().any() == spoiled
        torch.testing.assert_close(found[spoiled.long() :], expected[spoiled.long() :])


@HALVES
def test_derivatives_of_two_orders_are_those_of_differences(a):
    x = Draw(3, DEVICE).normal(2, 6).requires_grad_()
    assert gradcheck(lambda x: entmax_rows(x, a), x, check_batched_grad=True, fast_mode=True)
    assert gradgradcheck(lambda x: entmax_rows(x, a), x, fast_mode=True)


@pytest.mark.parametrize("function", [entmax, sparsemax])
def test_forward_mode_agrees_with_reverse_mode(function):
    x, along, weight = Draw(4, DEVICE).normal(3, 2, 9)
    leaf = x.clone().requires_grad_()
    slope = torch.autograd.grad((weight * function(leaf)).sum(), leaf)[0]
    moved = torch.func.jvp(function, (x,), (along,))[1]
    torch.testing.assert_close((weight * moved).sum(), (slope * along).sum())
    assert slope.abs().sum() > 0.1


def test_the_operators_are_registered_as_torch_wants_them():
    from lemmata.simplex._softmax.triton import pull, weigh

    x = Draw(5, DEVICE).normal(2, 9)
    opcheck(weigh, (x.clone().requires_grad_(), True))
    opcheck(pull, (*weigh(x, True), x, True), test_utils=("test_schema", "test_faketensor"))


@pytest.mark.skipif(DEVICE == "cuda", reason="the promise `cuda` has the GPU's")
@pytest.mark.parametrize("promise", [infinite, one, strided, untouched])
@pytest.mark.parametrize("row", ROWS, ids=repr)
def test_promises_are_kept(row, promise):
    check(row, promise)
