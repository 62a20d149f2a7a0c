"""What the functions of masks promise."""

import math

import torch
from contract import Row, check, each
from torch import Tensor

from lemmata.training import (
    conv_lengths,
    conv_mask,
    lengths_to_mask,
    masked_attention,
    masked_log_softmax,
    masked_logsumexp,
    masked_max,
    masked_mean,
    masked_min,
    masked_softmax,
    masked_var,
    reverse_padded,
)

COUNTS = [
    [True, True, True, True, False],
    [True, True, False, True, False],
    [True, False, True, True, True],
    [True] * 5,
]
NOTHING = dict(mask=torch.zeros(4, 5, dtype=torch.bool))


def data(**options):
    return lambda draw: dict(x=draw.normal(4, 5, scale=2), mask=torch.tensor(COUNTS), dim=-1, **options)


def counted(x: Tensor, mask: Tensor, dim: int = -1) -> Tensor:
    """The entries that count; differences of -inf have no derivative."""
    return torch.where(mask, masked_log_softmax(x, mask, dim), 0.0)


def reverse(draw):
    return dict(x=draw.normal(4, 5), lengths=torch.tensor([3, 5, 0, 2]), dim=1)


def attend(*heads):
    def given(draw):
        q, k, v = (draw.normal(3, *heads, n, 2) for n in (4, 5, 5))
        return dict(
            query=q, key=k, value=v, mask=torch.tensor(COUNTS).expand(3, *heads, 4, 5).clone(), scale=0.5
        )

    return given


MISFIT = dict(mask=(torch.ones(7, dtype=torch.bool),), dim=(2, -3))
FINITE = ("query", "key", "value")
APART = dict(
    finite="products of numbers far apart leave the dtype",
    autocast="which dtype a backend takes is for autocast to say, as in torch",
)
ROWS = [
    *(
        Row(
            f,
            data(empty=0.5),
            wrong={**MISFIT, "dim": (2, (0, 0)), **more},
            takes=dict(empty="nan"),
            points=(NOTHING,),
        )
        for f, more in ((masked_mean, {}), (masked_var, dict(correction=(math.nan,))))
    ),
    *(
        Row(f, data(empty=0.5), wrong=MISFIT, takes=dict(empty="nan"), points=(NOTHING,))
        for f in (masked_max, masked_min)
    ),
    *(Row(f, data(), wrong=MISFIT, points=(NOTHING,)) for f in (masked_softmax, masked_logsumexp)),
    Row(counted, data(), stands_for="masked_log_softmax", wrong=MISFIT, points=(NOTHING,)),
    Row(
        masked_attention,
        attend(),
        points=(dict(mask=torch.zeros(3, 4, 5, dtype=torch.bool)),),
        bounded=FINITE,
        no=APART,
    ),
    Row(lengths_to_mask, lambda draw: dict(lengths=torch.tensor([3, 5, 0]), size=5), wrong=dict(size=(-1,))),
    Row(
        reverse_padded,
        reverse,
        takes=dict(x="tensor integers complexes"),
        wrong=dict(dim=(2, -3), lengths=(torch.tensor([3, 6, 0, 2]), torch.tensor([3, -1, 0, 2]))),
    ),
    Row(
        conv_mask,
        lambda draw: dict(
            mask=torch.tensor(COUNTS), kernel_size=2, stride=1, padding=1, dilation=1, rule="any"
        ),
        wrong=dict(kernel_size=(0, (1, 1, 1), 9), stride=(0,), padding=(-1,), dilation=(0,)),
    ),
    Row(
        conv_lengths,
        lambda draw: dict(lengths=torch.tensor([3, 5, 0]), kernel_size=3, stride=2, padding=1, dilation=1),
        wrong=dict(kernel_size=(0,), stride=(0,), padding=(-1,), dilation=(0,)),
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
