"""The slope of entmax from its probabilities, and what a soft target may be off by."""

import pytest
import torch
from helpers import assert_refused

from lemmata.simplex import entmax_loss
from lemmata.simplex._softmax.rows import _slope


@pytest.mark.parametrize("a", [1.5, 2.0])
@pytest.mark.parametrize("tiny", [1e-4, 1e-6, 1e-8])
def test_one_slope_far_above_the_others_loses_no_digits(a, tiny):
    p, g = torch.tensor([[tiny, 0.6, 0.4 - tiny]]), torch.tensor([[1.0, 2.0, 3.0]])
    s = p.double().pow(1 - a)
    exact = s * (g.double() - (s * g).sum() / s.sum())
    found = _slope(p, torch.ones(1, 1, dtype=torch.bool), g, a)
    torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=0)


def test_soft_targets_may_be_off_by_their_rounding():
    x, target = torch.zeros(1, 2), torch.tensor([[0.5, 0.5]])
    assert entmax_loss(x, target + torch.tensor([5e-5, 0.0])).isfinite()
    assert_refused([(ValueError, "target must sum to 1", lambda: entmax_loss(x, target + 1e-3))])
