"""What the tests of several chapters share: numbers to test with, derivatives, comparisons, and refusals."""

import itertools
import math
from contextlib import contextmanager

import pytest
import torch
import torch._inductor.config
from torch.autograd import gradcheck, gradgradcheck
from torch.profiler import ProfilerActivity, profile

INF, NAN = math.inf, math.nan
F64 = torch.float64
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


# ------------------------------------------------------------------- numbers to test with


def column(values, device="cpu", dtype=F64):
    """A tensor of numbers that are typed in the test."""
    return torch.tensor(values, dtype=dtype, device=device)


def seeded(seed=0, device="cpu"):
    return torch.Generator(device).manual_seed(seed)


class Draw:
    """Random tensors from one generator, drawn on the CPU so that every device sees the same."""

    def __init__(self, seed, device="cpu"):
        self.generator, self.device = seeded(seed), device

    def normal(self, *shape, scale=1.0, dtype=F64):
        return (torch.randn(shape, generator=self.generator, dtype=F64) * scale).to(self.device, dtype)

    def uniform(self, *shape, low=0.0, high=1.0, dtype=F64):
        u = torch.rand(shape, generator=self.generator, dtype=F64)
        return (low + (high - low) * u).to(self.device, dtype)

    def below(self, n, *shape):
        return torch.randint(n, shape, generator=self.generator).to(self.device)

    def labels(self, *shape, share=0.4):
        return (torch.rand(shape, generator=self.generator) < share).to(self.device)


# ------------------------------------------------------------------- derivatives


def gradients(function, *leaves):
    """The values, and the gradients of their sum by each of the leaves."""
    leaves = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    values = function(*leaves)
    return values.detach(), *torch.autograd.grad(values.sum(), leaves)


def gradient(function, x, weights=None):
    """The gradient of the sum of the values, or of their sum with weights: the slope, if elementwise."""
    x = x.detach().clone().requires_grad_()
    y = function(x)
    return torch.autograd.grad(y, x, torch.ones_like(y) if weights is None else weights)[0]


def derivatives(function, x, weights=None):
    """The values, the gradient of their (weighted) sum, and the gradient of its sum with weights 1 to 2."""
    x = x.detach().clone().requires_grad_()
    y = function(x)
    weights = torch.ones_like(y) if weights is None else weights
    first = torch.autograd.grad(y, x, weights, create_graph=True)[0]
    if not first.requires_grad:
        return y.detach(), first, torch.zeros_like(first)
    slopes = torch.linspace(1, 2, x.numel(), device=x.device).to(first.dtype).view_as(first)
    return y.detach(), first.detach(), torch.autograd.grad((first * slopes).sum(), x)[0]


def assert_derivatives(function, *leaves, **second):
    """Gradients of both orders against differences, in reverse, forward and batched mode, in float64.

    Every entry of the first, and the second along a random direction, which a wrong entry changes as surely;
    ``second`` goes to ``gradgradcheck``.
    """
    leaves = tuple(leaf.detach().clone().requires_grad_() for leaf in leaves)
    assert gradcheck(function, leaves, check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(function, leaves, fast_mode=True, **second)


def assert_hessians_agree(function, x, rtol=1e-10, atol=1e-13):
    """The second derivatives of the sum of the values, in all four orders of forward and reverse mode."""
    jacfwd, jacrev = torch.func.jacfwd, torch.func.jacrev

    def total(x):
        return function(x).sum()

    expected = torch.autograd.functional.hessian(total, x)
    for outer, inner in itertools.product((jacfwd, jacrev), repeat=2):
        torch.testing.assert_close(outer(inner(total))(x), expected, rtol=rtol, atol=atol)


# ------------------------------------------------------------------- comparisons


def assert_close(actual, expected, relative, absolute=0.0):
    """Elementwise |actual - expected| <= relative |expected| + absolute, in the numbers of the oracle.

    ``expected`` is a flat list of floats, fractions or numbers of mpmath; the tolerances may be lists.
    """
    found = actual.detach().double().flatten().tolist()
    relative, absolute = (t if isinstance(t, list) else [t] * len(found) for t in (relative, absolute))
    for got, want, part, rest in zip(found, expected, relative, absolute, strict=True):
        near = abs(want) < INF and abs(got - want) <= part * abs(want) + rest
        assert near or got == want, (got, want)


def close(value, expected, tolerance=1e-12):
    """One number within a tolerance that is relative or absolute, whichever allows more."""
    assert value == pytest.approx(expected, rel=tolerance, abs=tolerance)


def rounding(dtype):
    """Rounding of the sums, which are float64 or float32, and of a half type's result on top of it."""
    made = torch.finfo(F64 if dtype == F64 else torch.float32).eps
    kept = torch.finfo(dtype).eps
    return made, (kept / 2 if kept > made else 0.0)


def resolution(dtype, scale):
    """The relative tolerance that the dtypes leave where exponents of size ``scale`` are exponentiated.

    An exponent of size s is rounded by eps s, which is a relative error of its exponential; 16 eps are for
    the rest. A half type then rounds once, by half its eps.
    """
    made, kept = rounding(dtype)
    return made * (16 + 4 * scale) + kept


def z_score(samples, expected):
    """How many of its standard errors the mean of the samples is away from what is expected."""
    samples = samples.double().flatten()
    return ((samples.mean() - expected) / (samples.std() / len(samples) ** 0.5)).item()


@contextmanager
def quick_inductor():
    """Machine code that is made soon rather than fast: no trial of the processor, no optimisation."""
    torch.compiler.reset()
    settings = {
        "cpp.vec_isa_ok": True,
        "cpp_cache_precompile_headers": False,
        "aot_inductor.debug_compile": True,
        "unroll_reductions_threshold": 1,  # a row of six is a loop, not six copies of its code
    }
    with torch._inductor.config.patch(settings):
        yield


def derivatives_of_squares(function, x, *rest):
    """The values, and the gradient of the sum of their squares: softmax, say, has a sum without one."""
    x = x.detach().clone().requires_grad_()
    y = function(x, *rest)
    return y.detach(), torch.autograd.grad(y.square().sum(), x)[0]


# ------------------------------------------------------------------- memory


def allocated(program):
    """The bytes that the CPU's allocator holds at most while a program runs, and all that it gives out."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        program()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    alive = itertools.accumulate(e.nbytes() for e in sorted(events, key=lambda e: e.start_ns()))
    return max(alive, default=0), sum(max(0, e.nbytes()) for e in events)


# ------------------------------------------------------------------- refusals


def assert_refused(calls, *arguments):
    """Each ``(error, message, call)``: the call with the arguments raises the error, in these words."""
    for error, message, call in calls:
        with pytest.raises(error, match=message):
            call(*arguments)
