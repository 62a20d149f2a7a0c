"""Multi-label cross-entropy beside its peers: forward and backward, 8 positives a row.

    python benchmarks/multilabel.py [--rounds N] [--quick] [--json PATH]

Times in units of ``F.binary_cross_entropy_with_logits``, which solves another task with the same bytes; the
bytes kept for backward, and allocated in all, in units of the scores.
"""

import functools
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from measure import Table, Target, allocated_bytes, saved_bytes, step
from report import main
from torch import Tensor

from lemmata.classification import multilabel_cross_entropy, sparse_multilabel_cross_entropy

POSITIVES = 8
Loss = Callable[[Tensor], Tensor]
SPARSE, HARD, REAL, SOFT = (
    f"lemmata, {form}" for form in ("sparse", "dense, bool", "dense, float", "dense, soft")
)
UNIT, ONE_LABEL, BLOG = "BCEWithLogits", "F.cross_entropy (one label)", "blog (1e12)"
LARGE = [
    Target(HARD, 0.65),
    Target(REAL, 0.8),
    Target(SOFT, 0.8),
    Target(SPARSE, 0.55),
    Target(SPARSE, 1.2, over=ONE_LABEL),
    Target(BLOG, 12, over=HARD, least=True),
    *(Target(form, 1.05, "saved") for form in (HARD, SPARSE)),  # 1.0, and what a row or a label needs
    *(Target(form, 2.5, "allocated") for form in (HARD, SPARSE)),
]
SIZES = [
    ((512, 10_000), LARGE, 15),
    ((64, 100_000), LARGE, 15),
    ((4096, 1000), [Target(HARD, 0.9), Target(SPARSE)], 15),
    ((256, 100), [Target(HARD, 1.8), Target(SPARSE, 1.8)], 300),
]


def blog(scores: Tensor, target: Tensor) -> Tensor:
    """The published snippet: wrong labels are pushed away by 1e12 (hard labels only)."""
    scores = (1 - 2 * target) * scores
    negative, positive = scores - target * 1e12, scores - (1 - target) * 1e12
    zero = torch.zeros_like(scores[..., :1])
    negative, positive = (torch.cat([side, zero], -1) for side in (negative, positive))
    return (torch.logsumexp(negative, -1) + torch.logsumexp(positive, -1)).mean()


def blog_soft(scores: Tensor, target: Tensor, epsilon: float = 1e-7) -> Tensor:
    """The published form for soft labels, with clipped logarithms as weights."""
    zero = torch.zeros_like(scores[..., :1])
    negative = torch.cat([scores + (1 - target).clamp(min=epsilon).log(), zero], -1)
    positive = torch.cat([-scores + target.clamp(min=epsilon).log(), zero], -1)
    return (torch.logsumexp(negative, -1) + torch.logsumexp(positive, -1)).mean()


def blog_sparse(scores: Tensor, index: Tensor, epsilon: float = 1e-7) -> Tensor:
    """The published sparse form, which subtracts the positives and is wrong when they dominate."""
    zero = torch.zeros_like(scores[..., :1])
    chosen = scores.gather(-1, index)
    positive = torch.logsumexp(torch.cat([-chosen, zero], -1), -1)
    every = torch.logsumexp(torch.cat([scores, zero], -1), -1)
    part = torch.logsumexp(chosen, -1) - every
    return (positive + every + (1 - part.exp()).clamp(epsilon, 1).log()).mean()


def losses(index: Tensor, classes: int) -> dict[str, Loss]:
    hard = torch.zeros(len(index), classes, dtype=torch.bool).scatter_(-1, index, True)
    real, soft = hard.float(), hard.float() * 0.8 + 0.1
    return {
        SPARSE: lambda s: sparse_multilabel_cross_entropy(s, index),
        HARD: lambda s: multilabel_cross_entropy(s, hard),
        REAL: lambda s: multilabel_cross_entropy(s, real),
        SOFT: lambda s: multilabel_cross_entropy(s, soft),
        BLOG: lambda s: blog(s, real),
        "blog, soft": lambda s: blog_soft(s, soft),
        "blog, sparse (inexact)": lambda s: blog_sparse(s, index),
        UNIT: lambda s: F.binary_cross_entropy_with_logits(s, real),
        ONE_LABEL: lambda s: F.cross_entropy(s, index[:, 0]),
    }


def table(rows: int, classes: int, targets: list[Target], rounds: int) -> Table:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(rows, classes, generator=generator).requires_grad_()
    index = torch.stack([torch.randperm(classes, generator=generator)[:POSITIVES] for _ in range(rows)])
    forms = losses(index, classes)

    def memory(name: str, medians: object) -> dict[str, float]:
        saved = saved_bytes(lambda: forms[name](scores))
        return {
            "saved": saved / scores.nbytes,
            "allocated": allocated_bytes(lambda: step(forms[name], scores)) / scores.nbytes,
        }

    cases = {name: functools.partial(step, loss, scores) for name, loss in forms.items()}
    shape = (rows, classes)
    return Table("multilabel", shape, "float32", cases, UNIT, targets=targets, more=memory, rounds=rounds)


def tables(quick: bool) -> Iterator[Table]:
    for (rows, classes), targets, rounds in [((4, 20), LARGE, 1)] if quick else SIZES:
        yield table(rows, classes, targets, rounds)


if __name__ == "__main__":
    main("multilabel", __doc__, tables)
