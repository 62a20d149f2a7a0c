r"""The self-orthogonality penalty: how alike the outputs of a layer are, by their signs, and its exact law.

Two units that see a normal input of mean 0 and covariance :math:`\Sigma` have outputs of the correlation

.. math:: \rho_{ij} = \frac{w_i^\top\Sigma w_j}{\sqrt{w_i^\top\Sigma w_i\;w_j^\top\Sigma w_j}},
          \qquad \mathbb E\,\operatorname{sgn}y_i\operatorname{sgn}y_j = \tfrac2\pi\arcsin\rho_{ij} .

So signs of outputs measure angles as :math:`\Sigma` sees them, not the angles between the weights.

* Tensors are float64, float32, bfloat16 or float16; half types are computed in float32, and the law of the
  weights in float64, where the device has it: near parallel units it is steep. Autocast changes nothing.
  Similarities do not depend on the scale of an output or a weight.
* A unit without a direction (weights or outputs that are all 0, or constant ones once centred) has the
  similarity 0 with all, itself included, and gets the gradient 0.
* NaN and infinite entries make the similarities of their unit NaN, and leave values and gradients of all
  others as they are. Their own gradient is 0.

Source: Su, kexue.fm 7169 (2020); Zhang et al., arXiv:2001.01275 (2020); Welch (1974).
"""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.centring import centred
from lemmata.numerics.precision import compute_dtype, no_autocast
from lemmata.numerics.units import unit_of

__all__ = ["expected_sign_similarity", "self_orthogonality", "sign_similarity", "welch_bound"]

SHARPEST = 1e15  # beyond it only an output of exactly 0 would notice
FLAT = 1e-8  # arcsin(a rho) / arcsin(a) is rho to a^2 / 6


def sign_similarity(output: Tensor, *, gamma: float = 10.0, center: bool = False) -> Tensor:
    r"""The cosines between the (smoothed) signs of outputs, estimated from a batch of them.

    .. math:: \hat\vartheta_{ij} = \frac{\langle h_i, h_j\rangle}{\|h_i\|\,\|h_j\|},\qquad
              h_i = \operatorname{erf}\bigl(\gamma\,y_i\big/\sqrt{\tfrac1b\|y_i\|^2}\bigr)

    For normal outputs of mean 0 it tends to :func:`expected_sign_similarity` as the batch grows. The steeper
    the surrogate, the noisier its gradient: of the b samples about :math:`1/\gamma` have a slope.

    Implements :prf:ref:`orthogonality-batch`, :prf:ref:`orthogonality-smooth`,
    :prf:ref:`orthogonality-slope`, :prf:ref:`orthogonality-shift`.

    Args:
        output: ``(..., b, k)``, b samples of k units, before the activation. Images ``(N, C, H, W)``:
            ``output.movedim(1, -1).flatten(0, -2)``.
        gamma: sharpness in [0, 1e15], in units of an output's root mean square, or ``inf``. 0 is the limit:
            the cosines of the outputs themselves, with ``center=True`` their correlations. ``inf`` takes the
            signs, with gradient 0.
        center: subtract each unit's mean over the batch first. Without it units whose outputs are mostly
            positive look alike, whatever their directions are. One sample, centred, is 0.

    Returns:
        ``(..., k, k)``, in the dtype of ``output``.

    Raises:
        TypeError: ``output`` is no tensor of these types, ``gamma`` no number, ``center`` no bool.
        ValueError: fewer than two axes, no sample; a gamma out of its range.

    Example:
        >>> y = torch.tensor([[1.0, 2.0], [2.0, -1.0], [-1.0, -1.0], [3.0, 5.0]])
        >>> sign_similarity(y, gamma=float("inf"))
        tensor([[1.0000, 0.5000],
                [0.5000, 1.0000]])
    """
    check.floating("output", output)
    if output.dim() < 2:
        raise ValueError(f"output must have two axes (b, k) or more, got shape {tuple(output.shape)}")
    check.axis("output", output, -2)
    sharpness = _sharpness(gamma)
    if not isinstance(center, bool):
        raise TypeError(f"center must be a bool, got {type(center).__name__}")
    y, spoilt = _finite_units(output.to(compute_dtype(output)), -2)
    y = y / unit_of(y, -2)
    if center:
        y = centred(y, (-2,))[2]
    h = _direction(y)
    if sharpness == math.inf:
        h = h.sign()
    elif sharpness > 0:
        h = torch.erf(sharpness * math.sqrt(y.shape[-2]) * h)
    h = _direction(h)
    with no_autocast(h):
        return _nan_at(spoilt, h.mT @ h).to(output.dtype)


