"""What a function of a vector gains or loses, on average, when dropout is switched on."""

from collections.abc import Callable

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.precision import compute_dtype

__all__ = ["dropout_gap"]


def dropout_gap(
    f: Callable[[Tensor], Tensor],
    x: Tensor,
    p: float,
    num_samples: int = 1000,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Model averaging less weight averaging, by Monte Carlo: the mean of f under dropout less f without.

    .. math:: \mathbb E\,f\bigl(x\varepsilon/q\bigr) - f(x), \qquad q = 1 - p

    Each entry of x is dropped with probability p, apart from the others, and divided by q otherwise, as
    ``torch.nn.functional.dropout`` does in training. 0 for a linear f, :math:`\tfrac p{2q}\sum_i H_{ii}x_i^2`
    for a quadratic one with the Hessian H, not negative for a convex one. Memory does not grow with
    ``num_samples``.

    Implements :prf:ref:`dropout-moments`, :prf:ref:`dropout-gap`.

    Args:
        f: a function of a tensor of the shape and dtype of ``x``; it must draw nothing itself.
        x: where, any shape, float64, float32, bfloat16 or float16.
        p: the probability to DROP, in [0, 1).
        num_samples: how many masks, at least 2.
        generator: of the masks, on the device of ``x``.

    Returns:
        The gap and its standard error (without gradient), both in the shape and dtype of ``f(x)``. Sums are
        made in float32, or float64 where ``f(x)`` is.

    Raises:
        TypeError: an argument is of none of these types, or f returns no floating tensor.
        ValueError: p is not in [0, 1), or ``num_samples`` is below 2.

    Example:
        A square has the exact gap :math:`x^2p/q`, here 3 times 4:

        >>> g = torch.Generator().manual_seed(0)
        >>> gap, error = dropout_gap(torch.square, torch.tensor(2.0), 0.75, 10_000, g)
        >>> bool((gap - 12).abs() < 3 * error)
        True
    """
    check.function("f", f)
    check.floating("x", x)
    p, count = rate(p), check.at_least("num_samples", num_samples, 2)
    check.generator("generator", generator)
    base = f(x)
    check.floating("f(x)", base)
    wide = compute_dtype(base)
    mean = squares = torch.zeros_like(base, dtype=wide)
    for k in range(1, count + 1):
        kept = keeps(x, p, generator)
        step = f(torch.where(kept, x / (1 - p), 0.0).to(x.dtype)).to(wide) - base.to(wide)
        move = step - mean
        mean = mean + move / k
        squares = squares + move.detach() * (step - mean).detach()
    error = (squares / (count - 1) / count).sqrt()
    return mean.to(base.dtype), error.to(base.dtype)


def rate(p: float) -> float:
    """The probability to drop as a float in [0, 1)."""
    value = check.number("p", p)
    if not 0 <= value < 1:
        raise ValueError(f"p is the probability to drop and must be in [0, 1), got {p}")
    return value


def keeps(x: Tensor, p: float, generator: torch.Generator | None) -> Tensor:
    """A bool tensor in the shape of ``x``, each entry False with probability p."""
    return torch.rand(x.shape, generator=generator, device=x.device) >= p
