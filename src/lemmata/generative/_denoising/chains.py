"""Langevin chains, unadjusted or with Metropolis's rule."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.generative._denoising.levels import noise, positive, returned, uniform
from lemmata.numerics.precision import compute_dtype

__all__ = ["LangevinChains", "langevin"]

Function = Callable[[Tensor], Tensor]


class LangevinChains(NamedTuple):
    """What :func:`langevin` returns.

    Example:
        >>> LangevinChains(torch.zeros(2, 1), torch.tensor([1.0, 0.5])).acceptance.mean()
        tensor(0.7500)
    """

    x: Tensor  #: the last state of each chain, in the shape and dtype of ``x0``
    acceptance: Tensor  #: ``(chains,)``, share of proposals taken; 1 without a log density


def langevin(
    score: Function,
    x0: Tensor,
    step: float,
    n: int,
    *,
    log_density: Function | None = None,
    callback: Callable[[int, Tensor], object] | None = None,
    generator: torch.Generator | None = None,
) -> LangevinChains:
    r"""Chains that drift along a score and are shaken: in the limit draws of the density, up to a bias.

    .. math:: x \leftarrow x + \frac h2 s(x) + \sqrt h\,\xi

    With h = ``step``; codes that write h s and sqrt(2h) mean half of it. On N(0, v) the variance settles at
    v / (1 - h/4v), and grows without bound from h = 4v on. With ``log_density`` this is a proposal, taken or
    not by Metropolis's rule (MALA), and the density itself is what stays, at every h.

    Nothing is differentiated. Of half types the state is kept in float32, since in them small drifts round to
    nothing; the score still gets points in the dtype of ``x0``. No step waits for a device: each chain notes
    its first state that is not finite, and this is read once, after the last step.

    Implements :prf:ref:`denoising-ula`, :prf:ref:`denoising-mala`.

    Args:
        score: of states ``(chains, ...)``, in their shape. A gradient by ``torch.func.grad`` works as it is;
            ``torch.autograd.grad`` needs ``torch.enable_grad``.
        x0: starts ``(chains, ...)``, finite; float64, float32, bfloat16 or float16.
        step: h, in (0, inf); the unit is that of x squared.
        n: number of steps, at least 1.
        log_density: of states; returns ``(chains,)``, up to a constant. ``-inf`` is outside and never taken.
            In many dimensions the result should be float32 or wider: half types round it by whole units.
        callback: called after each step with its number, from 1, and the state, which it may keep: no step
            writes to it.
        generator: of the noise, which is made on its device.

    Returns:
        A :class:`LangevinChains`.

    Raises:
        TypeError: of another type.
        ValueError: a number out of range, results of another shape, or a chain that left the finite numbers
            of the dtype of ``x0`` or met a log density of NaN or ``inf``: the error names chain and step.

    Source: Roberts and Tweedie (1996).

    Example:
        >>> seed = torch.Generator().manual_seed(0)
        >>> x0 = torch.zeros(20_000, 1, dtype=torch.float64)
        >>> chains = langevin(torch.neg, x0, 0.4, 20, generator=seed)  # N(0, 1)
        >>> print(f"{chains.x.var():.1f}")  # 10/9, but for chance
        1.1
        >>> def log_density(x):
        ...     return -x.square().sum(-1) / 2
        >>> chains = langevin(torch.neg, x0, 1.0, 20, log_density=log_density, generator=seed)
        >>> print(f"{chains.x.var():.1f}, taken {chains.acceptance.mean():.1f}")
        1.0, taken 0.9
    """
    check.function("score", score)
    for name, function in (("log_density", log_density), ("callback", callback)):
        if function is not None:
            check.function(name, function)
    starts(x0)
    check.generator("generator", generator)
    h, n = positive("step", step), check.at_least("n", n, 1)
    with torch.no_grad():
        walk = _walk(score, log_density, x0, h, generator)
        lost = torch.zeros(len(x0), dtype=torch.int64, device=x0.device)
        taken = torch.zeros(len(x0), dtype=compute_dtype(x0), device=x0.device)
        for k in range(1, n + 1):
            x, accepted, sound = next(walk)
            shown = x.to(x0.dtype)  # which may have overflowed
            lost = torch.where((lost == 0) & ~(sound & _rows(shown).isfinite().all(1)), k, lost)
            taken = taken + accepted
            if callback is not None:
                callback(k, shown)
        _stayed(lost, n, h)
        return LangevinChains(shown, (taken / n).to(x0.dtype))


def starts(x0: Tensor) -> None:
    """Raise unless these are states of chains, finite where that can be read."""
    check.floating("x0", x0)
    if x0.dim() == 0:
        raise ValueError("x0 must be (chains, ...), got a scalar")
    if _torch.readable(x0) and not x0.isfinite().all():
        raise ValueError("x0 must be finite, got an entry that is not")


Step = tuple[Tensor, Tensor, Tensor]  # the state, which chains took their proposal, which could be judged


def _walk(
    score: Function, log_density: Function | None, x0: Tensor, h: float, generator: torch.Generator | None
) -> Iterator[Step]:
    if log_density is None:
        return _unadjusted(score, x0, h, generator)
    return _adjusted(score, log_density, x0, h, generator)


def _unadjusted(score: Function, x0: Tensor, h: float, generator: torch.Generator | None) -> Iterator[Step]:
    x = x0.to(compute_dtype(x0))
    everyone = torch.ones(len(x), device=x.device, dtype=x.dtype)
    while True:
        drift = returned(score(x.to(x0.dtype)), x.shape).to(x.dtype)
        x = x + h / 2 * drift + math.sqrt(h) * noise(x, generator)
        yield x, everyone, everyone > 0


def _adjusted(
    score: Function, log_density: Function, x0: Tensor, h: float, generator: torch.Generator | None
) -> Iterator[Step]:
    """Metropolis's rule: the ratio of densities, times that of proposing back and forth."""
    x = x0.to(compute_dtype(x0))

    def judged(x: Tensor) -> tuple[Tensor, Tensor]:
        drift = returned(score(x.to(x0.dtype)), x.shape).to(x.dtype)
        height = returned(log_density(x.to(x0.dtype)), x.shape[:1], "log_density").to(x.dtype)
        return h / 2 * drift, height

    drift, height = judged(x)
    while True:
        xi = noise(x, generator)
        proposal = x + drift + math.sqrt(h) * xi
        onward, above = judged(proposal)
        back = x - proposal - onward
        ratio = above - height + (_squares(xi) - _squares(back) / h) / 2
        ratio = torch.where(above == -math.inf, -math.inf, ratio)
        accepted = uniform(ratio, generator).log() < ratio
        moved = accepted.view(-1, *(1,) * (x.dim() - 1))
        x, drift = torch.where(moved, proposal, x), torch.where(moved, onward, drift)
        height = torch.where(accepted, above, height)
        yield x, accepted.to(x.dtype), ~ratio.isnan() & (above < math.inf)


def _rows(x: Tensor) -> Tensor:
    """The numbers of each chain, (chains, numbers), one for a chain of scalars."""
    return x.unsqueeze(-1).flatten(1)


def _squares(move: Tensor) -> Tensor:
    return _rows(move).square().sum(1)


def _stayed(lost: Tensor, n: int, h: float) -> None:
    """Raise if a chain has noted a step at which it was not finite."""
    if lost.numel() and _torch.has_values(lost) and lost.any():
        chain = int(lost.ne(0).int().argmax())
        raise ValueError(
            f"score, log_density and step must keep chains finite, but chain {chain} was not after step "
            f"{int(lost[chain])} of {n} (step {h:g}); {int(lost.ne(0).sum())} of {len(lost)} chains were lost"
        )
