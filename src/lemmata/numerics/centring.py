"""Deviations from the mean in two passes, in plain PyTorch."""

from torch import Tensor

__all__ = ["centred"]


def centred(x: Tensor, dim: tuple[int, ...], share: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The mean over ``dim`` in two parts, their sum being exact, and the deviations from it.

    The first pass finds a mean, the second the mean of what is left: the deviations keep their digits however
    far from 0 the data lies, and those of a constant are exactly 0.

    Args:
        x: float32 or float64.
        dim: the axes of the sample; they stay, with size 1.
        share: weights that sum to 1 over ``dim``, in the shape of ``x``; None: 1/n each.
    """

    def mean(values: Tensor) -> Tensor:
        if share is None:
            return values.mean(dim, keepdim=True)
        return (share * values).sum(dim, keepdim=True)

    first = mean(x).detach()
    if x.numel():  # rounding may put the mean of equal numbers beside them
        first = first.clamp(x.amin(dim, keepdim=True).detach(), x.amax(dim, keepdim=True).detach())
    deviations = x - first
    rest = mean(deviations)
    return first, rest, deviations - rest
