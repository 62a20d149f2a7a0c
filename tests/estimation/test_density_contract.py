"""What weights, estimates and principal components promise."""

import math
from typing import Any

import torch
from contract import EVERY_KIND, Row, check, each
from helpers import F64, seeded
from torch import Tensor

from lemmata.estimation import (
    PPCA,
    DensityEstimate,
    effective_sample_size,
    estimate_log_density,
    importance_weighted_bound,
    pareto_k,
)


def weights(draw):
    return dict(log_w=draw.normal(3, 6), dim=-1)


def many(draw):
    return dict(log_w=draw.normal(3, 24), dim=-1)


def log_joint(x, z):
    return -(z.square() + (x - z).square()).sum(-1) / 2


def encoder(x):
    return x / 2, torch.full_like(x, 0.8)


def rows(draw):
    return dict(
        x=draw.normal(4, 2),
        log_joint=log_joint,
        encoder=encoder,
        num_samples=25,
        chunk=10,
        generator=seeded(),
        progress=None,
    )


DATA = torch.randn(12, 4, generator=seeded(), dtype=F64) * torch.tensor([4.0, 2.0, 1.0, 0.5])
FITTED = PPCA(2).fit(DATA)


def scored(x: Tensor) -> Tensor:
    return FITTED.score_samples(x)


def latent(x: Tensor) -> Any:
    return FITTED.posterior(x)


def joint(x: Tensor, z: Tensor) -> Tensor:
    return FITTED.log_joint(x, z)


def fit(x: Tensor) -> PPCA:
    return PPCA(2).fit(x)


def sample(n: int, generator: Any) -> Tensor:
    return FITTED.sample(n, generator=generator)


def saved(x: Any) -> Any:
    return fit(x).state_dict()


def loaded(state: dict[str, Any]) -> PPCA:
    fresh = PPCA(2)
    fresh.load_state_dict(state)
    return fresh


def data(draw):
    return dict(x=draw.normal(7, 4))


def held(draw):
    return dict(zip(DensityEstimate._fields, draw.normal(4, 3), strict=True))


ZEROS = torch.full((3, 6), -math.inf, dtype=F64)
SOME = torch.tensor([[-math.inf, 0.0, 0.0, 1.0, 2.0, -math.inf]] * 3, dtype=F64)
DRAWS = "each row has draws of its own"
VALUES = "looks at what functions of the caller return"
HELD = dict.fromkeys(DensityEstimate._fields, EVERY_KIND.replace(" tensor ", " "))
REAL = dict.fromkeys(("fake", "meta"), "what was fitted has values")
EQUAL = dict(strided="equal rows have no likelihood")
STATE = dict(differentiable=False, rows=False, programs=False, results=(F64,))
ROWS = [
    Row(importance_weighted_bound, weights, points=(dict(log_w=ZEROS), dict(log_w=SOME))),
    Row(effective_sample_size, weights, points=(dict(log_w=ZEROS), dict(log_w=SOME))),
    Row(pareto_k, many, differentiable=False),
    Row(
        estimate_log_density,
        rows,
        differentiable=False,
        programs=False,
        results=(F64,),
        wrong=dict(num_samples=(0, -1), chunk=(0, -1)),
        no=dict(one=DRAWS, vmap=DRAWS, dtypes="weights are as rough as what the decoder returns"),
    ),
    Row(DensityEstimate, held, programs=False, unnamed=HELD),
    Row(PPCA, lambda draw: dict(n_components=2), wrong=dict(n_components=(0, -1))),
    Row(fit, data, stands_for="PPCA.fit", checkpoint=True, no=EQUAL, **STATE),
    Row(scored, lambda draw: dict(x=draw.normal(3, 4)), stands_for="PPCA.score_samples", no=REAL),
    Row(latent, lambda draw: dict(x=draw.normal(3, 4)), stands_for="PPCA.posterior", no=REAL),
    Row(
        joint,
        lambda draw: dict(x=draw.normal(3, 4), z=draw.normal(3, 2)),
        stands_for="PPCA.log_joint",
        no=REAL,
    ),
    Row(sample, lambda draw: dict(n=3, generator=seeded()), stands_for="PPCA.sample", wrong=dict(n=(-1,))),
    Row(saved, data, stands_for="PPCA.state_dict", no=EQUAL, **STATE),
    Row(
        loaded,
        lambda draw: dict(state=PPCA(2).fit(draw.normal(7, 4)).state_dict()),
        stands_for="PPCA.load_state_dict",
        wrong=dict(state=({}, {"mean": torch.ones(3)})),
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
