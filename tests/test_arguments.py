"""Every check of an argument accepts what it should, and names the argument, the rule and what came."""

import math

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from lemmata import _arguments as check

X = torch.zeros(2, 3)
EMPTY = torch.zeros(2, 0)


# ------------------------------------------------------------------- identity


def test_an_axis_is_counted_from_the_front():
    assert [check.axis("x", X, dim) for dim in (0, 1, -1, -2, np.int64(1))] == [0, 1, 1, 0, 1]


def test_numbers_of_python_and_numpy_are_numbers():
    for value in (2, 2.0, np.float32(2), np.float64(2), np.int64(2)):
        assert check.number("x", value) == check.positive("x", value) == 2.0
        assert type(check.number("x", value)) is float


def test_an_integer_beyond_float64_is_infinite():
    assert [check.number("x", value) for value in (10**400, -(10**400))] == [math.inf, -math.inf]


def test_integers_of_python_and_numpy_are_integers():
    for value in (3, np.int64(3), np.int32(3), np.uint8(3)):
        assert check.integer("n", value) == check.at_least("n", value, 3) == 3
        assert type(check.at_least("n", value)) is int


def test_infinity_is_positive():
    assert check.positive("sharpness", math.inf) == math.inf


@pytest.mark.parametrize("sizes", [(), (3,), (2, 3), (4, 2, 3)])
def test_what_broadcasts_is_expanded(sizes):
    for shape in [(), *([(3,), (1,)] if sizes else []), sizes]:
        assert check.broadcast("mask", torch.zeros(shape), sizes).shape == sizes


def test_a_number_becomes_a_float64_tensor_and_a_tensor_stays():
    for value in (0.5, np.float32(0.5)):
        assert check.real("rho", value).dtype == torch.float64
        assert check.real("rho", value) == 0.5
    assert check.real("rho", X) is X
    positive = X + 1
    assert check.scale("sharpness", positive) is positive
    assert check.scale("sharpness", np.float32(2)) == 2.0


def test_sums_that_rounding_carries_beyond_one_are_probabilities():
    """Ten float32 of 0.1, and what rounding leaves below 0."""
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        above = torch.full((10,), 0.1, dtype=torch.float32).cumsum(0)[-1:].to(dtype)
        eps = torch.finfo(dtype).eps
        for value in (above, torch.tensor([1 + 4 * eps, -4 * eps], dtype=dtype)):
            assert check.probability("p", value) is None


def test_good_arguments_pass():
    assert [
        check.function("kernel", torch.dot),
        check.generator("generator", None),
        check.generator("generator", torch.Generator()),
        check.tensor("x", X.int()),
        check.floating("x", X.half()),
        check.mask("mask", X.bool()),
        check.index("index", X.long()),
        check.within("index", torch.tensor([0, 2]), 3),
        check.within("index", torch.tensor([], dtype=torch.int64), 0),
        check.probability("p", torch.tensor([0.0, 1.0])),
        check.probability("p", X.bool()),
        check.probability("p", EMPTY),
        check.law("p", torch.eye(3)),
        check.law("p", EMPTY),
        check.law("p", torch.tensor([[0.5, 0.5], [0.5, 0.49]]), 0.011),
        check.scores("input", X),
        check.shape("target", X, X.shape),
        check.choice("kind", "a", ("a", "b")),
        check.choice("correction", None, (None, "delta")),
    ] == [None] * 19


def test_values_are_not_read_where_that_would_wait():
    check.probability("p", torch.full((2,), 7.0, device="meta"))
    check.law("p", torch.full((2,), 7.0, device="meta"))
    check.within("index", torch.zeros(2, dtype=torch.int64, device="meta"), 0)
    with FakeTensorMode() as mode:
        check.probability("p", mode.from_tensor(torch.full((2,), 7.0)))
        check.scale("s", mode.from_tensor(torch.full((2,), -7.0)))

    def unread(p):
        check.probability("p", p)
        return p

    assert torch.vmap(unread)(torch.full((2,), 7.0)).sum() == 14
    assert torch.compile(unread, fullgraph=True, backend="eager")(torch.full((2,), 7.0)).sum() == 14