def expected_sign_similarity(
    weight: Tensor, covariance: Tensor | None = None, *, gamma: float = math.inf
) -> Tensor:
    r"""What :func:`sign_similarity` tends to for normal inputs of mean 0: no samples, no noise.

    .. math:: \vartheta_{ij} = \frac{\arcsin(a\rho_{ij})}{\arcsin a},\qquad a = \frac{2\gamma^2}{1+2\gamma^2}

    For :math:`\gamma=\infty` it is :math:`\frac2\pi\arcsin\rho_{ij}`, 1 minus the angle in right angles; for
    0 it is :math:`\rho_{ij}`.

    Implements :prf:ref:`orthogonality-sign`, :prf:ref:`orthogonality-smooth`.

    Args:
        weight: ``(..., k, d)``, a row for each unit, as in ``torch.nn.Linear``.
        covariance: of the inputs, ``(..., d, d)``, symmetric and positive semidefinite; None: the identity,
            and angles are those between the rows.
        gamma: as in :func:`sign_similarity`.

    Returns:
        ``(..., k, k)``, in the dtype that both have together. For ``gamma=inf`` parallel rows are a kink, and
        count with the gradient 0; so do rows at an angle below 4e-8, which float64 cannot tell from them. A
        unit with :math:`w^\top\Sigma w\le0` has no direction.

    Raises:
        TypeError: tensors that are not of these types, a gamma that is no number.
        ValueError: shapes that do not fit; a gamma out of its range; on the CPU, a covariance that is not
            finite or not symmetric.

    Example:
        >>> weight = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
        >>> expected_sign_similarity(weight)
        tensor([[1.0000, 0.5000],
                [0.5000, 1.0000]])
        >>> expected_sign_similarity(weight, torch.tensor([1.0, 100.0]).diag())
        tensor([[1.0000, 0.0635],
                [0.0635, 1.0000]])
    """
    dtype = _checked(weight, covariance)
    sharpness = _sharpness(gamma)
    w, spoilt = _finite_units(weight.to(torch.float32 if weight.device.type == "mps" else torch.float64), -1)
    w = w / unit_of(w, -1)
    with no_autocast(w):
        seen = w if covariance is None else w @ _in_its_unit(covariance.to(w.dtype))
        gram = seen @ w.mT
    variance = gram.diagonal(dim1=-2, dim2=-1)
    none = variance <= 0
    scale = torch.where(none, 1.0, variance).rsqrt()
    rho = (gram * scale.unsqueeze(-1) * scale.unsqueeze(-2)).clamp(-1, 1)
    itself = torch.eye(w.shape[-2], dtype=torch.bool, device=w.device) & ~rho.isnan()  # of a NaN covariance
    without = none.unsqueeze(-1) | none.unsqueeze(-2)
    similarity = torch.where(itself, 1.0, _of_correlation(rho, sharpness))
    return _nan_at(spoilt, torch.where(without, 0.0, similarity)).to(dtype)


def self_orthogonality(
    similarity: Tensor, *, lam1: float = 100.0, lam2: float = 1.0, reduction: str = "mean"
) -> Tensor:
    r"""The self-orthogonality penalty: the mean similarity of two units, squared, and the mean square.

    .. math:: R = \lambda_1\Bigl(\frac1{k(k-1)}\sum_{i\ne j}\vartheta_{ij}\Bigr)^2
              + \lambda_2\,\frac1{k(k-1)}\sum_{i\ne j}\vartheta_{ij}^2

    The first term is 0 for units of all kinds, four on one line among them; only the second asks for right
    angles. It has a floor where units outnumber inputs *or samples*: :func:`welch_bound`.

    Implements :prf:ref:`orthogonality-sum`, :prf:ref:`orthogonality-welch`.

    Args:
        similarity: ``(..., k, k)``, of :func:`sign_similarity` or :func:`expected_sign_similarity`; its
            diagonal does not count.
        lam1: weight of the squared mean, at least 0.
        lam2: weight of the mean square, at least 0.
        reduction: ``"mean"`` over the pairs, or ``"sum"``, as published: the squared sum, and the sum of
            squares.

    Returns:
        ``(...)``, in the dtype of ``similarity``; 0 where there is no pair.

    Raises:
        TypeError: ``similarity`` is no tensor of these types; weights that are no numbers.
        ValueError: a matrix that is not square, a weight that is negative or not finite, another reduction.

    Example:
        >>> line = torch.tensor([1.0, 1.0, 1.0, -1.0])  # four units, one direction
        >>> self_orthogonality(torch.outer(line, line), lam2=0.0)
        tensor(0.)
        >>> self_orthogonality(torch.outer(line, line))
        tensor(1.)
    """
    check.floating("similarity", similarity)
    shape = tuple(similarity.shape)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"similarity must be square (..., k, k), got shape {shape}")
    first, second = _weight("lam1", lam1), _weight("lam2", lam2)
    check.choice("reduction", reduction, ("mean", "sum"))
    k = shape[-1]
    s = similarity.to(compute_dtype(similarity))
    s = s.masked_fill(torch.eye(k, dtype=torch.bool, device=s.device), 0.0)
    pairs = max(1, k * (k - 1)) if reduction == "mean" else 1
    total, square = s.sum((-2, -1)) / pairs, s.square().sum((-2, -1)) / pairs
    return (first * total.square() + second * square).to(similarity.dtype)


