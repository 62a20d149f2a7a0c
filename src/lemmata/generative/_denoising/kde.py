"""The score of data with noise: softmax attention to the data, a tile of pairs at a time."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.generative._denoising.levels import Level, level
from lemmata.numerics.precision import no_autocast

__all__ = ["kde_score"]

ROWS, PAIRS = 512, 2**19  # of a tile: 4 MiB of float64, whatever the sizes are


def kde_score(y: Tensor, data: Tensor, sigma: Level) -> Tensor:
    r"""The gradient of the log density of a Gaussian kernel estimate, which is the score of data plus noise.

    .. math:: \nabla\log\frac1n\sum_iN(y;x_i,\sigma^2I) = \frac{\sum_iw_ix_i-y}{\sigma^2},\qquad
              w_i\propto\exp\frac{\langle y,x_i\rangle-\frac12\lVert x_i\rVert^2}{\sigma^2}

    Sums of weights are carried from tile to tile with their largest exponent, so nothing under- or overflows.
    Computed in float64 on centred data, for every dtype; exponents are off by some 1e-16 times the square of
    the data's spread over sigma, which shows from a ratio of a million on. Memory is that of one tile, unless
    a gradient is recorded, which needs all pairs.

    Implements :prf:ref:`denoising-attention`.

    Args:
        y: points ``(..., d)``; float64, float32, bfloat16 or float16.
        data: rows ``(n, d)``, at least one, of the same kind.
        sigma: bandwidth, in (0, inf): a number, or a tensor that broadcasts to ``(..., 1)``.

    Returns:
        The shape and dtype of y. Points or data that are not finite give NaN.

    Raises:
        TypeError: of another type.
        ValueError: shapes do not fit, no data, or sigma is out of range.

    Example:
        >>> kde_score(torch.tensor([[0.5]]), torch.tensor([[-1.0], [1.0]]), 1.0)  # tanh(1/2) - 1/2
        tensor([[-0.0379]])
    """
    check.floating("y", y)
    check.floating("data", data)
    if data.dim() != 2 or len(data) == 0:
        raise ValueError(f"data must be rows (n, d), at least one, got shape {tuple(data.shape)}")
    if y.dim() == 0 or y.shape[-1] != data.shape[1]:
        raise ValueError(f"y must be (..., {data.shape[1]}) beside data, got shape {tuple(y.shape)}")
    sigma = level(sigma, (*y.shape[:-1], 1))
    with no_autocast(y):
        centre = data.detach().double().mean(0)
        points, x = (y.double() - centre).reshape(-1, y.shape[-1]), data.double() - centre
        square = torch.as_tensor(sigma, dtype=torch.float64, device=y.device) ** 2
        square = square.expand(*y.shape[:-1], 1).reshape(-1, 1)
        pieces = zip(points.split(ROWS), square.split(ROWS), strict=True)
        shifts = [(_attended(rows, x, width) - rows) / width for rows, width in pieces]
        return torch.cat(shifts).view(y.shape).to(y.dtype)


def _attended(y: Tensor, x: Tensor, square: Tensor) -> Tensor:
    """The mean of the data with softmax weights, (m, d), by tiles of the data."""
    peak = torch.full_like(square, -math.inf)
    total, mean = torch.zeros_like(square), torch.zeros_like(y)
    for part in x.split(max(1, PAIRS // max(1, len(y)))):
        exponent = (y @ part.mT - part.square().sum(-1) / 2) / square  # (m, tile)
        top = torch.maximum(peak, exponent.detach().amax(-1, keepdim=True))
        shrunk, w = torch.exp(peak - top), torch.exp(exponent - top)
        total = total * shrunk + w.sum(-1, keepdim=True)
        mean = mean * shrunk + w @ part
        peak = top
    return mean / total
