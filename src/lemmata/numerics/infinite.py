"""Infinite entries, and settings at which a soft function is the hard one, without NaN in any derivative."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["above", "constant", "switch", "times"]


def above(x: Tensor, level: Tensor) -> Tensor:
    """x - level, where two infinities of one sign are equal: 0, with gradient 0."""
    return torch.where((x == level) & x.isinf(), 0.0, x - level)


def constant(value: Tensor, x: Tensor) -> Tensor:
    """``value`` with gradient 0 in ``x``; NaN stays."""
    return torch.where(x.isnan(), x, value)


def switch(
    setting: float | Tensor, end: float, hard: Callable[[], Tensor], soft: Callable[[Any], Tensor]
) -> Tensor:
    """hard() where the setting is at its end, else soft(setting); of a tensor, each entry for itself."""
    if not isinstance(setting, Tensor):
        return hard() if setting == end else soft(setting)
    there = setting == end
    return torch.where(there, hard(), soft(torch.where(there, 1.0, setting)))


def times(K: float | Tensor, x: Tensor) -> Tensor:
    """K x, where an infinite x stays, whatever K is: with gradient 0 in a K that is a tensor."""
    if not isinstance(K, Tensor):
        return K * x
    endless = x.isinf()
    return torch.where(endless, x, K * torch.where(endless, 0.0, x))
