"""What a score says of the clean point: its mean, its covariance, and the loss that learns the score."""

from collections.abc import Callable

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.generative._denoising.levels import Level, Score, level, noise, returned, widened
from lemmata.numerics.precision import compute_dtype

__all__ = ["dsm_loss", "posterior_covariance", "tweedie"]


def tweedie(score: Score, y: Tensor, sigma: Level) -> Tensor:
    r"""The best denoiser, :math:`\mathbb E[x|y] = y + \sigma^2\nabla\log\hat p(y)`, for y = x + sigma noise.

    Implements :prf:ref:`denoising-tweedie`.

    Args:
        score: of y and sigma, the gradient of the *noisy* log density; it gets sigma as it was given.
        y: noisy points, of any shape; float64, float32, bfloat16 or float16.
        sigma: standard deviation of the noise, in (0, inf): a number, or a tensor that broadcasts to y.

    Returns:
        The shape and dtype of y. Differentiable. These means vary less than x does: to draw x needs
        :func:`posterior_covariance`, too.

    Raises:
        TypeError: of another type.
        ValueError: sigma is out of range or does not fit, or the score returns another shape.

    Source: Robbins (1956), who credits Tweedie.

    Example:
        >>> def score(y, sigma):  # x is standard normal
        ...     return -y / (1 + sigma**2)
        >>> tweedie(score, torch.tensor([2.0, -1.0]), 1.0)
        tensor([ 1.0000, -0.5000])
    """
    check.function("score", score)
    check.floating("y", y)
    sigma = level(sigma, y.shape)
    made = compute_dtype(y)
    shift = widened(sigma, made) ** 2 * returned(score(y, sigma), y.shape).to(made)
    return (y.to(made) + shift).to(y.dtype)


def posterior_covariance(score: Score, y: Tensor, sigma: Level) -> Tensor:
    r"""The covariance of x given y, :math:`\sigma^2(I + \sigma^2\nabla\nabla^\top\log\hat p(y))`.

    The derivative of the score by d forward passes, each in the direction of one axis, for all rows at once.
    The score must take each row for itself, and know forward mode, as compositions of torch's operations do
    (fused attention of torch 2.13 does not: call it in ``sdpa_kernel(SDPBackend.MATH)``), and not detach.
    That of a network need not be a gradient: its derivative is made symmetric, and may have negative
    eigenvalues, which no covariance has.

    Implements :prf:ref:`denoising-tweedie`.

    Args:
        score, sigma: as in :func:`tweedie`; sigma broadcasts to ``(..., 1)``.
        y: noisy points ``(..., d)``.

    Returns:
        ``(..., d, d)``, in the dtype of y.

    Raises:
        TypeError, ValueError: as :func:`tweedie`; y is a scalar.

    Example:
        >>> def score(y, sigma):  # x is +1 or -1
        ...     return ((y / sigma**2).tanh() - y) / sigma**2
        >>> posterior_covariance(score, torch.zeros(1), 1.0)
        tensor([[1.]])
    """
    check.function("score", score)
    check.floating("y", y)
    if y.dim() == 0:
        raise ValueError("y must be (..., d), got a scalar")
    sigma = level(sigma, (*y.shape[:-1], 1))
    made = compute_dtype(y)
    slope = _slopes(lambda y: returned(score(y, sigma), y.shape).to(made), y.contiguous())
    scale = widened(sigma, made) ** 2
    scale = scale.unsqueeze(-1) if isinstance(scale, Tensor) else scale
    axes = torch.eye(y.shape[-1], dtype=made, device=y.device)
    return (scale * (axes + scale * (slope + slope.mT) / 2)).to(y.dtype)


def _slopes(function: Callable[[Tensor], Tensor], y: Tensor) -> Tensor:
    """Derivatives of each row's results, (..., d, d), for a function that takes each row for itself.

    In forward mode by reverse mode, transposed: torch's dual numbers do not nest.
    """
    axes = torch.eye(y.shape[-1], dtype=y.dtype, device=y.device)
    if not len(axes):
        return y.new_zeros(*y.shape, 0)
    if _torch.forward_mode():
        value, pull = torch.func.vjp(function, y)[:2]
        return torch.stack([pull(axis.to(value.dtype).expand_as(value))[0] for axis in axes], -2)
    return torch.stack(
        [torch.func.jvp(function, (y,), (axis.expand_as(y).contiguous(),))[1] for axis in axes], -1
    )


def dsm_loss(score: Score, x: Tensor, sigma: Level, *, generator: torch.Generator | None = None) -> Tensor:
    r"""Denoising score matching: the mean over rows of :math:`\lVert\sigma\,s(x+\sigma\varepsilon,\sigma)+
    \varepsilon\rVert^2` for fresh normal noise.

    Its minimiser is the score of the noisy density, for each sigma by itself; :math:`\sigma^2` times what
    explicit score matching would ask, so that all levels weigh about alike. At the best it is not 0, but
    the dimension less :math:`\sigma^2J` ({prf:ref}`denoising-matching`).

    Implements :prf:ref:`denoising-matching`.

    Args:
        score: of y and sigma, in the shape of y; a network.
        x: clean rows ``(n, ...)``, at least one.
        sigma: a number, or a tensor that broadcasts to x: ``(n, 1)`` for a level a row.
        generator: of the noise, which is made on its device.

    Returns:
        A number, float64 or float32; of half types float32, since sums over many pixels leave float16.

    Raises:
        TypeError, ValueError: as :func:`tweedie`; there is no row.

    Source: Vincent (2011); Song and Ermon (2019) for the weight.

    Example:
        >>> x = torch.zeros(1000, 3)  # all at one point, so that the score is known
        >>> dsm_loss(lambda y, sigma: -y / sigma**2, x, 0.5)
        tensor(0.)
    """
    check.function("score", score)
    check.floating("x", x)
    if x.dim() == 0 or len(x) == 0:
        raise ValueError(f"x must be rows (n, ...), at least one, got shape {tuple(x.shape)}")
    check.generator("generator", generator)
    sigma = level(sigma, x.shape)
    made = compute_dtype(x)
    eps = noise(x, generator).to(made)
    wide = widened(sigma, made)
    y = (x.to(made) + wide * eps).to(x.dtype)
    residual = wide * returned(score(y, sigma), x.shape).to(made) + eps
    return (residual.square().sum() / len(x)).to(made)
