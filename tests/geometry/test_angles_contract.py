"""What the laws of random angles promise."""

import torch
from contract import Row, check, compiles, each, exports, fake, meta
from helpers import F64, seeded

from lemmata.geometry import (
    angle_between,
    angle_cdf,
    angle_pdf,
    angle_quantile,
    angle_variance,
    cosine_moment,
    cosine_pdf,
    cosine_tail,
    cosine_tail_bound,
    sample_angles,
)
from lemmata.geometry._angles import angle, quadrature


def of(name, n=5):
    return lambda draw: {name: draw.uniform(3, 4, low=0.1, high=0.9), "n": n}


def vectors(draw):
    return dict(x=draw.normal(3, 4), y=draw.normal(3, 4), dim=-1)


def samples(draw):
    return dict(n=5, size=(3, 4), generator=seeded(), dtype=F64, device="cpu")


DIMENSION = dict(n=(1, 0, -1))
PARALLEL = torch.tensor([[1.0, 2.0, 3.0, 4.0]]).double().expand(3, 4)
ROWS = [
    *(
        Row(f, of("theta"), wrong=DIMENSION, scalars=dict(theta=0.5), takes=dict(theta="nan"))
        for f in (angle_pdf, angle_cdf)
    ),
    Row(
        angle_quantile,
        of("q"),
        wrong=DIMENSION,
        scalars=dict(q=0.25),
        takes=dict(q="nan"),
    ),
    Row(cosine_pdf, of("eta"), wrong=DIMENSION, scalars=dict(eta=0.5), takes=dict(eta="nan")),
    *(
        Row(f, of("eps"), wrong=DIMENSION, scalars=dict(eps=0.5), takes=dict(eps="nan"))
        for f in (cosine_tail, cosine_tail_bound)
    ),
    Row(angle_variance, lambda draw: dict(n=5), wrong=dict(n=(0, -1))),
    Row(cosine_moment, lambda draw: dict(order=4, n=5), wrong=dict(n=(0, -1), order=(-1,))),
    Row(angle_between, vectors, points=(dict(x=PARALLEL, y=PARALLEL), dict(x=PARALLEL, y=-2 * PARALLEL))),
    Row(
        sample_angles,
        samples,
        wrong=dict(n=(0, -1), size=(-1, (2, -1)), dtype=(torch.int64,)),
    ),
]


@each(ROWS)
def test_contract(row, promise, monkeypatch):
    """With few nodes and steps: the code is the same, and these err by less than 2e-7 for derivatives."""
    few = promise in (compiles, exports, fake, meta)
    monkeypatch.setattr(quadrature, "RULE", quadrature.legendre(3 if few else 12))
    monkeypatch.setattr(angle, "STEPS", 2 if few else 5)
    check(row, promise)
