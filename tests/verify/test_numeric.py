"""`agrees` and `gradient` refuse every implementation but the right one, in every dtype, on every device."""

from __future__ import annotations

import math

import pytest
import sympy as sp
import torch

from lemmata.verify import ClaimFailed, claim
from lemmata.verify.numeric import DTYPES, devices

x, y = sp.symbols("x y", real=True)
s = sp.symbols("s1:4", real=True)
LSE = sp.log(sum(sp.exp(v) for v in s))
POINTS = torch.linspace(-3, 3, 13, dtype=torch.float64)
ROWS = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
F64 = [torch.float64]
demo = claim("demo")


def agrees(function, expr=None, args=(x,), inputs=(POINTS,), **options):
    options = {"why": "a test", **options}
    return demo.agrees(function, sp.exp(x) if expr is None else expr, args, inputs, **options)


def gradient(function, expr, args=(x,), inputs=(POINTS,), **options):
    return demo.gradient(function, expr, args, inputs, **{"why": "a test", **options})


def refused(check, *args, error=ClaimFailed, match=None, **options):
    with pytest.raises(error, match=match):
        check(*args, **options)


# --- agreement: the right implementation passes -------------------------------------------------------------


def test_torch_agrees_in_every_dtype_on_every_device():
    evidence = agrees(torch.exp)
    assert len(evidence.details) == len(DTYPES)
    assert evidence.tolerance == "4 ulp"
    assert evidence.worst.endswith(f"on {', '.join(devices())}")


def test_a_function_of_vectors_agrees():
    assert agrees(lambda v: v.logsumexp(-1), LSE, [s], [ROWS], scale=1.0).kind == "agrees"
    softmax = [sp.exp(v - LSE) for v in s]
    assert agrees(lambda v: v.softmax(-1), softmax, [s], [ROWS]).kind == "agrees"


def test_the_gradient_agrees():
    assert gradient(lambda v: v.logsumexp(-1), LSE, [s], [ROWS]).kind == "gradient"
    assert gradient(torch.sigmoid, 1 / (1 + sp.exp(-x)), ulp=4, scale=0.25).kind == "gradient"


def test_arguments_broadcast_in_the_gradient_too():
    weights = torch.tensor([0.5, 1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)
    w = sp.symbols("w1:7", real=True)
    v = sp.symbols("v1:7", real=True)
    scores = torch.randn(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    dot = sum(a * b**2 for a, b in zip(w, v, strict=True))
    evidence = gradient(lambda b, a: (a * b**2).sum(-1), dot, [v, w], [scores, weights], dtypes=F64)
    assert evidence.kind == "gradient"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_is_tested_where_there_is_one():
    seen = []
    agrees(lambda v: (seen.append(v.device.type), torch.exp(v))[1], dtypes=F64)
    assert seen == ["cpu", "cuda"]


def test_devices_are_the_cpu_and_cuda_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices() == ["cpu"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices() == ["cpu", "cuda"]


# --- failure: a wrong implementation ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda v: -torch.exp(v),
        lambda v: torch.exp(-v),
        lambda v: torch.exp(v) * (1 + 1e-8),
        lambda v: torch.exp(v) + 1e-8,
        torch.zeros_like,
        torch.ones_like,
        lambda v: torch.full_like(v, math.nan),
        lambda v: torch.where(v == 0, math.nan, torch.exp(v)),
        lambda v: torch.where(v == 3, math.inf, torch.exp(v)),
        lambda v: torch.exp(v).flip(0),
        lambda v: torch.exp(v)[1:],
        lambda v: torch.exp(v)[:, None],
        lambda v: torch.exp(v).mean(),
        lambda v: torch.exp(v.float()).double(),
    ],
)
def test_a_wrong_implementation_is_refused(function):
    refused(agrees, function, dtypes=F64)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_result_in_another_precision_is_refused(dtype):
    refused(agrees, lambda v: torch.exp(v).to(dtype), match="dtype torch.float64")
    refused(agrees, lambda v: torch.exp(v).double(), dtypes=[dtype], match="dtype torch")


def test_a_naive_formula_is_refused_where_it_cancels():
    refused(agrees, lambda v: torch.log(1 + torch.exp(v)), sp.log(1 + sp.exp(x)), inputs=[POINTS * 20])


def test_reordered_arguments_are_refused():
    shifted = [POINTS, POINTS + 1]
    assert agrees(torch.sub, x - y, [x, y], shifted, scale=1.0).kind == "agrees"
    refused(agrees, torch.sub, x - y, [y, x], shifted, scale=1.0)
    refused(agrees, lambda v: v[:, 0] - v[:, 1], s[1] - s[0], [s], [ROWS])
    refused(agrees, lambda v: v.softmax(0), [sp.exp(v - LSE) for v in s], [s], [ROWS])


def test_the_input_that_shows_it_is_named():
    refused(agrees, lambda v: torch.where(v == 3, 0.0, torch.exp(v)), dtypes=F64, match=r"input \[3\.0\]")


def test_an_oracle_that_is_complex_or_undefined_is_no_agreement():
    refused(agrees, torch.sqrt, sp.sqrt(x), dtypes=F64)
    refused(agrees, torch.reciprocal, 1 / x, dtypes=F64)


# --- failure: a check that could not fail -------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"ulp": 1e16, "dtypes": F64},
        {"scale": 1e18, "dtypes": F64},
        {"ulp": 70, "dtypes": [torch.bfloat16]},
        {"ulp": math.inf},
        {"ulp": 64},
    ],
)
def test_a_tolerance_that_would_pass_anything_is_refused(options):
    refused(agrees, torch.exp, match="tells a result from a wrong one", **options)


