r"""Separable convolutions, a loss for merged classes, and what accuracy by character says about words.

Four short tools for a reader of short words: a convolution with few weights, a loss for labels that do not
tell case, bounds of the share of words that are right throughout, and the number of alignments that CTC sums.

.. math:: W_{ocuv}=P_{oc}D_{cuv},\qquad
          L=-\log\sum_{j\in G}p_j,\qquad
          \max\Bigl(0,1-\sum_i(1-a_i)\Bigr)\le\mathbb P(\text{all right})\le\min_ia_i

Source: Su, kexue.fm 4503 (2017); Chollet, "Xception", arXiv:1610.02357 (2017); Graves et al., "Connectionist
temporal classification" (2006); Fréchet, "Généralisation du théorème des probabilités totales" (1935).
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.infinite import above
from lemmata.numerics.log_space import log_sum_exp
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.reduction import REDUCTIONS, reduce_rows

__all__ = ["ExactMatchBounds", "SeparableConv2d", "ctc_alignments", "exact_match_bounds", "merged_nll"]


class SeparableConv2d(nn.Sequential):
    r"""A convolution that looks at places and mixes channels in two layers.

    .. math:: y_o=\sum_c P_{oc}\,(D_c*x_c)

    It has :math:`k^2C+CC'` weights where a standard one has :math:`k^2CC'`, and saves the same share of the
    multiplications; it is that standard convolution whose kernel is ``kernel``.

    Implements :prf:ref:`captcha-cost`, :prf:ref:`captcha-kernel`.

    Args:
        in_channels: C, at least 1.
        out_channels: :math:`C'`, at least 1.
        kernel_size: k, at least 1: each channel's own kernel is k x k.
        stride, padding, dilation: of the first layer, ``depthwise``.
        bias: whether the second layer, ``pointwise``, adds a number to each channel. The first has none: the
            second would only mix it.

    Attributes:
        kernel: the kernel of the standard convolution that it equals, ``(C', C, k, k)``; differentiable.

    Raises:
        TypeError: a number that is no int, a bias that is no bool.
        ValueError: a number below 1 (padding: below 0).

    Example:
        >>> layer = SeparableConv2d(728, 728, 3, bias=False)
        >>> sum(p.numel() for p in layer.parameters()), layer.kernel.numel()
        (536536, 4769856)
        >>> x = torch.randn(2, 728, 5, 5)
        >>> torch.allclose(layer(x), nn.functional.conv2d(x, layer.kernel), atol=1e-5)
        True
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        inputs = check.at_least("in_channels", in_channels, 1)
        outputs = check.at_least("out_channels", out_channels, 1)
        k = check.at_least("kernel_size", kernel_size, 1)
        if not isinstance(bias, bool):
            raise TypeError(f"bias must be a bool, got {type(bias).__name__}")
        self.depthwise = nn.Conv2d(
            inputs,
            inputs,
            k,
            stride=check.at_least("stride", stride, 1),
            padding=check.at_least("padding", padding),
            dilation=check.at_least("dilation", dilation, 1),
            groups=inputs,
            bias=False,
        )
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=bias)

    @property
    def kernel(self) -> Tensor:
        return self.pointwise.weight * self.depthwise.weight.transpose(0, 1)


