"""What is compiled for the processor: rows of the contract and two more, at once: inductor begins slowly."""

import shutil

import pytest
import torch
from contract.rows import assert_same, leaves, tensors, weighted
from helpers import quick_inductor
from test_contract import PARTS, rows

from lemmata.geometry import cosine_tail
from lemmata.geometry._angles import quadrature
from lemmata.simplex._softmax import threshold
from lemmata.smoothing import gelu

ROWS = [row for part in PARTS for row in rows(part) if row.machine_code]
SINGLE = {  # in float32
    "gelu": (gelu, torch.linspace(-9, 9, 50)),
    "cosine_tail": (lambda x: cosine_tail(x, 9), torch.linspace(-0.9, 0.9, 64)),
}


def outcome(compile):
    """The results of each row and their gradients, from one function of all rows' arguments."""
    arguments, data = zip(*(leaves(row.arguments()) for row in ROWS), strict=True)
    singles = [x.clone().requires_grad_() for _, x in SINGLE.values()]

    def everything(arguments, singles):
        made = [tensors(row.call(**own)) for row, own in zip(ROWS, arguments, strict=True)]
        return made + [(f(x),) for (f, _), x in zip(SINGLE.values(), singles, strict=True)]

    results = compile(everything)(arguments, singles)
    data = [*data, *([x] for x in singles)]
    leaves_of_all = [leaf for own in data for leaf in own]
    slopes = iter(torch.autograd.grad(sum(map(weighted, results)), leaves_of_all))
    pairs = zip([*(row.name for row in ROWS), *SINGLE], results, data, strict=True)
    return {name: (*made, *(next(slopes) for _ in own)) for name, made, own in pairs}


@pytest.fixture(scope="module")
def both():
    with quick_inductor(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(threshold, "ROUNDS", 6)  # for rows of six as good as all; each is code once more
        patch.setattr(quadrature, "RULE", quadrature.legendre(2))  # and so is each node
        compiled = outcome(lambda f: torch.compile(f, fullgraph=True, backend="inductor"))
        alike = outcome(lambda f: f)
    return compiled, outcome(lambda f: f) | {name: alike[name] for name in SINGLE}


NEEDS_COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")


@NEEDS_COMPILER
@pytest.mark.parametrize("row", ROWS, ids=repr)
def test_machine_code(both, row):
    compiled, plain = (of_all[row.name] for of_all in both)
    assert_same(row, compiled, plain)


@NEEDS_COMPILER
@pytest.mark.parametrize("name", SINGLE)
def test_machine_code_in_float32(both, name):
    for compiled, plain in zip(*(of_all[name] for of_all in both), strict=True):
        assert compiled.dtype == torch.float32
        torch.testing.assert_close(compiled, plain, rtol=1e-5, atol=1e-7)
