"""One-hot and argmax made soft, and what all of these functions share at the edges."""

import itertools

import pytest
import torch
from helpers import DEVICES, DTYPES, INF, NAN, assert_close, assert_refused, column, derivatives, resolution
from mpmath import mp
from smoothing.approximations_cases import (
    METHODS,
    accuracy,
    arguments,
    exact_one_hot,
    most,
    one_hot,
    position_dtype,
    positions,
    projection,
    smallest,
    subset,
)

from lemmata.smoothing import (
    smooth_accuracy,
    smooth_fbeta,
    smooth_sign,
    smooth_step,
    soft_argmax,
    soft_one_hot,
    soft_round,
    soft_round_inverse,
    soft_top_k,
)

pytestmark = pytest.mark.parametrize("device", DEVICES)


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize("sharpness", [0.3, 1, 7.0])
def test_one_hot_is_the_gradient_of_the_smooth_maximum(draw, sharpness):
    x = draw.normal(4, 6)
    _, gradient, _ = derivatives(lambda x: torch.logsumexp(sharpness * x, -1) / sharpness, x)
    p = soft_one_hot(x, sharpness=sharpness)
    torch.testing.assert_close(p, gradient, rtol=1e-13, atol=0)
    torch.testing.assert_close(p.sum(-1), torch.ones_like(p[:, 0]), rtol=1e-15, atol=0)
    torch.testing.assert_close(soft_one_hot(x + 1000.0, sharpness=sharpness), p, rtol=1e-11, atol=0)


