r"""Fine-tuning for classes that look alike: centres of classes, weights of two heads.

* A centre loss holds the features of a class together, :math:`\tfrac12|f-c_y|^2`.
* Two heads are averaged with the weight that makes a validation set likeliest; the problem is convex.

Floating tensors are float64, float32, bfloat16 or float16; half types are computed in float32.

Source: Su, kexue.fm 4611 (2017); Wen et al., "A Discriminative Feature Learning Approach for Deep Face
Recognition" (ECCV 2016).
"""

import math

import torch
from torch import Tensor, nn

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.reduction import REDUCTIONS, reduce_rows

__all__ = ["CenterLoss", "ensemble_weight"]

SECTIONS, ROUNDS = 16, 14  # of the search for a weight


class CenterLoss(nn.Module):
    r"""The centre loss: half the squared distance of features to the centre of their class.

    .. math:: \ell_i=\tfrac12\,|f_i-c_{y_i}|^2

    Centres are a parameter, for the optimiser to move, or with ``momentum`` m moving averages of the means
    of the classes, :math:`c_k\leftarrow c_k+m(\bar f_k-c_k)`, which a call in training mode moves before it
    measures. The first mean of a class is taken as it is. A class that is absent keeps its centre. Leave them
    in float32, also beside a body of half types: there a small step is rounded away.

    Alone, or beside a head that is free to grow, the loss is satisfied by small features. Give the head
    weight decay, or normalise the features.

    Implements :prf:ref:`fine-grained-centre`.

    Args:
        num_classes: K, at least 1.
        dim: entries of a feature, at least 1.
        momentum: None, or m in (0, 1].
        reduction: ``mean`` over the batch, ``sum`` or ``none``.

    Raises:
        TypeError: an argument is of another type.
        ValueError: a size below 1, another reduction, or a ``momentum`` outside of (0, 1].

    Example:
        >>> loss = CenterLoss(2, 3, momentum=1.0)
        >>> f = torch.tensor([[1.0, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, 5.0, 0.0]])
        >>> loss(f, torch.tensor([0, 0, 1]))
        tensor(0.3333)
        >>> loss.centers
        tensor([[2., 0., 0.],
                [0., 5., 0.]])
    """

    centers: Tensor
    seen: Tensor

    def __init__(
        self, num_classes: int, dim: int, *, momentum: float | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        start = torch.zeros(check.at_least("num_classes", num_classes, 1), check.at_least("dim", dim, 1))
        check.choice("reduction", reduction, REDUCTIONS)
        self.momentum, self.reduction = momentum, reduction
        if momentum is None:
            self.centers = nn.Parameter(start)
            return
        self.momentum = check.positive("momentum", momentum)
        if self.momentum > 1:
            raise ValueError(f"momentum must be at most 1, got {momentum}")
        self.register_buffer("centers", start)
        self.register_buffer("seen", torch.zeros(len(start), dtype=torch.bool))

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            features: shape (N, dim). NaN or inf among them makes the loss NaN or inf, and leaves the moving
                average of that class where it was.
            labels: int64 of [0, num_classes), shape (N,).

        Returns:
            In the dtype of ``features``: one number, 0 for an empty batch, or of shape (N,) for ``none``.

        Raises:
            TypeError: the tensors are of other types.
            ValueError: other shapes, or a label that is no class.
        """
        check.floating("features", features)
        check.index("labels", labels)
        classes, dim = self.centers.shape
        if features.dim() != 2 or features.shape[1] != dim:
            raise ValueError(f"features must have shape (N, {dim}), got {tuple(features.shape)}")
        check.shape("labels", labels, features.shape[:1], "features")
        check.within("labels", labels, classes)
        x = features.to(compute_dtype(features, self.centers))
        if self.momentum is not None and self.training:
            self._move(x.detach(), labels, self.momentum)
        rows = (x - self.centers.to(x.dtype)[labels]).square().sum(1) / 2
        if not len(rows) and self.reduction == "mean":
            return rows.sum().to(features.dtype)
        return reduce_rows(rows, self.reduction).to(features.dtype)

    @torch.no_grad()
    def _move(self, x: Tensor, labels: Tensor, momentum: float) -> None:
        """Centres of the classes that are present, unless they would not be finite."""
        centers = self.centers.to(x.dtype)
        count = x.new_zeros(len(centers)).index_add(0, labels, x.new_ones(len(x)))
        mean = torch.zeros_like(centers).index_add(0, labels, x) / count.clamp(min=1).unsqueeze(1)
        rate = torch.where(self.seen, momentum, 1.0).to(x.dtype).unsqueeze(1)
        moved = torch.lerp(centers, mean, rate).to(self.centers.dtype)
        moves = (count > 0) & moved.isfinite().all(1)
        self.centers.copy_(torch.where(moves.unsqueeze(1), moved, self.centers))
        self.seen.logical_or_(moves)

    def extra_repr(self) -> str:
        classes, dim = self.centers.shape
        return f"{classes}, {dim}, momentum={self.momentum}, reduction={self.reduction!r}"


def ensemble_weight(log_p: Tensor, log_q: Tensor, labels: Tensor) -> Tensor:
    r"""The weight w of the first of two heads that makes the labels likeliest.

    .. math:: \min_{0\le w\le1} L(w),\qquad L(w)=-\frac1n\sum_i\log\bigl(w\,p_i+(1-w)\,q_i\bigr)

    with the probabilities p, q of the true labels. L is convex; the zero of its slope is enclosed in a 16th
    of an interval, 14 times, from logarithms, so that probabilities may be as small as they like. Find w on
    data that neither head was trained on, and not on the test.

    Implements :prf:ref:`fine-grained-average`.

    Args:
        log_p: ``log_softmax`` of the first head, shape (..., n, K).
        log_q: that of the second, of the same shape.
        labels: int64 of [0, K), shape (..., n).

    Returns:
        w, shape (...), in the wider dtype of the two; a constant. 1/2 where all w are as good: no example, or
        equal probabilities. An example that both heads exclude counts in no weight. NaN if an entry is.

    Raises:
        TypeError: the tensors are of other types.
        ValueError: other shapes, a label that is no class, or values above 0, which are no log-probabilities.

    Example:
        >>> p, q = torch.tensor([[0.9, 0.1], [0.2, 0.8]]), torch.tensor([[0.5, 0.5], [0.6, 0.4]])
        >>> ensemble_weight(p.log(), q.log(), torch.tensor([0, 0]))
        tensor(0.1250)
    """
    _log_probabilities("log_p", log_p)
    _log_probabilities("log_q", log_q)
    check.shape("log_q", log_q, log_p.shape, "log_p")
    check.index("labels", labels)
    check.shape("labels", labels, log_p.shape[:-1], "log_p")
    check.within("labels", labels, log_p.shape[-1])
    dtype = torch.promote_types(log_p.dtype, log_q.dtype)
    at = labels.unsqueeze(-1)
    p, q = (x.detach().to(compute_dtype(log_p, log_q)).gather(-1, at).squeeze(-1) for x in (log_p, log_q))
    nothing = (p == -math.inf) & (q == -math.inf)
    d = torch.where(nothing, 0.0, p - q)
    ends = _gain(d, torch.arange(2, dtype=d.dtype, device=d.device))
    falls, rises = ends[..., 0] <= 0, ends[..., 1] >= 0
    w = torch.where(falls, torch.where(rises, 0.5, 0.0), torch.where(rises, 1.0, _zero(d)))
    spoilt = (log_p.isnan() | log_q.isnan()).flatten(-2).any(-1)
    return torch.where(spoilt, math.nan, w).to(dtype)


def _log_probabilities(name: str, value: Tensor) -> None:
    check.axis(name, value, -1)
    if value.dim() < 2:
        raise ValueError(f"{name} must have shape (..., n, K), got {tuple(value.shape)}")
    slack = 4 * torch.finfo(value.dtype).eps
    if value.numel() and readable(value) and (value > slack).any():
        largest = value.max().item()
        raise ValueError(f"{name} must be log-probabilities, at most 0, got {largest} (take log_softmax)")


def _zero(d: Tensor) -> Tensor:
    """Where the slope of L changes its sign between 0 and 1, to a 16^-14 = 2^-56."""
    inside, width = torch.arange(1, SECTIONS, dtype=d.dtype, device=d.device) / SECTIONS, 1.0
    low = d.new_zeros(d.shape[:-1])
    for _ in range(ROUNDS):
        rising = _gain(d, low.unsqueeze(-1) + width * inside) > 0
        width /= SECTIONS
        low = low + width * rising.sum(-1)
    return low + width / 2


def _gain(d: Tensor, w: Tensor) -> Tensor:
    """Minus n times the slope of L at each w of (..., m): the sum of (r - 1) / (1 + w (r - 1)), r = e^d."""
    small = torch.exp(-d.abs())  # the smaller of the two probabilities, the larger being 1: no overflow
    p, q = (x.unsqueeze(-2) for x in (torch.where(d > 0, 1.0, small), torch.where(d > 0, small, 1.0)))
    w = w.unsqueeze(-1)
    return ((p - q) / (w * p + (1 - w) * q)).sum(-1)
