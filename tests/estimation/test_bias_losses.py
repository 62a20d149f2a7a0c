"""The log-mean-exp of a batch and its corrections: by hand, against mpmath, and with infinite terms."""

import math

import pytest
import torch
from estimation.bias_oracle import expectation
from helpers import DEVICES, DTYPES, INF, NAN, Draw, assert_close, assert_refused, close, column, rounding
from mpmath import mp

from lemmata.estimation import log_mean_exp

pytestmark = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture
def normal(device):
    return Draw(6747, device).normal


# ------------------------------------------------------------------- identity


def test_log_mean_exp_by_hand(device):
    x = column([0.0, math.log(3)], device)  # terms 1 and 3, mean 2, variance 2
    close(log_mean_exp(x, dim=0).item(), math.log(2))
    close(log_mean_exp(x, dim=0, correction="delta").item(), math.log(2) + 2 / (2 * 2 * 4))
    close(log_mean_exp(x, dim=0, correction="jackknife").item(), 2 * math.log(2) - math.log(3) / 2)
    assert log_mean_exp(x[1:], dim=0) == x[1]


@pytest.mark.parametrize("correction", [None, "delta", "jackknife"])
def test_log_mean_exp_moves_with_a_shift(normal, correction):
    x = normal(5, 9)
    for shift in (-1e5, 700.0, 1e5):
        moved = log_mean_exp(x + shift, dim=1, correction=correction) - shift
        torch.testing.assert_close(moved, log_mean_exp(x, dim=1, correction=correction), rtol=0, atol=1e-10)
    flat = log_mean_exp(normal(1).expand(7), dim=0, correction=correction)
    torch.testing.assert_close(flat, normal(0).new_tensor(flat.item()))
    x = normal(3).repeat_interleave(4)[:, None]
    torch.testing.assert_close(
        log_mean_exp(x, dim=0, correction=correction), log_mean_exp(x.flip(0), dim=0, correction=correction)
    )


def test_the_corrections_remove_the_first_order_of_the_bias(device):
    law = {math.log(1): 1 / 2, math.log(2): 1 / 3, math.log(4): 1 / 6}
    truth = math.log(1 / 2 + 2 / 3 + 4 / 6)

    def error(correction, n):
        return expectation(lambda x: log_mean_exp(x, dim=-1, correction=correction), n, device, law) - truth

    plain, delta, jack = ([error(c, n) for n in (2, 4, 8)] for c in (None, "delta", "jackknife"))
    assert plain[0] / plain[1] == pytest.approx(2, rel=0.05)
    assert plain[1] / plain[2] == pytest.approx(2, rel=0.02)
    assert delta[1] / delta[2] > 4  # of order 1/n^2 and beyond
    assert jack[1] / jack[2] > 4
    for n, p, d, j in zip((2, 4, 8), plain, delta, jack, strict=True):
        assert p < -0.16 / n
        assert p * 0.7 / n < d < j < 0


# ------------------------------------------------------------------- agreement


ROWS = {
    "ordinary": (0.3, -1.2, 2.5, 0.0, 0.9),
    "two": (1.0, -2.0),
    "ties": (3.0, 3.0, -700.0),
    "equal": (0.1,) * 7,
    "one towers": (0.0, -100.0, -200.0, -300.0),
    "huge": (1e4, 1e4 - 1, 9e3),
    "tiny": (-1e4, -1e4 - 1, -1.1e4),
    "wide": tuple(30 * math.sin(7 * i) for i in range(50)),
}


def exact_log_mean_exp(row, correction=None):
    with mp.workdps(400):
        e = [mp.exp(mp.mpf(v)) for v in row]
        n, total = len(e), mp.fsum(e)
        if correction is None:
            return mp.log(total / n)
        if correction == "delta":
            mean = total / n
            square = mp.fsum((t - mean) ** 2 for t in e) / (n - 1)
            return mp.log(mean) + square / (2 * n * mean**2)
        rest = mp.fsum(mp.log((total - t) / (n - 1)) for t in e)
        return n * mp.log(total / n) - mp.mpf(n - 1) / n * rest


@pytest.mark.parametrize("correction", [None, "delta", "jackknife"])
@pytest.mark.parametrize("row", ROWS)
def test_log_mean_exp_agrees_with_mpmath(device, row, correction):
    """eps of the size of the exponents and of log n for the sum, n eps for the falls; rows of one scale."""
    for dtype in DTYPES:
        x = column(ROWS[row], device, dtype)
        exact = exact_log_mean_exp(x.tolist(), correction)
        made, kept = rounding(dtype)
        got = log_mean_exp(x, dim=0, correction=correction)
        assert_close(got, [exact], max(kept, made), made * (8 + float(x.abs().max()) / 4))
        assert got.dtype == dtype


