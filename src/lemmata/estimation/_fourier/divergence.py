"""The divergence of one density from another, for ``torch.distributions.kl_divergence``."""

import torch
from torch import Tensor
from torch.distributions.kl import register_kl

from lemmata import _torch
from lemmata.estimation._fourier.density import FourierDensity
from lemmata.estimation._fourier.logarithm import cross_entropy, entropy
from lemmata.estimation._fourier.parameters import fit

__all__: list[str] = []


@register_kl(FourierDensity, FourierDensity)
def _divergence(p: FourierDensity, q: FourierDensity) -> Tensor:
    """Exact, and finite for every two densities with one chart; the gradient by q needs distinct roots.

    NotImplementedError for different charts; where nobody can look at loc and scale, NaN if they differ.
    """
    fit("p and q", p.batch_shape, q.batch_shape)
    (ratios, a), (_, b) = p._in_double(), q._in_double()
    nats = cross_entropy(ratios, b) - entropy(ratios, a)
    return torch.where(_same_chart(p, q), nats, torch.nan).to(p._dtype)


def _same_chart(p: FourierDensity, q: FourierDensity) -> Tensor:
    """For each pair, whether both have one interval, circle or line."""
    same = torch.ones((), dtype=torch.bool, device=p.a.device)
    if p.loc is not None and p.scale is not None and q.loc is not None and q.scale is not None:
        same = (p.loc == q.loc) & (p.scale == q.scale)
    if (
        p.period != q.period
        or (p.loc is None) != (q.loc is None)
        or (_torch.readable(same) and not same.all())
    ):
        raise NotImplementedError("the divergence needs two densities on one interval, circle or line")
    return same
