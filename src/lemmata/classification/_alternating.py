r"""Doubtful predictions made again from sure ones and the known share of each class (alternating scaling).

One doubtful row b is stacked below n sure rows. Columns are scaled so that their means are the prior q, then
rows so that they sum to 1. After one step

.. math:: b_j' \propto \frac{b_j\,q_j}{b_j+\sum_ia_{ij}} .

* Probabilities are float64, float32, bfloat16 or float16; half types are computed in float32. Autocast
  changes nothing.
* A probability of 0, and a class of prior 0, stays 0 with gradient 0. A row that has no class left is NaN if
  it is doubtful, and counts nothing if it is sure.
* A row with a NaN stays NaN and changes no other.

Source: Jia, Reiter, Lim, Artzi and Cardie, "When in doubt: improving classification performance with
alternating normalization", arXiv:2109.13449 (2021); Su, kexue.fm 8728 (2021).
"""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.precision import compute_dtype
from lemmata.numerics.tsallis import tsallis

__all__ = ["alternating_normalization", "can_calibrate", "match_prior", "topk_entropy"]

F64 = torch.float64  # what repeated powers need
MOST = 16.0  # an exponent beyond which one step leaves only the largest entries
ROOM = 2**24  # numbers of stacks that are kept at once
FAR, SHIFT = 2.0**-64, 64 * math.log(2)  # a number below which the slope of the logarithm may overflow
SLACK = 0.01  # a sum of probabilities that is further from 1 is no rounding
STEEPEST = 1e30  # an entry whose logarithm is below minus this is 0


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
    return _doubt(p, k, normalize, renormalize).to(p.dtype)


def alternating_normalization(
    uncertain: Tensor, confident: Tensor, prior: Tensor, *, alpha: float = 1.0, num_iters: int = 1
) -> Tensor:
    r"""Each doubtful row, normalised in turn over columns and rows together with the sure ones.

    .. math:: L\leftarrow L^{\alpha},\qquad L_{ij}\leftarrow L_{ij}\,\frac{(n+1)\,q_j}{\sum_iL_{ij}},\qquad
              L_{ij}\leftarrow\frac{L_{ij}}{\sum_jL_{ij}}

    Doubtful rows do not see each other: each is alone below the sure ones. The first step costs (n + B) m for
    B doubtful rows, a later one B n m. Stacks are kept in logarithms, so that no factor is too small or
    large; in parts of some 16 million numbers, but all of them where a derivative is asked for.

    Implements :prf:ref:`alternating-step`, :prf:ref:`alternating-pair`.

    Args:
        uncertain: ``(..., m)``, probabilities.
        confident: ``(n, m)``, the sure rows; n may be 0, and then one step returns the prior.
        prior: ``(m,)``, the share of each class where the rows come from.
        alpha: the exponent of each step, in (0, 16]. Above 1 repeated steps drive every cross-ratio that is
            not 1 to 0 or infinity (some rows may still end between classes); below 1 they end at the prior,
            whatever the rows say, if all entries of the stack are positive.
        num_iters: how many steps, at least 1. With ``alpha`` 1 they tend to the limit of Sinkhorn.

    Returns:
        Probabilities in the shape and dtype of ``uncertain``.

    Raises:
        TypeError: not floating point, an alpha that is no number, a num_iters that is no int.
        ValueError: shapes that do not fit, no class, an alpha that is not in (0, 16], no step; on
            the CPU, rows or a prior that are no probabilities, a NaN in ``confident`` or ``prior``.

    Example:
        >>> half, prior = torch.tensor([[0.5, 0.5]]), torch.tensor([0.5, 0.5])
        >>> alternating_normalization(half, torch.tensor([[0.05, 0.95]]), prior)
        tensor([[0.7250, 0.2750]])
        >>> alternating_normalization(half, torch.tensor([[0.05, 0.95]]), prior, num_iters=30)
        tensor([[0.8134, 0.1866]])
    """
    _rows_of("uncertain", uncertain)
    m = uncertain.shape[-1]
    check.tensor("confident", confident)
    check.shape("confident", confident, (*confident.shape[:1], m), "uncertain")
    check.floating("confident", confident)
    _law("confident", confident)
    q = _prior(prior, m)
    alpha, steps = _settings(alpha, num_iters)
    dtype = F64 if alpha != 1 else compute_dtype(uncertain, confident, prior)
    rows = uncertain.to(dtype).reshape(-1, m)
    result = _alternate(rows, confident.to(dtype), q.to(dtype), alpha, steps)
    return result.reshape(uncertain.shape).to(uncertain.dtype)


