"""The probability of each score to be the largest once noise is added."""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.infinite import above
from lemmata.numerics.precision import compute_dtype
from lemmata.simplex._reparameterization.integral import integral
from lemmata.simplex._reparameterization.nodes import KINKED
from lemmata.simplex._reparameterization.noises import NOISES

__all__ = ["perturbed_argmax_prob"]

CLOSED = ("gumbel", "neg_exponential", "exponential", "neg_gumbel")
METHODS = ("auto", "closed", "quadrature")
MOST = 16  # entries of a row whose subsets are listed


def perturbed_argmax_prob(
    logits: Tensor, *, noise: str = "gumbel", method: str = "auto", dim: int = -1
) -> Tensor:
    r"""The probability that each score is the largest after independent noise has been added to all.

    .. math:: p_i = \mathbb P(\mu_i+\varepsilon_i > \mu_j+\varepsilon_j\ \forall j\ne i)
                  = \int Q(v)\,h(v-\mu_i)\,dv,\qquad Q(v)=\prod_jF(v-\mu_j),\ h=\frac{F'}F

    All n entries share the nodes v, so that a row costs n times their number. A common shift changes nothing;
    the Jacobian is symmetric and positive semidefinite with rows that sum to 0, as p is the gradient of
    :math:`\mathbb E\max_i(\mu_i+\varepsilon_i)`.

    Implements :prf:ref:`reparameterization-integral`, :prf:ref:`reparameterization-gumbel`,
    :prf:ref:`reparameterization-subsets`, :prf:ref:`reparameterization-exponential`,
    :prf:ref:`reparameterization-exponomial`.

    Args:
        logits: scores :math:`\mu`, any shape with at least one entry along ``dim``. ``-inf`` is masked; a row
            of nothing else gives zeros with gradient 0. Entries at ``inf`` share the row equally.
        noise: the law of :math:`\varepsilon`. ``"gumbel"`` gives softmax, ``"normal"`` probit. ``"logistic"``
            and ``"laplace"`` have scale 1, ``"exponential"`` mean 1, ``"uniform"`` is on [0, 1];
            ``"neg_exponential"`` and ``"neg_gumbel"`` are minus the noise of that name. Only uniform noise,
            which is bounded on both sides, gives exactly 0 to scores that can never win.
        method: ``"auto"``: the closed form of gumbel and neg_exponential, of n terms, else quadrature.
            ``"quadrature"``: to :math:`10^{-12}` in float64, absolutely, for up to 1000 entries, with 16 to
            700 nodes; laplace has 16 n more, uniform and neg_exponential 32 n. In float32 rounding decides.
            ``"closed"``: for exponential and neg_gumbel too, with the :math:`2^n-1` subsets of a row of at
            most 16; their terms alternate and lose digits.
        dim: the axis of the scores.

    Returns:
        The shape and the dtype of ``logits``; sums to 1 along ``dim`` up to rounding.

    Raises:
        TypeError: ``logits`` not floating point.
        ValueError: no entry along ``dim``; an unknown noise or method; ``"closed"`` where there is no closed
            form, or for more than 16 entries.

    Source: Su, kexue.fm 9085 (2022); Yellott, "The relationship between Luce's choice axiom, Thurstone's
    theory of comparative judgment, and the double exponential distribution", J. Math. Psychology 15 (1977);
    Alptekinoglu and Semple, "The exponomial choice model", Operations Research 64 (2016).

    Example:
        >>> perturbed_argmax_prob(torch.tensor([1.0, 0.0, -1.0]), noise="normal")
        tensor([0.7288, 0.2241, 0.0472])
        >>> perturbed_argmax_prob(torch.tensor([1.0, 0.0, -math.inf]), noise="logistic")
        tensor([0.6613, 0.3387, 0.0000])
        >>> perturbed_argmax_prob(torch.tensor([0.5, -0.6, -0.8]), noise="uniform")
        tensor([1., 0., 0.])
    """
    dim = check.axis("logits", logits, dim)
    check.choice("noise", noise, NOISES)
    check.choice("method", method, METHODS)
    if method == "closed":
        _check_closed(noise, logits.shape[dim])
    x = logits.movedim(dim, -1).to(compute_dtype(logits))
    return _rows(x, noise, method).to(logits.dtype).movedim(-1, dim)


