"""GELU goes piece by piece where it may: the same numbers as the plain formula, at awkward points, too."""

import pytest
import torch
from helpers import DTYPES, INF, NAN, gradient, seeded

from lemmata.smoothing import gelu
from lemmata.smoothing._gelu import forms, pieces

FORMS = ["none", "tanh", "sigmoid", "tanh-minimax", "sigmoid-minimax"]
HALF = [torch.bfloat16, torch.float16]


def awkward(dtype, count=3 * pieces.SIZE + 5):
    """Every piece has its share of normal numbers, one has infinities, another NaN; the last one is short."""
    info = torch.finfo(dtype)
    x = 3 * torch.randn(count, generator=seeded())
    ends = [info.max, -info.max, info.tiny, -info.tiny, info.tiny * info.eps, 0.0, -0.0, -9.0, -0.75]
    x = x.to(dtype)
    for start, extra in ((0, []), (pieces.SIZE, [INF, -INF]), (2 * pieces.SIZE, [NAN])):
        for place, value in enumerate(ends + extra):
            x[start + 17 * place] = value
    return x


def plain(x, grad):
    """Value and gradient by the formulas that may be differentiated again."""
    return forms._plain(x, "none"), grad * forms._slope(forms._clipped(x), "none")


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_exact_pieces_agree_with_the_plain_formula(dtype):
    x = awkward(dtype)
    grad = torch.randn(x.shape, generator=seeded()).to(dtype)
    value, slope = plain(x, grad)
    eps = torch.finfo(dtype).eps
    near = 2 * eps * grad.abs() + torch.finfo(dtype).tiny  # of terms that cancel near -3/4, of underflow
    y, dx = gelu(x), gradient(gelu, x, grad)
    fine = 8 * eps * torch.finfo(dtype).tiny  # half a subnormal unit of erfc, times x: at -13 it leaves 0
    torch.testing.assert_close(y, value, rtol=4 * eps, atol=fine, equal_nan=True)
    known = ~x.isnan()
    assert torch.equal(y[known].signbit(), value[known].signbit())  # of 0, too
    wrong = (dx - slope).abs() > 40 * eps * slope.abs() + near
    assert not wrong.any()
    assert torch.equal(dx.isnan(), slope.isnan())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", HALF)
def test_a_table_has_the_numbers_of_the_formula(monkeypatch, dtype, form):
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype)
    x = bits.repeat(4)[: forms.MANY]
    grad = torch.randn(x.shape, generator=seeded()).to(dtype)
    f = lambda x: gelu(x, approximate=form)  # noqa: E731
    by_table = f(x), gradient(f, x, grad)
    monkeypatch.setattr(forms, "MANY", 2**62)
    for one, other in zip(by_table, (f(x), gradient(f, x, grad)), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_fast_ways_are_taken(monkeypatch, dtype):
    called = []
    for name in ("exact_value", "exact_slope", "by_table"):
        work = getattr(forms, name)
        monkeypatch.setattr(forms, name, lambda *a, n=name, w=work: called.append(n) or w(*a))
    x = torch.zeros(forms.MANY, dtype=dtype)
    gradient(gelu, x)
    fast = ["exact_value", "exact_slope"] if dtype in (torch.float32, torch.float64) else ["by_table"] * 2
    assert called == fast
    gradient(gelu, x.view(2, -1).T)  # not in order
    assert called == fast


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pieces_leave_the_argument_and_its_gradient_alone(dtype):
    x = awkward(dtype)
    grad = torch.ones_like(x)
    kept = x.clone()
    gradient(gelu, x, grad)
    torch.testing.assert_close(x, kept, rtol=0, atol=0, equal_nan=True)
    assert (grad == 1).all()
