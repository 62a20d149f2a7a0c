"""p-norms as maxima: identities, agreement with mpmath, zeros, infinity and negative entries."""

import pytest
import torch
from helpers import DEVICES, DTYPES, INF, NAN, column, gradients, rounding
from mpmath import mp
from smoothing.smooth_maximum_cases import assert_within, exact, second
from torch.autograd import gradcheck, gradgradcheck

from lemmata.smoothing import p_norm_maximum

pytestmark = pytest.mark.parametrize("device", DEVICES)


# ------------------------------------------------------------------- identity


def test_p_norms_that_are_known(draw):
    x = draw.normal(20, 5).abs()
    torch.testing.assert_close(p_norm_maximum(x, p=1), x.sum(-1), rtol=1e-15, atol=0)
    torch.testing.assert_close(
        p_norm_maximum(x, p=2), torch.linalg.vector_norm(x, dim=-1), rtol=1e-15, atol=0
    )
    assert torch.equal(p_norm_maximum(2 * x, p=3), 2 * p_norm_maximum(x, p=3))


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 7.5])
def test_gradients_of_gradients_of_the_p_norm(draw, p):
    x = (draw.normal(3, 4).abs() + 0.05).requires_grad_()
    assert gradcheck(lambda x: p_norm_maximum(x, p=p), x)
    assert gradgradcheck(lambda x: p_norm_maximum(x, p=p), x)


def test_second_derivative_of_the_p_norm_by_an_entry_that_is_zero(device):
    x = column([0.0, 3.0, 4.0], device)
    expected = {1: 0.0, 1.5: 0.0, 2: 1 / 5, 3: 0.0}  # 1 / norm for p = 2; infinite, given as 0, for 1.5
    for p, number in expected.items():
        hessian = torch.func.hessian(lambda x, p=p: p_norm_maximum(x, p=p))(x)
        assert hessian.isfinite().all()
        assert hessian[0, 0].item() == pytest.approx(number, rel=1e-14)
        assert hessian[1, 1].item() == pytest.approx(
            0 if p == 1 else float(mp.diff(lambda v, p=p: (v**p + mp.mpf(4) ** p) ** (1 / mp.mpf(p)), 3, 2)),
            rel=1e-12,
        )


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("p", [1, 1.0001, 1.5, 2, 3, 11.5, 1e4, 1e10, 1e30])
@pytest.mark.parametrize("dtype", DTYPES)
def test_p_norm_agrees_with_mpmath(draw, dtype, p):
    """r = x / max is rounded once, and its power p times as much: a weight loses p eps."""
    x = draw.normal(6, 5, dtype=dtype).abs()
    x[0, 1] = 0
    rows, gradient = gradients(lambda x: p_norm_maximum(x, p=p), x)
    assert rows.dtype == gradient.dtype == dtype
    sums, kept = rounding(dtype)
    for row, value, slope in zip(x.tolist(), rows, gradient, strict=True):
        if p > 1e4:  # the others weigh nothing
            assert_within(value, [max(row)], 4 * sums + kept, 0)
            assert slope.tolist() == pytest.approx([float(v == max(row)) for v in row], rel=4 * sums)
            continue
        want, weights = exact(p_norm_maximum, row, p)
        assert_within(value, [want], 8 * sums + kept, 0)
        for got, w in zip(slope.tolist(), weights, strict=True):
            assert abs(got - w) <= (sums * (8 + p) + kept) * w + torch.finfo(dtype).tiny


# ------------------------------------------------------------------- failure: extreme input


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 1e30, INF])
def test_p_norm_of_zeros_infinity_and_large_numbers(device, dtype, p):
    large = torch.finfo(dtype).max / 64
    x = column(
        [[0.0] * 4, [INF, 1.0, INF, 0.0], [large, 0.0, 0.0, large], [0.0, 2.0, 0.0, 0.0]], device, dtype
    )
    rows, gradient = gradients(lambda x: p_norm_maximum(x, p=p), x)
    both = 2.0 ** (1 / p)
    expected = torch.tensor([0, INF, large * both, 2], dtype=torch.float64).to(dtype)
    torch.testing.assert_close(rows.cpu(), expected)
    slopes = [
        [4 ** (1 / p - 1)] * 4,
        [0.5, 0, 0.5, 0],
        [both / 2, p == 1, p == 1, both / 2],
        [p == 1, 1] + [p == 1] * 2,
    ]
    torch.testing.assert_close(gradient.cpu(), torch.tensor(slopes, dtype=torch.float64).to(dtype))
    if p < 1e9:
        assert not second(lambda x: p_norm_maximum(x, p=p), x).isnan().any()


def test_p_norm_refuses_negative_entries_where_it_can_look(device):
    x = column([[1.0, 2.0], [1.0, -2.0]], device)
    if device == "cpu":
        for p in (1, 3, INF):
            with pytest.raises(ValueError, match=r"x must be at least 0, got values down to -2"):
                p_norm_maximum(x, p=p)
        with pytest.raises(ValueError, match="-inf"):
            p_norm_maximum(column([[NAN, 1.0], [-INF, 1.0]], device), p=3)
    for p in (1, 2, 3, INF):
        rows = torch.vmap(lambda x, p=p: p_norm_maximum(x, p=p))(x)
        assert rows.isnan().tolist() == [False, True]
    compiled = torch.compile(lambda x: p_norm_maximum(x, p=3), fullgraph=True, backend="aot_eager")
    assert compiled(x).isnan().tolist() == [False, True]
    assert p_norm_maximum(column([[-0.0, 1.0]], device), p=3) == 1


def test_odd_p_with_negative_entries_would_not_be_a_maximum(device):
    """Why they are refused: the formula tends to the entry of largest modulus, here the minimum."""
    x = column([-1.0, -2.0], device)
    for p, number in ((3, -2.0800838230519), (5, -2.01234661708556)):
        norm = -((-(x**p).sum()) ** (1 / p))
        assert norm.item() == pytest.approx(number, rel=1e-13)
