"""The first four moments of many numbers, beside the time of copying them.

    python benchmarks/moments.py [--rounds N] [--quick] [--json PATH]

A copy reads and writes each number, moments only read it. The share is the bytes a second that are read, over
those that a copy moves in the same run.
"""

from collections.abc import Iterator

import torch
from measure import Table, Target
from report import main
from torch import Tensor

from lemmata.estimation import Moments

OURS, UNIT = "lemmata", "copy"


def written_out(x: Tensor) -> list[Tensor]:
    """As one would write it, in the type of the data."""
    centred = x - x.mean()
    square = centred * centred
    return [square.mean(), (square * centred).mean(), (square * square).mean()]


def tables(quick: bool) -> Iterator[Table]:
    n = 1000 if quick else 10**8
    x = torch.randn(n, generator=torch.Generator().manual_seed(0))
    copy = torch.empty_like(x)

    def share(name: str, medians: dict[str, float]) -> dict[str, float]:
        return {} if name == UNIT else {"bandwidth": medians[UNIT] / 2 / medians[name]}

    cases = {
        UNIT: lambda: copy.copy_(x),
        OURS: lambda: Moments.of(x).state,
        "torch.var_mean (two only)": lambda: torch.var_mean(x),
        "four, written out in torch": lambda: written_out(x),
    }
    targets = [
        Target(OURS, 0.6, "bandwidth", least=True),
        Target("four, written out in torch", over=OURS, least=True),
    ]
    yield Table("Moments", (n,), "float32", cases, UNIT, targets=targets, more=share, rounds=5)


if __name__ == "__main__":
    main("moments", __doc__, tables)
