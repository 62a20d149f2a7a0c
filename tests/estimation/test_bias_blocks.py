"""Moments of a large sample are made block by block: the same numbers, whatever is in the blocks."""

import pytest
import torch
from helpers import DTYPES, F64, INF, NAN, Draw

from lemmata.estimation import Moments
from lemmata.estimation._bias import blocks
from lemmata.estimation._bias.merging import merge, merge_all, summary

SIZE = blocks.SIZE


def assert_same(state, other, relative=1e-13):
    torch.testing.assert_close(state[0], other[0], rtol=0, atol=0)
    torch.testing.assert_close(state[1] + state[2], other[1] + other[2], rtol=1e-15, atol=1e-15)
    second, fourth = (other[k] / other[0] for k in (3, 5))
    torch.testing.assert_close(state[3], other[3], rtol=relative, atol=0)
    assert ((state[4] - other[4]) / other[0]).abs().le(relative * (second * fourth).sqrt()).all()
    torch.testing.assert_close(state[5], other[5], rtol=relative, atol=0)


@pytest.fixture
def normal():
    return Draw(6747).normal


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("offset", [0.0, 1.5, -30.0])
@pytest.mark.parametrize("count", [SIZE + 1, 3 * SIZE, SIZE + 67_235])
def test_blocks_have_the_moments_of_the_whole(normal, dtype, offset, count):
    x = (normal(count).exp() + offset).to(dtype)
    assert_same(Moments.of(x).state, summary(x.double(), (0,)))


@pytest.mark.parametrize("offset", [1e6, -1e8, 2.0**40])
def test_far_from_0(normal, offset):
    x = normal(SIZE + 67_235) + offset
    assert_same(Moments.of(x).state, summary(x, (0,)))
    k4 = Moments.of((normal(1_000_000) + 1e6).float()).k_statistic(4)
    assert abs(k4) < 0.06  # rounded to 1/16, and sampled: its deviation is 0.005


def test_blocks_that_the_guess_does_not_suit(normal, monkeypatch):
    """Sorted numbers, and numbers at another place in each block, are done over about their own means."""
    done = []
    monkeypatch.setattr(blocks, "summary", lambda x, dim: done.append(len(x)) or summary(x, dim))
    for x in (normal(4 * SIZE).sort().values, normal(4, SIZE) + torch.tensor([[0.0], [1e5], [2e5], [-1e9]])):
        done.clear()
        assert_same(Moments.of(x).state, summary(x.view(-1), (0,)))
        assert done
    done.clear()
    Moments.of(normal(4 * SIZE))
    assert not done


@pytest.mark.parametrize("shape", [(300, 500), (50_000, 3), (3, 50_000), (50, 60, 50)])
@pytest.mark.parametrize("dim", [0, -1, None])
def test_axes_and_layouts(normal, shape, dim):
    x = normal(*shape) + 3
    axes = tuple(range(len(shape))) if dim is None else (dim % len(shape),)
    assert_same(Moments.of(x, dim=dim).state, summary(x, axes))
    moved = x.transpose(0, 1).contiguous().transpose(0, 1)
    assert_same(Moments.of(moved, dim=dim).state, summary(x, axes))


def test_merging_all_is_merging_one_by_one(normal):
    parts = [summary(normal(n, 2).exp() + 1e8 * n, (0,)) for n in (3, 1, 50, 700)]
    one_by_one = parts[0]
    for part in parts[1:]:
        one_by_one = merge(one_by_one, part)
    assert_same(merge_all(torch.stack(parts, 1)), one_by_one)


# ------------------------------------------------------------------- failure


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("place", [0, SIZE + 7, -1])
def test_what_is_not_finite_stays_in_the_moments(normal, value, place):
    x = normal(2 * SIZE + 100)
    x[place] = value
    state = Moments.of(x).state
    assert state[0] == len(x)
    assert (state[1] + state[2]).isnan()
    assert state[3:].isnan().all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1e4, -7.7])
def test_equal_entries_have_variance_exactly_0(dtype, value):
    x = torch.full((2 * SIZE + 5,), value, dtype=dtype)
    moments = Moments.of(x)
    assert moments.mean == x[0].double()
    assert moments.variance == 0
    assert moments.kurtosis.isnan()


def test_powers_that_overflow_are_as_those_of_the_whole():
    x = torch.full((SIZE + 9,), 1e200, dtype=F64)
    x[::2] = -1e200
    state, expected = Moments.of(x).state, summary(x, (0,))
    torch.testing.assert_close(state[:1], expected[:1])
    assert not state[3:].isfinite().any()
    assert not expected[3:].isfinite().any()
