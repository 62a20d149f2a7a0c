"""Derivatives of the multi-label losses in every mode, under every transform, compiled."""

import itertools

import pytest
import torch
from classification.multilabel_cases import (
    EVERY,
    arguments,
    divergence,
    marginals,
    soft_masked_loss,
    symmetric,
)
from helpers import DEVICES, gradients
from torch.autograd import gradcheck, gradgradcheck

from lemmata.classification import (
    multilabel_cross_entropy,
    predict_labels,
    sparse_multilabel_cross_entropy,
    subset_cross_entropy,
    subset_log_prob,
    subset_marginals,
)

pytestmark = pytest.mark.parametrize("device", DEVICES)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("function", EVERY)
def test_derivatives_in_every_mode(draw, function):
    inputs = arguments(function, draw)
    assert gradcheck(function, inputs, check_forward_ad=True, check_batched_grad=True)
    if function is not marginals:  # a derivative already
        forward = function is not divergence
        assert gradgradcheck(function, inputs, check_fwd_over_rev=forward, fast_mode=True)


def test_second_derivatives_at_hard_float_targets(draw):
    s, t = draw.normal(3, 5), draw.labels(3, 5).double()

    def slope(t, s):
        return torch.func.grad(lambda s: multilabel_cross_entropy(s, t, reduction="sum"))(s)

    mixed = torch.func.jacrev(slope)(t, s)
    step = 1e-6  # into [0, 1]
    direction = torch.where(t == 0, 1.0, -1.0)
    for row, label in itertools.product(range(3), range(5)):
        moved = t.clone()
        moved[row, label] += step * direction[row, label]
        secant = (slope(moved, s) - slope(t, s)) / (step * direction[row, label])
        torch.testing.assert_close(mixed[:, :, row, label], secant, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kind", ["bool", "int", "soft"])
def test_vmap_and_per_sample_gradients(draw, kind):
    s, y = draw.normal(4, 6), draw.labels(4, 6)
    y = {"bool": y, "int": y.long(), "soft": draw.uniform(4, 6)}[kind]
    rows, gradient = gradients(lambda s: multilabel_cross_entropy(s, y, reduction="none"), s)
    torch.testing.assert_close(torch.vmap(multilabel_cross_entropy)(s, y), rows)
    torch.testing.assert_close(torch.vmap(multilabel_cross_entropy, in_dims=(1, 1))(s.T, y.T), rows)
    torch.testing.assert_close(torch.vmap(multilabel_cross_entropy, in_dims=(0, None))(s, y[0])[0], rows[0])
    torch.testing.assert_close(torch.vmap(torch.func.grad(multilabel_cross_entropy))(s, y), gradient)
    through = s.clone().requires_grad_()
    torch.vmap(multilabel_cross_entropy)(through, y).sum().backward()
    torch.testing.assert_close(through.grad, gradient)
    thresholds = draw.normal(3)
    by_threshold = torch.vmap(lambda h: multilabel_cross_entropy(s, y, threshold=h))(thresholds)
    torch.testing.assert_close(by_threshold[1], multilabel_cross_entropy(s, y, threshold=thresholds[1]))


def test_vmap_of_the_others(draw, device):
    s, y = draw.normal(4, 6), draw.labels(4, 6)
    index = torch.tensor([[0, 2, -1], [5, 5, 1], [-1, -1, -1], [1, 2, 3]], device=device)
    rows, gradient = gradients(lambda s: sparse_multilabel_cross_entropy(s, index, reduction="none"), s)
    torch.testing.assert_close(torch.vmap(sparse_multilabel_cross_entropy)(s, index), rows)
    torch.testing.assert_close(
        torch.vmap(torch.func.grad(sparse_multilabel_cross_entropy))(s, index), gradient
    )
    assert torch.equal(torch.vmap(predict_labels)(s), predict_labels(s))
    torch.testing.assert_close(torch.vmap(subset_log_prob)(s, y), subset_log_prob(s, y))
    torch.testing.assert_close(torch.vmap(lambda s: subset_marginals(s, 2))(s), subset_marginals(s, 2))
    rows, gradient = gradients(lambda s: subset_cross_entropy(s, y, max_size=6, reduction="none"), s)
    per_sample = torch.vmap(torch.func.grad(lambda s, y: subset_cross_entropy(s, y, max_size=6)))(s, y)
    torch.testing.assert_close(per_sample, gradient)


def compiled_agrees(function, inputs, backend):
    torch._dynamo.reset()
    compiled = torch.compile(function, fullgraph=True, backend=backend)
    for one, other in zip(gradients(compiled, *inputs), gradients(function, *inputs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("function", EVERY)
def test_compiles_whole(draw, function):
    """With the backward pass traced, too, where it is our own."""
    inputs = arguments(function, draw, requires_grad=False)
    backend = "aot_eager" if function in (soft_masked_loss, symmetric) else "eager"
    compiled_agrees(
        lambda s, *rest: function(s, *rest).sum() + 0 * sum(r.sum() for r in rest), inputs, backend
    )


def test_transforms_compile_whole(draw):
    s, y, theta = draw.normal(3, 6), draw.labels(3, 6), draw.normal(3)

    def row(s, y, h):
        return multilabel_cross_entropy(s, y, threshold=h)

    rows, gradient = gradients(lambda s: multilabel_cross_entropy(s, y, threshold=theta, reduction="none"), s)
    _, moved = torch.func.jvp(lambda s: torch.vmap(row)(s, y, theta), (s,), (s,))

    @torch.compile(fullgraph=True, backend="aot_eager")
    def compiled(s):
        jvp = torch.func.jvp(lambda s: torch.vmap(row)(s, y, theta), (s,), (s,))
        return torch.vmap(torch.func.grad(row))(s, y, theta), *jvp

    for one, other in zip(compiled(s), (gradient, rows, moved), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
