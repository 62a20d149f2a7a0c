"""What three ranks run for test_distributed.py: one is wrong, late or dead."""

import functools
import json
import os
import sys
import time
from datetime import timedelta

import torch
from torch import distributed as dist

from lemmata.training import (
    class_shard,
    sharded_hsic,
    sharded_hsic_test,
    sharded_linear_multilabel_cross_entropy,
    sharded_multilabel_cross_entropy,
)

RANK, FOLDER = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
scores, labels = torch.randn(4, 3), torch.zeros(4, 3)
x = torch.arange(8.0)[:, None]


def world(name, size=3, timeout=60.0):
    store = f"file://{FOLDER}/store-{name}"
    dist.init_process_group(
        "gloo", init_method=store, rank=RANK, world_size=size, timeout=timedelta(seconds=timeout)
    )


def tell(name, call):
    """What a call raises here, and after how long."""
    begun = time.monotonic()
    try:
        call()
        said = ["nothing", ""]
    except Exception as error:
        said = [type(error).__name__, str(error)]
    print(json.dumps([name, *said, time.monotonic() - begun]), flush=True)


def wrong(right, other):
    return other if RANK == 1 else right


world("wrong")
shard, loss = class_shard(3), sharded_multilabel_cross_entropy
layer = functools.partial(sharded_linear_multilabel_cross_entropy, linear_weight=torch.ones(3, 2))
five, some = torch.zeros(5, 3), torch.ones(4, 3, dtype=torch.bool)
learns = torch.zeros(4, requires_grad=True)
tell("target", lambda: loss(scores, wrong(labels, labels + 2)))
tell("index", lambda: loss(scores, torch.full((4, 1), wrong(8, 9)), shard=shard))
tell("input", lambda: loss(wrong(scores, scores.tolist()), labels))
tell("features", lambda: layer(wrong(torch.ones(4, 2), None), target=labels))
tell("size", lambda: class_shard(wrong(3, -1)))
tell("samples", lambda: sharded_hsic(wrong(x, None), x, kernel="linear"))
tell("permutations", lambda: sharded_hsic_test(x, x, kernel="linear", permutations=wrong(3, 0)))
tell("rows", lambda: loss(wrong(scores, five), wrong(labels, five)))
tell("dtype", lambda: loss(wrong(scores, scores.double()), labels))
tell("mask", lambda: loss(scores, labels, mask=wrong(None, some)))
tell("reduction", lambda: loss(scores, labels, reduction=wrong("mean", "sum")))
tell("threshold", lambda: loss(scores, labels, threshold=wrong(0.5, 0.0)))
theta = torch.zeros(4)
tell("thetas", lambda: layer(torch.ones(4, 2), target=labels, threshold=wrong(theta, theta + 1)))
tell("learns", lambda: loss(scores, labels, threshold=wrong(0.0, learns)))
tell("layer", lambda: layer(torch.ones(wrong(4, 5), 2), target=wrong(labels, five)))
tell("another", lambda: class_shard(3) if RANK == 1 else loss(scores, labels))
tell("pairs", lambda: sharded_hsic(x, wrong(x, x[:3]), kernel="linear"))
tell("width", lambda: sharded_hsic(x, x, bandwidth=wrong(1.0, 2.0)))
tell("kept", lambda: loss(scores, labels))  # the group is as good as before
dist.destroy_process_group()

world("late", timeout=2)
if RANK == 2:
    time.sleep(4)
tell("late", lambda: sharded_multilabel_cross_entropy(scores, labels))
dist.destroy_process_group()


def dies(a, b):
    if RANK == 2:
        os._exit(0)
    return a @ b.mT


world("ring")
tell("ring", lambda: sharded_hsic_test(x, x, kernel=dies, permutations=3))
dist.destroy_process_group()
world("dead", 2)
if RANK == 1:
    os._exit(0)
tell("dead", lambda: sharded_multilabel_cross_entropy(scores, labels))
os._exit(0)
