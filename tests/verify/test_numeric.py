"""`agrees` and `gradient` refuse every implementation but the right one, in every dtype, on every device."""

from __future__ import annotations

import math

import pytest
import sympy as sp
import torch

from lemmata.verify import ClaimFailed, claim
from lemmata.verify.evidence import issued
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


NEAR_ZERO = torch.tensor([1e-27, 3e-27, -2e-27, 1e-30], dtype=torch.float64)


@pytest.mark.parametrize(
    ("naive", "expr", "points"),
    [
        (lambda v: (1 - torch.cos(v)) / v**2, (1 - sp.cos(x)) / x**2, NEAR_ZERO),
        (lambda v: (1 - torch.cos(v)) / v**2, (1 - sp.cos(x)) / x**2, NEAR_ZERO * 1e-100),
        (lambda v: torch.log(1 + v) / v, sp.log(1 + x) / x, NEAR_ZERO * 1e-33),
        (lambda v: (torch.exp(v) - 1) / v, (sp.exp(x) - 1) / x, NEAR_ZERO * 1e-60),
        (lambda v: v + torch.sqrt(v**2 + 1), x + sp.sqrt(x**2 + 1), -1 / NEAR_ZERO.abs() * 1e3),
        (lambda v: torch.log(v + 1) - torch.log(v), sp.log(x + 1) - sp.log(x), 1 / NEAR_ZERO.abs() ** 2),
        (lambda v: torch.log(1 + torch.exp(v)), sp.log(1 + sp.exp(x)), -POINTS[7:] * 200),
        (lambda v: 1 - torch.erf(v), 1 - sp.erf(x), POINTS[7:] * 8),
        (lambda v: torch.special.bessel_j1(v) - v / 2, sp.besselj(1, x) - x / 2, NEAR_ZERO * 1e-33),
    ],
)
def test_a_naive_formula_is_refused_where_fifty_digits_cancel_too(naive, expr, points):
    refused(agrees, naive, expr, inputs=[points], dtypes=F64, match="does not hold: refuted")


def test_a_stable_formula_passes_where_fifty_digits_cancel():
    assert agrees(lambda v: torch.log1p(v) / v, sp.log(1 + x) / x, inputs=[NEAR_ZERO * 1e-33], dtypes=F64)
    half = lambda v: (torch.sin(v / 2) / v).square() * 2  # noqa: E731
    assert agrees(half, (1 - sp.cos(x)) / x**2, inputs=[NEAR_ZERO], dtypes=F64)
    assert agrees(lambda v: torch.nn.functional.softplus(v), sp.log(1 + sp.exp(x)), inputs=[-POINTS[7:] * 10])


def test_what_the_oracle_does_not_know_is_not_decided():
    step = sp.floor(sp.log(8) / sp.log(2) * x / x + x)  # 3 + x, and it cannot know the 3
    refused(agrees, lambda v: 3 + v, step, inputs=[torch.ones(3)], match="is not decided")


def test_an_oracle_that_takes_too_long_is_not_decided(monkeypatch):
    monkeypatch.setattr("lemmata.verify.numeric.SECONDS", 0.2)
    t = sp.Symbol("t")
    slow = sp.Integral(sp.cos(t * x) / (1 + t**4), (t, 0, sp.oo))
    refused(agrees, torch.exp, slow, dtypes=F64, match=r"none in 0\.2 s")


def test_the_numbers_that_differ_are_printed_with_the_digits_that_differ():
    with pytest.raises(ClaimFailed) as failure:
        agrees(lambda v: torch.exp(v) * (1 + 1e-15), ulp=1, inputs=[POINTS[-1:]], dtypes=F64)
    want, got = (str(t).split()[0].rstrip(";") for t in (failure.value.expected, failure.value.found))
    assert want != got
    assert abs(float(want) / float(got) - 1) < 1e-14


# --- failure: inputs and scales that tell nothing -----------------------------------------------------------


@pytest.mark.parametrize(
    ("assumed", "numbers"),
    [
        ({"positive": True}, [1.0, -1.0]),
        ({"positive": True}, [1.0, 0.0]),
        ({"nonnegative": True}, [1.0, -1e-9]),
        ({"negative": True}, [-1.0, 0.5]),
        ({"integer": True}, [1.0, 1.5]),
        ({"integer": True, "positive": True}, [1.0, 0.0]),
        ({"even": True}, [2.0, 3.0]),
        ({"prime": True}, [2.0, 4.0]),
        ({"nonzero": True, "real": True}, [1.0, 0.0]),
        ({"real": True}, [1.0, math.inf]),
        ({"finite": True}, [1.0, math.inf]),
        ({"real": True}, [1.0, math.nan]),
        ({"imaginary": True}, [1.0]),
    ],
)
def test_an_input_that_its_symbol_excludes_is_refused(assumed, numbers):
    k = sp.Symbol("k", **assumed)
    inputs = [torch.tensor(numbers, dtype=torch.float64)]
    refused(agrees, torch.exp, sp.exp(k), [k], inputs, error=ValueError, match="inputs must fit", dtypes=F64)
    pair = [torch.stack([inputs[0], inputs[0]], -1)]
    refused(agrees, lambda v: v.sum(-1), k + x, [(x, k)], pair, error=ValueError, match="fit", dtypes=F64)


