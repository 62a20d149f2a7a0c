"""The loss of a linear layer is that of its scores, which are never all in memory."""

import pytest
import torch
import torch.nn.functional as F
from helpers import DEVICES, DTYPES, F64, allocated, assert_refused

from lemmata.classification import (
    linear_multilabel_cross_entropy,
    multilabel_cross_entropy,
    sparse_multilabel_cross_entropy,
)

pytestmark = pytest.mark.parametrize("device", DEVICES)
REDUCTIONS = ("none", "mean", "sum")


def layer(draw, rows=(300,), dtype=F64, classes=400):
    """More than one block of rows."""
    made = draw.normal(*rows, 5), draw.normal(classes, 5), draw.normal(classes), draw.normal(*rows)
    return [x.to(dtype).requires_grad_() for x in made]


def targets(draw, rows=(300,), classes=400):
    index = draw.below(classes + 1, *rows, 6) - 1
    index[..., 2] = index[..., 3]
    return {
        "bool": draw.labels(*rows, classes, share=0.1),
        "soft": draw.uniform(*rows, classes),
        "index": index,
    }


def two_steps(x, weight, bias, threshold, target, reduction):
    loss = multilabel_cross_entropy if target.dtype != torch.int64 else sparse_multilabel_cross_entropy
    return loss(F.linear(x, weight, bias), target, threshold=threshold, reduction=reduction)


def one_step(x, weight, bias, threshold, target, reduction):
    return linear_multilabel_cross_entropy(
        x, weight, target, linear_bias=bias, threshold=threshold, reduction=reduction
    )


def squares(function, given, *rest):
    value = function(*given, *rest)
    return value, *torch.autograd.grad(value.square().sum(), given)


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize("kind", ["bool", "soft", "index"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_value_and_gradients_are_those_of_the_scores(draw, reduction, kind):
    given, target = layer(draw), targets(draw)[kind]
    outcomes = (squares(function, given, target, reduction) for function in (one_step, two_steps))
    for found, expected in zip(*outcomes, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-13)


def test_leading_axes_are_rows(draw):
    given, target = layer(draw, (2, 3)), targets(draw, (2, 3))["index"]
    loss = one_step(*given, target, "none")
    assert loss.shape == (2, 3)
    torch.testing.assert_close(loss, two_steps(*given, target, "none"))


def test_a_graph_that_is_kept_gives_the_same_twice(draw):
    given = layer(draw)
    loss = one_step(*given, targets(draw)["index"], "mean")
    once, twice = (torch.autograd.grad(loss, given, retain_graph=True) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(once, twice, strict=True))


def test_the_gradient_of_a_gradient_is_that_of_the_scores(draw):
    given, target = layer(draw), targets(draw)["index"]
    outcomes = []
    for function in (one_step, two_steps):
        first = torch.autograd.grad(function(*given, target, "mean"), given, create_graph=True)
        outcomes.append(torch.autograd.grad(sum(g.square().sum() for g in first), given))
    for found, expected in zip(*outcomes, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-13)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_half_types_are_multiplied_and_summed_in_float32(draw, dtype):
    given, target = layer(draw, dtype=dtype), targets(draw)["index"]
    found = squares(one_step, given, target, "mean")
    exact = squares(two_steps, [x.detach().double().requires_grad_() for x in given], target, "mean")
    eps = max(torch.finfo(dtype).eps, 1e-5)
    for a, b in zip(found, exact, strict=True):
        assert a.dtype == dtype
        torch.testing.assert_close(a.double(), b, rtol=2 * eps, atol=4 * eps * b.abs().max().item())


def test_the_weight_may_be_wider_than_what_it_multiplies(draw):
    x, weight, bias, theta = layer(draw, dtype=torch.float32)
    half, target = x.detach().bfloat16(), targets(draw)["index"]
    loss, exact = (
        f(v, weight, bias, theta, target, "mean") for f, v in ((one_step, half), (two_steps, half.float()))
    )
    assert loss.dtype == torch.bfloat16
    torch.testing.assert_close(loss.float(), exact, rtol=4e-3, atol=0)


def test_scores_are_never_all_in_memory(draw):
    rows, classes = 4096, 2000
    x = draw.normal(rows, 4, dtype=torch.float32).requires_grad_()
    weight = draw.normal(classes, 4, dtype=torch.float32).requires_grad_()
    index = draw.below(classes, rows, 4)
    scores, gradients = rows * classes * 4, 3 * (x.nbytes + weight.nbytes)  # made, scaled, kept by the leaves

    def peak(function):
        return allocated(lambda: function(x, weight, None, 0.0, index, "mean").backward())[0]

    assert peak(one_step) - gradients < 0.1 * scores
    assert peak(two_steps) > 2 * scores


def test_nothing_is_made_for_backward_that_nobody_asks_for(draw):
    x, weight = draw.normal(4096, 4, dtype=torch.float32), draw.normal(500, 4, dtype=torch.float32)
    index = draw.below(500, 4096, 4)
    assert not linear_multilabel_cross_entropy(x, weight, index).requires_grad
    with torch.no_grad():
        assert not linear_multilabel_cross_entropy(x.requires_grad_(), weight, index).requires_grad


# ------------------------------------------------------------------- failure


def test_wrong_arguments_are_named(draw):
    x, weight, index = draw.normal(3, 5), draw.normal(7, 5), draw.below(7, 3, 2)

    def call(target=index, weight=weight, **rest):
        return lambda: linear_multilabel_cross_entropy(x, weight, target, **rest)

    shape = r"linear_weight must have shape \(C, D = 5\) beside input"
    kind = "target, unless it is bool or floating, must be int64"
    assert_refused(
        [
            (ValueError, shape, call(weight=weight.mT)),
            (ValueError, r"linear_bias must have shape \(7,\)", call(linear_bias=draw.normal(5))),
            (ValueError, r"target must have shape \(3, 7\)", call(target=draw.labels(3, 5))),
            (TypeError, kind, call(target=index.int())),
        ]
    )
    if x.device.type == "cpu":
        assert_refused(
            [
                (ValueError, r"target must be in \[0, 1\]", call(target=2 * torch.ones(3, 7))),
                (ValueError, r"index must be in \[0, 7\)", call(target=index + 7)),
            ]
        )
