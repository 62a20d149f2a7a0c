r"""Pairs of losses by name: phi, psi, the best discriminator omega(q/p), and the way back to the ratio."""

import math
from collections.abc import Callable
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from lemmata import _arguments as check
from lemmata.generative._likelihood_ratio.custom import custom_pair, within_domain
from lemmata.numerics.precision import compute_dtype

__all__ = ["gan_pair", "log_density_ratio", "optimal_discriminator"]

Function = Callable[[Tensor], Tensor]
LOG2 = math.log(2)


def gan_pair(
    pair: str | tuple[Function, Function], *, domain: tuple[float, float] | None = None
) -> tuple[Function, Function]:
    r"""The losses :math:`\varphi`, :math:`\psi` of a discriminator t that maximises
    :math:`\mathbb E_p\varphi(t) + \mathbb E_q\psi(t)`.

    The best is :math:`t = \omega(r)`, r = q/p, and the least upper bound is the f-divergence of that name
    (perhaps infinite), see :func:`f_generator`:

    ==================== ============= ===================== ===================== =============
    pair                 ω(r)          φ(t)                  ψ(t)                  Ω
    ==================== ============= ===================== ===================== =============
    "jensen_shannon"     log r         ½(log 2 - log(1+eᵗ))  ½(log 2 - log(1+e⁻ᵗ)) all numbers
    "squared_hellinger"  ½ log r       ½(1 - eᵗ)             ½(1 - e⁻ᵗ)            all numbers
    "kl"                 log r         1 - eᵗ                t                     all numbers
    "reverse_kl"         1 - 1/r       log(1 - t)            t                     t < 1
    "pearson"            r             1 - t²                2(t - 1)              t > 0
    "le_cam"             r/(1+r)       ½ - 2t²               ½ - 2(1 - t)²         0 < t < 1
    "total_variation"    sign(r-1)     -½t                   ½t                    [-1, 1]
    "hinge"              sign(r-1)     ½(1 - (1+t)₊)         ½(1 - (1-t)₊)         [-1, 1]
    ==================== ============= ===================== ===================== =============

    "jensen_shannon" is the binary cross entropy of the first GAN, "le_cam" the least squares GAN. The last
    two have no price: they measure total variation, and their t forgets the size of the ratio. An output
    that leaves Ω is refused by "reverse_kl" and "total_variation", whose sum has no maximum there; the
    others are concave beyond it.

    Instead of a name, (omega_inv, rho): elementwise functions of torch, the inverse of an increasing
    :math:`\omega` and a price :math:`\rho > 0`. Then
    :math:`\varphi = -\int\omega^{-1}\rho` and :math:`\psi = \int\rho`, from the point where the ratio is 1.
    Their values come from a quadrature with 200 calls of each function an entry, some ten digits unless the
    integrand is rough; derivatives of both orders are exact, made of your functions themselves.

    Implements :prf:ref:`likelihood-ratio-pair`, :prf:ref:`likelihood-ratio-table`,
    :prf:ref:`likelihood-ratio-variation`.

    Args:
        pair: a name, or the two functions.
        domain: Ω, an open interval, beside two functions; all numbers, unless said.

    Returns:
        Two functions of a tensor, elementwise, which keep shape and dtype (half types are computed in
        float32). Of an output outside of Ω they raise ValueError where values can be read without waiting
        for a device, and give NaN elsewhere.

    Raises:
        TypeError: ``pair`` or ``domain`` is of another type.
        ValueError: the name is none of these, or :func:`check_gan_conditions` refuses the functions.

    Example:
        >>> phi, psi = gan_pair("jensen_shannon")
        >>> r = torch.tensor(3.0)
        >>> phi(r.log()) + r * psi(r.log())
        tensor(0.2616)
        >>> f_generator(r.log(), "jensen_shannon")
        tensor(0.2616)
        >>> phi, psi = gan_pair((torch.exp, torch.ones_like))  # omega = log, a price of 1: KL
        >>> phi(r.log()) + r * psi(r.log())
        tensor(1.2958)
    """
    if isinstance(pair, tuple):
        return custom_pair(pair, domain)
    check.choice("pair", pair, PAIRS)
    if domain is not None:
        raise ValueError(f"domain must be None beside the name of a pair, got {domain}")
    found = PAIRS[pair]
    low, high = (-math.inf, math.inf) if found.extends else found.domain
    return _Loss(pair, found.phi, low, high), _Loss(pair, found.psi, low, high)


def optimal_discriminator(log_ratio: Tensor, pair: str) -> Tensor:
    r"""The output :math:`t = \omega(r)` of the best discriminator, at :math:`r = e^u`.

    Put behind a network whose output is u, it keeps t within Ω.

    Implements :prf:ref:`likelihood-ratio-pair`.

    Args:
        log_ratio: u = log q - log p, any shape, real floating point.
        pair: a name that :func:`gan_pair` takes.

    Returns:
        The shape and dtype of ``log_ratio``.

    Raises:
        TypeError: ``log_ratio`` is no tensor of real floating point.
        ValueError: the name is not known.

    Example:
        >>> optimal_discriminator(torch.tensor([-1.0, 0.0, 1.0]), "reverse_kl")
        tensor([-1.7183,  0.0000,  0.6321])
    """
    check.floating("log_ratio", log_ratio)
    check.choice("pair", pair, PAIRS)
    return PAIRS[pair].omega(log_ratio.to(compute_dtype(log_ratio))).to(log_ratio.dtype)


