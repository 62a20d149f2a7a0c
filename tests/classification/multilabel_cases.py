"""The oracle of the multi-label tests in mpmath, and the functions of the chapter, of tensors alone."""

import itertools

import torch
from mpmath import mp

from lemmata.classification import (
    log_elementary_symmetric,
    multilabel_cross_entropy,
    multilabel_divergence,
    sparse_multilabel_cross_entropy,
    subset_cross_entropy,
    subset_marginals,
)

SCORES = (2.0, -1.0, 0.5, -3.0, 1.0)
LABELS = (1, 0, 1, 0, 0)
SOFT = (0.9, 0.1, 0.8, 0.05, 0.3)


def exact_sums(scores, target, threshold=0.0, mask=None):
    """A and B of one row, and its terms by label, in mpmath; labels with mask False are left out."""
    mask = [True] * len(scores) if mask is None else mask
    x = [mp.mpf(s) - mp.mpf(threshold) if keep else mp.mpf(0) for s, keep in zip(scores, mask, strict=True)]
    t = [mp.mpf(float(label)) for label in target]
    a = [keep * (1 - label) * mp.exp(y) for y, label, keep in zip(x, t, mask, strict=True)]
    b = [keep * label * mp.exp(-y) for y, label, keep in zip(x, t, mask, strict=True)]
    return mp.fsum(a), mp.fsum(b), a, b


def exact_loss(scores, target, threshold=0.0, mask=None):
    a, b, _, _ = exact_sums(scores, target, threshold, mask)
    return mp.log1p(a) + mp.log1p(b)


def exact_gradient(scores, target, threshold=0.0, mask=None):
    a, b, a_terms, b_terms = exact_sums(scores, target, threshold, mask)
    return [p / (1 + a) - q / (1 + b) for p, q in zip(a_terms, b_terms, strict=True)]


def exact_symmetric(scores, k):
    """e_0 ... e_k of exp(scores) by definition: sums over subsets."""
    x = [mp.exp(mp.mpf(s)) for s in scores]
    return [mp.fsum(mp.fprod(chosen) for chosen in itertools.combinations(x, j)) for j in range(k + 1)]


# ------------------------------------------------------------------- functions of tensors alone


def hard_loss(s, theta):
    y = torch.arange(18, device=s.device).reshape(3, 6) % 3 == 1
    return multilabel_cross_entropy(s, y, threshold=theta, reduction="none")


def masked_loss(s, theta):
    y = torch.arange(18, device=s.device).reshape(3, 6) % 3 == 1
    return multilabel_cross_entropy(s, y, threshold=theta, mask=y.roll(1) | y.roll(6), reduction="none")


def soft_loss(s, theta, t):
    return multilabel_cross_entropy(s, t, threshold=theta, reduction="none")


def soft_masked_loss(s, theta, t):
    mask = torch.arange(18, device=s.device).reshape(3, 6) % 4 != 1
    return multilabel_cross_entropy(s, t, threshold=theta, mask=mask, reduction="none")


def sparse_loss(s, theta):
    index = torch.tensor([[0, 3, 3, -1], [-1, -1, -1, -1], [5, 0, 1, 2]], device=s.device)
    return sparse_multilabel_cross_entropy(s, index, threshold=theta, reduction="none")


def divergence(s, _, t):
    return multilabel_divergence(s, t, reduction="none")


def symmetric(s, _):
    return log_elementary_symmetric(s, 4)


def marginals(s, _):
    return subset_marginals(s, 3)


def conditional(s, _):
    y = torch.arange(18, device=s.device).reshape(3, 6) % 3 == 1
    return subset_cross_entropy(s, y, reduction="none")


def padded(s, _):
    y = torch.arange(18, device=s.device).reshape(3, 6) % 3 == 1
    return subset_cross_entropy(s, y, max_size=4, reduction="none")


EVERY = [hard_loss, masked_loss, soft_loss, soft_masked_loss, sparse_loss, divergence, symmetric, marginals,
         conditional, padded]  # fmt: skip


def arguments(function, draw, requires_grad=True):
    values = [draw.normal(3, 6), draw.normal(3), draw.uniform(3, 6) * 0.8 + 0.1]
    return [v.requires_grad_(requires_grad) for v in values[: function.__code__.co_argcount]]
