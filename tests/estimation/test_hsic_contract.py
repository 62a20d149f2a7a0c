"""What the measures of dependence and their tests promise."""

from typing import Any

import torch
from contract import EVERY_KIND, Row, check, each
from helpers import F64, seeded
from torch import Tensor

from lemmata.estimation import (
    HSICSketch,
    cka,
    distance_covariance,
    hsic,
    hsic_from_gram,
    hsic_gaussian_population,
    hsic_nystrom,
    hsic_test,
)


def pair(draw, **options):
    x = draw.normal(3, 5, 2)
    return dict(x=x, y=x[..., :1].sin() + draw.normal(3, 5, 1), **options)


def kernel(name):
    return lambda draw: pair(draw, kernel=name, bandwidth=1.5, estimator="unbiased")


def cubes(a, b):
    return (a @ b.mT + 1) ** 3


def grams(draw):
    x, y = draw.normal(3, 5, 2), draw.normal(3, 5, 2)
    return dict(K=x @ x.mT, L=y @ y.mT, estimator="unbiased")


def median(draw):
    return pair(draw, kernel="gaussian", bandwidth="median", estimator="biased")


def aligned(draw):
    return pair(draw, kernel="linear", bandwidth=1.5, estimator="unbiased")


def gamma(draw):
    return pair(draw, method="gamma", bandwidth=1.5)


def shuffled(draw):
    return pair(draw, method="permutation", permutations=9, bandwidth=1.5, generator=seeded())


def sketch(x: Tensor, y: Tensor, generator: Any) -> HSICSketch:
    return HSICSketch(8, bandwidth=1.5, generator=generator).update(x, y)


def value(x: Any, y: Any, estimator: str = "unbiased") -> Tensor:
    return linear(x, y).value(estimator)


def linear_cka(x: Any, y: Any, estimator: str = "unbiased") -> Tensor:
    return linear(x, y).cka(estimator)


def linear(x, y):
    return HSICSketch(kernel="linear").update(x, y)


def merged(x: Any, y: Any) -> HSICSketch:
    return linear(x[:3], y[:3]).merge(linear(x[3:], y[3:]))


def merged_with(other: HSICSketch) -> HSICSketch:
    return linear(torch.ones(3, 2), torch.ones(3, 3)).merge(other)


def data(draw, **options):
    return dict(x=draw.normal(7, 2), y=draw.normal(7, 3), **options)


def population(draw):
    return dict(rho=draw.uniform(3, 4, low=-0.9, high=0.9), bandwidth=1.5)


def nystrom(draw):
    return pair(draw, landmarks=3, bandwidth=1.5, kernel="gaussian", estimator="biased", generator=seeded())


GENERATOR = dict(generator=EVERY_KIND.removeprefix("none "))
FAR = dict(finite="the gradient is NaN for data beyond 1e18 (FAULTS L1)")
MEDIAN = "takes the median as a constant"
SHUFFLES = "each sample of a batch has permutations of its own"
LANDMARKS = "each sample of a batch has landmarks of its own"
EQUAL = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0]).double()[:, None].expand(3, 5, 2)
TEST = dict(differentiable=False, results=(None, F64))
STATE = dict(differentiable=False, rows=False, programs=False, results=(F64,))
ROWS = [
    Row(hsic, kernel("gaussian"), "gaussian", points=(dict(x=EQUAL),)),
    Row(hsic, kernel("laplace"), "laplace", points=(dict(x=EQUAL),), programs=False),
    Row(hsic, kernel("linear"), "linear", points=(dict(x=EQUAL),)),
    Row(hsic, kernel("distance"), "distance", points=(dict(x=EQUAL),), programs=False, today=FAR),
    Row(hsic, kernel(cubes), "function"),
    Row(
        hsic,
        median,
        "median",
        no=dict(gradients=MEDIAN, second=MEDIAN),
        today=dict(vmap="torch warns: square_ is slow under vmap of a gradient"),
    ),
    Row(hsic_from_gram, grams),
    Row(cka, aligned),
    Row(
        cka,
        lambda draw: aligned(draw) | dict(kernel="gaussian", estimator="biased"),
        "gaussian",
        programs=False,
    ),
    Row(distance_covariance, lambda draw: pair(draw, estimator="biased"), today=FAR),
    Row(hsic_gaussian_population, population, scalars=dict(rho=0.5), takes=dict(rho="nan")),
    Row(
        hsic_test,
        shuffled,
        programs=False,
        no=dict(one=SHUFFLES, vmap=SHUFFLES),
        **TEST,
    ),
    Row(hsic_test, gamma, "gamma", unnamed=GENERATOR, **TEST),
    Row(
        hsic_nystrom,
        nystrom,
        differentiable=False,
        no=dict(compiles="its rank depends on values", exports="likewise", one=LANDMARKS, vmap=LANDMARKS),
    ),
    Row(HSICSketch, lambda draw: dict(features=8, kernel="gaussian", bandwidth=1.5), unnamed=GENERATOR),
    Row(
        sketch,
        lambda draw: data(draw, generator=seeded()),
        stands_for="HSICSketch.update",
        checkpoint=True,
        today=dict(checkpoint="has no state_dict (FAULTS L10)"),
        **STATE,
    ),
    Row(value, data, stands_for="HSICSketch.value", **STATE),
    Row(linear_cka, data, stands_for="HSICSketch.cka", **STATE),
    Row(merged, data, stands_for="HSICSketch.merge", **STATE),
    Row(
        merged_with,
        lambda draw: dict(other=linear(draw.normal(7, 2), draw.normal(7, 3))),
        "arguments",
        "HSICSketch.merge",
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
