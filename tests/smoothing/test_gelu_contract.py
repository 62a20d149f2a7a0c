"""What GELU and the minimax fits promise."""

import torch
from contract import Row, check, each
from helpers import INF

from lemmata.smoothing import gelu, minimax_fit


def fit(draw):
    return dict(f=torch.exp, g=lambda x, a, b: a + b * x, initial=(0.0, 0.0), domain=(0.0, 1.0))


ROWS = [
    *(
        Row(
            gelu,
            lambda draw, form=form: dict(x=draw.normal(3, 4), approximate=form),
            form,
            programs="minimax" not in form,
        )
        for form in ("none", "tanh", "sigmoid", "tanh-minimax", "sigmoid-minimax")
    ),
    Row(
        minimax_fit,
        fit,
        wrong=dict(initial=((), (0.0, INF)), domain=((1.0, 0.0), (0.0,))),
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
