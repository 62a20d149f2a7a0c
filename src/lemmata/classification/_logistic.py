r"""Logistic regression in closed form: weights and biases from means and one covariance, without iterations.

Where each class is normal around its own mean with a covariance that all share, the logarithms of the
probabilities are linear in the input:

.. math:: w_i = \Sigma^{-1}\mu_i, \qquad b_i = \log p_i - \tfrac12\mu_i^\top\Sigma^{-1}\mu_i .

With the sample's means and covariance this is linear discriminant analysis (LDA).

* Inputs are float64, float32, bfloat16 or float16. All are centred and fitted in float64, for a small
  eigenvalue of the covariance is a real direction, which float32 would take for rounding; the results have
  the dtype of the inputs. Autocast changes nothing. Integer inputs are refused.
* All rows make one classifier: a NaN or an infinity in a row that counts is refused where it can be seen,
  and else spoils it. Leading axes are classifiers beside each other.
* Where the values can be read (on the CPU, outside of compiled graphs and transforms) a class without a row
  raises; elsewhere its bias is ``-inf``.

Source: Su, kexue.fm 8578 (2021); Fisher (1936); Efron (1975); Schäfer and Strimmer (2005).
"""

import math
import warnings

import torch
from torch import Tensor, nn

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.precision import no_autocast

__all__ = ["gaussian_logistic_regression", "init_linear_from_lda_"]


def gaussian_logistic_regression(
    input: Tensor,
    target: Tensor,
    *,
    num_classes: int,
    shrinkage: float | str = "auto",
    priors: Tensor | None = None,
    unbiased: bool = False,
    ignore_index: int = -100,
) -> tuple[Tensor, Tensor]:
    r"""The linear classifier of normal classes that share a covariance, from one pass over the data.

    .. math:: w_i = \Sigma^{-1}(\mu_i-\mu), \qquad
              b_i = \log p_i - \tfrac12(\mu_i-\mu)^\top\Sigma^{-1}(\mu_i-\mu) - w_i^\top\mu

    with the mean :math:`\mu_i` of each class and :math:`\mu` of all rows, and :math:`\Sigma` the covariance
    *within* the classes, divided by N. That is the module's formula with all :math:`w_i` moved by the same
    vector, so that no digits are lost to a large :math:`\mu`: ``(input @ weight.T + bias).softmax(-1)``.

    Where :math:`\Sigma=DRD` is singular, with the deviations :math:`D` within the classes and their
    correlations :math:`R`, :math:`D^{-1}R^+D^{-1}` stands for the inverse. It *ignores* moves of x along
    :math:`Dv` where :math:`Rv=0`, also if :math:`v^\top D^{-1}x` tells classes apart: then a warning says
    so. What is singular is judged in float64: a multiple of another feature that was rounded to float32
    varies on its own, by its roundings, and wants shrinkage.

    Implements :prf:ref:`logistic-gaussian`, :prf:ref:`logistic-equivariance`, :prf:ref:`logistic-shrinkage`,
    :prf:ref:`logistic-overconfident`.

    Args:
        input: features ``(..., N, d)``; leading axes are problems of their own.
        target: int64 ``(..., N)``, the class of each row.
        num_classes: k. Each class needs a row.
        shrinkage: s in [0, 1], the share taken off the correlations within the classes:
            :math:`(1-s)\Sigma + s\operatorname{diag}\Sigma`, where a variance of 0 is replaced by that of all
            rows. It does not depend on units. ``"auto"`` estimates the s with the least expected squared
            error; 0 is the plain formula, which wants far more rows than features; 1 is naive Bayes with
            shared variances.
        priors: ``(k,)``, a distribution, in place of the frequencies; they change the biases only.
        unbiased: divide out what is expected of small samples of normal classes: weights and biases then
            have the right expectation, given how many rows each class has. Needs N > k + r + 1, with r the
            rank of the covariance (d where it is regular), and ``shrinkage=0.0``.
        ignore_index: rows with this class do not count.

    Returns:
        weight ``(..., k, d)`` and bias ``(..., k)``, in the dtype of ``input``.

    Raises:
        TypeError: features that are not floating point, classes that are not int64, other arguments of a
            wrong type.
        ValueError: shapes that do not fit, no feature, fewer than one class; a number out of its range; on
            the CPU, a target that is no class, a class without a row, features that are not finite.

    Example:
        >>> x = torch.tensor([[-0.25], [0.0], [0.25]], dtype=torch.float64)
        >>> weight, bias = gaussian_logistic_regression(x, torch.tensor([0, 0, 1]), num_classes=2)
        >>> print(f"{(weight[1] - weight[0]).item():.3f}, {(bias[1] - bias[0]).item():.3f}")
        36.000, -2.943
    """
    k = check.at_least("num_classes", num_classes, 1)
    counts = _checked(input, target, k, check.integer("ignore_index", ignore_index))
    share = _shrinkage(shrinkage)
    if priors is not None:
        check.floating("priors", priors)
        check.shape("priors", priors, (k,), "num_classes")
        check.law("priors", priors)
    dtype = torch.float64
    hot = counts.unsqueeze(-1) & (target.unsqueeze(-1) == torch.arange(k, device=target.device))
    hot = hot.to(dtype)  # (..., N, k); rows that do not count have no class
    size = hot.sum(-2)  # (..., k)
    if readable(target) and not (size > 0).all():
        raise ValueError(f"target must have a row of each of the num_classes={k} classes, one has none")
    if not isinstance(unbiased, bool):
        raise TypeError(f"unbiased must be a bool, got {type(unbiased).__name__}")
    if unbiased and share != 0:
        raise ValueError(f"unbiased is known without shrinkage only: say shrinkage=0.0, got {shrinkage!r}")
    x = input.to(dtype).masked_fill(~counts.unsqueeze(-1), 0.0)
    with no_autocast(input):
        weight, bias = _fitted(x, hot, size, share, unbiased)
    p = size / size.sum(-1, keepdim=True) if priors is None else priors.to(dtype)
    bias = torch.where(size > 0, bias + p.log(), -math.inf)
    return weight.to(input.dtype), bias.to(input.dtype)


