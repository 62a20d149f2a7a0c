"""Frank-Wolfe: steps towards a vertex, or away from one."""

from typing import Any

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.simplex._minimization.loop import (
    Method,
    Objective,
    Point,
    SimplexMinimum,
    descend,
    half_square,
    limits,
    start,
)

__all__ = ["frank_wolfe"]

STEP_SIZES = ("2/(t+2)", "sought", "away")


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
        p0: the start, probabilities ``(..., n)``. With ``"2/(t+2)"`` it is forgotten in the first step, which
            goes all the way to a vertex: where f is ``inf`` there, the row stays at the start.
        tol: the gap that is small enough, in the unit of f.
        steps: at most so many, those that are taken back included.
        step_size: ``"2/(t+2)"``; ``"sought"``, the best one for a bend that is estimated on the way; or
            ``"away"``, likewise and with steps away. Of vertices that tie the first is taken. ``"sought"`` is
            the slowest of the three where the minimum lies on an edge.

    Returns:
        See :class:`SimplexMinimum`.

    Raises:
        TypeError: f no function, or its values no floating-point tensor; ``p0`` not floating point.
        ValueError: ``p0`` not probabilities, f of another shape than ``(...)`` or without a gradient, NaN
            in f(p0) or its gradient, a ``tol`` below 0, an unknown ``step_size``.

    Source: Frank and Wolfe (1956); Guélat and Marcotte, "Some comments on Wolfe's 'away step'" (1986);
        Pedregosa et al., "Linearly convergent Frank-Wolfe with backtracking line-search" (2020).

    Example:
        >>> x = torch.tensor([1.0, 0.8, 0.1])
        >>> found = frank_wolfe(lambda p: (p - x).square().sum(-1), torch.ones(3) / 3, tol=1e-6)
        >>> found.p
        tensor([0.6000, 0.4000, 0.0000])
    """
    check.function("f", f)
    check.choice("step_size", step_size, STEP_SIZES)
    steps, tol = limits(steps, tol)
    p = start("p0", p0)
    if step_size == "2/(t+2)":
        return descend(f, p, Method(_same, _mix), lambda t: 2 / (t + 2), steps, tol, p0.dtype)
    move = _toward_or_away if step_size == "away" else _toward
    return descend(f, p, Method(_same, move, half_square), None, steps, tol, p0.dtype)


def _same(p: Tensor) -> Tensor:
    return p


def _mix(p: Tensor, point: Point, eta: Any) -> Tensor:
    return (1 - eta) * p + eta * _best(point)


def _toward(p: Tensor, point: Point, rate: Any) -> Tensor:
    eta = _best_size(_best(point) - p, point, rate).clamp(max=1)
    return _mix(p, point, eta)


def _toward_or_away(p: Tensor, point: Point, rate: Any) -> Tensor:
    """The steeper of the two; a step away that reaches the edge ends there exactly."""
    worst = _vertex(torch.where(p > 0, point.grad, -torch.inf).argmax(-1), p)
    share = (p * worst).sum(-1, keepdim=True)
    away = (_slope(p - worst, point) < -point.gap).unsqueeze(-1) & (share < 1)
    most = share / torch.where(away, 1 - share, 1.0)
    eta = torch.minimum(_best_size(p - worst, point, rate), most)
    back = ((1 + eta) * p - eta * worst).clamp(min=0)
    back = torch.where((worst > 0) & (eta == most), 0.0, back)
    return torch.where(away, back, _toward(p, point, rate))


def _best(point: Point) -> Tensor:
    return _vertex(point.grad.argmin(-1), point.p)


def _vertex(index: Tensor, like: Tensor) -> Tensor:
    return torch.zeros_like(like).scatter_(-1, index.unsqueeze(-1), 1.0)


def _best_size(way: Tensor, point: Point, rate: Tensor) -> Tensor:
    """Where slope and bend balance, for a bend of |way|^2 / rate."""
    length = way.square().sum(-1, keepdim=True)
    return -rate * _slope(way, point).unsqueeze(-1) / torch.where(length > 0, length, 1.0)


def _slope(way: Tensor, point: Point) -> Tensor:
    return torch.where(way == 0, 0.0, way * point.grad).sum(-1)
