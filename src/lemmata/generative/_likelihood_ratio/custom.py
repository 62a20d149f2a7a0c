r"""Pairs from your own functions: the conditions on them, and the integrals that make the losses.

The losses are :math:`\varphi(t) = -\int_{t_1}^t \omega^{-1}\rho` and :math:`\psi(t) = \int_{t_1}^t \rho` with
:math:`\omega^{-1}(t_1) = 1`. The value comes from Gauss's rule on pieces that shrink towards both ends, t and
:math:`t_1`: an end of the domain may be near either; then an integral over no length at all, from t
without its derivatives to t, adds all derivatives, which are those of the integrand.
"""

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.numerics.legendre import legendre
from lemmata.numerics.precision import compute_dtype

__all__ = ["check_gan_conditions"]

Function = Callable[[Tensor], Tensor]
HALVINGS, NODES = 15, 8  # of the pieces towards either end, and in a piece
GRID = 1001
SPAN = 7.0  # half the width of the grid, in the variable of _place


def check_gan_conditions(
    omega_inv: Function, rho: Function, *, domain: tuple[float, float] = (-math.inf, math.inf)
) -> float:
    r"""Look for a place where two functions do not make a pair of losses.

    Asked is that :math:`\omega^{-1}` is positive, strictly increasing and somewhere 1, and that the price
    :math:`\rho` is positive, on 1001 points of the domain that crowd at its ends (at
    infinity up to 548). That is a search, not a proof. Values of 0 and infinity are taken where ``omega_inv``
    underflows or overflows.

    Implements :prf:ref:`likelihood-ratio-pair`.

    Args:
        omega_inv, rho: elementwise functions of a float64 tensor.
        domain: the open interval Ω, a pair of numbers.

    Returns:
        The output :math:`t_1` of the best discriminator where the two laws are equally dense.

    Raises:
        TypeError: an argument is of another type, or a function returns something else.
        ValueError: a condition fails, with the place; or the domain is empty.

    Example:
        >>> check_gan_conditions(lambda t: t / (1 - t), torch.reciprocal, domain=(0, 1))
        0.5
        >>> check_gan_conditions(lambda t: t + 2, torch.ones_like, domain=(1, 3))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: omega_inv must be 1 within the domain, got values between 3.0018... and 4.9981...
    """
    check.function("omega_inv", omega_inv)
    check.function("rho", rho)
    low, high = interval(domain)
    t = _place(torch.linspace(-SPAN, SPAN, GRID, dtype=torch.float64), low, high)
    ratio, price = _called("omega_inv", omega_inv, t), _called("rho", rho, t)
    _refuse("rho must be positive on the domain", ~(price > 0), price, t)
    _refuse("omega_inv must be at least 0 on the domain", ~(ratio >= 0), ratio, t)
    before, after = ratio[:-1], ratio[1:]
    ended = (before == after) & ((after == 0) | after.isinf())
    _refuse("omega_inv must increase", ~((before < after) | ended), after, t[1:])
    if not ratio[0] < 1 < ratio[-1]:
        ends = f"{ratio[0].item()} and {ratio[-1].item()}"
        raise ValueError(f"omega_inv must be 1 within the domain, got values between {ends}")
    return _centre(omega_inv, low, high)


def interval(domain: tuple[float, float]) -> tuple[float, float]:
    """The ends of an open interval as floats."""
    if not isinstance(domain, tuple | list) or len(domain) != 2:
        raise TypeError(f"domain must be a pair of numbers, got {domain!r}")
    low, high = (check.number("domain", end) for end in domain)
    if not low < high:
        raise ValueError(f"domain must be an interval with low < high, got {domain}")
    return low, high


def within_domain(t: Tensor, low: float, high: float, name: str) -> Tensor:
    """t, NaN beyond an end; ValueError where that can be read."""
    outside = (t < low) | (t > high)
    if t.numel() and _torch.readable(t) and outside.any():
        worst = t[outside].flatten()[0].item()
        raise ValueError(f"t must be within [{low}, {high}] for {name}, got {worst}")
    return torch.where(outside, math.nan, t)


def custom_pair(
    pair: tuple[Function, Function], domain: tuple[float, float] | None
) -> tuple[Function, Function]:
    """The two losses of (omega_inv, rho)."""
    if len(pair) != 2 or not all(map(callable, pair)):
        raise TypeError(f"pair must be a name or two functions (omega_inv, rho), got {pair!r}")
    omega_inv, rho = pair
    low, high = interval((-math.inf, math.inf) if domain is None else domain)
    centre = check_gan_conditions(omega_inv, rho, domain=(low, high))

    def phi(t: Tensor) -> Tensor:
        return _loss(lambda s: -omega_inv(s) * rho(s), t, centre, low, high)

    def psi(t: Tensor) -> Tensor:
        return _loss(rho, t, centre, low, high)

    return phi, psi


def _loss(slope: Function, t: Tensor, centre: float, low: float, high: float) -> Tensor:
    check.floating("t", t)
    x = within_domain(t.to(compute_dtype(t)), low, high, "these functions")
    at = x.detach()
    value = _integral(slope, torch.full_like(at, centre), at, HALVINGS, NODES)
    return (value + _integral(slope, at, x, 0, 2)).to(t.dtype)


def _integral(slope: Function, start: Tensor, end: Tensor, halvings: int, nodes: int) -> Tensor:
    """The integral of the slope from start to end, on pieces that halve towards both."""
    near = [2.0**-k for k in range(halvings, 0, -1)]
    ends = [0.0, *near, *(1 - place for place in reversed(near[:-1])), 1.0]
    rule = [
        (left + (right - left) * u, (right - left) * w)
        for left, right in itertools.pairwise(ends)
        for u, w in legendre(nodes)
    ]
    places, weights = (torch.tensor(v, dtype=end.dtype, device=end.device) for v in zip(*rule, strict=True))
    length = end - start
    s = start.unsqueeze(-1) + length.unsqueeze(-1) * places
    return length * (slope(s) * weights).sum(-1)


def _place(v: Tensor, low: float, high: float) -> Tensor:
    """An increasing map of all numbers onto the domain."""
    if math.isinf(low) and math.isinf(high):
        return torch.sinh(v)
    if math.isinf(high):
        return low + v.exp()
    if math.isinf(low):
        return high - (-v).exp()
    return low + (high - low) * torch.sigmoid(v)


def _centre(omega_inv: Function, low: float, high: float) -> float:
    """Where the ratio is 1, by bisection."""
    left, right = -SPAN, SPAN
    for _ in range(80):
        middle = (left + right) / 2
        t = _place(torch.tensor(middle, dtype=torch.float64), low, high)
        left, right = (middle, right) if omega_inv(t).item() < 1 else (left, middle)
    return _place(torch.tensor((left + right) / 2, dtype=torch.float64), low, high).item()


def _called(name: str, function: Function, t: Tensor) -> Tensor:
    value = function(t)
    if not isinstance(value, Tensor) or value.shape != t.shape:
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} must return a tensor of the shape of its argument, got {got}")
    return value.detach()


def _refuse(condition: str, wrong: Tensor, value: Tensor, t: Tensor) -> None:
    if wrong.any():
        at = int(wrong.nonzero()[0])
        raise ValueError(f"{condition}, got {value[at].item()} at t = {t[at].item()}")
