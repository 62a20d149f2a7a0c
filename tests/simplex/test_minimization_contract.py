"""What the functions that minimise over the simplex promise."""

import torch
from contract import Row, check, each
from torch import Tensor

from lemmata.simplex import (
    em_mixture_weights,
    exponentiated_gradient,
    frank_wolfe,
    projected_gradient,
    simplex_gap,
    softmax_gradient_descent,
)


def distance(p: Tensor) -> Tensor:
    x = torch.linspace(-0.5, 1.0, 6, dtype=p.dtype, device=p.device)
    return (p - x).square().sum(-1)


def pairs(draw):
    return dict(p=draw.normal(3, 6).softmax(-1), grad=draw.normal(3, 6), dim=-1)


def search(name="p0", **options):
    def inputs(draw):
        x = draw.normal(3, 6)
        if name == "p0":  # probabilities whose sum is 1 in every type
            x = torch.tensor([4, 4, 3, 2, 2, 1]).to(x)[x.argsort(-1)] / 16
        return {"f": distance, name: x, "tol": 0.0, "steps": 5, **options}

    return inputs


LOOP = dict(
    differentiable=False,
    programs=False,
    no=dict(
        vmap="rows are side by side already, and autograd of f knows no vmap",
        empty="no rows take no steps: their history has one column",
    ),
)
WRONG = dict(tol=(-1.0,), steps=(-1,))
RATE = dict(wrong=dict(lr=(0.0, float("inf")), **WRONG))
ROWS = [
    Row(simplex_gap, pairs, wrong=dict(dim=(2, -3))),
    *(
        Row(frank_wolfe, search(step_size=size, steps=2), size, wrong=WRONG, roundings=2**12, **LOOP)
        for size in ("2/(t+2)", "sought", "away")
    ),
    *(
        Row(function, search(name, lr=lr), case, **RATE, **LOOP)
        for function, name in (
            (exponentiated_gradient, "p0"),
            (projected_gradient, "p0"),
            (softmax_gradient_descent, "logits"),
        )
        for case, lr in (("", 0.25), ("sought", None))
    ),
    Row(
        em_mixture_weights,
        lambda draw: dict(log_likelihood=draw.normal(3, 8, 4), tol=0.0, steps=5),
        wrong=WRONG,
        **LOOP,
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
