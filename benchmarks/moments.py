"""The first four moments of many numbers, at once and in pieces, beside the time of copying them.

    python benchmarks/moments.py [--rounds N] [--quick] [--json PATH]

A copy reads and writes each number, moments only read it. The share is the bytes a second that are read, over
those that a copy moves in the same run.
"""

from collections.abc import Callable, Iterator

import torch
from measure import Table, Target
from report import main
from torch import Tensor

from lemmata.estimation import Moments

OURS, UNIT, WRITTEN = "lemmata", "copy", "four, written out in torch"


def written_out(x: Tensor) -> list[Tensor]:
    """As one would write it, in the type of the data."""
    centred = x - x.mean()
    square = centred * centred
    return [square.mean(), (square * centred).mean(), (square * square).mean()]


def streamed(pieces: Tensor) -> Moments:
    moments = Moments.of(pieces[0])
    for piece in pieces[1:]:
        moments.update(piece)
    return moments


def copied(pieces: Tensor, places: Tensor) -> None:
    for piece, place in zip(pieces, places, strict=True):
        place.copy_(piece)


def each(function: Callable[[Tensor], object], pieces: Tensor) -> None:
    for piece in pieces:
        function(piece)


def tables(quick: bool) -> Iterator[Table]:
    x = torch.randn(1000 if quick else 10**8, generator=torch.Generator().manual_seed(0))
    copy, pieces = torch.empty_like(x), x.view(100, -1)

    def share(name: str, medians: dict[str, float]) -> dict[str, float]:
        return {} if name == UNIT else {"bandwidth": medians[UNIT] / 2 / medians[name]}

    at_once = {
        UNIT: lambda: copy.copy_(x),
        OURS: lambda: Moments.of(x),
        "torch.var_mean (two only)": lambda: torch.var_mean(x),
        WRITTEN: lambda: written_out(x),
    }
    in_pieces = {
        UNIT: lambda: copied(pieces, copy.view_as(pieces)),
        OURS: lambda: streamed(pieces),
        "torch.var_mean (two only)": lambda: each(torch.var_mean, pieces),
        WRITTEN: lambda: each(written_out, pieces),
    }
    targets = [Target(OURS, 0.6, "bandwidth", least=True), Target(WRITTEN, over=OURS, least=True)]
    for shape, cases in ((x.shape, at_once), (pieces.shape, in_pieces)):
        yield Table("Moments", shape, "float32", cases, UNIT, targets=targets, more=share, rounds=5)


if __name__ == "__main__":
    main("moments", __doc__, tables)
