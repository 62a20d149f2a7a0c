"""The trigamma function against mpmath, where torch's own has nine digits."""

import torch
from mpmath import mp

from lemmata.numerics.trigamma import trigamma


def test_trigamma_is_right_to_the_last_digits():
    x = torch.tensor([0.5, 1.0, 1.5, 2.0, 7.25, 50.0, 1e4, 1e9], dtype=torch.float64)
    exact = torch.tensor([float(mp.psi(1, v)) for v in x.tolist()], dtype=torch.float64)
    torch.testing.assert_close(trigamma(x), exact, rtol=4e-15, atol=0)
