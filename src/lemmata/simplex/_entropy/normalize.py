"""The exponent at which probabilities have the entropy that is asked for, with its derivatives."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import apply, batch_first, readable
from lemmata.numerics.infinite import above
from lemmata.numerics.precision import compute_dtype
from lemmata.simplex._entropy.measures import entropy
from lemmata.simplex._entropy.search import gamma_of, scale_of, shares, unit_of

__all__ = ["EntropyNormalized", "entropy_normalize"]

BLOCK = 2**16  # entries that are searched together: they stay in the cache, and stop when they are done


class EntropyNormalized(NamedTuple):
    """What :func:`entropy_normalize` returns."""

    #: ``softmax(gamma * logits)``, in the shape of the logits.
    probs: Tensor
    #: The exponent of each row, in the shape of the logits without ``dim``.
    gamma: Tensor


def entropy_normalize(
    logits: Tensor, target_entropy: float | Tensor, *, clamp: bool = False, dim: int = -1
) -> EntropyNormalized:
    r"""The softmax of which the entropy is the target, and the exponent (inverse temperature) that makes it.

    .. math:: p = \operatorname{softmax}(\gamma x),\qquad -\sum_i p_i\log p_i = H^*

    There is one :math:`\gamma > 0`, and the order of the entries stays, exactly if
    :math:`\log m < H^* < \log N`: N entries are not masked, m of them are largest. (The least finite number
    is no mask: use ``-inf``. A score is masked that lies further below the largest than the dtype reaches.)
    Targets of :math:`\log k` are perplexities of k. The search is a bracketed Newton iteration of some five
    rounds.

    Derivatives in both arguments, of first and second order, are those of the implicit function: with
    :math:`J = \operatorname{diag}p - pp^\top` and :math:`V = x^\top Jx`

    .. math:: dp = \gamma J\,(dx - c\,x) - \frac{Jx}{\gamma V}\,dH^*,\qquad c = \frac{x^\top J\,dx}{V}.

    Where :math:`\gamma^2V` is below 1e-19 (float64: 1e-154), so that a second derivative would overflow, they
    are 0: at targets within about 1e-20 (1e-157) of :math:`\log m`.

    Implements :prf:ref:`entropy-attainable`, :prf:ref:`entropy-gradient`, :prf:ref:`entropy-ends`.

    Args:
        logits: scores :math:`x`, any shape with at least one entry along ``dim``; to raise probabilities to
            a power, give their logarithms. ``-inf`` is masked. A row of nothing else gives zeros, and
            gamma 0, whatever the target. Of entries at ``inf`` nothing but equal shares can be made.
        target_entropy: :math:`H^*` in nats; a number, or a tensor that broadcasts to the shape of ``logits``
            without ``dim``.
        clamp: whether a target out of reach takes the nearest end, with gradient 0: equal shares of the m
            largest (gamma ``inf``), or of the N that are not masked (gamma 0).
        dim: the axis of the entries.

    Returns:
        :class:`EntropyNormalized`, a named tuple (probs, gamma), in the dtype of ``logits``. In float16 a
        gamma above 65504 is ``inf``; a row is NaN whose gaps differ by more than its dtype can write.

    Raises:
        TypeError: ``logits`` not floating point, ``target_entropy`` neither a number nor such a tensor,
            ``clamp`` not a bool.
        ValueError: no entry along ``dim``; a target that does not broadcast, or is out of a row's reach (the
            error gives its range) without ``clamp``. Where values are not read (see the module), such a row
            is NaN.

    Source: Su, kexue.fm 8829 (2021), with another search; van der Maaten and Hinton, JMLR 9 (2008), for
    :math:`H^*` as the logarithm of a perplexity.

    Example:
        >>> x = torch.tensor([0.5, 0.25, 0.25]).log()
        >>> probs, gamma = entropy_normalize(x, 0.9)
        >>> probs, gamma, entropy(probs)
        (tensor([0.6423, 0.1788, 0.1788]), tensor(1.8446), tensor(0.9000))
        >>> entropy_normalize(x, math.log(4), clamp=True).probs
        tensor([0.3333, 0.3333, 0.3333])
    """
    if not isinstance(clamp, bool):
        raise TypeError(f"clamp must be a bool, got {type(clamp).__name__}")
    dim = check.axis("logits", logits, dim)
    x = logits.movedim(dim, -1).to(compute_dtype(logits))
    h = _target(target_entropy, x)
    peak = x.detach().amax(-1, keepdim=True)
    u = above(x, peak)
    reach = _reach(u.detach(), peak, h.detach())
    if not clamp:
        _check_reach(reach, h)
    unit = unit_of(u.detach())
    p, gamma = apply(_Normalize, _plain, u * unit, torch.where(reach.within, h, reach.middle))
    gamma = gamma * unit
    if not (readable(reach.within) and reach.within.all()):
        p, gamma = _at_the_ends(p, gamma, u.detach(), reach, clamp)
    return EntropyNormalized(p.to(logits.dtype).movedim(-1, dim), gamma.squeeze(-1).to(logits.dtype))


def _target(target_entropy: float | Tensor, x: Tensor) -> Tensor:
    """One target a row, ``(..., 1)``, in the type of x."""
    h = check.real("target_entropy", target_entropy)
    if not isinstance(target_entropy, Tensor) and h.isnan():
        raise ValueError(f"target_entropy must be an entropy in nats, got {target_entropy}")
    h = h.to(x.device, x.dtype)
    return check.broadcast("target_entropy", h, x.shape[:-1]).unsqueeze(-1)


class _Reach(NamedTuple):
    """The entropies that a row can have, and where its target lies; of its own row each ``(..., 1)``."""

    low: Tensor  # log m
    high: Tensor  # log N
    within: Tensor
    hot: Tensor  # the target is log N or more
    nothing: Tensor  # all is masked
    spoilt: Tensor  # something is NaN

    @property
    def middle(self) -> Tensor:
        """A target for rows that have none, so that nothing they compute is NaN."""
        return (self.low + self.high).nan_to_num(neginf=0.0) / 2


def _reach(u: Tensor, peak: Tensor, h: Tensor) -> _Reach:
    m, N = scale_of(u)[1:]
    nothing, spoilt = peak == -math.inf, peak.isnan() | h.isnan()
    low, high = m.log(), N.log()
    within = (h > low) & (h < high) & ~nothing
    return _Reach(low, high, within, h >= high, nothing, spoilt)


def _check_reach(reach: _Reach, h: Tensor) -> None:
    if not readable(h) or not readable(reach.within):
        return
    bad = ~(reach.within | reach.nothing | reach.spoilt)
    if bad.any():
        low, high, got = (value[bad][0].item() for value in (reach.low, reach.high, h))
        raise ValueError(
            f"target_entropy must be between log m and log N of its row of logits, m entries being largest "
            f"and N not masked: in ({low:.6g}, {high:.6g}), got {got:.6g}; clamp=True takes the nearest end"
        )


def _at_the_ends(p: Tensor, gamma: Tensor, u: Tensor, reach: _Reach, clamp: bool) -> tuple[Tensor, Tensor]:
    """Out of reach the nearest end, equal shares, or NaN; zeros where nothing is left."""
    share = torch.where(reach.hot, u > -math.inf, u == 0).to(u.dtype)
    end_p = share / share.sum(-1, keepdim=True) if clamp else torch.full_like(p, math.nan)
    end = torch.where(reach.hot, 0.0, math.inf) if clamp else torch.full_like(gamma, math.nan)
    ends = []
    for value, there in ((p, end_p), (gamma, end)):
        value = torch.where(reach.nothing, 0.0, torch.where(reach.within | reach.spoilt, value, there))
        ends.append(value * torch.where(reach.spoilt, math.nan, 1.0))  # so that gradients are NaN as well
    return ends[0], ends[1]


class _Normalize(torch.autograd.Function):
    """Probabilities and exponent of rows; they and the scores are all that derivatives need."""

    @staticmethod
    def forward(u, h):
        if not readable(u) or u.numel() == 0:
            gamma = gamma_of(u, h)
            return shares(gamma * u), gamma
        rows, targets = u.reshape(-1, u.shape[-1]), h.reshape(-1, 1)
        p, gamma = torch.empty_like(rows), torch.empty_like(targets)
        step = max(1, BLOCK // rows.shape[-1])
        for i in range(0, len(rows), step):
            at = slice(i, i + step)
            gamma[at] = gamma_of(rows[at], targets[at], looks=True)
            p[at] = shares(gamma[at] * rows[at])
        return p.view(u.shape), gamma.view(h.shape)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0], *output)

    @staticmethod
    def backward(ctx, g, g_gamma):
        u, p, gamma = ctx.saved_tensors
        centred, V = _spread(u, p, gamma)
        toward = p * centred  # gamma J x
        slope = ((g * toward).sum(-1, keepdim=True) + gamma * g_gamma) / V
        mean = (p * g).sum(-1, keepdim=True)
        dead = V.isinf()
        return torch.where(dead, 0.0, gamma * (p * (g - mean) - slope * toward)), -slope

    @staticmethod
    def vmap(info, in_dims, u, h):
        pair = (batch_first(x, at, info.batch_size) for x, at in zip((u, h), in_dims, strict=True))
        return _Normalize.apply(*pair), (0, 0)


def _plain(u: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """What _Normalize gives, in differentiable operations."""
    gamma, masked = gamma_of(u.detach(), h.detach()), u == -math.inf
    finite = torch.where(masked, 0.0, u)  # -inf times the gradient 0 would be NaN
    for _ in range(2):  # one step of Newton from the root has its first derivative, two have the first three
        s = gamma * finite
        x = torch.where(masked, -math.inf, s)
        p = torch.where(masked, 0.0, shares(x))
        V = _spread(s, p, torch.ones_like(gamma))[1]
        off = entropy(logits=x).unsqueeze(-1) - h
        gamma = gamma * (1 + (off - off.detach()) / V)  # with the value of the search
    return shares(torch.where(masked, -math.inf, gamma * finite)), gamma


def _spread(u: Tensor, p: Tensor, gamma: Tensor) -> tuple[Tensor, Tensor]:
    """gamma x less its mean, and the variance V; inf where it is too small to be divided by twice."""
    on = p > 0
    s = torch.where(on, gamma * torch.where(on, u, 0.0), 0.0)
    centred = torch.where(on, s - (p * s).sum(-1, keepdim=True), 0.0)
    V = (p * centred.square()).sum(-1, keepdim=True)
    small = torch.finfo(V.dtype).tiny ** 0.5 > V
    return centred, torch.where(small, math.inf, torch.where(small, 1.0, V))
