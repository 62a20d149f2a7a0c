"""What the functions of several machines promise, on a world of one."""

import math

import pytest
import torch
from contract import Row, check, each
from torch import distributed as dist

from lemmata.training import (
    class_shard,
    sharded_hsic,
    sharded_hsic_test,
    sharded_linear_multilabel_cross_entropy,
    sharded_multilabel_cross_entropy,
)
from lemmata.training._distributed.groups import ClassShard


def world_of_one():
    if not dist.is_initialized():
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)


@pytest.fixture(autouse=True)
def _world():
    world_of_one()
    yield
    dist.destroy_process_group()


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


def shards(size):
    world_of_one()
    return class_shard(size)


NO = dict(
    vmap="a collective is not mapped",
    forward="a collective has no forward mode",
)
LAYER = ("input", "linear_weight")
NUMBER = dict(takes=dict(threshold="nan"))
ROWS = [
    Row(sharded_multilabel_cross_entropy, dense, "soft", programs=False, no=NO, **NUMBER),
    Row(sharded_multilabel_cross_entropy, masked, "masked", programs=False, no=NO, **NUMBER),
    Row(
        sharded_linear_multilabel_cross_entropy,
        layer,
        shared=("linear_weight", "linear_bias"),
        bounded=LAYER,
        multiplies=True,
        programs=False,
        no=NO,
        takes=dict(linear_bias="none", threshold="nan"),
    ),
    Row(
        sharded_hsic,
        lambda draw: pair(draw, bandwidth=1.0),
        rows=False,
        differentiable=False,
        programs=False,
        wrong=dict(bandwidth=(0.0, math.inf, "median", None, (1.0, 2.0, 3.0)), estimator=("both",)),
    ),
    Row(sharded_hsic_test, shuffled, rows=False, differentiable=False, programs=False),
    Row(shards, lambda draw: dict(size=3), stands_for="class_shard", wrong=dict(size=(-1,))),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
