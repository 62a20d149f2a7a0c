"""The oracle: the SymPy expression that was proved, evaluated at tensors in high precision."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import mpmath
import numpy as np
import sympy as sp
import torch

from .adaptive import adaptive

__all__ = ["Argument", "Errors", "errors", "oracle", "spacing"]

DIGITS = 50
Argument: TypeAlias = sp.Symbol | Sequence[sp.Symbol]


def oracle(expr: Any, *args: Argument, digits: int = DIGITS) -> Callable[..., np.ndarray]:
    r"""Turn an expression into a function of tensors or numbers, evaluated with mpmath.

    Args:
        expr: SymPy expression, or a sequence of them (then the result has one more dimension, at the end).
        *args: one entry per argument of the function: a symbol for a number, or a sequence of n symbols for a
            vector, which is the last dimension of a tensor of shape ``(..., n)``.
        digits: that each value is right to (below 1e-450: absolutely, to 1e-500).

    Returns:
        A function of tensors or numbers; leading dimensions broadcast. Its result is a NumPy array of
        ``mpf`` of shape ``(...)`` (or ``(..., len(expr))``), NaN at a pole. Inputs are taken as the exact
        binary numbers they are.

    Raises:
        ValueError: ``expr`` has a symbol that no argument names, a symbol is named twice, or a tensor has
            the wrong last dimension.
        ArithmeticError: a value could not be had to so many digits.

    Example:
        >>> import sympy as sp, torch
        >>> x, y = sp.symbols("x y")
        >>> norm = oracle(sp.sqrt(x**2 + y**2), (x, y))
        >>> float(norm(torch.tensor([3.0, 4.0])))
        5.0
    """
    groups = [(a,) if isinstance(a, sp.Symbol) else tuple(a) for a in args]
    symbols = [s for group in groups for s in group]
    if not symbols or len(set(symbols)) < len(symbols):
        raise ValueError(f"args must name at least one symbol, and each once, got {symbols}")
    several = isinstance(expr, (list, tuple, sp.MatrixBase))
    expressions = [sp.sympify(e) for e in (expr if several else [expr])]
    if unknown := set().union(*(e.free_symbols for e in expressions)) - set(symbols):
        misses = ", ".join(sorted(map(str, unknown)))
        raise ValueError(f"args must name every symbol of expr, misses {misses}")
    at = adaptive(symbols, expressions, digits)

    def evaluate(*values: Any) -> np.ndarray:
        if len(values) != len(args):
            raise ValueError(f"expected {len(args)} arguments, got {len(values)}")
        with mpmath.workdps(digits):
            columns = np.broadcast_arrays(*_columns(args, groups, values))
            result = np.empty((*columns[0].shape, len(expressions)), dtype=object)
            for index in np.ndindex(columns[0].shape):
                result[index] = at([column[index] for column in columns])
        return result if several else result[..., 0]

    return evaluate


def _columns(
    args: Sequence[Argument], groups: Sequence[tuple[sp.Symbol, ...]], values: Any
) -> list[np.ndarray]:
    """One array of exact numbers for each symbol, the points in its dimensions."""
    columns = []
    for position, (argument, group, value) in enumerate(zip(args, groups, values, strict=True)):
        array = _exact(value)
        array = array[..., None] if isinstance(argument, sp.Symbol) else array
        if array.shape[-1:] != (len(group),):
            found = f"got shape {array.shape}"
            raise ValueError(f"argument {position} must have last dimension {len(group)}, {found}")
        columns += [array[..., i] for i in range(len(group))]
    return columns


def _exact(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.double() if value.is_floating_point() else value.to(torch.int64)
    with np.errstate(invalid="ignore"):  # a NaN is a number here
        return np.vectorize(mpmath.mpf, otypes=[object])(np.asarray(value, dtype=object))


@dataclass(frozen=True)
class Errors:
    """Worst errors of a tensor against the oracle, and where the worst in ulp is."""

    absolute: float
    relative: float
    ulp: float
    index: tuple[int, ...]
    got: float
    want: mpmath.mpf

    def __str__(self) -> str:
        return f"{self.ulp:.2g} ulp ({self.absolute:.2g} absolute, {self.relative:.2g} relative)"


def spacing(value: mpmath.mpf, dtype: torch.dtype) -> mpmath.mpf:
    """Distance between neighbouring numbers of ``dtype`` at ``value``: one ulp."""
    info = torch.finfo(dtype)
    magnitude = max(abs(value), mpmath.mpf(info.tiny))
    return mpmath.mpf(info.eps) * mpmath.mpf(2) ** (mpmath.frexp(magnitude)[1] - 1)


def errors(got: torch.Tensor, want: np.ndarray, *, scale: float = 0.0) -> Errors:
    """Worst errors of ``got``, in ulps of its dtype at ``max(|want|, scale)``.

    An infinity must be met exactly. A NaN on either side is an infinite error.

    Args:
        got: floating-point tensor with at least one element.
        want: the oracle's numbers, of the same shape.
        scale: magnitude below which ulps are those at ``scale``.

    Raises:
        ValueError: the shapes differ, or there is nothing to compare.
        TypeError: ``got`` does not hold floating-point numbers.
    """
    if tuple(got.shape) != want.shape or not want.size:
        raise ValueError(f"got must have the oracle's shape {want.shape} and a value, got {tuple(got.shape)}")
    if not got.is_floating_point():
        raise TypeError(f"got must hold floating-point numbers, got {got.dtype}")
    with mpmath.workdps(DIGITS):
        found = _exact(got)
        all_errors = {i: _error(found[i], want[i], got.dtype, scale) for i in np.ndindex(want.shape)}
    absolute, relative, ulp = map(max, zip(*all_errors.values(), strict=True))
    index = max(all_errors, key=lambda i: all_errors[i][2])
    return Errors(absolute, relative, ulp, index, float(found[index]), want[index])


def _error(
    found: mpmath.mpf, want: mpmath.mpf, dtype: torch.dtype, scale: float
) -> tuple[float, float, float]:
    overflow = mpmath.isinf(found) and abs(want) > torch.finfo(dtype).max
    if found == want or (overflow and mpmath.sign(found) == mpmath.sign(want)):
        return 0.0, 0.0, 0.0
    if not (mpmath.isfinite(found) and mpmath.isfinite(want)):
        return math.inf, math.inf, math.inf
    absolute = abs(found - want)
    ulp = absolute / spacing(max(abs(want), mpmath.mpf(scale)), dtype)
    return float(absolute), float(absolute / abs(want)) if want else math.inf, float(ulp)
