"""Central sums of paired features: what HSIC needs, and the merge of two samples.

This is what runs today on every device, and what a fused kernel will be tested against.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata.estimation._hsic.estimators import of_centred
from lemmata.numerics.centring import centred

__all__ = ["FeatureSums"]


class FeatureSums(NamedTuple):
    """Central sums of paired features p and q: all that HSIC in feature space needs. Float64."""

    n: Tensor  # ()
    mean_p: Tensor  # (D,)
    mean_q: Tensor  # (E,)
    pq: Tensor  # (D, E), the sum of p q'
    p_qq: Tensor  # (D,), of p |q|^2
    q_pp: Tensor  # (E,), of q |p|^2
    pp: Tensor  # (), of |p|^2
    qq: Tensor  # (), of |q|^2
    pp_qq: Tensor  # (), of |p|^2 |q|^2

    @classmethod
    def of(cls, phi: Tensor, psi: Tensor) -> FeatureSums:
        """From features ``(n, D)``, ``(n, E)``; of none, all is 0."""
        (p, rest_p, phi), (q, rest_q, psi) = centred(phi, (0,)), centred(psi, (0,))
        pp, qq = phi.square().sum(-1), psi.square().sum(-1)
        sums = (phi.mT @ psi, qq @ phi, pp @ psi, pp.sum(), qq.sum(), pp @ qq)
        means = (first[0].double() + rest[0].double() for first, rest in ((p, rest_p), (q, rest_q)))
        if len(phi) == 0:
            means = (v.sum(0).double() for v in (phi, psi))
        return cls(phi.new_tensor(len(phi), dtype=torch.float64), *means, *(v.double() for v in sums))

    def moved(self, p: Tensor, q: Tensor) -> FeatureSums:
        """The sums about another centre, from which the means lie at p and q."""
        n, _, _, c, p_qq, q_pp, a, b, e = self
        pp, qq, pc = p @ p, q @ q, p @ c
        return self._replace(
            pq=c + n * torch.outer(p, q),
            p_qq=p_qq + 2 * (c @ q) + p * (b + n * qq),
            q_pp=q_pp + 2 * pc + q * (a + n * pp),
            pp=a + n * pp,
            qq=b + n * qq,
            pp_qq=e + 2 * (q @ q_pp) + qq * a + 2 * (p @ p_qq) + 4 * (pc @ q) + pp * b + n * pp * qq,
        )

    def merge(self, other: FeatureSums) -> FeatureSums:
        """The sums of two samples together, from those of each; an empty one changes nothing."""
        n = self.n + other.n
        share = torch.where(n > 0, other.n / n, 0.0)
        p, q = other.mean_p - self.mean_p, other.mean_q - self.mean_q
        mine, its = self.moved(-share * p, -share * q), other.moved((1 - share) * p, (1 - share) * q)
        sums = (s + t for s, t in zip(mine[3:], its[3:], strict=True))
        return FeatureSums(n, self.mean_p + share * p, self.mean_q + share * q, *sums)

    def value(self, estimator: str) -> Tensor:
        """HSIC of the inner products of features; NaN for fewer samples than it needs."""
        square = self.pq.square().sum()
        value = of_centred(self.n, square, self.pp, self.qq, self.pp_qq, estimator)
        return value if estimator == "biased" else torch.where(self.n >= 4, value, math.nan)
