"""The fast ways of the multi-label losses on a CPU, beside their plain twin and the general way."""

import pytest
import torch
from helpers import DTYPES, INF, NAN, Draw, gradients

from lemmata.classification import multilabel_cross_entropy, sparse_multilabel_cross_entropy
from lemmata.classification._multilabel.sums import log_sums, plain_log_sums
from lemmata.classification._multilabel.terms import SMALL as LIMIT
from lemmata.classification._multilabel.terms import picked_by_index, picked_by_label

SMALL, LARGE = (6, 70), (30, 7000)
KINDS = ("few", "many", "int", "float", "few float", "soft", "masked", "weighted", "index")
HIDE = -3


def case(kind, shape, dtype=torch.float64, scale=3.0):
    """Scores, and the arguments of the sums: target, mask, padding."""
    draw = Draw(len(kind) + shape[0])
    s = draw.normal(*shape, scale=scale, dtype=dtype)
    few, many = draw.labels(*shape, share=5e-4), draw.labels(*shape)
    few[0, 3] = True
    hard = {"few": few, "int": many.long(), "float": many.to(dtype), "few float": few.to(dtype)}
    target = hard.get(kind, many)
    mask = draw.labels(*shape, share=0.8) if kind == "masked" else None
    if kind == "soft":
        target = draw.uniform(*shape, dtype=dtype)
    if kind == "weighted":
        mask = draw.uniform(shape[-1], low=0.1, high=9.0, dtype=dtype).expand(shape)
    if kind != "index":
        return s, target, mask, None
    index = draw.below(shape[-1], shape[0], 6)
    index[:, 4], index[1], index[2, 5] = index[:, 0], HIDE, HIDE
    return s, index, None, HIDE


def public(s, threshold, target, mask, padding, **rest):
    if padding is not None:
        return sparse_multilabel_cross_entropy(s, target, padding_index=padding, threshold=threshold, **rest)
    weight, mask = (mask[0], None) if mask is not None and mask.is_floating_point() else (None, mask)
    return multilabel_cross_entropy(s, target, threshold=threshold, mask=mask, class_weight=weight, **rest)


def rows_of(sums):
    return lambda s, threshold, *rest: sum(sums(s, threshold, *rest))


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("shape", [SMALL, LARGE])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_every_way_agrees_with_the_plain_operations(kind, shape, dtype):
    s, *rest = case(kind, shape, dtype)
    s[2], s[4, ::2] = s[2] * 40, s[4, ::2] * 200  # rows that go the general way
    h = Draw(5).normal(shape[0], dtype=dtype)
    eps = torch.finfo(dtype).eps
    for threshold in (0.0, 0.5, h):
        leaves = (s, threshold) if threshold is h else (s,)

        def fast(s, h=threshold):
            return public(s, h, *rest, reduction="none")

        def plain(s, h=threshold):
            return sum(plain_log_sums(s, h, *rest))

        for one, other in zip(gradients(fast, *leaves), gradients(plain, *leaves), strict=True):
            torch.testing.assert_close(one, other, rtol=800 * eps, atol=20 * eps)


@pytest.mark.parametrize("shape", [SMALL, LARGE])
@pytest.mark.parametrize("kind", KINDS)
def test_infinite_scores_are_as_in_the_general_way(kind, shape):
    s, *rest = case(kind, shape)
    for row, value in enumerate((INF, -INF, 1e300, -1e300, NAN)):
        s[row, :3] = value
    s[5] = -INF
    one = gradients(lambda s: public(s, 0.5, *rest, reduction="none"), s)
    other = gradients(lambda s: rows_of(log_sums)(s, 0.5, *rest), s)
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14, equal_nan=True)


@pytest.mark.parametrize("kind", ["few", "many", "float", "few float"])
def test_excluded_negatives_have_no_gradient(kind):
    for shape in (SMALL, LARGE):
        s, target, *rest = case(kind, shape)
        s = s.masked_fill(target == 0, -INF).clone()
        s[:, 3:9] = 1.0
        loss, slope = gradients(lambda s, y=target, r=rest: public(s, 0.0, y, *r, reduction="none"), s)
        assert (slope[s == -INF] == 0).all()
        torch.testing.assert_close(loss, rows_of(plain_log_sums)(s, 0.0, target, *rest), rtol=1e-13, atol=0)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("shape", [SMALL, LARGE])
