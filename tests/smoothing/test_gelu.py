"""GELU and its forms: identities, agreement with mpmath, what breaks."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from helpers import (
    DEVICES,
    DTYPES,
    INF,
    NAN,
    allocated,
    assert_close,
    assert_hessians_agree,
    assert_refused,
    column,
    gradient,
    seeded,
)
from mpmath import mp
from torch.autograd import gradcheck, gradgradcheck

from lemmata.smoothing import gelu

FORMS = ["none", "tanh", "sigmoid", "tanh-minimax", "sigmoid-minimax"]

every_form = pytest.mark.parametrize("form", FORMS)
on_devices = pytest.mark.parametrize("device", DEVICES)


# ------------------------------------------------------------------- the oracle


# a and b of the gate sigmoid(2 a x + 2 b x^3), to 25 digits: own solutions of the levelled equations
CONSTANTS = {
    "tanh": (mp.sqrt(2 / mp.pi), mp.sqrt(2 / mp.pi) * mp.mpf("0.044715")),
    "sigmoid": (mp.mpf("0.851"), mp.mpf(0)),
    "tanh-minimax": (mp.mpf("0.8001570785481035526172205"), mp.mpf("0.03470089343233105472297196")),
    "sigmoid-minimax": (mp.mpf("1.772933965616754629752701") / 2, mp.mpf(0)),
}


def exact_exponent(x, form):
    a, b = CONSTANTS[form]
    return 2 * a * x + 2 * b * x**3


def exact(x, form):
    """GELU or its form, in mpmath."""
    x = mp.mpf(x)
    return x * mp.ncdf(x) if form == "none" else x / (1 + mp.exp(-exact_exponent(x, form)))


def exact_slope(x, form):
    x = mp.mpf(x)
    if form == "none":
        return mp.ncdf(x) + x * mp.npdf(x)
    (a, b), u = CONSTANTS[form], exact_exponent(x, form)
    return (1 + x * (2 * a + 6 * b * x**2) / (1 + mp.exp(u))) / (1 + mp.exp(-u))


def resolution(dtype, x, form):
    """What rounding leaves, as relative and absolute error.

    The exponent, up to x^2 / 2 or |u| in size, is rounded a few times. An exponential below the smallest
    number is lost, and what it is multiplied with is below 300 where that happens.
    """
    made = torch.finfo(torch.float64 if dtype == torch.float64 else torch.float32)
    kept = torch.finfo(dtype)
    size = [v * v / 2 if form == "none" else abs(float(exact_exponent(v, form))) for v in x.tolist()]
    relative = [made.eps * (2 + 2 * s) + (kept.eps / 2 if kept.bits == 16 else 0.0) for s in size]
    return relative, 300 * made.tiny + (kept.tiny * kept.eps if kept.bits == 16 else 0.0)


# ------------------------------------------------------------------- identity


@on_devices
def test_reference_numbers(device):
    x = column([-3.0, -1.0, -0.5, 1.0, 2.0, 3.0], device)
    table = {
        "none": [-0.00404969409489028358, -0.158655253931457051, -0.154268769362993448,
                 0.841344746068542949, 1.95449973610364159, 2.99595030590510972],
        "tanh": [-0.00363739208177301884, -0.158808009391723295, -0.154285990174856078,
                 0.841191990608276705, 1.95459769408777502, 2.99636260791822698],
        "sigmoid": [-0.0180713097077859665, -0.154204234067178704, -0.149611563393619877,
                    0.845795765932821296, 1.93565862314420815, 2.98192869029221403],
    }  # fmt: skip
    for form, expected in table.items():
        assert_close(gelu(x, approximate=form), expected, 2e-15)
    assert torch.equal(gelu(x), gelu(x, approximate="none"))


@every_form
@on_devices
def test_the_two_sides_differ_by_x(device, form):
    x = torch.linspace(0, 8, 200, dtype=torch.float64, device=device)
    y = gelu(x, approximate=form) - gelu(-x, approximate=form)
    torch.testing.assert_close(y, x, rtol=1e-15, atol=1e-15)
    assert gelu(column([0.0, -0.0], device), approximate=form).tolist() == [0, 0]
    assert gradient(lambda x: gelu(x, approximate=form), column([0.0], device)) == 0.5


@on_devices
def test_torch_means_the_same_by_none_and_tanh(device):
    x = torch.linspace(-2, 8, 400, dtype=torch.float64, device=device)  # further left torch cancels
    for form in ("none", "tanh"):
        torch.testing.assert_close(gelu(x, approximate=form), F.gelu(x, approximate=form), rtol=1e-14, atol=0)
        slope = gradient(lambda x, form=form: gelu(x, approximate=form), x)
        torch_slope = gradient(lambda x, form=form: F.gelu(x, approximate=form), x)
        torch.testing.assert_close(slope, torch_slope, rtol=1e-14, atol=1e-15)
    torch.testing.assert_close(gelu(x, approximate="sigmoid"), x * torch.sigmoid(1.702 * x))


def test_the_names_that_transformers_gives_the_forms():
    """Their formulas, written out: three of the names mean "tanh", and quick_gelu is "sigmoid"."""
    x = torch.linspace(-2, 8, 400, dtype=torch.float64)  # further left 1 + tanh cancels
    u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    named = {
        "gelu_new": (0.5 * x * (1 + torch.tanh(u)), "tanh", 1e-14),
        "gelu_fast": (0.5 * x * (1 + torch.tanh(x * 0.7978845608 * (1 + 0.044715 * x * x))), "tanh", 1e-9),
        "gelu_pytorch_tanh": (F.gelu(x, approximate="tanh"), "tanh", 1e-14),
        "quick_gelu": (x * torch.sigmoid(1.702 * x), "sigmoid", 1e-14),
        "gelu": (0.5 * x * (1 + torch.erf(x / math.sqrt(2))), "none", 1e-14),
    }
    for name, (theirs, form, rtol) in named.items():
        torch.testing.assert_close(gelu(x, approximate=form), theirs, rtol=rtol, atol=0, msg=name)


def test_a_deviation_of_the_variance_grows_from_layer_to_layer():
    """The weights of variance 1 / E GELU(X)^2 keep the variance 1 and no other: the slope there is 1.144."""
    x = torch.linspace(-12, 12, 4801, dtype=torch.float64)
    weight = torch.exp(-x * x / 2) * (0.005 / math.sqrt(2 * math.pi))
    q = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    second = gelu(q.sqrt() * x).square() @ weight
    (slope,) = torch.autograd.grad(second, q)
    assert abs(second.item() - (1 / 3 + 1 / (2 * math.pi * 3**0.5))) < 1e-14
    assert abs(slope.item() - (1 / 3 + 5 / (6 * math.pi * 3**0.5))) < 1e-14
    assert 1.144 < slope.item() / second.item() < 1.1441


def test_minimum_and_inflection():
    low = column([-0.75179152469356445746])
    assert_close(gelu(low), [mp.mpf("-0.16997120747990366169")], 1e-15)
    assert gradient(gelu, low).abs() < 1e-15
    slope = lambda x: torch.func.grad(gelu)(x)  # noqa: E731
    assert abs(torch.func.grad(slope)(column(math.sqrt(2)))) < 1e-15


# the largest |GELU - form|, where it is taken, and whether the error has the sign of GELU - form there
ALTERNATION = {
    "tanh-minimax": ("0.0002707274746579727492066959", {
        "0.754118522273132733008789": -1, "1.742209579449030396866749": 1, "2.923219509584958318534774": -1}),
    "sigmoid-minimax": ("0.01392224547275849967152732", {
        "0.8957586320634452466240556": -1, "2.426615321578609045260359": 1}),
}  # fmt: skip


@pytest.mark.parametrize("form", ALTERNATION)
def test_the_error_of_a_minimax_form_alternates(form):
    level, points = ALTERNATION[form]
    for point, sign in points.items():
        x = column([-float(point), float(point)])
        error = gelu(x) - gelu(x, approximate=form)
        assert_close(error, [sign * mp.mpf(level)] * 2, 0.0, 1e-15)  # even: the same on both sides


@pytest.mark.parametrize(
    ("form", "worst"),
    [("none", 0), ("tanh", 4.73235520687e-4), ("sigmoid", 0.0203348722092),
     ("tanh-minimax", 2.7072747465797e-4), ("sigmoid-minimax", 0.013922245472758)],
)  # fmt: skip
def test_worst_errors(form, worst):
    x = torch.linspace(-12, 0, 100_001, dtype=torch.float64)
    largest = (gelu(x) - gelu(x, approximate=form)).abs().max().item()
    assert worst * (1 - 1e-7) <= largest <= worst * (1 + 1e-11)


@pytest.mark.parametrize("form", ["tanh-minimax", "sigmoid-minimax"])
def test_minimax_is_best_for_gelu_and_the_usual_constants_are_not(form):
    x = torch.linspace(-12, 0, 10_001, dtype=torch.float64)
    own, usual = (
        (gelu(x) - gelu(x, approximate=name)).abs().max() for name in (form, form.removesuffix("-minimax"))
    )
    assert own < 0.7 * usual


@every_form
@pytest.mark.parametrize("dtype", DTYPES)
@on_devices
def test_blocks_are_as_good_as_the_whole(device, dtype, form):
    generator = seeded(7309)
    x = (3 * torch.randn(3, 100_001, generator=generator)).to(device, dtype)
    weights = torch.randn(3, 100_001, generator=generator).to(device, dtype)
    f = lambda x: gelu(x, approximate=form)  # noqa: E731
    few = slice(None, None, 997)
    y, slope = f(x).flatten()[few], gradient(f, x, weights).flatten()[few]
    close = 4 * torch.finfo(dtype).eps  # a vector of lanes rounds otherwise than what is left over
    torch.testing.assert_close(y, f(x.flatten()[few]), rtol=close, atol=0)
    alone = gradient(f, x.flatten()[few], weights.flatten()[few])
    torch.testing.assert_close(slope, alone, rtol=close, atol=close)


@on_devices
def test_any_layout_and_argument_unchanged(device):
    base = torch.randn(5, 4, 3, generator=seeded(), dtype=torch.float64).to(device)
    for x in (base, base.transpose(0, 1), base[::2, :, ::2], base[:, :1].expand(5, 4, 3), base[0, 0, 0]):
        before = x.clone()
        y = gelu(x)
        assert torch.equal(y, gelu(x.contiguous()))
        close = dict(rtol=4e-16, atol=4e-16)  # what is contiguous takes other loops
        torch.testing.assert_close(gradient(gelu, x), gradient(gelu, x.contiguous()), **close)
        assert torch.equal(x, before)
        assert y.shape == x.shape
    channels_last = torch.randn(2, 3, 4, 5, device=device).to(memory_format=torch.channels_last)
    assert gelu(channels_last).is_contiguous(memory_format=torch.channels_last)


@on_devices
def test_an_expanded_gradient_arrives(device):
    x = torch.linspace(-3, 3, 9, device=device, requires_grad=True)
    gelu(x).sum().backward()
    torch.testing.assert_close(x.grad, gradient(gelu, x))
    assert x.grad.dtype == torch.float32


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", DTYPES)
@on_devices
def test_backward_keeps_x_alone(device, dtype, form):
    x = torch.zeros(1000, device=device, dtype=dtype, requires_grad=True)
    kept = set()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.add(t.data_ptr()) or t, lambda t: t):
        y = gelu(x, approximate=form)
    assert y.requires_grad
    assert kept == {x.data_ptr()}


def test_few_temporaries_are_alive():
    x = torch.zeros(4_000_000, requires_grad=True)
    alive, _ = allocated(lambda: gelu(x).backward(torch.ones_like(x)))
    assert 3 * x.nbytes <= alive <= 3.3 * x.nbytes  # value, its gradient, the gradient; blocks of 1 MiB


@every_form
@on_devices
def test_vmap(device, form):
    x = torch.linspace(-3, 3, 12, dtype=torch.float64, device=device).view(3, 4)
    f = lambda x: gelu(x, approximate=form)  # noqa: E731
    assert torch.equal(torch.vmap(f)(x), f(x))
    assert torch.equal(torch.vmap(f, in_dims=1, out_dims=1)(x), f(x))
    assert torch.equal(torch.vmap(f, in_dims=1)(x), f(x).T)
    by_sample = torch.vmap(torch.func.grad(lambda x: f(x).sum()))(x)
    torch.testing.assert_close(by_sample, gradient(f, x), rtol=1e-14, atol=0)


# ------------------------------------------------------------------- agreement


@every_form
@pytest.mark.parametrize("dtype", DTYPES)
@on_devices
def test_value_and_gradient_agree_with_mpmath(device, dtype, form):
    reach = 37 if dtype == torch.float64 else 13
    x = torch.cat([torch.linspace(-reach, reach, 151, dtype=torch.float64), torch.linspace(-4, 4, 80)])
    x = x.to(device, dtype)
    y, slope = gelu(x, approximate=form), gradient(lambda x: gelu(x, approximate=form), x)
    assert y.dtype == slope.dtype == dtype
    relative, absolute = resolution(dtype, x, form)
    assert_close(y, [exact(v, form) for v in x.tolist()], relative, absolute)
    # the derivative is a sum, which is 0 near -3/4: there its terms are 0.23 in size
    made = torch.finfo(torch.float64 if dtype == torch.float64 else torch.float32).eps
    crossing = [absolute + made * (abs(v + 0.75) < 0.3) for v in x.tolist()]
    assert_close(slope, [exact_slope(v, form) for v in x.tolist()], relative, crossing)


@on_devices
def test_every_number_of_a_half_type_is_rounded_once(device):
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
    for dtype in (torch.bfloat16, torch.float16):
        x = bits.view(dtype)
        x = x[x.isfinite()]
        expected = gelu(x.double()).to(dtype)  # in double, then rounded: what a table would hold
        assert torch.equal(gelu(x.to(device)).cpu(), expected)


@on_devices
def test_the_negative_tail_keeps_its_digits(device):
    x = column([-5.0, -5.5, -6.0, -8.0, -12.0, -13.0], device, torch.float32)
    expected = [exact(v, "none") for v in x.tolist()]
    assert_close(gelu(x), expected, 2e-5)
    assert_close(gelu(x[1:2]), [mp.mpf("-1.0444259356e-7")], 1e-5)
    assert_close(gradient(gelu, x), [exact_slope(v, "none") for v in x.tolist()], 4e-5)
    far = column([-30.0, -37.0], device)
    assert_close(gelu(far), [exact(v, "none") for v in far.tolist()], 1e-12)


@every_form
def test_second_derivatives_agree_with_mpmath(form):
    x = torch.linspace(-9, 9, 61, dtype=torch.float64)
    second = torch.func.vmap(torch.func.grad(torch.func.grad(lambda x: gelu(x, approximate=form))))(x)
    want = [mp.diff(lambda t: exact_slope(t, form), v) for v in x.tolist()]
    assert_close(second, want, 1e-11, 1e-14)


@every_form
@on_devices
def test_derivatives_in_every_mode(device, form):
    x = column([[-7.0, -1.4, -0.7], [0.0, 0.3, 4.0]], device).requires_grad_()
    f = lambda x: gelu(x, approximate=form)  # noqa: E731
    assert gradcheck(f, x, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True)
    assert gradgradcheck(f, x, check_fwd_over_rev=True)


@every_form
def test_hessians_agree_whichever_way_they_are_made(form):
    f = lambda x: gelu(x, approximate=form)  # noqa: E731
    x = column([-3.0, -0.5, 0.0, 2.0])
    assert_hessians_agree(f, x, rtol=1e-12, atol=1e-15)
    second = torch.func.vmap(torch.func.grad(torch.func.grad(f)))(x)
    hessian = torch.func.hessian(lambda x: f(x).sum())(x)
    torch.testing.assert_close(hessian, second.diag(), rtol=1e-12, atol=1e-15)


@pytest.fixture(scope="module")
def compiled():
    """What one graph of every form gives, in two types: the numbers, values and slopes."""
    torch.compiler.reset()
    x = torch.linspace(-9, 9, 50)
    cases = [(form, dtype) for form in FORMS for dtype in (torch.float32, torch.bfloat16)]
    leaves = [x.to(dtype, copy=True).requires_grad_() for _, dtype in cases]

    @torch.compile(fullgraph=True, backend="aot_eager")
    def everything(leaves):
        return [gelu(x, approximate=form) for x, (form, _) in zip(leaves, cases, strict=True)]

    values = everything(leaves)
    slopes = torch.autograd.grad(values, leaves, [torch.ones_like(y) for y in values])
    return dict(zip(cases, zip(leaves, values, slopes, strict=True), strict=True))


@every_form
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiles_whole(compiled, form, dtype):
    x, value, slope = compiled[form, dtype]
    f = lambda x: gelu(x, approximate=form)  # noqa: E731
    close = 2 * torch.finfo(dtype).eps
    torch.testing.assert_close(value, f(x), rtol=close, atol=0)
    torch.testing.assert_close(slope, gradient(f, x), rtol=close, atol=1e-7)


def test_transforms_compile_whole():
    x = torch.linspace(-3, 3, 7, dtype=torch.float64)

    @torch.compile(fullgraph=True, backend="aot_eager")
    def compiled(x):
        return torch.vmap(torch.func.grad(gelu))(x), *torch.func.jvp(gelu, (x,), (x,))

    slope = gradient(gelu, x)
    for one, other in zip(compiled(x), (slope, gelu(x), slope * x), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-15)


# ------------------------------------------------------------------- failure: extreme input


@every_form
@pytest.mark.parametrize("dtype", DTYPES)
@on_devices
def test_infinite_and_huge_input(device, dtype, form):
    f = lambda x: gelu(x, approximate=form)  # noqa: E731
    top = torch.finfo(dtype).max
    x = column([INF, top, 60000.0, 600.0, -600.0, -60000.0, -top, -INF], device, dtype)
    y, slope = f(x), gradient(f, x)
    assert torch.equal(y[:4], x[:4])
    assert y[4:].tolist() == [0, 0, 0, 0]
    assert slope.tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    again = torch.vmap(torch.func.grad(torch.func.grad(f)))(x)
    assert again.tolist() == [0] * 8
    value, moved = torch.func.jvp(f, (x,), (torch.full_like(x, 2.0),))
    assert torch.equal(value, y)
    assert torch.equal(moved, 2 * slope)
    for outer, inner in itertools.product((torch.func.jacfwd, torch.func.jacrev), repeat=2):
        assert (outer(inner(lambda x: f(x).clamp(-1, 1).sum()))(x) == 0).all()
    third = torch.vmap(torch.func.grad(torch.func.grad(torch.func.grad(f))))(x)
    assert third.tolist() == [0] * 8


@every_form
@on_devices
def test_cubes_that_overflow(device, form):
    x = column([1e30, -1e30, 1e13, -1e13], device, torch.float32)  # x^3 is inf in float32
    assert gelu(x, approximate=form).tolist() == [x[0], 0, x[2], 0]
    assert gradient(lambda x: gelu(x, approximate=form), x).tolist() == [1, 0, 1, 0]
    x = column([50.0, -50.0], device, torch.float16)  # and in float16 from 40.4 on
    assert gelu(x, approximate=form).tolist() == [50, 0]


@every_form
@pytest.mark.parametrize("dtype", DTYPES)
@on_devices
def test_nan_stays_where_it_is(device, dtype, form):
    x = column([1.0, NAN, -1.0], device, dtype)
    f = lambda x: gelu(x, approximate=form)  # noqa: E731
    value, moved = torch.func.jvp(f, (x,), (torch.ones_like(x),))
    for result in (f(x), gradient(f, x), value, moved):
        assert result.isnan().tolist() == [False, True, False]


@every_form
@pytest.mark.parametrize("dtype", DTYPES)
@on_devices
def test_tiny_input_is_halved(device, dtype, form):
    info = torch.finfo(dtype)
    x = column([info.tiny * 2, -info.tiny * 2, info.tiny * info.eps * 2], device, dtype)
    assert torch.equal(gelu(x, approximate=form), x / 2)
    assert gradient(lambda x: gelu(x, approximate=form), x).tolist() == [0.5] * 3


@every_form
@on_devices
def test_nothing_gives_nothing(device, form):
    for shape in ((0,), (3, 0), (0, 2)):
        x = torch.zeros(shape, device=device, requires_grad=True)
        y = gelu(x, approximate=form)
        y.sum().backward()
        assert y.shape == x.grad.shape == shape


BAD_CALLS = [
    (ValueError, "approximate must be 'none', 'tanh', .* or 'sigmoid-minimax', got 'quick'",
     lambda x: gelu(x, approximate="quick")),
    (TypeError, r"x must be float64, .*bfloat16 or float16, got torch\.int64", lambda x: gelu(x.long())),
    (TypeError, "x must be a tensor, got float", lambda x: gelu(1.0)),
    (TypeError, "positional", lambda x: gelu(x, "tanh")),
]  # fmt: skip


def test_bad_input():
    assert_refused(BAD_CALLS, torch.zeros(3))
