"""Frank-Wolfe: steps towards a vertex, or away from one."""

from typing import Any

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.simplex._minimization.loop import (
    Method,
    Objective,
    Point,
    SimplexMinimum,
    descend,
    evaluate,
    limits,
    start,
)

__all__ = ["frank_wolfe"]

STEP_SIZES = ("2/(t+2)", "linesearch", "away")
ROUNDS = 30  # of the line search, at most; where nobody looks, always
NEAR = 1e-2  # part of the first slope at which it ends


def frank_wolfe(
    f: Objective, p0: Tensor, *, tol: float, steps: int = 1000, step_size: str = "away"
) -> SimplexMinimum:
    r"""Minimise f over the simplex by steps towards the vertex where the gradient is least.

    .. math:: p \leftarrow p + \eta\,(e_s - p),\qquad s = \operatorname*{arg\,min}_i \partial_i f(p)

    A step towards a vertex adds one entry to the support at most, so t steps from a vertex give a p with at
    most t + 1 entries. With 2/(t+2) and a gradient of Lipschitz constant L, :math:`f(p_t)-\min f \le
    4L/(t+2)`; f may rise in between. With ``"away"`` a step may lead away from the worst vertex
    instead, and takes it out where it reaches the edge: then the error falls geometrically for strongly
    convex f, also where the minimum lies on an edge.

    Implements :prf:ref:`minimization-frank-wolfe`.

    Args:
        f: from ``(..., n)`` to ``(...)``, differentiable; see the module.
        p0: the start, probabilities ``(..., n)``. With ``"2/(t+2)"`` it is forgotten in the first step.
        tol: the gap that is small enough, in the unit of f.
        steps: at most so many.
        step_size: ``"2/(t+2)"``, ``"linesearch"`` or ``"away"``, which also searches the line: some two
            gradients more a step. Of vertices that tie the first is taken.

    Returns:
        See :class:`SimplexMinimum`.

    Raises:
        TypeError: f no function, or its values no floating-point tensor; ``p0`` not floating point.
        ValueError: ``p0`` not probabilities, f of another shape than ``(...)`` or without a gradient, a
            ``tol`` below 0, an unknown ``step_size``.

    Source: Frank and Wolfe (1956); Guélat and Marcotte, "Some comments on Wolfe's 'away step'" (1986).

    Example:
        >>> x = torch.tensor([1.0, 0.8, 0.1])
        >>> found = frank_wolfe(lambda p: (p - x).square().sum(-1), torch.ones(3) / 3, tol=1e-6)
        >>> found.p
        tensor([0.6000, 0.4000, 0.0000])
    """
    check.function("f", f)
    check.choice("step_size", step_size, STEP_SIZES)
    steps, tol = limits(steps, tol)

    def move(p: Tensor, point: Point, eta: Any) -> Tensor:
        vertex, sign, most = _toward(p, point), torch.ones_like(p[..., :1]), torch.ones_like(p[..., :1])
        if step_size == "2/(t+2)":
            return (1 - eta) * p + eta * vertex
        if step_size == "away":
            vertex, sign, most = _toward_or_away(p, point, vertex)
        eta = _search(f, point, sign * (vertex - p), most)
        moved = ((1 - sign * eta) * p + sign * eta * vertex).clamp(min=0)
        return torch.where((sign < 0) & (vertex > 0) & (eta == most), 0.0, moved)

    p = start("p0", p0)
    return descend(f, p, Method(lambda p: p, move), lambda t: 2 / (t + 2), steps, tol, p0.dtype)


def _vertex(index: Tensor, like: Tensor) -> Tensor:
    return torch.zeros_like(like).scatter_(-1, index.unsqueeze(-1), 1.0)


def _toward(p: Tensor, point: Point) -> Tensor:
    return _vertex(point.grad.argmin(-1), p)


def _toward_or_away(p: Tensor, point: Point, toward: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The steeper of two directions: its vertex, 1 towards it or -1 away from it, and how far that goes."""
    worst = _vertex(torch.where(p > 0, point.grad, -torch.inf).argmax(-1), p)
    share = (p * worst).sum(-1, keepdim=True)
    away = (_slope(p - worst, point.grad) < -point.gap).unsqueeze(-1) & (share < 1)
    most = torch.where(away, share / torch.where(away, 1 - share, 1.0), 1.0)
    return torch.where(away, worst, toward), torch.where(away, -1.0, 1.0).to(p.dtype), most


def _slope(way: Tensor, g: Tensor) -> Tensor:
    return torch.where(way == 0, 0.0, way * g).sum(-1)


def _search(f: Objective, point: Point, way: Tensor, most: Tensor) -> Tensor:
    """Where the slope along the way is 0: for a quadratic f the first guess, on the line through both ends.

    Every second guess is in the middle of the exponents, for an f that is infinite at the edge; a slope that
    is no number lies too far out.
    """
    low, high = torch.zeros_like(most), most
    at_low = _slope(way, point.grad).unsqueeze(-1)
    enough, at_high = NEAR * at_low.abs(), _slope_at(f, point, way, most)
    eta, done = most, at_high <= 0
    for t in range(ROUNDS):
        if readable(done) and done.all():
            break
        part = at_low / (at_low - at_high)
        line = low + (high - low) * torch.where(part.isfinite(), part, 0.5)
        middle = torch.where(low > 0, (low * high).sqrt(), high / 8)
        eta = torch.where(done, eta, middle if t % 2 else line)
        slope = _slope_at(f, point, way, eta)
        beyond = ~(slope <= 0)
        low, at_low = torch.where(beyond, low, eta), torch.where(beyond, at_low, slope)
        high, at_high = torch.where(beyond, eta, high), torch.where(beyond, slope, at_high)
        done = done | (slope.abs() <= enough)
    return eta


def _slope_at(f: Objective, point: Point, way: Tensor, eta: Tensor) -> Tensor:
    g = evaluate(f, (point.p + eta * way).clamp(min=0)).grad
    return _slope(way, g).unsqueeze(-1)
