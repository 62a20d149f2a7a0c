"""Accuracy and the F-measure made smooth: identities, agreement with exact numbers, edges."""

import itertools
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from helpers import DEVICES, DTYPES, INF, NAN, assert_close, column, derivatives, resolution
from mpmath import mp
from smoothing.approximations_cases import (
    exact_one_hot,
    smallest,
)

from lemmata.smoothing import (
    smooth_accuracy,
    smooth_fbeta,
)

pytestmark = pytest.mark.parametrize("device", DEVICES)


# ------------------------------------------------------------------- identity


def test_accuracy_is_the_mean_probability_of_the_right_class(draw, device):
    s, y = draw.normal(3, 4, 5), draw.below(5, 3, 4)
    rows = smooth_accuracy(s, y, reduction="none")
    torch.testing.assert_close(rows, torch.exp(-F.cross_entropy(s.mT, y, reduction="none")))
    torch.testing.assert_close(smooth_accuracy(s, y), rows.sum() / 12)
    torch.testing.assert_close(smooth_accuracy(s, y, reduction="sum"), rows.sum())
    hard = smooth_accuracy(1e4 * s, y)
    torch.testing.assert_close(hard, (s.argmax(-1) == y).double().mean())
    _, gradient, _ = derivatives(lambda s: smooth_accuracy(s, y, reduction="none"), s)
    p = torch.softmax(s, -1)
    slope = p.gather(-1, y[..., None]) * (F.one_hot(y, 5) - p)
    torch.testing.assert_close(gradient, slope, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("beta", [0, 0.5, 1.0, 2.0, 1e200, INF])
def test_fbeta_is_the_f_measure_of_hard_decisions(draw, beta):
    p, t = draw.below(2, 6, 30).double(), draw.below(2, 6, 30)
    hits, found, there = (p * t).sum(1), p.sum(1), t.sum(1)
    precision, recall = hits / found, hits / there
    weight = 1 / (1 + beta * beta)
    expected = 1 / (weight / precision + (1 - weight) / recall)
    torch.testing.assert_close(smooth_fbeta(p, t, beta=beta, dim=1), expected, rtol=1e-14, atol=0)
    if beta == 1:
        torch.testing.assert_close(smooth_fbeta(p, t, dim=-1), 2 * hits / (found + there))
        torch.testing.assert_close(smooth_fbeta(p, t), 2 * hits.sum() / (found + there).sum())


def test_fbeta_over_an_axis(draw):
    p, t = draw.uniform(3, 4, 5), draw.uniform(3, 4, 5)
    for dim in (0, 1, 2, -1, -3):
        hits, total = (p * t).sum(dim), 4 * t.sum(dim) + p.sum(dim)
        torch.testing.assert_close(smooth_fbeta(p, t, beta=2.0, dim=dim), 5 * hits / total)
    torch.testing.assert_close(smooth_fbeta(p[0, 0, 0], t[0, 0, 0], beta=1.0),
                               2 * (p * t)[0, 0, 0] / (p + t)[0, 0, 0])  # fmt: skip


def test_the_mean_over_batches_is_not_the_f_measure(device):
    tenths = [Fraction(v, 20) for v in (18, 4, 2, 12, 8, 2, 6, 1)]
    p = column([float(v) for v in tenths], device)
    t = torch.tensor([1, 0, 0, 1, 0, 0, 0, 0], device=device)
    for size, exact in (
        (1, Fraction(129, 608)),
        (2, Fraction(1123878989, 3123300180)),
        (8, Fraction(20, 31)),
    ):
        batches = torch.tensor(list(itertools.combinations(range(8), size)), device=device)
        assert_close(smooth_fbeta(p[batches], t[batches], dim=1).mean(), [float(exact)], 1e-14)
    batches = torch.tensor(list(itertools.combinations(range(8), 4)), device=device)
    assert_close(smooth_fbeta(p[batches], t[batches], dim=1).mean(), [0.5331188732552115], 1e-14)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("dtype", DTYPES)
def test_accuracy_and_fbeta_agree_with_mpmath(draw, dtype):
    s, y = draw.normal(6, 5, scale=4.0, dtype=dtype), draw.below(5, 6)
    rows = smooth_accuracy(s, y, reduction="none")
    assert rows.dtype == dtype
    exact = [exact_one_hot(row, 1)[i] for row, i in zip(s.tolist(), y.tolist(), strict=True)]
    close = resolution(dtype, (s.amax() - s.amin()).item())
    assert_close(rows, exact, close, smallest(dtype))
    p, t = draw.uniform(6, 5, dtype=dtype), draw.uniform(6, 5, dtype=dtype)
    f, gradient, _ = derivatives(lambda p: smooth_fbeta(p, t, beta=1.5, dim=1), p)
    assert f.dtype == gradient.dtype == dtype
    square, values, slopes = mp.mpf(2.25), [], []
    for p_row, t_row in zip(p.tolist(), t.tolist(), strict=True):
        hits = mp.fsum(mp.mpf(a) * mp.mpf(b) for a, b in zip(p_row, t_row, strict=True))
        total = square * mp.fsum(t_row) + mp.fsum(p_row)
        values.append((1 + square) * hits / total)
        slopes += [(1 + square) * (mp.mpf(b) / total - hits / total**2) for b in t_row]
    assert_close(f, values, resolution(dtype, 0))
    assert_close(gradient, slopes, resolution(dtype, 0), resolution(dtype, 0))


# ------------------------------------------------------------------- failure: extreme input


def test_accuracy_at_infinity(device):
    s = column([[-INF, -INF], [INF, 0.0], [INF, INF], [-INF, 1.0]], device)
    y = torch.tensor([0, 0, 1, 0], device=device)
    rows, gradient, second = derivatives(lambda s: smooth_accuracy(s, y, reduction="none"), s)
    assert rows.tolist() == [0, 1, 0.5, 0]
    assert (gradient == 0).all()
    assert (second == 0).all()


@pytest.mark.parametrize("beta", [0, 1.0, 3.0, INF])
@pytest.mark.parametrize("dtype", DTYPES)
def test_fbeta_of_nothing_is_0(device, dtype, beta):
    p, t = torch.zeros(2, 3, dtype=dtype, device=device), torch.zeros(2, 3, device=device)
    t[1, 0] = beta == 0
    f, gradient, second = derivatives(lambda p: smooth_fbeta(p, t, beta=beta, dim=1), p)
    assert f.tolist() == [0, 0]
    assert (gradient == 0).all()
    assert (second == 0).all()
    _, gradient, _ = derivatives(lambda t: smooth_fbeta(p, t, beta=beta, dim=1), t * 0)
    assert (gradient == 0).all()
    small = smooth_fbeta(p + 1e-6, t * 0, beta=1.0, dim=1)  # the limit is the value
    assert small.tolist() == [0, 0]
    assert smooth_fbeta(p[:0], t[:0]) == 0
    assert smooth_fbeta(p[:, :0], t[:, :0], dim=1).tolist() == [0, 0]


def test_fbeta_of_nan_where_values_are_not_read(device):
    p, t = column([[NAN, 0.5], [0.25, 0.5]], device), column([[1.0, 0.0], [1.0, 0.0]], device)
    f = torch.vmap(smooth_fbeta)(p, t)
    assert f[0].isnan()
    assert f[1] == 2 / 7


# ------------------------------------------------------------------- failure: bad input


@pytest.mark.parametrize("value", [-0.1, 1.1, NAN, INF])
def test_values_outside_the_unit_interval_raise_on_the_cpu(device, value):
    if device != "cpu":
        pytest.skip("reading them would wait for the device")
    half, bad = torch.full((2, 3), 0.5), torch.full((2, 3), 0.5)
    bad[1, 1] = value
    with pytest.raises(ValueError, match=r"probabilities must be in \[0, 1\], got values from"):
        smooth_fbeta(bad, half)
    with pytest.raises(ValueError, match=r"target must be in \[0, 1\], got values from"):
        smooth_fbeta(half, bad)


@pytest.mark.parametrize("value", [-1, 3])
def test_classes_out_of_range_raise_on_the_cpu(device, value):
    if device != "cpu":
        pytest.skip("reading them would wait for the device")
    with pytest.raises(ValueError, match=rf"target must be in \[0, 3\), got values from .*{value}"):
        smooth_accuracy(torch.zeros(2, 3), torch.tensor([1, value]))
    assert smooth_accuracy(torch.zeros(2, 3), torch.tensor([0, 2])) == torch.tensor(1 / 3)