def welch_bound(k: int, d: int) -> float:
    r"""The least that the largest :math:`|\cos|` of k directions in d dimensions can be.

    .. math:: \max_{i\ne j}|\cos_{ij}| \ge \sqrt{\frac{k-d}{d(k-1)}}

    The mean of :math:`\cos^2_{ij}` over pairs is at least the square of it; 0 where k is at most d. With d
    the number of samples it bounds the similarities that a batch can show.

    Implements :prf:ref:`orthogonality-welch`.

    Args:
        k: number of directions, at least 1.
        d: dimensions, at least 1.

    Example:
        >>> welch_bound(3, 2), welch_bound(2, 3)
        (0.5, 0.0)
    """
    k, d = check.at_least("k", k, 1), check.at_least("d", d, 1)
    return math.sqrt((k - d) / d / (k - 1)) if k > d else 0.0


def _direction(y: Tensor) -> Tensor:
    """Columns over their length; 0, with gradient 0, where that is 0."""
    y = y / unit_of(y, -2)
    square = y.square().sum(-2, keepdim=True)
    zero = square == 0
    return torch.where(zero, 0.0, y / torch.where(zero, 1.0, square).sqrt())


def _finite_units(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """x with units that are not finite set to 0, where no gradient meets their NaN; and which they were."""
    spoilt = ~x.isfinite().all(dim, keepdim=True)
    return torch.where(spoilt, 0.0, x), spoilt.squeeze(dim)


def _nan_at(spoilt: Tensor, similarity: Tensor) -> Tensor:
    return torch.where(spoilt.unsqueeze(-1) | spoilt.unsqueeze(-2), math.nan, similarity)


def _of_correlation(rho: Tensor, sharpness: float) -> Tensor:
    """arcsin(a rho) / arcsin(a); what rounding cannot tell from an end of the arc has the gradient 0."""
    rest = 1 / (1 + 2 * sharpness**2)
    a = 1 - rest if sharpness > 1 else 2 * sharpness**2 * rest
    if a < FLAT:
        return rho
    end = (a * rho).abs() >= 1 - 4 * torch.finfo(rho.dtype).eps
    arc = torch.asin(a * torch.where(end, 0.0, rho)) / math.atan2(a, math.sqrt(rest * (1 + a)))
    return torch.where(end, rho.sign(), arc)


def _in_its_unit(covariance: Tensor) -> Tensor:
    return covariance / unit_of(covariance, (-2, -1))


def _checked(weight: Tensor, covariance: Tensor | None) -> torch.dtype:
    """The dtype that both have together; raises unless they fit."""
    check.floating("weight", weight)
    if weight.dim() < 2:
        raise ValueError(f"weight must have two axes (k, d) or more, got shape {tuple(weight.shape)}")
    check.axis("weight", weight, -1)
    if covariance is None:
        return weight.dtype
    check.floating("covariance", covariance)
    d, shape = weight.shape[-1], tuple(covariance.shape)
    if shape[-2:] != (d, d):
        raise ValueError(f"covariance must be (..., {d}, {d}) beside weight, got shape {shape}")
    try:
        torch.broadcast_shapes(weight.shape[:-2], shape[:-2])
    except RuntimeError:
        raise ValueError(f"covariance must broadcast with weight's leading axes, got shape {shape}") from None
    if covariance.numel() and readable(covariance):
        apart = (covariance - covariance.mT).abs().amax((-2, -1))
        if not (apart <= 1e-2 * covariance.abs().amax((-2, -1))).all():
            raise ValueError(f"covariance must be finite and symmetric, got entries {apart.max():.3g} apart")
    return torch.promote_types(weight.dtype, covariance.dtype)


def _sharpness(gamma: float) -> float:
    sharpness = check.number("gamma", gamma)
    if not (0 <= sharpness <= SHARPEST or sharpness == math.inf):
        raise ValueError(f"gamma must be in [0, {SHARPEST:g}] or inf, got {gamma}")
    return sharpness


def _weight(name: str, value: float) -> float:
    size = check.number(name, value)
    if not 0 <= size < math.inf:
        raise ValueError(f"{name} must be at least 0 and finite, got {value}")
    return size
