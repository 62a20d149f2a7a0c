"""The private calls into torch say what they promise, and names become public as they should."""

import sys
import types

import pytest
import torch

from lemmata import _parts
from lemmata._torch import (
    apply,
    batch_first,
    forward_mode,
    is_wrapped,
    readable,
    standard_gamma,
    transforming,
)

X = torch.tensor([1.0, 2.0])


class Doubled(torch.autograd.Function):
    """Its gradient is three, so that one can tell it from the plain operation."""

    @staticmethod
    def forward(x):
        return 2 * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad):
        return 3 * grad


def doubled(x):
    return apply(Doubled, lambda x: 2 * x, x)


def test_forward_mode_takes_the_plain_operations():
    x = X.clone().requires_grad_()
    assert torch.autograd.grad(doubled(x).sum(), x)[0].tolist() == [3.0, 3.0]
    assert torch.func.jvp(doubled, (X,), (torch.ones(2),))[1].tolist() == [2.0, 2.0]
    assert not forward_mode()
    with torch.autograd.forward_ad.dual_level():
        assert forward_mode()


def test_transforms_are_noticed():
    seen = []

    def look(x):
        seen.append((is_wrapped(x), transforming(), readable(x)))
        return x

    look(X)
    torch.vmap(look)(X)
    assert seen == [(False, False, True), (True, True, False)]
    assert not readable(X.to("meta"))


def test_the_mapped_axis_goes_to_the_front():
    assert batch_first(torch.zeros(2, 3, 4), 1, 3).shape == (3, 2, 4)
    assert batch_first(torch.zeros(2, 4), None, 3).shape == (3, 2, 4)
    assert batch_first("kernel", None, 3) == "kernel"


def test_gamma_draws_follow_the_generator():
    draws = [standard_gamma(torch.full((1000,), 4.0), torch.Generator().manual_seed(1)) for _ in range(2)]
    assert torch.equal(*draws)
    assert abs(draws[0].mean() - 4) < 5 * 2 / 1000**0.5  # five standard errors


@pytest.fixture
def part(monkeypatch):
    """A part that has taken in a function and a class of a chapter."""
    chapter, package = types.ModuleType("demo._chapter"), types.ModuleType("demo")
    exec("def work(): pass\nclass Record: pass\ndef _help(): pass", vars(chapter))
    vars(package).update(work=chapter.work, Record=chapter.Record, _help=chapter._help, other=types)
    monkeypatch.setitem(sys.modules, "demo", package)
    return package


def test_a_part_is_the_home_of_its_names(part):
    _parts.publish("demo")
    assert part.__all__ == ["work", "Record"]
    assert part.work.__module__ == part.Record.__module__ == "demo"


def test_a_chapter_lists_what_it_takes_in(part):
    assert _parts.collect("demo") == part.__all__ == ["work", "Record"]
    assert part.work.__module__ != "demo"
