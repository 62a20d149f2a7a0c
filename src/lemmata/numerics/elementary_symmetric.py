"""Elementary symmetric polynomials in log space, in plain PyTorch: products of polynomials, two by two.

Only positive terms are added, so nothing cancels; no derivative is NaN, whatever is infinite. And back, from
the product to its factors: the marginals of a random subset.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lemmata.numerics.log_space import log_sum_exp, log_times

__all__ = ["log_symmetric", "marginals_of_sorted"]


def log_symmetric(s: Tensor, k: int) -> Tensor:
    """log e_0 ... log e_k: the product of the polynomials 1 + z e^s, two by two."""
    return _extended(_products(s, k)[-1][..., 0, :], k)


def marginals_of_sorted(s: Tensor, k: int) -> Tensor:
    """The probability of each to be in a subset T of size k, 0 < k < n, where P(T) ~ e^(sum of s over T).

    Args:
        s: finite ``(..., n)``, sorted in descending order, so that the k-th and the next one lie at equal
            distances above and below 0: j of the first k leave, j of the others join, and nothing cancels.
    """
    n, most = s.shape[-1], min(k, s.shape[-1] - k)
    leaving, joining = _products(-s[..., :k], most), _products(s[..., k:], most)
    changes = torch.softmax(log_times(leaving[-1], joining[-1]), -1)  # (..., 1, most + 1)
    stay, leave = _degrees(leaving, changes)[..., :k, :].unbind(-1)
    join = _degrees(joining, changes)[..., : n - k, 1]
    return torch.cat([torch.where(leave < 0.5, 1 - leave, stay), join], -1).clamp(max=1)


def _products(s: Tensor, k: int) -> list[Tensor]:
    """Coefficients to z^k of the products of 1, 2, 4, ... factors 1 + z e^s, as (..., products, degrees)."""
    if s.shape[-1] == 0:
        s = F.pad(s, (0, 1), value=-math.inf)
    levels = [torch.stack([torch.zeros_like(s), s], -1)[..., : k + 1]]
    while levels[-1].shape[-2] > 1:
        levels[-1] = _even(levels[-1])
        levels.append(_log_product(levels[-1][..., 0::2, :], levels[-1][..., 1::2, :])[..., : k + 1])
    return levels


def _degrees(levels: list[Tensor], p: Tensor) -> Tensor:
    """From the probabilities p of the degrees of the whole product to those of each factor, (..., n, 2)."""
    for parts in reversed(levels[:-1]):
        left, right = parts[..., 0::2, :], parts[..., 1::2, :]
        n = parts.shape[-1]
        p = F.pad(p[..., : left.shape[-2], :], (0, 2 * n - 1 - p.shape[-1])).unsqueeze(-2)
        terms = _skewed(left, right)
        terms = torch.where((terms == -math.inf).all(-2, keepdim=True), 0.0, terms)  # there p is 0
        joint = F.pad((p * torch.softmax(terms, -2)).flatten(-2), (0, n)).unflatten(-1, (n, 2 * n))[..., :n]
        p = torch.stack([joint.sum(-1), joint.sum(-2)], -2).flatten(-3, -2)
    return p


def _even(products: Tensor) -> Tensor:
    """With one more factor of 1 where their number is odd."""
    if products.shape[-2] % 2 == 0:
        return products
    one = F.pad(torch.zeros_like(products[..., :1, :1]), (0, products.shape[-1] - 1), value=-math.inf)
    return torch.cat([products, one], -2)


def _extended(log: Tensor, k: int) -> Tensor:
    """With -inf for the coefficients up to z^k that are 0."""
    return F.pad(log, (0, k + 1 - log.shape[-1]), value=-math.inf)


def _log_product(a: Tensor, b: Tensor) -> Tensor:
    """The product of two polynomials by their coefficients, all as logarithms: c_m = sum_j a_j b_(m-j)."""
    return log_sum_exp(_skewed(a, b).transpose(-1, -2))


def _skewed(a: Tensor, b: Tensor) -> Tensor:
    """The logarithms of a_j b_(m-j) as (..., j, m): row j moves j places to the right."""
    n = a.shape[-1]
    terms = F.pad(log_times(a.unsqueeze(-1), b.unsqueeze(-2)), (0, n), value=-math.inf)  # (..., n, 2n)
    return terms.flatten(-2)[..., :-n].unflatten(-1, (n, 2 * n - 1))
