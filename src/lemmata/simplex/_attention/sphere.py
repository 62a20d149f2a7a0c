"""What attention to random keys on a sphere falls short of log n, from Bessel functions in plain PyTorch.

With nu = d/2 - 1 and K the logarithm of 0F1(; nu + 1; kappa^2 / 4), three quantities go together,

    M = kappa K',    V = kappa M',    D = M - K.

At a large nu they are a series in 1/nu, with coefficients that follow from V = kappa^2 - 2 nu M - M^2. From
nu + 1 one comes down to nu by M = kappa^2 / (2 nu + 2 + M), without any cancellation.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import zip_longest

import torch
from torch import Tensor

from lemmata import _arguments as check

__all__ = ["sphere_entropy_deficit"]

HIGH = 32  # the nu from which on the series has 14 digits
ORDER = 8  # how many powers of 1/nu it has
TOP = 1e300  # beyond, kappa counts as infinite

Polynomial = Sequence[Fraction]


def sphere_entropy_deficit(kappa: float | Tensor, d: int) -> Tensor:
    r"""What the entropy falls short of log n, for n random keys on a sphere in d dimensions, in the limit.

    .. math:: D(\kappa, d) = \kappa\,\frac{I_{d/2}(\kappa)}{I_{d/2-1}(\kappa)}
              - \log{}_0F_1\bigl(;\tfrac d2;\tfrac{\kappa^2}4\bigr)

    :math:`\kappa` is the scale times the lengths of query and key: for vectors of length :math:`\sqrt d` and
    the usual scale it is :math:`\sqrt d`. D is :math:`\kappa^2/2d` near 0, and grows as
    :math:`\frac{d-1}2\log\kappa`; for d = 1, where half of the keys are alike, it ends at log 2.

    Implements :prf:ref:`attention-sphere`, :prf:ref:`attention-small`, :prf:ref:`attention-large`.

    Args:
        kappa: any shape, or a number; an even function of it. ``inf`` gives the limit with gradient 0.
        d: the dimension, at least 1.

    Returns:
        The shape and the dtype of ``kappa``, float64 for a number; computed in float64, 13 digits.

    Raises:
        TypeError: ``kappa`` neither floating point nor a number, ``d`` not an int.
        ValueError: ``kappa`` a number that is NaN, ``d`` below 1.

    Example:
        >>> sphere_entropy_deficit(8.0, 64)
        tensor(0.4890, dtype=torch.float64)
        >>> sphere_entropy_deficit(torch.tensor([8.0, 64.0]), 64)
        tensor([ 0.4890, 15.4734])
    """
    given = check.real("kappa", kappa)
    if not isinstance(kappa, Tensor) and given.isnan():
        raise ValueError(f"kappa must be a number, got {kappa}")
    nu = check.at_least("d", d, 1) / 2 - 1
    x = given.double().clamp(-TOP, TOP)
    high = nu + max(0, math.ceil(HIGH - nu))
    M, V, D = _at_high(x, high)
    while high > nu:
        high -= 1
        M, V, D = _below(x, M, V, D, 2 * high + 2)
    limit = math.inf if d > 1 else math.log(2)
    return torch.where(given.isinf(), limit, D).to(given.dtype)


def _below(x: Tensor, M: Tensor, V: Tensor, D: Tensor, b: float) -> tuple[Tensor, Tensor, Tensor]:
    """From nu + 1 to nu, where b = 2 nu + 2: every term has the sign of the result, but for one logarithm."""
    step = V / (b + M)  # M at nu, less M at nu + 1
    D = D + step - (M / b).log1p()
    M = x * (x / (b + M))
    return M, M * (2 - step), D


def _at_high(x: Tensor, nu: float) -> tuple[Tensor, Tensor, Tensor]:
    """The series in 1/nu, with p = 1/w = 1/sqrt(1 + (kappa/nu)^2): all vanish with 1 - p."""
    z = x / nu
    w = torch.hypot(torch.ones_like(z), z)
    p, less_p = 1 / w, z / w * (z / (1 + w))  # 1 - p
    M, V, D = (less_p * _horner(_at(nu, part), p) for part in range(3))
    # the leading terms of D are nu log((1 + w)/2) + log(w)/2, with w - 1 = less_p w
    return M + nu * less_p * w, V + x * (z / w), D + nu * (less_p * w / 2).log1p() + (less_p * w).log1p() / 2


def _at(nu: float, part: int) -> list[float]:
    """The polynomial of M, V or D at this nu."""
    terms = [[c / nu**k for c in parts[part]] for k, parts in enumerate(SERIES)]
    return [sum(column) for column in zip_longest(*terms, fillvalue=0.0)]


def _horner(series: Sequence[float], p: Tensor) -> Tensor:
    total = torch.full_like(p, series[-1])
    for coefficient in reversed(series[:-1]):
        total = total * p + coefficient
    return total


def _series() -> list[list[list[float]]]:
    """For each power of 1/nu what M, V and D have beyond their leading terms: 1 - p times a polynomial."""
    series = []
    for k, term in enumerate(_coefficients()):
        K = [Fraction(0)]  # of nu^0 its logarithm is a leading term; the others vanish at p = 1
        if k > 0:
            K = _integral([-c for c in _divided(_divided(term, 1), -1)[1:]])
            K = _add(K, [-sum(K, Fraction(0))])
        parts = term, _slope(term), _add(term, [-c for c in K])
        series.append([list(map(float, _divided(part, 1))) for part in parts])
    return series


def _coefficients() -> list[Polynomial]:
    """Those of nu^0, nu^-1, ... in M, polynomials in p: 2 w m_k = -kappa m_(k-1)' - sum of m_j m_(k-j)."""
    half = Fraction(1, 2)
    m: list[Polynomial] = [[-half, Fraction(0), half]]
    for k in range(1, ORDER + 1):
        total = _slope(m[-1])
        for j in range(k):
            total = _add(total, _product(m[j], m[k - 1 - j]))
        m.append([Fraction(0), *(-half * c for c in total)])
    return m


def _slope(a: Polynomial) -> Polynomial:
    """kappa times the derivative by kappa, which is -(1 - p^2) p d/dp."""
    return _product([Fraction(-1), Fraction(0), Fraction(1)], [i * c for i, c in enumerate(a)])


def _add(a: Polynomial, b: Polynomial) -> list[Fraction]:
    return [x + y for x, y in zip_longest(a, b, fillvalue=Fraction(0))]


def _product(a: Polynomial, b: Polynomial) -> list[Fraction]:
    result = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            result[i + j] += x * y
    return result


def _integral(a: Polynomial) -> list[Fraction]:
    return [Fraction(0), *(c / (i + 1) for i, c in enumerate(a))]


def _divided(a: Polynomial, root: int) -> list[Fraction]:
    """The quotient of a by 1 - p (root 1) or 1 + p (root -1), which divides it."""
    quotient: list[Fraction] = []
    for c in a[:-1]:
        quotient.append(c + root * (quotient[-1] if quotient else 0))
    return quotient


SERIES = _series()
