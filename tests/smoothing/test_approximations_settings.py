"""A sharpness or a temperature that is a tensor; positions in float32 at least, and along several axes."""

import pytest
import torch
from helpers import DEVICES, DTYPES, F64, INF, assert_close, column, gradients
from mpmath import mp
from smoothing.approximations_cases import METHODS, exact_inverse, exact_round, position_dtype

from lemmata.smoothing import (
    smooth_sign,
    smooth_step,
    soft_argmax,
    soft_one_hot,
    soft_round,
    soft_round_inverse,
    soft_top_k,
)

pytestmark = pytest.mark.parametrize("device", DEVICES)
ELEMENTS = [smooth_step, smooth_sign, soft_round, soft_round_inverse]
SHARPNESSES = (1e-320, 1e-30, 1e-9, 1e-3, 0.2, 0.3, 1.0, 7.0, 100.0, 1e30, 1e307, INF)


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize("function", [*ELEMENTS, soft_one_hot, soft_argmax])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tensor_and_a_number_give_the_same(device, dtype, function):
    x = column([[-INF, -1.3, 0.0, 0.25, 1.6], [INF, -0.3, 0.25, 1e-3, INF]], device, dtype)
    for sharpness in SHARPNESSES[: -1 if function is soft_round_inverse else None]:
        expected = function(x, sharpness=sharpness)
        for shape in ((), (1,) if function is soft_argmax else (1, 1)):
            K = torch.full(shape, sharpness, dtype=F64, device=device)
            actual = function(x, sharpness=K)
            assert actual.dtype == expected.dtype
            close = 4 * torch.finfo(dtype).eps
            torch.testing.assert_close(actual, expected, rtol=close, atol=0, msg=f"{sharpness}")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_temperature_is_a_tensor_or_a_number(device, dtype, method):
    x = column([[-INF, -1.3, 0.0, 0.25, 1.6], [INF, 0.25, 0.25, 1e-3, -INF]], device, dtype)
    for temperature in (0.0, 1e-320, 1e-30, 0.1, 1.0, 30.0, 1e30, 1e300):
        expected = soft_top_k(x, 2, temperature=temperature, method=method)
        t = torch.full((2, 1), temperature, dtype=F64, device=device)
        actual = soft_top_k(x, 2, temperature=t, method=method)
        torch.testing.assert_close(actual, expected, rtol=8 * torch.finfo(dtype).eps, atol=1e-37)
        across = soft_top_k(x.T, 2, temperature=t.T, method=method, dim=0)
        torch.testing.assert_close(across.T, actual, rtol=0, atol=0)


def test_each_row_has_its_own_sharpness(draw, device):
    x, K = draw.normal(2, 3, 4), column([[0.5, 2.0, INF], [1.0, 30.0, 3.0]], device)
    p, position = soft_one_hot(x, sharpness=K[..., None]), soft_argmax(x, sharpness=K)
    middle = soft_argmax(x.movedim(-1, 1), sharpness=K, dim=1)
    chosen = soft_top_k(x, 2, temperature=1 / K[..., None])
    for i in range(2):
        for j in range(3):
            k = K[i, j].item()
            torch.testing.assert_close(p[i, j], soft_one_hot(x[i, j], sharpness=k))
            torch.testing.assert_close(position[i, j], soft_argmax(x[i, j], sharpness=k))
            torch.testing.assert_close(chosen[i, j], soft_top_k(x[i, j], 2, temperature=1 / k))
    torch.testing.assert_close(middle, position)


def test_a_parameter_learns(draw):
    x = draw.normal(3, 5)
    for function in (soft_one_hot, soft_argmax, *ELEMENTS):
        K = torch.nn.Parameter(torch.tensor(2.0, dtype=F64, device=x.device))
        (slope,) = torch.autograd.grad(function(x, sharpness=K).square().sum(), K)
        above, below = (function(x, sharpness=k).square().sum() for k in (2 + 1e-6, 2 - 1e-6))
        torch.testing.assert_close(slope, (above - below) / 2e-6, rtol=1e-7, atol=1e-8)


