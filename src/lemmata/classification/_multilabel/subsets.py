"""Softmax over subsets of classes, each scored by the sum of its members."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.elementary_symmetric import log_symmetric, marginals_of_sorted
from lemmata.numerics.infinite import constant
from lemmata.numerics.log_space import log_sum_exp, log_times
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.reduction import REDUCTIONS, reduce_rows
from lemmata.numerics.top_k import share_k

__all__ = ["log_elementary_symmetric", "subset_cross_entropy", "subset_log_prob", "subset_marginals"]


def log_elementary_symmetric(input: Tensor, k: int) -> Tensor:
    r"""Logarithms of the elementary symmetric polynomials :math:`e_0,\dots,e_k` of :math:`x_i = e^{s_i}`.

    :math:`e_j` sums the products of all subsets of size :math:`j`. The recurrence
    :math:`e_j(x\cup y) = \sum_i e_i(x)\,e_{j-i}(y)` joins the classes two by two, then the pairs, and so on.
    Its terms are positive, so nothing cancels (Newton's identities do), and :math:`\log_2 C` rounds are
    enough, where adding one class at a time takes C. Cost and memory grow with :math:`Ck`.

    Implements :prf:ref:`multilabel-newton`.

    Args:
        input: scores ``(..., C)``. ``-inf`` takes a class out; ``inf`` makes every :math:`e_j` that it can be
            part of ``inf`` (with gradient 0).
        k: the largest size, at least 0.

    Returns:
        ``(..., k + 1)``, in the dtype of ``input``; ``-inf`` (with gradient 0) for sizes that no subset has.

    Example:
        >>> log_elementary_symmetric(torch.zeros(4), 5).exp()
        tensor([1., 4., 6., 4., 1., 0.])
    """
    check.scores("input", input)
    k = check.at_least("k", k)
    return log_symmetric(input.to(compute_dtype(input)), k).to(input.dtype)


def subset_marginals(input: Tensor, k: int) -> Tensor:
    r"""The probability of each class to be in a subset of size k, where :math:`P(T)\propto e^{\sum_T s}`.

    It is the gradient of :math:`\log e_k`, in [0, 1], and the row sums to k up to rounding. It is computed
    from what the k highest scores lose to the others, so that nothing cancels, and without differentiating.

    Implements :prf:ref:`multilabel-subset`.

    Args:
        input: scores ``(..., C)``. ``-inf`` takes a class out; all is 0 where there is no subset of size k.
            ``inf`` is in every subset (1), and more than k of them share k equally, with gradient 0.
        k: the size of the subsets.

    Example:
        >>> subset_marginals(torch.tensor([0.0, 0.0, 0.0, 0.0]), 3)
        tensor([0.7500, 0.7500, 0.7500, 0.7500])
    """
    check.scores("input", input)
    k = check.at_least("k", k)
    s = input.to(compute_dtype(input))
    p = share_k(s, k, 1.0, marginals_of_sorted) if k <= s.shape[-1] else constant(torch.zeros_like(s), s)
    return p.to(input.dtype)


def subset_log_prob(input: Tensor, subset: Tensor) -> Tensor:
    r"""Log-probability of a subset among all of its size: :math:`\log P(T) = \sum_T s_i - \log e_{|T|}(e^s)`.

    Computed as :math:`-\log\sum_j e_j(e^{-s_T})\,e_j(e^{s_N})`: j members leave and j others join. The first
    term is 1, so nothing cancels, however large the scores are, and no probability exceeds 1.

    Implements :prf:ref:`multilabel-subset`.

    Args:
        input: scores ``(..., C)``; ``-inf`` takes a class out, and a subset that contains it gets ``-inf``.
        subset: ``(..., C)``, bool or integer 0 and 1. Cost and memory grow with C times the largest size;
            where sizes cannot be read (see the module; also under vmap) C stands for it.

    Returns:
        ``(...)``, in the dtype of ``input``.

    Example:
        >>> scores = torch.tensor([2.0, -1.0, 0.5, -3.0, 1.0])
        >>> subset_log_prob(scores, torch.tensor([1, 0, 1, 0, 0]))
        tensor(-1.2300)
    """
    return -_subset_loss("subset", input, subset, None).to(input.dtype)


def subset_cross_entropy(
    input: Tensor, target: Tensor, *, max_size: int | None = None, reduction: str = "mean"
) -> Tensor:
    r"""Cross-entropy of softmax over subsets, each scored by the sum of its members.

    .. math:: L = \log Z - \sum_{i\in T} s_i,\qquad
              Z = e_{|T|}(e^s)\quad\text{or}\quad Z = \sum_{j\le K} e_j(e^s)

    The second when ``max_size=K`` is given: K = 1 is softmax with a null class of score 0, K = C is the sum
    of the binary cross-entropies.

    Implements :prf:ref:`multilabel-subset`, :prf:ref:`multilabel-padding`.

    Args:
        input: scores ``(..., C)``.
        target: the subset, as in :func:`subset_log_prob`.
        max_size: the largest subset that can occur, or None where the size is known and only the choice is
            scored. A larger target is impossible: loss ``inf``, gradient 0.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Example:
        >>> scores, target = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([0.0, 0.0, 1.0])
        >>> bce = F.binary_cross_entropy_with_logits(scores, target, reduction="sum")
        >>> torch.isclose(subset_cross_entropy(scores, target.bool(), max_size=3), bce)
        tensor(True)
    """
    check.choice("reduction", reduction, REDUCTIONS)
    if max_size is not None:
        max_size = check.at_least("max_size", max_size)
    return reduce_rows(_subset_loss("target", input, target, max_size), reduction).to(input.dtype)


# --------------------------------------------------------------------------- how they are computed


def _subset_loss(name: str, input: Tensor, subset: Tensor, max_size: int | None) -> Tensor:
    """log sum x_S / x_T over the subsets S, sorted by how many members leave T and how many others join."""
    check.scores("input", input)
    check.shape(name, subset, input.shape)
    if subset.is_floating_point():
        raise TypeError(f"{name} must be bool or integer 0 and 1, got {subset.dtype}")
    check.probability(name, subset)
    s, member = input.to(compute_dtype(input)), subset.to(torch.bool)
    classes, size = s.shape[-1], member.sum(-1)
    if classes == 0:
        return s.sum(-1)
    shift = _least(s, member) if max_size is None else torch.zeros_like(s[..., :1])
    joining = torch.where(member, -math.inf, s - shift)
    leaving = torch.where(member, shift - s, -math.inf)
    most = int(size.max()) if size.numel() and readable(size) else classes
    most = max(1, most if max_size is None else min(most, max_size))  # larger subsets are impossible
    leave = log_symmetric(leaving, most)
    join = log_symmetric(joining, most if max_size is None else max_size)
    if max_size is None:
        change = log_times(leave, join)[..., 1:]
        impossible = (member & (s == -math.inf)).any(-1)
    else:
        i = torch.arange(leave.shape[-1], device=s.device).unsqueeze(-1)
        j = torch.arange(join.shape[-1], device=s.device)
        fits = (size[..., None, None] - i + j <= max_size) & (i + j > 0)
        change = torch.where(fits, log_times(leave.unsqueeze(-1), join.unsqueeze(-2)), -math.inf).flatten(-2)
        impossible = size > max_size
    return torch.where(impossible, math.inf, -F.logsigmoid(-log_sum_exp(change)))  # log(1 + changes)


def _least(s: Tensor, member: Tensor) -> Tensor:
    """The lowest score of the members, if finite: scores relative to it keep their digits."""
    top = torch.finfo(s.dtype).max
    return torch.where(member, s, math.inf).amin(-1, keepdim=True).detach().clamp(-top, top)
