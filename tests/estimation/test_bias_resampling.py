"""Jackknife, U- and V-statistics: what they are by hand, piece by piece, and what breaks."""

import itertools

import pytest
import torch
from estimation.bias_oracle import all_samples
from helpers import DEVICES, F64, Draw, assert_refused, close, column
from scipy import stats

from lemmata.estimation import Jackknife, jackknife, log_mean_exp, u_statistic, v_statistic, variance
from lemmata.estimation._bias import resampling

pytestmark = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture
def normal(device):
    return Draw(6747, device).normal


# ------------------------------------------------------------------- identity: jackknife


def test_jackknife_turns_divisor_n_into_n_minus_1(normal):
    x = normal(9, 3)
    result = jackknife(lambda x: x.var(0, correction=0), x)
    assert isinstance(result, Jackknife)
    torch.testing.assert_close(result.estimate, x.var(0), rtol=1e-13, atol=0)
    torch.testing.assert_close(result.bias, -x.var(0) / 9, rtol=1e-12, atol=0)
    square = jackknife(lambda x: x.mean(0) ** 2, x).estimate
    pairs = u_statistic(lambda a, b: a * b, x, order=2)
    torch.testing.assert_close(square, pairs, rtol=1e-12, atol=1e-14)


def test_jackknife_of_a_mean(normal):
    x = normal(2, 9, 3)
    for dim in (1, -2):
        mean = jackknife(lambda x: x.mean(1), x, dim=dim)
        torch.testing.assert_close(mean.estimate, x.mean(1), rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(mean.bias, torch.zeros_like(mean.bias), rtol=0, atol=1e-14)
        torch.testing.assert_close(mean.standard_error, x.std(1) / 3, rtol=1e-13, atol=0)


def test_jackknife_of_log_mean_is_the_closed_form(normal, device):
    x = normal(30)
    whole = jackknife(lambda x: log_mean_exp(x, dim=0), x)
    torch.testing.assert_close(
        log_mean_exp(x, dim=0, correction="jackknife"), whole.estimate, rtol=1e-12, atol=0
    )
    one = column([2.0, 3.0], device)
    assert jackknife(lambda x: x.sum(), one).estimate == 5 + (5 - 2.5)  # 2 theta - mean of the two


def test_jackknife_takes_a_loop_where_vmap_cannot(normal):
    x, calls = normal(2, 6), []

    def branching(sample):
        calls.append(sample.shape)
        return sample.var(-1, correction=0) if sample.sum() < 1e9 else sample.sum(-1)

    def smooth(sample):
        return sample.var(-1, correction=0)

    for one, other in zip(jackknife(branching, x, dim=1), jackknife(smooth, x, dim=-1), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-15)
    assert calls[0] == (2, 6)
    assert calls[-6:] == [(2, 5)] * 6


def test_jackknife_of_equal_entries_has_gradient_0(device):
    x = torch.ones(5, device=device, dtype=F64, requires_grad=True)
    error = jackknife(lambda x: x.mean(), x).standard_error
    assert error == 0
    assert torch.autograd.grad(error, x)[0].tolist() == [0] * 5


# ------------------------------------------------------------------- identity: U and V


def test_u_statistic_visits_each_tuple_once(device):
    x = torch.arange(5, dtype=F64, device=device)
    for order, statistic, number in ((2, u_statistic, 20), (3, u_statistic, 60), (3, v_statistic, 125)):
        codes = []

        def kernel(*samples, kept=codes):
            kept.append(torch.stack(samples))
            return samples[0]

        unmapped = pytest.MonkeyPatch()
        unmapped.setattr(torch.func, "vmap", lambda f, **_: f)
        statistic(kernel, x, order=order)
        unmapped.undo()
        tuples = {tuple(t) for t in torch.cat(codes, -1).T.tolist()}
        assert len(tuples) == number
        assert torch.cat(codes, -1).shape[-1] == number
        if statistic is u_statistic:
            assert all(len(set(t)) == order for t in tuples)


def test_u_statistic_is_unbiased_and_v_statistic_is_not(device):
    def third(a, b, c):  # its mean is mu^3
        return a * b * c

    samples, weights = all_samples(4, device)
    u = torch.stack([u_statistic(third, row, order=3) for row in samples])
    v = torch.stack([v_statistic(third, row, order=3) for row in samples])
    close((u * weights).sum().item(), 1)
    assert (v * weights).sum().item() > 1.5


# ------------------------------------------------------------------- identity: in pieces


def test_chunks_give_what_one_piece_gives(normal, monkeypatch):
    x = normal(11, 2)  # a pair gathers 4 numbers, a sample without one row 22

    def kernel(a, b):
        return (a * b.flip(0)).cos()

    def slopes(x):
        x = x.clone().requires_grad_()
        u, v = u_statistic(kernel, x, order=2), v_statistic(kernel, x, order=2)
        values = torch.stack([u, v, jackknife(lambda x: x.std(0), x).estimate])
        (slope,) = torch.autograd.grad((values**2).sum(), x, create_graph=True)
        return values, slope, *torch.autograd.grad(slope.square().sum(), x)

    whole = slopes(x)
    for entries in (1, 100, 203):
        monkeypatch.setattr(resampling, "ENTRIES", entries)
        for one, other in zip(slopes(x), whole, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(
    ("entries", "sizes"),
    [(1, [1] * 42), (40, [10] * 4 + [2]), (55, [13] * 3 + [3]), (84, [21, 21]), (168, [42]), (10**6, [42])],
)
def test_a_chunk_gathers_no_more_than_it_may(normal, monkeypatch, entries, sizes):
    """7 samples of 2 numbers: a pair gathers 4 numbers, a sample without one row 14."""
    x, seen = normal(7, 2), []
    monkeypatch.setattr(resampling, "ENTRIES", entries)
    original = torch.func.vmap

    def counted(f, **options):
        return lambda *rows: seen.append(rows[0].shape[0]) or original(f, **options)(*rows)

    monkeypatch.setattr(torch.func, "vmap", counted)
    u_statistic(lambda a, b: (a * b).sum(), x, order=2)
    assert seen == sizes
    seen.clear()
    jackknife(lambda x: x.sum(), x)
    assert seen == {1: [1] * 7, 40: [2, 2, 2, 1], 55: [3, 3, 1], 84: [6, 1]}.get(entries, [7])


def test_memory_is_that_of_a_chunk(normal):
    """order 2 with n = 2000: all pairs at once would save 2000^2 numbers several times over."""
    if not normal(1).is_cpu:
        pytest.skip("counted on the CPU")
    x = normal(2000, 3).requires_grad_()
    held = []

    def pack(tensor):
        held.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        value = u_statistic(lambda a, b: (-(a - b).square().sum()).exp(), x, order=2)
    assert sum(held) < 1e5
    kernel = (-torch.cdist(x, x).square()).exp().detach()
    close(value.item(), ((kernel.sum() - 2000) / (2000 * 1999)).item())


# ------------------------------------------------------------------- agreement


def unsymmetric(a, b, c):
    return a * b**2 + (c - a).exp()


def test_u_and_v_statistics_are_means_over_tuples(normal):
    x = normal(6)
    values = [unsymmetric(*triple) for triple in itertools.permutations(x, 3)]
    torch.testing.assert_close(u_statistic(unsymmetric, x, order=3), torch.stack(values).mean())
    values = [unsymmetric(*triple) for triple in itertools.product(x, repeat=3)]
    torch.testing.assert_close(v_statistic(unsymmetric, x, order=3), torch.stack(values).mean())
    four = [a * b**2 * c**3 * d**4 for a, b, c, d in itertools.permutations(x[:5], 4)]
    torch.testing.assert_close(
        u_statistic(lambda a, b, c, d: a * b**2 * c**3 * d**4, x[:5], order=4), torch.stack(four).mean()
    )
    torch.testing.assert_close(u_statistic(torch.sin, x, order=1), x.sin().mean())
    torch.testing.assert_close(v_statistic(torch.sin, x[:1], order=2 - 1), x[0].sin())


def test_variance_is_a_u_statistic_and_covariance_too(normal):
    x = normal(12, 3)
    half_square = u_statistic(lambda a, b: (a - b) ** 2 / 2, x, order=2)
    torch.testing.assert_close(half_square, variance(x, dim=0), rtol=1e-13, atol=0)
    plug_in = v_statistic(lambda a, b: (a - b) ** 2 / 2, x, order=2)
    torch.testing.assert_close(plug_in, variance(x, dim=0, correction=0), rtol=1e-13, atol=0)
    outer = u_statistic(lambda a, b: torch.outer(a - b, a - b) / 2, x, order=2)
    torch.testing.assert_close(outer, torch.cov(x.T), rtol=1e-13, atol=1e-15)
    concordant = u_statistic(lambda a, b: (a[0] - b[0]) * (a[1] - b[1]) > 0, x, order=2)
    tau = stats.kendalltau(x[:, 0].cpu(), x[:, 1].cpu()).statistic
    close(2 * concordant.item() - 1, tau)


# ------------------------------------------------------------------- failure


BAD_CALLS = [
    (TypeError, "x must be", lambda x, i: jackknife(torch.sum, i)),
    (TypeError, r"statistic\(x\) must be", lambda x, i: jackknife(lambda x: x.argmax(), x)),
    (TypeError, r"statistic\(x\) must be a tensor, got float", lambda x, i: jackknife(lambda x: 1.0, x)),
    (TypeError, "statistic must be a function, got str", lambda x, i: jackknife("mean", x)),
    (ValueError, r"statistic of n - 1 entries must have shape \(3, 5\) beside that of n, got \(2, 5\)",
     lambda x, i: jackknife(torch.sin, x)),
    (ValueError, r"statistic .* shape \(2,\) .* got \(1,\)", lambda x, i: jackknife(torch.sin, x[:2, 0])),
    (ValueError, "dim must be an axis of x", lambda x, i: jackknife(torch.sum, x, dim=2)),
    (ValueError, "at least 2 entries along dim 0", lambda x, i: jackknife(torch.sum, x[:1])),
    (TypeError, "got torch.int64", lambda x, i: u_statistic(torch.mul, i, order=2)),
    (TypeError, "kernel must be a function, got NoneType", lambda x, i: u_statistic(None, x, order=1)),
    (TypeError, "what kernel returns must be a tensor, got NoneType",
     lambda x, i: u_statistic(lambda a: None, x, order=1)),
    (TypeError, "what kernel returns must be a tensor, got float",
     lambda x, i: v_statistic(lambda a, b: 1.0, x, order=2)),
    (TypeError, "what kernel returns must be real", lambda x, i: v_statistic(torch.complex, x, order=2)),
    (TypeError, "order must be an int", lambda x, i: u_statistic(torch.sin, x, order=1.0)),
    (ValueError, "order must be at least 1, got 0", lambda x, i: u_statistic(torch.sin, x, order=0)),
    (ValueError, "dim must be an axis of x", lambda x, i: u_statistic(torch.sin, x[0, 0], order=1)),
    (ValueError, "at least 2 entries", lambda x, i: u_statistic(torch.mul, x[:1], order=2)),
    (TypeError, "got torch.int64", lambda x, i: v_statistic(torch.mul, i, order=2)),
    (ValueError, "order must be at least 1, got 0", lambda x, i: v_statistic(torch.sin, x, order=0)),
    (ValueError, "at least one entry", lambda x, i: v_statistic(torch.mul, x[:0], order=2)),
]  # fmt: skip


def test_bad_input_is_named(device):
    x, i = torch.ones(3, 5, device=device), torch.ones(3, 5, dtype=torch.int64, device=device)
    assert_refused(BAD_CALLS, x, i)


@pytest.mark.parametrize("n", [12, 13])
def test_jackknife_of_the_lower_middle_value_leaves_the_middle(n, device):
    """With x sorted and each draw left out in turn; for torch.median this is an answer, and a bad one."""
    x = torch.arange(n, dtype=torch.float64, device=device).square()
    k = (n - 1) // 2
    # with n odd, the lower middle of the others is x[k] without one of the first k, else x[k - 1]
    others = (k * x[k] + (k + 1) * x[k - 1]) / n if n % 2 else (x[k] + x[k + 1]) / 2
    torch.testing.assert_close(jackknife(torch.median, x).estimate, n * x[k] - (n - 1) * others)
