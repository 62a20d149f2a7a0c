"""Rows of the contract that are compiled for the processor: together, since inductor takes long to begin."""

import shutil

import pytest
import torch
from contract.rows import assert_same, leaves, tensors, weighted
from helpers import quick_inductor
from test_contract import PARTS, rows

from lemmata.simplex._softmax import threshold

ROWS = [row for part in PARTS for row in rows(part) if row.machine_code]


def outcome(compile):
    """The results of each row and their gradients, from one function of all rows' arguments."""
    arguments, data = zip(*(leaves(row.arguments()) for row in ROWS), strict=True)

    def everything(arguments):
        return [tensors(row.call(**own)) for row, own in zip(ROWS, arguments, strict=True)]

    results = compile(everything)(arguments)
    leaves_of_all = [leaf for own in data for leaf in own]
    slopes = iter(torch.autograd.grad(sum(map(weighted, results)), leaves_of_all))
    pairs = zip(ROWS, results, data, strict=True)
    return {row.name: (*made, *(next(slopes) for _ in own)) for row, made, own in pairs}


@pytest.fixture(scope="module")
def both():
    with quick_inductor(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(threshold, "ROUNDS", 6)  # for rows of six as good as all; each is code once more
        compiled = outcome(lambda f: torch.compile(f, fullgraph=True, backend="inductor"))
    return compiled, outcome(lambda f: f)


@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler on the CPU")
@pytest.mark.parametrize("row", ROWS, ids=repr)
def test_machine_code(both, row):
    compiled, plain = (of_all[row.name] for of_all in both)
    assert_same(row, compiled, plain)
