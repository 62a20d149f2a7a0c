"""log q(x) of a latent variable model by importance sampling, a few draws at a time."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.estimation._density.pareto import fitted, tail_size

__all__ = ["DensityEstimate", "estimate_log_density"]

Encoder = Callable[[Tensor], tuple[Tensor, Tensor]]
LogJoint = Callable[[Tensor, Tensor], Tensor]


class DensityEstimate(NamedTuple):
    """What :func:`estimate_log_density` returns, float64, a number for each row.

    Example:
        >>> DensityEstimate(*torch.tensor([-3.0, 0.1, 90.0, 0.2])).standard_error
        tensor(0.1000)
    """

    log_density: Tensor  #: estimate of log q(x), low on average by half the square of the standard error
    standard_error: Tensor  #: of the estimate, by the delta method; not to be believed where k > 1/2
    ess: Tensor  #: effective number of draws
    pareto_k: Tensor  #: tail of the weights; NaN if it was not asked for


def estimate_log_density(
    x: Tensor,
    log_joint: LogJoint,
    encoder: Encoder,
    num_samples: int = 1000,
    *,
    chunk: int = 100,
    pareto: bool = True,
    generator: torch.Generator | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> DensityEstimate:
    r"""log q(x) of a model with a latent variable z, with what tells whether to believe it.

    .. math:: \log\frac1M\sum_{i=1}^M\frac{q(x, z_i)}{p(z_i|x)},\qquad z_i = m + S\varepsilon_i

    Nothing is differentiated. Memory is that of ``chunk`` draws for all rows, whatever ``num_samples`` is;
    with ``pareto`` the 3 sqrt(num_samples) largest log weights of each row besides. The result does not
    depend on ``chunk``, but for rounding.

    Implements :prf:ref:`density-identity`, :prf:ref:`density-bias`.

    Args:
        x: rows ``(n, ...)``, floating point.
        log_joint: of x and latent vectors ``(m, n, q)``; returns log q(x, z), ``(m, n)``: the logarithm of
            the prior plus that of the decoder's density, with their constants.
        encoder: of x; returns ``loc`` and ``scale`` of the normal proposal, ``(n, q)`` both, or the scale as
            lower triangular factors ``(n, q, q)`` of the covariances. The diagonal must be positive.
        num_samples: M, at least 1.
        chunk: how many draws at a time.
        pareto: also fit the tail of the weights.
        generator: of the draws; they are made on its device.
        progress: called after each chunk with the number of draws made and M.

    Returns:
        A :class:`DensityEstimate`. The standard error of one draw is NaN. Where all weights are 0 the density
        is ``-inf`` and the effective number 0; NaN stays in its row.

    Raises:
        TypeError: an argument is of none of these types.
        ValueError: numbers below 1, x is a scalar, or one of the functions returns another shape, or a scale
            that is not positive.

    Example:
        >>> def log_joint(x, z):  # z is standard normal, and so is x around it
        ...     squares = z.square() + (x - z).square() + 2 * math.log(2 * math.pi)
        ...     return -squares.squeeze(-1) / 2
        >>> def posterior(x):
        ...     return x / 2, torch.full_like(x, 0.5).sqrt()
        >>> estimate_log_density(torch.ones(1, 1), log_joint, posterior, 10).log_density
        tensor([-1.5155], dtype=torch.float64)
    """
    check.floating("x", x)
    if x.dim() == 0:
        raise ValueError("x must be rows (n, ...), got a scalar")
    for name, value in (("log_joint", log_joint), ("encoder", encoder)):
        check.function(name, value)
    if progress is not None:
        check.function("progress", progress)
    check.generator("generator", generator)
    M, chunk = check.at_least("num_samples", num_samples, 1), check.at_least("chunk", chunk, 1)
    with torch.no_grad():
        loc, scale = _proposal(encoder(x), len(x))
        state = _Weights(M, len(x), loc.device, bool(pareto))
        for done in range(0, M, chunk):
            noise = _noise(min(chunk, M - done), loc, generator)
            state.add(_log_weights(x, log_joint, loc, scale, noise))
            if progress is not None:
                progress(done + len(noise), M)
        return state.result()


def _proposal(found: object, rows: int) -> tuple[Tensor, Tensor]:
    """Location and scale as the encoder gave them, if they are what they must be."""
    if not (isinstance(found, tuple | list) and len(found) == 2):
        raise TypeError(f"encoder must return the pair (loc, scale), got {type(found).__name__}")
    loc, scale = found
    check.floating("loc of encoder", loc)
    check.floating("scale of encoder", scale)
    if loc.dim() != 2 or len(loc) != rows:
        raise ValueError(f"encoder must return a loc ({rows}, q), got shape {tuple(loc.shape)}")
    if scale.shape not in (loc.shape, (*loc.shape, loc.shape[1])):
        raise ValueError(
            f"encoder must return a scale {tuple(loc.shape)} or factors, got shape {tuple(scale.shape)}"
        )
    spread = _diagonal(scale)
    if spread.numel() and _torch.readable(spread) and (spread <= 0).any():
        raise ValueError(f"encoder must return a positive scale, got {spread.min().item()}")
    return loc, scale


def _diagonal(scale: Tensor) -> Tensor:
    return scale if scale.dim() == 2 else scale.diagonal(dim1=-2, dim2=-1)


def _noise(size: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Normal draws (size, n, q), one after the other in float64: the same for each chunk and each dtype."""
    device = like.device if generator is None else generator.device
    draws = [
        torch.randn(like.shape, generator=generator, dtype=torch.float64, device=device) for _ in range(size)
    ]
    return torch.stack(draws).to(like)


