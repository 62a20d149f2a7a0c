"""How doubtful a prediction is: the entropy of its largest probabilities."""

import math

from torch import Tensor

from lemmata import _arguments as check
from lemmata.classification._alternating.arguments import rows_of
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.tsallis import tsallis

__all__ = ["topk_entropy"]


def topk_entropy(p: Tensor, k: int = 3, *, normalize: bool = True, renormalize: bool = True) -> Tensor:
    r"""How doubtful a prediction is: the entropy of its k largest probabilities.

    .. math:: H=-\sum_{i\le k}r_i\log r_i,\qquad r_i = p_{(i)}\Big/\sum_{j\le k}p_{(j)} ,

    divided by :math:`\log k`. For k = 2 it says how near the second probability is to the first, and nothing
    else.

    Implements :prf:ref:`alternating-entropy`.

    Args:
        p: probabilities ``(..., m)`` that sum to 1. A row with a NaN is NaN.
        k: how many, at least 1; all of them if there are fewer. Of one the entropy is 0.
        normalize: divide by the largest value, so that 1 is "no idea".
        renormalize: let the k sum to 1. If not, the formula is that of the whole row cut off after k terms,
            and ``normalize`` divides by :math:`\log m`: it cannot tell (1/2, 1/4, 1/4) from (1/2, 1/2, 0).

    Returns:
        ``(...)``, in the dtype of ``p``. At ties the slope is that of the entries that torch puts first.

    Raises:
        TypeError: not floating point, a k that is no int.
        ValueError: no class, a k below 1; on the CPU, rows that are no probabilities.

    Example:
        >>> p = torch.tensor([[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]])
        >>> topk_entropy(p, 2)
        tensor([0.9183, 1.0000])
        >>> topk_entropy(p, 2, renormalize=False)
        tensor([0.6309, 0.6309])
    """
    return doubt_of(p, k, normalize, renormalize).to(p.dtype)


def doubt_of(p: Tensor, k: int, normalize: bool = True, renormalize: bool = True) -> Tensor:
    """The entropy of :func:`topk_entropy`, in the dtype that it is computed in."""
    k = check.at_least("k", k, 1)
    rows_of("p", p)
    m = p.shape[-1]
    k = min(k, m)
    top = p.to(compute_dtype(p)).sort(-1, descending=True).values[..., :k]
    if renormalize:
        top = top / top.sum(-1, keepdim=True)
    most = math.log(k if renormalize else m) if normalize else 1.0
    return tsallis(top) / (most or 1.0)
