"""The parameters that make the largest error of a family least, by the exchange algorithm of Remez."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor

from lemmata import _arguments as check

__all__ = ["MinimaxFit", "minimax_fit"]

Residual = Callable[[Tensor, Tensor], Tensor]
Family = (  # by their number of parameters, so that the types in a lambda are known
    Callable[[Tensor, Tensor], Tensor]
    | Callable[[Tensor, Tensor, Tensor], Tensor]
    | Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    | Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
    | Callable[..., Tensor]
)
ROUNDS = 60  # halves an interval to the last bit; the other loops end much earlier, or not at all


class MinimaxFit(NamedTuple):
    """What :func:`minimax_fit` finds."""

    parameters: Tensor  #: (m,), float64
    error: float  #: the largest error on the domain
    points: Tensor  #: (m + 1,), increasing, where the error is this large, with alternating sign


@torch.no_grad()
def minimax_fit(
    f: Callable[[Tensor], Tensor],
    g: Family,
    initial: Sequence[float],
    domain: tuple[float, float],
) -> MinimaxFit:
    r"""Parameters that make the largest error least: :math:`\min_\theta\max_{x}|f(x)-g(x,\theta)|`.

    The exchange algorithm of Remez: level the error at m + 1 points with alternating sign (Newton, for m
    parameters and the error), move the points to the extrema of the new error, repeat. It starts from the
    least-squares fit near ``initial``, whose error changes sign m times in such a family. It ends when no
    extremum exceeds the levelled error by more than 1e-12 of it, or by what float64 can tell.

    The result has an error that alternates m + 1 times and that no small change of the parameters lowers
    (checked). Where the family has the Haar property it is the best of *all*: polynomials, say, or a g that
    is monotone in its one parameter. Extrema are sought between 4097 points, in float64, so a narrower peak
    can be missed: certify what matters with ``lemmata.verify.claim(...).supremum``. Write f and g without
    cancellation where the last digits count.

    Implements :prf:ref:`gelu-alternation`.

    Args:
        f: a function of a float64 tensor, elementwise and differentiable, finite on the domain.
        g: likewise, called as ``g(x, *parameters)`` with m tensors of shape ``()``.
        initial: m numbers to start from.
        domain: the ends of the interval, finite and increasing.

    Returns:
        Parameters, error and points, as float64 on the CPU. Where g meets f to rounding there are no points.

    Raises:
        TypeError: f or g is no function, or gives no tensor; domain or initial parameters are no numbers.
        ValueError: a domain or initial parameters that are not as above; f or g is not finite there, or of
            another shape.
        RuntimeError: the error does not alternate m + 1 times (parameters that do the same, or a bad start);
            it does but is no minimum (the Haar property fails); or the exchange does not converge.

    Source: Rice, The Approximation of Functions, vol. 1 (1964), ch. 3 and 6.

    Example:
        >>> fit = minimax_fit(torch.exp, lambda x, a, b: a + b * x, (0.0, 0.0), (0.0, 1.0))
        >>> round(fit.error, 6), fit.points.round(decimals=4).tolist()
        (0.105933, [0.0, 0.5413, 1.0])
    """
    check.function("f", f)
    check.function("g", g)
    theta, grid = _checked(initial, domain)
    family = cast("Callable[..., Tensor]", g)

    def residual(x: Tensor, theta: Tensor) -> Tensor:
        return (f(x) - family(x, *theta)).expand(x.shape)

    check.broadcast("f(x)", f(grid), grid.shape)
    check.broadcast("g(x, ...)", family(grid, *theta), grid.shape)
    if not residual(grid, theta).isfinite().all():
        raise ValueError(f"f and g must be finite on the domain {domain}, at {theta.tolist()} they are not")
    theta = _newton(residual, grid, theta)  # least squares: where to start, not what is asked for
    noise = 8 * torch.finfo(torch.float64).eps * f(grid).abs().max().item()
    for _ in range(ROUNDS):
        points, values = _alternation(residual, grid, theta, noise)
        error = torch.cat([values, residual(grid, theta)]).abs().max().item()
        if error <= noise:
            return MinimaxFit(theta, error, points)
        if len(points) <= len(theta):
            raise RuntimeError(
                f"the error must alternate {len(theta) + 1} times, got {len(points)}: the parameters do not "
                f"act independently, or initial={initial} is too far away"
            )
        points, values = _exchange(points, values, len(theta) + 1)
        if error - values.abs().min().item() <= 1e-12 * error + noise:
            _check_optimal(residual, points, values.sign(), theta)
            return MinimaxFit(theta, error, points)
        theta = _newton(residual, points, theta, values.sign())
    raise RuntimeError(
        f"the exchange did not converge, got parameters {theta.tolist()} with error {error:.6g}"
    )


def _checked(initial: Sequence[float], domain: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """The start as a tensor, and a grid that is denser towards the ends of the domain."""
    theta, ends = _numbers("initial", initial), _numbers("domain", domain)
    if len(theta) == 0 or not theta.isfinite().all():
        raise ValueError(f"initial must be one or more finite numbers, got {initial}")
    if len(ends) != 2 or not -math.inf < ends[0] < ends[1] < math.inf:
        raise ValueError(f"domain must be two finite numbers in increasing order, got {domain}")
    share = (1 - torch.linspace(0, math.pi, 4097, dtype=torch.float64).cos()) / 2
    return theta, torch.lerp(ends[0], ends[1], share)


def _numbers(name: str, values: Sequence[float]) -> Tensor:
    try:
        return torch.tensor([float(v) for v in values], dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must be a sequence of numbers, got {values!r}") from None


def _newton(residual: Residual, x: Tensor, theta: Tensor, signs: Tensor | None = None) -> Tensor:
    """Gauss-Newton for residual = 0, or for residual = signs * (one more unknown); damped until it falls."""

    def cost(theta: Tensor) -> Tensor:
        r = residual(x, theta)
        return r.square().sum() if signs is None else (signs * r).max() - (signs * r).min()

    for _ in range(ROUNDS):
        jacobian = torch.func.jacfwd(residual, argnums=1)(x, theta)
        if signs is not None:
            jacobian = torch.column_stack([jacobian, signs])
        step = torch.linalg.lstsq(jacobian, -residual(x, theta)[:, None]).solution[: len(theta), 0]
        trials = (theta + step / 2**halving for halving in range(ROUNDS))
        better = next((trial for trial in trials if cost(trial) < cost(theta)), None)
        if better is None:
            break
        theta = better
    return theta


def _alternation(residual: Residual, x: Tensor, theta: Tensor, noise: float) -> tuple[Tensor, Tensor]:
    """The largest error of each stretch of one sign, refined between its neighbours: points and values."""
    r = residual(x, theta)
    told = (r.abs() > noise).nonzero()[:, 0]  # elsewhere the sign is rounding
    starts = r[told].sign().diff().nonzero()[:, 0] + 1
    peaks = [part[r[part].abs().argmax()] for part in told.tensor_split(starts.tolist()) if len(part)]
    i = torch.tensor(peaks, dtype=torch.int64)
    low, high = x[(i - 1).clamp(min=0)], x[(i + 1).clamp(max=len(x) - 1)]
    points = _summits(lambda x: r[i].sign() * residual(x, theta), low, high)
    return points, residual(points, theta)


def _summits(height: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> Tensor:
    """Where the derivative turns negative, by bisection: more digits than comparing heights could give."""
    slope = torch.func.grad(lambda x: height(x).sum())
    first, last, falls, rises = low, high, slope(low) <= 0, slope(high) >= 0
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        rising = slope(middle) > 0
        low, high = torch.where(rising, middle, low), torch.where(rising, high, middle)
    return torch.where(falls, first, torch.where(rises, last, middle))  # ends of the domain to the last bit


def _exchange(points: Tensor, values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """``count`` of the extrema, the largest among them, with signs that still alternate."""
    size, kept = values.abs().tolist(), list(range(len(values)))
    while len(kept) > count:
        least = min(kept, key=size.__getitem__)
        if least in (kept[0], kept[-1]) or len(kept) == count + 1:
            kept.remove(min(kept[0], kept[-1], key=size.__getitem__))
        else:  # its neighbours have the same sign, and the larger may stay
            at = kept.index(least)
            kept.remove(min(kept[at - 1], kept[at + 1], key=size.__getitem__))
            kept.remove(least)
    return points[kept], values[kept]


def _check_optimal(residual: Residual, points: Tensor, signs: Tensor, theta: Tensor) -> None:
    """No small change of theta lowers the error at all points: a positive mean of its signed slopes is 0."""
    slopes = torch.func.jacfwd(residual, argnums=1)(points, theta)  # (m + 1, m)
    weights = signs * torch.linalg.qr(slopes, mode="complete").Q[:, -1]  # orthogonal to all of them
    if weights.sign().sum().abs() < len(points):
        raise RuntimeError(
            f"the error alternates at {points.tolist()} but is no minimum: g lacks the Haar property on this "
            "domain (take one side of 0 if f and g are odd or even)"
        )
