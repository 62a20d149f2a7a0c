r"""Estimators that are unbiased, or say by how much they are not.

A statistic that is linear in means over the sample, :math:`\frac1n\sum_i f(x_i)`, is unbiased; a curved
function of such means is not, and its bias is of order :math:`1/n`. Here are the estimators whose bias is
exactly 0 (variance, k-statistics, U-statistics), the general cures (delta method, jackknife), and the moments
of data that comes in pieces.

What holds for every function here:

* Data is float64, float32, bfloat16 or float16; other types raise TypeError. Half types are computed and
  summed in float32; the output has the dtype of the data. Autocast changes nothing.
* Every mean is taken out before anything is squared: data far from 0 keeps its digits.
* Arguments are never modified. Derivatives of any order, ``torch.func`` and
  ``torch.compile(fullgraph=True)`` work; ``Moments`` is a count and has no derivatives.
* NaN and infinite data give NaN (the first k-statistic: the mean; :func:`log_mean_exp` has its own answers).

Source: Su, kexue.fm 6747 (2019), and what the functions name.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch import distributed as dist
from torch.utils.checkpoint import checkpoint

from lemmata._checks import broadcast, check_axis, check_floating, check_size, compute_dtype, readable
from lemmata.kernels.central_moments import central_sums, merge, summary
from lemmata.kernels.centring import centred
from lemmata.kernels.log_space import log_sum_exp

__all__ = [
    "Jackknife",
    "Moments",
    "c4",
    "jackknife",
    "k_statistic",
    "k_statistic_variance",
    "log_mean_exp",
    "mse_optimal_divisor",
    "pearson_correlation",
    "u_statistic",
    "unbiased_std",
    "v_statistic",
    "variance",
]

Dims = int | tuple[int, ...] | None


# --------------------------------------------------------------------------- variance


def variance(x: Tensor, *, dim: Dims = None, correction: float = 1, weights: Tensor | None = None) -> Tensor:
    r"""The variance, with the divisor n - correction; unbiased for correction 1, with and without weights.

    .. math:: S^2 = \frac{\sum_i (x_i-\bar x)^2}{n-c},\qquad
              S_w^2 = \frac{\sum_i w_i(x_i-\bar x_w)^2}{V_1 - c\,V_2/V_1},\quad V_r = \sum_i w_i^r

    The weights say how much an entry counts (*reliability* weights, any scale). For how often it was seen
    (*frequency* weights) repeat the entries, or multiply this by :math:`(V_1-V_2/V_1)/(V_1-1)`.

    Implements :prf:ref:`bias-variance`, :prf:ref:`bias-variance-of-variance`, :prf:ref:`bias-weighted`.

    Args:
        x: data of any shape.
        dim: the axes of the sample, which go; None (and ``()``, as in torch) means all.
        correction: c, as in :func:`torch.var`. Where the divisor is not positive it counts as 0: NaN, or
            ``inf`` where deviations are left. So one entry with c = 1 is NaN.
        weights: at least 0, broadcasts to the shape of ``x``. An entry of weight 0 is left out, whatever it
            is. Where all are 0: NaN.

    Raises:
        TypeError: data or weights that are not floating point.
        ValueError: axes that ``x`` does not have; weights that do not fit or (where they can be read: on the
            CPU, not compiling, not under ``torch.func``) are negative.

    Example:
        >>> variance(torch.tensor([1.0, 2.0, 6.0]))
        tensor(7.)
        >>> variance(torch.tensor([1.0, 2.0, 6.0]), weights=torch.tensor([2.0, 2.0, 0.0]))
        tensor(0.5000)
    """
    axes, n = _axes(x, dim)
    data = x.to(compute_dtype(x))
    if weights is None:
        (m2,) = central_sums(data, axes, 2)
        return (m2 / max(0, n - correction)).to(x.dtype)
    w = _weights(weights, x).to(data.dtype)
    data = torch.where((w == 0) & ~data.isfinite(), 0.0, data)
    share = w / w.sum(axes, keepdim=True)
    _, _, d = centred(data, axes, share)
    left = share.sum(axes) - correction * (share * share).sum(axes)
    return ((share * d * d).sum(axes) / left.clamp(min=0)).to(x.dtype)


def c4(n: int) -> float:
    r"""How far the standard deviation of n normal samples falls short: :math:`\mathbb E\,S = c_4(n)\,\sigma`.

    .. math:: c_4(n) = \sqrt{\frac2{n-1}}\;\frac{\Gamma(n/2)}{\Gamma((n-1)/2)}
              = 1 - \frac1{4n} - \frac7{32n^2} - \frac{19}{128n^3} - \dots

    Correct to a few units in the last place for all n: exact integers below 64, above it Stirling's series in
    :math:`y=2/(n-1)`, :math:`\log c_4=-\frac y8+\frac{y^3}{192}-\frac{y^5}{640}+\frac{17y^7}{14336}-\dots`
    (a difference of two ``lgamma`` loses all digits as n grows).

    Implements :prf:ref:`bias-c4`.

    Args:
        n: the number of samples, an int of at least 2.

    Example:
        >>> c4(2) ** 2 * math.pi
        2.0
    """
    _check_least("n", n, 2)
    if n < len(_C4):
        return _C4[n]
    y = 2 / (n - 1)
    return math.exp(y * (-1 / 8 + y**2 * (1 / 192 - y**2 * (1 / 640 - y**2 * 17 / 14336))))


def _exact_c4(n: int) -> float:
    """By central binomial coefficients, in integers up to the last step."""
    k = n // 2
    if n % 2:
        return math.sqrt(2 * math.pi / (n - 1)) * (k * math.comb(2 * k, k) / 4**k)
    return math.sqrt(2 / math.pi / (n - 1)) * (4 ** (k - 1) / math.comb(2 * k - 2, k - 1))


_C4 = (math.nan, math.nan, *map(_exact_c4, range(2, 64)))  # a table, which torch.compile can read for any n


def unbiased_std(x: Tensor, *, dim: Dims = None) -> Tensor:
    r"""The standard deviation :math:`S/c_4(n)`: its mean is :math:`\sigma`, if the samples are normal.

    Implements :prf:ref:`bias-c4`.

    Args:
        x: data of any shape.
        dim: as in :func:`variance`. One entry gives NaN; the gradient at equal entries is 0, as in torch.

    Example:
        >>> unbiased_std(torch.tensor([1.0, 3.0]))  # 2 / sqrt(2) / c4(2)
        tensor(1.7725)
    """
    _, n = _axes(x, dim)
    s = _root(variance(x.to(compute_dtype(x)), dim=dim))
    return (s / (c4(n) if n > 1 else math.nan)).to(x.dtype)


def mse_optimal_divisor(n: int, *, kurtosis: float = 3.0) -> float:
    r"""The divisor of :math:`\sum_i(x_i-\bar x)^2` with the least mean squared error.

    .. math:: d^* = n - 2 + \kappa - \frac{\kappa-3}n,\qquad \kappa = \mu_4/\sigma^4

    Normal samples (:math:`\kappa=3`) ask for n + 1, a fair coin (:math:`\kappa=1`) for n - 1 + 2/n.

    Implements :prf:ref:`bias-divisor`.

    Args:
        n: the number of samples, an int of at least 2.
        kurtosis: at least 1 (no law has less); not the excess.

    Example:
        >>> mse_optimal_divisor(10), mse_optimal_divisor(10, kurtosis=9)
        (11.0, 16.4)
    """
    _check_least("n", n, 2)
    if not kurtosis >= 1:
        raise ValueError(f"kurtosis must be at least 1, as every law's is, got {kurtosis}")
    return n - 1 + (kurtosis * (n - 1) - (n - 3)) / n


# --------------------------------------------------------------------------- k-statistics


def k_statistic(x: Tensor, order: int, *, dim: int = -1) -> Tensor:
    r"""The symmetric unbiased estimator of a cumulant: mean, variance, third and fourth cumulant.

    .. math:: k_3 = \frac{n\,M_3}{(n-1)(n-2)},\qquad
              k_4 = \frac{n\,[(n+1)M_4 - 3\frac{n-1}nM_2^2]}{(n-1)(n-2)(n-3)},\qquad
              M_r = \sum_i (x_i-\bar x)^r

    Implements :prf:ref:`bias-k-statistics`.

    Args:
        x: data ``(..., n, ...)``.
        order: 1, 2, 3 or 4.
        dim: the axis of the sample, which goes.

    Raises:
        ValueError: another order, or fewer entries than the order.

    Example:
        >>> [k_statistic(torch.tensor([0.0, 1.0, 1.0, 4.0]), order).item() for order in (1, 2, 3, 4)]
        [1.5, 3.0, 8.0, 26.0]
    """
    _check_order(order, 4)
    axis, n = _sample(x, dim, order)
    data = x.to(compute_dtype(x))
    k = data.mean(axis) if order == 1 else _k(order, n, central_sums(data, (axis,), order))
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
    _check_order(order, 2)
    axis, n = _sample(x, dim, 2 * order)
    sums = central_sums(x.to(compute_dtype(x)), (axis,), 2 * order)
    k2 = _k(2, n, sums)
    if order == 1:
        return (k2 / n).to(x.dtype)
    return (k2 * k2 * (2 / (n + 1)) + _k(4, n, sums) * ((n - 1) / n / (n + 1))).to(x.dtype)


# --------------------------------------------------------------------------- general cures


class Jackknife(NamedTuple):
    """What :func:`jackknife` gives; each in the shape of the statistic."""

    estimate: Tensor  # the statistic, less its estimated bias
    bias: Tensor
    standard_error: Tensor


def jackknife(statistic: Callable[[Tensor], Tensor], x: Tensor, *, dim: int = 0) -> Jackknife:
    r"""Take the 1/n term of the bias out of any smooth statistic, by leaving out one sample at a time.

    .. math:: \widehat{\text{bias}} = (n-1)\bigl(\bar\theta_{(\cdot)}-\hat\theta\bigr),\qquad
              \widehat{\text{se}}^2 = \frac{n-1}n\sum_i\bigl(\hat\theta_{(i)}-\bar\theta_{(\cdot)}\bigr)^2

    Exactly unbiased where :math:`\mathbb E\,\hat\theta=\theta+a/n`. Rounding in the statistic is multiplied
    by n - 1, so use float64. Medians and other steps are not smooth: the standard error is then wrong.

    The n samples go through ``torch.func.vmap``, some at a time, and backward computes them again rather than
    keep them. A statistic that vmap refuses runs n times in a loop.

    Implements :prf:ref:`bias-jackknife`.

    Args:
        statistic: of a tensor like ``x`` with n or n - 1 entries along ``dim`` (half types come as
            float32); returns a floating-point tensor of one shape.
        x: data, n at least 2 (ValueError).
        dim: the axis of the sample.

    Source: Quenouille (1956); Efron and Stein (1981).

    Example:
        >>> x = torch.tensor([1.0, 2.0, 6.0])
        >>> jackknife(lambda x: x.var(correction=0), x).estimate  # turns divisor n into n - 1
        tensor(7.0000)
    """
    axis, n = _sample(x, dim, 2)
    data = x.to(compute_dtype(x))
    whole = statistic(data)
    check_floating("statistic(x)", whole)
    rows = torch.arange(n - 1, device=x.device)

    def without(left_out: Tensor) -> Tensor:
        kept = rows + (rows >= left_out.unsqueeze(-1))
        samples = data.index_select(axis, kept.flatten()).unflatten(axis, kept.shape)
        return torch.func.vmap(statistic, in_dims=axis)(samples)

    try:
        theta = torch.cat(list(_by_chunks(without, n, data.numel(), x.device)))
    except RuntimeError:  # what vmap says to data-dependent branches and random numbers
        rest = (
            torch.cat([data.narrow(axis, 0, i), data.narrow(axis, i + 1, n - i - 1)], axis) for i in range(n)
        )
        theta = torch.stack([statistic(sample) for sample in rest])
    bias = (n - 1) * (theta - whole).mean(0)
    spread = (theta - theta.mean(0)).square().sum(0) * ((n - 1) / n)
    return Jackknife(*(value.to(x.dtype) for value in (whole - bias, bias, _root(spread))))


def u_statistic(kernel: Callable[..., Tensor], x: Tensor, *, order: int) -> Tensor:
    r"""The mean of a kernel over all ordered tuples of distinct samples: unbiased for its expectation.

    .. math:: U = \frac{(n-m)!}{n!}\sum_{i_1,\dots,i_m\text{ distinct}} h(x_{i_1},\dots,x_{i_m})

    Each set of samples comes in all m! orders, so the kernel need not be symmetric. The tuples go through
    ``torch.func.vmap``, some at a time; backward computes them again rather than keep them.

    Implements :prf:ref:`bias-u-statistic`.

    Args:
        kernel: of m single samples ``x[i]`` (half types come as float32); returns a tensor of one shape; bool
            and integers count as numbers. Must suit vmap.
        x: samples along axis 0, at least m of them (ValueError).
        order: m, at least 1. There are n (n-1) ... (n-m+1) calls.

    Source: Hoeffding (1948).

    Example:
        >>> x = torch.tensor([1.0, 2.0, 6.0])
        >>> u_statistic(lambda a, b: (a - b) ** 2 / 2, x, order=2)  # the variance
        tensor(7.)
    """
    return _mean_of_tuples(kernel, x, order, distinct=True)


def v_statistic(kernel: Callable[..., Tensor], x: Tensor, *, order: int) -> Tensor:
    r"""The mean of a kernel over all :math:`n^m` tuples: the plug-in estimator, biased by its ties.

    Implements :prf:ref:`bias-u-statistic`.

    Args:
        kernel: as in :func:`u_statistic`.
        x: samples along axis 0, at least one (ValueError).
        order: m, at least 1.

    Example:
        >>> v_statistic(lambda a, b: (a - b) ** 2 / 2, torch.tensor([1.0, 2.0, 6.0]), order=2)
        tensor(4.6667)
    """
    return _mean_of_tuples(kernel, x, order, distinct=False)


def _mean_of_tuples(kernel: Callable[..., Tensor], x: Tensor, order: int, distinct: bool) -> Tensor:
    _check_least("order", order, 1)
    _, n = _sample(x, 0, order if distinct else 1)
    data = x.to(compute_dtype(x))
    sizes = [n - k if distinct else n for k in range(order)]

    def terms(rank: Tensor) -> Tensor:
        picked: list[Tensor] = []
        for size in sizes:
            i, rank = rank % size, rank // size
            if distinct and picked:  # the i-th of those that are left
                for taken in torch.stack(picked).sort(0).values:
                    i = i + (i >= taken)
            picked.append(i)
        values = torch.func.vmap(kernel)(*(data.index_select(0, i) for i in picked))
        return values if values.is_floating_point() else values.to(data.dtype)

    total = math.prod(sizes)
    cost = order * (data.numel() // n)
    sums = [chunk.sum(0) for chunk in _by_chunks(terms, total, cost, x.device)]
    return (torch.stack(sums).sum(0) / total).to(x.dtype)


_ENTRIES = 2**20  # how many numbers a chunk may gather


def _by_chunks(
    f: Callable[[Tensor], Tensor], total: int, cost: int, device: torch.device
) -> Iterator[Tensor]:
    """f of the numbers 0 ... total - 1, as many at a time as ``_ENTRIES`` allow; each gathers ``cost``."""

    def piece(start: int, stop: int) -> Tensor:
        return f(torch.arange(start, stop, device=device))

    size = max(1, _ENTRIES // max(1, cost))
    transformed = torch._C._functorch.peek_interpreter_stack() is not None
    plain = total <= size or transformed or torch.compiler.is_compiling() or not torch.is_grad_enabled()
    for start in range(0, total, size):
        stop = min(start + size, total)
        yield piece(start, stop) if plain else checkpoint(piece, start, stop, use_reentrant=False)


# --------------------------------------------------------------------------- losses over a batch


def log_mean_exp(x: Tensor, *, dim: int, correction: str | None = None) -> Tensor:
    r"""The logarithm of a mean of exponentials, and two corrections for its bias, which is downward.

    .. math:: \ell = \log\frac1n\sum_i e^{x_i},\qquad
              \ell_\delta = \ell + \frac{S^2}{2n\,\bar e^2},\qquad
              \ell_J = n\,\ell - \frac{n-1}n\sum_i\ell_{(i)}

    where :math:`S^2` and :math:`\bar e` are the variance and mean of the :math:`e^{x_i}`. To first order the
    bias is :math:`-\operatorname{Var}(e^x)/2n(\mathbb E e^x)^2`; both corrections take that out, and cost
    variance. The delta term is at most 1/2. The jackknife has no bound: where one entry towers over the
    others by t, it adds about t (n-1)/n. It is computed in O(n), in log space; nothing cancels.

    Implements :prf:ref:`bias-log-mean-exp`.

    Args:
        x: exponents ``(..., n, ...)``. ``-inf`` is a term 0 of the mean, and counts in n. A row of ``-inf``
            alone gives ``-inf`` (gradient 0), one with ``inf`` gives ``inf``, in any correction; the
            jackknife of a row with one finite entry is ``inf``.
        dim: the axis of the mean, which goes.
        correction: None, ``"delta"`` or ``"jackknife"``; these need at least 2 entries (ValueError).

    Example:
        >>> x = torch.tensor([0.0, math.log(3.0)])
        >>> [round(log_mean_exp(x, dim=0, correction=c).item(), 4) for c in (None, "delta", "jackknife")]
        [0.6931, 0.8181, 0.837]
    """
    if correction not in (None, "delta", "jackknife"):
        raise ValueError(f"correction must be None, 'delta' or 'jackknife', got {correction!r}")
    axis, n = _sample(x, dim, 1 if correction is None else 2)
    y = x.to(compute_dtype(x)).movedim(axis, -1)
    peak = y.amax(-1, keepdim=True).detach()
    peak = torch.where(peak.isfinite(), peak, 0.0)
    y = y - peak
    total = log_sum_exp(y)
    log_mean = peak.squeeze(-1) + (total - math.log(n))
    if correction is not None:
        fine = total.isfinite()
        p = torch.exp(torch.where(fine.unsqueeze(-1), y - total.unsqueeze(-1), -math.log(n)))
        bias = _delta(p) if correction == "delta" else _left_out(y, p, total)
        log_mean = log_mean - torch.where(fine, bias, 0.0)
    return log_mean.to(x.dtype)


def _delta(p: Tensor) -> Tensor:
    """-S^2 / (2 n mean^2) of terms that are the shares p of their sum."""
    n = p.shape[-1]
    return -(n * p - 1).square().sum(-1) / (2 * n * (n - 1))


def _left_out(y: Tensor, p: Tensor, total: Tensor) -> Tensor:
    """The jackknife's bias of log mean e^y, from the shares p and the log of the sum.

    Leaving out i lowers the log of the sum by -log(1 - p_i), which is exact for shares up to 1/2; only the
    largest can be above, and for that one the others are summed.
    """
    n = y.shape[-1]
    largest = torch.arange(n, device=y.device) == p.argmax(-1, keepdim=True)
    others = log_sum_exp(torch.where(largest, -math.inf, y))
    falls = (total - others) - torch.log1p(-torch.where(largest, 0.0, p)).sum(-1)
    return -(falls + n * math.log1p(-1 / n)) * ((n - 1) / n)


def pearson_correlation(x: Tensor, y: Tensor, *, dim: int = -1, unbiased: bool = False) -> Tensor:
    r"""Pearson's correlation, and the unbiased estimator of Olkin and Pratt for normal samples.

    .. math:: r = \frac{\sum_i(x_i-\bar x)(y_i-\bar y)}
                       {\sqrt{\sum_i(x_i-\bar x)^2\sum_i(y_i-\bar y)^2}},\qquad
              G = r\;{}_2F_1\bigl(\tfrac12,\tfrac12;\tfrac{n-2}2;1-r^2\bigr)

    For normal samples r is too small in size by about :math:`\rho(1-\rho^2)/2n`, and
    :math:`\mathbb E\,G=\rho`. :math:`|r|\le|G|\le1`.

    Implements :prf:ref:`bias-correlation`.

    Args:
        x: data ``(..., n, ...)``.
        y: in the shape of ``x``.
        dim: the axis of the sample, which goes. Where x or y is constant (so, where n = 1): NaN.
        unbiased: G in place of r; needs n of at least 4 (ValueError). Computed in float64.

    Returns:
        In [-1, 1], in the dtype that x and y promote to.

    Source: Olkin and Pratt, "Unbiased estimation of certain correlation coefficients" (1958).

    Example:
        >>> x, y = torch.tensor([1.0, 2.0, 3.0, 6.0]), torch.tensor([1.0, 3.0, 2.0, 4.0])
        >>> pearson_correlation(x, y), pearson_correlation(x, y, unbiased=True)
        (tensor(0.8367), tensor(0.9129))
    """
    axis, n = _sample(x, dim, 4 if unbiased else 1)
    check_floating("y", y)
    if y.shape != x.shape:
        raise ValueError(f"y must have the shape of x, {tuple(x.shape)}, got {tuple(y.shape)}")
    made = torch.promote_types(compute_dtype(x), compute_dtype(y))
    r = (_unit(x.to(made), axis) * _unit(y.to(made), axis)).sum(axis).clamp(-1, 1)
    return (_olkin_pratt(r.double(), n) if unbiased else r).to(torch.promote_types(x.dtype, y.dtype))


def _unit(x: Tensor, axis: int) -> Tensor:
    """The deviations from the mean, as a vector of length 1; NaN where they are all 0."""
    _, _, d = centred(x, (axis,))
    d = d / d.abs().amax(axis, keepdim=True).detach()  # squares neither overflow nor vanish
    return d / d.square().sum(axis, keepdim=True).sqrt()


def _olkin_pratt(r: Tensor, n: int) -> Tensor:
    r"""G by Euler's integral: the mean of r / sqrt(r^2 + (1 - r^2) V) where V has the law Beta((n-3)/2, 1/2).

    With V = 1/cosh(s)^2 the density is cosh(s)^(3-n), smooth on the whole line, and midpoints converge
    geometrically. All terms have one sign, so the relative error is that of rounding: below 1e-14.
    """
    step = 2 / 3 / math.sqrt(n + 6)
    reach = 40 / max(n - 4, 0.5)  # log of cosh(s), from where on the rest is below e^-40 for every r
    points = math.ceil((reach + math.log1p(math.sqrt(-math.expm1(-2 * reach)))) / step)  # arcosh of e^reach
    s = (torch.arange(points, dtype=torch.float64, device=r.device) + 0.5) * step
    weight = torch.softmax((3 - n) * s.cosh().log(), 0)
    square = r.square().unsqueeze(-1)
    return (weight * r.unsqueeze(-1) / (square + (1 - square) / s.cosh().square()).sqrt()).sum(-1)


# --------------------------------------------------------------------------- data in pieces


@dataclass(eq=False)
class Moments:
    """Count, mean and the second to fourth moments of data that comes in pieces, in any order.

    Six numbers in float64 stand for all data seen so far, and merge with those of other data into the six of
    the whole, to rounding. The methods change the accumulator and return it. NaN and infinite data make all
    but the count NaN. Nothing is differentiated.

    Implements :prf:ref:`bias-merge`.

    Attributes:
        state: ``(6, ...)``, float64: count, mean, what rounding took from the mean, and M2, M3, M4.
        dim: the axes of the sample; None means that all entries are one sample, 0 that columns are apart.

    Source: Chan, Golub and LeVeque (1979); Pébay, SAND2008-6212 (2008).

    Example:
        >>> moments = Moments.of(torch.tensor([1.0, 2.0])).update(torch.tensor([6.0]))
        >>> moments.variance, moments.k_statistic(3)
        (tensor(7., dtype=torch.float64), tensor(27., dtype=torch.float64))
    """

    state: Tensor
    dim: Dims = None

    @classmethod
    def of(cls, x: Tensor, *, dim: Dims = None) -> Moments:
        """The moments of ``x``, floating point (TypeError); empty data is a start from nothing."""
        axes, _ = _axes(x, dim)
        return cls(summary(x.detach().double(), axes), dim)

    def update(self, x: Tensor) -> Moments:
        """Add more data, with axes as at first."""
        return self.merge(Moments.of(x, dim=self.dim))

    def merge(self, other: Moments) -> Moments:
        """Add what another accumulator of the same shape (ValueError) has seen."""
        if self.state.shape != other.state.shape:
            mine, its = tuple(self.state.shape[1:]), tuple(other.state.shape[1:])
            raise ValueError(f"other must hold moments of shape {mine}, got {its}")
        self.state = merge(self.state, other.state)
        return self

    def all_reduce(self, group: dist.ProcessGroup | None = None) -> Moments:
        """Add what all ranks have seen, by one ``all_gather`` of six numbers (a column); the same everywhere.

        A rank without data takes part with ``Moments.of(x[:0])``. Calling it twice counts everything twice.
        """
        states = [torch.empty_like(self.state) for _ in range(dist.get_world_size(group))]
        dist.all_gather(states, self.state, group=group)
        self.state = functools.reduce(merge, states)
        return self

    @property
    def count(self) -> Tensor:
        """How many entries were seen."""
        return self.state[0]

    @property
    def mean(self) -> Tensor:
        """NaN where nothing was seen."""
        return self.k_statistic(1)

    @property
    def variance(self) -> Tensor:
        """With the divisor n - 1; NaN for fewer than two entries."""
        return self.k_statistic(2)

    @property
    def skewness(self) -> Tensor:
        """m3 / m2^(3/2), with moments m = M/n; NaN where all entries are equal."""
        n, _, _, m2, m3, _ = self.state
        return (m3 / n) / (m2 / n) ** 1.5

    @property
    def kurtosis(self) -> Tensor:
        """m4 / m2^2, 3 for a normal law (not the excess); NaN where all entries are equal."""
        n, _, _, m2, _, m4 = self.state
        return (m4 / n) / (m2 / n) ** 2

    def k_statistic(self, order: int) -> Tensor:
        """As :func:`k_statistic`, in float64; NaN where fewer entries than the order were seen."""
        _check_order(order, 4)
        n, mean, _, *sums = self.state
        return torch.where(n >= order, mean if order == 1 else _k(order, n, sums), math.nan)


# --------------------------------------------------------------------------- what they share


def _k(order: int, n: int | Tensor, sums: list[Tensor]) -> Tensor:
    """The k-statistic of order 2, 3 or 4 from n and M2, M3, M4."""
    if order == 2:
        return sums[0] / (n - 1)
    if order == 3:
        return sums[1] / (n - 1) * (n / (n - 2))
    m2, m4 = sums[0] / n, sums[2] / n
    return n / (n - 2) * (n / (n - 3)) * ((n + 1) / (n - 1) * m4 - 3 * m2 * m2)


def _axes(x: Tensor, dim: Dims) -> tuple[tuple[int, ...], int]:
    """The axes of the sample counted from the front, and its size; all of them for None and ()."""
    check_floating("x", x)
    given = (dim,) if isinstance(dim, int) else (dim or range(x.dim()))
    axes = tuple(d % x.dim() for d in given if -x.dim() <= d < x.dim())
    if len(axes) != len(given) or len(set(axes)) != len(axes):
        raise ValueError(f"dim must be distinct axes of x of shape {tuple(x.shape)}, got {dim}")
    return axes, math.prod([x.shape[d] for d in axes])


def _sample(x: Tensor, dim: int, least: int) -> tuple[int, int]:
    """The axis of the sample counted from the front, and its size; raise unless it is at least ``least``."""
    axis = check_axis("x", x, dim)
    n = x.shape[axis]
    if n < least:
        raise ValueError(f"x must have at least {least} entries along dim {dim}, got shape {tuple(x.shape)}")
    return axis, n


def _weights(weights: Tensor, x: Tensor) -> Tensor:
    """The weights in the shape of ``x``; raise where they are negative and can be read."""
    check_floating("weights", weights)
    if weights.numel() and readable(weights) and weights.min() < 0:
        raise ValueError(f"weights must be at least 0, got {weights.min().item()}")
    return broadcast("weights", weights, x.shape)


def _root(square: Tensor) -> Tensor:
    """The square root, with the gradient 0 at 0, where it has none."""
    zero = square == 0
    return torch.where(zero, 0.0, torch.where(zero, 1.0, square).sqrt())


def _check_least(name: str, value: int, least: int) -> None:
    check_size(name, value)
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def _check_order(order: int, highest: int) -> None:
    check_size("order", order)
    if not 1 <= order <= highest:
        raise ValueError(f"order must be from 1 to {highest}, got {order}")