def init_linear_from_lda_(
    linear: nn.Linear,
    input: Tensor,
    target: Tensor,
    *,
    shrinkage: float | str = "auto",
    priors: Tensor | None = None,
    unbiased: bool = False,
    ignore_index: int = -100,
) -> nn.Linear:
    r"""Start a linear layer at the closed form: :func:`gaussian_logistic_regression`, in place.

    A layer with k outputs gets ``(weight, bias)``, one with a single output the difference of two classes.

    Implements :prf:ref:`logistic-gaussian`.

    Args:
        linear: a layer with a bias; its dtype and device are kept.
        input: features ``(N, d)`` as the layer sees them, d its ``in_features``.
        target: int64 ``(N,)``, classes below ``out_features``, or 0 and 1 for a single output.
        shrinkage: as there.
        priors: as there.
        unbiased: as there, with ``shrinkage=0.0``.
        ignore_index: as there.

    Returns:
        The layer.

    Raises:
        TypeError: ``linear`` is no ``nn.Linear``; and as there.
        ValueError: a layer without bias, features that do not fit; and as there.

    Example:
        >>> x = torch.tensor([[-0.25], [0.0], [0.25]])
        >>> layer = init_linear_from_lda_(torch.nn.Linear(1, 1), x, torch.tensor([0, 0, 1]))
        >>> layer(x).squeeze(-1) > 0
        tensor([False, False,  True])
    """
    if not isinstance(linear, nn.Linear):
        raise TypeError(f"linear must be an nn.Linear, got {type(linear).__name__}")
    if linear.bias is None:
        raise ValueError("linear must have a bias: without it no classifier has a threshold")
    check.floating("input", input)
    if input.dim() != 2 or input.shape[-1] != linear.in_features:
        raise ValueError(f"input must be (N, {linear.in_features}) for linear, got {tuple(input.shape)}")
    single = linear.out_features == 1
    with torch.no_grad():
        weight, bias = gaussian_logistic_regression(
            input,
            target,
            num_classes=2 if single else linear.out_features,
            shrinkage=shrinkage,
            priors=priors,
            unbiased=unbiased,
            ignore_index=ignore_index,
        )
        linear.weight.copy_(weight[1:] - weight[:1] if single else weight)
        linear.bias.copy_(bias[1:] - bias[:1] if single else bias)
    return linear


def _checked(input: Tensor, target: Tensor, k: int, ignore_index: int) -> Tensor:
    """Which rows count ``(..., N)``; raise for features and classes that are not what they should be."""
    check.floating("input", input)
    if input.dim() < 2 or input.shape[-1] == 0:
        raise ValueError(f"input must be (..., N, d) with at least one feature, got {tuple(input.shape)}")
    check.index("target", target)
    check.shape("target", target, input.shape[:-1])
    counts = target != ignore_index
    if readable(target):
        check.within("target", target[counts], k)
    if readable(target) and readable(input) and not input[counts].isfinite().all():
        raise ValueError("input must be finite in the rows that count, got NaN or an infinity")
    return counts


def _shrinkage(value: float | str) -> float | None:
    """The share, None for "auto"."""
    if isinstance(value, str):
        check.choice("shrinkage", value, ["auto"])
        return None
    share = check.number("shrinkage", value)
    if not 0 <= share <= 1:
        raise ValueError(f"shrinkage must be in [0, 1] or 'auto', got {value}")
    return share


