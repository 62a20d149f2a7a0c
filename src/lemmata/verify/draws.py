"""Whether a sample may pass for independent draws with a variance: what `sampled` asks before it believes.

No test can see every dependence. These see a few draws that carry the variance (a tail so heavy that the
normal approximation is void), a chain or a trend, a block that comes again, and values drawn twice.
"""

from __future__ import annotations

import math

import torch

__all__ = ["flaw"]

CARRY = 15  # draws that must share the variance, at the least
TAIL = 2.0  # the tail's exponent at which the variance ends
SIGMAS = 6.0  # of a normal deviate that never comes by chance: 2e-9
LAGS = 20
FEW = 20  # values so few that a law may well have no others


def flaw(values: torch.Tensor) -> str | None:
    """What is wrong with a sample (float64, one dimension, not constant) of independent draws; or None."""
    centred = values - values.mean()
    centred = centred / centred.abs().max()
    looks = ((_heavy, centred), (_doubled, values), (_chained, centred), (_drifting, centred))
    for look, seen in (*looks, (_repeated, centred)):
        if found := look(seen):
            return found
    return None


def _heavy(centred: torch.Tensor) -> str | None:
    """A few draws carry the variance: the effective number of draws, and Hill's estimate of the tail."""
    sizes = centred.abs().sort(descending=True).values
    draws = (sizes.square().sum() ** 2 / sizes.pow(4).sum()).item()
    if draws < CARRY:
        return f"a sample whose variance is carried by {draws:.0f} of {len(sizes)} draws"
    k = max(10, math.isqrt(len(sizes)))
    tail = sizes[: k + 1]
    if len(tail.unique()) > k // 2:  # of a discrete law it would tell nothing
        exponent = k / (tail / tail[k]).log().sum().item()
        if exponent < TAIL:
            return f"a tail that falls like x^-{exponent:.1f}: no variance that a sample could show"
    return None


def _chained(centred: torch.Tensor) -> str | None:
    """A draw knows those before it: correlation at short lags."""
    n, variance = len(centred), centred.square().mean()
    for lag in range(1, LAGS + 1):
        r = ((centred[lag:] * centred[:-lag]).sum() / (n * variance)).item()
        if abs(r) > max(SIGMAS / math.sqrt(n), 0.1):
            return f"draws that depend on each other: correlation {r:.2f} at lag {lag}"
    return None


def _drifting(centred: torch.Tensor) -> str | None:
    """Draws know those long before them: means of blocks vary too much."""
    n, variance = len(centred), centred.square().mean()
    size = 2
    while n // size >= 16:
        blocks = centred[: n // size * size].reshape(-1, size).mean(1)
        ratio = (blocks.var() * size / variance).item()
        spread = 2 / (9 * (len(blocks) - 1))  # Wilson and Hilferty's quantile of chi-square
        if ratio > max((1 - spread + SIGMAS * math.sqrt(spread)) ** 3, 1.5):
            found = f"means of {size} vary {ratio:.1f} times as much as they should"
            return f"draws that depend on each other: {found}"
        size *= 2
    return None


def _repeated(centred: torch.Tensor) -> str | None:
    """A stretch comes again: correlation at any lag, over what overlaps there."""
    n = len(centred)
    spectrum = torch.fft.rfft(centred, 2 * n)
    products = torch.fft.irfft(spectrum.abs().square(), 2 * n)[: n - max(30, n // 4)]
    pairs = n - torch.arange(len(products))
    r = products / pairs / centred.square().mean()
    over = r.abs() - (SIGMAS / pairs.sqrt()).clamp(min=0.4)
    lag = int(over[1:].argmax()) + 1
    if over[lag] > 0:
        return f"draws that come again: correlation {r[lag].item():.2f} at lag {lag}"
    return None


def _doubled(values: torch.Tensor) -> str | None:
    """Values drawn more than once, in any order, as no law draws them.

    Many values without a common step (as whole numbers have), each about as frequent as the others: so look
    draws from draws. Values that all come 2, 3, ... times: so looks a sample that was copied.
    """
    kinds, counts = values.unique(return_counts=True)
    seldom = counts <= len(values) / FEW
    rare = counts[seldom]
    if len(rare) <= FEW:
        return None
    times = math.gcd(*rare.tolist())
    if len(rare) * math.log(times) > SIGMAS**2 / 2:
        return f"draws that come again: each value {times} times, or a multiple of that"
    again, mean = rare[rare > 1].sum() / rare.sum(), rare.double().mean()
    even = rare.double().var() < 2 * mean
    if again > 0.1 and even and not _on_a_grid(kinds[seldom]):
        return f"draws that come again: {again:.0%} of them are not the only one of their value"
    return None


def _on_a_grid(kinds: torch.Tensor) -> bool:
    """Whether sorted values have a common step, as far as can be seen, or few digits, and so must meet."""
    if any(torch.equal(kinds, kinds.to(dtype).double()) for dtype in (torch.float16, torch.bfloat16)):
        return True
    steps = kinds.diff()
    multiples = steps / (steps.min() / 12)
    return bool(((multiples - multiples.round()).abs() < 0.01).double().mean() > 0.9)
