"""What the self-orthogonality penalty promises."""

import torch
from contract import Row, check, each
from helpers import F64, INF, NAN

from lemmata.geometry import expected_sign_similarity, self_orthogonality, sign_similarity, welch_bound


def outputs(**options):
    return lambda draw: dict(output=draw.normal(3, 6, 4), **options)


def layer(**options):
    def drawn(draw):
        a = draw.normal(3, 4, 4)
        return dict(weight=draw.normal(3, 5, 4), covariance=a @ a.mT, **options)

    return drawn


SHARP = dict(gamma=(-1.0, 1e16, NAN))
COLUMN = torch.tensor([0.0, 1.0, 1.0, 5.0], dtype=F64).expand(3, 6, 4)  # one is dead
DEAD = torch.tensor([[1.0, 2.0, 3.0, 4.0], [-2.0, -4.0, -6.0, -8.0], [0.0] * 4, [1.0, 0.0, 0.0, 0.0]] * 2)
DEAD = DEAD[:5].double().expand(3, 5, 4)  # opposite and equal rows, and one without a direction
ROWS = [
    Row(sign_similarity, outputs(gamma=2.0), wrong=SHARP, points=(dict(output=COLUMN),)),
    Row(sign_similarity, outputs(gamma=2.0, center=True), "centred", points=(dict(output=COLUMN),)),
    Row(
        sign_similarity,
        outputs(gamma=0.0, center=True),
        "correlation",
        points=(dict(output=COLUMN),),
        programs=False,
    ),
    Row(sign_similarity, outputs(gamma=INF), "signs", points=(dict(output=COLUMN),), programs=False),
    Row(expected_sign_similarity, layer(gamma=2.0), wrong=SHARP, points=(dict(weight=DEAD),)),
    Row(
        expected_sign_similarity,
        layer(gamma=INF),
        "signs",
        points=(dict(weight=DEAD),),
        programs=False,
    ),
    Row(
        expected_sign_similarity,
        lambda draw: dict(weight=draw.normal(3, 5, 4), covariance=None, gamma=2.0),
        "alone",
        points=(dict(weight=DEAD),),
        takes=dict(covariance="tensor"),
        programs=False,
    ),
    Row(
        self_orthogonality,
        lambda draw: dict(similarity=draw.uniform(3, 4, 4, low=-1), lam1=100.0, lam2=0.5, reduction="mean"),
        wrong=dict(lam1=(-1.0, INF, NAN), lam2=(-1.0, INF, NAN), reduction=("none", None)),
        no=dict(nan="the diagonal, where it is put, does not count"),
    ),
    Row(
        self_orthogonality,
        lambda draw: dict(similarity=draw.uniform(3, 4, 4, low=-1), reduction="sum"),
        "sum",
        programs=False,
        no=dict(nan="the diagonal, where it is put, does not count"),
    ),
    Row(welch_bound, lambda draw: dict(k=5, d=2), wrong=dict(k=(0, -1), d=(0, -1))),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