def can_calibrate(
    p: Tensor,
    prior: Tensor,
    *,
    k: int = 3,
    threshold: float = 0.9,
    alpha: float = 1.0,
    num_iters: int = 1,
) -> Tensor:
    r"""A batch of predictions, of which the doubtful ones are made again with the help of the sure ones.

    A row is doubtful where :func:`topk_entropy` of it is at least ``threshold``, before it is rounded to
    a half type; the others are sure, and returned as they are. No row that is made again helps another.

    Implements :prf:ref:`alternating-step`.

    Args:
        p: ``(N, m)``, probabilities. A row with a NaN is neither sure nor doubtful, and returned as it is.
        prior: ``(m,)``, the share of each class.
        k: of the entropy.
        threshold: a number. 0 makes every row again, alone: each becomes the prior.
        alpha: as in :func:`alternating_normalization`.
        num_iters: as there.

    Returns:
        Probabilities ``(N, m)`` in the dtype of ``p``. The choice of rows has no gradient.

    Raises:
        TypeError, ValueError: as there; a ``p`` that has not two axes.

    Example:
        >>> p = torch.tensor([[0.05, 0.95], [0.5, 0.5]])
        >>> can_calibrate(p, torch.tensor([0.5, 0.5]))
        tensor([[0.0500, 0.9500],
                [0.7250, 0.2750]])
    """
    threshold = check.number("threshold", threshold)
    if math.isnan(threshold):
        raise ValueError(f"threshold must be a number, got {threshold}")
    check.scores("p", p)
    if p.dim() != 2:
        raise ValueError(f"p must have the axes (N, m), got shape {tuple(p.shape)}")
    doubt = _doubt(p, k)
    q = _prior(prior, p.shape[-1])
    alpha, steps = _settings(alpha, num_iters)
    dtype = F64 if alpha != 1 else compute_dtype(p, prior)
    rows = p.to(dtype)
    sure = torch.where((doubt < threshold).unsqueeze(-1), rows, 0.0)  # a row of zeros counts nothing
    made = _alternate(rows, sure, q.to(dtype), alpha, steps)
    return torch.where((doubt >= threshold).unsqueeze(-1), made, rows).to(p.dtype)


def match_prior(p: Tensor, prior: Tensor, *, num_iters: int = 100) -> Tensor:
    r"""All rows normalised together, sure or not, until the mean of the predictions is the prior.

    .. math:: r_{ij}\propto p_{ij}\,v_j,\qquad
              v_j\leftarrow q_j\Big/\frac1N\sum_i\frac{p_{ij}}{\sum_kp_{ik}v_k}

    There is nothing to tune, no row is chosen, and the shares in training are not asked for. Where the model
    was right about those and only the shares have changed, the limit is what Bayes would say.

    Implements :prf:ref:`alternating-bayes`, :prf:ref:`alternating-em`, :prf:ref:`alternating-factors`.

    Args:
        p: ``(N, m)``, probabilities. A row with a NaN counts nothing and stays NaN.
        prior: ``(m,)``, the share of each class among these rows.
        num_iters: how many steps, at least 1; each costs N m.

    Returns:
        Probabilities ``(N, m)`` in the dtype of ``p``, whose mean nears the prior: soon where rows overlap,
        like one over the steps where a class has barely enough rows that allow it, and never where it has not
        (:prf:ref:`alternating-zero`).

    Raises:
        TypeError: not floating point, a num_iters that is no int.
        ValueError: shapes that do not fit, no class, no step; on the CPU, what is no probability.

    Example:
        >>> p = torch.tensor([[0.05, 0.95], [0.5, 0.5]])
        >>> match_prior(p, torch.tensor([0.5, 0.5]))
        tensor([[0.1866, 0.8134],
                [0.8134, 0.1866]])
    """
    check.scores("p", p)
    if p.dim() != 2:
        raise ValueError(f"p must have the axes (N, m), got shape {tuple(p.shape)}")
    _rows_of("p", p)
    steps = check.at_least("num_iters", num_iters, 1)
    q = _prior(prior, p.shape[-1])
    dtype = compute_dtype(p, prior)
    rows = p.to(dtype)
    spoiled = rows.isnan().any(-1, keepdim=True)
    log_p, log_q = _log(torch.where(spoiled | (q == 0), 0.0, rows)), _log(q.to(dtype))
    log_v = torch.zeros_like(log_q)
    for _ in range(steps):
        log_v = _shares(log_v + _factors(log_q, _log_sum(_shares(log_p + log_v), -2)))
    made = _probabilities(log_p + log_v)
    return torch.where(spoiled, rows, made).to(p.dtype)


# --------------------------------------------------------------------------- the steps


def _doubt(p: Tensor, k: int, normalize: bool = True, renormalize: bool = True) -> Tensor:
    """The entropy of :func:`topk_entropy`, in the dtype that it is computed in."""
    k = check.at_least("k", k, 1)
    _rows_of("p", p)
    m = p.shape[-1]
    k = min(k, m)
    top = p.to(compute_dtype(p)).sort(-1, descending=True).values[..., :k]
    if renormalize:
        top = top / top.sum(-1, keepdim=True)
    most = math.log(k if renormalize else m) if normalize else 1.0
    return tsallis(top) / (most or 1.0)


