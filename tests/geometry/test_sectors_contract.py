"""What the functions of sectors and arcs promise."""

import torch
from contract import Row, check, compiles, each, exports, fake, forward, meta
from helpers import F64

from lemmata.geometry import (
    circular_range_test,
    enclosing_arc,
    max_gap,
    sector_probability,
    wendel_probability,
)
from lemmata.geometry._sectors import tails


def sector(n):
    return lambda draw: dict(n=n, theta=draw.uniform(3, 4, low=2.5, high=6.0), period=6.5, complement=False)


def points(draw):
    return dict(angles=draw.uniform(3, 5, low=-9.0, high=9.0), dim=-1, period=6.5)


def some(draw):
    mask = torch.tensor([[True, True, False, True, True]] * 3)
    return {**points(draw), "mask": mask}


TIES = torch.tensor([[1.0, 1.0, 2.0, 2.0, 5.0]] * 3, dtype=F64)
PERIOD = dict(period=(0, -1.0, float("inf")))
ROWS = [
    *(
        Row(
            sector_probability,
            sector(n),
            case=f"{n}",
            wrong=dict(n=(0, -1), **PERIOD),
            takes=dict(n="integers", theta="nan integer fraction"),
            programs=n == 40,  # the same for every n
        )
        for n in (3, 40)
    ),
    *(
        Row(f, given, case=case, wrong=PERIOD, points=(dict(angles=TIES),))
        for f, case, given in (
            (max_gap, "all", points),
            (enclosing_arc, "masked", some),
            (circular_range_test, "masked", some),
        )
    ),
    Row(wendel_probability, lambda draw: dict(n=9, d=4), wrong=dict(n=(0, -1), d=(0, -1))),
]


@each(ROWS)
def test_contract(row, promise, monkeypatch):
    """With short loops: 3 and 5 points need no more, and 40 points no spline."""
    monkeypatch.setattr(tails, "FEW", 5)
    if promise in (compiles, exports, fake, meta, forward):
        monkeypatch.setattr(tails, "TERMS", 7)
    check(row, promise)
