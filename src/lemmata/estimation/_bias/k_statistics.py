"""The k-statistics: what is unbiased for the cumulants, and for the variance of the first two of them."""

from torch import Tensor

from lemmata import _arguments as check
from lemmata.estimation._bias.sample import central_sums, sample_of
from lemmata.numerics.precision import compute_dtype

__all__ = ["k_statistic", "k_statistic_variance"]


def k_statistic(x: Tensor, order: int, *, dim: int = -1) -> Tensor:
    r"""The symmetric unbiased estimator of a cumulant: mean, variance, third and fourth cumulant.

    .. math:: k_3 = \frac{n\,M_3}{(n-1)(n-2)},\qquad
              k_4 = \frac{n\,[(n+1)M_4 - 3\frac{n-1}nM_2^2]}{(n-1)(n-2)(n-3)},\qquad
              M_r = \sum_i (x_i-\bar x)^r

    Implements :prf:ref:`bias-k-statistics`.

    Args:
        x: data ``(..., n, ...)``.
        order: 1, 2, 3 or 4. Powers of deviations that overflow give infinities or NaN; in float32, those
            of order 4 do beyond 1e9.
        dim: the axis of the sample, which goes.

    Raises:
        ValueError: another order, or fewer entries than the order.

    Example:
        >>> [k_statistic(torch.tensor([0.0, 1.0, 1.0, 4.0]), order).item() for order in (1, 2, 3, 4)]
        [1.5, 3.0, 8.0, 26.0]
    """
    order = checked_order(order, 4)
    axis, n = sample_of(x, dim, order)
    data = x.to(compute_dtype(x))
    k = data.mean(axis) if order == 1 else k_from_sums(order, n, central_sums(data, (axis,), order))
    return k.to(x.dtype)


def k_statistic_variance(x: Tensor, order: int, *, dim: int = -1) -> Tensor:
    r"""Unbiased estimators of the variance of :math:`k_1` (the mean) and of :math:`k_2` (the variance).

    .. math:: \widehat{\operatorname{Var}}\,k_1 = \frac{k_2}n,\qquad
              \widehat{\operatorname{Var}}\,k_2 = \frac{2n\,k_2^2 + (n-1)\,k_4}{n(n+1)}

    The second can come out negative: for 0, 0, 1, 1 it is -1/18.

    Implements :prf:ref:`bias-k-statistics`, :prf:ref:`bias-variance-of-variance`.

    Args:
        x: data ``(..., n, ...)``; n is at least 2 for order 1 and at least 4 for order 2 (ValueError).
        order: 1 or 2.
        dim: the axis of the sample, which goes.

    Example:
        >>> k_statistic_variance(torch.tensor([0.0, 1.0, 1.0, 4.0]), 2)
        tensor(7.5000)
    """
    order = checked_order(order, 2)
    axis, n = sample_of(x, dim, 2 * order)
    sums = central_sums(x.to(compute_dtype(x)), (axis,), 2 * order)
    k2 = k_from_sums(2, n, sums)
    if order == 1:
        return (k2 / n).to(x.dtype)
    return (k2 * k2 * (2 / (n + 1)) + k_from_sums(4, n, sums) * ((n - 1) / n / (n + 1))).to(x.dtype)


def k_from_sums(order: int, n: int | Tensor, sums: list[Tensor]) -> Tensor:
    """The k-statistic of order 2, 3 or 4 from n and M2, M3, M4."""
    if order == 2:
        return sums[0] / (n - 1)
    if order == 3:
        return sums[1] / (n - 1) * (n / (n - 2))
    m2, m4 = sums[0] / n, sums[2] / n
    return n / (n - 2) * (n / (n - 3)) * ((n + 1) / (n - 1) * m4 - 3 * m2 * m2)


def checked_order(order: int, highest: int) -> int:
    """``order`` as an int; raise unless it is from 1 to ``highest``."""
    whole = check.integer("order", order)
    if not 1 <= whole <= highest:
        raise ValueError(f"order must be from 1 to {highest}, got {whole}")
    return whole
