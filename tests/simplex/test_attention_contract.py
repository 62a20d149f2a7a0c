"""What attention and its scale promise."""

import math

import torch
from contract import Row, check, each
from torch import Tensor

from lemmata.simplex import (
    attention_entropy,
    logn_scale,
    scaled_dot_product_attention,
    sphere_entropy_deficit,
)

L, S, E = 4, 5, 2
BLIND = torch.tensor(
    [[True] * 5, [False] * 5, [True, False, True, False, False], [False, True] + [False] * 3]
)
LEVEL = dict(query=torch.zeros(3, L, E).double(), key=torch.ones(3, S, E).double())


def entropy(draw, **options):
    return dict(query=draw.normal(3, L, E, scale=2), key=draw.normal(3, S, E), **options)


def attention(draw, *heads, **options):
    query, key, value = (
        draw.normal(3, *heads, L, E),
        draw.normal(3, *heads, S, E),
        draw.normal(3, *heads, S, 2),
    )
    return dict(query=query, key=key, value=value, scale="logn", n0=2.0, **options)


def ends(n: float | Tensor):
    return logn_scale(n, n0=8, clip=False)


POINTS = (dict(attn_mask=BLIND), LEVEL)
SCALE = dict(scale=("cube", math.inf, torch.ones(7)), n0=(1.0, math.inf))
FINITE = ("query", "key", "value")
FAR = "products of numbers far apart leave the dtype"
AUTOCAST = dict(finite=FAR, autocast="which dtype a backend takes is for autocast to say, as in torch")
FUSED = "the fused backend of torch's CPU has none"
NO_BATCH = "torch has no batching rule for the fused backend: a loop, with a warning"
ROWS = [
    Row(
        logn_scale,
        lambda draw: dict(n=draw.uniform(6, low=2, high=40), n0=8.0),
        takes=dict(n="integers"),
        wrong=dict(n=(-1.0, torch.tensor([-1.0])), n0=(1, math.inf)),
        scalars=dict(n=700.0),
    ),
    Row(
        ends,
        lambda draw: dict(n=draw.uniform(6, low=2, high=40)),
        "ends",
        stands_for="logn_scale",
        takes=dict(n="integers"),
        programs=False,
        points=(dict(n=torch.tensor([0.0, 1.0, 8.0]).double()),),
    ),
    Row(
        sphere_entropy_deficit,
        lambda draw: dict(kappa=draw.normal(6, scale=4), d=62),
        scalars=dict(kappa=2.5),
        points=(dict(kappa=torch.tensor([0.0, 1e-8, 1e6, math.inf]).double()),),
        wrong=dict(d=(0,)),
    ),
    Row(
        attention_entropy,
        entropy,
        points=POINTS,
        bounded=FINITE,
        machine_code=True,
        shared=("attn_mask",),
        wrong=SCALE,
    ),
    Row(
        attention_entropy,
        lambda draw: entropy(draw, attn_mask=BLIND, is_causal=True, scale="logn", n0=2.0),
        "masked",
        bounded=FINITE,
        shared=("attn_mask",),
        programs=False,
        wrong=SCALE,
    ),
    Row(
        scaled_dot_product_attention,
        attention,
        points=POINTS,
        bounded=FINITE,
        wrong=dict(**SCALE, dropout_p=(-0.5, 2)),
        roundings=2**16,
        no=AUTOCAST,
    ),
    Row(
        scaled_dot_product_attention,
        lambda draw: attention(draw, attn_mask=BLIND, is_causal=True),
        "masked",
        bounded=FINITE,
        shared=("attn_mask",),
        wrong=SCALE,
        roundings=2**16,
        no=AUTOCAST,
    ),
    Row(
        scaled_dot_product_attention,
        lambda draw: attention(draw, 2),
        "heads",
        bounded=FINITE,
        programs=False,
        wrong=SCALE,
        roundings=2**16,
        no=dict(**AUTOCAST, gradients=FUSED, second=FUSED, forward=FUSED, vmap=NO_BATCH),
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
