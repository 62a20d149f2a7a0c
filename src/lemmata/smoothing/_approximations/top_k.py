"""Which entries are the k largest, made smooth: marginals of a random subset, or a projection."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.elementary_symmetric import log_symmetric
from lemmata.numerics.log_space import log_sum_exp, log_times
from lemmata.smoothing._approximations.capped_simplex import capped_simplex
from lemmata.smoothing._approximations.limits import ROOM, above, as_rows, constant

__all__ = ["soft_top_k"]


def soft_top_k(
    x: Tensor, k: int, *, temperature: float = 1.0, method: str = "subset", dim: int = -1
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
            million times the smallest normal number (1e-32 in float32) count as that.
        method: ``"subset"`` or ``"sigmoid"``.
        dim: the axis of the entries.

    Returns:
        The shape and the dtype of ``x``. Sum, range and order hold up to rounding.

    Raises:
        TypeError: ``x`` not floating point, ``k`` not an int, ``temperature`` not a number.
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
    k, temperature = _checked(k, x.shape[dim], temperature, method)
    rows = as_rows(x, dim)
    if k == 0:
        p = constant(torch.zeros_like(rows), rows)
    else:
        entries, order = rows.sort(-1, descending=True)
        p = _top_k_of_sorted(entries, k, temperature, method)
        p = torch.zeros_like(p).scatter(-1, order, p)
    return p.to(x.dtype).movedim(-1, dim)


def _top_k_of_sorted(x: Tensor, k: int, temperature: float, method: str) -> Tensor:
    last = x.detach()[..., k - 1 : k]
    gap = above(x, last)
    if temperature == 0:
        higher, level = (gap > 0).to(x.dtype), (gap == 0).to(x.dtype)
        share = (k - higher.sum(-1, keepdim=True)) / level.sum(-1, keepdim=True)
        p = constant(higher + share * level, x)
    else:
        s = _centred(gap, k, temperature)
        if k == x.shape[-1]:
            p = constant(torch.ones_like(s), s)
        else:
            p = _subset(s, k) if method == "subset" else capped_simplex(s, k)
    unknown = x[..., :1].isnan()  # NaN comes first
    return torch.where(unknown, math.nan, torch.where(last == -math.inf, 0.0, p))


def _centred(gap: Tensor, k: int, temperature: float) -> Tensor:
    """Finite scores: the k-th and the next are as far above 0 as below it."""
    info = torch.finfo(gap.dtype)
    top = info.max / 4
    s = (gap / min(max(temperature, info.tiny * ROOM), info.max)).clamp(-top, top)
    return s - s.detach()[..., k : k + 1].sum(-1, keepdim=True) / 2  # the k-th is 0; no next one counts as 0


def _subset(s: Tensor, k: int) -> Tensor:
    """The marginals of sorted scores: 1 for the first k, plus the derivative of what all of them change."""
    n, most = s.shape[-1], min(k, s.shape[-1] - k)

    def log_changes(s: Tensor) -> Tensor:
        leaving, joining = log_symmetric(-s[..., :k], most), log_symmetric(s[..., k:], most)
        return log_sum_exp(log_times(leaving, joining)).sum()

    return (torch.arange(n, device=s.device) < k) + torch.func.grad(log_changes)(s)


def _checked(k: int, n: int, temperature: float, method: str) -> tuple[int, float]:
    k, temperature = check.at_least("k", k), check.number("temperature", temperature)
    if k > n:
        raise ValueError(f"k must be at most the number of entries {n}, got {k}")
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature must be in [0, inf), 0 being the hard operation; got {temperature}")
    check.choice("method", method, ("subset", "sigmoid"))
    return k, temperature
