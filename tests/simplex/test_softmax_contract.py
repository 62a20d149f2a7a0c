"""What softmax and its alternatives promise."""

from typing import Any

import torch
from contract import Row, check, each
from torch import Tensor

from lemmata.simplex import am_softmax_loss, entmax, entmax_loss, sparsemax, taylor_softmax, topk_softmax

TIES = torch.tensor([[1.0, 1.0, 0.0, 0.0, 0.0, 0.0], [2.0] * 6, [0.0, 3.0, 3.0, 3.0, -1.0, 2.0]]).double()
EDGE = torch.tensor(
    [[1.0, 0.0, 0.0, 0.0, 0.0, -9.0], [2.0, 0.0] * 3, [4.0, 0.0, 3.0, 0.0, 2.0, 0.0]]
).double()
POINTS = (dict(x=TIES), dict(x=EDGE))


def rows(scale=1.0, **options):
    return lambda draw: dict(x=draw.normal(3, 6, scale=scale), dim=-1, **options)


def classes(draw, **options):
    return dict(input=draw.normal(3, 6), target=draw.below(6, 3), reduction="none", **options)


def soft_loss(input: Tensor, target: Any, alpha: float) -> Tensor:
    """Labels of any size, so that differences can be made of them."""
    return entmax_loss(input, torch.softmax(target, -1), alpha=alpha, reduction="none")


def soft(draw):
    return dict(input=draw.normal(3, 6), target=draw.normal(3, 6), alpha=1.5)


ALPHA = dict(wrong=dict(alpha=(0.5, float("inf"))))
ROWS = [
    Row(entmax, rows(alpha=1.5), points=POINTS, machine_code=True, wrong=dict(alpha=(0.5,), dim=(2, -3))),
    *(
        Row(entmax, rows(alpha=alpha), f"alpha {alpha}", points=POINTS, programs=False, **ALPHA)
        for alpha in (1, 1.125, 1.75)
    ),
    # of two entries the difference is linear: 0 is the Hessian, which rounding misses
    Row(entmax, rows(scale=0.125, alpha=3), "alpha 3", points=POINTS, programs=False, **ALPHA),
    Row(
        entmax,
        lambda draw: dict(x=draw.normal(3, 6), alpha=1.5, dim=0),
        "across",
        rows=False,
        programs=False,
        **ALPHA,
    ),
    Row(sparsemax, rows(), points=POINTS, programs=False),
    Row(
        entmax_loss,
        lambda draw: classes(draw, alpha=1.5),
        points=(dict(input=TIES), dict(input=EDGE)),
        **ALPHA,
    ),
    *(
        Row(entmax_loss, lambda draw, a=a: classes(draw, alpha=a), f"alpha {a}", programs=False, **ALPHA)
        for a in (1, 2)
    ),
    Row(soft_loss, soft, stands_for="entmax_loss", case="soft", programs=False, bounded=("input", "target")),
    Row(taylor_softmax, rows(order=2), points=POINTS, wrong=dict(order=(3, 0))),
    Row(taylor_softmax, rows(order=6), "6", points=POINTS, programs=False),
    Row(topk_softmax, rows(k=2), points=POINTS, wrong=dict(k=(0,))),
    Row(
        am_softmax_loss,
        lambda draw: classes(draw, margin=0.25, scale=8.0),
        wrong=dict(scale=(0, float("inf")), margin=(float("inf"),)),
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