def test_an_input_that_rounding_brings_out_of_bounds_is_refused():
    p = sp.Symbol("p", positive=True)
    tiny = [torch.tensor([1.0, 1e-9], dtype=torch.float64)]
    assert agrees(torch.exp, sp.exp(p), [p], tiny, dtypes=[torch.float64, torch.float32]).kind == "agrees"
    refused(agrees, torch.exp, sp.exp(p), [p], tiny, error=ValueError, match=r"0\.0 in float16")


def test_integers_and_truth_values_fit_their_symbols():
    n, b = sp.Symbol("n", integer=True, positive=True), sp.Symbol("b", nonnegative=True)
    inputs = [torch.arange(1, 4), torch.tensor([True, False, True]), POINTS[-3:]]
    assert agrees(lambda a, c, v: a * v + c, n * x + b, [n, b, x], inputs).kind == "agrees"


def test_one_large_value_does_not_hide_the_small_ones():
    points = torch.tensor([*[1e-9] * 9, 1e9], dtype=torch.float64) * torch.arange(1, 11)
    wrong = lambda v: torch.where(v < 1, 7 * v, v)  # noqa: E731
    refused(agrees, wrong, x, inputs=[points], scale=1e9, dtypes=F64, match="wrong one")
    refused(gradient, wrong, x**2 / 2, inputs=[points], scale=1e9, dtypes=F64, match="shape|wrong|within")
    half = torch.tensor([1e-9, 1e9, 2e-9, 2e9], dtype=torch.float64)
    refused(agrees, wrong, x, inputs=[half], scale=1e9, dtypes=F64, match="wrong one")


def test_a_few_values_that_cancel_may_lie_below_the_scale():
    points = torch.linspace(-math.pi, math.pi, 13, dtype=torch.float64)
    assert agrees(torch.sin, sp.sin(x), inputs=[points], scale=1.0, dtypes=F64).kind == "agrees"


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


class Deaf(SignFlipped):
    @staticmethod
    def backward(ctx, grad):
        return ctx.saved_tensors[0].clone()


@pytest.mark.parametrize(
    "leaking",
    [
        lambda v: v**2 + 100 * (v - v.mean()),
        lambda v: v**2 + v - v.flip(0),
        lambda v: v**2 + v.roll(1) - v.roll(2),
        lambda v: v**2 + (v - v.mean()) * 1e-3,
        lambda v: v**2 + (v.softmax(0) - 1 / len(v)),
        lambda v: v**2 - v**2 + (v**2).mean(),
        lambda v: (v**2).flip(0),
        lambda v: v**2 + v.sort().values - v,
        lambda v: v**2 + v.cumsum(0) - v.cumsum(0).mean(),
    ],
)
@pytest.mark.parametrize("count", [2, 3, 13])
def test_what_leaks_from_one_sample_into_another_is_refused(leaking, count):
    points = torch.linspace(0.5, 3, count, dtype=torch.float64).roll(1)  # not sorted
    refused(gradient, leaking, x**2, inputs=[points], dtypes=F64, match="refuted|gradcheck")


def test_a_backward_that_does_not_listen_is_refused():
    refused(gradient, Deaf.apply, sp.exp(x), match="refuted")


@pytest.mark.parametrize("reduce", [torch.sum, lambda v: v.sum()[None], lambda v: v[:, None]])
def test_a_gradient_of_values_in_another_shape_is_refused(reduce):
    refused(gradient, lambda v: reduce(v**2), x**2, match="shape")


def test_rows_that_leak_are_refused():
    rowwise = lambda v: v.logsumexp(-1)  # noqa: E731
    assert gradient(rowwise, LSE, [s], [ROWS]).kind == "gradient"
    refused(gradient, lambda v: rowwise(v) + v[:, 0] - v[:, 0].mean(), LSE, [s], [ROWS], match="refuted")


def test_a_gradient_is_not_issued_as_an_agreement_too():
    before = len(issued())
    gradient(torch.tanh, sp.tanh(x), ulp=64, scale=1.0, dtypes=F64)
    assert [record["kind"] for record, _ in issued()[before:]] == ["gradient"]


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


def test_values_that_all_overflow_tell_nothing():
    x, points = sp.Symbol("x"), torch.full((9,), 1000.0, dtype=torch.float64)
    with pytest.raises(ClaimFailed, match="finite in float64"):
        claim("demo").agrees(torch.exp, sp.exp(5 * x), [x], [points], why="rounding")