def test_a_truth_that_is_zero_everywhere_cannot_be_told_from_zero():
    refused(agrees, torch.zeros_like, x, inputs=[torch.zeros(3, dtype=torch.float64)], match="wrong one")


def test_no_points_are_no_evidence():
    refused(agrees, torch.exp, inputs=[torch.zeros(0, dtype=torch.float64)], match="at least one value")


@pytest.mark.parametrize("options", [{"dtypes": ()}, {"why": " "}, {"inputs": [torch.arange(3)]}])
def test_a_check_says_what_it_tests_and_why(options):
    refused(agrees, torch.exp, error=ValueError, **options)


# --- failure: the gradient ----------------------------------------------------------------------------------


def test_a_function_that_is_wrong_consistently_passes_gradcheck_but_not_the_derivative():
    wrong = lambda v: -torch.cos(v) / 2  # noqa: E731
    assert torch.autograd.gradcheck(wrong, (POINTS.clone().requires_grad_(),))
    refused(gradient, wrong, -sp.cos(x), scale=1.0, match="within")


class SignFlipped(torch.autograd.Function):
    @staticmethod
    def forward(v):
        return torch.exp(v)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad):
        return -grad * ctx.saved_tensors[0]


class NoSecond(SignFlipped):
    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0].detach()


def test_a_wrong_backward_is_refused():
    refused(gradient, SignFlipped.apply, sp.exp(x), match="within")


def test_a_backward_without_a_second_derivative_is_refused():
    refused(gradient, NoSecond.apply, sp.exp(x), match="gradgradcheck")


def test_a_function_without_gradient_is_refused():
    refused(gradient, lambda v: torch.exp(v.detach()), sp.exp(x), match="a gradient")
    refused(gradient, lambda v: torch.exp(v) * 0, sp.exp(x))


def test_a_gradient_by_the_wrong_argument_is_refused():
    inputs = [POINTS + 5, POINTS + 7]
    assert gradient(lambda a, b: a * b**2, x * y**2, [x, y], inputs, wrt=1).kind == "gradient"
    refused(gradient, lambda a, b: a * b**2, x * y**2, [y, x], inputs, wrt=1)


def test_a_mean_in_place_of_a_sum_is_refused():
    refused(gradient, lambda v: v.logsumexp(-1) / len(v), LSE, [s], [ROWS])