def test_log_mean_exp_is_that_of_torch(normal):
    x = normal(2, 40).exp()
    torch.testing.assert_close(log_mean_exp(x, dim=-1), x.logsumexp(-1) - math.log(40), rtol=1e-13, atol=0)


# ------------------------------------------------------------------- failure


@pytest.mark.parametrize("correction", [None, "delta", "jackknife"])
def test_infinite_exponents(device, correction):
    rows = column([[INF, 0, 1], [INF, INF, 0], [-INF] * 3, [NAN, 0, 1], [-INF, INF, 0]], device)
    rows.requires_grad_()
    y = log_mean_exp(rows, dim=-1, correction=correction)
    assert y[[0, 1, 2, 4]].tolist() == [INF, INF, -INF, INF]
    assert y[3].isnan()
    (slope,) = torch.autograd.grad(y.sum(), rows)
    assert (slope[[0, 1, 2, 4]] == 0).all()
    x = column([0.0, -INF, 0.0], device).requires_grad_()
    y = log_mean_exp(x, dim=0, correction=correction)
    expected = {None: math.log(2 / 3), "delta": math.log(2 / 3) + 1 / 8}
    expected["jackknife"] = 3 * math.log(2 / 3) - 2 / 3 * 2 * math.log(1 / 2)
    close(y.item(), expected[correction])
    assert torch.autograd.grad(y, x)[0].tolist() == pytest.approx([0.5, 0, 0.5])


def test_corrections_when_one_term_is_everything(device):
    x = column([0.0, -INF], device).requires_grad_()
    close(log_mean_exp(x, dim=0, correction="delta").item(), 0.5 - math.log(2))
    y = log_mean_exp(x, dim=0, correction="jackknife")
    assert y == INF
    assert torch.autograd.grad(y, x)[0].isfinite().all()
    towers = column([0.0, -1000.0, -1000.0], device)
    jackknifed = log_mean_exp(towers, dim=0, correction="jackknife").item()
    close(jackknifed, -3 * math.log(3) - 2 / 3 * (-1000 - 2 * math.log(2)))
    assert log_mean_exp(towers, dim=0, correction="delta") < 0.5 - math.log(3) + 1e-12


BAD_CALLS = [
    (TypeError, "got torch.int64", lambda x, i: log_mean_exp(i, dim=0)),
    (ValueError, "dim must be an axis of x", lambda x, i: log_mean_exp(x, dim=-3)),
    (ValueError, "at least one entry", lambda x, i: log_mean_exp(x[:, :0], dim=1)),
    (ValueError, "at least 2 entries", lambda x, i: log_mean_exp(x[:, :1], dim=1, correction="delta")),
    (ValueError, "at least 2", lambda x, i: log_mean_exp(x[:, :1], dim=1, correction="jackknife")),
    (
        ValueError,
        "correction must be None, 'delta' or 'jackknife', got 'jack'",
        lambda x, i: log_mean_exp(x, dim=0, correction="jack"),
    ),
]


def test_bad_input_is_named(device):
    x, i = torch.ones(3, 5, device=device), torch.ones(3, 5, dtype=torch.int64, device=device)
    assert_refused(BAD_CALLS, x, i)


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-8, 1e-16, 1e-30])
@pytest.mark.parametrize("row", [[1.0, 2, 3, 6], [-1.0, 2], [5.0, 1, 1, 1, 1, 1.2], [0.0, -50, -1, -800]])
def test_digits_are_kept_near_0(row, size, device):
    x = torch.tensor(row, dtype=torch.float64, device=device) * size
    terms, n = [mp.mpf(v) for v in x.tolist()], len(row)

    def log_mean(terms):
        return mp.log(mp.fsum(map(mp.exp, terms)) / len(terms))

    with mp.workdps(80):
        mean = mp.exp(log_mean(terms))
        spread = mp.fsum((mp.exp(v) - mean) ** 2 for v in terms) / (n - 1)
        left_out = mp.fsum(log_mean(terms[:i] + terms[i + 1 :]) for i in range(n))
        truths = {
            None: log_mean(terms),
            "delta": log_mean(terms) + spread / (2 * n * mean**2),
            "jackknife": n * log_mean(terms) - mp.mpf(n - 1) / n * left_out,
        }
    for correction, truth in truths.items():
        found = log_mean_exp(x, dim=0, correction=correction).item()
        assert abs(found - truth) <= 1e-14 * max(abs(truth), 1e-2 * x.abs().max().item())
