"""What log weights say: the bound that they give, and how many of them count."""

import math
from typing import SupportsIndex

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.log_space import log_sum_exp
from lemmata.numerics.precision import compute_dtype

__all__ = ["effective_sample_size", "importance_weighted_bound"]


def importance_weighted_bound(log_w: Tensor, dim: SupportsIndex = 0) -> Tensor:
    r"""Logarithm of the mean weight, :math:`\hat L_M = \log\frac1M\sum_i w_i`.

    With :math:`w_i = q(x, z_i) / p(z_i|x)` and draws :math:`z_i` from p its expectation is at most log q(x),
    and grows with M; M = 1 is the evidence lower bound of a variational autoencoder.

    Implements :prf:ref:`density-bounds`.

    Args:
        log_w: logarithms of weights; float64, float32, bfloat16 or float16 (these two computed in float32).
            ``-inf`` is a weight of 0, without gradient; all of them ``-inf`` give ``-inf``. NaN and ``inf``
            propagate, in their row.
        dim: the axis of the M draws, at least one.

    Returns:
        The shape without ``dim``, and the dtype of ``log_w``.

    Raises:
        TypeError: ``log_w`` is no floating tensor, ``dim`` no int.
        ValueError: there is no draw (M = 0), or no such axis.

    Source: Burda, Grosse and Salakhutdinov (2016), equation 8.

    Example:
        >>> w = torch.tensor([[1.0, 2.0], [3.0, 0.0]])
        >>> importance_weighted_bound(w.log()).exp()
        tensor([2., 1.])
    """
    terms = _last(log_w, dim)
    return (log_sum_exp(terms) - math.log(terms.shape[-1])).to(log_w.dtype)


def effective_sample_size(log_w: Tensor, dim: SupportsIndex = 0) -> Tensor:
    r"""How many equal weights would be as good: :math:`(\sum_i w_i)^2 / \sum_i w_i^2`, from 1 to M.

    For M >= 2, :math:`1/\mathrm{ESS} - 1/M` estimates the variance of the estimated log q(x). It is blind to
    what was not drawn: large for a proposal that misses a mode, and maybe for weights of infinite variance.

    Implements :prf:ref:`density-bias`.

    Args:
        log_w, dim: as :func:`importance_weighted_bound` takes them. All ``-inf`` give 0; NaN and ``inf`` give
            NaN, in their row.

    Returns:
        The shape without ``dim``, and the dtype of ``log_w`` (more than 65504 draws: no float16).

    Raises:
        TypeError, ValueError: as :func:`importance_weighted_bound` does.

    Source: Kong (1992).

    Example:
        >>> effective_sample_size(torch.tensor([1.0, 1.0, 0.0, 2.0]).log())
        tensor(2.6667)
    """
    terms = _last(log_w, dim)
    peak = terms.amax(-1, keepdim=True).detach()
    nothing = peak == -math.inf
    w = torch.exp(terms - torch.where(nothing, 0.0, peak))  # inf - inf is NaN
    squares = torch.where(nothing.squeeze(-1), 1.0, w.square().sum(-1))
    return (w.sum(-1).square() / squares).to(log_w.dtype)


def _last(log_w: Tensor, dim: SupportsIndex) -> Tensor:
    """The draws on the last axis, in the type in which sums are made."""
    axis = check.axis("log_w", log_w, dim)
    return log_w.to(compute_dtype(log_w)).movedim(axis, -1)
