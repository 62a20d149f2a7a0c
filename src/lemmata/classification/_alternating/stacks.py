"""All steps in logarithms, each doubtful row with a stack of its own: no factor is too small or too large.

The slower twin of ``factors.py``, for what float64 cannot hold and where no value may be read.
"""

import math

import torch
from torch import Tensor

__all__ = [
    "ROOM",
    "factors_of_columns",
    "in_parts",
    "log_of",
    "log_shares",
    "log_sum",
    "probabilities",
    "stacks",
]

FAR, SHIFT = 2.0**-64, 64 * math.log(2)  # a number below which the slope of the logarithm may overflow
STEEPEST = 1e30  # an entry whose logarithm is below minus this is 0
ROOM = 2**24  # numbers of stacks that are kept at once


def in_parts(b: Tensor, a: Tensor, q: Tensor, alpha: float, steps: int) -> Tensor:
    """Rows b (B, m), each below its own copy of the rows a (n, m); in parts, for the copies take room."""
    part = ROOM // max(a.numel(), 1) if steps > 1 else len(b)  # the first step needs no copies
    return torch.cat([stacks(rows, a, q, alpha, steps) for rows in b.split(max(part, 1))])


def stacks(b: Tensor, a: Tensor, q: Tensor, alpha: float, steps: int) -> Tensor:
    """All steps in logarithms: a is (n, m), after the first step (B, n, m)."""
    spoiled = b.isnan().any(-1, keepdim=True)
    b = torch.where(spoiled, 1.0, b)  # it must have no slope
    log_a, log_b = (log_shares(log_of(torch.where(q > 0, rows, 0.0))) for rows in (a, b))
    log_q, log_v = log_of(q), torch.zeros_like(q)
    for step in range(steps):
        if step:
            log_a, log_b = log_shares(log_a + log_v.unsqueeze(-2)), log_shares(log_b + log_v)
        log_a, log_b = _power(log_a, alpha), _power(log_b, alpha)
        both = torch.stack(torch.broadcast_tensors(log_sum(log_a, -2), log_b))
        log_v = factors_of_columns(log_q, log_sum(both, 0))
    return torch.where(spoiled, math.nan, probabilities(log_b + log_v))


def factors_of_columns(log_q: Tensor, log_total: Tensor) -> Tensor:
    """What makes columns of these totals those of the prior, up to a common factor; 0 where no row is."""
    some = (log_total > -math.inf) & (log_q > -math.inf)
    return torch.where(some, log_q - torch.where(some, log_total, 0.0), -math.inf)


def log_sum(log: Tensor, dim: int) -> Tensor:
    """Logarithm of the sum over an axis, -inf for none; zeros have slope 0, even if there is nothing else."""
    if not log.shape[dim]:
        return log.sum(dim) - math.inf
    peak = log.detach().amax(dim, keepdim=True)
    peak = torch.where(peak > -math.inf, peak, 0.0)
    total = (log - peak).exp().sum(dim)
    some = total > 0
    return torch.where(some, torch.where(some, total, 1.0).log() + peak.squeeze(dim), -math.inf)


def log_shares(log: Tensor) -> Tensor:
    """Rows divided by their sums; a row without a class stays one."""
    total = log_sum(log, -1).unsqueeze(-1)
    return log - torch.where(total > -math.inf, total, 0.0)


def probabilities(log: Tensor) -> Tensor:
    """Rows divided by their sums, no more in logarithms; NaN where no class is left."""
    none = (log == -math.inf).all(-1, keepdim=True)
    return torch.where(none, math.nan, log_shares(log).exp())


def log_of(p: Tensor) -> Tensor:
    """log p; -inf with slope 0 where p is 0. Tiny numbers are scaled, that the slope of no number is inf."""
    some, far = p > 0, p < FAR
    scaled = torch.where(some, torch.where(far, p / FAR, p), 1.0)
    shift = SHIFT * far.to(p.dtype)  # a where() of two numbers would round it to float32
    return torch.where(some, scaled.log() - shift, -math.inf)


def _power(log: Tensor, alpha: float) -> Tensor:
    """Entries to the power; what is smaller than any number becomes 0."""
    return log if alpha == 1 else torch.where(log < -STEEPEST, -math.inf, alpha * log)
