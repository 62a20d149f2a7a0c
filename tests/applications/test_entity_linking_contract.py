"""What the functions of entity linking promise."""

import math

import torch
from contract import Row, check, each

from lemmata.applications import link, mention_prior

HERE = [[True, True, True, False], [True, False, True, True], [True, True, False, True], [True] * 4]
NOTHING = dict(mask=torch.zeros(4, 4, dtype=torch.bool))


def scored(draw):
    return dict(scores=draw.normal(4, 4) - 1.0, mask=torch.tensor(HERE))


ROWS = [
    Row(
        mention_prior,
        lambda draw: dict(counts=draw.uniform(4, 4) * 9, alpha=0.5, mask=torch.tensor(HERE)),
        points=(NOTHING,),
        takes=dict(mask="none", alpha="tensor"),
        wrong=dict(alpha=(0.0, -1.0, math.nan, math.inf), mask=(torch.ones(7, dtype=torch.bool),)),
    ),
    Row(
        link,
        lambda draw: scored(draw) | dict(threshold=-1.5),
        differentiable=False,
        results=(torch.int64,),
        takes=dict(mask="none", threshold="tensor nan"),
        wrong=dict(mask=(torch.ones(7, dtype=torch.bool),)),
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
