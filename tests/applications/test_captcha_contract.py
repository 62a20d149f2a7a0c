"""What the functions of the captcha promise."""

import math

import torch
from contract import Row, check, each
from helpers import F64, INF

from lemmata.applications import (
    SeparableConv2d,
    ctc_alignments,
    exact_match_bounds,
    merged_nll,
)

AWKWARD = torch.tensor([[INF, 0.0, INF, 1.0], [-INF] * 4, [-INF, -INF, 0.0, 1.0]], dtype=F64)
TIES = torch.zeros(3, 4, dtype=F64)


def scores(**options):
    return lambda draw: dict(
        input=draw.normal(3, 4, scale=2),
        target=torch.tensor([0, 1, 0]),
        groups=torch.tensor([0, 0, 1, 2]),
        ignore_index=-100,
        **options,
    )


def layer(draw):
    return dict(in_channels=3, out_channels=4, kernel_size=3, stride=2, padding=1, dilation=2, bias=False)


ROWS = [
    Row(
        merged_nll,
        scores(reduction="none"),
        shared=("groups",),
        points=(dict(input=AWKWARD), dict(input=TIES), dict(target=torch.tensor([3, 3, -100]))),
        wrong=dict(
            target=(torch.tensor([0, 4, 0]), torch.tensor([0, 1])), groups=(torch.tensor([0, 0, 1, 4]),)
        ),
    ),
    Row(
        exact_match_bounds,
        lambda draw: dict(accuracy=draw.uniform(3, 4) * 0.2 + 0.8, dim=-1),
        wrong=dict(accuracy=(torch.tensor([0.5, 1.1]), torch.tensor([math.nan])), dim=(2, -3)),
    ),
    Row(
        SeparableConv2d,
        layer,
        programs=False,
        wrong=dict(in_channels=(0,), out_channels=(0,), kernel_size=(0,), stride=(0,), padding=(-1,)),
    ),
    Row(
        ctc_alignments,
        lambda draw: dict(target=[1, 1, 2], input_length=5),
        wrong=dict(input_length=(-1,), target=(torch.tensor([1, 1]),)),
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
