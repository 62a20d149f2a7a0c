"""Draws: the argmax of scores plus noise, and its softened form that gradients pass through."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.infinite import above
from lemmata.numerics.precision import compute_dtype
from lemmata.simplex._reparameterization.noises import NOISES
from lemmata.simplex._reparameterization.probabilities import softmax, spoil

__all__ = ["gumbel_softmax", "sample_argmax"]

ROOM = 2.0**20  # between the least number and the temperature, for second derivatives


def sample_argmax(
    logits: Tensor,
    *,
    noise: str = "gumbel",
    num_samples: int = 1,
    generator: torch.Generator | None = None,
    dim: int = -1,
) -> Tensor:
    r"""Draws of :math:`\arg\max_i(\mu_i+\varepsilon_i)`; :func:`perturbed_argmax_prob` says how often each.

    Implements :prf:ref:`reparameterization-integral`.

    Args:
        logits: scores :math:`\mu`, any shape with at least one entry along ``dim``; masks as in
            :func:`perturbed_argmax_prob`.
        noise: as in :func:`perturbed_argmax_prob`.
        num_samples: how many, at least 0; all noise is in memory at once.
        generator: on the device of ``logits``, which holds no gradient back: there is none.
        dim: the axis of the scores, which becomes that of the draws.

    Returns:
        int64 in the shape of ``logits``, but for ``num_samples`` along ``dim``. -1 in rows without any
        probability: those of ``-inf`` alone, and those with NaN.

    Raises:
        TypeError: ``logits`` not floating point, ``num_samples`` not an int, no generator.
        ValueError: no entry along ``dim``; an unknown noise; ``num_samples`` below 0.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> draws = sample_argmax(torch.tensor([1.0, 0.0, -1.0]), num_samples=10_000, generator=g)
        >>> (draws.bincount() / 1e4 - torch.tensor([0.665, 0.245, 0.090])).abs().max() < 0.02
        tensor(True)
    """
    dim = check.axis("logits", logits, dim)
    check.choice("noise", noise, NOISES)
    num_samples = check.at_least("num_samples", num_samples)
    check.generator("generator", generator)
    x = logits.detach().movedim(dim, -1).to(compute_dtype(logits))
    peak = x.amax(-1, keepdim=True)
    d = above(x, peak)
    epsilon = _noise(noise, d.expand(num_samples, *d.shape), generator)
    best = (d + epsilon).argmax(-1)  # (num_samples, ...)
    nowhere = (peak == -math.inf) | peak.isnan()
    return torch.where(nowhere.squeeze(-1), -1, best).movedim(0, dim)


def gumbel_softmax(
    logits: Tensor,
    *,
    tau: float = 1.0,
    hard: bool = False,
    generator: torch.Generator | None = None,
    dim: int = -1,
) -> Tensor:
    r"""A softened draw from softmax that has gradients: :math:`\operatorname{softmax}((\mu+g)/\tau)`.

    For :math:`\tau\to0` it is a one-hot draw with the probabilities :math:`p=\operatorname{softmax}(\mu)`. At
    any other temperature its mean is not p, and on the way to 1/n it need not even be monotone.

    Implements :prf:ref:`reparameterization-temperature`.

    Args:
        logits: scores :math:`\mu`, any shape with at least one entry along ``dim``; masks as in
            :func:`perturbed_argmax_prob`.
        tau: the temperature, in (0, inf).
        hard: the one-hot draw itself, with the gradient of the softened one ("straight through"). Which entry
            it is depends on no temperature.
        generator: on the device of ``logits``.
        dim: the axis of the scores.

    Returns:
        The shape and the dtype of ``logits``; sums to 1 along ``dim``.

    Raises:
        TypeError: ``logits`` not floating point, ``tau`` not a number, no generator.
        ValueError: no entry along ``dim``; ``tau`` not positive and finite.

    Source: Jang, Gu and Poole, "Categorical reparameterization with Gumbel-softmax", ICLR (2017); Maddison,
    Mnih and Teh, "The concrete distribution", ICLR (2017).

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> gumbel_softmax(torch.tensor([1.0, 0.0, -math.inf]), hard=True, generator=g).sum()
        tensor(1.)
    """
    dim = check.axis("logits", logits, dim)
    tau = check.positive("tau", tau)
    if tau == math.inf:
        raise ValueError(f"tau must be finite, got {tau}")
    check.generator("generator", generator)
    x = logits.movedim(dim, -1).to(compute_dtype(logits))
    peak = x.amax(-1, keepdim=True).detach()
    d = above(x, peak)
    noisy = d + _noise("gumbel", d, generator)
    gap = above(noisy, noisy.amax(-1, keepdim=True).detach())
    info = torch.finfo(d.dtype)
    scaled = (gap / min(max(tau, info.tiny * ROOM), info.max)).clamp(min=-info.max / 4)
    y = softmax(scaled, gap > -math.inf)
    if hard:
        chosen = torch.zeros_like(y).scatter(-1, gap.argmax(-1, keepdim=True), 1.0)
        y = chosen + (y - y.detach())
    y = torch.where(peak == -math.inf, 0.0, y)
    return spoil(x, peak, y).to(logits.dtype).movedim(-1, dim)


def _noise(name: str, like: Tensor, generator: torch.Generator | None) -> Tensor:
    def exponential() -> Tensor:  # torch makes none that is 0
        empty = torch.empty(like.shape, dtype=like.dtype, device=like.device)
        return empty.exponential_(generator=generator)

    return NOISES[name].draw(exponential)
