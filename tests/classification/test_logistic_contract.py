"""What the closed form of logistic regression promises."""

import torch
from contract import Row, check, each
from helpers import F64, INF
from torch import Tensor, nn

from lemmata.classification import gaussian_logistic_regression, init_linear_from_lda_

CLASSES = (0, 1, 2, 0, 1, 2, 1, 0, 2, 2)


def problems(**options):
    """Three problems side by side, of ten rows with two features."""
    return lambda draw: dict(
        input=draw.normal(3, 10, 2), target=torch.tensor([CLASSES] * 3), num_classes=3, **options
    )


def started(input: Tensor, shrinkage: float | str, ignore_index: int):
    """Weights and biases of a layer like its features."""
    width = input.shape[-1] if isinstance(input, Tensor) and input.dim() else 2
    like = dict(dtype=input.dtype, device=input.device) if getattr(input, "is_floating_point", bool)() else {}
    layer, target = nn.Linear(width, 3, **like), torch.tensor(CLASSES, device=like.get("device"))
    init_linear_from_lda_(layer, input, target, shrinkage=shrinkage, ignore_index=ignore_index)
    return layer.weight.detach(), layer.bias.detach()


CONSTANT = torch.tensor([[[1.0, k % 3 + 0.25 * (k % 2)] for k in range(10)]] * 3, dtype=F64)
EQUAL = torch.tensor([[[k**2 / 8.0] * 2 for k in range(10)]] * 3, dtype=F64)
BOTH = dict(
    points=(dict(input=CONSTANT), dict(input=EQUAL)),
    wrong=dict(num_classes=(0,), shrinkage=(-0.1, 1.1, INF, "Auto"), priors=(torch.ones(2),)),
    bounded=("input",),
    roundings=512,
)
ROWS = [
    Row(gaussian_logistic_regression, problems(shrinkage=0.25), **BOTH),
    Row(gaussian_logistic_regression, problems(), "auto", **BOTH),
    Row(
        gaussian_logistic_regression,
        problems(shrinkage=0.0, unbiased=True, ignore_index=-100),
        "unbiased",
        **BOTH,
    ),
    Row(
        started,
        lambda draw: dict(input=draw.normal(10, 2), shrinkage=0.25, ignore_index=-100),
        stands_for="init_linear_from_lda_",
        rows=False,
        differentiable=False,
        programs=False,
        roundings=512,
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
