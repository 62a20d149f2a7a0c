"""The moments of data that comes in pieces."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from lemmata.estimation._bias.blocks import summary_of
from lemmata.estimation._bias.k_statistics import checked_order, k_from_sums
from lemmata.estimation._bias.merging import merge
from lemmata.estimation._bias.sample import Dims, axes_of
from lemmata.numerics.gathering import gather

__all__ = ["Moments"]


@dataclass(eq=False)
class Moments:
    """Count, mean and the second to fourth moments of data that comes in pieces, in any order.

    Six numbers in float64 stand for all data seen so far, and merge with those of other data into the six of
    the whole, to rounding. The methods change the accumulator and return it. NaN and infinite data make all
    but the count NaN. Nothing is differentiated. :meth:`state_dict` is all that a pass over the data needs to
    go on where it was cut off, with the same result to the bit.

    Implements :prf:ref:`bias-merge`.

    Attributes:
        state: ``(6, ...)``, float64: count, mean, what rounding took from the mean, and M2, M3, M4.
        dim: the axes of the sample; None means that all entries are one sample, 0 that columns are apart.

    Source: Chan, Golub and LeVeque (1979); Pébay, SAND2008-6212 (2008).

    Example:
        >>> moments = Moments.of(torch.tensor([1.0, 2.0])).update(torch.tensor([6.0]))
        >>> moments.variance, moments.k_statistic(3)
        (tensor(7., dtype=torch.float64), tensor(27., dtype=torch.float64))
    """

    state: Tensor
    dim: Dims = None

    @classmethod
    def of(cls, x: Tensor, *, dim: Dims = None) -> Moments:
        """The moments of ``x``, floating point (TypeError); empty data is a start from nothing."""
        axes, _ = axes_of(x, dim)
        return cls(summary_of(x.detach(), axes), dim)

    def update(self, x: Tensor) -> Moments:
        """Add more data, with axes as at first."""
        return self.merge(Moments.of(x, dim=self.dim))

    def merge(self, other: Moments) -> Moments:
        """Add what another accumulator of the same shape (ValueError) has seen."""
        if not isinstance(other, Moments):
            raise TypeError(f"other must be Moments, got {type(other).__name__}")
        if self.state.shape != other.state.shape:
            mine, its = tuple(self.state.shape[1:]), tuple(other.state.shape[1:])
            raise ValueError(f"other must hold moments of shape {mine}, got {its}")
        self.state = merge(self.state, other.state)
        return self

    def all_reduce(self, group: dist.ProcessGroup | None = None) -> Moments:
        """Add what all ranks have seen, by one ``all_gather`` of six numbers (a column); the same everywhere.

        A rank without data takes part with ``Moments.of(x[:0])``. Calling it twice counts everything twice.
        """
        self.state = functools.reduce(merge, gather(self.state, group))
        return self

    def state_dict(self) -> dict[str, Any]:
        """All that was seen, a tensor and the axes: for ``torch.save``."""
        return {"state": self.state, "dim": self.dim}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Forget everything, and go on from what :meth:`state_dict` gave (else ValueError)."""
        if not isinstance(state, dict) or state.keys() != {"state", "dim"}:
            raise ValueError(f"state must be what Moments.state_dict gave, got {state!r:.60}")
        self.state, self.dim = state["state"], state["dim"]

    @property
    def count(self) -> Tensor:
        """How many entries were seen."""
        return self.state[0]

    @property
    def mean(self) -> Tensor:
        """NaN where nothing was seen."""
        return self.k_statistic(1)

    @property
    def variance(self) -> Tensor:
        """With the divisor n - 1; NaN for fewer than two entries."""
        return self.k_statistic(2)

    @property
    def skewness(self) -> Tensor:
        """m3 / m2^(3/2), with moments m = M/n; NaN where all entries are equal."""
        n, _, _, m2, m3, _ = self.state
        return (m3 / n) / (m2 / n) ** 1.5

    @property
    def kurtosis(self) -> Tensor:
        """m4 / m2^2, 3 for a normal law (not the excess); NaN where all entries are equal."""
        n, _, _, m2, _, m4 = self.state
        return (m4 / n) / (m2 / n) ** 2

    def k_statistic(self, order: int) -> Tensor:
        """As :func:`k_statistic`, in float64; NaN where fewer entries than the order were seen."""
        order = checked_order(order, 4)
        n, mean, _, *sums = self.state
        return torch.where(n >= order, mean if order == 1 else k_from_sums(order, n, sums), math.nan)