def _kept(size: Tensor, rank: Tensor) -> Tensor:
    """What is left of the weights, (N - k - rank - 1) / N, once they are unbiased."""
    n = size.sum(-1)
    free = n - size.shape[-1] - rank - 1
    if readable(free) and not (free > 0).all():
        least = f"{size.shape[-1] + 1} + the rank of the covariance"
        raise ValueError(f"unbiased needs more than {least} rows that count, {1 - free.min():.0f} too few")
    return free / n


def _fitted(
    x: Tensor, hot: Tensor, size: Tensor, shrinkage: float | None, unbiased: bool
) -> tuple[Tensor, Tensor]:
    """Weights ``(..., k, d)`` and biases ``(..., k)`` without the logarithm of the frequencies."""
    member = hot.sum(-1, keepdim=True)  # (..., N, 1): 1 where a row counts
    n = member.sum(-2, keepdim=True)
    centre = x.sum(-2, keepdim=True) / n
    rest = (x - centre) * member
    far = _size(rest)  # squares of 1e30 overflow, those of 1e-30 vanish
    x, rest = x / far, rest / far
    mean = hot.mT @ rest / size.clamp(min=1).unsqueeze(-1)  # (..., k, d)
    within = rest - hot @ mean
    within, mean, unit = _varying(x, rest, within, mean, n)
    z, m = within / unit, mean / unit
    inverse, cov = _inverse(z, n, shrinkage)
    weight = m @ inverse
    rank = (inverse * cov).detach().sum((-2, -1)).round()  # the trace of a projection
    square = (weight * m).sum(-1)
    if unbiased:
        kept = _kept(size, rank)
        weight = weight * kept[..., None, None]
        square = square * kept.unsqueeze(-1) - rank.unsqueeze(-1) / size
    _warn_ignored(m, rank, cov)
    weight = weight / (unit * far)
    return weight, -square / 2 - (weight * centre).sum(-1)


def _size(rest: Tensor) -> Tensor:
    """The largest entry of each feature ``(..., 1, d)``, 1 where it is 0: a constant for derivatives."""
    largest = rest.detach().abs().amax(-2, keepdim=True)
    return torch.where(largest > 0, largest, 1.0)


def _varying(
    x: Tensor, rest: Tensor, within: Tensor, mean: Tensor, n: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Deviations within the classes and means, exactly 0 where they are rounding; the unit of each feature.

    The unit is the deviation within the classes; where it is 0 that of all rows, or else 1.
    """
    noise = (8 * torch.finfo(x.dtype).eps) ** 2 * x.detach().square().sum(-2, keepdim=True) / n
    variance = within.square().sum(-2, keepdim=True) / n
    total = rest.square().sum(-2, keepdim=True) / n
    within = torch.where(variance > noise, within, 0.0)
    mean = torch.where(total > noise, mean, 0.0)
    variance = torch.where(variance > noise, variance, total)
    return within, mean, torch.where(variance > noise, variance, 1.0).sqrt()


def _inverse(z: Tensor, n: Tensor, shrinkage: float | None) -> tuple[Tensor, Tensor]:
    """The (pseudo)inverse of the shrunk covariance of features in their units, and that covariance."""
    cov, d = z.mT @ z / n, z.shape[-1]
    eye = torch.eye(d, dtype=z.dtype, device=z.device)
    share = _estimated(z, cov * (1 - eye), n) if shrinkage is None else shrinkage
    if shrinkage != 0:
        cov = (1 - share) * cov + share * eye
    return torch.linalg.pinv(cov, rtol=_least(cov), hermitian=True), cov


def _estimated(z: Tensor, off: Tensor, n: Tensor) -> Tensor:
    """The share with the least expected error: the variance of the correlations over their squares."""
    squares = off.square().sum((-2, -1), keepdim=True)
    pairs = z.square().sum(-1).square() - z.square().square().sum(-1)  # of each row, over i != j
    noise = (pairs.sum(-1)[..., None, None] / n - squares) / n
    share = noise / torch.where(squares > 0, squares, 1.0)
    return torch.where(squares > 0, share, 1.0).clamp(0, 1)


def _least(cov: Tensor) -> float:
    """The share of the largest eigenvalue below which one is rounding."""
    return 16 * max(cov.shape[-1], 4) * torch.finfo(cov.dtype).eps


def _warn_ignored(m: Tensor, rank: Tensor, cov: Tensor) -> None:
    """Say so where the pseudoinverse leaves out a direction in which the classes differ."""
    if not readable(m) or not m.numel():
        return
    if (rank == cov.shape[-1]).all():
        return
    size, direction = torch.linalg.eigh(cov.detach())
    still = size <= _least(cov) * size[..., -1:].clamp(min=torch.finfo(cov.dtype).tiny)
    left = (m.detach() @ direction).abs() * still.unsqueeze(-2)
    if (left > _least(cov) ** 0.5).any():
        warnings.warn(
            "no class varies in a direction that tells the classes apart, and it is ignored: "
            "shrinkage='auto' would use it",
            UserWarning,
            stacklevel=4,
        )
