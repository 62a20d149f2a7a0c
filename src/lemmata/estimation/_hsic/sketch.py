"""HSIC of data that comes in pieces: a sketch of fixed size, updated, merged, and shared by all ranks."""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from lemmata import _arguments as check
from lemmata.estimation._hsic.estimators import ESTIMATORS, aligned
from lemmata.estimation._hsic.feature_sums import FeatureSums
from lemmata.estimation._hsic.samples import both, width_of
from lemmata.numerics.gathering import gather
from lemmata.numerics.kernels import KERNELS
from lemmata.numerics.orthonormal import orthonormal
from lemmata.numerics.precision import compute_dtype, no_autocast

__all__ = ["HSICSketch"]

BLOCK = 2048  # how many samples have their features in memory at a time


class HSICSketch:
    r"""HSIC of data that comes in pieces, from features whose inner products are (about) the kernel's.

    .. math:: U = \frac1{n(n-3)}\Bigl[\|C\|_F^2 + \frac{\sum_i|p_i|^2\sum_i|q_i|^2}{(n-1)(n-2)}
              - \frac n{n-2}\sum_i|p_i|^2|q_i|^2\Bigr],\qquad V = \frac{\|C\|_F^2}{n^2},\qquad
              C=\sum_i p_iq_i^\top

    with features p of x and q of y, their means taken out: one D x D matrix, four D-vectors and four numbers,
    in float64, stand for all data seen so far, and merge. This is the *unbiased* estimator for the kernel
    that the features have, exactly. For ``"linear"`` the features are the data, and all is exact, :meth:`cka`
    too. For ``"gaussian"`` and ``"laplace"`` they are cosines and sines of random, orthogonal projections,
    and the kernel is met to :math:`O(D^{-1/2})`.

    The methods change the sketch and return it. Nothing is differentiated. O(nD^2) time, O(D^2) memory.
    :meth:`state_dict` is all that a pass over the data needs to go on where it was cut off, with the same
    result to the bit. Data of a linear kernel may be from 1e-70 to 1e70 in size.

    Implements :prf:ref:`hsic-sketch`, :prf:ref:`hsic-features`.

    Args:
        features: D for x and for y, even; not used by ``"linear"``.
        kernel: ``"gaussian"``, ``"laplace"`` or ``"linear"``.
        bandwidth: s, or the pair (sx, sy): numbers, since a median needs all data. Not used by ``"linear"``.
        generator: of the random features, on the CPU. Sketches that are to be merged need the same features:
            generators of the same seed. Drawn at the first update.

    Source: Rahimi and Recht (2007); Yu et al. (2016) for orthogonal projections.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0], [4.0], [7.0]])
        >>> y = torch.tensor([[1.0], [0.0], [3.0], [5.0], [6.0]])
        >>> HSICSketch(kernel="linear").update(x[:2], y[:2]).update(x[2:], y[2:]).value("biased")
        tensor(27.0400, dtype=torch.float64)
    """

    def __init__(
        self,
        features: int = 512,
        *,
        kernel: str = "gaussian",
        bandwidth: float | tuple[float, float] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        self.features = check.at_least("features", features, 2)
        if self.features % 2:
            raise ValueError(f"features must be even, got {features}")
        check.choice("kernel", kernel, ("gaussian", "laplace", "linear"))
        check.generator("generator", generator)
        self.kernel, self.generator = kernel, generator
        self.s = self.t = math.inf  # the bandwidths of x and of y; "linear" has none
        if KERNELS[kernel].scaled:
            self.s, self.t = (width_of(width) for width in both(bandwidth))
        self.projections: tuple[Tensor, ...] = ()  # (d, D/2) and (e, D/2); none for "linear"
        self.sums: list[FeatureSums] = []  # of (p, q) and, for "linear", of (p, p) and (q, q)

    def update(self, x: Tensor, y: Tensor) -> HSICSketch:
        """Add samples ``(n, d)`` and ``(n, e)``, any number of them, none too."""
        for name, value in (("x", x), ("y", y)):
            check.floating(name, value)
            if value.dim() != 2:
                raise ValueError(f"{name} must be samples (n, d), got shape {tuple(value.shape)}")
        if len(x) != len(y):
            raise ValueError(f"y must have as many samples as x, {len(x)}, got shape {tuple(y.shape)}")
        if self.kernel != "linear" and not self.projections:
            sizes = (x.shape[1], self.s), (y.shape[1], self.t)
            self.projections = tuple((self._draw(d) / width).to(x.device) for d, width in sizes)
        with torch.no_grad(), no_autocast(x):
            for start in range(0, max(1, len(x)), BLOCK):
                self._add(self._sums(x[start : start + BLOCK], y[start : start + BLOCK]))
        return self

    def merge(self, other: HSICSketch) -> HSICSketch:
        """Add what another sketch has seen; ValueError unless it has the same kernel and features."""
        if not isinstance(other, HSICSketch):
            raise TypeError(f"other must be an HSICSketch, got {type(other).__name__}")
        if self.kernel != other.kernel:
            raise ValueError(f"other must have the kernel {self.kernel!r}, got {other.kernel!r}")
        if self.projections and other.projections:
            self._check_same(other.projections)
        self.projections = self.projections or other.projections
        if other.sums:
            self._add(other.sums)
        return self

    def all_reduce(self, group: dist.ProcessGroup | None = None) -> HSICSketch:
        """Add what all ranks have seen, by one ``all_gather``; the same everywhere.

        A rank without data takes part with ``update(x[:0], y[:0])``. Features that differ between the ranks
        raise ValueError on all but the first. Calling it twice counts everything twice.
        """
        if not self.sums:
            raise ValueError(
                "a sketch must be updated before all_reduce, with x[:0], y[:0] if there is no data"
            )
        state = [v for part in self.sums for v in part] + list(self.projections)
        sizes = [v.numel() for v in state]
        parts = [part.split(sizes) for part in gather(torch.cat([v.flatten() for v in state]), group)]
        ranks = [[v.view_as(s) for v, s in zip(part, state, strict=True)] for part in parts]
        self._check_same(tuple(ranks[0][len(state) - len(self.projections) :]))
        starts = range(0, len(state) - len(self.projections), len(FeatureSums._fields))
        sums = [[FeatureSums(*rank[k : k + len(FeatureSums._fields)]) for rank in ranks] for k in starts]
        self.sums = [functools.reduce(FeatureSums.merge, part) for part in sums]
        return self

    def state_dict(self) -> dict[str, Any]:
        """All that was drawn and seen, as tensors, numbers and words: for ``torch.save``."""
        settings = {name: getattr(self, name) for name in ("kernel", "features", "s", "t")}
        return settings | {"projections": self.projections, "sums": [tuple(part) for part in self.sums]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Forget everything, and go on from what :meth:`state_dict` gave.

        ValueError unless that sketch had the same kernel, features and bandwidths.
        """
        mine = self.state_dict()
        if not isinstance(state, dict) or state.keys() != mine.keys():
            raise ValueError(f"state must be what HSICSketch.state_dict gave, got {state!r:.60}")
        for name in ("kernel", "features", "s", "t"):
            if state[name] != mine[name]:
                raise ValueError(f"state must have {name} {mine[name]!r}, got {state[name]!r}")
        self.projections = tuple(state["projections"])
        self.sums = [FeatureSums(*part) for part in state["sums"]]

    def value(self, estimator: str = "unbiased") -> Tensor:
        """HSIC of all data seen, float64; NaN for fewer samples than it needs."""
        return self._values(estimator)[0]

    def cka(self, estimator: str = "unbiased") -> Tensor:
        """Linear CKA of all data seen, exactly; ValueError for another kernel, float64."""
        if self.kernel != "linear":
            raise ValueError(f"kernel must be 'linear' for cka, got {self.kernel!r}")
        return aligned(*self._values(estimator))

    def _values(self, estimator: str) -> list[Tensor]:
        check.choice("estimator", estimator, ESTIMATORS)
        if not self.sums:
            raise ValueError("a sketch must be updated before it has a value")
        return [part.value(estimator) for part in self.sums]

    def _sums(self, x: Tensor, y: Tensor) -> list[FeatureSums]:
        if self.kernel == "linear":
            p, q = x.double(), y.double()
            return [FeatureSums.of(p, q), FeatureSums.of(p, p), FeatureSums.of(q, q)]
        made = compute_dtype(x, y)
        waves = (v.to(made) @ w.to(made) for v, w in zip((x, y), self.projections, strict=True))
        size = 1 / math.sqrt(self.features // 2)
        return [FeatureSums.of(*(torch.cat([wave.cos(), wave.sin()], 1) * size for wave in waves))]

    def _add(self, sums: list[FeatureSums]) -> None:
        if self.sums:
            mine, its = (tuple(s[0].pq.shape) for s in (self.sums, sums))
            if mine != its:
                raise ValueError(f"samples must have as many columns as at first: sums of {mine}, got {its}")
            sums = [s.merge(t) for s, t in zip(self.sums, sums, strict=True)]
        self.sums = list(sums)

    def _draw(self, d: int) -> Tensor:
        """Projections (d, D/2) of the spectral law of the kernel, in blocks of d orthogonal ones."""
        half = self.features // 2
        blocks = -(-half // max(1, d))
        draws = torch.randn(2, blocks, d, d, generator=self.generator, dtype=torch.float64)
        lengths = draws[1].norm(dim=2, keepdim=True)  # of normal vectors
        w = (orthonormal(draws[0]).mT * lengths).flatten(0, 1)[:half]
        if self.kernel == "laplace":
            w = w / torch.randn(half, 1, generator=self.generator, dtype=torch.float64).abs()
        return w.mT.contiguous()

    def _check_same(self, projections: tuple[Tensor, ...]) -> None:
        same = [
            v.shape == w.shape and torch.equal(v, w)
            for v, w in zip(self.projections, projections, strict=True)
        ]
        if not all(same):
            raise ValueError(
                "sketches must have the same features: generators of the same seed, same bandwidth"
            )
