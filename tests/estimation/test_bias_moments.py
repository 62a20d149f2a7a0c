"""Moments of data in pieces: the whole from any pieces, on any number of ranks, and what is too little."""

import itertools
import json
from fractions import Fraction

import pytest
import torch
from estimation.bias_oracle import exact_sums, k_of_sums
from helpers import DEVICES, DTYPES, F64, INF, NAN, Draw, assert_close, assert_refused, close, column
from scipy import stats

from lemmata.estimation import Moments
from lemmata.estimation._bias.merging import merge, summary
from lemmata.numerics import gathering

pytestmark = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture
def normal(device):
    return Draw(6747, device).normal


def assert_same_moments(one, other, relative=1e-12):
    for name in ("count", "mean", "variance", "skewness", "kurtosis"):
        a, b = getattr(one, name), getattr(other, name)
        torch.testing.assert_close(a, b, rtol=relative, atol=relative, equal_nan=True)
    for order in (1, 2, 3, 4):
        torch.testing.assert_close(
            one.k_statistic(order), other.k_statistic(order), rtol=relative, atol=relative
        )


# ------------------------------------------------------------------- identity


def test_moments_of_columns(normal):
    x = normal(40, 3, 2).exp()
    for dim in (0, (0, 2), -1):
        whole = Moments.of(x, dim=dim)
        torch.testing.assert_close(whole.mean, x.mean(dim), rtol=1e-14, atol=0)
        torch.testing.assert_close(whole.variance, x.var(dim), rtol=1e-13, atol=0)
        assert (whole.count == x.numel() // whole.mean.numel()).all()
    pieces = Moments.of(x[:0], dim=0).update(x[:11]).update(x[11:])
    assert_same_moments(pieces, Moments.of(x, dim=0))
    assert pieces.state.shape == (6, 3, 2)
    alone = Moments.of(x[:, 1, 1])
    torch.testing.assert_close(pieces.k_statistic(4)[1, 1], alone.k_statistic(4), rtol=1e-12, atol=0)


def test_merging_does_not_lose_the_rounding_of_the_means(device):
    """Two points 1 apart at 2^52: their mean ends in 1/2, which no float64 there can hold with a third."""
    x = column([2.0**52, 2.0**52 + 1, 2.0**52 + 3], device)
    moments = Moments.of(x[:2]).update(x[2:])
    close(moments.variance.item(), 7 / 3)
    close(moments.k_statistic(3).item(), Fraction(20, 9) * 3 / 2)
    state = merge(summary(x[:1], (0,)), summary(x[1:], (0,)))
    close((state[1] - 2.0**52 + state[2]).item(), 4 / 3)


def test_ten_million_values_in_uneven_pieces(normal):
    x = normal(10_000_000, dtype=torch.float32) + 1000
    whole, pieces = Moments.of(x), Moments.of(x[:0])
    for piece in x.tensor_split([1, 10, 1000, 1_000_000, 1_000_000, 7_654_321]):
        pieces.merge(Moments.of(piece))
    assert_same_moments(pieces, whole, 1e-11)
    assert whole.count == 1e7


# ------------------------------------------------------------------- identity: ranks


def test_all_reduce_gathers_once(normal, monkeypatch):
    x, calls = normal(50), []
    shards = [Moments.of(piece) for piece in x.tensor_split([7, 7, 30])]
    group = object()
    states = [s.state.clone() for s in shards]

    def all_gather(out, mine, group):
        calls.append(group)
        assert any(torch.equal(mine, s) for s in states)
        for place, state in zip(out, states, strict=True):
            place.copy_(state)

    monkeypatch.setattr(gathering.dist, "get_world_size", lambda g: len(shards) if g is group else -1)
    monkeypatch.setattr(gathering.dist, "all_gather", all_gather)
    for shard in shards:
        assert shard.all_reduce(group) is shard
        assert torch.equal(shard.state, shards[0].state)
    assert calls == [group] * 4
    assert_same_moments(shards[0], Moments.of(x))


WORKER = """
import json, sys, torch, torch.distributed as dist
from lemmata.estimation import Moments

rank, folder = int(sys.argv[1]), sys.argv[2]
generator = torch.Generator().manual_seed(6747)
x = torch.randn(101, 2, generator=generator, dtype=torch.float64).exp() + 1e6
for world, cuts in ((1, []), (2, [77]), (3, [5, 5])):
    if rank < world:
        store = f"file://{folder}/{world}-{cuts}".replace(" ", "")
        dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world)
        shard = x.tensor_split(cuts)[rank]
        group = dist.new_group(list(range(world)))
        total, columns = Moments.of(shard).all_reduce(), Moments.of(shard, dim=0).all_reduce(group)
        print(json.dumps([world, cuts, total.state.tolist(), columns.state.tolist()]), flush=True)
        dist.destroy_process_group()
"""


def test_gloo_worlds_of_one_two_and_three(device, run_ranks):
    if device != "cpu":
        pytest.skip("gloo works on the CPU")
    lines = run_ranks(WORKER)
    x = torch.randn(101, 2, generator=torch.Generator().manual_seed(6747), dtype=F64).exp() + 1e6
    whole, columns = Moments.of(x), Moments.of(x, dim=0)
    assert [len(printed) for printed in lines] == [3, 2, 1]
    seen = {}
    for world, cuts, *states in (json.loads(line) for line in itertools.chain(*lines)):
        assert seen.setdefault((world, str(cuts)), states) == states  # the same on every rank
        for state, expected in zip(states, (whole, columns), strict=True):
            dim = None if expected is whole else 0
            assert_same_moments(Moments(torch.tensor(state, dtype=F64), dim), expected)


# ------------------------------------------------------------------- agreement


CUTS = [(0, 1, 2, 700), (0, 0, 1000), (500, 999), (1, 3, 7, 20, 55, 148, 400)]


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("offset", [0.0, -3.0, 1e8])
def test_pieces_have_the_moments_of_the_whole(normal, cuts, offset):
    x = normal(1000).exp() + offset
    x[cuts[-1] :] += 2.5  # the pieces differ
    whole = Moments.of(x)
    pieces = x.tensor_split(cuts)
    updated = Moments.of(x[:0])
    for piece in pieces:
        assert updated.update(piece) is updated
    assert_same_moments(updated, whole)
    merged = [Moments.of(piece) for piece in pieces]
    before = [m.state.clone() for m in merged]
    tree = Moments.of(x[:0])
    for m in reversed(merged):
        assert tree.merge(m) is tree
    assert_same_moments(tree, whole)
    assert all(torch.equal(m.state, b) for m, b in zip(merged, before, strict=True))
    n, mean, m2, m3, m4 = exact_sums(x)
    assert whole.count == n
    assert_close(whole.mean, [mean], 1e-15)
    assert_close(whole.variance, [m2 / (n - 1)], 1e-13)
    assert_close(whole.skewness, [m3 / n / float(m2 / n) ** 1.5], 1e-13)
    assert_close(whole.kurtosis, [m4 / n / (m2 / n) ** 2], 1e-13)
    for order in (1, 2, 3, 4):
        assert_close(updated.k_statistic(order), [k_of_sums((n, mean, m2, m3, m4), order)], 1e-13)


def test_scipy_agrees(normal):
    x = normal(3, 40).exp()
    moments = Moments.of(x[0])
    close(moments.skewness.item(), stats.skew(x[0].cpu()))
    close(moments.kurtosis.item(), stats.kurtosis(x[0].cpu(), fisher=False))


# ------------------------------------------------------------------- failure


def test_moments_of_too_little_are_nan(device):
    x = column([1.0, 5.0, 6.0], device)
    for n, known in ((0, 0), (1, 1), (2, 2), (3, 3)):
        moments = Moments.of(x[:n])
        assert moments.count == n
        assert [moments.k_statistic(order).isnan().item() for order in (1, 2, 3, 4)] == [
            order > known for order in (1, 2, 3, 4)
        ]
    assert Moments.of(x[:0]).mean.isnan()
    assert Moments.of(x[:1]).variance.isnan()
    assert Moments.of(torch.ones(0, 3, device=device), dim=0).mean.isnan().tolist() == [True] * 3
    assert Moments.of(torch.ones(3, 0, device=device), dim=0).mean.shape == (0,)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_what_is_not_finite_stays_in_the_moments(normal, value):
    x = normal(10)
    x[3] = value
    for moments in (Moments.of(x), Moments.of(x[:5]).update(x[5:]), Moments.of(x[5:]).update(x[:5]),
                    Moments.of(x[:0]).update(x)):  # fmt: skip
        assert moments.count == 10
        for name in ("mean", "variance", "skewness", "kurtosis"):
            assert getattr(moments, name).isnan()


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_entries_have_variance_exactly_0(device, dtype):
    for value in (0.1, 1 / 3, 1e4, -7.7):
        x = torch.full((2, 1001), value, dtype=dtype, device=device)
        moments = Moments.of(x)
        assert moments.mean == x[0, 0].double()
        assert moments.variance == 0
        assert moments.skewness.isnan()
        assert moments.kurtosis.isnan()


BAD_CALLS = [
    (TypeError, "got torch.int64", lambda x, i: Moments.of(i)),
    (TypeError, "got torch.int64", lambda x, i: Moments.of(x).update(i)),
    (ValueError, "got 2", lambda x, i: Moments.of(x, dim=2)),
    (ValueError, "order must be from 1 to 4, got 5", lambda x, i: Moments.of(x).k_statistic(5)),
    (
        ValueError,
        r"other must hold moments of shape \(\), got \(5,\)",
        lambda x, i: Moments.of(x).merge(Moments.of(x, dim=0)),
    ),
    (
        ValueError,
        r"other must hold moments of shape \(5,\), got \(\)",
        lambda x, i: Moments.of(x, dim=0).merge(Moments.of(x)),
    ),
]


def test_bad_input_is_named(device):
    x, i = torch.ones(3, 5, device=device), torch.ones(3, 5, dtype=torch.int64, device=device)
    assert_refused(BAD_CALLS, x, i)
