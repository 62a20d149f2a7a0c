"""What the losses and measures for rare classes promise."""

import torch
from contract import Row, check, each
from torch import Tensor

from lemmata.classification import (
    balanced_error,
    binary_focal_loss,
    f1_optimal_threshold,
    focal_loss,
    focal_recalibrate,
    logit_adjusted_cross_entropy,
)

TIES = torch.tensor([[1.0, 1.0, 0.0, 0.0, 0.0, 0.0], [2.0] * 6, [0.0, 3.0, 3.0, 3.0, -1.0, 2.0]]).double()
SURE = torch.tensor([[90.0] + 5 * [0.0], [0.0, 0.0, -300.0, 0.0, 0.0, 900.0], [1e4] * 6]).double()
POINTS = (dict(input=TIES), dict(input=SURE))
GAMMA = dict(wrong=dict(gamma=(-1.0, float("inf"), float("nan"))))


def classes(draw, **options):
    return dict(input=draw.normal(3, 6), target=draw.below(6, 3), reduction="none", **options)


def weighted_loss(input: Tensor, target: Tensor, gamma: float) -> Tensor:
    """Weights are constants."""
    weight = torch.tensor([3.0, 1.0, 0.25, 1.0, 9.0, 1.0])
    weight = weight.to(input.device) if isinstance(input, Tensor) else weight
    return focal_loss(input, target, gamma=gamma, class_weight=weight, reduction="none")


def weighted(draw):
    return {name: value for name, value in classes(draw, gamma=2.0).items() if name != "reduction"}


def binary(draw, **options):
    return dict(input=draw.normal(3, 6), target=draw.labels(3, 6), gamma=2.0, reduction="none", **options)


def soft(draw):
    return binary(draw) | dict(target=draw.uniform(3, 6, low=0.1, high=0.9))


def adjusted(draw):
    return classes(draw, prior=1 + draw.below(9, 6), tau=1.0)


ROWS = [
    Row(focal_loss, lambda draw: classes(draw, gamma=2.0), points=POINTS, machine_code=True, **GAMMA),
    Row(weighted_loss, weighted, points=POINTS, programs=False, **GAMMA),
    *(
        Row(
            focal_loss,
            lambda draw, g=g: classes(draw, gamma=g),
            f"gamma {g}",
            points=POINTS,
            programs=False,
            **GAMMA,
        )
        for g in (0, 0.5, 1)
    ),
    Row(binary_focal_loss, lambda draw: binary(draw, pos_weight=2.0), points=POINTS, **GAMMA),
    Row(binary_focal_loss, soft, "soft", points=(dict(target=(TIES > 1).double()), *POINTS), **GAMMA),
    Row(
        focal_recalibrate,
        lambda draw: dict(input=draw.normal(3, 6), gamma=2.0, dim=-1),
        points=POINTS,
        wrong=dict(dim=(2, -3), gamma=(-1.0,)),
    ),
    Row(
        focal_recalibrate,
        lambda draw: dict(input=draw.normal(3, 6), gamma=0.5, dim=None),
        "yes or no",
        points=POINTS,
        **GAMMA,
    ),
    Row(
        logit_adjusted_cross_entropy,
        adjusted,
        points=POINTS,
        shared=("prior",),
        wrong=dict(tau=(float("inf"), float("nan"))),
    ),
    Row(
        balanced_error,
        lambda draw: dict(input=draw.normal(3, 6), target=draw.below(6, 3)),
        rows=False,
        differentiable=False,
    ),
    Row(
        f1_optimal_threshold,
        lambda draw: dict(input=draw.normal(3, 6), target=draw.labels(3, 6)),
        differentiable=False,
    ),
    Row(
        f1_optimal_threshold,
        lambda draw: dict(input=draw.normal(3, 6), target=draw.uniform(3, 6)),
        "soft",
        differentiable=False,
        programs=False,
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