# ------------------------------------------------------------------- failure

BAD = [
    (lambda: check.tensor("x", None), TypeError, "x must be a tensor, got NoneType"),
    (lambda: check.tensor("x", np.ones(2)), TypeError, "x must be a tensor, got ndarray"),
    (lambda: check.floating("x", [1.0]), TypeError, "x must be a tensor, got list"),
    (lambda: check.floating("x", X.int()), TypeError,
     "x must be float64, float32, bfloat16 or float16, got torch.int32"),
    (lambda: check.floating("x", X.cfloat()), TypeError,
     "x must be float64, float32, bfloat16 or float16, got torch.complex64"),
    (lambda: check.mask("mask", X), TypeError, "mask must be bool, got torch.float32"),
    (lambda: check.mask("mask", np.ones(2, bool)), TypeError, "mask must be a tensor, got ndarray"),
    (lambda: check.index("index", X.int()), TypeError, "index must be int64, got torch.int32"),
    (lambda: check.index("index", 0), TypeError, "index must be a tensor, got int"),
    (lambda: check.within("index", torch.tensor([-1, 2]), 3), ValueError,
     "index must be in [0, 3), got values from -1 to 2"),
    (lambda: check.within("index", torch.tensor([3]), 3), ValueError,
     "index must be in [0, 3), got values from 3 to 3"),
    (lambda: check.probability("p", torch.tensor([0.5, 1.5])), ValueError,
     "p must be in [0, 1], got values from 0.5 to 1.5"),
    (lambda: check.probability("p", torch.tensor([math.nan])), ValueError,
     "p must be in [0, 1], got values from nan to nan"),
    (lambda: check.law("p", torch.tensor([[0.5, 0.5], [0.5, 0.25]])), ValueError,
     "p must sum to 1 in each row, got a sum that is off by 0.25"),
    (lambda: check.law("p", torch.tensor([[0.5, 0.5], [0.5, 0.484375]]), check.ROUGH), ValueError,
     "p must sum to 1 in each row, got a sum that is off by 0.015625"),
    (lambda: check.law("p", torch.tensor([1.5, -0.5]), check.ROUGH, "scores go to logits="), ValueError,
     "p must be in [0, 1] (scores go to logits=), got values from -0.5 to 1.5"),
    (lambda: check.law("p", torch.tensor([1.5, -0.5])), ValueError,
     "p must be in [0, 1], got values from -0.5 to 1.5"),
    (lambda: check.axis("x", X, 2), ValueError, "dim must be an axis of x of shape (2, 3), got 2"),
    (lambda: check.axis("x", torch.tensor(1.0), 0), ValueError,
     "dim must be an axis of x of shape (), got 0"),
    (lambda: check.axis("x", X, 1.0), TypeError, "dim must be an int, got float"),
    (lambda: check.axis("x", X, True), TypeError, "dim must be an int, got bool"),
    (lambda: check.axis("x", X, torch.tensor(1)), TypeError, "dim must be an int, got Tensor"),
    (lambda: check.axis("x", EMPTY, 1), ValueError,
     "x must have at least one entry along dim 1, got shape (2, 0)"),
    (lambda: check.scores("input", torch.tensor(1.0)), ValueError,
     "input must have a last axis of classes (..., C), got a scalar"),
    (lambda: check.shape("target", X, (3, 2)), ValueError,
     "target must have shape (3, 2) beside input, got (2, 3)"),
    (lambda: check.shape("y", X, (3, 2), beside="x"), ValueError,
     "y must have shape (3, 2) beside x, got (2, 3)"),
    (lambda: check.shape("target", [0], (1,)), TypeError, "target must be a tensor, got list"),
    (lambda: check.broadcast("mask", X, (3, 2)), ValueError, "mask must broadcast to (3, 2), got (2, 3)"),
    (lambda: check.broadcast("mask", X, (3,)), ValueError, "mask must broadcast to (3,), got (2, 3)"),
    (lambda: check.broadcast("mask", 1, (3,)), TypeError, "mask must be a tensor, got int"),
    (lambda: check.integer("n", "2"), TypeError, "n must be an int, got str"),
    (lambda: check.integer("n", np.float64(2)), TypeError, "n must be an int, got float64"),
    (lambda: check.at_least("n", False), TypeError, "n must be an int, got bool"),
    (lambda: check.at_least("n", None, 1), TypeError, "n must be an int, got NoneType"),
    (lambda: check.at_least("n", 1, 2), ValueError, "n must be at least 2, got 1"),
    (lambda: check.at_least("k", -1), ValueError, "k must be at least 0, got -1"),
    (lambda: check.number("gain", True), TypeError, "gain must be a number, got bool"),
    (lambda: check.number("gain", 1j), TypeError, "gain must be a number, got complex"),
    (lambda: check.number("gain", "1"), TypeError, "gain must be a number, got str"),
    (lambda: check.number("gain", torch.tensor(1.0)), TypeError, "gain must be a number, got Tensor"),
    (lambda: check.positive("s", 0), ValueError, "s must be positive, got 0"),
    (lambda: check.positive("s", math.nan, "inf gives the maximum"), ValueError,
     "s must be positive (inf gives the maximum), got nan"),
    (lambda: check.probability("p", [0.5]), TypeError, "p must be a tensor, got list"),
    (lambda: check.probability("p", X.cfloat()), TypeError, "p must be real, got torch.complex64"),
    (lambda: check.probability("p", torch.tensor([1 + 2.0**-20])), ValueError,
     "p must be in [0, 1], got values from 1.0000009536743164 to"),
    (lambda: check.probability("p", torch.tensor([2])), ValueError, "p must be in [0, 1], got values from 2"),
    (lambda: check.real("rho", "1"), TypeError, "rho must be a tensor or a number, got str"),
    (lambda: check.real("rho", X.int()), TypeError, "rho must be float64, float32, bfloat16 or float16, got"),
    (lambda: check.scale("s", 0.0), ValueError, "s must be positive, got 0.0"),
    (lambda: check.scale("s", [1.0]), TypeError, "s must be a number, got list"),
    (lambda: check.scale("s", X.int()), TypeError, "s must be float64, float32, bfloat16 or float16, got"),
    (lambda: check.scale("s", X, "inf is hard"), ValueError,
     "s must be positive (inf is hard), got values from 0.0"),
    (lambda: check.function("f", 3), TypeError, "f must be a function, got int"),
    (lambda: check.generator("generator", 0), TypeError,
     "generator must be a torch.Generator or None, got int"),
    (lambda: check.choice("kind", "c", ("a",)), ValueError, "kind must be 'a', got 'c'"),
    (lambda: check.choice("kind", "c", ("a", "b")), ValueError, "kind must be 'a' or 'b', got 'c'"),
    (lambda: check.choice("kind", None, ("a", "b", "c")), ValueError,
     "kind must be 'a', 'b' or 'c', got None"),
    (lambda: check.choice("kind", ["a"], {"a": 1}), ValueError, "kind must be 'a', got ['a']"),
    (lambda: check.choice("kind", X, ("a", "b")), ValueError, "kind must be 'a' or 'b', got tensor("),
    (lambda: check.choice("kind", np.array(["a", "b"]), ("a", "b")), ValueError,
     "kind must be 'a' or 'b', got array(["),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), BAD, ids=[says[:60] for _, _, says in BAD])
def test_a_bad_argument_is_named(call, error, says):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(says)
