"""The entropic projection onto the capped simplex {0 <= p <= 1, sum p = k}, in plain PyTorch.

It is p = sigma(s - nu) with the one nu that makes the sum k. This is what runs today on every device, and
what a fused kernel will be tested against.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from lemmata.smoothing._approximations.limits import sigmoid

__all__ = ["capped_simplex"]

CHORDS, NEWTONS = 6, 3  # from an error below log n <= 20: 20 / 3^6 = 0.03, then e -> e^2 / 4


def capped_simplex(s: Tensor, k: int) -> Tensor:
    """sigma(s - nu) with sum k over the last axis, for 0 < k < n.

    Args:
        s: finite scores ``(..., n)``, sorted in descending order, so that the k-th and the next one lie at
            equal distances above and below 0.
        k: the sum, an integer.
    """
    nu = _threshold(s.detach(), k)
    for _ in range(2):  # one step from the root has the first derivative of nu, two have the first three
        excess, slope = _excess(s, nu, k)
        nu = nu + excess / slope
    return sigmoid(s - nu)


def _threshold(s: Tensor, k: int) -> Tensor:
    """The root nu of the excess; it lies between -log k and log(n - k), and the search starts at 0.

    The slope is between 1 and 2, so a step with the slope 3/2 leaves at most a third of the error.
    """
    nu = torch.zeros_like(s[..., :1])
    for step in range(CHORDS + NEWTONS):
        excess, slope = _excess(s, nu, k)
        nu = nu + excess / (1.5 if step < CHORDS else slope)
    return nu


def _excess(s: Tensor, nu: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """log(sum of p below the cut / sum of 1 - p above it), 0 where sum p = k; and minus its slope in nu.

    The sums are of logarithms, so that rows of zeros and ones in all digits still have a root and a slope.
    """
    above, below = s[..., :k] - nu, s[..., k:] - nu
    joining, leaving = F.logsigmoid(below), F.logsigmoid(-above)
    slope = _mean(torch.sigmoid(-below), joining) + _mean(torch.sigmoid(above), leaving)
    excess = joining.logsumexp(-1, keepdim=True) - leaving.logsumexp(-1, keepdim=True)
    return excess, slope


def _mean(values: Tensor, log_weights: Tensor) -> Tensor:
    return (torch.softmax(log_weights, -1) * values).sum(-1, keepdim=True)
