"""GELU and its forms, and minimax fits: identities, agreement with mpmath and closed forms, what breaks."""

import itertools
import math
import shutil

import pytest
import torch
import torch.nn.functional as F
from mpmath import mp
from torch.autograd import gradcheck, gradgradcheck
from torch.profiler import ProfilerActivity, profile

from lemmata.smoothing import MinimaxFit, gelu, minimax_fit
from lemmata.smoothing.gelu import _exchange

mp.dps = 40
INF, NAN = math.inf, math.nan
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
FORMS = ["none", "tanh", "sigmoid", "tanh-minimax", "sigmoid-minimax"]
ROOT = math.sqrt(2 / math.pi)

every_form = pytest.mark.parametrize("form", FORMS)
on_devices = pytest.mark.parametrize("device", DEVICES)


def column(values, device="cpu", dtype=torch.float64):
    return torch.tensor(values, dtype=dtype, device=device)


def gradient(function, x, weights=None):
    """The derivative of an elementwise function."""
    x = x.detach().clone().requires_grad_()
    y = function(x)
    return torch.autograd.grad(y, x, torch.ones_like(y) if weights is None else weights)[0]


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


def assert_close(actual, expected, relative, absolute=0.0):
    """Elementwise |actual - expected| <= relative |expected| + absolute; these may be lists."""
    found = actual.double().flatten().tolist()
    relative, absolute = ([t] * len(found) if isinstance(t, float) else t for t in (relative, absolute))
    for got, want, part, rest in zip(found, expected, relative, absolute, strict=True):
        assert abs(got - want) <= part * abs(want) + rest, (got, want)


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
    x = column([-3.0, -0.5, 0.0, 2.0])
    expected = torch.func.vmap(torch.func.grad(torch.func.grad(lambda x: gelu(x, approximate=form))))(
        x
    ).diag()
    total = lambda x: gelu(x, approximate=form).sum()  # noqa: E731
    jacfwd, jacrev = torch.func.jacfwd, torch.func.jacrev
    for outer, inner in itertools.product((jacfwd, jacrev), repeat=2):
        torch.testing.assert_close(outer(inner(total))(x), expected, rtol=1e-12, atol=1e-15)


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


def compiled_agrees(form, backend, dtype):
    torch._dynamo.reset()
    x = torch.linspace(-9, 9, 50).to(dtype)
    f = lambda x: gelu(x, approximate=form)  # noqa: E731
    compiled = torch.compile(f, fullgraph=True, backend=backend)
    close = 2 * torch.finfo(dtype).eps if backend == "aot_eager" else 1e-5
    torch.testing.assert_close(compiled(x), f(x), rtol=close, atol=0)
    torch.testing.assert_close(gradient(compiled, x), gradient(f, x), rtol=close, atol=1e-7)


@every_form
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiles_whole(form, dtype):
    compiled_agrees(form, "aot_eager", dtype)


@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")
def test_inductor_agrees():
    compiled_agrees("none", "inductor", torch.float32)


def test_transforms_compile_whole():
    x = torch.linspace(-3, 3, 7, dtype=torch.float64)

    @torch.compile(fullgraph=True, backend="aot_eager")
    def compiled(x):
        return torch.vmap(torch.func.grad(gelu))(x), *torch.func.jvp(gelu, (x,), (x,))

    slope = gradient(gelu, x)
    for one, other in zip(compiled(x), (slope, gelu(x), slope * x), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-15)


@every_form
@pytest.mark.parametrize("dtype", DTYPES)
@on_devices
def test_blocks_are_as_good_as_the_whole(device, dtype, form):
    generator = torch.Generator().manual_seed(7309)
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
    base = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(device)
    for x in (base, base.transpose(0, 1), base[::2, :, ::2], base[:, :1].expand(5, 4, 3), base[0, 0, 0]):
        before = x.clone()
        y = gelu(x)
        assert torch.equal(y, gelu(x.contiguous()))
        assert torch.equal(gradient(gelu, x), gradient(gelu, x.contiguous()))
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
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        gelu(x).backward(torch.ones_like(x))
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    alive = list(itertools.accumulate(e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())))
    assert 3 * x.nbytes <= max(alive) <= 3.3 * x.nbytes  # value, its gradient, the gradient; blocks of 1 MiB


@every_form
@pytest.mark.parametrize("dtype", DTYPES)
@on_devices
def test_autocast_changes_nothing(device, dtype, form):
    x = torch.linspace(-6, 6, 40, device=device).to(dtype)
    f = lambda x: gelu(x, approximate=form)  # noqa: E731
    plain = f(x), gradient(f, x)
    with torch.autocast(torch.device(device).type, dtype=torch.bfloat16):
        cast = f(x), gradient(f, x)
    for one, other in zip(plain, cast, strict=True):
        assert one.dtype == other.dtype == dtype
        assert torch.equal(one, other)


