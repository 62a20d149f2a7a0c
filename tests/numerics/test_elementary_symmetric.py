"""Elementary symmetric polynomials in log space."""

import itertools

import pytest
import torch
from helpers import DEVICES, INF, Draw, assert_close, column, derivatives
from mpmath import mp

from lemmata.numerics.elementary_symmetric import log_symmetric, marginals_of_sorted

pytestmark = pytest.mark.parametrize("device", DEVICES)


# ------------------------------------------------------------------- identity


def test_the_ends_are_one_the_sum_and_the_product(device):
    s = Draw(1, device).normal(4, 7, scale=3.0)
    log = log_symmetric(s, 7)
    assert (log[:, 0] == 0).all()
    torch.testing.assert_close(log[:, 1], s.logsumexp(-1), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(log[:, 7], s.sum(-1), rtol=1e-14, atol=1e-14)


def test_the_order_of_the_variables_does_not_matter(device):
    s = Draw(2, device).normal(4, 7, scale=3.0)
    torch.testing.assert_close(log_symmetric(s.flip(-1), 4), log_symmetric(s, 4), rtol=1e-14, atol=1e-14)


# ------------------------------------------------------------------- agreement


def test_all_sizes_agree_with_sums_over_subsets(device):
    draw = Draw(6620, device)
    for n in (0, 1, 2, 5):
        x = draw.normal(n)
        weights = [mp.exp(mp.mpf(v)) for v in x.tolist()]
        for k in range(n + 3):
            exact = [
                mp.fsum(mp.fprod(chosen) for chosen in itertools.combinations(weights, j))
                for j in range(k + 1)
            ]
            log = log_symmetric(x, k)
            assert log.shape == (k + 1,)
            assert_close(log.exp(), exact, 1e-13)


def test_marginals_agree_with_sums_over_subsets(device):
    for n in (2, 3, 5, 8):
        s = Draw(n, device).normal(n, scale=3.0).sort(descending=True).values
        for k in range(1, n):
            centred = s - (s[k - 1] + s[k]) / 2
            x = [mp.exp(mp.mpf(v)) for v in centred.tolist()]
            weights = {
                chosen: mp.fprod(x[i] for i in chosen) for chosen in itertools.combinations(range(n), k)
            }
            total = mp.fsum(weights.values())
            exact = [mp.fsum(w for chosen, w in weights.items() if i in chosen) / total for i in range(n)]
            assert_close(marginals_of_sorted(centred, k), exact, 1e-13)


# ------------------------------------------------------------------- failure: infinite variables


def test_infinite_variables_give_no_nan(device):
    s = column([[-INF, 1.0, 2.0], [INF, 1.0, -INF], [-INF] * 3], device)
    log, gradient, second = derivatives(lambda s: log_symmetric(s, 3), s)
    assert log[:, 0].tolist() == [0, 0, 0]
    assert log[:, 3].tolist() == [-INF] * 3  # a product with a 0
    assert log[1, 1:3].tolist() == [INF, INF]
    assert_close(log[0, 1:3], [2 + mp.log1p(mp.exp(-1)), 3], 1e-14)
    for derivative in (gradient, second):
        assert not derivative.isnan().any()
