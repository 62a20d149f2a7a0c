"""The weights of a mixture whose components are given."""

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.infinite import above
from lemmata.numerics.precision import compute_dtype
from lemmata.simplex._minimization.loop import Method, Objective, Point, SimplexMinimum, descend, limits

__all__ = ["em_mixture_weights"]


def em_mixture_weights(log_likelihood: Tensor, *, tol: float = 1e-6, steps: int = 1000) -> SimplexMinimum:
    r"""The weights of fixed components (or models of an ensemble) under which the data is likeliest, by EM.

    .. math:: f(p) = -\frac1N\sum_i\log\sum_k p_k\ell_{ik},\qquad
              p_k \leftarrow p_k\,\frac1N\sum_i\frac{\ell_{ik}}{\sum_j p_j\ell_{ij}}

    There is no step size. f never rises, and after t steps it is at most :math:`\log K/(t+1)` above its
    minimum, whatever the components. The gap is the largest of those K factors, less 1.

    Implements :prf:ref:`minimization-em`, :prf:ref:`minimization-em-rate`.

    Args:
        log_likelihood: :math:`\log\ell`, ``(..., N, K)``: what component k says of observation i. ``-inf`` is
            an observation that k thinks impossible; one that all do is left out (so padding is ``-inf``).
            With no observation left the weights stay uniform and the value is 0.
        tol: the gap that is small enough, in nats an observation.
        steps: at most so many.

    Returns:
        See :class:`SimplexMinimum`; ``p`` is ``(..., K)``, ``value`` the mean negative log-likelihood. A row
        with an ``inf`` or NaN is not moved.

    Raises:
        TypeError: not floating point, ``tol`` not a number.
        ValueError: fewer than two axes, no component, a ``tol`` below 0.

    Source: Dempster, Laird and Rubin (1977); Lindsay, "The geometry of mixture likelihoods" (1983).

    Example:
        >>> two = torch.tensor([[0.5, 0.1], [0.2, 0.4], [0.3, 0.3]])  # three observations, two models
        >>> em_mixture_weights(two.log(), tol=1e-6).p
        tensor([0.8750, 0.1250])
    """
    steps, tol = limits(steps, tol)
    check.axis("log_likelihood", log_likelihood, -1)
    if log_likelihood.dim() < 2:
        raise ValueError(
            f"log_likelihood must have the axes (..., N, K), got shape {tuple(log_likelihood.shape)}"
        )
    x = log_likelihood.detach().to(compute_dtype(log_likelihood))
    f = _mean_surprise(x)
    uniform = torch.full_like(x[..., :1, :].sum(-2), 1 / x.shape[-1]).log()
    return descend(f, uniform, EM, lambda t: 1.0, steps, tol, log_likelihood.dtype)


def _mean_surprise(x: Tensor) -> Objective:
    """f of the docstring, from likelihoods that are 1 for the component that likes an observation best."""
    peak = x.amax(-1, keepdim=True) if x.shape[-2] else x.sum(-1, keepdim=True)
    known = peak.squeeze(-1) != -torch.inf
    weight = known.to(x.dtype) / known.sum(-1, keepdim=True).clamp(min=1)
    relative = torch.where(known.unsqueeze(-1), above(x, peak), 0.0).exp()
    offset = (weight * torch.where(known, peak.squeeze(-1), 0.0)).sum(-1)
    empty = (~known).all(-1)

    def f(p: Tensor) -> Tensor:
        share = (relative * p.unsqueeze(-2)).sum(-1)
        value = -(weight * share.log()).sum(-1) - offset
        return torch.where(empty, 0.0 * p.sum(-1), value)

    return f


def _reweigh(log_p: Tensor, point: Point, _: float) -> Tensor:
    """p_k times the k-th factor, which is minus the gradient."""
    moved = log_p + (-point.grad).clamp(min=0).log()
    return torch.log_softmax(torch.where(log_p == -torch.inf, -torch.inf, moved), -1)


EM = Method(torch.exp, _reweigh, own=True)
