"""What the tests of estimators share: a law whose samples are all listed, and moments as exact fractions."""

import itertools
import math
from fractions import Fraction

from helpers import column
from mpmath import mp

LAW = {0: 1 / 2, 1: 1 / 3, 4: 1 / 6}  # cumulants 1, 2, 4, 2; fourth central moment 14
CUMULANTS = (None, 1, 2, 4, 2)


def all_samples(n, device, law=LAW):
    """Every sample of size n from the law, (len(law)^n, n), and its probability."""
    samples = column([*itertools.product(law, repeat=n)], device)
    weights = column([math.prod(p) for p in itertools.product(law.values(), repeat=n)], device)
    return samples, weights


def expectation(statistic, n, device, law=LAW):
    """The exact expectation of a statistic of rows, up to rounding."""
    samples, weights = all_samples(n, device, law)
    return (statistic(samples) * weights).sum().item()


def exact_sums(row):
    """n, mean, M2, M3, M4 of one row as fractions, from the binary numbers that it holds."""
    n, x = len(row), [Fraction(v) for v in row.tolist()]
    scale = math.lcm(*(v.denominator for v in x))
    whole = [int(v * scale) for v in x]
    total = sum(whole)
    sums = (Fraction(sum((n * w - total) ** r for w in whole), (n * scale) ** r) for r in (2, 3, 4))
    return n, Fraction(total, n * scale), *sums


def exact_k(row, order):
    return k_of_sums(exact_sums(row), order)


def k_of_sums(sums, order):
    n, mean, m2, m3, m4 = sums
    if order < 3:
        return mean if order == 1 else m2 / (n - 1)
    if order == 3:
        return n * m3 / ((n - 1) * (n - 2))
    return (n * (n + 1) * m4 - 3 * (n - 1) * m2**2) / ((n - 1) * (n - 2) * (n - 3))


def exact_c4(n):
    with mp.workdps(60):
        x = mp.mpf(n - 1) / 2
        return mp.exp(mp.loggamma(x + mp.mpf(1) / 2) - mp.loggamma(x)) / mp.sqrt(x)


def exact_numbers(row):
    """One row in mpmath, from the binary numbers that it holds."""
    return [mp.mpf(v) for v in row.tolist()]