def _check_closed(noise: str, n: int) -> None:
    if noise not in CLOSED:
        raise ValueError(f"noise must be one of {', '.join(CLOSED)} for method='closed', got {noise!r}")
    if n > MOST and noise in CLOSED[2:]:
        raise ValueError(
            f"method must not be 'closed' for noise={noise!r} and more than {MOST} entries, "
            f"since it lists all subsets; got {n} entries: use 'auto'"
        )


def _rows(x: Tensor, noise: str, method: str) -> Tensor:
    peak = x.amax(-1, keepdim=True)
    d = above(x, peak if noise in KINKED else peak.detach())
    on = d > -math.inf
    d = torch.where(on, d, 0.0).clamp(min=-(torch.finfo(d.dtype).max ** 0.25))
    if noise == "gumbel" and method != "quadrature":
        p = softmax(d, on)
    elif noise == "neg_exponential" and method != "quadrature":
        p = _telescope(d, on)
    elif method == "closed":
        p = _over_subsets(d, on, noise)
    else:
        p = integral(d, on, noise)
    return spoil(x, peak, torch.where(peak == -math.inf, 0.0, p.clamp(max=1.0)))


def spoil(x: Tensor, peak: Tensor, p: Tensor) -> Tensor:
    """p, but NaN with the gradient NaN in rows of x whose peak is."""
    spoilt = peak.isnan()
    return torch.where(spoilt, x * torch.where(spoilt, math.nan, 1.0), p)


def softmax(d: Tensor, on: Tensor) -> Tensor:
    """Softmax of scores whose largest is 0, where they are ``on``; 0 elsewhere."""
    weights = torch.where(on, d.exp(), 0.0)
    return weights / weights.sum(-1, keepdim=True)


def _telescope(d: Tensor, on: Tensor) -> Tensor:
    """Sorted, p_i = sum over k >= i of (G_k - G_(k+1)) / k, where log G_k = k d_k - d_1 - ... - d_k."""
    d, order = torch.where(on, d, -(torch.finfo(d.dtype).max ** 0.5)).sort(-1, descending=True)
    k = torch.arange(1, d.shape[-1] + 1, dtype=d.dtype, device=d.device)
    change = k[:-1] * d.diff(dim=-1)  # log G_(k+1) - log G_k
    log_G = F.pad(change.cumsum(-1), (1, 0))
    share = -log_G.exp() * torch.expm1(F.pad(change, (0, 1), value=-math.inf)) / k
    p = share.flip(-1).cumsum(-1).flip(-1)
    return torch.where(on, torch.zeros_like(p).scatter(-1, order, p), 0.0)


def _over_subsets(d: Tensor, on: Tensor, noise: str) -> Tensor:
    """Inclusion and exclusion: over the sets T that i is in, with alternating signs."""
    n = d.shape[-1]
    sets = torch.tensor(list(itertools.product((False, True), repeat=n))[1:], device=d.device)  # (2^n - 1, n)
    size = sets.sum(-1, keepdim=True)
    possible = (on.unsqueeze(-2) | ~sets).all(-1, keepdim=True)
    if noise == "neg_gumbel":  # i is the first of T in a race with the rates exp(-d)
        each = torch.softmax(torch.where(sets, -d.unsqueeze(-2), -math.inf), -1)
    else:
        each = torch.where(sets, (sets * d.unsqueeze(-2)).sum(-1, keepdim=True).exp() / size, 0.0)
    return torch.where(possible, (1 - 2 * ((size - 1) % 2)) * each, 0.0).sum(-2)
