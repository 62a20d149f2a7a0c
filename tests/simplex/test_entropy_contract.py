"""What entropies and entropy normalization promise."""

import torch
from contract import Row, check, each
from helpers import INF, NAN

from lemmata.simplex import entropy, entropy_normalize, renyi_entropy

TIES = torch.tensor([[1.0, 1.0, 0.0, 0.0, 0.0, 0.0], [2.0] * 6, [0.0, 3.0, 3.0, 3.0, -1.0, -1.0]]).double()
FEW = torch.tensor(
    [[0.0, -INF, -INF, -INF, -INF, -INF], [0.0, -1.0, 1.0, -INF, -INF, -INF], [-INF] * 6]
).double()
PEAKED = torch.tensor([[0.0, -40, -50, -60, -70, -800], [0, -1e-9, -1e9, 0, 0, 0], [9, 8, 7, 1, 1, -900.0]])
POINTS = (dict(logits=TIES), dict(logits=FEW), dict(logits=PEAKED.double()))
TARGET = dict(
    wrong=dict(target_entropy=(-1.0, 0.0, 1.8, INF, -INF), dim=(2, -3)), takes=dict(target_entropy="tensor")
)


def scores(draw):
    return dict(logits=draw.normal(3, 6), dim=-1)


def probabilities(draw):
    return dict(p=torch.softmax(draw.normal(3, 6), -1), dim=-1)


def order(value):
    return lambda draw: scores(draw) | dict(order=value)


def targets(draw):
    return scores(draw) | dict(target_entropy=draw.uniform(3, low=0.3, high=1.5))


P = dict(
    points=(dict(p=torch.eye(6)[:3].double()), dict(p=torch.full((3, 6), 1 / 6).double())),
    wrong=dict(p=(torch.full((2, 3), 0.5), torch.tensor([1.5, -0.5])), dim=(2, -3)),
)
ROWS = [
    Row(entropy, scores, points=POINTS, wrong=dict(dim=(2, -3))),
    Row(entropy, lambda draw: dict(logits=draw.normal(4, 3), dim=0), "across", axis=1, programs=False),
    Row(entropy, probabilities, "probabilities", **P),
    *(
        Row(
            renyi_entropy, order(value), f"order {name}", points=POINTS, wrong=dict(order=(-1.0, NAN)), **more
        )
        for value, name, more in (
            (2.0, "2", {}),
            (1.125, "near 1", {}),
            (0.875, "below 1", dict(programs=False)),
            (1.0, "1", dict(programs=False)),
            (0.5, "half", dict(programs=False)),
            (0.0, "0", dict(programs=False)),
            (INF, "infinity", dict(programs=False)),
        )
    ),
    Row(
        renyi_entropy,
        lambda draw: probabilities(draw) | dict(order=3.0),
        "probabilities",
        programs=False,
        **P,
    ),
    Row(entropy_normalize, targets, points=POINTS, **TARGET),
    Row(
        entropy_normalize,
        lambda draw: scores(draw) | dict(target_entropy=1.0, clamp=True),
        "clamped",
        points=POINTS,
        programs=False,
        takes=dict(target_entropy="tensor"),
    ),
    Row(
        entropy_normalize,
        lambda draw: targets(draw) | dict(clamp=True),
        "clamped rows",
        points=(*POINTS, dict(target_entropy=torch.tensor([0.0, 5.0, -INF]).double())),
        programs=False,
        takes=dict(target_entropy="tensor"),
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
