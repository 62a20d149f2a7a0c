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

from .evidence import Claim, ClaimFailed, Evidence, issue

__all__ = ["rate", "sampled"]

POWER = 3.0  # standard errors beyond the band: an error of ``detects`` is seen in 999 of 1000 samples


def sampled(
    claim: Claim, samples: torch.Tensor, expected: Any, *, detects: float, false_alarm: float = 1e-6
) -> Evidence:
    r"""Check that independent samples have the mean ``expected``.

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
        ClaimFailed: the mean is off, the sample is too weak, or its values are all the same.
        ValueError: fewer than 100 samples, or not one dimension; a rate out of range.

    Example:
        >>> import torch
        >>> from lemmata.verify import claim
        >>> uniform = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
        >>> claim("demo-mean").sampled(uniform, 0.5, detects=0.02).kind
        'sampled'
    """
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
        raise ClaimFailed(claim.label, "samples that vary", f"{mean:.6g} every time")
    if not error * (limit + POWER) <= detects:
        found = f"one that sees no less than {error * (limit + POWER):.3g}"
        raise ClaimFailed(claim.label, f"a sample that detects {detects:g}", found)
    z = (mean - truth) / error
    if not abs(z) <= limit:
        raise ClaimFailed(claim.label, f"mean {truth:g}", f"{mean:.6g} ± {error:.2g}, z = {z:.1f}")
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

    The errors must decrease. The slope between the two finest steps must lie within ``within`` of ``order``,
    the one before it within four times that, and the last nearer than the first (or within a tenth).

    Args:
        errors: function of a step, or the errors at the steps; positive numbers (floats or ``mpf``).
        steps: at least three positive steps, decreasing. For a sequence in n take h = 1/n.
        order: the derived order, positive.
        within: tolerance of the measured order, below one half, so that whole orders are told apart.

    Returns:
        Evidence of kind ``rate``.

    Raises:
        ClaimFailed: another order was measured, the slopes do not approach it, or the errors do not decrease.
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
        found = [float(v) for v in values]
        raise ValueError(f"errors must be one positive number for each step, got {found}")
    if not (within > 0 and within < 0.5 and order > 0):
        raise ValueError(f"within must lie between 0 and 1/2, order be positive, got {within} and {order}")
    points = zip(steps, values, strict=True)
    slopes = [_slope(*coarse, *fine) for coarse, fine in itertools.pairwise(points)]
    off = [abs(slope - order) for slope in slopes]
    shown = ", ".join(f"{slope:.4f}" for slope in slopes)
    settled = off[-1] <= within and off[-2] <= 4 * within and off[-1] <= max(off[0], within / 10)
    if not (settled and min(slopes) > 0):
        raise ClaimFailed(claim.label, f"order {float(order):g} within {within:g}", f"slopes {shown}")
    return issue(
        claim.label,
        "rate",
        rf"\text{{error}}(h) = \Theta(h^{{{float(order):g}}}),\quad \text{{measured }} {slopes[-1]:.3f}",
        f"slopes between steps: {shown}",
        tuple(f"h = {float(h):.4g}: error {float(e):.4g}" for h, e in zip(steps, values, strict=True)),
        tolerance=f"{within:g} in the order",
        plain=f"error(h) ~ c h^{float(order):g}, measured order {slopes[-1]:.3f}",
    )


def _slope(coarse: Any, error: Any, fine: Any, smaller: Any) -> float:
    return float(mpmath.log(error / smaller) / mpmath.log(mpmath.mpf(coarse) / fine))
