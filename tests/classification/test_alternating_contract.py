"""What alternating normalisation and its measure of doubt promise."""

import torch
from contract import Row, check, each
from helpers import F64, INF, NAN

from lemmata.classification import alternating_normalization, can_calibrate, match_prior, topk_entropy

ZEROS = torch.tensor([[0.5, 0.5, 0, 0], [0, 0, 1, 0], [0.25, 0, 0.5, 0.25]], dtype=F64)


def rows(draw):
    """Four numbers in some order, whose sum is 1 in every type."""
    order = draw.normal(3, 4).argsort(-1)
    sixteenths = torch.tensor([[8, 4, 3, 1], [1, 9, 2, 4], [5, 6, 2, 3]], dtype=F64, device=order.device)
    return sixteenths.gather(-1, order) / 16


def prior():
    return torch.full((4,), 0.25, dtype=F64)  # entries that may share memory


def stack(**options):
    return lambda draw: dict(uncertain=rows(draw), confident=rows(draw).flip(-1), prior=prior(), **options)


ALPHA = dict(alpha=(0, -1.0, INF))
STACK = dict(
    shared=("confident", "prior"),
    points=(dict(uncertain=ZEROS), dict(confident=ZEROS), dict(uncertain=ZEROS, confident=ZEROS)),
    wrong=dict(num_iters=(0, -1), **ALPHA),
    roundings=2**10,
)
ROWS = [
    Row(topk_entropy, lambda draw: dict(p=rows(draw), k=2), wrong=dict(k=(0, -1))),
    Row(topk_entropy, lambda draw: dict(p=rows(draw), k=2, renormalize=False, normalize=False), "cut"),
    Row(alternating_normalization, stack(), **STACK),
    Row(alternating_normalization, stack(alpha=1.5, num_iters=3), "steps", **STACK),
    Row(
        match_prior,
        lambda draw: dict(p=rows(draw), prior=prior(), num_iters=3),
        roundings=2**14,
        rows=False,
        shared=("prior",),
        points=(dict(p=ZEROS),),
        wrong=dict(num_iters=(0, -1)),
    ),
    Row(
        can_calibrate,
        lambda draw: dict(p=rows(draw), prior=prior(), k=2, threshold=0.90625, num_iters=2),
        rows=False,
        shared=("prior",),
        wrong=dict(num_iters=(0,), k=(0,), threshold=(NAN,), **ALPHA),
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
