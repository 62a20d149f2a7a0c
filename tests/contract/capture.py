"""Promises about programs that torch makes of a function, and about tensors without values."""

import warnings
from contextlib import contextmanager

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from .rows import assert_same, at_the_start, each_tensor, leaves, run, slopes, tensors


def compiles(row):
    """One graph, without a break, gives the values and the gradients."""
    torch.compiler.reset()

    def function(arguments):
        return tensors(row.call(**arguments))

    outcomes = []
    for made in (torch.compile(function, fullgraph=True, backend="eager"), function):
        arguments, data = leaves(at_the_start(row.arguments()))
        results = made(arguments)
        outcomes.append((*results, *slopes(row, results, data)))
    assert_same(row, *outcomes)


class _Program(torch.nn.Module):
    """A row as a module of its tensors."""

    def __init__(self, row):
        super().__init__()
        self.row, self.rest = row, at_the_start(row.arguments())

    def forward(self, given):
        return tensors(self.row.call(**{**self.rest, **given}))


def exports(row):
    """``torch.export`` gives a program that computes on new tensors what the function does."""
    one, other = (
        {name: value for name, value in row.arguments(seed).items() if isinstance(value, torch.Tensor)}
        for seed in (0, 1)
    )
    program = torch.export.export(_Program(row), (one,)).module()
    assert_same(row, program(other), run(row, {**row.arguments(0), **other}))


def fake(row):
    """In FakeTensorMode the results have their shapes and dtypes, and nobody asks where data lies."""
    real = run(row, row.arguments())
    with FakeTensorMode() as mode, warnings.catch_warnings(), _every_warning():
        warnings.filterwarnings("error", message=".*data pointer")
        _assert_alike(run(row, each_tensor(row.arguments(), mode.from_tensor)), real)


@contextmanager
def _every_warning():
    """Torch gives some of its warnings only once; a test must not depend on what ran before."""
    torch.set_warn_always(True)
    try:
        yield
    finally:
        torch.set_warn_always(False)


def meta(row):
    """On the meta device no value is read: results and gradients have their shapes and dtypes."""
    real = run(row, row.arguments())
    arguments, data = leaves(each_tensor(row.arguments(), lambda x: x.to("meta")))
    results = run(row, arguments)
    _assert_alike(results, real)
    assert all(result.is_meta for result in results)
    gradients = slopes(row, results, data)
    _assert_alike(gradients, data[: len(gradients)])


def _assert_alike(actual, expected):
    shapes = [[(x.shape, x.dtype) for x in side] for side in (actual, expected)]
    assert shapes[0] == shapes[1]


def cuda(row):
    """A GPU gives what the CPU gives, on the GPU."""
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    outcomes = []
    for device in ("cuda", "cpu"):
        arguments, data = leaves(each_tensor(row.arguments(), lambda x, device=device: x.to(device)))
        results = run(row, arguments)
        results = (*results, *slopes(row, results, data))
        assert all(x.device.type == device for x in results)
        outcomes.append([x.cpu() for x in results])
    assert_same(row, *outcomes)