def test_jacobian_of_one_hot_and_its_norm(draw, device):
    for x in (draw.normal(5), column([2.0, 2.0, -900.0], device), draw.normal(2, scale=0.01)):
        jacobian = torch.func.jacrev(lambda x: soft_one_hot(x, sharpness=3.0))(x)
        p = soft_one_hot(x, sharpness=3.0)
        torch.testing.assert_close(jacobian, 3 * (p.diag() - p.outer(p)), rtol=1e-12, atol=1e-16)
        assert torch.linalg.matrix_norm(jacobian, 2) <= 1.5 * (1 + 1e-15)
    even = torch.func.jacrev(lambda x: soft_one_hot(x, sharpness=3.0))(column([2.0, 2.0, -900.0], device))
    assert_close(torch.linalg.matrix_norm(even, 2), [1.5], 1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sharpness", [INF, 1e306, 1e308])
def test_infinite_sharpness_is_the_hard_operation(device, dtype, sharpness):
    x = column([[1.0, 3.0, 3.0, -INF], [2.0, -1.0, 0.0, 1.0]], device, dtype)
    for function, values in (
        (soft_one_hot, [[0, 0.5, 0.5, 0], [1, 0, 0, 0]]),
        (soft_argmax, [1.5, 0]),
        (smooth_step, [[1, 1, 1, 0], [1, 0, 0.5, 1]]),
        (smooth_sign, [[1, 1, 1, -1], [1, -1, 0, 1]]),
        (soft_round, [[1, 3, 3, -INF], [2, -1, 0, 1]]),
    ):
        y, gradient, _ = derivatives(lambda x, f=function: f(x, sharpness=sharpness), x)
        assert y.tolist() == values
        assert gradient.dtype == dtype
        assert y.dtype == (position_dtype(dtype) if function is soft_argmax else dtype)
        assert (gradient == 0).all()
    halves = column([-1.5, -0.5, 0.5, 1.5, 2.5, 0.4, 0.6, -0.6], device, dtype)
    assert soft_round(halves, sharpness=sharpness).tolist() == [-2, 0, 0, 2, 2, 0, 1, -1]


def test_the_largest_finite_sharpness(device):
    x = column([0.0, 1e-31], device, torch.float32)
    assert soft_one_hot(x, sharpness=3e32)[1] == 1
    assert 0.5 < soft_one_hot(x / 100, sharpness=3e32)[1] < 0.6  # not yet hard
    assert soft_one_hot(x / 100, sharpness=4e32)[1] == 1  # hard
    assert smooth_step(x[1] / 100, sharpness=3e32) < 0.6
    assert smooth_step(x[1] / 100, sharpness=4e32) == 1


def test_one_hot_and_argmax_converge_at_the_stated_rate(draw):
    x = draw.normal(50, 6)
    top = x.topk(2).values
    gap = top[:, 0] - top[:, 1]
    for sharpness in (1.0, 4.0, 16.0):
        p = soft_one_hot(x, sharpness=sharpness)
        missing = 1 - p.amax(-1)
        assert (missing <= 5 * torch.exp(-sharpness * gap) + 1e-15).all()
    clear = gap > 0.1
    nearly = soft_argmax(x, sharpness=400.0)[clear]
    torch.testing.assert_close(nearly, x.argmax(-1)[clear].double(), rtol=0, atol=1e-13)


def test_argmax_of_two_equal_peaks_is_between_them(device):
    for c, sharpness in itertools.product((0.5, 3.0, 100.0), (0.1, 1.0, 50.0, INF)):
        assert_close(soft_argmax(column([c, 0.0, c], device), sharpness=sharpness), [1], 1e-15)
    assert soft_argmax(column([5.0], device), sharpness=1.0) == 0


def test_positions(draw, device):
    x = draw.normal(2, 4, 3)
    p = soft_one_hot(x, sharpness=2.0, dim=1)
    for values in (draw.normal(4), torch.tensor([3, 0, -2, 7], device=device), draw.normal(4).half()):
        expected = (p * values.double()[:, None]).sum(1)
        torch.testing.assert_close(soft_argmax(x, sharpness=2.0, dim=1, values=values), expected)
        torch.testing.assert_close(soft_argmax(x, sharpness=2.0, dim=-2, values=values), expected)
    for shape in ((4, 3), (4, 1), (1, 4, 3), (2, 4, 3)):
        values = draw.normal(*shape)
        torch.testing.assert_close(soft_argmax(x, sharpness=2.0, dim=1, values=values), (p * values).sum(1))
    rows = soft_argmax(x, sharpness=2.0, dim=1)
    count = torch.arange(4.0, device=device, dtype=torch.float64)
    moved = soft_argmax(x, sharpness=2.0, dim=1, values=3 - 2 * count)
    torch.testing.assert_close(moved, 3 - 2 * rows)
    _, gradient, _ = derivatives(lambda v: soft_argmax(x, sharpness=2.0, dim=1, values=v), count)
    torch.testing.assert_close(gradient, p.sum((0, 2)))


def test_axes(draw):
    x = draw.normal(2, 4, 3)
    for dim in (0, 1, 2, -1, -2, -3):
        last = x.movedim(dim, -1)
        for function in (lambda x, d: soft_one_hot(x, sharpness=2.0, dim=d),
                         lambda x, d: soft_top_k(x, 1, dim=d),
                         lambda x, d: soft_top_k(x, 1, dim=d, method="sigmoid")):  # fmt: skip
            assert function(x, dim).shape == x.shape
            torch.testing.assert_close(function(x, dim).movedim(dim, -1), function(last, -1))
        torch.testing.assert_close(soft_argmax(x, sharpness=2.0, dim=dim), soft_argmax(last, sharpness=2.0))


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("sharpness", [0.5, 3.0, 100.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_hot_and_argmax_agree_with_mpmath(draw, dtype, sharpness):
    x = draw.normal(5, 6, dtype=dtype)
    exact = [exact_one_hot(row, sharpness) for row in x.tolist()]
    close = resolution(dtype, sharpness * (x.amax() - x.amin()).item())
    p = soft_one_hot(x, sharpness=sharpness)
    assert p.dtype == dtype
    assert_close(p, [v for row in exact for v in row], close, smallest(dtype))
    mean = soft_argmax(x, sharpness=sharpness)
    assert mean.dtype == position_dtype(dtype)
    assert_close(mean, [mp.fsum(i * v for i, v in enumerate(row)) for row in exact], close, smallest(dtype))


# ------------------------------------------------------------------- failure: extreme input


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sharpness", [1e-320, 1.0, 1e30, INF])
def test_infinite_entries_of_one_hot_and_argmax(device, dtype, sharpness):
    x = column([[-INF, -INF, -INF], [INF, 1.0, INF], [INF, -INF, 0.0], [-INF, 2.0, -INF]], device, dtype)
    p, gradient, second = derivatives(lambda x: soft_one_hot(x, sharpness=sharpness), x)
    assert p.tolist() == [[0, 0, 0], [0.5, 0, 0.5], [1, 0, 0], [0, 1, 0]]
    mean, slope, bent = derivatives(lambda x: soft_argmax(x, sharpness=sharpness), x)
    assert mean.tolist() == [0, 1, 0, 1]
    for derivative in (gradient, second, slope, bent):
        assert (derivative == 0).all()
    some = column([-INF, 1.0, 2.0], device, dtype)
    torch.testing.assert_close(
        soft_one_hot(some, sharpness=sharpness)[1:], soft_one_hot(some[1:], sharpness=sharpness)
    )


@pytest.mark.parametrize("function", [one_hot, positions, subset, most, projection, accuracy])
def test_nan_goes_to_its_whole_row(draw, function):
    inputs = arguments(function, draw, requires_grad=False)
    clean = function(*inputs)
    inputs[0][1, 4] = NAN
    rows, gradient, _ = derivatives(lambda x: function(x, *inputs[1:]), inputs[0])
    assert rows[1].isnan().all()
    assert gradient[1].isnan().any()
    assert torch.equal(rows[::2], clean[::2])
    assert gradient[::2].isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_in_hard_operations_and_among_masked_entries(device, dtype):
    x = column([[NAN, 1.0, 2.0], [0.0, NAN, -INF], [NAN, -INF, -INF], [3.0, 1.0, 2.0]], device, dtype)
    for rows in (soft_one_hot(x, sharpness=INF), soft_argmax(x, sharpness=INF)[:, None],
                 *(soft_top_k(x, 2, temperature=t, method=m) for t in (0, 1.0) for m in METHODS),
                 soft_top_k(x, 3)):  # fmt: skip
        assert rows[:3].isnan().all()
        assert rows[3].isfinite().all()
    for function in (smooth_step, smooth_sign, soft_round):
        assert torch.equal(function(x, sharpness=INF).isnan(), x.isnan())
        assert torch.equal(function(x, sharpness=3.0).isnan(), x.isnan())
    assert torch.equal(soft_round_inverse(x, sharpness=3.0).isnan(), x.isnan())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_summed_in_float32(device, dtype):
    eps = torch.finfo(dtype).eps
    p = torch.full((100_000,), 0.5, dtype=dtype, device=device)
    t = torch.arange(100_000, device=device) % 4 == 0
    assert_close(smooth_fbeta(p, t), [mp.mpf(1) / 3], eps)
    x = torch.zeros(4096, dtype=dtype, device=device)
    assert_close(soft_argmax(x, sharpness=1.0), [2047.5], eps)
    assert_close(soft_one_hot(x, sharpness=1.0)[:1], [mp.mpf(1) / 4096], eps)
    assert_close(soft_top_k(x, 3, method="sigmoid")[:1], [mp.mpf(3) / 4096], eps)
    rows = smooth_accuracy(x.reshape(1024, 4), torch.zeros(1024, dtype=torch.int64, device=device))
    assert_close(rows, [0.25], eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_rows(device, dtype):
    x = torch.zeros(0, 4, device=device, dtype=dtype)
    for y in (soft_one_hot(x, sharpness=1.0), soft_top_k(x, 2), soft_top_k(x, 2, method="sigmoid"),
              soft_top_k(x, 4), soft_top_k(x, 0), soft_top_k(x, 2, temperature=0),
              smooth_step(x, sharpness=1.0), smooth_sign(x, sharpness=INF), soft_round(x, sharpness=2.0),
              soft_round_inverse(x, sharpness=2.0), soft_one_hot(x, sharpness=INF)):  # fmt: skip
        assert y.shape == (0, 4)
        assert y.dtype == dtype
    assert soft_argmax(x, sharpness=1.0).shape == (0,)
    target = torch.zeros(0, dtype=torch.int64, device=device)
    assert smooth_accuracy(x, target).isnan()
    assert smooth_accuracy(x, target, reduction="sum") == 0
    assert smooth_accuracy(x, target, reduction="none").shape == (0,)


@pytest.mark.parametrize("method", METHODS)
def test_one_entry(device, method):
    x = column([[3.0], [-INF], [INF]], device)
    assert soft_top_k(x, 1, method=method).flatten().tolist() == [1, 0, 1]
    assert soft_one_hot(x, sharpness=1.0).flatten().tolist() == [1, 0, 1]
    assert soft_argmax(x, sharpness=1.0).tolist() == [0, 0, 0]


# ------------------------------------------------------------------- failure: bad input


# fmt: off
SHARP = [soft_one_hot, soft_argmax, smooth_step, smooth_sign, soft_round, soft_round_inverse]


BAD_CALLS = {
    "types": [
        *((TypeError, "float64.* got torch.int64", lambda x, y, f=f: f(y, sharpness=1.0)) for f in SHARP),
        *((TypeError, "must be a tensor, got float", lambda x, y, f=f: f(0.5, sharpness=1.0)) for f in SHARP),
        *((TypeError, "sharpness must be a number, got str", lambda x, y, f=f: f(x, sharpness="1"))
          for f in SHARP),
        *((TypeError, "sharpness must be a number, got bool", lambda x, y, f=f: f(x, sharpness=True))
          for f in SHARP),
        (TypeError, "^y must be", lambda x, y: soft_round_inverse(y, sharpness=1.0)),
        (TypeError, "^x must be", lambda x, y: soft_round(y, sharpness=1.0)),
        (TypeError, "x must be float64", lambda x, y: soft_top_k(y, 1)),
        (TypeError, "k must be an int, got float", lambda x, y: soft_top_k(x, 1.0)),
        (TypeError, "k must be an int, got bool", lambda x, y: soft_top_k(x, True)),
        (TypeError, "temperature must be float64.* got torch.int64",
         lambda x, y: soft_top_k(x, 1, temperature=y)),
        *((TypeError, "sharpness must be float64.* got torch.int64", lambda x, y, f=f: f(x, sharpness=y))
          for f in SHARP),
        (TypeError, "temperature must be a number, got bool",
         lambda x, y: soft_top_k(x, 1, temperature=True)),
        (TypeError, "dim must be an int, got float", lambda x, y: soft_top_k(x, 1, dim=1.0)),
        (TypeError, "values must be a real tensor, got list",
         lambda x, y: soft_argmax(x, sharpness=1.0, values=[1])),
        (TypeError, "values must be a real tensor, got torch.complex128",
         lambda x, y: soft_argmax(x, sharpness=1.0, values=x + 0j)),
        (TypeError, "input must be float64", lambda x, y: smooth_accuracy(y, y)),
        (TypeError, "target must be int64, got torch.int32", lambda x, y: smooth_accuracy(x, y[:, 0].int())),
        (TypeError, "probabilities must be float64", lambda x, y: smooth_fbeta(y, y)),
        (TypeError, "beta must be a number, got str", lambda x, y: smooth_fbeta(x, y, beta="1")),
        (TypeError, "beta must be a number, got bool", lambda x, y: smooth_fbeta(x, y, beta=True)),
        (TypeError, "dim must be an int, got tuple", lambda x, y: smooth_fbeta(x, y, dim=(0, 1))),
        (TypeError, "dim must be an int, got bool", lambda x, y: smooth_fbeta(x, y, dim=True)),
    ],
    "ranges": [
        *((ValueError, f"sharpness must be positive.*got {k}", lambda x, y, f=f, k=k: f(x, sharpness=k))
          for f in SHARP for k in (0, -1.0, NAN)),
        (ValueError, "sharpness must be finite", lambda x, y: soft_round_inverse(x, sharpness=INF)),
        (ValueError, "sharpness must be finite", lambda x, y: soft_round_inverse(x, sharpness=x + INF)),
        *((ValueError, "sharpness must be positive.*got values", lambda x, y, f=f, k=k: f(x, sharpness=k))
          for f in SHARP for k in (torch.tensor(0.0), torch.tensor(-1.0), torch.tensor(NAN))),
        *((ValueError, rf"temperature must be in \[0, inf\).*got {t}",
           lambda x, y, t=t: soft_top_k(x, 1, temperature=torch.tensor(t))) for t in (-1.0, NAN, INF)),
        (ValueError, "k must be at least 0, got -1", lambda x, y: soft_top_k(x, -1)),
        (ValueError, "k must be at most the number of entries 3, got 4", lambda x, y: soft_top_k(x, 4)),
        (ValueError, "number of entries 2, got 3", lambda x, y: soft_top_k(x, 3, dim=0)),
        *((ValueError, rf"temperature must be in \[0, inf\).*got {t}",
           lambda x, y, t=t: soft_top_k(x, 1, temperature=t)) for t in (-1, NAN, INF)),
        (ValueError, "method must be 'subset' or 'sigmoid', got 'sort'",
         lambda x, y: soft_top_k(x, 1, method="sort")),
        *((ValueError, rf"beta must be in \[0, inf\], got {b}", lambda x, y, b=b: smooth_fbeta(x, y, beta=b))
          for b in (-1, NAN)),
        (ValueError, "reduction must be", lambda x, y: smooth_accuracy(x, y[:, 0], reduction="average")),
    ],
    "shapes": [
        (ValueError, r"x must have at least one entry along dim -1, got shape \(2, 0\)",
         lambda x, y: soft_one_hot(x[:, :0], sharpness=1.0)),
        (ValueError, "at least one entry", lambda x, y: soft_argmax(x[:0], sharpness=1.0, dim=0)),
        (ValueError, "at least one entry", lambda x, y: soft_top_k(x[:, :0], 0)),
        (ValueError, r"dim must be an axis of x of shape \(2, 3\), got 2",
         lambda x, y: soft_top_k(x, 1, dim=2)),
        (ValueError, "dim must be an axis of x", lambda x, y: soft_one_hot(x[0, 0], sharpness=1.0)),
        (ValueError, r"sharpness must broadcast to \(2, 1\), got \(2, 3\)",
         lambda x, y: soft_one_hot(x, sharpness=x + 1)),
        (ValueError, r"sharpness must broadcast to \(2,\), got \(2, 1\)",
         lambda x, y: soft_argmax(x, sharpness=x[:, :1] + 1)),
        *((ValueError, r"sharpness must broadcast to \(2, 3\), got \(2,\)",
           lambda x, y, f=f: f(x, sharpness=x[:, 0] + 1)) for f in SHARP[2:]),
        (ValueError, r"temperature must broadcast to \(1, 3\), got \(2, 3\)",
         lambda x, y: soft_top_k(x, 1, temperature=x, dim=0)),
        *((ValueError, "dim must be one or more different axes", lambda x, y, d=d: soft_argmax(
            x, sharpness=1.0, dim=d)) for d in ((), (0, 0), (0, -2))),
        (ValueError, "dim must be an axis of x", lambda x, y: soft_argmax(x, sharpness=1.0, dim=(0, 2))),
        (ValueError, "values must be None where dim is several axes",
         lambda x, y: soft_argmax(x, sharpness=1.0, dim=(0, 1), values=x)),
        (ValueError, r"values must broadcast to \(3,\), got \(2,\)",
         lambda x, y: soft_argmax(x, sharpness=1.0, values=x[:, 0])),
        (ValueError, r"values must broadcast to \(2, 3\), got \(3, 2\)",
         lambda x, y: soft_argmax(x, sharpness=1.0, values=x.T)),
        (ValueError, "input must have at least one entry", lambda x, y: smooth_accuracy(x[:, :0], y[:, 0])),
        (ValueError, r"target must have shape \(2,\) beside input, got \(2, 3\)",
         lambda x, y: smooth_accuracy(x, y)),
        (ValueError, r"target must have shape \(2, 3\) beside probabilities, got \(2, 1\)",
         lambda x, y: smooth_fbeta(x, y[:, :1])),
        *((ValueError, rf"dim must be an axis of probabilities of shape \(2, 3\), got {d}",
           lambda x, y, d=d: smooth_fbeta(x, y, dim=d)) for d in (2, -3)),
    ],
}
# fmt: on


@pytest.mark.parametrize("kind", BAD_CALLS)
def test_bad_input_is_named(device, kind):
    x = torch.zeros(2, 3, device=device, dtype=torch.float64)
    assert_refused(BAD_CALLS[kind], x, torch.zeros(2, 3, device=device, dtype=torch.int64))
