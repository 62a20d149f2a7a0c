r"""f-divergences from logarithms of probabilities, with all digits where the two laws are close.

Each generator d has d(1) = 0 and d'(1) = 0. Below it is written for ratios :math:`r = e^v \le 1`; above 1
the adjoint :math:`\tilde d(r) = r\,d(1/r)` takes over, :math:`p\,d(q/p) = q\,\tilde d(p/q)`, so that nothing
overflows that need not.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.numerics.precision import compute_dtype

__all__ = ["f_divergence", "f_generator"]

TERMS = 18  # of Taylor series on [-1, 0]: the first left out is below 1/19!


def f_generator(log_ratio: Tensor, divergence: str) -> Tensor:
    r"""The generator d(r) of an f-divergence, at :math:`r = e^u`, with d(1) = d'(1) = 0.

    ==================== ================================== ==========================================
    divergence           d(r)                               :math:`\int p\,d(q/p)`
    ==================== ================================== ==========================================
    "jensen_shannon"     ½(r log 2r/(1+r) + log 2/(1+r))    Jensen-Shannon, at most log 2
    "squared_hellinger"  ½(√r - 1)²                         :math:`1 - \int\sqrt{pq}`
    "kl"                 r log r - r + 1                    KL(q, p)
    "reverse_kl"         r - 1 - log r                      KL(p, q)
    "pearson"            (r - 1)²                           :math:`\int (q-p)^2/p`
    "le_cam"             ½(r - 1)²/(r + 1)                  :math:`\frac12\int (q-p)^2/(p+q)`
    "total_variation"    ½|r - 1|                           :math:`\frac12\int |q-p|`
    ==================== ================================== ==========================================

    Relative errors are a few roundings, also near r = 1, where d is of second order.

    Implements :prf:ref:`likelihood-ratio-table`, :prf:ref:`likelihood-ratio-kl`.

    Args:
        log_ratio: u = log q - log p, any shape; float64, float32, or a half type, computed in float32.
        divergence: one of the names above.

    Returns:
        The shape and dtype of ``log_ratio``. At -inf it is d(0); NaN stays.

    Raises:
        TypeError: ``log_ratio`` is no tensor of real floating point.
        ValueError: the name is none of these.

    Example:
        >>> u = torch.tensor([-torch.inf, 0.0, 1e-3, 1.0])
        >>> f_generator(u, "kl")
        tensor([1.0000e+00, 0.0000e+00, 5.0033e-07, 1.0000e+00])
    """
    check.floating("log_ratio", log_ratio)
    check.choice("divergence", divergence, GENERATORS)
    u = log_ratio.to(compute_dtype(log_ratio))
    over = u > math.log(torch.finfo(u.dtype).max) / (2 if divergence == "pearson" else 1)
    near = torch.where(over, 0.0, u)
    low, high = _sides(near, divergence)
    above = near > 0
    value = torch.where(above, torch.where(above, near, 0.0).exp() * high, low)
    return torch.where(over, torch.where(over, u, 1.0) * math.inf, value).to(log_ratio.dtype)


def f_divergence(log_q: Tensor, log_p: Tensor, divergence: str, dim: int = -1) -> Tensor:
    r"""The f-divergence :math:`\sum_i p_i\,d(q_i/p_i)` of two laws on finitely many points.

    For names see :func:`f_generator`. A point where both probabilities are 0 adds nothing; where only one is,
    the limit is taken: :math:`p\,d(0)`, and :math:`q \lim d(r)/r`, which may be infinite.

    For samples of p, and a ratio that is known, the mean of ``f_generator(log_ratio, divergence)``
    estimates it.

    Implements :prf:ref:`likelihood-ratio-pair`.

    Args:
        log_q, log_p: logarithms of probabilities, of one shape and dtype; -inf for 0. They may sum to less
            than 1, but scores that are no logarithms of probabilities are refused where they can be read.
        divergence: as :func:`f_generator` takes it.
        dim: the axis of the points.

    Returns:
        The shape without ``dim``, and the dtype of ``log_q``.

    Raises:
        TypeError: a tensor is not of real floating point.
        ValueError: shapes, dtypes, axis or name do not fit, or a logarithm is above 0 by more than rounding.

    Example:
        >>> q, p = torch.tensor([0.25, 0.75]), torch.tensor([0.5, 0.5])
        >>> f_divergence(q.log(), p.log(), "total_variation")
        tensor(0.2500)
        >>> f_divergence(q.log(), p.log(), "kl")  # 3/4 log 3 - log 2
        tensor(0.1308)
    """
    dim = check.axis("log_q", log_q, dim)
    check.floating("log_p", log_p)
    check.shape("log_p", log_p, tuple(log_q.shape), "log_q")
    if log_p.dtype != log_q.dtype:
        raise ValueError(f"log_p must have the dtype of log_q, {log_q.dtype}, got {log_p.dtype}")
    check.choice("divergence", divergence, GENERATORS)
    for name, value in (("log_q", log_q), ("log_p", log_p)):
        _logarithms(name, value)
    made = compute_dtype(log_q)
    q, p = log_q.to(made), log_p.to(made)
    neither = (q == -math.inf) & (p == -math.inf)
    q, p = (torch.where(neither, 0.0, x) for x in (q, p))
    u = q - p
    low, high = _sides(u, divergence)
    above = u > 0
    mass = torch.where(above, q, p).exp()
    each = torch.where(above, high, low)
    nothing = neither | ((mass == 0) & each.isinf())
    terms = torch.where(nothing, 0.0, mass) * torch.where(nothing, 0.0, each)
    return terms.sum(dim).to(log_q.dtype)


def _logarithms(name: str, value: Tensor) -> None:
    """Raise ValueError unless exponentials are probabilities, where that can be read."""
    if value.numel() and _torch.readable(value) and (value > check.ROUGH).any():
        raise ValueError(f"{name} must be logarithms of probabilities, got {value.max().item()}")


def _sides(u: Tensor, divergence: str) -> tuple[Tensor, Tensor]:
    """d at u up to 0, and its adjoint at -u from 0 on; each is 0 on the other side. NaN is on the first."""
    below, beyond = GENERATORS[divergence]
    above = u > 0
    return below(torch.where(above, 0.0, u)), beyond(torch.where(above, -u, 0.0))


# ------------------------------------------------------------------- generators for v <= 0


def _kl(v: Tensor) -> Tensor:
    near = v > -1
    s = torch.where(near, v, 0.0)
    w = torch.where(near, 0.0, v.clamp(min=-750.0))  # beyond, w e^w is 0 in every dtype
    far = 1 - w.exp() * (1 - w)
    series = _series(s, lambda k: (k - 1) / math.factorial(k))
    return torch.where(v.isnan(), v, torch.where(near, series, far))


def _reverse_kl(v: Tensor) -> Tensor:
    near = v > -1
    far = torch.where(near, -1.0, v)
    series = _series(torch.where(near, v, 0.0), lambda k: 1 / math.factorial(k))
    return torch.where(near, series, torch.expm1(far) - far)


def _series(s: Tensor, coefficient: Callable[[int], float]) -> Tensor:
    """The sum of c_k s^k from k = 2 on."""
    total = torch.full_like(s, coefficient(TERMS))
    for k in range(TERMS - 1, 1, -1):
        total = coefficient(k) + s * total
    return s.square() * total


def _jensen_shannon(v: Tensor) -> Tensor:
    near = v > -2
    s = torch.where(near, v, 0.0)
    close = s * torch.tanh(s / 2) - torch.log1p(torch.sinh(s / 2).square())
    a = torch.where(near, 2.0, (-v).clamp(max=750.0))
    far = 2 * (math.log(2) - a * torch.sigmoid(-a) - torch.log1p((-a).exp()))
    both = torch.where(near, close, far)
    return torch.where(v.isnan(), v, (1 + v.exp()) / 4 * both)


def _squared_hellinger(v: Tensor) -> Tensor:
    return torch.expm1(v / 2).square() / 2


def _le_cam(v: Tensor) -> Tensor:
    return torch.expm1(v) * torch.tanh(v / 2) / 2


def _total_variation(v: Tensor) -> Tensor:
    return torch.expm1(v).abs() / 2


def _pearson(v: Tensor) -> Tensor:
    return torch.expm1(v).square()


def _neyman(v: Tensor) -> Tensor:
    return 4 * torch.sinh(v / 2).square()


Generator = Callable[[Tensor], Tensor]
GENERATORS: dict[str, tuple[Generator, Generator]] = {  # each with its adjoint
    "jensen_shannon": (_jensen_shannon, _jensen_shannon),
    "squared_hellinger": (_squared_hellinger, _squared_hellinger),
    "kl": (_kl, _reverse_kl),
    "reverse_kl": (_reverse_kl, _kl),
    "pearson": (_pearson, _neyman),
    "le_cam": (_le_cam, _le_cam),
    "total_variation": (_total_variation, _total_variation),
}