def _alternate(b: Tensor, a: Tensor, q: Tensor, alpha: float, steps: int) -> Tensor:
    """Rows b (B, m), each below its own copy of the rows a (n, m); in parts, for the copies take room."""
    part = ROOM // max(a.numel(), 1) if steps > 1 else len(b)  # the first step needs no copies
    return torch.cat([_stacks(rows, a, q, alpha, steps) for rows in b.split(max(part, 1))])


def _stacks(b: Tensor, a: Tensor, q: Tensor, alpha: float, steps: int) -> Tensor:
    """All steps in logarithms: a is (n, m), after the first step (B, n, m)."""
    spoiled = b.isnan().any(-1, keepdim=True)
    b = torch.where(spoiled, 1.0, b)  # it must have no slope
    log_a, log_b = (_shares(_log(torch.where(q > 0, rows, 0.0))) for rows in (a, b))
    log_q, log_v = _log(q), torch.zeros_like(q)
    for step in range(steps):
        if step:
            log_a, log_b = _shares(log_a + log_v.unsqueeze(-2)), _shares(log_b + log_v)
        log_a, log_b = _power(log_a, alpha), _power(log_b, alpha)
        both = torch.stack(torch.broadcast_tensors(_log_sum(log_a, -2), log_b))
        log_v = _factors(log_q, _log_sum(both, 0))
    return torch.where(spoiled, math.nan, _probabilities(log_b + log_v))


def _factors(log_q: Tensor, log_total: Tensor) -> Tensor:
    """What makes columns of these totals those of the prior, up to a common factor; 0 where no row is."""
    some = (log_total > -math.inf) & (log_q > -math.inf)
    return torch.where(some, log_q - torch.where(some, log_total, 0.0), -math.inf)


def _log_sum(log: Tensor, dim: int) -> Tensor:
    """Logarithm of the sum over an axis, -inf for none; zeros have slope 0, even if there is nothing else."""
    if not log.shape[dim]:
        return log.sum(dim) - math.inf
    peak = log.detach().amax(dim, keepdim=True)
    peak = torch.where(peak > -math.inf, peak, 0.0)
    total = (log - peak).exp().sum(dim)
    some = total > 0
    return torch.where(some, torch.where(some, total, 1.0).log() + peak.squeeze(dim), -math.inf)


def _shares(log: Tensor) -> Tensor:
    """Rows divided by their sums; a row without a class stays one."""
    total = _log_sum(log, -1).unsqueeze(-1)
    return log - torch.where(total > -math.inf, total, 0.0)


def _probabilities(log: Tensor) -> Tensor:
    """Rows divided by their sums, no more in logarithms; NaN where no class is left."""
    none = (log == -math.inf).all(-1, keepdim=True)
    return torch.where(none, math.nan, _shares(log).exp())


def _log(p: Tensor) -> Tensor:
    """log p; -inf with slope 0 where p is 0. Tiny numbers are scaled, that the slope of no number is inf."""
    some, far = p > 0, p < FAR
    scaled = torch.where(some, torch.where(far, p / FAR, p), 1.0)
    return torch.where(some, scaled.log() - torch.where(far, SHIFT, 0.0), -math.inf)


def _power(log: Tensor, alpha: float) -> Tensor:
    """Entries to the power; what is smaller than any number becomes 0."""
    return log if alpha == 1 else torch.where(log < -STEEPEST, -math.inf, alpha * log)


# --------------------------------------------------------------------------- arguments


def _rows_of(name: str, value: Tensor) -> None:
    """Raise unless there are classes, and the rows without NaN are probabilities."""
    check.scores(name, value)
    check.axis(name, value, -1)
    if value.numel() and readable(value):
        _law(name, value.detach()[~value.isnan().any(-1)])


def _law(name: str, value: Tensor) -> None:
    """Raise unless rows are probabilities; sums may be off by a hundredth, as those of half types are."""
    check.probability(name, value)
    if value.numel() and readable(value):
        off = (value.detach().double().sum(-1) - 1).abs().max().item()
        if off > SLACK:
            raise ValueError(f"{name} must sum to 1 in each row, got a sum that is off by {off}")


def _prior(prior: Tensor, m: int) -> Tensor:
    check.floating("prior", prior)
    check.shape("prior", prior, (m,), "the classes")
    _law("prior", prior)
    return prior


def _settings(alpha: float, num_iters: int) -> tuple[float, int]:
    alpha = check.positive("alpha", alpha)
    if alpha > MOST:
        raise ValueError(f"alpha must be at most {MOST}, got {alpha}")
    return alpha, check.at_least("num_iters", num_iters, 1)
