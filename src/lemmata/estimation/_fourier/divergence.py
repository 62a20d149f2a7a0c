"""The divergence of one density from another, for ``torch.distributions.kl_divergence``."""

from torch import Tensor
from torch.distributions.kl import register_kl

from lemmata.estimation._fourier.density import FourierDensity
from lemmata.estimation._fourier.logarithm import cross_entropy, entropy
from lemmata.estimation._fourier.parameters import same

__all__: list[str] = []


@register_kl(FourierDensity, FourierDensity)
def _divergence(p: FourierDensity, q: FourierDensity) -> Tensor:
    """Exact, and finite for every two densities with one chart; the gradient by q needs distinct roots."""
    if p.period != q.period or not (same(p.loc, q.loc) and same(p.scale, q.scale)):
        raise NotImplementedError("the divergence needs two densities on one interval, circle or line")
    (ratios, a), (_, b) = p._in_double(), q._in_double()
    return (cross_entropy(ratios, b) - entropy(ratios, a)).to(p._dtype)
