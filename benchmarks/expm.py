"""Exponentials of low-rank matrices, applied to a batch, beside torch.matrix_exp and SciPy.

    python benchmarks/expm.py [--rounds N] [--quick] [--json PATH]

Factors have normal entries of variance 1 / n. Peers form the matrix, take its exponential and multiply. The
error is the largest of an entry of the products over the largest entry, against SciPy in float64. SciPy has
no gradients; torch's backward takes the exponential of a matrix of twice the size, and minutes at n = 1024.
"""

import functools
from collections.abc import Callable, Iterator

import scipy.linalg
import torch
from measure import Table, Target, step
from report import main
from torch import Tensor

from lemmata.geometry import expm_low_rank, expm_low_rank_apply, expm_rank1, expm_rank1_apply

ROWS = 256
UNIT, TORCH, SCIPY = "lemmata", "torch.matrix_exp", "scipy.linalg.expm"
JOBS: list[tuple[int, int, float | None]] = [(64, 1, None), (256, 1, None), (1024, 1, 20.0), (1024, 16, None)]


def ours(v: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    if X.shape[-1] == 1:
        return expm_rank1_apply(v, X[:, 0], Y[:, 0])[0]
    return expm_low_rank_apply(v, X, Y)[0]


def by_torch(v: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    return v @ torch.matrix_exp(X @ Y.mT).mT


def by_scipy(v: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    return v @ torch.from_numpy(scipy.linalg.expm((X @ Y.mT).numpy())).mT


def whole(v: Tensor, X: Tensor, Y: Tensor) -> Tensor:
    """Our matrix, formed."""
    matrix = expm_rank1(X[:, 0], Y[:, 0]) if X.shape[-1] == 1 else expm_low_rank(X, Y)
    return v @ matrix.mT


WAYS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    UNIT: ours,
    "lemmata, the matrix formed": whole,
    TORCH: by_torch,
    SCIPY: by_scipy,
}


def tables(quick: bool) -> Iterator[Table]:
    for n, r, most in [(16, 2, 20.0)] if quick else JOBS:
        generator = torch.Generator().manual_seed(0)
        v = torch.randn(4 if quick else ROWS, n, generator=generator)
        X, Y = (torch.randn(n, r, generator=generator) / n**0.5 for _ in range(2))
        exact = by_scipy(v.double(), X.double(), Y.double())

        def error(
            name: str, medians: object, given: tuple[Tensor, ...] = (v, X, Y), exact: Tensor = exact
        ) -> dict[str, float]:
            found = WAYS[name](*given).double()
            return {"error": ((found - exact).abs().max() / exact.abs().max()).item()}

        yield Table(
            "apply to a batch",
            (len(v), n),
            "float32",
            {name: functools.partial(way, v, X, Y) for name, way in WAYS.items()},
            UNIT,
            setting=f"rank {r}",
            targets=[Target(TORCH, most, least=True), Target(SCIPY, least=True)],
            more=error,
            rounds=9,
        )
        if n > 256:
            continue
        leaf = X.clone().requires_grad_()
        grad = torch.ones_like(v)
        trained = {
            name: functools.partial(step, lambda X, way=WAYS[name], v=v, Y=Y: way(v, X, Y), leaf, grad)
            for name in (UNIT, TORCH)
        }
        yield Table(
            "apply to a batch, with backward",
            (len(v), n),
            "float32",
            trained,
            UNIT,
            setting=f"rank {r}",
            targets=[Target(TORCH, least=True)],
            rounds=5,
        )


if __name__ == "__main__":
    main("expm", __doc__, tables)