@every_form
def test_no_value_is_read_off_the_cpu(form):
    x = torch.empty(3, 4, device="meta")  # there are no values there
    assert gelu(x, approximate=form).device.type == "meta"
    assert gradient(lambda x: gelu(x, approximate=form), x).shape == (3, 4)


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


def test_bad_input():
    x = torch.zeros(3)
    with pytest.raises(ValueError, match=r"approximate must be one of 'none', 'tanh', .* got 'quick'"):
        gelu(x, approximate="quick")
    with pytest.raises(TypeError, match=r"x must be float64, float32, bfloat16 or float16, got torch\.int64"):
        gelu(x.long())
    with pytest.raises(TypeError, match="x must be a tensor, got float"):
        gelu(1.0)
    with pytest.raises(TypeError, match="positional"):
        gelu(x, "tanh")


# ------------------------------------------------------------------- minimax_fit


def polynomial(x, *c):
    """c_0 + c_1 x + ..."""
    return sum(ck * x**k for k, ck in enumerate(c))


def phi(x):
    return torch.special.erfc(-x / math.sqrt(2)) / 2


def error_function(x):
    return torch.erf(x / math.sqrt(2))


def exact_gelu(x):
    return x * phi(x)


def assert_levelled(f, g, fit, domain):
    """Alternates at its points and is nowhere larger."""
    residual = f(fit.points) - g(fit.points, *fit.parameters)
    assert (residual.diff().sign().diff().abs() == 2).all()
    torch.testing.assert_close(residual.abs(), torch.full_like(residual, fit.error), rtol=1e-9, atol=1e-14)
    grid = torch.linspace(*domain, 50_001, dtype=torch.float64)
    assert (f(grid) - g(grid, *fit.parameters)).abs().max() <= fit.error * (1 + 1e-9) + 1e-14
    assert (fit.points.diff() > 0).all()
    assert len(fit.points) == len(fit.parameters) + 1


def fit_and_check(f, g, initial, domain):
    fit = minimax_fit(f, g, initial, domain)
    assert isinstance(fit, MinimaxFit)
    assert fit.parameters.dtype == fit.points.dtype == torch.float64
    assert isinstance(fit.error, float)
    assert_levelled(f, g, fit, domain)
    return fit


def test_best_constant_is_half_way():
    fit = fit_and_check(torch.exp, lambda x, c: c, (0.0,), (-1.0, 2.0))
    low, high = math.exp(-1), math.exp(2)
    assert_close(fit.parameters, [(low + high) / 2], 1e-14)
    assert fit.error == pytest.approx((high - low) / 2, rel=1e-14)
    assert fit.points.tolist() == [-1, 2]


def test_best_line_for_the_exponential():
    fit = fit_and_check(torch.exp, polynomial, (0.0, 0.0), (0.0, 1.0))
    slope = math.e - 1  # the chord's; the tangent of that slope touches at log(e - 1)
    touch = math.log(slope)
    offset = (1 + slope - slope * touch) / 2
    assert_close(fit.parameters, [offset, slope], 1e-14)
    assert fit.error == pytest.approx(1 - offset, rel=1e-13)
    assert_close(fit.points, [0, touch, 1], 1e-13, 1e-15)


