"""What the soft forms of hard functions promise."""

import torch
from contract import Row, check, each
from helpers import INF

from lemmata.smoothing import (
    smooth_accuracy,
    smooth_fbeta,
    smooth_sign,
    smooth_step,
    soft_argmax,
    soft_one_hot,
    soft_round,
    soft_round_inverse,
    soft_top_k,
)

TIES = torch.tensor([[1.0, 1.0, 0.0, 0.0, 0.0, 0.0], [2.0] * 6, [0.0, 3.0, 3.0, 3.0, -1.0, -1.0]]).double()


def rows(draw):
    return dict(x=draw.normal(3, 6), sharpness=2.0, dim=-1)


def elements(draw):
    return dict(x=draw.normal(3, 6), sharpness=2.0)


def top_k(**options):
    return lambda draw: dict(x=draw.normal(3, 6), temperature=0.5, dim=-1, **options)


def warm(draw):
    return dict(temperature=draw.uniform(3, 1, low=0.5, high=2.0))


def fbeta(draw):
    return dict(probabilities=draw.uniform(3, 6), target=draw.uniform(3, 6), beta=2.0, dim=1)


def classes(draw):
    return dict(input=draw.normal(3, 6), target=draw.below(6, 3), reduction="none")


WRONG = dict(sharpness=(0, -1.0), dim=(2, -3))
# float64 for float64, else float32: tested in test_approximations_settings.py
POSITIONS = dict(no=dict(dtypes="positions are in float32 at least"))
LEARNED = [
    Row(
        soft_one_hot,
        lambda draw: rows(draw) | dict(sharpness=draw.uniform(3, 1, low=0.5, high=3.0)),
        "learned",
    ),
    *(
        Row(
            soft_top_k,
            lambda draw, way=way: top_k(k=2, method=way)(draw) | warm(draw),
            f"learned {way}",
            points=(dict(x=TIES), dict(temperature=torch.tensor([[0.0], [1.0], [1e-30]]).double())),
        )
        for way in ("subset", "sigmoid")
    ),
    *(
        Row(
            f, lambda draw: elements(draw) | dict(sharpness=draw.uniform(3, 6, low=0.01, high=9.0)), "learned"
        )
        for f in (smooth_step, smooth_sign, soft_round)
    ),
    Row(
        soft_round_inverse,
        lambda draw: dict(y=draw.normal(3, 6), sharpness=draw.uniform(3, 6, low=0.01, high=9.0)),
        "learned",
    ),
]
ROWS = [
    Row(soft_one_hot, rows, wrong=WRONG, points=(dict(x=TIES),)),
    Row(
        soft_one_hot,
        lambda draw: rows(draw) | dict(sharpness=INF),
        "hard",
        programs=False,
        points=(dict(x=TIES),),
    ),
    Row(soft_argmax, rows, programs=False, wrong=WRONG, points=(dict(x=TIES),), **POSITIONS),
    Row(
        soft_argmax,
        lambda draw: rows(draw) | dict(values=draw.normal(6)),
        "positions",
        shared=("values",),
        bounded=("values",),
        **POSITIONS,
    ),
    Row(
        soft_argmax,
        lambda draw: dict(x=draw.normal(3, 2, 4), sharpness=draw.uniform(3, low=1, high=3), dim=(-2, -1)),
        "places",
        wrong=dict(sharpness=(0, -1.0), dim=((0, 0), (1, 3), (0.5, 1), ())),
        **POSITIONS,
    ),
    *(Row(f, elements, wrong=dict(sharpness=(0, -1.0))) for f in (smooth_step, smooth_sign)),
    Row(soft_round, elements, machine_code=True, wrong=dict(sharpness=(0, -1.0))),
    Row(soft_round_inverse, lambda draw: dict(y=draw.normal(3, 6), sharpness=5.0)),
    *LEARNED,
    Row(soft_top_k, top_k(k=2, method="subset"), "subset", points=(dict(x=TIES),)),
    Row(soft_top_k, top_k(k=5, method="subset"), "most", programs=False, points=(dict(x=TIES),)),
    Row(soft_top_k, top_k(k=2, method="sigmoid"), "sigmoid", points=(dict(x=TIES),)),
    Row(
        soft_top_k,
        lambda draw: top_k(k=2, method="sigmoid")(draw) | dict(dim=0),
        "across",
        rows=False,
        programs=False,
    ),
    Row(soft_top_k, top_k(k=6, method="subset"), "everything", programs=False),
    Row(soft_top_k, top_k(k=0, method="subset"), "nothing", programs=False),
    Row(
        smooth_accuracy,
        classes,
        points=(dict(input=TIES),),
    ),
    Row(
        smooth_fbeta,
        fbeta,
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
