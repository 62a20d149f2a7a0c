"""Six numbers that stand for a sample, and the six of two samples together."""

import math

import torch
from torch import Tensor

from lemmata.estimation._bias.sample import power_sums
from lemmata.numerics.centring import centred

__all__ = ["merge", "merge_all", "summary"]


def summary(x: Tensor, dim: tuple[int, ...]) -> Tensor:
    """Six numbers for a sample, ``(6, ...)``: count, mean, what rounding took from the mean, M2, M3, M4.

    Of two samples with mean 1e8 and deviation 1, M2 together has 10 digits if the means are rounded, and 16
    if not.
    """
    first, rest, d = centred(x, dim)
    mean = _two_sum(first.squeeze(dim), rest.squeeze(dim))
    n = math.prod([x.shape[axis] for axis in dim])
    numbers = torch.stack([torch.full_like(mean[0], n), *mean, *power_sums(d, dim, 4)])
    return numbers if n else torch.zeros_like(numbers)


def merge(a: Tensor, b: Tensor) -> Tensor:
    """The six numbers of two samples together, from those of each; a sample of count 0 changes nothing.

    With the shares p and q of the samples, the centre of the first moves by q delta and that of the second by
    -p delta, delta being the difference of the means; the binomial theorem does the rest.
    """
    (n_a, mean_a, rest_a, a2, a3, a4), (n_b, mean_b, rest_b, b2, b3, b4) = a, b
    n = n_a + n_b
    p, q = n_a / n, n_b / n
    delta = (mean_b - mean_a) + (rest_b - rest_a)
    mean, rest = _two_sum(mean_a, rest_a + delta * q)
    square = delta * delta
    both = n_a * q * square  # M2 of two points of weights n_a and n_b at the two means
    m2 = a2 + b2 + both
    m3 = a3 + b3 + both * delta * (p - q) + 3 * delta * (p * b2 - q * a2)
    m4 = a4 + b4 + both * square * (p * p - p * q + q * q)
    m4 = m4 + 6 * square * (p * p * b2 + q * q * a2) + 4 * delta * (p * b3 - q * a3)
    merged = torch.stack([n, mean, rest, m2, m3, m4])
    return torch.where(n_a == 0, b, torch.where(n_b == 0, a, merged))


def merge_all(parts: Tensor) -> Tensor:
    """The six numbers of many samples together, from ``(6, k, ...)``; each has a count above 0.

    The means are taken as they differ from the first, whose two parts are kept.
    """
    n, mean, rest, m2, m3, m4 = parts
    total = n.sum(0)
    delta = (mean - mean[0]) + (rest - rest[0])
    shift = (n * delta).sum(0) / total
    d = delta - shift
    square = d * d
    m4 = m4 + 4 * d * m3 + 6 * square * m2 + n * square * square
    m3 = m3 + 3 * d * m2 + n * square * d
    sums = [m.sum(0) for m in (m2 + n * square, m3, m4)]
    return torch.stack([total, *_two_sum(mean[0], rest[0] + shift), *sums])


def _two_sum(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """x + y rounded, and the error of the rounding (Knuth)."""
    total = x + y
    part = total - x
    return total, (x - (total - part)) + (y - part)