@pytest.mark.parametrize("degree", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("domain", [(-1.0, 1.0), (1.0, 5.0)])
def test_powers_leave_chebyshev_polynomials(degree, domain):
    low, high = domain
    fit = fit_and_check(lambda x: x**degree, polynomial, [0.0] * degree, domain)
    assert fit.error == pytest.approx(2 * ((high - low) / 4) ** degree, rel=1e-10)
    nodes = [-math.cos(math.pi * k / degree) for k in range(degree + 1)]
    assert_close(fit.points, [(low + high) / 2 + (high - low) / 2 * c for c in nodes], 1e-7, 1e-9)


def test_cubic_for_the_exponential():
    fit = fit_and_check(torch.exp, polynomial, [0.0] * 4, (-1.0, 1.0))
    points = fit.points.tolist()
    assert points[0] == -1
    assert points[-1] == 1
    rows = mp.matrix([[mp.mpf(p) ** k for k in range(4)] + [(-1) ** i] for i, p in enumerate(points)])
    solution = mp.lu_solve(rows, mp.matrix([mp.exp(p) for p in points]))  # levels at these points exactly
    assert_close(fit.parameters, list(solution)[:4], 1e-13)
    assert fit.error == pytest.approx(abs(float(solution[4])), rel=1e-12)
    assert fit.error == pytest.approx(0.0055283701, rel=1e-7)


def test_a_kink_is_a_point_of_alternation():
    fit = fit_and_check(torch.abs, lambda x, a, b: a + b * x * x, (0.0, 0.0), (0.0, 1.0))
    assert_close(fit.parameters, [1 / 8, 1], 1e-13)
    shifted = lambda x: (x - 0.3).abs()  # noqa: E731
    fit = fit_and_check(shifted, polynomial, (0.0, 0.0), (0.0, 1.0))
    assert fit.points[1].item() == pytest.approx(0.3, abs=1e-15)


def test_a_rational_family():
    fit = fit_and_check(torch.exp, lambda x, a, b, c: (a + b * x) / (1 + c * x), (1.0, 0.5, -0.5), (0.0, 1.0))
    assert fit.points[[0, -1]].tolist() == [0, 1]
    assert fit.error == pytest.approx(0.0042954653, rel=1e-7)


# f, g, start, domain, parameters, error, points (mpmath, 25 digits)
FITS = {
    "logistic for Phi": (phi, lambda x, k: torch.sigmoid(k * x),
        [1.6], (-10.0, 0.0), ["1.70174492533800331231317"], "0.009457309176371080314523",
        ["-2.043072520252685733277795", "-0.5710571477393298276197781"]),
    "logistic for GELU": (exact_gelu, lambda x, k: x * torch.sigmoid(k * x),
        [1.6], (-10.0, 0.0), ["1.772933965616754629752701"], "0.01392224547275849967152732",
        ["-2.426615321578609045260359", "-0.8957586320634452466240556"]),
    "tanh for erf": (error_function, lambda x, c: torch.tanh(ROOT * (x + c * x**3)),
        [0.0455], (0.0, 8.0), ["0.04471491122763249495629819"], "0.0003578426218904394470402268",
        ["1.242107884535900012790521", "2.592175979278243019904856"]),
    "tanh for GELU": (exact_gelu, lambda x, c: x * torch.sigmoid(2 * ROOT * (x + c * x**3)),
        [0.0455], (-8.0, 0.0), ["0.04438294381673409237262439"], "0.0003874187383106077330965827",
        ["-2.795078892610052442341212", "-1.4561494108861910747212"]),
    "two parameters for erf": (error_function, lambda x, a, b: torch.tanh(a * x + b * x**3),
        [ROOT, 0.0356], (0.0, 8.0), ["0.7988014371203919780604145", "0.03528204828283358126235846"],
        "0.0002806261602116814707118977",
        ["0.481633058643499606718452", "1.476398735189734010671213", "2.687644054638885594913949"]),
    "two parameters for GELU": (exact_gelu, lambda x, a, b: x * torch.sigmoid(2 * (a * x + b * x**3)),
        [ROOT, 0.0356], (-8.0, 0.0), ["0.8001570785481035526172205", "0.03470089343233105472297196"],
        "0.0002707274746579727492066959",
        ["-2.923219509584958318534774", "-1.742209579449030396866749", "-0.754118522273132733008789"]),
}  # fmt: skip


@pytest.mark.parametrize("case", FITS)
def test_the_constants_of_gelu(case):
    f, g, initial, domain, parameters, error, points = FITS[case]
    fit = fit_and_check(f, g, initial, domain)
    assert_close(fit.parameters, [mp.mpf(p) for p in parameters], 1e-13)
    assert abs(fit.error - mp.mpf(error)) <= 1e-15
    assert_close(fit.points, [mp.mpf(p) for p in points], 1e-9)


def test_the_constants_of_the_module_are_the_fits():
    f, g, initial, domain, *_ = FITS["logistic for GELU"]
    (k,) = minimax_fit(f, g, initial, domain).parameters
    x = torch.linspace(-6, 6, 50, dtype=torch.float64)
    torch.testing.assert_close(gelu(x, approximate="sigmoid-minimax"), g(x, k), rtol=1e-13, atol=0)
    f, g, initial, domain, *_ = FITS["two parameters for GELU"]
    a, b = minimax_fit(f, g, initial, domain).parameters
    torch.testing.assert_close(gelu(x, approximate="tanh-minimax"), g(x, a, b), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([1, -2, 3], [1, -2, 3]),
        ([1, -2, 3, -4], [-2, 3, -4]),
        ([4, -3, 2, -1], [4, -3, 2]),
        ([4, -1, 2, -3], [4, -1, 2]),  # one too many: an end goes, though the least is inside
        ([3, -1, 2, -4, 5], [3, -4, 5]),  # the least and its smaller neighbour
        ([3, -2, 1, -4, 5], [3, -4, 5]),
        ([5, -1, 3, -4, 2, -6, 7], [5, -6, 7]),
    ],
)
def test_an_exchange_keeps_the_largest_that_alternate(values, kept):
    points = torch.arange(len(values), dtype=torch.float64)
    found, left = _exchange(points, column([float(v) for v in values]), 3)
    assert left.tolist() == kept
    assert [values[int(p)] for p in found.tolist()] == kept


