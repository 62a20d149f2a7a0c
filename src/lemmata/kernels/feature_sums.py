"""Central sums of paired features in plain PyTorch: what HSIC needs, and the merge of two samples.

This is what runs today on every device, and what a fused kernel will be tested against.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata.kernels.centring import centred

__all__ = ["FeatureSums"]


class FeatureSums(NamedTuple):
    """Central sums of paired features p and q: all that HSIC in feature space needs. Float64."""

    n: Tensor  # ()
    p: Tensor  # (D,), the mean
    q: Tensor  # (E,)
    c: Tensor  # (D, E), the sum of p q'
    u: Tensor  # (D,), of p |q|^2
    v: Tensor  # (E,), of q |p|^2
    a: Tensor  # (), of |p|^2
    b: Tensor  # (), of |q|^2
    e: Tensor  # (), of |p|^2 |q|^2

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
        n, _, _, c, u, v, a, b, e = self
        pp, qq, pc = p @ p, q @ q, p @ c
        return self._replace(
            c=c + n * torch.outer(p, q),
            u=u + 2 * (c @ q) + p * (b + n * qq),
            v=v + 2 * pc + q * (a + n * pp),
            a=a + n * pp,
            b=b + n * qq,
            e=e + 2 * (q @ v) + qq * a + 2 * (p @ u) + 4 * (pc @ q) + pp * b + n * pp * qq,
        )

    def merge(self, other: FeatureSums) -> FeatureSums:
        """The sums of two samples together, from those of each; an empty one changes nothing."""
        n = self.n + other.n
        share = torch.where(n > 0, other.n / n, 0.0)
        p, q = other.p - self.p, other.q - self.q
        mine, its = self.moved(-share * p, -share * q), other.moved((1 - share) * p, (1 - share) * q)
        sums = (s + t for s, t in zip(mine[3:], its[3:], strict=True))
        return FeatureSums(n, self.p + share * p, self.q + share * q, *sums)

    def value(self, estimator: str) -> Tensor:
        """HSIC of the inner products of features; NaN for fewer samples than it needs."""
        n, square = self.n, self.c.square().sum()
        if estimator == "biased":
            return square / n**2
        value = (square + self.a * self.b / ((n - 1) * (n - 2)) - n / (n - 2) * self.e) / (n * (n - 3))
        return torch.where(n >= 4, value, math.nan)
