"""Wendel's probability: random points on one side of a hyperplane, random labels that a line separates."""

import math
from fractions import Fraction

from lemmata import _arguments as check

__all__ = ["wendel_probability"]


def wendel_probability(n: int, d: int, *, exact: bool = False) -> float | Fraction:
    r"""Probability that n random points in d dimensions lie on one side of a hyperplane through the origin.

    .. math:: p(n, d) = 2^{1-n} \sum_{k=0}^{d-1} \binom{n-1}k

    For points in general position (any d of them independent; all of them, if n < d) whose law does not
    change when any of them is reflected in the origin. For *any* points in general position it is the share
    of the :math:`2^n` labellings that a perceptron without bias can learn (Cover); with a bias it is
    p(n, d + 1). ``1 - p(n, d)`` is ``p(n, n - d)``.

    Implements :prf:ref:`sectors-wendel`.

    Args:
        n: how many points, an int of at least 1. The time grows like its square root, unless ``exact``.
        d: the dimension, an int of at least 1.
        exact: a ``Fraction`` of integers with n bits.

    Raises:
        TypeError: n or d is not an int.
        ValueError: n or d is below 1.

    Example:
        >>> wendel_probability(4, 2), wendel_probability(5, 3), wendel_probability(200, 100)
        (0.5, 0.6875, 0.5)
        >>> wendel_probability(5, 3, exact=True)
        Fraction(11, 16)
    """
    n, d = check.at_least("n", n, 1), check.at_least("d", d, 1)
    if d >= n:
        return Fraction(1) if exact else 1.0
    if exact:
        return Fraction(sum(_row(n - 1, d)), 2 ** (n - 1))
    if n <= 1000:
        return sum(_row(n - 1, d)) / 2 ** (n - 1)
    if 2 * d > n:
        return 1 - wendel_probability(n, n - d)
    return 0.5 if 2 * d == n else _lower_tail(n - 1, d - 1)


def _row(m: int, d: int) -> list[int]:
    """The first d binomial coefficients of m."""
    row = [1]
    for k in range(1, d):
        row.append(row[-1] * (m - k + 1) // k)
    return row


def _lower_tail(m: int, k: int) -> float:
    """P(Binomial(m, 1/2) <= k) for k below m/2: from the largest term down, until nothing is added."""
    total = term = 1.0
    for j in range(k, 0, -1):
        term *= j / (m - j + 1)
        total += term
        if term < 2**-60 * total:
            break
    return _binomial(m, k) * total


def _binomial(m: int, k: int) -> float:
    """C(m, k) / 2^m by Loader's saddle-point form, whose error does not grow with m."""
    if k == 0:
        return math.ldexp(1.0, -m) if m < 1100 else 0.0
    left, mean = m - k, m / 2
    exponent = -_deviance(k, mean) - _deviance(left, mean)
    exponent += _stirling(m) - _stirling(k) - _stirling(left)
    return math.exp(exponent) * math.sqrt(m / (2 * math.pi * k * left))


def _deviance(x: float, mean: float) -> float:
    """x log(x / mean) + mean - x, by a series where x is near the mean."""
    v = (x - mean) / (x + mean)
    if abs(v) > 0.1:
        return x * math.log(x / mean) + mean - x
    total, power = (x - mean) * v, 2 * x * v
    for j in range(1, 20):
        power *= v * v
        total += power / (2 * j + 1)
    return total


def _stirling(m: int) -> float:
    """log m! minus Stirling's formula."""
    if m < 16:
        return math.lgamma(m + 1) - (m + 0.5) * math.log(m) + m - math.log(2 * math.pi) / 2
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / (1188 * m**2)) / m**2) / m**2) / m**2) / m