def test_an_exchange_never_loses_the_largest():
    generator = torch.Generator().manual_seed(1)
    for count in (2, 3, 4):
        for size in range(count, 12):
            signs = 1 - 2.0 * (torch.arange(size) % 2)
            values = signs * torch.rand(size, generator=generator)
            points, left = _exchange(torch.arange(size).double(), values, count)
            assert len(left) == count
            assert left.abs().max() == values.abs().max()
            assert (left.sign().diff().abs() == 2).all()
            assert torch.equal(values[points.long()], left)


def test_a_far_start_ends_at_the_same_place():
    f, g, _, domain, parameters, *_ = FITS["two parameters for GELU"]
    for initial in ((3.0, 1.0), torch.tensor([0.5, 0.1])):  # (3, 1) needs damped steps
        assert_close(minimax_fit(f, g, initial, domain).parameters, [mp.mpf(p) for p in parameters], 1e-12)


def test_gradients_of_what_is_fitted_stay_outside():
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    fit = minimax_fit(lambda x: scale * x.exp(), lambda x, c: c, (0.0,), (0.0, 1.0))
    assert not fit.parameters.requires_grad
    assert fit.error == pytest.approx(math.e - 1)


def test_what_the_family_contains_is_met():
    fit = minimax_fit(lambda x: 2 * x + 1, polynomial, (0.0, 0.0), (0.0, 1.0))
    assert_close(fit.parameters, [1, 2], 1e-14)
    assert fit.error <= 1e-14
    fit = minimax_fit(torch.zeros_like, lambda x, c: c * x, (3.0,), (0.0, 1.0))
    assert (fit.parameters.item(), fit.error) == (0, 0)


def test_parameters_that_do_the_same_do_not_alternate_enough():
    with pytest.raises(RuntimeError, match="the error must alternate 3 times, got 2"):
        minimax_fit(torch.exp, lambda x, a, b: a + b, (0.0, 0.0), (0.0, 1.0))


def test_alternation_without_the_haar_property_is_refused():
    f, g, initial, *_ = FITS["logistic for Phi"]
    with pytest.raises(RuntimeError, match="is no minimum: g lacks the Haar property"):
        minimax_fit(f, g, initial, (-10.0, 10.0))  # any odd error alternates twice


def test_a_fit_that_runs_away_says_so(monkeypatch):
    monkeypatch.setitem(minimax_fit.__wrapped__.__globals__, "ROUNDS", 8)  # with 60 it says the same, later
    with pytest.raises(RuntimeError, match="the exchange did not converge"):
        minimax_fit(torch.sin, lambda x, a, b: a * torch.sin(b * x), (1.0, 50.0), (0.0, 30.0))


@pytest.mark.parametrize(
    ("domain", "error"),
    [((1.0, 0.0), ValueError), ((0.0, 0.0), ValueError), ((0.0, INF), ValueError), ((-INF, 0.0), ValueError),
     ((0.0, NAN), ValueError), ((0.0, 1.0, 2.0), ValueError), ((0.0,), ValueError), (1.0, TypeError)],
)  # fmt: skip
def test_bad_domains(domain, error):
    with pytest.raises(error, match="domain must be"):
        minimax_fit(torch.exp, polynomial, (0.0,), domain)


@pytest.mark.parametrize(
    ("initial", "error"),
    [
        ((), ValueError),
        ((0.0, NAN), ValueError),
        ((INF,), ValueError),
        (0.0, TypeError),
        ((None,), TypeError),
    ],
)
def test_bad_starts(initial, error):
    with pytest.raises(error, match="initial must be"):
        minimax_fit(torch.exp, polynomial, initial, (0.0, 1.0))


def test_functions_that_are_not_finite_are_refused():
    for f, g in ((torch.log, polynomial), (torch.exp, lambda x, a: a / x)):
        with pytest.raises(ValueError, match="f and g must be finite on the domain"):
            minimax_fit(f, g, (1.0,), (0.0, 1.0))
