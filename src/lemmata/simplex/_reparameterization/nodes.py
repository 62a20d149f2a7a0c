r"""Where integrals over the largest of n noisy scores are sampled, and with which weights.

Everything is counted from the largest score, as y. Where the noise is analytic the error of the trapezoidal
rule falls exponentially in 1/step; where it has kinks, the line is cut, and each piece gets Gauss's rule. To
the left of m kinks that lie together the integrand falls as fast as the m-th power of a line, so they are cut
off more finely there.
"""

import math

import torch
from torch import Tensor

from lemmata.numerics.legendre import legendre

__all__ = ["KINKED", "far_nodes", "nodes"]

ORDER = 16  # nodes of a piece: exact for polynomials up to degree 31
KINKED = ("exponential", "laplace", "neg_exponential", "uniform")  # their nodes move with the scores

# by noise: how far apart nodes are in float64, and what log n takes from that
STEPS = {"gumbel": (0.25, 0.0), "normal": (0.3, 0.25), "logistic": (0.25, 0.0), "neg_gumbel": (0.25, 0.45)}
FAR = {"normal": -60.0, "logistic": -96.0, "neg_gumbel": -96.0}  # the first node, for logarithms
WIDER = 1.6  # in float32
LEFT = 52 * math.log(2)  # in every dtype, so that in float32 small probabilities keep their digits
STAIRS = [-LEFT, *range(-36, -12, 3), *range(-12, 1)]  # ends of pieces
FAR_STAIRS = [*range(-96, -12, 3), *range(-12, 1)]


def nodes(noise: str, d: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes y and weights, as ``(K,)`` or ``(..., K)``, for scores d that are at most 0, ``(..., n)``."""
    n = d.shape[-1]
    if noise in STEPS:
        return _trapezoid(noise, n, d)
    near = _halvings(n)
    if noise == "uniform":
        return _pieces(_cut(_graded(d + 1, near), d.new_tensor([0.0, *(1 - z for z in near)]), 0.0, 1.0))
    right = _right(d, near)
    if noise == "exponential":
        return right
    kinks = _graded(d, near) if noise == "neg_exponential" else d  # Laplace: 2^-m is left where m scores are
    left = _left(kinks, STAIRS, near)
    return left if noise == "neg_exponential" else _joined(left, right)


def far_nodes(noise: str, d: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes also where scores 60 below the largest win; for noise whose probabilities are never 0."""
    near = _halvings(d.shape[-1])
    if noise in STEPS:
        return _trapezoid(noise, d.shape[-1], d, FAR[noise])
    right = _right(d, near)
    return right if noise == "exponential" else _joined(_left(_graded(d, near), FAR_STAIRS, near), right)


def _right(d: Tensor, near: list[float]) -> tuple[Tensor, Tensor]:
    """Above the largest score, where the integrand is a polynomial in u = exp(-y)."""
    u, weights = _pieces(d.new_tensor([0.0, *reversed(near)]))
    return -u.log(), weights / u


def _left(kinks: Tensor, stairs: list[float], near: list[float]) -> tuple[Tensor, Tensor]:
    """Below the largest score, where the integrand is a product of exponentials between kinks."""
    return _pieces(_cut(kinks, kinks.new_tensor([*stairs, *(-z for z in near[1:])]), stairs[0], 0.0))


def _joined(*parts: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    (y, weights), (more, others) = parts
    rows = y.shape[:-1]
    return torch.cat([y, more.expand(*rows, -1)], -1), torch.cat([weights, others.expand(*rows, -1)], -1)


def _trapezoid(noise: str, n: int, d: Tensor, start: float | None = None) -> tuple[Tensor, Tensor]:
    step, log_share = STEPS[noise]
    step = step * (1 if d.dtype == torch.float64 else WIDER) / (1 + log_share * math.log(n))
    low, high = _reach(noise, LEFT, -math.log(torch.finfo(d.dtype).eps) + math.log(n))
    low = low if start is None else start
    y = low + step * torch.arange(math.ceil((high - low) / step) + 1, dtype=d.dtype, device=d.device)
    return y, torch.full_like(y, step)


def _reach(noise: str, left: float, right: float) -> tuple[float, float]:
    """Where Q h is e^-left on the left, and e^-right on the right, or less."""
    if noise == "normal":  # further to the left, where scores far below the largest win
        return -math.sqrt(5 * left), math.sqrt(2 * right)
    low = -math.log(left) if noise == "gumbel" else -left
    high = math.log(right) if noise == "neg_gumbel" else right
    return low, high


def _halvings(n: int) -> list[float]:
    """1, 1/2, 1/4, ... to where n factors 1 - u are hardly less than 1."""
    return [2.0**-k for k in range(max(0, math.ceil(math.log2(n / ORDER))) + 1)]


def _graded(kinks: Tensor, near: list[float]) -> Tensor:
    """With another end to the left of each: of m neighbours, all at different distances."""
    if len(near) == 1:
        return kinks
    distance = kinks.new_tensor([near[j % len(near)] for j in range(kinks.shape[-1])])
    return torch.cat([kinks, kinks.sort(-1).values - distance], -1)


def _cut(kinks: Tensor, levels: Tensor, low: float, high: float) -> Tensor:
    """The ends of all pieces of a row, in order."""
    return torch.cat([kinks.clamp(low, high), levels.expand(*kinks.shape[:-1], -1)], -1).sort(-1).values


def _pieces(ends: Tensor) -> tuple[Tensor, Tensor]:
    """Gauss's rule on each piece, from ``(..., pieces + 1)`` ends in ascending order."""
    x, weights = (ends.new_tensor(values) for values in GAUSS)
    left, length = ends[..., :-1, None], ends.diff(dim=-1).unsqueeze(-1)
    return (left + length * x).flatten(-2), (length * weights).flatten(-2)


GAUSS = tuple(zip(*legendre(ORDER), strict=True))  # nodes and weights
