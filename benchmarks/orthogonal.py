"""Haar-orthogonal initialisation beside torch's: time, and how orthogonal the result is.

    python benchmarks/orthogonal.py [--rounds N] [--quick] [--json PATH]

Times in units of ours. Both draw the same Gaussian from one seed, and give the same matrix to rounding. The
departure is the Frobenius norm of the smaller Gram matrix less the identity, in float64. Ratios depend on the
BLAS.
"""

import functools
from collections.abc import Callable, Iterator

import torch
from measure import Table, Target
from report import main
from torch import Tensor

from lemmata.geometry import gram_error, orthogonal_

Fill = Callable[..., Tensor]
TORCH, UNIT, DRAW = "torch", "lemmata", "drawing the Gaussian"
FILLS: dict[str, Fill] = {
    TORCH: torch.nn.init.orthogonal_,
    UNIT: orthogonal_,
    DRAW: lambda tensor, generator: tensor.normal_(generator=generator),
}
JOBS: list[tuple[tuple[int, int], torch.dtype, float | None, int]] = [  # the last is rounds
    ((16_384, 256), torch.float32, 4.0, 9),
    ((256, 16_384), torch.float32, None, 9),
    ((65_536, 128), torch.float32, None, 9),
    ((4096, 1024), torch.float32, 2.5, 9),
    ((2048, 1024), torch.float32, None, 9),
    ((4096, 4096), torch.float32, 1.3, 2),  # takes seconds
    ((16_384, 256), torch.float64, None, 5),
    ((4096, 1024), torch.float64, None, 5),
]


def fill(work: Fill, tensor: Tensor) -> Tensor:
    return work(tensor, generator=torch.Generator().manual_seed(0))


def departure(name: str, tensor: Tensor) -> dict[str, float]:
    """Of the last draw, which has to be drawn again: the cases share one tensor."""
    if name == DRAW:
        return {}
    q = fill(FILLS[name], tensor).double()
    return {"departure": gram_error(q if q.shape[0] >= q.shape[1] else q.T).sqrt().item()}


def tables(quick: bool) -> Iterator[Table]:
    for shape, dtype, most, rounds in [((64, 8), torch.float32, 4.0, 1)] if quick else JOBS:
        tensor = torch.empty(shape, dtype=dtype)
        yield Table(
            "orthogonal_",
            shape,
            str(dtype).removeprefix("torch."),
            {name: functools.partial(fill, work, tensor) for name, work in FILLS.items()},
            UNIT,
            targets=[Target(TORCH, most, least=True)],
            more=lambda name, medians, tensor=tensor: departure(name, tensor),
            rounds=rounds,
        )


if __name__ == "__main__":
    main("orthogonal", __doc__, tables)
