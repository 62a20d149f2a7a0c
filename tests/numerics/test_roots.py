"""The square root with a slope at 0."""

import torch
from helpers import column, derivatives

from lemmata.numerics.roots import root


def test_the_root_and_its_slope_of_0_at_0():
    value, slope, bend = derivatives(root, column([0.0, 4.0]))
    assert value.tolist() == [0.0, 2.0]
    assert slope.tolist() == [0.0, 0.25]
    assert bend.tolist() == [0.0, -2 / 32]  # with the weight 2
    assert torch.isnan(root(column([-1.0])))
