"""The certificate: how far from the minimum a point can be at most."""

from typing import SupportsIndex

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.infinite import above
from lemmata.numerics.precision import compute_dtype

__all__ = ["simplex_gap"]


def simplex_gap(p: Tensor, grad: Tensor, *, dim: SupportsIndex = -1) -> Tensor:
    r"""How far f(p) can be above the minimum of a convex f, from its gradient g at p alone.

    .. math:: \mathrm{gap} = \langle p, g\rangle - \min_i g_i = \sum_i p_i\,(g_i - \min g) \ge f(p) - \min f

    It is 0 exactly at the points that satisfy the conditions of Karush, Kuhn and Tucker, and no constant that
    is added to g changes it. The second form is the one computed: no term is negative, none cancels.

    Implements :prf:ref:`minimization-kkt`, :prf:ref:`minimization-gap`.

    Args:
        p: probabilities, at least one along ``dim``.
        grad: the gradient at this very p, in its shape. Where p is 0 an entry may be ``inf`` (never wanted:
            it counts nothing) or ``-inf`` (the gap is ``inf``).
        dim: the axis of the entries.

    Returns:
        The gap, without the axis ``dim``, in the dtype of ``p``. At ties for the minimum the gradient is the
        mean of theirs. It is a bound up to the rounding of g: a few times eps of the largest entry.

    Raises:
        TypeError: an argument that is not floating point.
        ValueError: no entry along ``dim``; shapes that differ; on the CPU, a p that is not in [0, 1].

    Source: Jaggi, "Revisiting Frank-Wolfe", ICML (2013), equation (2).

    Example:
        >>> p = torch.tensor([0.5, 0.5, 0.0])
        >>> simplex_gap(p, torch.tensor([1.0, 2.0, 4.0]))
        tensor(0.5000)
        >>> simplex_gap(p, torch.tensor([1.0, 1.0, 4.0]))
        tensor(0.)
    """
    dim = check.axis("p", p, dim)
    check.floating("grad", grad)
    check.shape("grad", grad, p.shape, "p")
    check.probability("p", p)
    dtype = compute_dtype(p, grad)
    return gap_of(p.to(dtype).movedim(dim, -1), grad.to(dtype).movedim(dim, -1)).to(p.dtype)


def gap_of(p: Tensor, g: Tensor) -> Tensor:
    """sum p (g - min g) over the last axis, where 0 times infinity is 0 unless the minimum is -inf."""
    least = g.amin(-1, keepdim=True)
    endless = (least == -torch.inf) & ~p.isnan().any(-1, keepdim=True)
    skip = endless | ((p == 0) & (g == torch.inf))
    excess = above(torch.where(skip, 0.0, g), torch.where(endless, 0.0, least))
    skip = skip | ((p == 0) & (excess == torch.inf))  # a difference that overflows
    gap = (p * torch.where(skip, 0.0, excess)).sum(-1)
    return torch.where(endless.squeeze(-1), torch.inf, gap)
