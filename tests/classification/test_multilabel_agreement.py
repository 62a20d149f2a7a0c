"""The multi-label losses against mpmath, and their blocks and memory against whole tensors."""

import itertools

import pytest
import torch
from classification.multilabel_cases import (
    exact_gradient,
    exact_loss,
    exact_symmetric,
)
from helpers import DEVICES, DTYPES, assert_close, column, gradients, resolution
from mpmath import mp
from torch.profiler import ProfilerActivity, profile

from lemmata.classification import (
    log_elementary_symmetric,
    multilabel_cross_entropy,
    multilabel_divergence,
    optimal_scores,
    sparse_multilabel_cross_entropy,
    subset_cross_entropy,
    subset_log_prob,
)
from lemmata.classification._multilabel.sums import cut

dense, sparse = multilabel_cross_entropy, sparse_multilabel_cross_entropy  # where a table needs short names
pytestmark = pytest.mark.parametrize("device", DEVICES)


# ------------------------------------------------------------------- agreement: the oracle


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("kind", ["hard", "soft", "masked"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_loss_and_gradient_agree_with_mpmath(draw, dtype, kind, scale):
    s, theta = draw.normal(6, 7, scale=scale, dtype=dtype), draw.normal(6, dtype=dtype)
    t = draw.uniform(6, 7, dtype=dtype) if kind == "soft" else draw.labels(6, 7)
    mask = draw.labels(6, 7, share=0.7) if kind == "masked" else None
    loss, gradient, d_theta = gradients(
        lambda s, h: multilabel_cross_entropy(s, t, threshold=h, mask=mask, reduction="none"), s, theta
    )
    assert loss.dtype == gradient.dtype == d_theta.dtype == dtype
    rows = [
        (s[i].tolist(), t[i].tolist(), theta[i].item(), None if mask is None else mask[i].tolist())
        for i in range(6)
    ]
    close = resolution(dtype, s.abs().max().item())
    tiny = torch.finfo(dtype).tiny * torch.finfo(dtype).eps  # below it a half type has no digits left
    assert_close(loss, [exact_loss(*row) for row in rows], close, tiny)
    exact = [exact_gradient(*row) for row in rows]
    signs_cancel = 4 * close if kind == "soft" else 0.0  # each soft label has a gradient on both sides
    assert_close(gradient, [g for row in exact for g in row], 2 * close, tiny + signs_cancel)
    assert_close(d_theta, [-mp.fsum(row) for row in exact], close, 2 * close)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_huge_scores_are_exact_to_rounding(device, dtype):
    s = column([[1e4, -1e4, 1e4, 9999.0], [-1e4, 1e4, 3.0, -1e4], [1e4, 1e4, -1e4, 0.0]], device, dtype)
    y = torch.tensor([[0, 1, 0, 1], [1, 0, 0, 1], [1, 1, 0, 0]], device=device)
    loss, gradient = gradients(lambda s: multilabel_cross_entropy(s, y, reduction="none"), s)
    rows = list(zip(s.tolist(), y.tolist(), strict=True))
    eps = torch.finfo(dtype).eps
    assert_close(loss, [exact_loss(*row) for row in rows], eps)
    assert_close(
        gradient, [g for row in rows for g in exact_gradient(*row)], 4 * eps, torch.finfo(dtype).tiny
    )
    assert gradient[0].tolist()[:3] == [0.5, -1.0, 0.5]


@pytest.mark.parametrize("kind", ["hard", "soft"])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_the_plain_operations_agree_with_the_blocks(draw, kind, scale):
    """Forward mode and second derivatives go another way than the loss and its gradient."""
    s, direction = draw.normal(6, 7, scale=scale, dtype=torch.float32), draw.normal(6, 7, dtype=torch.float32)
    t = draw.labels(6, 7) if kind == "hard" else draw.uniform(6, 7, dtype=torch.float32).pow(8)

    def loss(s):
        return multilabel_cross_entropy(s, t, threshold=0.5, reduction="none")

    rows, gradient = gradients(loss, s)
    by_jvp, moved = torch.func.jvp(loss, (s,), (direction,))
    close = resolution(torch.float32, min(scale, 100.0))
    torch.testing.assert_close(by_jvp, rows, rtol=close, atol=1e-38)
    torch.testing.assert_close(moved, (gradient * direction).sum(-1), rtol=close, atol=close)
    by_graph = torch.func.grad(lambda s: loss(s).sum())(s)
    torch.testing.assert_close(by_graph, gradient, rtol=close, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_small_losses_keep_their_digits(device, dtype):
    s = column([30.0, -30.0, 40.0, -50.0], device, dtype)
    y = torch.tensor([1, 0, 1, 0], device=device)
    loss, gradient = gradients(lambda s: multilabel_cross_entropy(s, y), s)
    close = resolution(dtype, 50.0)
    assert_close(loss, [exact_loss(s.tolist(), y.tolist())], close)
    assert_close(gradient, exact_gradient(s.tolist(), y.tolist()), close)
    shares = (mp.exp(-60), mp.exp(-70), mp.exp(-80))  # leading terms of 1 / P(T) - 1
    assert_close(-subset_log_prob(s, y), [mp.fsum((*shares, mp.exp(-90)))], close)


@pytest.mark.parametrize("c", [10.0, 15.0, 17.0, 20.0, 30.0])
def test_sparse_form_is_right_where_the_published_one_is_not(device, c):
    s = column([c, c, -5.0, -5.0, -5.0], device, torch.float32)
    loss, gradient = gradients(
        lambda s: sparse_multilabel_cross_entropy(s, torch.tensor([0, 1], device=device)), s
    )
    row = ([c, c, -5.0, -5.0, -5.0], [1, 1, 0, 0, 0])
    assert_close(loss, [exact_loss(*row)], 1e-6)
    assert_close(gradient, exact_gradient(*row), 1e-5)


def test_divergence_keeps_its_digits_near_the_optimum(draw):
    t = draw.uniform(10, 5)
    for step in (1e-1, 1e-3, 1e-5):
        s = optimal_scores(t) + draw.normal(10, 5, scale=step)
        exact = []
        for scores, labels in zip(s.tolist(), t.tolist(), strict=True):
            roots = mp.fsum(mp.sqrt(mp.mpf(label) * (1 - mp.mpf(label))) for label in labels)
            exact.append(exact_loss(scores, labels) - 2 * mp.log1p(roots))
        # a rounding of s by eps moves the divergence by eps * step, a part eps / step of it
        assert_close(multilabel_divergence(s, t, reduction="none"), exact, 1e-13 + 1e-14 / step)
    half = optimal_scores(t.float()).half()
    assert (multilabel_divergence(half, t.half(), reduction="none") >= 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_symmetric_polynomials_agree_with_their_definition(draw, dtype):
    for classes in (1, 2, 3, 5, 7, 8):
        s = draw.normal(classes, scale=5.0, dtype=dtype)
        log = log_elementary_symmetric(s, classes)
        assert log.dtype == dtype
        exact = [mp.log(e) for e in exact_symmetric(s.tolist(), classes)]
        close = resolution(dtype, 10.0)
        assert_close(log, exact, close, 8 * close)
        for k in range(classes):
            assert torch.equal(log_elementary_symmetric(s, k), log[: k + 1])


def test_symmetric_polynomials_do_not_cancel_where_newton_does(draw):
    s = draw.normal(100, scale=3.0)
    e = [mp.mpf(1)] + [mp.mpf(0)] * 20
    for x in (mp.exp(mp.mpf(v)) for v in s.tolist()):
        for j in range(20, 0, -1):
            e[j] += x * e[j - 1]
    assert_close(log_elementary_symmetric(s, 20), [mp.log(v) for v in e], 1e-14, 1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("max_size", [None, 3])
def test_subset_loss_agrees_with_enumeration(draw, dtype, max_size):
    s, y = draw.normal(6, 5, scale=4.0, dtype=dtype), draw.labels(6, 5)
    y = y & (y.cumsum(-1) <= 3)
    loss = subset_cross_entropy(s, y, max_size=max_size, reduction="none")
    assert loss.dtype == dtype
    exact = []
    for scores, labels in zip(s.tolist(), y.tolist(), strict=True):
        e, size = exact_symmetric(scores, 3), sum(labels)
        z = e[size] if max_size is None else mp.fsum(e)
        exact.append(mp.log(z) - mp.fsum(v for v, label in zip(scores, labels, strict=True) if label))
    assert_close(loss, exact, 2 * resolution(dtype, 20.0), torch.finfo(dtype).tiny)


def test_huge_scores_do_not_cancel_in_a_subset(device):
    s, y = column([1e4, 1e4 - 1, 0.0, 1e4 - 2, -1e4], device, torch.float32), torch.tensor([1, 1, 0, 0, 0])
    exact = mp.log(1 + mp.exp(-1) + mp.exp(-2))
    assert_close(-subset_log_prob(s, y.to(device)), [exact], 1e-6)


# ------------------------------------------------------------------- agreement: layout and memory


@pytest.mark.parametrize("make", [torch.Tensor.bool, torch.Tensor.int, torch.Tensor.long, torch.Tensor.float,
                                  torch.Tensor.half])  # fmt: skip
@pytest.mark.parametrize("shape", [(40, 8000), (3, 30, 9000), (2, 300_000), (77_777,), (7, 11_111)])
def test_large_batches_equal_their_rows(draw, device, shape, make):
    s = draw.normal(*shape, dtype=torch.float32)
    y = make(draw.labels(*shape, share=5e-4))
    loss, gradient = gradients(lambda s: multilabel_cross_entropy(s, y, reduction="none"), s)
    weights = y.double()
    a = ((1 - weights) * s.double().exp()).sum(-1, keepdim=True)
    b = (weights * (-s.double()).exp()).sum(-1, keepdim=True)
    torch.testing.assert_close(loss.double(), (a.log1p() + b.log1p()).squeeze(-1), rtol=1e-6, atol=0)
    expected = (1 - weights) * s.double().exp() / (1 + a) - weights * (-s.double()).exp() / (1 + b)
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-5, atol=1e-12)


def test_large_targets_that_only_look_sparse(draw):
    s, y = draw.normal(16, 8000, dtype=torch.float32), draw.labels(16, 8000, share=1e-3)
    few_soft, late = y.float() * 0.25, y.clone()
    late[8:] = draw.labels(8, 8000, share=0.5)
    for target in (few_soft, late, torch.zeros_like(y), torch.ones_like(y), y[:, ::2].repeat(1, 2)):
        whole = multilabel_cross_entropy(s, target, reduction="none")
        parts = [multilabel_cross_entropy(row, labels) for row, labels in zip(s, target, strict=True)]
        torch.testing.assert_close(whole, torch.stack(parts), rtol=1e-6, atol=0)
    offset = torch.cat([y.flatten()[:3], y.flatten()])[3:].reshape(16, 8000)  # storage begins inside a word
    assert multilabel_cross_entropy(s, offset) == multilabel_cross_entropy(s, y)


@pytest.mark.parametrize(
    "shape", [(7,), (0, 5), (10, 5), (10, 50), (3, 4, 5), (3, 4, 50), (2, 3, 4, 5), (4, 0)]
)
def test_blocks_cover_every_row_once_within_the_limit(shape, device):
    seen, limit = torch.zeros(shape, device=device), 40
    sizes = [seen[at].add_(1).numel() for at in cut(seen.shape, limit)]
    assert (seen == 1).all()
    assert all(size <= max(limit, shape[-1]) for size in sizes)
    assert len(sizes) <= 1 + 2 * seen.numel() // limit


def test_any_layout_and_arguments_unchanged(draw):
    base, y = draw.normal(5, 4, 3), draw.labels(5, 4, 3)
    views = [
        (base, y),
        (base.transpose(0, 1), y.transpose(0, 1)),
        (base.permute(2, 0, 1), y.permute(2, 0, 1)),
        (base[::2, :, ::2], y[::2, :, ::2]),
        (base[:, :1].expand(5, 4, 3), y),
    ]
    for s, target in views:
        for labels in (target, target.double()):
            before, before_labels = s.clone(), labels.clone()
            whole = gradients(lambda s, y=labels: multilabel_cross_entropy(s, y, reduction="none"), s)
            copy = gradients(
                lambda s, y=labels: multilabel_cross_entropy(s, y.clone(), reduction="none"), s.clone()
            )
            for one, other in zip(whole, copy, strict=True):
                torch.testing.assert_close(one, other, rtol=1e-14, atol=0)
            assert torch.equal(s, before)
            assert torch.equal(labels, before_labels)
    through = base.clone().requires_grad_()
    multilabel_cross_entropy(through.permute(2, 0, 1), y.permute(2, 0, 1), reduction="sum").backward()
    _, expected = gradients(lambda s: multilabel_cross_entropy(s.permute(2, 0, 1), y.permute(2, 0, 1)), base)
    torch.testing.assert_close(through.grad, expected * 15)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["bool", "soft", "sparse"])
def test_backward_keeps_the_arguments_two_floats_a_row_and_the_places_of_positives(draw, device, dtype, kind):
    s = draw.normal(64, 4000, dtype=dtype).requires_grad_()
    labels = {
        "bool": draw.labels(64, 4000, share=1e-3),
        "soft": draw.uniform(64, 4000, dtype=dtype),
        "sparse": torch.arange(256, device=device).reshape(64, 4),
    }[kind]
    theta = draw.normal(64, dtype=dtype)
    mine = {x.untyped_storage().data_ptr() for x in (s, labels, theta)}
    others = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in mine:
            others[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        if kind == "sparse":
            loss = sparse_multilabel_cross_entropy(s, labels, threshold=theta)
        else:
            loss = multilabel_cross_entropy(s, labels, threshold=theta)
    assert loss.requires_grad
    places = 0 if kind == "soft" else 8 * (labels.sum().item() if kind == "bool" else labels.numel())
    assert sum(others.values()) <= 64 * 2 * max(4, s.element_size()) + places


@pytest.mark.parametrize("kind", ["bool", "dense bool", "soft", "sparse"])
def test_few_temporaries_are_alive(draw, device, kind):
    if device != "cpu":
        pytest.skip("counts the CPU allocator")
    s = draw.normal(400, 10_000, dtype=torch.float32)
    labels = {
        "bool": draw.labels(400, 10_000, share=1e-3),
        "dense bool": draw.labels(400, 10_000, share=0.5),
        "soft": draw.uniform(400, 10_000, dtype=torch.float32),
        "sparse": torch.arange(1600).reshape(400, 4),
    }[kind]
    s.requires_grad_()
    loss = sparse_multilabel_cross_entropy if kind == "sparse" else multilabel_cross_entropy
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        loss(s, labels).backward()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    alive = list(itertools.accumulate(e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())))
    assert s.nbytes <= max(alive) <= 1.6 * s.nbytes  # the gradient itself, and blocks of 1 MiB
    asked = sum(max(0, event.nbytes()) for event in events)
    assert asked <= 2 * s.nbytes
