"""What the functions of this chapter ask of their arguments."""

from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable

__all__ = ["batch_of", "prior_of", "rows_of", "settings"]

MOST = 16.0  # an exponent beyond which one step leaves only the largest entries


def rows_of(name: str, value: Tensor) -> None:
    """Raise unless there are classes, and the rows without NaN are probabilities."""
    check.scores(name, value)
    check.axis(name, value, -1)
    if value.numel() and readable(value):
        check.law(name, value.detach()[~value.isnan().any(-1)], check.ROUGH)


def batch_of(name: str, value: Tensor) -> None:
    """The same of a matrix (N, m)."""
    check.scores(name, value)
    if value.dim() != 2:
        raise ValueError(f"{name} must have the axes (N, m), got shape {tuple(value.shape)}")
    rows_of(name, value)


def prior_of(value: Tensor, m: int) -> Tensor:
    """Raise unless it is the law of m classes."""
    check.floating("prior", value)
    check.shape("prior", value, (m,), "the classes")
    check.law("prior", value, check.ROUGH)
    return value


def settings(alpha: float, num_iters: int) -> tuple[float, int]:
    """The exponent as a float, the number of steps as an int."""
    alpha = check.positive("alpha", alpha)
    if alpha > MOST:
        raise ValueError(f"alpha must be at most {MOST}, got {alpha}")
    return alpha, check.at_least("num_iters", num_iters, 1)
