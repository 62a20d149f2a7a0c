"""Monte Carlo with a stated false-alarm rate, and the measured order of convergence."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

import mpmath
import sympy as sp
import torch

from .draws import flaw
from .evidence import Claim, Evidence, issue
from .outcome import NotDecided, Refuted

__all__ = ["rate", "sampled"]

POWER = 3.0  # standard errors beyond the band: an error of ``detects`` is seen in 999 of 1000 samples
WIDTH = 4  # of the measured interval, in tolerances; never more than 1/2
ROUNDING = 1e-3  # of a slope, from the rounding of the errors


def sampled(
    claim: Claim, samples: torch.Tensor, expected: Any, *, detects: float, false_alarm: float = 1e-6
) -> Evidence:
    r"""Check that independent samples have the mean ``expected``.

    A sample is refused where a few draws carry its variance, or where draws plainly depend on each other (a
    chain, a trend, a block that comes again, values drawn twice). Not every dependence can be seen.

    .. math:: z = \frac{\bar x - \text{expected}}{s / \sqrt n},\qquad
        |z| \le \Phi^{-1}(1 - \tfrac12\,\text{false\_alarm})

    Args:
        samples: one-dimensional tensor of at least 100 independent values, drawn from a seeded generator.
        expected: the claimed mean, a number or an expression without symbols.
        detects: the smallest error of ``expected`` that this sample must be able to see (with probability
            0.999). The check fails when it is not: a test too weak to refuse anything is not evidence.
        false_alarm: probability of refusing a true claim (normal approximation), between 1e-12 and 0.1.

    Returns:
        Evidence of kind ``sampled``, with estimate, standard error and z.

    Raises:
        ClaimFailed: the mean is off, the sample is too weak, its values are all the same, or they are no
            independent draws with a variance.
        ValueError: fewer than 100 samples, or not one dimension; a rate out of range.

    Example:
        >>> import torch
        >>> from lemmata.verify import claim
        >>> uniform = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
        >>> claim("demo-mean").sampled(uniform, 0.5, detects=0.02).kind
        'sampled'
    """
    if samples.is_complex():
        raise TypeError(f"samples must be real, got {samples.dtype}")
    if samples.dim() != 1 or len(samples) < 100:
        found = f"got shape {tuple(samples.shape)}"
        raise ValueError(f"samples must be one dimension of at least 100 values, {found}")
    if not (1e-12 <= false_alarm <= 0.1 and 0 < detects < math.inf):
        found = f"got {false_alarm:g} and {detects:g}"
        raise ValueError(
            f"false_alarm must lie between 1e-12 and 0.1, detects be positive and finite, {found}"
        )
    truth, values = float(sp.N(expected)), samples.detach().double().cpu()
    mean, error = values.mean().item(), values.std().item() / math.sqrt(len(values))
    limit = -NormalDist().inv_cdf(false_alarm / 2)
    if error == 0:
        raise NotDecided(claim.label, "samples that vary", f"{mean:.6g} every time")
    if math.isfinite(error) and (fault := flaw(values)):
        raise NotDecided(claim.label, "independent draws, with a variance that many of them share", fault)
    if not error * (limit + POWER) <= detects:
        found = f"one that sees no less than {error * (limit + POWER):.3g}"
        raise NotDecided(claim.label, f"a sample that detects {detects:g}", found)
    z = (mean - truth) / error
    if not abs(z) <= limit:
        digits = max(6, 2 - math.floor(math.log10(error / abs(mean)))) if mean else 6
        found = f"{mean:.{digits}g} ± {error:.2g}, z = {z:.1f}"
        raise Refuted(claim.label, f"mean {truth:.{digits}g}", found)
    return issue(
        claim.label,
        "sampled",
        rf"{mean:.4g} \pm {error:.2g} \approx {sp.latex(sp.sympify(expected))}",
        f"{len(values)} samples, z = {z:.1f}, |z| ≤ {limit:.2f} required",
        (f"false-alarm rate {false_alarm:g}; an error of {detects:g} in the claim would be seen",),
        plain=f"{mean:.4g} ± {error:.2g} ≈ {expected}",
    )


def rate(
    claim: Claim,
    errors: Callable[[float], float] | Sequence[float],
    steps: Sequence[float],
    order: float,
    *,
    within: float = 0.1,
) -> Evidence:
    r"""Measure the order of convergence, :math:`\text{error}(h) \sim c\,h^{\text{order}}`.

    The errors must decrease. The slope between two steps tends to the order. Where it still moves by d from
    one pair of steps to the next, and the error's next term is smaller by :math:`\sqrt h` or more, the order
    is at most :math:`d / (\sqrt q - 1)` further on, with q the ratio of the steps. This interval is what was
    measured, and what is printed. It must hold ``order`` and be no wider than four times ``within``, nor than
    1/2; the last slope must lie within ``within`` of ``order``, the one before it within four times that, and
    the last nearer than the first (or within a tenth).

    Args:
        errors: function of a step, or the errors at the steps; positive numbers (floats or ``mpf``).
        steps: at least three positive steps, decreasing. For a sequence in n take h = 1/n.
        order: the derived order, positive.
        within: tolerance of the measured order, below one half, so that whole orders are told apart.

    Returns:
        Evidence of kind ``rate``.

    Raises:
        ClaimFailed: another order was measured, the slopes still drift (a logarithm, steps too coarse), or
            the errors do not decrease.
        ValueError: steps, errors or tolerance are not as above.

    Example:
        >>> import math
        >>> from lemmata.verify import claim
        >>> claim("demo-sine-order").rate(lambda h: h - math.sin(h), [0.1, 0.05, 0.025, 0.0125], order=3).kind
        'rate'
    """
    values = [mpmath.mpf(e) for e in (map(errors, steps) if callable(errors) else errors)]
    if len(steps) < 3 or any(not a > b > 0 for a, b in itertools.pairwise(steps)):
        raise ValueError(f"steps must be at least three positive numbers, decreasing, got {list(steps)}")
    if len(values) != len(steps) or not all(mpmath.isfinite(v) and v > 0 for v in values):
        got = [float(v) for v in values]
        raise ValueError(f"errors must be one positive number for each step, got {got}")
    if not (within > 0 and within < 0.5 and order > 0):
        raise ValueError(f"within must lie between 0 and 1/2, order be positive, got {within} and {order}")
    points = zip(steps, values, strict=True)
    slopes = [_slope(*coarse, *fine) for coarse, fine in itertools.pairwise(points)]
    low, high = _interval(slopes, math.sqrt(float(steps[-3] / steps[-1])))
    shown = ", ".join(f"{slope:.4f}" for slope in slopes)
    off = [abs(slope - order) for slope in slopes]
    found = f"an order between {low:.4f} and {high:.4f}; slopes {shown}"
    expected = f"order {float(order):g} within {within:g}"
    if off[-1] > within and not low <= order <= high:
        raise Refuted(claim.label, expected, found)
    near = off[-1] <= min(within, max(off[0], within / 10)) and off[-2] <= 4 * within
    narrow = high - low <= min(WIDTH * within, 0.5)
    if not (near and narrow and low <= order <= high and min(slopes) > 0):
        raise NotDecided(claim.label, f"{expected}, from slopes that have settled", found)
    return issue(
        claim.label,
        "rate",
        rf"\text{{order of error}}(h) \text{{, measured: }} [{low:.3f}, {high:.3f}]",
        f"slopes between steps: {shown}; the derived order is {float(order):g}",
        tuple(f"h = {float(h):.4g}: error {float(e):.4g}" for h, e in zip(steps, values, strict=True)),
        tolerance=f"{within:g} in the order",
        plain=f"order of error(h), measured: between {low:.3f} and {high:.3f}",
    )


def _interval(slopes: Sequence[float], ratio: float) -> tuple[float, float]:
    """Where the slopes lead to, if what moves them falls like the root of the step; outward to 0.001."""
    drift = slopes[-1] - slopes[-2]
    ahead = slopes[-1] + drift / (math.sqrt(ratio) - 1)
    low, high = sorted((slopes[-1], ahead))
    return math.floor(1000 * (low - ROUNDING)) / 1000, math.ceil(1000 * (high + ROUNDING)) / 1000


def _slope(coarse: Any, error: Any, fine: Any, smaller: Any) -> float:
    return float(mpmath.log(error / smaller) / mpmath.log(mpmath.mpf(coarse) / fine))
