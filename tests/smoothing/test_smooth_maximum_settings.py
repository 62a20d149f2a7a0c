"""A sharpness or an order that is a tensor: the values of numbers, and a gradient."""

import pytest
import torch
from helpers import DEVICES, DTYPES, F64, INF, assert_close, column, gradients
from mpmath import mp

from lemmata.smoothing import boltzmann_maximum, logsumexp_maximum, mellowmax, p_norm_maximum, smooth_abs

pytestmark = pytest.mark.parametrize("device", DEVICES)
SOFT = [logsumexp_maximum, mellowmax, boltzmann_maximum]
KINDS = ["logcosh", "sqrt", "softplus", "tanh", "erf"]


def absolute(kind):
    return lambda x, sharpness: smooth_abs(x, sharpness=sharpness, kind=kind)


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize("function", [*SOFT, *map(absolute, KINDS)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tensor_and_a_number_give_the_same(device, dtype, function):
    x = column([[-INF, -1.3, 0.0, 0.25], [1.0, 1.0, -0.3, 1e-3], [INF, 0.0, 1.0, -1.0]], device, dtype)
    for sharpness in (1e-320, 1e-30, 1e-9, 0.01, 0.2, 3.0, 100.0, 1e30, 1e308, INF):
        expected = function(x, sharpness=sharpness)
        actual = function(x, sharpness=torch.tensor(sharpness, dtype=F64, device=device))
        assert actual.dtype == dtype
        torch.testing.assert_close(actual, expected, rtol=4 * torch.finfo(dtype).eps, atol=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_order_is_a_tensor_or_a_number(device, dtype):
    x = column([[0.0, 0.0, 0.0], [0.0, 1.0, 2.0], [1.0, 1.0, 1.0], [INF, 0.0, 1.0]], device, dtype)
    for p in (1.0, 1.5, 2.0, 7.0, 1e30, 1e308, INF):
        expected = p_norm_maximum(x, p=p)
        actual = p_norm_maximum(x, p=torch.full((4,), p, dtype=F64, device=device))
        torch.testing.assert_close(actual, expected, rtol=4 * torch.finfo(dtype).eps, atol=0)


def test_each_row_has_its_own_sharpness(draw, device):
    x, K = draw.uniform(3, 5, low=0.1), column([1.5, 20.0, INF], device)
    for function in SOFT:
        rows = torch.stack([function(row, sharpness=k.item()) for row, k in zip(x, K, strict=True)])
        torch.testing.assert_close(function(x, sharpness=K), rows)
        torch.testing.assert_close(function(x.T, sharpness=K, dim=0), rows)
    rows = torch.stack([p_norm_maximum(row, p=k.item()) for row, k in zip(x, K, strict=True)])
    torch.testing.assert_close(p_norm_maximum(x, p=K), rows)


def test_the_maximum_itself_has_gradient_0_in_the_sharpness(draw, device):
    x = draw.uniform(3, 5)
    for function in (*SOFT, *map(absolute, KINDS), lambda x, sharpness: p_norm_maximum(x, p=sharpness)):
        assert gradients(lambda x, K, f=function: f(x, sharpness=K), x, column(INF, device))[2] == 0


# ------------------------------------------------------------------- agreement


def test_gradients_in_the_sharpness_agree_with_mpmath(device):
    """They keep their digits where the sharpness is small: that of mellowmax tends to half a variance."""
    rows = [[1.0, 2.0, 3.5, -1.0], [0.5, 0.25, 0.5, 0.5]]

    def mellow(k, row):
        return mp.log(mp.fsum(mp.exp(k * mp.mpf(v)) for v in row) / len(row)) / k

    def boltzmann(k, row):
        weights = [mp.exp(k * mp.mpf(v)) for v in row]
        return mp.fsum(w * v for w, v in zip(weights, row, strict=True)) / mp.fsum(weights)

    def lse(k, row):
        return mp.log(mp.fsum(mp.exp(k * mp.mpf(v)) for v in row)) / k

    for k in (1e-12, 1e-6, 0.02, 0.03, 0.5, 4.0):
        for function, exact in zip(SOFT, (lse, mellow, boltzmann), strict=True):
            K = torch.full((2,), k, dtype=F64, device=device)
            slope = gradients(lambda K, f=function: f(column(rows, device), sharpness=K), K)[1]
            with mp.workdps(80):
                assert_close(
                    slope, [mp.diff(lambda k, r=r, f=exact: f(k, r), mp.mpf(k)) for r in rows], 1e-11
                )


# ------------------------------------------------------------------- failure


def test_where_values_are_not_looked_at_a_wrong_setting_gives_nan(draw, device):
    x, wrong = draw.uniform(2, 3), column([0.0, -1.0], device)
    for function in (*SOFT, *map(absolute, KINDS), lambda x, sharpness: p_norm_maximum(x, p=sharpness)):
        assert torch.vmap(lambda k, f=function: f(x, sharpness=k))(wrong).isnan().all()
