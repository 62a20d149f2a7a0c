"""The D-form of ovals that are given by their curvature."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.geometry._dforms.pieces import cardinal_sine, root, tensors
from lemmata.numerics.legendre import legendre

__all__ = ["dform"]

RULE = legendre(16)
SLACK = 1e-12  # radians by which rounding may miss the condition


def dform(curvature: Tensor, other: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    r"""The solid of two ovals, each a quarter of n arcs of one length, mirrored in both axes.

    With :math:`\varphi(s)` the angle by which the edge of the first sheet has turned at s, and
    :math:`\psi(s)` that of the other, both from the end of the long axis,

    .. math:: x'(s)^2 = \sin(\varphi-\chi)\sin(\varphi+\chi), \qquad
              \chi(s) = \tfrac\pi2 - \psi(l-s) .

    The solid exists where :math:`\varphi\ge\chi`, which is looked at where arcs meet, and there decides. It
    does, and is convex, where curvatures do not increase.

    Implements :prf:ref:`dforms-exists`, :prf:ref:`dforms-convex`.

    Args:
        curvature: ``(..., n)``, of the arcs from the end of the long axis to that of the short one, not
            negative. They turn by a right angle: each is :math:`\frac\pi2/\sum\kappa` long.
        other: the curvature of the second sheet, of the same shape and, for the same perimeter, the same sum;
            like the first if not given.

    Returns:
        The quarter of the seam where arcs meet ``(..., n + 1, 3)``, the volume ``(...)``, and the surface
        ``(...)``, which is that of both sheets. The quadrature errs by some roundings where curvatures do
        not increase; by more where the seam nearly stands still between its ends.
        Of ovals that are nearly circles, volumes lose digits, as those of ellipses do.

    Raises:
        TypeError: curvatures that are not floating point.
        ValueError: no arc; shapes or perimeters that differ; where values can be read, negative curvatures,
            none that is positive, ovals that do not close up.

    Example:
        >>> seam, volume, surface = dform(torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64))
        >>> print(f"{36 * torch.pi * volume**2 / surface**3:.4f}")
        0.4400
    """
    check.floating("curvature", curvature)
    if curvature.dim() == 0 or curvature.shape[-1] == 0:
        raise ValueError(f"curvature must be (..., n) with at least one arc, got {tuple(curvature.shape)}")
    first, dtype = curvature.double(), curvature.dtype
    _look("curvature", first)
    second = first
    if other is not None:
        check.floating("other", other)
        check.shape("other", other, curvature.shape, "curvature")
        second, dtype = other.double(), torch.promote_types(dtype, other.dtype)
        _look("other", second)
        first = _same_length(first, second, max(torch.finfo(x.dtype).eps for x in (curvature, other)))
    d = math.pi / 2 / first.sum(-1, keepdim=True)  # the length of an arc
    phi, chi = _turned(first * d), _turned(second.flip(-1) * (math.pi / 2 / second.sum(-1, keepdim=True)))
    phi = _closing(phi, chi)
    return tuple(part.to(dtype) for part in _solid(phi, chi, d))  # type: ignore[return-value]


def _look(name: str, curvature: Tensor) -> None:
    if not readable(curvature) or not curvature.numel():
        return
    if (curvature < 0).any():
        raise ValueError(f"{name} must not be negative, got values from {curvature.min().item()}")
    if (curvature.sum(-1) == 0).any():
        raise ValueError(f"{name} must have a positive entry in each row, got a row of zeros")


def _same_length(first: Tensor, second: Tensor, eps: float) -> Tensor:
    """The first, NaN in the rows whose sheets have different perimeters; an error where that can be seen.

    Sums may differ by what rounding the entries costs, and what it costs to sum them in float32 or better.
    """
    whole = first.sum(-1, keepdim=True)
    slack = (4 * eps + 4 * first.shape[-1] * min(eps, torch.finfo(torch.float32).eps)) * whole
    differs = (whole - second.sum(-1, keepdim=True)).abs() > slack
    if readable(first) and readable(second) and differs.any():
        raise ValueError("other must have the sum of curvature, for the same perimeter, got another")
    return torch.where(differs, math.nan, first)


def _turned(angle: Tensor) -> Tensor:
    """By how much the edge has turned where arcs meet ``(..., n + 1)``, from the turns of the arcs."""
    return torch.nn.functional.pad(angle.cumsum(-1), (1, 0))


def _closing(phi: Tensor, chi: Tensor) -> Tensor:
    """phi, NaN in the rows whose seam would leave space; an error where that can be seen."""
    closes = ~(phi < chi - SLACK).any(-1, keepdim=True)
    if readable(phi) and readable(chi) and not closes.all():
        raise ValueError(
            "curvature must close up: the turn from one end of the quarter by s and that from the other end "
            "of the other sheet by l - s must make a right angle or more, got less"
        )
    return torch.where(closes, phi, math.nan)


def _solid(phi: Tensor, chi: Tensor, d: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Seam, volume and surface from the angles where arcs meet."""
    u, weight = tensors(RULE, phi)
    f, y = _chords(phi, d, u, torch.cos)  # h' = cos(phi)
    c, fallen = _chords(chi, d, u, torch.sin)  # and h(l - s) falls by sin(chi)
    z = fallen[..., -1:, -1:] - fallen  # (..., n, nodes + 1), the last where the arc ends
    slope = root((f - c).sin() * (f + c).sin())
    y, z, y_end, z_end = y[..., :-1], z[..., :-1], y[..., -1], z[..., -1]
    x_end = d * (slope * weight).sum(-1).cumsum(-1)
    ends = torch.nn.functional.pad(torch.stack([x_end, y_end], -1), (0, 0, 1, 0))
    z_end = torch.cat([fallen[..., -1, -1:].unsqueeze(-1), z_end.unsqueeze(-1)], -2)
    volume = 4 * d.squeeze(-1) * (y * z * slope * weight).sum((-2, -1))
    surface = 4 * d.squeeze(-1) * ((y * f.sin() + z * c.cos()) * weight).sum((-2, -1))
    return torch.cat([ends, z_end], -1), volume, surface


def _chords(joint: Tensor, d: Tensor, u: Tensor, part: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Angles at the nodes of each arc ``(..., n, nodes)``, and how far the arcs have gone, ends as well.

    A chord of an arc has the direction of its middle.
    """
    start, turn = joint[..., :-1, None], joint.diff(dim=-1).unsqueeze(-1)
    share = torch.cat([u, u.new_ones(1)])
    go = share * part(start + turn * share / 2) * cardinal_sine(turn * share / 2)
    gone = torch.nn.functional.pad(go[..., -1].cumsum(-1)[..., :-1], (1, 0))
    return start + turn * u, d.unsqueeze(-1) * (gone.unsqueeze(-1) + go)
