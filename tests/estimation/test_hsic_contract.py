"""What the measures of dependence and their tests promise."""

from typing import Any

import torch
from contract import Row, check, each
from helpers import F64, seeded
from torch import Tensor

from lemmata.estimation import (
    HSICSketch,
    cka,
    distance_correlation,
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


def saved(x: Any, y: Any) -> Any:
    return linear(x, y).state_dict()["sums"]


def loaded(state: dict[str, Any]) -> HSICSketch:
    fresh = linear(torch.ones(3, 2), torch.ones(3, 3))
    fresh.load_state_dict(state)
    return fresh


def data(draw, **options):
    return dict(x=draw.normal(7, 2), y=draw.normal(7, 3), **options)


def population(draw):
    return dict(rho=draw.uniform(3, 4, low=-0.9, high=0.9), bandwidth=1.5)


def nystrom(draw):
    return pair(draw, landmarks=3, bandwidth=1.5, kernel="gaussian", estimator="biased", generator=seeded())


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
    Row(hsic, kernel("distance"), "distance", points=(dict(x=EQUAL),), programs=False),
    Row(hsic, kernel(cubes), "function"),
    Row(hsic, median, "median", no=dict(gradients=MEDIAN, second=MEDIAN)),
    Row(hsic_from_gram, grams),
    Row(cka, aligned),
    Row(
        cka,
        lambda draw: aligned(draw) | dict(kernel="gaussian", estimator="biased"),
        "gaussian",
        programs=False,
    ),
    Row(distance_covariance, lambda draw: pair(draw, estimator="biased")),
    Row(distance_correlation, lambda draw: pair(draw, estimator="biased"), "biased", points=(dict(x=EQUAL),)),
    Row(distance_correlation, lambda draw: pair(draw, estimator="unbiased"), programs=False),
    Row(hsic_gaussian_population, population, scalars=dict(rho=0.5), takes=dict(rho="nan")),
    Row(
        hsic_test,
        shuffled,
        programs=False,
        no=dict(one=SHUFFLES, vmap=SHUFFLES),
        **TEST,
    ),
    Row(hsic_test, gamma, "gamma", **TEST),
    Row(
        hsic_nystrom,
        nystrom,
        differentiable=False,
        no=dict.fromkeys(("compiles", "exports", "fake", "meta"), "its rank depends on values")
        | dict(one=LANDMARKS, vmap=LANDMARKS),
    ),
    Row(HSICSketch, lambda draw: dict(features=8, kernel="gaussian", bandwidth=1.5)),
    Row(
        sketch,
        lambda draw: data(draw, generator=seeded()),
        stands_for="HSICSketch.update",
        checkpoint=True,
        **STATE,
    ),
    Row(value, data, stands_for="HSICSketch.value", **STATE),
    Row(linear_cka, data, stands_for="HSICSketch.cka", **STATE),
    Row(merged, data, stands_for="HSICSketch.merge", **STATE),
    Row(saved, data, stands_for="HSICSketch.state_dict", **STATE),
    Row(
        loaded,
        lambda draw: dict(state=linear(draw.normal(7, 2), draw.normal(7, 3)).state_dict()),
        stands_for="HSICSketch.load_state_dict",
        wrong=dict(state=({}, {"sums": []})),
    ),
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