def _log_weights(x: Tensor, log_joint: LogJoint, loc: Tensor, scale: Tensor, noise: Tensor) -> Tensor:
    """log q(x, z) - log p(z|x), (m, n), in float64."""
    step = noise * scale if scale.dim() == 2 else (scale @ noise.unsqueeze(-1)).squeeze(-1)
    joint = log_joint(x, loc + step)
    check.shape("log_joint's result", joint, noise.shape[:2], "the draws")
    area = _diagonal(scale).double().log().sum(-1) + loc.shape[1] * math.log(2 * math.pi) / 2
    return joint.double() + area + noise.double().square().sum(-1) / 2


class _Weights:
    """Sums of weights and of their squares, in units of the largest so far, and the largest weights."""

    def __init__(self, size: int, rows: int, device: torch.device, pareto: bool) -> None:
        self.size, self.pareto = size, pareto
        self.peak = torch.full((rows,), -math.inf, dtype=torch.float64, device=device)
        self.low = -self.peak
        self.sum = torch.zeros_like(self.peak)
        self.squares = torch.zeros_like(self.peak)
        self.top = self.peak.new_empty(0, rows)

    def add(self, log_w: Tensor) -> None:
        peak = torch.maximum(self.peak, log_w.amax(0))
        unit = torch.where(peak == -math.inf, 0.0, peak)
        shrunk, w = torch.exp(self.peak - unit), torch.exp(log_w - unit)
        self.sum = self.sum * shrunk + w.sum(0)
        self.squares = self.squares * shrunk.square() + w.square().sum(0)
        self.low = torch.minimum(self.low, log_w.amin(0))
        self.peak = peak
        if self.pareto:
            kept = torch.cat([self.top, log_w])
            self.top = kept.topk(min(len(kept), tail_size(self.size) + 1), 0).values

    def result(self) -> DensityEstimate:
        nothing = self.peak == -math.inf
        ess = torch.where(nothing, 0.0, self.sum.square() / torch.where(nothing, 1.0, self.squares))
        value = torch.where(nothing, -math.inf, self.peak + self.sum.log() - math.log(self.size))
        variance = (self.size / ess - 1).clamp(min=0.0) / (self.size - 1) if self.size > 1 else ess * math.nan
        k = torch.full_like(ess, math.nan)
        if self.pareto:
            k = fitted(self.top.mT, self.size, self.low == self.peak)
        return DensityEstimate(value, variance.sqrt(), ess, k)
