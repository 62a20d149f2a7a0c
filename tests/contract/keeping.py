"""Promises about what is kept: pickles, states, and the numbers that a seed gives."""

import copy
import io
import pickle

import torch

from .rows import leaves, run, tensors


def pickles(row):
    """The function by its name, and its result by value: pickled and copied, they are what they were."""
    if getattr(row.call, "__module__", "").startswith("lemmata"):
        assert pickle.loads(pickle.dumps(row.call)) == row.call
    result = row.call(**row.arguments())
    for again in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert type(again) is type(result)
        assert repr(again) == repr(result) or type(result).__repr__ is object.__repr__
        assert _equal(tensors(again), tensors(result))


def checkpoint(row):
    """The state goes through ``torch.save`` and ``torch.load``, which reads no code, into a fresh object."""
    result, fresh = row.call(**row.arguments()), row.call(**row.arguments(1))
    file = io.BytesIO()
    torch.save(result.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file))
    assert repr(fresh.state_dict()) == repr(result.state_dict())


def seeds(row):
    """A generator decides all random numbers, and torch's own is left alone; without one, torch's decides."""
    state = torch.get_rng_state()
    one, other = run(row, row.arguments()), run(row, row.arguments())
    assert _equal(one, other), "a seed gives two results"
    arguments = row.arguments()
    arguments["generator"].manual_seed(2)
    assert not _equal(one, tensors(row.call(**arguments))), "the seed decides nothing"
    assert torch.equal(torch.get_rng_state(), state), "the global generator was used"
    drawn = []
    for seed in (1, 1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            drawn.append(run(row, {**row.arguments(), "generator": None}))
    assert _equal(*drawn[:2])
    assert not _equal(*drawn[1:])


def _equal(one, other):
    return all(torch.equal(*pair) for pair in zip(one, other, strict=True))


def fills(row):
    """The result is the argument itself, which may be a leaf with a gradient; nothing is recorded."""
    arguments, (tensor,) = leaves(row.arguments())
    before = tensor.detach().clone()
    assert row.call(**arguments) is tensor
    assert tensor.is_leaf
    assert tensor.grad_fn is None
    assert not torch.equal(tensor, before)
