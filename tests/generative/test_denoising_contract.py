"""What scores, denoisers and chains promise."""

import math
from collections.abc import Iterable

import torch
from contract import EVERY_KIND, Row, check, each
from helpers import seeded
from torch import Tensor

from lemmata.generative import (
    LangevinChains,
    annealed_langevin,
    dsm_loss,
    kde_score,
    langevin,
    posterior_covariance,
    tweedie,
)


def score(y, sigma):
    """Of two points, +1 and -1 in each coordinate, with noise."""
    return ((y / sigma**2).tanh() - y) / sigma**2


def denoised(y: Tensor, sigma: float | Tensor):
    return tweedie(score, y, sigma)


def covariance(y: Tensor, sigma: float | Tensor):
    return posterior_covariance(score, y, sigma)


def plain(x):
    return -x


def log_density(x):
    return -x.square().flatten(1).sum(1) / 2


def loss(x: Tensor, sigma: float | Tensor, generator: torch.Generator | None):
    return dsm_loss(score, x, sigma, generator=generator)


def adjusted(x0: Tensor, step: float, n: int, generator: torch.Generator | None):
    return langevin(plain, x0, step, n, log_density=log_density, generator=generator)


def annealed(x0: Tensor, sigmas: Iterable[float], step: float, n: int, generator: torch.Generator | None):
    return annealed_langevin(score, x0, sigmas, step, n, generator=generator)


def points(draw):
    return dict(y=draw.normal(3, 2), sigma=0.5)


def start(draw):
    return dict(score=plain, x0=draw.normal(3, 2), step=0.5, n=3, callback=None, generator=seeded())


CHAINS = dict(one="each chain has draws of its own", vmap="each chain has draws of its own")
WRONG = dict(sigma=(0.0, -1.0, math.nan, math.inf))
STEPS = dict(step=(0.0, -1.0, math.nan, math.inf), n=(0, -1))
HELD = dict.fromkeys(LangevinChains._fields, EVERY_KIND.replace(" tensor ", " "))
ROWS = [
    Row(denoised, points, stands_for="tweedie", programs=False, wrong=WRONG),
    Row(
        covariance,
        points,
        stands_for="posterior_covariance",
        programs=False,
        wrong=WRONG,
        no=dict(dtypes="so is the score"),
    ),
    Row(
        kde_score,
        lambda draw: dict(y=draw.normal(3, 2), data=draw.normal(4, 2), sigma=0.5),
        shared=("data",),
        wrong=WRONG | dict(data=(torch.zeros(0, 2), torch.zeros(4, 3), torch.zeros(2))),
    ),
    Row(
        loss,
        lambda draw: dict(x=draw.normal(3, 2), sigma=0.5, generator=seeded()),
        stands_for="dsm_loss",
        rows=False,
        programs=False,
        wrong=WRONG | dict(x=(torch.zeros(0, 2),)),
        no=dict(dtypes="the score sees rounded points", finite="the score of an infinite point is infinite"),
    ),
    Row(
        langevin,
        start,
        differentiable=False,
        programs=False,
        wrong=STEPS,
        no=CHAINS,
    ),
    Row(
        adjusted,
        lambda draw: {k: v for k, v in start(draw).items() if k not in ("score", "callback")},
        case="Metropolis",
        stands_for="langevin",
        differentiable=False,
        programs=False,
        wrong=STEPS,
        no=CHAINS,
    ),
    Row(
        annealed,
        lambda draw: dict(x0=draw.normal(3, 2), sigmas=[1.0, 0.5], step=0.5, n=2, generator=seeded()),
        stands_for="annealed_langevin",
        differentiable=False,
        programs=False,
        takes=dict(sigmas="list array"),
        wrong=STEPS | dict(sigmas=([], [0.5, 1.0], [1.0, 1.0], [1.0, -1.0], [math.inf, 1.0])),
        no=CHAINS,
    ),
    Row(
        LangevinChains,
        lambda draw: dict(x=draw.normal(3, 2), acceptance=draw.uniform(3)),
        programs=False,
        unnamed=HELD,
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
