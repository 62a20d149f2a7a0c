"""Which entries are the k largest, made smooth: marginals of a random subset, or a projection."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.elementary_symmetric import marginals_of_sorted
from lemmata.numerics.top_k import share_k
from lemmata.smoothing._approximations.capped_simplex import capped_simplex
from lemmata.smoothing._approximations.limits import as_rows, one_at

__all__ = ["soft_top_k"]


def soft_top_k(
    x: Tensor, k: int, *, temperature: float | Tensor = 1.0, method: str = "subset", dim: int = -1
) -> Tensor:
    r"""The indicator of the k largest entries, made smooth: in [0, 1], with sum k, in the order of x.

    ``"subset"``: the probability to be in a subset of size k, :math:`P(T)\propto e^{\sum_T x/\tau}`, which is
    the gradient of :math:`\log e_k(e^{x/\tau})`. Computed from what the k largest lose to the others,
    :math:`\log\sum_j e_j(e^{-x_{\text{in}}/\tau})\,e_j(e^{x_{\text{out}}/\tau})`, so that nothing cancels.
    Time and memory grow with :math:`n\min(k, n-k)`.

    ``"sigmoid"``: :math:`\sigma((x-\nu)/\tau)` with the one :math:`\nu` that makes the sum k. It is the point
    of :math:`\{0\le p\le1,\ \sum p=k\}` with the largest :math:`\langle p,x\rangle/\tau` plus entropy of
    :math:`p` and :math:`1-p`. Time and memory grow with :math:`n` (but for a sort).

    Implements :prf:ref:`approximations-subset`, :prf:ref:`approximations-sigmoid`.

    Args:
        x: any shape with at least one entry along ``dim``. ``-inf`` is out (0); a row in which fewer than k
            entries remain has no subset of size k and gives zeros. ``inf`` is in (1); more than k of them
            share k equally. All of these have gradient 0.
        k: how many, 0 to n; 0 gives zeros and n ones.
        temperature: :math:`\tau`, in [0, inf). 0 gives the limit, zeros and ones, in which entries that tie
            for the last places share them equally, with gradient 0. Temperatures below a
            million times the smallest normal number (1e-32 in float32) count as that. A tensor broadcasts to
            the shape of ``x`` with one entry along ``dim``, and gets its gradient.
        method: ``"subset"`` or ``"sigmoid"``.
        dim: the axis of the entries.

    Returns:
        The shape and the dtype of ``x``. Sum, range and order hold up to rounding.

    Raises:
        TypeError: ``x`` not floating point, ``k`` not an int, ``temperature`` neither a number nor
            such a tensor.
        ValueError: no entry along ``dim``; ``k`` not in [0, n]; ``temperature`` negative, NaN or infinite; an
            unknown method.

    Source: Chen, Dempster and Liu, Biometrika 81 (1994) for the law on subsets; Amos, Koltun and Kolter, "The
    Limited Multi-Label Projection Layer", arXiv:1906.08707 (2019) for the projection.

    Example:
        >>> x = torch.tensor([2.0, 1.0, 4.0, 5.0, 3.0])
        >>> soft_top_k(x, 2)
        tensor([0.1154, 0.0433, 0.6746, 0.8705, 0.2961])
        >>> soft_top_k(x, 2, method="sigmoid")
        tensor([0.1693, 0.0697, 0.6009, 0.8036, 0.3565])
        >>> soft_top_k(torch.tensor([1.0, 2.0, 1.0, 1.0]), 2, temperature=0)
        tensor([0.3333, 1.0000, 0.3333, 0.3333])
    """
    dim = check.axis("x", x, dim)
    k = _size(k, x.shape[dim])
    check.choice("method", method, METHODS)
    temperature = _temperature(temperature, one_at(x.shape, dim))
    if isinstance(temperature, Tensor):
        temperature = temperature.movedim(dim, -1)
    return share_k(as_rows(x, dim), k, temperature, METHODS[method]).to(x.dtype).movedim(-1, dim)


METHODS = {"subset": marginals_of_sorted, "sigmoid": capped_simplex}


def _size(k: int, n: int) -> int:
    k = check.at_least("k", k)
    if k > n:
        raise ValueError(f"k must be at most the number of entries {n}, got {k}")
    return k


def _temperature(temperature: float | Tensor, sizes: Sequence[int]) -> float | Tensor:
    """A number in [0, inf), or a tensor of them that is expanded to ``sizes``."""
    asks = "temperature must be in [0, inf), 0 being the hard operation; got"
    if not isinstance(temperature, Tensor):
        temperature = check.number("temperature", temperature)
        if not 0 <= temperature < math.inf:
            raise ValueError(f"{asks} {temperature}")
        return temperature
    check.floating("temperature", temperature)
    right = (temperature >= 0) & (temperature < math.inf)
    if readable(temperature) and not right.all():
        raise ValueError(f"{asks} {temperature[~right][0].item()}")
    return torch.where(right, check.broadcast("temperature", temperature, sizes), math.nan)