@pytest.mark.parametrize("kind", ["few", "many", "soft", "masked", "index"])
def test_backward_twice_and_of_second_order(kind, shape, reduction):
    s, *rest = case(kind, shape)
    s.requires_grad_()
    loss = public(s, 0.5, *rest, reduction=reduction)
    weights = torch.linspace(1, 2, loss.numel(), dtype=s.dtype).view(loss.shape)
    one, again = (torch.autograd.grad(loss, s, weights, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(one, again)
    (twice,) = torch.autograd.grad(loss, s, 2 * weights, retain_graph=True)
    torch.testing.assert_close(twice, 2 * one, rtol=1e-14, atol=0)
    (first,) = torch.autograd.grad(loss, s, weights, create_graph=True)
    torch.testing.assert_close(first, one, rtol=1e-12, atol=1e-14)
    (second,) = torch.autograd.grad(first.square().sum(), s)
    plain = rows_of(plain_log_sums)(s, 0.5, *rest)
    count = 1.0 if reduction != "mean" else rest[1].any(-1).sum() if kind == "masked" else len(s)
    (expected,) = torch.autograd.grad((plain / count * weights).sum(), s, create_graph=True)
    (expected,) = torch.autograd.grad(expected.square().sum(), s)
    torch.testing.assert_close(second, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["few", "soft", "index"])
def test_layouts_and_types_of_large_batches(kind, dtype):
    s, target, mask, padding = case(kind, LARGE, dtype)
    wide = s.double().requires_grad_()
    exact = public(wide, 0.0, target, mask, padding)
    (exact_slope,) = torch.autograd.grad(exact, wide)
    gaps = s.repeat_interleave(2, -1)[..., ::2]
    turned = s.T.contiguous().T
    for x in (s, gaps, turned):
        x = x.detach().requires_grad_()
        for y in (target, target.T.contiguous().T):
            loss = public(x, 0.0, y, mask, padding)
            (slope,) = torch.autograd.grad(loss, x)
            assert loss.dtype == slope.dtype == dtype
            eps = torch.finfo(dtype).eps
            torch.testing.assert_close(loss.double(), exact, rtol=8 * eps, atol=0)
            torch.testing.assert_close(slope.double(), exact_slope, rtol=40 * eps, atol=2e-7)


# ------------------------------------------------------------------- identity: places


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(30, 7000), (7, 33_331)])
def test_few_labels_are_found(shape, dtype):
    y = Draw(1).labels(*shape, share=1e-4)
    y[-1, -1] = True  # behind the last group of 64
    place = picked_by_label(y.to(dtype))
    assert torch.equal(place, y.flatten().nonzero().squeeze(-1))
    y[len(y) // 2 :] |= Draw(2).labels(*shape, share=0.5)[len(y) // 2 :]
    assert picked_by_label(y.to(dtype)) is None


def test_soft_labels_are_not_taken_for_hard():
    y = Draw(1).labels(30, 7000, share=1e-4).float()
    for share in (0.5, 1e-30):
        assert picked_by_label(y * share) is None
    y[-1, -1] = 0.25
    assert picked_by_label(y) is None
    assert len(picked_by_label(torch.zeros(30, 7000) * -1)) == 0


def test_places_of_indices():
    index = torch.tensor([[3, 0, 3, -1], [-1, -1, -1, -1], [1, 2, 0, 1]])
    assert picked_by_index(index, -1, 5).tolist() == [0, 3, 10, 11, 12]
    assert picked_by_index(index.masked_fill(index == -1, 9), 9, 5).tolist() == [0, 3, 10, 11, 12]
    assert picked_by_index(index[:, :0], -1, 5).tolist() == []


def test_small_and_large_are_what_they_say():
    assert SMALL[0] * SMALL[1] <= LIMIT < LARGE[0] * LARGE[1]
