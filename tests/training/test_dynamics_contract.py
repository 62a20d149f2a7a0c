"""What steps promise."""

import math
from typing import Any

import torch
from contract import Row, check, each

from lemmata.training import Polyak, polyak_step, steepest_direction

CONSTANT = dict(differentiable=False)


def three(draw):
    return dict(grad=draw.normal(3, 4), dim=-1)


def models(draw):
    """Three models side by side, with a loss each."""
    return dict(
        grad=draw.normal(3, 4, 2),
        loss=draw.uniform(3, low=1.0, high=2.0),
        f_star=0.5,
        lr=1.5,
        max_lr=0.25,
        max_scale=0.5,
    )


def moved(
    start: Any,
    grad: Any,
    loss: Any,
    f_star: float = 0.0,
    lr: float = 1.0,
    max_lr: float = math.inf,
    max_scale: float = math.inf,
):
    """A parameter after one step of the optimiser."""
    p = torch.nn.Parameter(start.detach().clone())
    optimizer = Polyak([p], f_star, lr=lr, max_lr=max_lr, max_scale=max_scale)

    def closure():
        p.grad = grad.detach().clone()
        return loss.detach().clone()

    optimizer.step(closure)
    return p.detach()


def grouped(start: Any, grad: Any, loss: Any, f_star: float = 0.0, lr: float = 1.0):
    """A parameter of a second group after one step, with a target and a rate of its own."""
    p = torch.nn.Parameter(start.detach().clone())
    optimizer = Polyak([torch.nn.Parameter(torch.zeros_like(p))], f_star=-1.0)
    optimizer.add_param_group(dict(params=[p], f_star=f_star, lr=lr))

    def closure():
        p.grad = grad.detach().clone()
        return loss.detach().clone()

    optimizer.step(closure)
    return p.detach()


def in_a_group(draw):
    given = one_model(draw)
    return {name: given[name] for name in ("start", "grad", "loss", "f_star", "lr")}


def one_model(draw):
    given = models(draw)
    return dict(start=draw.normal(4, 2), grad=draw.normal(4, 2), loss=draw.uniform(low=1.0, high=2.0)) | {
        name: given[name] for name in ("f_star", "lr", "max_lr", "max_scale")
    }


SIZES = dict(lr=(0.0, -1.0, math.inf), max_lr=(0.0, -1.0), max_scale=(0.0, -1.0))
TAKEN = dict(wrong=SIZES)
ROWS = [
    *(
        Row(
            steepest_direction,
            lambda draw, norm=norm: {**three(draw), "norm": norm},
            case=norm,
            wrong=dict(norm=("l3",), dim=(2, -3, (0, 0), ())),
            **CONSTANT,
        )
        for norm in ("l1", "l2", "linf")
    ),
    Row(
        steepest_direction,
        lambda draw: dict(grad=draw.normal(3, 4, 2), norm="spectral", dim=(1, 2)),
        case="spectral",
        wrong=dict(dim=(1, (0,), (0, 0))),
        takes=dict(dim="none"),
        **CONSTANT,
    ),
    Row(polyak_step, models, takes=dict(f_star="integer fraction nan"), **TAKEN, **CONSTANT),
    Row(moved, one_model, stands_for="Polyak.step", rows=False, programs=False, **TAKEN, **CONSTANT),
    Row(
        grouped,
        in_a_group,
        stands_for="Polyak.add_param_group",
        rows=False,
        programs=False,
        wrong=dict(lr=SIZES["lr"]),
        **CONSTANT,
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
