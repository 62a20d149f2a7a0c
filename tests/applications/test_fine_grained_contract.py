"""What the losses and weights of fine-tuning promise."""

import math

import torch
from contract import Row, check, each
from torch import Tensor
from torch.func import functional_call

from lemmata.applications import CenterLoss, ensemble_weight

INDEX = torch.tensor([0, 2, 1, 2])


LEARNED = CenterLoss(3, 2, reduction="none").requires_grad_(False)


def learned(features: Tensor, labels: Tensor) -> Tensor:
    """With centres that an optimiser moves, on the device of the features."""
    device = features.device if isinstance(features, Tensor) else None
    centers = torch.tensor([[0.5, 0.0], [0.0, 1.0], [-1.0, 0.0]]).to(device)
    return functional_call(LEARNED, dict(centers=centers), (features, labels))


def batch(draw):
    return dict(features=draw.normal(4, 2), labels=INDEX.to(draw.device))


def heads(draw):
    log_p, log_q = (draw.normal(4, 5, 3).log_softmax(-1) for _ in range(2))
    return dict(log_p=log_p, log_q=log_q, labels=draw.below(3, 4, 5))


ROWS = [
    Row(
        CenterLoss,
        lambda draw: dict(num_classes=3, dim=2, momentum=0.5, reduction="sum"),
        wrong=dict(num_classes=(0, -1), dim=(0,), momentum=(0.0, 1.5, math.nan), reduction=("median",)),
        takes=dict(momentum="none"),
        checkpoint=True,
    ),
    Row(learned, batch, stands_for="CenterLoss.forward"),
    Row(ensemble_weight, heads, differentiable=False),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
