"""What initialisers, their theory and the inspection of a network promise."""

import torch
from contract import Row, check, each
from helpers import INF, seeded
from torch import nn

from lemmata.geometry import (
    expected_gram_error,
    fan_in_and_fan_out,
    gram_error,
    init_variance,
    inspect_initialization,
    log_norm_drift,
    orthogonal_,
    relu_correlation,
    residual_scale,
    singular_value_edges,
    truncated_normal_,
)


def inspected(draw):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    return dict(model=model, input=(draw.normal(3, 4).float(),))


FILLS = dict(fills=True, rows=False)
GENERATOR = dict(compiles="torch.compile takes no generators")
ROWS = [
    Row(
        init_variance,
        lambda draw: dict(fan_in=3, fan_out=5, mode="fan_avg", nonlinearity="leaky_relu", param=0.25),
        wrong=dict(fan_in=(0,), fan_out=(0, -1)),
    ),
    Row(
        fan_in_and_fan_out,
        lambda draw: dict(tensor=torch.ones(4, 3, dtype=torch.int64)),
        takes=dict(tensor="tensor complexes"),
    ),
    Row(residual_scale, lambda draw: dict(depth=4, growth=2.0), wrong=dict(depth=(0,), growth=(0.5, INF))),
    Row(
        orthogonal_,
        lambda draw: dict(tensor=draw.normal(4, 3), gain=2.0, generator=seeded(), batched=False),
        no=GENERATOR,
        **FILLS,
    ),
    Row(
        truncated_normal_,
        lambda draw: dict(tensor=draw.normal(4, 3), std=0.5, mean=0.5, a=-1.0, b=1.5, generator=seeded()),
        wrong=dict(std=(-1, INF)),
        no=GENERATOR,
        **FILLS,
    ),
    Row(gram_error, lambda draw: dict(weight=draw.normal(3, 5, 4))),
    Row(gram_error, lambda draw: dict(weight=draw.normal(3, 4, 5)), "wide"),
    Row(
        expected_gram_error,
        lambda draw: dict(m=4, n=5, kurtosis=2.5),
        wrong=dict(m=(0,), n=(0,), kurtosis=(0.5,)),
    ),
    Row(singular_value_edges, lambda draw: dict(m=4, n=5), wrong=dict(m=(0,), n=(0,))),
    *(
        Row(
            log_norm_drift,
            lambda draw, f=f: dict(width=4, depth=5, activation=f),
            f,
            wrong=dict(width=(0,), depth=(-1,)),
        )
        for f in ("linear", "relu")
    ),
    Row(
        relu_correlation,
        lambda draw: dict(rho=draw.uniform(3, 4, low=-0.9, high=0.9)),
        scalars=dict(rho=0.5),
        takes=dict(rho="nan"),
    ),
    Row(inspect_initialization, inspected, takes=dict(input="tensor integers complexes")),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
