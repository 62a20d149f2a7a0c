"""The loop that all methods share: a step, what f says there, and which rows go on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.precision import compute_dtype, no_autocast
from lemmata.simplex._minimization.gap import gap_of

__all__ = ["SimplexMinimum"]

Objective = Callable[[Tensor], Tensor]
GROW, SHRINK = 1.25, 0.5  # a step size that is sought: three steps taken for one taken back
SLACK = 64  # roundings of f below which its values say nothing


class History(NamedTuple):
    """What was found at the start and after each step, ``(..., steps + 1)``."""

    value: Tensor
    gap: Tensor


@dataclass(frozen=True, eq=False)
class SimplexMinimum:
    """Where a search over the simplex ended, and how far from the minimum that can be.

    Example:
        >>> found = projected_gradient(lambda p: p.square().sum(-1), torch.tensor([1.0, 0.0]), tol=1e-6)
        >>> found.p
        tensor([0.5000, 0.5000])
        >>> bool(found.converged)
        True
    """

    p: Tensor  #: probabilities ``(..., n)``, the last of each row
    value: Tensor  #: f(p), ``(...)``; in a half type of the p before it was rounded
    gap: Tensor  #: of the same p, ``(...)``; a convex f exceeds its minimum by no more than this and rounding
    steps: Tensor  #: how many each row took, int64 ``(...)``
    converged: Tensor  #: whether the value is finite and the gap at most ``tol``, of the rounded p too
    history: History  #: ``value`` and ``gap``, ``(..., steps + 1)``


class Point(NamedTuple):
    """A point and what f says there."""

    p: Tensor  # (..., n)
    value: Tensor  # (...)
    grad: Tensor  # (..., n)
    gap: Tensor  # (...)


class Promise(NamedTuple):
    """What a step should do to f, ``(...)`` each."""

    first: Tensor  # the change of f to first order
    bend: Tensor  # half of what that changes by on the way: the rest, to second order
    distance: Tensor  # at most this over the size of the step is what the rest may be


class Method(NamedTuple):
    """What tells one method from another. A *state* is what it keeps of a point, ``(..., n)``."""

    probabilities: Callable[[Tensor], Tensor]  # of a state
    move: Callable[[Tensor, Point, Any], Tensor]  # the next state, by a step of some size
    promise: Callable[[Tensor, Tensor, Point, Point], Promise] | None = None  # from one state to the next
    own: bool = False  # whether f is the method's own, whose NaN is in the data and not in the formula


def evaluate(f: Objective, p: Tensor) -> Point:
    """f, its gradient and the gap at p."""
    if torch.is_inference_mode_enabled():
        raise ValueError("f needs its gradient, which torch.inference_mode() forbids: use torch.no_grad()")
    with torch.enable_grad(), no_autocast(p):
        leaf = p.detach().requires_grad_()
        value = f(leaf)
        check.floating("f(p)", value)
        check.shape("f(p)", value, p.shape[:-1], "p")
        grad = torch.autograd.grad(value.sum(), leaf, allow_unused=True)[0] if value.requires_grad else None
        if grad is None:
            raise ValueError("f must be differentiable in p, got a value without a gradient")
    return Point(p, value.detach().to(p.dtype), grad, gap_of(p, grad))


def descend(
    f: Objective,
    state: Tensor,
    method: Method,
    size: Callable[[int], Any] | None,
    steps: int,
    tol: float,
    dtype: torch.dtype,
) -> SimplexMinimum:
    """``steps`` steps of the method, of ``size(t)``; or of a size that is sought, if that is None.

    A size is sought without calls that lead nowhere: a step that falls short of its promise, or leads to a
    value that is no number, is taken back, and the next is shorter.
    """
    point = evaluate(f, method.probabilities(state))
    if not method.own:
        defined(point)
    live = point.value.isfinite() & (point.gap > tol)
    rate, taken, past = _first_rate(point), torch.zeros_like(live, dtype=torch.int64), [point]
    for t in range(steps):
        if readable(live) and not live.any():
            break
        h = rate if size is None else size(t)
        moved = torch.where(live.unsqueeze(-1), method.move(state, point, h), state)
        new = evaluate(f, method.probabilities(moved))
        good = live & new.value.isfinite() & ~new.gap.isnan()
        if size is None:
            good = good & _as_promised(method, state, moved, point, new, rate)
            rate = rate * torch.where(good, GROW, SHRINK).unsqueeze(-1)
        else:
            live = good
        state = torch.where(good.unsqueeze(-1), moved, state)
        point = _choose(good, new, point)
        live, taken = live & (point.gap > tol), taken + good
        past.append(point)
    history = History(*(torch.stack([getattr(x, k) for x in past], -1).to(dtype) for k in History._fields))
    p, value, _, gap = (x.to(dtype) for x in point)
    converged = _within(point, tol) & _within(_rounded(f, point, dtype), tol)
    return SimplexMinimum(p, value, gap, taken, converged, history)


def _within(point: Point, tol: float) -> Tensor:
    return (point.gap <= tol) & point.value.isfinite()


def _rounded(f: Objective, point: Point, dtype: torch.dtype) -> Point:
    """What f says of the p that is handed out, where that has fewer digits than the search had."""
    if point.p.dtype == dtype:
        return point
    p = point.p.to(dtype).to(point.p.dtype)
    return evaluate(f, p / p.sum(-1, keepdim=True))


def _first_rate(point: Point) -> Tensor:
    """A size at which the first step moves scores by 1 at most, whatever the unit of f."""
    finite = point.grad.isfinite()
    least = torch.where(finite, point.grad, torch.inf).amin(-1, keepdim=True)
    most = torch.where(finite, point.grad, -torch.inf).amax(-1, keepdim=True)
    return 1 / torch.where(most > least, most - least, 1.0)


def _as_promised(
    method: Method, state: Tensor, moved: Tensor, point: Point, new: Point, rate: Tensor
) -> Tensor:
    """Whether f, beyond first order, rose by no more than the distance over the size of the step.

    Where that drowns in the rounding of f, the slopes are asked, which keep their digits.
    """
    assert method.promise is not None
    first, bend, distance = method.promise(state, moved, point, new)
    room = distance / rate.squeeze(-1)
    rounding = SLACK * torch.finfo(point.value.dtype).eps * point.value.abs()
    by_value = new.value <= point.value + first + room
    by_slope = (new.value <= point.value + rounding) & (bend <= room)
    return torch.where(first.abs() + room > rounding, by_value, by_slope)


def _choose(good: Tensor, new: Point, old: Point) -> Point:
    def pick(one: Tensor, other: Tensor) -> Tensor:
        return torch.where(good.unsqueeze(-1) if one.dim() > good.dim() else good, one, other)

    return Point(*(pick(*pair) for pair in zip(new, old, strict=True)))


def along(g: Tensor, change: Tensor) -> Tensor:
    """<g, change> of a change that sums to 0; where nothing changes an infinite slope counts nothing."""
    still = change == 0
    least = torch.where(still, torch.inf, g).amin(-1, keepdim=True)
    return torch.where(still, 0.0, change * (g - least)).sum(-1)


def half_square(p: Tensor, q: Tensor, point: Point, new: Point) -> Promise:
    """Half the squared distance, for methods whose state is p."""
    change = q - p
    bend = along(new.grad - point.grad, change) / 2
    return Promise(along(point.grad, change), bend, change.square().sum(-1) / 2)


# --------------------------------------------------------------------------- arguments


def start(name: str, value: Tensor) -> Tensor:
    """Probabilities of each row in the type that sums are made in; ValueError unless they are some."""
    check.axis(name, value, -1)
    check.law(name, value)
    p = value.detach().to(compute_dtype(value)).clamp(min=0)
    return p / p.sum(-1, keepdim=True)


def defined(point: Point) -> None:
    """ValueError where the start has no value or no gap: no step from there could be judged."""
    if not readable(point.gap):
        return
    for name, value in (("f(p)", point.value), ("the gradient of f", point.gap)):
        if value.isnan().any():
            raise ValueError(
                f"{name} must not be NaN at the start; at p = 0 p log p and torch.xlogy are, in value or "
                "slope: write torch.special.entr(p), or leave out entries that stay 0"
            )


def limits(steps: int, tol: float) -> tuple[int, float]:
    """The number of steps and the gap that is small enough."""
    steps, tol = check.at_least("steps", steps), check.number("tol", tol)
    if not tol >= 0:
        raise ValueError(f"tol must be at least 0, in the unit of f; got {tol}")
    return steps, tol


def size_of(lr: float | None, like: Tensor) -> Callable[[int], Any] | None:
    """A fixed size, or None for one that is sought."""
    if lr is None:
        return None
    fixed = check.positive("lr", lr)
    most = torch.finfo(compute_dtype(like)).max
    if fixed > most:
        raise ValueError(f"lr must be at most {most}, where its type ends; got {lr}")
    return lambda t: fixed
