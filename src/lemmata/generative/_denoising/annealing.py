"""Langevin chains from much noise to little."""

import itertools
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.generative._denoising.chains import langevin, starts
from lemmata.generative._denoising.levels import Score, positive

__all__ = ["annealed_langevin"]


def annealed_langevin(
    score: Score,
    x0: Tensor,
    sigmas: Iterable[float],
    step: float,
    n: int,
    *,
    callback: Callable[[float, Tensor], object] | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Unadjusted Langevin steps on the densities with noise sigma, from the largest to the smallest.

    At each level n steps of :func:`langevin` with :math:`h = \text{step}\cdot\sigma^2`. Noise of the last
    level is still in the result: a density with noise sigma is what the score knows. :func:`tweedie` takes
    it out on average, and leaves draws that vary too little; a small last sigma makes both errors small.

    Implements :prf:ref:`denoising-ula`.

    Args:
        score: of states and sigma (a float), in the shape of the states.
        x0: starts ``(chains, ...)``, finite; for instance normal with the deviation ``sigmas[0]``, which
            should be as large as distances between data.
        sigmas: levels in (0, inf), decreasing, at least one.
        step: h in units of sigma squared; from 4 on it diverges on a narrow law, 0.1 to 0.5 is usual.
        n: steps at each level, at least 1.
        callback: called after each level with sigma and the state.
        generator: of the noise, which is made on its device.

    Returns:
        States in the shape and dtype of ``x0``.

    Raises:
        TypeError, ValueError: as :func:`langevin`; levels do not decrease.

    Source: Song and Ermon (2019), whose step is that of the last level, and whose code has half of it.

    Example:
        >>> def score(y, sigma):  # all data at 2
        ...     return (2 - y) / sigma**2
        >>> x = annealed_langevin(score, torch.zeros(5, 1), [1.0, 0.1, 0.01], 0.5, 20)
        >>> x.round().flatten()
        tensor([2., 2., 2., 2., 2.])
    """
    check.function("score", score)
    if callback is not None:
        check.function("callback", callback)
    starts(x0)
    check.generator("generator", generator)
    step, n = positive("step", step), check.at_least("n", n, 1)
    x = x0
    for sigma in _levels(sigmas):
        x = _settled(score, x, sigma, step, n, generator)
        if callback is not None:
            callback(sigma, x)
    return x


def _settled(
    score: Score, x: Tensor, sigma: float, step: float, n: int, generator: torch.Generator | None
) -> Tensor:
    """The chains after n steps at one level, which an error names."""
    try:
        return langevin(lambda y: score(y, sigma), x, step * sigma**2, n, generator=generator).x
    except ValueError as error:
        raise ValueError(f"{error}, at sigma {sigma:g}") from error


def _levels(sigmas: Iterable[float]) -> list[float]:
    """The levels as numbers, if they decrease."""
    if isinstance(sigmas, Tensor):
        check.floating("sigmas", sigmas)
        sigmas = sigmas.tolist() if sigmas.dim() == 1 else []
    if isinstance(sigmas, str) or not isinstance(sigmas, Iterable):
        raise TypeError(f"sigmas must be numbers, got {type(sigmas).__name__}")
    found = [positive("sigmas", float(sigma) if hasattr(sigma, "dtype") else sigma) for sigma in sigmas]
    if not found or any(low >= high for high, low in itertools.pairwise(found)):
        raise ValueError(f"sigmas must be a list of decreasing levels, got {found}")
    return found
