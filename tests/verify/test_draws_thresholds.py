"""Each look at a sample has a threshold: just beyond it the sample is refused, just before it is believed.

The samples are made so that their statistic is known by hand.
"""

from __future__ import annotations

import math

import pytest
import torch

from lemmata.verify.draws import _chained, _doubled, _drifting, _heavy, _on_a_grid, _repeated


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def spikes(n, at):
    """0, except for {place: value}."""
    x = torch.zeros(n, dtype=torch.float64)
    for place, value in at.items():
        x[place] = value
    return x


# --- a variance that a few draws carry ----------------------------------------------------------------------


def test_fifteen_draws_may_carry_the_variance_and_fourteen_may_not():
    signs = [0.5, -0.5] * 7
    assert _heavy(tensor(signs + [0.0] * 86)) == "a sample whose variance is carried by 14 of 100 draws"
    assert _heavy(tensor([*signs, 0.5] + [0.0] * 85)) is None


def falling(k, exponent, n, kinds=None):
    """Hill's estimate from the k largest of n is the exponent; they have so many kinds, and lie above 1/2."""
    per_kind = math.ceil(k / (kinds or k))
    steps = [-(i // per_kind) for i in range(k)]
    steps = [step - min(steps) + 1 for step in steps]
    tail = [0.5 * math.exp(step * k / exponent / sum(steps)) for step in steps]
    return tensor([*tail, 0.5] + [-0.45] * (n - k - 1))


@pytest.mark.parametrize(("n", "k"), [(100, 10), (400, 20)])
def test_a_tail_is_measured_on_the_root_of_the_draws_and_falls_faster_than_its_square(n, k):
    assert _heavy(falling(k, 2.02, n)) is None
    assert "a tail that falls like x^-2.0: no variance" in _heavy(falling(k, 1.98, n))


def test_a_tail_of_few_values_is_not_measured():
    assert "falls like x^-1.5" in _heavy(falling(10, 1.5, 100, kinds=5))  # and the smallest: six
    assert _heavy(falling(10, 1.5, 100, kinds=4)) is None


# --- draws that know those before them ----------------------------------------------------------------------


@pytest.mark.parametrize("lag", [1, 7, 20])
@pytest.mark.parametrize(("n", "limit"), [(400, 0.3), (10_000, 0.1)])  # six deviates, and never below 0.1
def test_correlation_at_a_short_lag_has_a_limit(n, limit, lag):
    for r in (0.98 * limit, -0.98 * limit):
        assert _chained(spikes(n, {50: 0.5, 50 + lag: 0.5 * echo(r)})) is None
    for r in (1.02 * limit, -1.02 * limit):
        found = _chained(spikes(n, {50: 0.5, 50 + lag: 0.5 * echo(r)}))
        assert found == f"draws that depend on each other: correlation {r:.2f} at lag {lag}"


def echo(r):
    """The second of two spikes, whose correlation v / (1 + v^2) is r."""
    return (1 - math.sqrt(1 - 4 * r * r)) / (2 * r)


def test_correlation_at_its_limit_is_believed_and_longer_lags_are_none_of_its_business():
    assert _chained(spikes(144, {50: 1, 53: 1})) is None  # 6 / sqrt(144) = 1/2
    assert _chained(spikes(4096, {50: 1, 51: 1} | {100 * i: 1 for i in range(2, 10)})) is None  # 1/10
    assert _chained(spikes(400, {50: 1, 71: 1})) is None


def drifting(n, size, ratio):
    """Means of blocks of this size vary so many times as much as they should; n is no multiple of it."""
    m = n // size
    swing = math.sqrt(ratio * (m - 1) / (m * size))
    blocks = tensor([swing, -swing]).repeat(m // 2).repeat_interleave(size)
    noise = math.sqrt(1 - swing**2) * tensor([1.0, -1.0]).repeat(m * size // 2)
    return 0.5 * torch.cat([blocks + noise, torch.zeros(n - m * size, dtype=torch.float64)])


@pytest.mark.parametrize(
    ("n", "size", "limit"),
    [
        (256, 16, 5.05),  # six deviates above the mean of chi-square with 15 degrees of freedom, over 15
        (256, 8, 3.38),
        (1024, 8, 1.956),
        (512, 2, 1.633),
        (4097, 2, 1.5),  # never below that
    ],
)
def test_means_of_blocks_may_vary_by_so_much(n, size, limit):
    assert _drifting(drifting(n, size, 0.99 * limit)) is None
    found = f"means of {size} vary {1.01 * limit:.1f} times as much as they should"
    assert _drifting(drifting(n, size, 1.01 * limit)) == f"draws that depend on each other: {found}"


def test_means_of_blocks_at_their_limit_are_believed():
    alike, apart = tensor([1.0, 1.0, -1.0, -1.0]).repeat(768), tensor([1.0, -1.0]).repeat(513)
    assert _drifting(torch.cat([alike, apart])) is None  # 2 * 1536 / 2048 = 3/2


def test_fewer_than_sixteen_blocks_tell_nothing():
    assert _drifting(drifting(256, 16, 6.0))
    assert _drifting(drifting(256, 16, 6.0)[:-1]) is None


# --- a stretch that comes again -----------------------------------------------------------------------------


def again(n, lag, r):
    """Its correlation over the n - lag pairs is r."""
    return spikes(n, {0: 0.5, lag: 0.5 * echo(r * (n - lag) / n)})


@pytest.mark.parametrize(
    ("n", "lag", "limit"),
    [
        (400, 1, 0.4),
        (400, 30, 0.4),
        (400, 200, 6 / math.sqrt(200)),
        (400, 299, 6 / math.sqrt(101)),
        (100, 69, 6 / math.sqrt(31)),
    ],
)
def test_correlation_at_any_lag_has_a_limit(n, lag, limit):
    for r in (0.99 * limit, -0.99 * limit):
        assert _repeated(again(n, lag, r)) is None
    for r in (1.01 * limit, -1.01 * limit):
        assert _repeated(again(n, lag, r)) == f"draws that come again: correlation {r:.2f} at lag {lag}"


@pytest.mark.parametrize(("n", "lag"), [(400, 300), (100, 70)])
def test_too_few_pairs_tell_nothing(n, lag):
    assert _repeated(again(n, lag, n / (n - lag) / 2)) is None


# --- values drawn twice -------------------------------------------------------------------------------------


def counted(counts, *, of=1.0):
    """Values with a common step, or (of a power that is no whole number) without, each so many times."""
    return torch.cat([torch.full((c,), float(i) ** of, dtype=torch.float64) for i, c in enumerate(counts)])


@pytest.mark.parametrize(
    ("counts", "times"),
    [
        ([48] + [2] * 26, 2),
        ([50] + [2] * 25, None),  # 25 log 2 < 18: so it may come by chance
        ([37] + [3] * 21, 3),
        ([40] + [3] * 20, None),  # so few values that a law may have no others
        ([43, 5] + [2] * 26, None),  # 5 of 100 is seldom, and once is enough
        ([40, 6] + [2] * 27, 2),  # 6 is not
        ([24] + [4] * 20 + [2] * 5, None),
        ([100 - 26 * 2 - 4] + [4] + [2] * 25 + [2], 2),
    ],
)
def test_values_that_all_come_so_many_times_look_copied(counts, times):
    found = f"draws that come again: each value {times} times, or a multiple of that"
    assert _doubled(counted(counts)) == (found if times else None)


@pytest.mark.parametrize(
    ("counts", "share"),
    [
        ([1] * 88 + [2] * 6, "12%"),
        ([1] * 90 + [2] * 5, None),  # a tenth of them
        ([1] * 78 + [2] * 11, "22%"),
        ([1] * 100, None),
        ([873] + [1] * 97 + [10] * 3, "24%"),
        ([864] + [1] * 96 + [10] * 4, None),  # some come much more often than others: of a law
    ],
)
def test_values_without_a_step_do_not_meet(counts, share):
    found = f"draws that come again: {share} of them are not the only one of their value"
    assert _doubled(counted(counts, of=1.7)) == (found if share else None)
    assert _doubled(counted(counts)) is None


def test_frequent_values_need_no_step():
    grid = counted([1] * 40 + [2] * 20)
    assert _doubled(torch.cat([grid, torch.full((20,), math.pi, dtype=torch.float64)])) is None


def stepping(steps):
    return 0.1 + tensor([0.0, *steps]).cumsum(0)


def test_steps_are_multiples_of_a_twelfth_of_the_smallest():
    assert _on_a_grid(stepping([1, 5 / 4, 4 / 3, 3 / 2, 7, 25 / 12]))
    assert not _on_a_grid(stepping([1, 6 / 5] * 10))
    assert not _on_a_grid(stepping([1, 14 / 13] * 10))
    assert _on_a_grid(stepping([1] + [2 + 0.008 / 12] * 20))
    assert not _on_a_grid(stepping([1] + [2 + 0.012 / 12] * 20))


def test_one_step_in_eleven_may_be_another():
    assert _on_a_grid(stepping([1] * 10 + [1.54]))
    assert not _on_a_grid(stepping([1] * 9 + [1.54]))


@pytest.mark.parametrize(("first", "unit"), [(1000, 1), (0, 2**17)], ids=["float16", "bfloat16"])
def test_numbers_of_few_digits_must_meet(first, unit):
    numbers = first + unit * tensor([0, 5, 12, 23, 36])
    assert _on_a_grid(numbers)
    assert not _on_a_grid(numbers * math.pi)