def log_density_ratio(t: Tensor, pair: str) -> Tensor:
    r"""The logarithm of the ratio that a discriminator's output stands for, :math:`\log\omega^{-1}(t)`.

    An output beyond an end of Ω, which "pearson" and "le_cam" allow, counts as that end.

    Implements :prf:ref:`likelihood-ratio-pair`.

    Args:
        t: any shape, real floating point.
        pair: a name that :func:`gan_pair` takes, but for "total_variation" and "hinge", whose t does not know
            the ratio.

    Returns:
        The shape and dtype of ``t``.

    Raises:
        TypeError: ``t`` is no tensor of real floating point.
        ValueError: the name is not known, or that of a pair without a ratio.

    Example:
        >>> log_density_ratio(torch.tensor([-0.1, 0.2, 0.5, 1.0]), "le_cam")
        tensor([   -inf, -1.3863,  0.0000,     inf])
    """
    check.floating("t", t)
    check.choice("pair", pair, [name for name, found in PAIRS.items() if found.log_ratio])
    log_ratio = cast(Function, PAIRS[pair].log_ratio)
    return log_ratio(t.to(compute_dtype(t))).to(t.dtype)


class _Loss:
    """One of the two losses, with its domain."""

    def __init__(self, name: str, function: Function, low: float, high: float):
        self.name, self.function, self.low, self.high = name, function, low, high

    def __call__(self, t: Tensor) -> Tensor:
        check.floating("t", t)
        x = t.to(compute_dtype(t))
        if self.low > -math.inf or self.high < math.inf:
            x = within_domain(x, self.low, self.high, self.name)
        return self.function(x).to(t.dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__.lstrip('_').lower()} of {self.name!r}"


# ------------------------------------------------------------------- the table


class _Pair(NamedTuple):
    phi: Function
    psi: Function
    omega: Function  # of the logarithm of the ratio
    log_ratio: Function | None
    domain: tuple[float, float] = (-math.inf, math.inf)
    extends: bool = False  # whether phi + r psi stays concave beyond the domain


def _logit(t: Tensor) -> Tensor:
    """log(t / (1 - t)), infinite from 0 down and from 1 on, without derivatives there."""
    inside = torch.where((t > 0) & (t < 1), t, 0.5)
    ends = torch.where(t <= 0, -math.inf, torch.where(t >= 1, math.inf, inside.log() - torch.log1p(-inside)))
    return torch.where(t.isnan(), t, ends)


PAIRS: dict[str, _Pair] = {
    "jensen_shannon": _Pair(
        phi=lambda t: (LOG2 + F.logsigmoid(-t)) / 2,
        psi=lambda t: (LOG2 + F.logsigmoid(t)) / 2,
        omega=lambda u: u,
        log_ratio=lambda t: t,
    ),
    "squared_hellinger": _Pair(
        phi=lambda t: -torch.expm1(t) / 2,
        psi=lambda t: -torch.expm1(-t) / 2,
        omega=lambda u: u / 2,
        log_ratio=lambda t: 2 * t,
    ),
    "kl": _Pair(phi=lambda t: -torch.expm1(t), psi=lambda t: t, omega=lambda u: u, log_ratio=lambda t: t),
    "reverse_kl": _Pair(
        phi=lambda t: torch.log1p(-t),
        psi=lambda t: t,
        omega=lambda u: -torch.expm1(-u),
        log_ratio=lambda t: -torch.log1p(-t.clamp(max=1.0)),
        domain=(-math.inf, 1.0),
    ),
    "pearson": _Pair(
        phi=lambda t: 1 - t.square(),
        psi=lambda t: 2 * (t - 1),
        omega=torch.exp,
        log_ratio=lambda t: t.clamp(min=0.0).log(),
        domain=(0.0, math.inf),
        extends=True,
    ),
    "le_cam": _Pair(
        phi=lambda t: 0.5 - 2 * t.square(),
        psi=lambda t: 0.5 - 2 * (1 - t).square(),
        omega=torch.sigmoid,
        log_ratio=_logit,
        domain=(0.0, 1.0),
        extends=True,
    ),
    "total_variation": _Pair(
        phi=lambda t: -t / 2, psi=lambda t: t / 2, omega=torch.sign, log_ratio=None, domain=(-1.0, 1.0)
    ),
    "hinge": _Pair(
        phi=lambda t: (1 - F.relu(1 + t)) / 2,
        psi=lambda t: (1 - F.relu(1 - t)) / 2,
        omega=torch.sign,
        log_ratio=None,
        domain=(-1.0, 1.0),
        extends=True,
    ),
}