def merged_nll(
    input: Tensor,
    target: Tensor,
    groups: Tensor,
    *,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Tensor:
    r"""Cross entropy for labels that name a group of classes, not the class: 52 scores, 26 letters.

    .. math:: L=-\log\sum_{j\in G}p_j=\log\Bigl(1+\frac{\sum_{j\notin G}e^{s_j}}{\sum_{j\in G}e^{s_j}}\Bigr),
              \qquad p=\operatorname{softmax}(s)

    The second form is computed: a loss near 0 keeps its digits. The gradient is p less the shares that the
    classes of the group have within it.

    Implements :prf:ref:`captcha-merged`.

    Args:
        input: scores ``(..., C)``, one for each class. ``-inf`` is masked; entries at ``inf`` share the row.
            A row of nothing else than ``-inf`` has loss 0.
        target: int64 ``(...)``, the group of each row.
        groups: int64 ``(C,)``, the group of each class, in [0, C). ``torch.arange(C)`` gives cross entropy.
        reduction: ``"none"`` gives ``(...)``; ``"sum"``; ``"mean"`` is over the rows that count, NaN where
            there are none, as in torch.
        ignore_index: rows with this group give 0 with gradient 0, and do not count.

    Returns:
        The loss, in the dtype of ``input``; ``inf`` with gradient 0 where all classes of the group are
        masked, or it has none.

    Raises:
        TypeError: scores that are not floating point, a target or groups that are not int64.
        ValueError: shapes that do not fit, an unknown reduction; on the CPU, a group beyond [0, C).

    Example:
        >>> logits = torch.tensor([[1.0, 0.0, -1.0, 0.5]])  # A a B b
        >>> merged_nll(logits, torch.tensor([0]), torch.tensor([0, 0, 1, 1]))
        tensor(0.4333)
    """
    x, inside, counts = _grouped(input, target, groups, reduction, ignore_index)
    of_group = log_sum_exp(torch.where(inside, x, -math.inf))
    of_others = log_sum_exp(torch.where(inside, -math.inf, x))
    odds = above(of_others, of_group)
    nothing = torch.maximum(of_group, of_others) == -math.inf  # the odds are no number
    end = odds.isinf() | nothing
    finite = -nn.functional.logsigmoid(-torch.where(end, 0.0, odds))
    rows = torch.where(end, torch.where(odds == math.inf, math.inf, 0.0), finite)
    return reduce_rows(torch.where(counts, rows, 0.0), reduction, counts.sum()).to(input.dtype)


def _grouped(
    input: Tensor, target: Tensor, groups: Tensor, reduction: str, ignore_index: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Scores less the largest, which classes belong to the target, and which rows count."""
    check.scores("input", input)
    check.axis("input", input, -1)
    check.index("target", target)
    check.shape("target", target, input.shape[:-1])
    check.index("groups", groups)
    check.shape("groups", groups, input.shape[-1:])
    check.choice("reduction", reduction, REDUCTIONS)
    counts = target != check.integer("ignore_index", ignore_index)
    check.within("groups", groups, input.shape[-1])
    if readable(target):
        check.within("target", target[counts], input.shape[-1])
    x = input.to(compute_dtype(input)).masked_fill(~counts.unsqueeze(-1), 0.0)
    gap = above(x, x.amax(-1, keepdim=True).detach())
    x = torch.where(x == -math.inf, -math.inf, gap)
    return x, groups == target.unsqueeze(-1), counts


class ExactMatchBounds(NamedTuple):
    """What accuracies by place allow for the share of words that are right at every place."""

    low: Tensor  #: no dependence gives less: wrong at one place at a time
    independent: Tensor  #: the product
    high: Tensor  #: no dependence gives more: whoever errs at the best place errs at all


def exact_match_bounds(accuracy: Tensor, dim: int = -1) -> ExactMatchBounds:
    r"""Between which numbers the share of wholly right words lies, given the accuracy at each place.

    .. math:: \max\Bigl(0,1-\sum_i(1-a_i)\Bigr)\ \le\ \mathbb P(\text{all right})\ \le\ \min_ia_i

    Both ends are attained. A share above the product :math:`\prod_ia_i` says that errors come together. The
    three are in this order whatever is rounded, and all of them the accuracy itself for one place.

    Implements :prf:ref:`captcha-frechet`.

    Args:
        accuracy: how often each place is right, in [0, 1], floating point.
        dim: the axis of the places, at least one.

    Returns:
        ``low``, ``independent`` and ``high``, without the axis ``dim``, in the dtype of ``accuracy``.

    Raises:
        TypeError: accuracies that are no floating-point tensor, a ``dim`` that is no int.
        ValueError: an axis that does not exist or is empty; on the CPU, a number beyond [0, 1].

    Example:
        >>> low, independent, high = exact_match_bounds(torch.full((4,), 0.96))
        >>> print(f"{low:.3f} {independent:.3f} {high:.3f}")
        0.840 0.849 0.960
    """
    at = check.axis("accuracy", accuracy, dim)
    check.probability("accuracy", accuracy)
    a = accuracy.to(compute_dtype(accuracy))
    low, product = (1 - (1 - a).sum(at)).clamp(min=0), a.prod(at)
    low = low - (low - product).clamp(min=0).detach()  # it never is above, but for rounding
    return ExactMatchBounds(*(value.to(accuracy.dtype) for value in (low, product, a.amin(at))))


def ctc_alignments(target: Sequence[int], input_length: int) -> int:
    r"""How many rows of T columns say the word: :math:`\binom{T+L-r}{2L}`.

    A row of labels and blanks says what is left when repeats count once and then blanks go. L is the length
    of the word, r the number of letters equal to the one before.
    0 means that no row is long enough, T < L + r: ``torch.nn.functional.ctc_loss`` is ``inf`` there.

    Implements :prf:ref:`captcha-alignments`.

    Args:
        target: the word, ints other than the blank.
        input_length: T, at least 0.

    Returns:
        An exact int.

    Raises:
        TypeError: a target that is no list or tuple of ints, an ``input_length`` that is no int.
        ValueError: an ``input_length`` below 0.

    Example:
        >>> ctc_alignments([1, 2], 3), ctc_alignments([1, 1], 3), ctc_alignments([1, 1], 2)
        (5, 1, 0)
    """
    T = check.at_least("input_length", input_length)
    if not isinstance(target, list | tuple):
        raise TypeError(f"target must be a list or tuple of ints, got {type(target).__name__}")
    word = [check.integer("target", letter) for letter in target]
    r = sum(one == other for one, other in itertools.pairwise(word))
    return math.comb(T + len(word) - r, 2 * len(word))