def test_the_hard_end_of_a_tensor_has_gradient_0(draw, device):
    x = draw.normal(3, 5)
    for function in (soft_one_hot, soft_argmax, smooth_step, smooth_sign, soft_round):
        _, by_x, by_k = gradients(lambda x, K, f=function: f(x, sharpness=K), x, column(INF, device))
        assert (by_x == 0).all()
        assert by_k == 0
    for method in METHODS:
        both = gradients(
            lambda x, t, m=method: soft_top_k(x, 2, temperature=t, method=m), x, column(0.0, device)
        )
        assert (both[1] == 0).all()
        assert both[2] == 0


@pytest.mark.parametrize("dim", [(-2, -1), (1, 2), [-1, 1], (0, 2), (1,), (2, 0, 1)])
def test_places_along_several_axes(draw, dim):
    x = draw.normal(3, 4, 5)
    axes = [d % 3 for d in dim]
    p = torch.softmax(2.0 * x.movedim(axes, list(range(-len(axes), 0))).flatten(-len(axes)), -1)
    place = torch.cartesian_prod(*(torch.arange(float(x.shape[d]), dtype=F64, device=x.device) for d in axes))
    expected = p @ place.view(-1, len(axes))
    torch.testing.assert_close(soft_argmax(x, sharpness=2.0, dim=dim), expected)


def test_a_clear_peak_of_an_image(device):
    x = torch.zeros(2, 30, 40, device=device)
    x[0, 7, 31] = x[1, 29, 0] = 9.0
    assert soft_argmax(x, sharpness=50.0, dim=(-2, -1)).tolist() == [[7, 31], [29, 0]]
    one = torch.full((3,), 50.0, device=device)
    assert soft_argmax(x[:, None].expand(2, 3, 30, 40), sharpness=one, dim=(-2, -1)).shape == (2, 3, 2)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("sharpness", [1e-9, 1e-4, 0.1, 0.2499, 0.2501, 1.0, 5.0])
def test_the_slope_of_rounding_in_its_sharpness(device, sharpness):
    """It goes to 0 with the sharpness; the quotient that defines rounding would leave of it only noise."""
    for function, exact in ((soft_round, exact_round), (soft_round_inverse, exact_inverse)):
        x = column([0.1, 0.3, 0.45, -0.2, 1.25], device)
        slope = gradients(lambda K, f=function, x=x: f(x, sharpness=K), torch.full_like(x, sharpness))[1]
        with mp.workdps(80):
            expected = [mp.diff(lambda a, v=v, f=exact: f(v, a), sharpness) for v in x.tolist()]
        assert_close(slope, expected, 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_positions_keep_their_digits(device, dtype):
    x = torch.zeros(70_000, dtype=dtype, device=device)
    for place in (4001, 69_999):
        y = soft_argmax(x.index_fill(0, torch.tensor([place], device=device), 1.0), sharpness=100.0)
        assert y.dtype == position_dtype(dtype)
        assert y == place
    values = 3.0 + torch.arange(70_000, device=device)
    assert soft_argmax(x.index_fill(0, values[:1].long(), 1.0), sharpness=100.0, values=values) == 6.0


# ------------------------------------------------------------------- failure


def test_where_values_are_not_looked_at_a_wrong_setting_gives_nan(draw, device):
    x = draw.normal(2, 3)
    for function in (soft_one_hot, soft_argmax, *ELEMENTS):
        for wrong in (0.0, -1.0):
            K = torch.full((2,), wrong, dtype=F64, device=device)
            assert torch.vmap(lambda k, f=function: f(x, sharpness=k))(K).isnan().all()
    K = torch.full((2,), -1.0, dtype=F64, device=device)
    assert torch.vmap(lambda t: soft_top_k(x, 1, temperature=t))(K).isnan().all()
