"""How uncertain a draw is: the entropies of Shannon and Renyi, of probabilities or straight from scores."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.infinite import above, constant
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.tsallis import tsallis

__all__ = ["entropy", "renyi_entropy"]

FAR = 800.0  # e to minus this is 0 in every dtype
MOST = 2.0**60  # an order that differs from infinity by less than a rounding
NEAR = 0.25  # so near to order 1 a difference of logarithms would lose digits


def entropy(p: Tensor | None = None, *, logits: Tensor | None = None, dim: int = -1) -> Tensor:
    r"""The entropy of Shannon in nats, with :math:`0\log0 = 0`, of probabilities or of scores.

    .. math:: H = -\sum_i p_i\log p_i
                = \log\sum_i e^{x_i} - \sum_i p_i x_i,\qquad p = \operatorname{softmax}(x)

    From scores it keeps its digits where probabilities have lost theirs: it is computed as a sum of positive
    terms, so that even an entropy of 1e-30 is right to a few roundings.

    Implements :prf:ref:`entropy-range`, :prf:ref:`entropy-slope`.

    Args:
        p: probabilities, any shape with at least one entry along ``dim``, of sum 1 (a hundredth more or less
            is taken, as is; so is a row of zeros, with entropy 0). A zero adds nothing and has gradient 0,
            where the derivative of the formula is infinite.
        logits: scores in place of ``p``. ``-inf`` is masked, with gradient 0; a row of nothing else has
            entropy 0. Scores at ``inf`` share the row equally, with gradient 0.
        dim: the axis of the entries.

    Returns:
        The shape without ``dim``, in the dtype of the argument; in [0, log n] up to rounding.

    Raises:
        TypeError: not floating point.
        ValueError: both or neither of ``p`` and ``logits``; no entry along ``dim``; a ``p`` with entries
            outside of [0, 1], or with another sum (see the module).

    Example:
        >>> entropy(torch.tensor([0.5, 0.25, 0.25, 0.0])) / math.log(2)
        tensor(1.5000)
        >>> entropy(logits=torch.tensor([[0.0, -50.0], [0.0, -math.inf]]))
        tensor([9.8366e-21, 0.0000e+00])
    """
    if _scores_given(p, logits):
        return _of_order_1(_row(logits, dim)).to(logits.dtype)  # type: ignore[arg-type, union-attr]
    return tsallis(_probabilities(p, dim)).to(p.dtype)  # type: ignore[arg-type, union-attr]


def renyi_entropy(
    p: Tensor | None = None, *, logits: Tensor | None = None, order: float, dim: int = -1
) -> Tensor:
    r"""The entropy of Renyi in nats, for every order from 0 to infinity.

    .. math:: H_\alpha = \frac1{1-\alpha}\log\sum_i p_i^\alpha,\qquad H_0 = \log\#\{p_i>0\},\qquad
              H_1 = -\sum_ip_i\log p_i,\qquad H_\infty = -\log\max p

    It falls with the order. With :math:`L(\alpha)=\log\sum_ie^{\alpha(x_i-\max x)}` it is
    :math:`L(1) + (L(1)-L(\alpha))/(\alpha-1)`, two terms that are not negative; near the order 1, where the
    second is 0 divided by 0, it is computed from
    :math:`\sum_i p_i\operatorname{expm1}((\alpha-1)(x_i-\max x))`.

    Implements :prf:ref:`entropy-renyi`.

    Args:
        p: as in :func:`entropy`, but divided by its sum first.
        logits: as in :func:`entropy`.
        order: :math:`\alpha`, in [0, inf]. 0 counts the support, with gradient 0; 1 is :func:`entropy`; 2 is
            minus the logarithm of the probability that two draws agree.
        dim: the axis of the entries.

    Returns:
        The shape without ``dim``, in the dtype of the argument.

    Raises:
        TypeError: not floating point; ``order`` not a number.
        ValueError: as in :func:`entropy`; an ``order`` that is negative or NaN.

    Source: Renyi, "On measures of entropy and information", Berkeley Symposium (1961).

    Example:
        >>> p = torch.tensor([0.5, 0.25, 0.25, 0.0])
        >>> torch.stack([renyi_entropy(p, order=a) for a in (0, 1, 2, math.inf)]).exp()
        tensor([3.0000, 2.8284, 2.6667, 2.0000])
    """
    order = check.number("order", order)
    if not order >= 0:
        raise ValueError(f"order must be in [0, inf], got {order}")
    if _scores_given(p, logits):
        return _of_order(_row(logits, dim), order).to(logits.dtype)  # type: ignore[arg-type, union-attr]
    q = _probabilities(p, dim)  # type: ignore[arg-type]
    some = ~(q <= 0)
    log = torch.where(some, torch.where(some, q, 1.0).log(), -math.inf)
    return _of_order(_row(log, -1), order).to(p.dtype)  # type: ignore[union-attr]


# --------------------------------------------------------------------------- rows of scores


class _Row(NamedTuple):
    """Scores below the largest, whose slot is left out of sums: beside its 1 what is small would be lost."""

    u: Tensor  # (..., n), x - max x, at most 0
    peak: Tensor  # (..., 1), max x
    others: Tensor  # (..., n), False in the slot of one largest score


def _row(logits: Tensor, dim: int) -> _Row:
    dim = check.axis("logits", logits, dim)
    x = logits.movedim(dim, -1).to(compute_dtype(logits))
    at = x.detach().argmax(-1, keepdim=True)
    peak = x.gather(-1, at)  # with its gradient: the sums leave its own slot out
    others = torch.ones_like(x, dtype=torch.bool).scatter(-1, at, False)
    return _Row(above(x, peak), peak, others)


def _powers(row: _Row, order: float) -> tuple[Tensor, Tensor]:
    """e^(order u), and its sum over the others."""
    w = _floor(torch.where(row.u == -math.inf, -FAR, order * row.u)).exp()  # order: 0 once rounded, perhaps
    return w, torch.where(row.others, w, 0.0).sum(-1)


def _floor(s: Tensor) -> Tensor:
    """s, at least -FAR; unlike that of clamp the gradient of NaN is NaN."""
    return torch.where(s < -FAR, -FAR, s)


def _of_order_1(row: _Row) -> Tensor:
    w, rest = _powers(row, 1.0)
    short = torch.where(row.others, w * -_floor(row.u), 0.0).sum(-1) / (1 + rest)
    return _at_the_ends(rest.log1p() + short, row)


def _of_order(row: _Row, order: float) -> Tensor:
    order = min(order, MOST)
    a = order - 1  # of a small order not all digits
    if a == 0:
        return _of_order_1(row)
    if order == 0:
        count = (row.u > -math.inf).sum(-1).to(row.u.dtype)
        return _at_the_ends(constant(count.log(), row.peak.squeeze(-1)), row)
    L1 = _powers(row, 1.0)[1].log1p()
    drop = -_near_1(row, order) if abs(a) < NEAR else (L1 - _powers(row, order)[1].log1p()) / a
    return _at_the_ends(L1 + drop, row)  # drop: (L(1) - L(order)) / a


def _near_1(row: _Row, order: float) -> Tensor:
    """log(1 + a c) / a, where c is the sum of p (e^(a u) - 1) / a."""
    a, eps = order - 1, torch.finfo(row.u.dtype).eps
    c = _change(row, order) / (1 + _powers(row, 1.0)[1])
    few = (a * c).abs() < eps
    z = torch.where(few, 1.0, a * c)
    return c * torch.where(few, 1 - a * c / 2, z.log1p() / z)


def _change(row: _Row, order: float) -> Tensor:
    """sum w (e^(a u) - 1) / a, in whichever form of the two loses nothing and does not overflow."""
    a, w = order - 1, _powers(row, 1.0)[0]
    near = ~((a * row.u).abs() > 0.5)
    small = w * (torch.expm1(a * torch.where(near, row.u, 0.0)) / a)
    large = (_powers(row, order)[0] - w) / a
    return torch.where(row.others, torch.where(near, small, large), 0.0).sum(-1)


def _at_the_ends(H: Tensor, row: _Row) -> Tensor:
    """0 where all is -inf."""
    return torch.where(row.peak.squeeze(-1) == -math.inf, 0.0, H)


# --------------------------------------------------------------------------- arguments


def _scores_given(p: Tensor | None, logits: Tensor | None) -> bool:
    if (p is None) == (logits is None):
        came = "neither" if p is None else "both"
        raise ValueError(f"exactly one of p and logits must be given, got {came}")
    return p is None


def _probabilities(p: Tensor, dim: int) -> Tensor:
    """``p`` with its entries on the last axis, in the type sums are made in; checked where it can be read."""
    dim = check.axis("p", p, dim)
    rows = p.movedim(dim, -1)
    if rows.numel() and readable(rows):
        passed = rows.isnan().any(-1) | (rows == 0).all(-1)
        check.law("p", rows.detach()[~passed], check.ROUGH, "scores go to logits=")
    return rows.to(compute_dtype(p))
