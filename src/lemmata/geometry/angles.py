r"""The angle between two random directions in n dimensions, and its cosine.

Two independent vectors, at least one of them with a uniformly distributed direction, enclose an angle
:math:`\theta` with a density proportional to :math:`\sin^{n-2}\theta`; :math:`\eta = \cos\theta` has one
proportional to :math:`(1-\eta^2)^{(n-3)/2}`. All functions here are about these two laws.

Source: Su, kexue.fm 7076 (2019); Kahan, "How futile are mindless assessments of roundoff" (2006), for the
angle of two given vectors.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lemmata._checks import check_axis, check_floating, check_size, compute_dtype

__all__ = [
    "angle_between",
    "angle_cdf",
    "angle_pdf",
    "angle_quantile",
    "angle_variance",
    "cosine_moment",
    "cosine_pdf",
    "cosine_tail",
    "cosine_tail_bound",
    "sample_angles",
]

HALF_PI = math.pi / 2


# --------------------------------------------------------------------------- the law of the angle


def angle_pdf(theta: Tensor, n: int) -> Tensor:
    r"""Density of the angle between two random directions.

    .. math:: p(\theta) = \frac{\Gamma(n/2)}{\sqrt\pi\,\Gamma((n-1)/2)}\,\sin^{n-2}\theta,
              \qquad 0 \le \theta \le \pi

    The relative error is a few roundings of the exponent :math:`(n-2)\log\sin\theta`, for any n.

    Implements :prf:ref:`angles-density`.

    Args:
        theta: angles in radians, any shape; float64, float32, bfloat16 or float16 (half types are computed in
            float32). Outside of [0, pi] the density is 0; NaN gives NaN.
        n: the dimension, an int of at least 2. One dimension has the two angles 0 and pi, and no density.

    Returns:
        The shape and the dtype of ``theta``.

    Raises:
        TypeError: ``theta`` is not a tensor of these types, or n is not an int.
        ValueError: n is below 2.

    Example:
        >>> angle_pdf(torch.tensor([0.0, 0.5, 1.5708]), 3)
        tensor([0.0000, 0.2397, 0.5000])
    """
    theta = _checked("theta", theta, n)
    wide = theta.to(compute_dtype(theta))
    inside = (wide >= 0) & (wide <= math.pi)
    angle = torch.where(inside, wide, 0)
    s, c = angle.sin().clamp(min=0), angle.cos()  # float32 has a pi whose sine is negative
    density = _constant(n) * _power(s, c, n - 2)
    return _keep_nan(wide, torch.where(inside, density, 0)).to(theta.dtype)


def angle_cdf(theta: Tensor, n: int) -> Tensor:
    r"""Probability that the angle is at most ``theta``.

    .. math:: P(\Theta \le \theta) = \int_0^\theta p
              = \tfrac12 I_{\sin^2\theta}\bigl(\tfrac{n-1}2, \tfrac12\bigr)
              \quad\text{for } \theta \le \tfrac\pi2

    By Gauss-Legendre quadrature on the stretch that counts, whose length adapts to n and theta: the relative
    error is a few roundings of the logarithm of the result, far in the left tail, too. The derivative
    is :func:`angle_pdf`.

    Implements :prf:ref:`angles-beta`.

    Args:
        theta: as in :func:`angle_pdf`. Below 0 the result is 0, above pi it is 1.
        n: the dimension, an int of at least 2.

    Returns:
        The shape and the dtype of ``theta``.

    Raises:
        TypeError: ``theta`` is not a tensor of these types, or n is not an int.
        ValueError: n is below 2.

    Example:
        >>> angle_cdf(torch.tensor([0.5, 1.0, 2.0]), 100)
        tensor([1.1190e-33, 2.7438e-09, 9.9999e-01])
    """
    return _differentiable(_checked("theta", theta, n), n, _angle_cdf, angle_pdf, 1)


def angle_quantile(q: Tensor, n: int) -> Tensor:
    r"""The angle below which the probability is ``q``: the inverse of :func:`angle_cdf`.

    Newton's method for :math:`\log P` as a function of :math:`\log\theta`, which is concave, so that no start
    can fail. For q above one half by symmetry, :math:`\pi` minus the quantile of 1 - q.

    Implements :prf:ref:`angles-quantile`.

    Args:
        q: probabilities, any shape, of the types that :func:`angle_pdf` takes. 0 gives 0 and 1 gives pi;
            outside of [0, 1] the result is NaN.
        n: the dimension, an int of at least 2.

    Returns:
        The shape and the dtype of ``q``. The derivative is 1 over the density, infinite at 0 and 1 for n > 2.

    Raises:
        TypeError: ``q`` is not a tensor of these types, or n is not an int.
        ValueError: n is below 2.

    Example:
        >>> angle_quantile(torch.tensor([0.025, 0.5, 0.975]), 1000)
        tensor([1.5088, 1.5708, 1.6328])
    """
    q = _checked("q", q, n)
    if torch.autograd.forward_ad._current_level >= 0:
        return _quantile(q, n).to(q.dtype)
    return _Quantile.apply(q, n)


# --------------------------------------------------------------------------- the law of the cosine


def cosine_pdf(eta: Tensor, n: int) -> Tensor:
    r"""Density of the cosine of the angle between two random directions.

    .. math:: p(\eta) = \frac{\Gamma(n/2)}{\sqrt\pi\,\Gamma((n-1)/2)}\,(1-\eta^2)^{(n-3)/2},
              \qquad -1 \le \eta \le 1

    For n = 2 it is infinite at both ends, where its derivative is NaN; for n = 3 it is one half throughout.

    Implements :prf:ref:`angles-density`.

    Args:
        eta: cosines, any shape, of the types that :func:`angle_pdf` takes. Outside of [-1, 1] the density
            is 0; NaN gives NaN.
        n: the dimension, an int of at least 2.

    Returns:
        The shape and the dtype of ``eta``.

    Raises:
        TypeError: ``eta`` is not a tensor of these types, or n is not an int.
        ValueError: n is below 2.

    Example:
        >>> cosine_pdf(torch.tensor([-0.5, 0.0, 0.9]), 3)
        tensor([0.5000, 0.5000, 0.5000])
    """
    eta = _checked("eta", eta, n)
    wide = eta.to(compute_dtype(eta))
    inside = wide.abs() <= 1
    density = _constant(n) * _one_minus_square(torch.where(inside, wide, 0), (n - 3) / 2)
    return _keep_nan(wide, torch.where(inside, density, 0)).to(eta.dtype)


def cosine_tail(eps: Tensor, n: int) -> Tensor:
    r"""Probability that the cosine is at least ``eps``.

    .. math:: P(\eta \ge \varepsilon) = \tfrac12 I_{1-\varepsilon^2}\bigl(\tfrac{n-1}2, \tfrac12\bigr)
              \quad\text{for } \varepsilon \ge 0

    Computed as :func:`angle_cdf` is, with the same relative accuracy. The derivative is minus
    :func:`cosine_pdf`.

    Implements :prf:ref:`angles-beta`.

    Args:
        eps: any shape, of the types that :func:`angle_pdf` takes. Below -1 the result is 1, above 1 it is 0.
        n: the dimension, an int of at least 2.

    Returns:
        The shape and the dtype of ``eps``.

    Raises:
        TypeError: ``eps`` is not a tensor of these types, or n is not an int.
        ValueError: n is below 2.

    Example:
        >>> cosine_tail(torch.tensor([0.0, 0.1, 0.3]), 100)
        tensor([0.5000, 0.1599, 0.0012])
    """
    return _differentiable(_checked("eps", eps, n), n, _cosine_tail, cosine_pdf, -1)


def cosine_tail_bound(eps: Tensor, n: int) -> Tensor:
    r"""An upper bound of :func:`cosine_tail` that is exact at 0 and at 1.

    .. math:: P(\eta \ge \varepsilon) \le \tfrac12 (1-\varepsilon^2)^{(n-1)/2}
              \le \tfrac12 e^{-(n-1)\varepsilon^2/2}

    Implements :prf:ref:`angles-tail`.

    Args:
        eps: as in :func:`cosine_tail`. Below 0 the bound is 1, above 1 it is 0.
        n: the dimension, an int of at least 2.

    Returns:
        The shape and the dtype of ``eps``.

    Raises:
        TypeError: ``eps`` is not a tensor of these types, or n is not an int.
        ValueError: n is below 2.

    Example:
        >>> cosine_tail_bound(torch.tensor([0.0, 0.1, 0.3]), 100)
        tensor([0.5000, 0.3040, 0.0047])
    """
    eps = _checked("eps", eps, n)
    wide = eps.to(compute_dtype(eps))
    inside = (wide >= 0) & (wide <= 1)
    bound = _one_minus_square(torch.where(inside, wide, 0), (n - 1) / 2) / 2
    return _keep_nan(wide, torch.where(inside, bound, (wide < 0).to(wide.dtype))).to(eps.dtype)


# --------------------------------------------------------------------------- moments


def angle_variance(n: int) -> float:
    r"""Variance of the angle between two random directions; its mean is :math:`\pi/2`.

    .. math:: \operatorname{Var}\theta = \tfrac12\psi_1\bigl(\tfrac n2\bigr)
              = \frac1n + \frac1{n^2} + \frac2{3n^3} + \dots

    The trigamma function is the Hurwitz zeta function of 2, which torch has to the last digits
    (``torch.special.polygamma(1, x)`` has nine).

    Implements :prf:ref:`angles-variance`.

    Args:
        n: the dimension, an int of at least 1.

    Raises:
        TypeError: n is not an int.
        ValueError: n is below 1.

    Example:
        >>> round(angle_variance(3), 12), round(angle_variance(1000), 12)
        (0.467401100272, 0.001001000667)
    """
    _check_dimension(n, 1)
    half = torch.tensor(n / 2, dtype=torch.float64)
    return torch.special.zeta(torch.tensor(2.0, dtype=torch.float64), half).item() / 2


def cosine_moment(order: int, n: int) -> float:
    r"""Moment of the cosine of the angle between two random directions.

    .. math:: \mathbb E\,\eta^{2r} = \frac{1\cdot3\cdots(2r-1)}{n(n+2)\cdots(n+2r-2)},
              \qquad \mathbb E\,\eta^{2r+1} = 0

    Implements :prf:ref:`angles-moments`.

    Args:
        order: of the moment, an int of at least 0; the time grows with it.
        n: the dimension, an int of at least 1.

    Raises:
        TypeError: n or ``order`` is not an int.
        ValueError: n is below 1, or ``order`` negative.

    Example:
        >>> cosine_moment(2, 10), cosine_moment(4, 10), cosine_moment(3, 10)
        (0.1, 0.025, 0.0)
    """
    check_size("order", order)
    _check_dimension(n, 1)
    if order % 2:
        return 0.0
    return math.prod((j + 1) / (n + j) for j in range(0, order, 2))


# --------------------------------------------------------------------------- vectors


def angle_between(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    r"""The angle between vectors, to a few roundings from 0 to pi, whatever their lengths.

    .. math:: \theta = 2\operatorname{atan2}\bigl(\|u - v\|, \|u + v\|\bigr),
              \qquad u = \frac x{\|x\|},\ v = \frac y{\|y\|}

    The arc cosine of :math:`u\cdot v` loses half of the digits near 0 and pi. Lengths are taken out first,
    by the largest entry, so nothing overflows.

    Implements :prf:ref:`angles-between`.

    Args:
        x: vectors along ``dim``, of the types that :func:`angle_pdf` takes (half types are computed in
            float32).
        y: likewise; the other dimensions broadcast.
        dim: the axis of the vectors, of the shape that both have together.

    Returns:
        The broadcast shape without ``dim``, of the common dtype. A zero vector, an infinite or a NaN entry
        give NaN. Where the vectors are parallel or opposite the angle has a kink, and the gradient is 0.

    Raises:
        TypeError: x or y is not a tensor of these types.
        ValueError: the shapes do not fit, ``dim`` is none of their axes or has no entries.

    Source: Kahan, How Futile are Mindless Assessments of Roundoff in Floating-Point Computation? (2006), §12.

    Example:
        >>> angle_between(torch.tensor([1.0, 0.0]), torch.tensor([[1.0, 1e-6], [0.0, 3.0], [-2.0, 0.0]]))
        tensor([1.0000e-06, 1.5708e+00, 3.1416e+00])
    """
    check_floating("x", x)
    check_floating("y", y)
    try:
        x, y = torch.broadcast_tensors(x, y)
    except RuntimeError:
        raise ValueError(f"y must broadcast with x of shape {tuple(x.shape)}, got {tuple(y.shape)}") from None
    dim, dtype = check_axis("x", x, dim), torch.promote_types(x.dtype, y.dtype)
    u, v = (_direction(z.to(torch.promote_types(dtype, torch.float32)), dim) for z in (x, y))
    return (2 * torch.atan2(_length(u - v, dim), _length(u + v, dim))).to(dtype)


def sample_angles(
    n: int,
    size: int | tuple[int, ...],
    generator: torch.Generator | None = None,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Tensor:
    r"""Independent angles between random directions, drawn from their law: the cost does not depend on n.

    .. math:: \theta = \operatorname{atan2}\bigl(\chi_{n-1}, g\bigr)

    with a standard normal g, which is the first coordinate of a Gaussian vector, and the length
    :math:`\chi_{n-1}` of all the others.

    Implements :prf:ref:`angles-sample`.

    Args:
        n: the dimension, an int of at least 1. For n = 1 the angles are 0 and pi, equally likely.
        size: the shape of the result, or a number of angles.
        generator: of random numbers, on ``device``.
        dtype: float64, float32, bfloat16 or float16 (half types are drawn in float32).
        device: where to draw.

    Returns:
        Angles in [0, pi], of shape ``size``.

    Raises:
        TypeError: n is not an int.
        ValueError: n is below 1.

    Example:
        >>> angles = sample_angles(1_000_000, 1000, torch.Generator().manual_seed(0))
        >>> angles.shape, bool((angles - math.pi / 2).abs().max() < 0.005)
        (torch.Size([1000]), True)
    """
    _check_dimension(n, 1)
    shape = (size,) if isinstance(size, int) else tuple(size)
    wide = torch.promote_types(dtype, torch.float32)
    g = torch.randn(shape, generator=generator, dtype=wide, device=device)
    if n == 1:
        return (math.pi * (g < 0).to(wide)).to(dtype)
    rest = 2 * torch._standard_gamma(torch.full_like(g, (n - 1) / 2), generator=generator)
    return torch.atan2(rest.sqrt(), g).to(dtype)


# --------------------------------------------------------------------------- small pieces


def _check_dimension(n: int, least: int) -> None:
    check_size("n", n)
    if n < least:
        raise ValueError(f"n must be at least {least}, got {n}")


def _checked(name: str, value: Tensor, n: int) -> Tensor:
    check_floating(name, value)
    _check_dimension(n, 2)
    return value


def _keep_nan(x: Tensor, value: Tensor) -> Tensor:
    return torch.where(x.isnan(), math.nan, value)


def _direction(x: Tensor, dim: int) -> Tensor:
    """x over its length; 0 / 0 for a zero vector."""
    x = x / x.detach().abs().amax(dim, keepdim=True)  # the angle does not depend on this: a constant
    return x / x.square().sum(dim, keepdim=True).sqrt()


def _length(x: Tensor, dim: int) -> Tensor:
    """The length, without underflow; 0 has the derivative 0."""
    peak = x.detach().abs().amax(dim, keepdim=True)
    zero = peak == 0
    square = (x / torch.where(zero, 1, peak)).square().sum(dim, keepdim=True)
    return torch.where(zero, 0, peak * torch.where(zero, 1, square).sqrt()).squeeze(dim)


def _one_minus_square(t: Tensor, power: float) -> Tensor:
    """(1 - t^2)^power for |t| <= 1: a logarithm where the base is near 1, a product where it is near 0."""
    near = t.square() < 0.5
    central = torch.log1p(-torch.where(near, t, 0).square()).mul(power).exp()
    outer = torch.where(near, 0, t)
    base = 1 - outer.square()  # for the derivative: that of the product would be inf * 0 at the ends
    base = base + ((1 - outer) * (1 + outer) - base).detach()
    return torch.where(near, central, base**power)


def _power(s: Tensor, c: Tensor, m: int) -> Tensor:
    """s^m for a sine s and its cosine c; near s = 1 by the cosine, for a rounding of s counts m times."""
    near = c.square() < 0.5
    central = torch.log1p(-torch.where(near, c, 0).square()).mul(m / 2).exp()
    return torch.where(near, central, torch.where(near, 1, s) ** m)


def _legendre(count: int) -> list[tuple[float, float]]:
    """Nodes and weights of Gauss and Legendre on [0, 1]: roots of the Legendre polynomial, by Newton."""
    rule = []
    for i in range(count):
        x = math.cos(math.pi * (i + 0.75) / (count + 0.5))
        for _ in range(6):
            low, high = 1.0, x
            for k in range(2, count + 1):
                low, high = high, ((2 * k - 1) * x * high - (k - 1) * low) / k
            slope = count * (x * high - low) / (x * x - 1)
            x -= high / slope
        rule.append(((1 - x) / 2, 1 / ((1 - x * x) * slope * slope)))
    return rule


RULE = _legendre(32)
NEGLIGIBLE = 38.0  # exp(-38) is below the rounding of float64


def _shrink(m: int) -> float:
    """The sine below which sin^m is negligible, where the largest sine is 1."""
    return math.exp(-NEGLIGIBLE / m) if m else 0.0


def _cosine_power(x: float, m: int) -> float:
    return math.exp(m * math.log1p(-2 * math.sin(x / 2) ** 2))


def _constant(n: int) -> float:
    """Gamma(n / 2) / (sqrt(pi) Gamma((n - 1) / 2)), by its integral: no difference of large logarithms."""
    m = n - 2
    width = math.acos(_shrink(m))
    return 1 / (2 * width * sum([w * _cosine_power(u * width, m) for u, w in RULE]))


def _lower(theta: Tensor, s: Tensor, c: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """log P(angle <= theta), and its derivative by log(theta), for 0 < theta <= pi/2 with sine s, cosine c.

    sin(theta - d) / sin(theta) is 1 minus a small number, and a logarithm of that is what the power needs.
    """
    m = n - 2
    width = theta - torch.asin((s * _shrink(m)).clamp(max=1))
    cotangent, total = c / s, torch.zeros_like(theta)
    for u, w in RULE:
        d = u * width
        less = 2 * torch.sin(d / 2).square() + cotangent * torch.sin(d)
        total = total + w * torch.exp(m * torch.log1p(-less))
    near = c.square() < 0.5
    central = torch.log1p(-torch.where(near, c, 0).square()) / 2
    log_s = torch.where(near, central, torch.where(near, 1, s).log())
    area = width * total  # the integral of sin^m, over its last value s^m
    return m * log_s + torch.log(_constant(n) * area), theta / area


def _folded(theta: Tensor, s: Tensor, c: Tensor, n: int) -> Tensor:
    """P(angle <= theta) for theta with |cosine| c: as it is up to pi/2, by symmetry beyond."""
    inside = theta > 0
    safe = torch.where(inside, theta, 1)
    log_p, _ = _lower(safe, torch.where(inside, s, math.sin(1)), torch.where(inside, c, math.cos(1)), n)
    return torch.where(inside, log_p.exp(), 0)


def _angle_cdf(theta: Tensor, n: int) -> Tensor:
    wide = theta.to(compute_dtype(theta)).clamp(0, math.pi)
    right = wide > HALF_PI
    angle = torch.where(right, math.pi - wide, wide)
    lower = _folded(angle, angle.sin(), angle.cos(), n)
    return torch.where(right, 1 - lower, lower) + (wide - wide)  # NaN stays


def _cosine_tail(eps: Tensor, n: int) -> Tensor:
    wide = eps.to(compute_dtype(eps)).clamp(-1, 1)
    c = torch.where(wide < 0, -wide, wide)  # abs() has the derivative 0 at 0
    s = ((1 - c) * (1 + c)).sqrt()
    lower = _folded(torch.atan2(s, c), s, c, n)
    return torch.where(wide < 0, 1 - lower, lower) + (wide - wide)


Function = Callable[[Tensor, int], Tensor]


def _differentiable(x: Tensor, n: int, value: Function, density: Function, sign: int) -> Tensor:
    """``value``, whose derivative is ``sign`` times ``density``."""
    # forward mode takes the plain operations: torch loses nested tangents in a Function (pytorch#197867)
    if torch.autograd.forward_ad._current_level >= 0:
        return value(x, n).to(x.dtype)
    return _Cumulative.apply(x, n, value, density, sign)


class _Cumulative(torch.autograd.Function):
    """An integral of a density; keeps its argument and nothing else."""

    @staticmethod
    def forward(x, n, value, density, sign):
        return value(x, n).to(x.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.n, _, ctx.density, ctx.sign = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * ctx.sign * ctx.density(x, ctx.n), None, None, None, None

    @staticmethod
    def vmap(info, in_dims, x, *rest):
        return _Cumulative.apply(x, *rest), in_dims[0]


STEPS = 14  # Newton needs at most 10 from n = 2 to 10^9 and q from 1e-300 to 1/2


def _quantile(q: Tensor, n: int) -> Tensor:
    wide = q.to(compute_dtype(q))
    valid = (wide > 0) & (wide < 1)
    safe = torch.where(valid, wide, 0.5)
    lower = torch.where(safe > 0.5, 1 - safe, safe)
    theta = torch.full_like(lower, HALF_PI)
    for _ in range(STEPS):
        log_p, slope = _lower(theta, theta.sin(), theta.cos(), n)
        theta = theta * torch.exp((lower.log() - log_p) / slope)
    theta = torch.where(safe > 0.5, math.pi - theta, theta)
    end = torch.where((wide == 0) | (wide == 1), wide * math.pi, math.nan)
    return torch.where(valid, theta, end)


class _Quantile(torch.autograd.Function):
    """The inverse of the distribution function; keeps its value and nothing else."""

    @staticmethod
    def forward(q, n):
        return _quantile(q, n).to(q.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.n = inputs[1]
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad):
        (theta,) = ctx.saved_tensors
        return grad / angle_pdf(theta, ctx.n), None

    @staticmethod
    def vmap(info, in_dims, q, n):
        return _Quantile.apply(q, n), in_dims[0]
