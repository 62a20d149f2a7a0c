"""The six numbers of a large sample: block by block, so that what is made on the way stays in cache."""

import math

import torch
from torch import Tensor

from lemmata._torch import readable
from lemmata.estimation._bias.merging import merge_all, summary

__all__ = ["summary_of"]

SIZE = 2**17  # entries of a block: two of float64 take 2 MiB, and calls a tenth of the time


def summary_of(x: Tensor, dim: tuple[int, ...]) -> Tensor:
    """As :func:`summary` of ``x`` in float64, which is never made as a whole."""
    if x.numel() <= SIZE or not readable(x):
        return summary(x.double(), dim)
    if len(dim) == x.dim() and x.is_contiguous():
        return merge_all(_one_sample(x.view(-1)))
    axis = max(dim, key=lambda d: x.shape[d])
    rows = max(1, SIZE * x.shape[axis] // x.numel())
    return merge_all(torch.stack([summary(block.double(), dim) for block in x.split(rows, axis)], 1))


def _one_sample(x: Tensor) -> Tensor:
    """The six numbers of each block, ``(6, blocks)``: powers about one guess, moved to the mean of the block.

    That costs no digits while the guess is within twice the deviation of the mean of a block. The others are
    done over with their own, as are those that are not finite.
    """
    guess, blocks = _guess(x[:1000]), x.split(SIZE)
    n = torch.tensor([len(block) for block in blocks], dtype=torch.float64)
    s1, s2, s3, s4 = _power_sums(blocks, guess)
    rest = s1 / n
    square = rest * rest
    m2 = s2 - s1 * rest
    m3 = s3 - 3 * rest * s2 + 2 * s1 * square
    m4 = s4 - 4 * rest * s3 + 6 * square * s2 - 3 * s1 * rest * square
    numbers = torch.stack([n, torch.full_like(n, guess), rest, m2, m3, m4])
    for k in (~(m2 / n >= square / 4)).nonzero().flatten().tolist():
        numbers[:, k] = summary(blocks[k].double(), (0,))
    return numbers


def _guess(x: Tensor) -> float:
    """The mean, or 0 if that will do: then nothing is taken off."""
    deviation, mean = (number.item() for number in torch.std_mean(x.double()))
    return 0.0 if abs(mean) <= deviation or not math.isfinite(mean) else mean


def _power_sums(blocks: tuple[Tensor, ...], guess: float) -> Tensor:
    """The sums of (x - guess)^1 ... (x - guess)^4 over each block, ``(4, blocks)``, in float64."""
    deviations, squares = torch.empty(2, len(blocks[0]), dtype=torch.float64)
    sums = []
    for x in blocks:
        d, p = deviations[: len(x)].copy_(x), squares[: len(x)]
        if guess:
            d.sub_(guess)
        torch.mul(d, d, out=p)
        sums.append([d.sum().item(), p.sum().item(), d.dot(p).item(), p.dot(p).item()])
    return torch.tensor(sums, dtype=torch.float64).T
