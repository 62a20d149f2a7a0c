"""Statistics of parts of a sample: all but one of its entries, or all its tuples."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.estimation._bias.sample import sample_of
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.roots import root

__all__ = ["Jackknife", "jackknife", "u_statistic", "v_statistic"]

ENTRIES = 2**20  # how many numbers a chunk may gather
#: of any number of samples; spelt out for type checkers, so that they know the arguments of a lambda
Statistic = (
    Callable[[Tensor], Tensor]
    | Callable[[Tensor, Tensor], Tensor]
    | Callable[[Tensor, Tensor, Tensor], Tensor]
    | Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
)


class Jackknife(NamedTuple):
    """What :func:`jackknife` gives; each in the shape of the statistic."""

    estimate: Tensor  # the statistic, less its estimated bias
    bias: Tensor
    standard_error: Tensor


def jackknife(statistic: Callable[[Tensor], Tensor], x: Tensor, *, dim: int = 0) -> Jackknife:
    r"""Take the 1/n term of the bias out of a smooth statistic, by leaving out one sample at a time.

    .. math:: \widehat{\text{bias}} = (n-1)\bigl(\bar\theta_{(\cdot)}-\hat\theta\bigr),\qquad
              \widehat{\text{se}}^2 = \frac{n-1}n\sum_i\bigl(\hat\theta_{(i)}-\bar\theta_{(\cdot)}\bigr)^2

    Exactly unbiased where :math:`\mathbb E\,\hat\theta=\theta+a/n`; for smooth functions of means of bounded
    draws a bias of order :math:`n^{-2}` is left. Rounding in the statistic is multiplied
    by n - 1, so use float64. Medians and other steps are not smooth: the standard error is then wrong.
    Of ``torch.median``, the lower of two middle values, the estimate may be off by half the range.

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
    check.function("statistic", statistic)
    axis, n = sample_of(x, dim, 2)
    data = x.to(compute_dtype(x))
    whole = statistic(data)
    check.floating("statistic(x)", whole)
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
    check.shape("statistic of n - 1 entries", theta[0], whole.shape, "that of n")
    bias = (n - 1) * (theta - whole).mean(0)
    spread = (theta - theta.mean(0)).square().sum(0) * ((n - 1) / n)
    return Jackknife(*(value.to(x.dtype) for value in (whole - bias, bias, root(spread))))


def u_statistic(kernel: Statistic, x: Tensor, *, order: int) -> Tensor:
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


def v_statistic(kernel: Statistic, x: Tensor, *, order: int) -> Tensor:
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


def _mean_of_tuples(kernel: Statistic, x: Tensor, order: int, distinct: bool) -> Tensor:
    check.function("kernel", kernel)
    order = check.at_least("order", order, 1)
    _, n = sample_of(x, 0, order if distinct else 1)
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
        values = torch.func.vmap(value)(*(data.index_select(0, i) for i in picked))
        return values if values.is_floating_point() else values.to(data.dtype)

    def value(*samples: Tensor) -> Tensor:
        made = kernel(*samples)
        check.tensor("what kernel returns", made)
        if made.is_complex():
            raise TypeError(f"what kernel returns must be real, got {made.dtype}")
        return made

    total = math.prod(sizes)
    cost = order * (data.numel() // n)
    sums = [chunk.sum(0) for chunk in _by_chunks(terms, total, cost, x.device)]
    return (torch.stack(sums).sum(0) / total).to(x.dtype)


def _by_chunks(
    f: Callable[[Tensor], Tensor], total: int, cost: int, device: torch.device
) -> Iterator[Tensor]:
    """f of the numbers 0 ... total - 1, as many at a time as ``ENTRIES`` allow; each gathers ``cost``."""

    def piece(start: int, stop: int) -> Tensor:
        return f(torch.arange(start, stop, device=device))

    size = max(1, ENTRIES // max(1, cost))
    traced = torch.compiler.is_compiling() or _torch.transforming()
    plain = total <= size or traced or not torch.is_grad_enabled()
    for start in range(0, total, size):
        stop = min(start + size, total)
        yield piece(start, stop) if plain else checkpoint(piece, start, stop, use_reentrant=False)
