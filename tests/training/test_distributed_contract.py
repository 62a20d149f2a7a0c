"""What the functions of several machines promise, on a world of one."""

import functools
import math

import pytest
import torch
from contract import Row, check, each
from helpers import F64
from torch import distributed as dist

from lemmata.training import (
    ClassShard,
    class_shard,
    sharded_hsic,
    sharded_hsic_test,
    sharded_linear_multilabel_cross_entropy,
    sharded_multilabel_cross_entropy,
)


def start():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)


@pytest.fixture(autouse=True)
def _world():
    start()
    yield
    dist.destroy_process_group()


def alone(function):
    """The function, in a world of one where there is none (as in tests/test_contract.py)."""

    @functools.wraps(function, assigned=("__doc__", "__name__", "__qualname__"))
    def call(*args, **kwargs):
        if dist.is_initialized():
            return function(*args, **kwargs)
        start()
        try:
            return function(*args, **kwargs)
        finally:
            dist.destroy_process_group()

    return call


def dense(draw):
    return dict(
        input=draw.normal(3, 6), target=draw.uniform(3, 6), threshold=draw.normal(3), reduction="none"
    )


def masked(draw):
    mask = draw.labels(3, 6, share=0.7)
    mask[:, 0] = True
    return dict(input=draw.normal(3, 6), target=draw.labels(3, 6), mask=mask, reduction="none")


def layer(draw):
    return dict(
        input=draw.normal(3, 4),
        linear_weight=draw.normal(6, 4),
        target=torch.tensor([[0, 2, -1], [5, 5, 1], [3, -1, -1]]),
        linear_bias=draw.normal(6),
        shard=ClassShard(0, 6, 6),
        threshold=0.5,
        reduction="none",
    )


def pair(draw, **rest):
    return dict(x=draw.normal(7, 2), y=draw.normal(7, 3), **rest)


def shuffled(draw):
    return pair(draw, permutations=9, bandwidth=1.0, generator=draw.generator)


VALUES = dict(
    fake="what is sent must be there",
    meta="what is sent must be there",
)
NO = dict(
    **VALUES,
    vmap="a collective is not mapped",
    forward="a collective has no forward mode",
    gradients="a collective is not mapped over batches of gradients; distributed_ranks.py has the others",
)
LAYER = ("input", "linear_weight")
NUMBER = dict(takes=dict(threshold="nan"))
ROWS = [
    Row(alone(sharded_multilabel_cross_entropy), dense, "soft", programs=False, no=NO, **NUMBER),
    Row(alone(sharded_multilabel_cross_entropy), masked, "masked", programs=False, no=NO, **NUMBER),
    Row(
        alone(sharded_linear_multilabel_cross_entropy),
        layer,
        shared=("linear_weight", "linear_bias"),
        bounded=LAYER,
        multiplies=True,
        programs=False,
        no=NO,
        takes=dict(linear_bias="none", threshold="nan"),
    ),
    Row(
        alone(sharded_hsic),
        lambda draw: pair(draw, bandwidth=1.0),
        rows=False,
        differentiable=False,
        programs=False,
        no=VALUES,
        wrong=dict(bandwidth=(0.0, math.inf, "median", None, (1.0, 2.0, 3.0)), estimator=("both",)),
    ),
    Row(
        alone(sharded_hsic_test),
        shuffled,
        rows=False,
        differentiable=False,
        programs=False,
        results=(None, F64, F64),
        no=VALUES,
    ),
    Row(alone(class_shard), lambda draw: dict(size=3), wrong=dict(size=(-1,))),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
