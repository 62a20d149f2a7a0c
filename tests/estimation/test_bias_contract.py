"""What the estimators of moments promise."""

import math
from typing import Any

import torch
from contract import Row, check, each
from helpers import F64
from torch import Tensor

from lemmata.estimation import (
    Moments,
    c4,
    jackknife,
    k_statistic,
    k_statistic_variance,
    log_mean_exp,
    mse_optimal_divisor,
    pearson_correlation,
    u_statistic,
    unbiased_std,
    v_statistic,
    variance,
)


def sample(**options):
    """Six samples along axis 0, in three columns."""
    return lambda draw: dict(x=draw.normal(6, 3), **options)


def weighted(draw):
    return dict(x=draw.normal(6, 3), dim=0, correction=1.0, weights=draw.uniform(6, 3))


def pairs(draw):
    return dict(x=draw.normal(6, 3), y=draw.normal(6, 3), dim=0)


def log_of_squares(x):
    return x.square().mean(0).log()


def waves(a, b):
    return (a - 2 * b).sin()


def updated(first: Any, x: Tensor) -> Moments:
    return Moments.of(first, dim=0).update(x)


def merged(x: Any, y: Any) -> Moments:
    return Moments.of(x, dim=0).merge(Moments.of(y, dim=0))


def merged_with(other: Moments) -> Moments:
    return Moments.of(torch.ones(4, 3), dim=0).merge(other)


def saved(x: Any) -> Tensor:
    return Moments.of(x, dim=0).state_dict()["state"]


def loaded(state: dict[str, Any]) -> Moments:
    fresh = Moments.of(torch.ones(4, 3), dim=0)
    fresh.load_state_dict(state)
    return fresh


def k_of_moments(x: Any, order: int) -> Tensor:
    return Moments.of(x, dim=0).k_statistic(order)


def two(*names):
    return lambda draw: dict(zip(names, (draw.normal(6, 3), draw.normal(4, 3)), strict=True))


STATE = dict(differentiable=False, programs=False, results=(F64,))
COLUMNS = dict(axis=1)
EQUAL = dict(points=(dict(x=torch.ones(6, 3, dtype=F64)),))
ROWS = [
    Row(
        variance,
        sample(dim=0, correction=1.0),
        programs=False,
        wrong=dict(correction=(math.nan,)),
        **COLUMNS,
        **EQUAL,
    ),
    Row(variance, weighted, "weighted", **COLUMNS),
    Row(variance, lambda draw: dict(x=draw.normal(4, 3), dim=None), "whole", rows=False, programs=False),
    Row(unbiased_std, sample(dim=0), **COLUMNS, **EQUAL),
    Row(c4, lambda draw: dict(n=7), wrong=dict(n=(1, -1))),
    Row(mse_optimal_divisor, lambda draw: dict(n=7, kurtosis=2.5), wrong=dict(n=(1,), kurtosis=(0.5,))),
    *(
        Row(k_statistic, sample(order=k, dim=0), f"{k}", programs=k == 4, **COLUMNS, **EQUAL)
        for k in (1, 2, 3, 4)
    ),
    *(
        Row(k_statistic_variance, sample(order=k, dim=0), f"{k}", programs=k == 2, **COLUMNS, **EQUAL)
        for k in (1, 2)
    ),
    Row(jackknife, sample(statistic=log_of_squares, dim=0), **COLUMNS, **EQUAL),
    Row(u_statistic, sample(kernel=waves, order=2), **COLUMNS, **EQUAL),
    Row(v_statistic, sample(kernel=waves, order=2), **COLUMNS, **EQUAL),
    *(
        Row(
            log_mean_exp,
            sample(dim=0, correction=how),
            how or "",
            programs=how == "jackknife",
            **COLUMNS,
            **EQUAL,
        )
        for how in (None, "delta", "jackknife")
    ),
    Row(pearson_correlation, pairs, programs=False, **COLUMNS),
    Row(pearson_correlation, lambda draw: pairs(draw) | dict(unbiased=True), "unbiased", **COLUMNS),
    Row(Moments.of, sample(dim=0), checkpoint=True, rows=False, **STATE),
    Row(updated, two("first", "x"), stands_for="Moments.update", rows=False, **STATE),
    Row(merged, two("x", "y"), stands_for="Moments.merge", rows=False, **STATE),
    Row(
        merged_with,
        lambda draw: dict(other=Moments.of(draw.normal(5, 3), dim=0)),
        "arguments",
        "Moments.merge",
    ),
    Row(saved, sample(), stands_for="Moments.state_dict", rows=False, **STATE),
    Row(
        loaded,
        lambda draw: dict(state=Moments.of(draw.normal(5, 3), dim=0).state_dict()),
        stands_for="Moments.load_state_dict",
        wrong=dict(state=({}, {"state": torch.ones(6)})),
    ),
    Row(k_of_moments, sample(order=3), stands_for="Moments.k_statistic", **COLUMNS, **STATE),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
