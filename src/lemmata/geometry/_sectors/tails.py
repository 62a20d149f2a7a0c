r"""Both tails of the largest of n spacings of a circle, each with its own digits.

With :math:`Q_n(x)` for the probability that no gap of n uniform points on a circle of length 1 exceeds x,

.. math:: 1 - Q_n(x) = \sum_{k \ge 1} (-1)^{k-1} \tbinom nk (1-kx)_+^{n-1},
          \qquad Q_n(x) = (n-1)!\,x^{n-1} N_n(1/x)
                        = \frac{(n-1)!}{2\pi i} \int e^z \Bigl(\frac{1-e^{-xz}}z\Bigr)^{n} dz .

The sum is right to the last digits where the first term is small, the B-spline :math:`N_n` costs n^2, the
integral along a line through its saddle point the same for each n. All below is float64, elementwise.
"""

import math

import torch
from torch import Tensor

__all__ = ["tails"]

FEW = 24  # points, up to which the spline is used
TERMS = 24  # of the alternating sum: the first is at most 1, so the last is below 1/24!
NODES = 40  # of the trapezoidal rule, on one half of the line


def tails(n: Tensor, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """P(some gap is at least x) and P(none is), for points whose largest gap is x or whose arc is t = 1 - x.

    Args:
        n: how many points, at least 1, as float64.
        t, x: float64 of one shape, which add up to 1; each may have digits that the other cannot tell.
    """
    low = (n * x < 2) & (x < 0.5)  # there Q_n(x) = (nx - 1)^(n-1) Q_n(x / (nx - 1))
    spare = torch.where(low, n * x - 1, 1.0)
    certain = ((spare <= 0) | (x <= 0)) & (n > 1)
    spare = torch.where(certain, 1.0, spare)
    dual = torch.where(low & ~certain, x / spare, x).clamp(max=1.0)  # the gap in question, at least 2/n
    rest = torch.where(low, 1 - dual, t).clamp(min=0.0)
    some, none = _upper(n, rest, dual)
    scale = torch.where(low, spare ** (n - 1), 1.0)
    none = torch.where(certain, 0.0, scale * none)
    some = torch.where(low, 1 - none, some)
    one = (n == 1).logical_or(t < 0)  # a single point, and sectors that hold none
    within = ((t >= 0) & (n == 1)).to(t.dtype)
    lost = t.isnan() | x.isnan()
    some = torch.where(lost, math.nan, torch.where(one, within, some))
    return some, torch.where(lost, math.nan, torch.where(one, 1 - within, none))


def _upper(n: Tensor, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """The two probabilities for n x of at least 2."""
    rare = n * t ** (n - 1) <= 1  # the number of gaps above x to expect
    some = _alternating(n, torch.where(rare, t, 0.0), torch.where(rare, x, 1.0))
    many = n > FEW
    none = _spline(torch.where(rare | many, 2.0, n), torch.where(rare | many, 1.0, 1 / x))
    width = torch.where(rare | ~many, 3.0, n * x)
    none = torch.where(many, _contour(torch.where(many, n, 100.0), width), none)
    return torch.where(rare, some, 1 - none), torch.where(rare, 1 - some, none)


def _alternating(n: Tensor, t: Tensor, x: Tensor) -> Tensor:
    """The sum over k, whose first term is n t^(n-1)."""
    choose = n
    total = n * t ** (n - 1)
    for k in range(2, TERMS):
        power = (1 - k * x).clamp(min=0.0) ** (n - 1)
        choose = torch.where(power > 0, choose * (n - k + 1) / k, 0.0)  # which may overflow where power is 0
        total = total - (-1) ** k * choose * power
    return total


def _spline(n: Tensor, u: Tensor) -> Tensor:
    """(n-1)! u^(1-n) N_n(u) for n up to FEW: de Boor's recursion for (m-1)! N_m, of positive terms."""
    knots = torch.arange(FEW, dtype=u.dtype, device=u.device)
    v = u.unsqueeze(-1) - knots  # (..., FEW), for N_m(u - j)
    N = ((v >= 0) & (v < 1)).to(u.dtype)
    found = N[..., 0]
    for m in range(2, FEW + 1):
        right = torch.cat([N[..., 1:], torch.zeros_like(N[..., :1])], -1)
        # a factor of 1/u for each order, so that nothing grows
        N = (v.clamp(min=0.0) * N + (m - v).clamp(min=0.0) * right) / u.unsqueeze(-1)
        found = torch.where(n == m, N[..., 0], found)
    return found


def _contour(n: Tensor, y: Tensor) -> Tensor:
    """Q_n(y / n) for n above FEW and y of at least 2.

    With z = nw the integrand is the nth power of phi(w) = e^(w-1) (1 - e^(-yw)) / w, up to a constant that
    Stirling's series gives. On the line through the saddle point, a = yw/2, it is close to a bell, for which
    the trapezoidal rule converges faster than any power.
    """
    a = _saddle(y)
    w = 2 * a / y
    step = _step(n, a) / y
    v = step.unsqueeze(-1) * torch.arange(1, NODES + 1, dtype=y.dtype, device=y.device)
    size, phase = _ratio(a.unsqueeze(-1), v, y.unsqueeze(-1))
    n_ = n.unsqueeze(-1)
    area = step * (1 + 2 * ((n_ * size).exp() * (n_ * phase).cos()).sum(-1))
    stirling = 1 / (12 * n) - 1 / (360 * n**3) + 1 / (1260 * n**5) - 1 / (1680 * n**7)
    return (n / (2 * math.pi)).sqrt() * (stirling + n * _log_phi(w, a, y)).exp() * area


def _saddle(y: Tensor) -> Tensor:
    """a = yw/2 with 1/(2a) - 1/(e^(2a) - 1) = 1/y: an exponential law cut off at y and tilted has the mean 1.

    By Newton's method. Any a gives the right integral, so a rough one will do.
    """
    b = torch.where(y < 3, 6 - 12 / y, y)
    for _ in range(5):
        large = b > 0.01
        s = torch.where(large, b, 1.0)
        e = torch.expm1(s)
        value = torch.where(large, 1 / s - 1 / e, 0.5 - b / 12)
        slope = torch.where(large, (e + 1) / e.square() - 1 / s.square(), -1 / 12)
        b = (b - (value - 1 / y) / slope).clamp(min=0.0)
    return b / 2


def _sinh_ratio(a: Tensor) -> Tensor:
    """a / sinh(a)."""
    large = a > 1e-4
    s = torch.where(large, a, 1.0)
    return torch.where(large, s / torch.sinh(s), 1 - a.square() / 6)


def _step(n: Tensor, a: Tensor) -> Tensor:
    """The distance of the nodes, times y: they end where the power of an exponential law's transform does."""
    end = torch.expm1(112 * math.log(2) / n).sqrt()  # the transform's square is 1 / (1 + end^2)
    large = a > 0.005
    s = torch.where(large, a, 1.0)
    variance = torch.where(large, (1 / s.square() - 1 / torch.sinh(s).square()) / 4, 1 / 12)
    return end / NODES / variance.sqrt()


def _ratio(a: Tensor, v: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Logarithm of the size, and phase, of phi(w + iv) / phi(w).

    The size is the root of (a^2 + r^2 sin^2 b) / (a^2 + b^2) with r = a / sinh a. It is close to 1 where it
    counts and is raised to the power n, so what is lost of 1 is computed by itself.
    """
    b = v * y / 2
    r, sine = _sinh_ratio(a), b.sin()
    lost = (b * _beyond(a) * r / a.clamp(min=1e-300) + r * _below(b)) * (b + r * sine)  # b^2 - r^2 sin^2 b
    turn = torch.atan2(sine, torch.tanh(a) * b.cos()) - torch.atan2(b, a)
    return torch.log1p(-lost / (a.square() + b.square())) / 2, v - b + turn


def _below(b: Tensor) -> Tensor:
    """b - sin b for b of at least 0."""
    small = b < 1
    return torch.where(small, _cubic(torch.where(small, b, 0.0), -1), b - b.sin())


def _beyond(a: Tensor) -> Tensor:
    """sinh a - a for a of at least 0."""
    small = a < 1
    return torch.where(small, _cubic(torch.where(small, a, 0.0), 1), torch.sinh(a) - a)


def _cubic(z: Tensor, sign: int) -> Tensor:
    """The Taylor series of both: z^3/3! + sign z^5/5! + ... for z below 1."""
    square, total = sign * z.square(), torch.ones_like(z)
    for k in (342, 272, 210, 156, 110, 72, 42, 20):
        total = 1 + square / k * total
    return z**3 / 6 * total


def _log_phi(w: Tensor, a: Tensor, y: Tensor) -> Tensor:
    """The logarithm of phi(w), as it is and, for a below 1, by way of sinh."""
    large = a > 1
    d = torch.where(large, w - 1, 0.0)
    far = d - torch.log1p(d) + torch.log1p(-torch.exp(-2 * torch.where(large, a, 1.0)))
    return torch.where(large, far, w - 1 + (y / _sinh_ratio(a)).log() - a)
