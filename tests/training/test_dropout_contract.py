"""What the functions of dropout and masked attention promise."""

from collections.abc import Callable

import pytest
import torch
from contract import Row, check, each
from helpers import F64, seeded
from torch import Tensor

from lemmata.training import (
    corrected_embedding,
    drop_token,
    dropout_gap,
    expected_masked_attention,
    mask_columns,
)

RATES = dict(p=(-0.1, 1.0, 1.5))
KEEP = torch.tensor([[True, False, True, True], [True, True, True, False], [True, False, False, True]])
OWN = torch.tensor([0, 2, 0])
DRAWS = dict(
    compiles="torch.compile takes no generators",
    one="a row alone draws other numbers",
    vmap="torch.vmap takes no generators",
)


def smooth(x):
    return (x.double().sin() * x.double()).sum(-1).to(x.dtype)


def mean_gap(
    f: Callable[[Tensor], Tensor], x: Tensor, p: float, num_samples: int, generator: torch.Generator | None
) -> Tensor:
    """Without the standard error, which has no gradient."""
    return dropout_gap(f, x, p, num_samples, generator)[0]


def gap(draw):
    return dict(f=smooth, x=draw.uniform(3, 4, low=-1.5, high=1.5), p=0.25, num_samples=4, generator=seeded())


def attention(method, own=OWN):
    def given(draw):
        rows = dict(A=draw.uniform(3, 4, low=0.1), p=0.25, method=method, own=own)
        return {**rows, **(dict(num_samples=4, generator=seeded()) if method == "mc" else {})}

    return given


def masked(draw):
    return dict(attn=draw.uniform(3, 4, low=0.1), keep=KEEP, dim=-1)


def table(draw):
    rest = dict(select=0.25, mask=0.75, keep=0.125, random=0.125, exclude_special=(0,))
    return dict(weight=draw.normal(5, 3), mask_id=2, **rest)


def tokens(keep_positions):
    def given(draw):
        return dict(x=draw.normal(3, 9, 2), p=0.5, keep_positions=keep_positions, generator=seeded())

    return given


SHARES = dict.fromkeys(("select", "mask", "keep", "random"), (-0.1, 1.5))
ROWS = [
    Row(
        mean_gap,
        gap,
        stands_for="dropout_gap",
        wrong={**RATES, "num_samples": (1, 0)},
        no={**DRAWS, "dtypes": "x / q is rounded before f sees it, and the gap is a small difference"},
    ),
    *(
        Row(
            expected_masked_attention,
            attention(method, own),
            case=f"{method}-{'own' if own is not None else 'all'}",
            wrong={**RATES, "own": (torch.tensor([0, 1]), torch.tensor([0, 1, 4])), "num_samples": (0,)},
            takes=dict(own="none"),
            no={key: why for key, why in DRAWS.items() if key != "compiles"} if method == "mc" else {},
            programs=method == "exact" and own is not None,
        )
        for method in ("exact", "second_order", "mc")
        for own in (OWN, None)
    ),
    Row(mask_columns, masked, wrong=dict(dim=(2, -3), keep=(torch.ones(7, dtype=torch.bool),))),
    Row(
        corrected_embedding,
        table,
        rows=False,
        wrong={**SHARES, "mask_id": (-1, 5), "exclude_special": ((7,),)},
    ),
    *(
        Row(
            drop_token,
            tokens(flag),
            case=f"positions-{flag}",
            wrong=RATES,
            no={key: why for key, why in DRAWS.items() if flag or key != "compiles"},
            programs=flag,
        )
        for flag in (True, False)
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)


@pytest.mark.parametrize("method", ["exact", "second_order"])
def test_far_rows_have_derivatives(method):
    a = torch.tensor([[1.0, 1e-300, 0.0], [1e30, 1e-30, 1.0]], dtype=F64, requires_grad=True)
    value = expected_masked_attention(a, 0.5, method)
    (slope,) = torch.autograd.grad(value.square().sum(), a, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), a)
    assert slope.isfinite().all()
    assert not bend.isnan().any()
