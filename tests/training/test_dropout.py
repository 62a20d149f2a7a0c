"""Dropout and masked attention: identities, agreement with enumeration over all masks, what breaks."""

import itertools
import math
from fractions import Fraction as Q

import pytest
import torch
from helpers import DTYPES, F64, INF, NAN, column, seeded

from lemmata.training import (
    corrected_embedding,
    drop_token,
    dropout_gap,
    expected_masked_attention,
    mask_columns,
)
from lemmata.training._dropout import integral
from lemmata.training._dropout.gap import keeps

METHODS = ("exact", "second_order", "mc")

# ------------------------------------------------------------------- the oracle


def enumerated(weights, p, own=None):
    """The mean of masked attention over all masks that leave a positive weight, in fractions."""
    n, total, mean = len(weights), Q(0), [Q(0)] * len(weights)
    for m in itertools.product((0, 1), repeat=n):
        left = sum(a * one for a, one in zip(weights, m, strict=True))
        if left == 0 or (own is not None and not m[own]):
            continue
        free = [one for j, one in enumerate(m) if j != own]
        chance = (1 - p) ** sum(free) * p ** (len(free) - sum(free))
        total += chance
        mean = [s + chance * a * one / left for s, a, one in zip(mean, weights, m, strict=True)]
    return [s / total for s in mean]


def rows(n, seed=0, power=1.0):
    return torch.rand(n, generator=seeded(seed), dtype=F64) ** power


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize(
    ("weights", "p", "own", "expected"),
    [
        ((Q(1, 2), Q(1, 3), Q(1, 6)), Q(3, 4), None, (Q(271, 740), Q(188, 555), Q(131, 444))),
        ((Q(1, 2), Q(1, 3), Q(1, 6)), Q(1, 2), None, (Q(57, 140), Q(12, 35), Q(1, 4))),
        ((Q(1, 2), Q(1, 3), Q(1, 6)), Q(3, 20), None, (Q(4447, 9380), Q(2396, 7035), Q(149, 804))),
        ((Q(1, 2), Q(1, 3), Q(1, 6)), Q(3, 4), 0, (Q(271, 320), Q(23, 240), Q(11, 192))),
        ((Q(9, 10), Q(1, 10)), Q(3, 4), None, (Q(39, 70), Q(31, 70))),
        ((Q(9, 10), Q(1, 10)), Q(3, 4), 0, (Q(39, 40), Q(1, 40))),
    ],
)
def test_reference_rows(weights, p, own, expected):
    assert tuple(enumerated(weights, p, own)) == expected
    a = column([float(x) for x in weights])
    found = expected_masked_attention(a, float(p), own=None if own is None else torch.tensor(own))
    torch.testing.assert_close(found, column([float(x) for x in expected]), rtol=1e-14, atol=0)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_dropped_at_zero(method):
    a = rows(7)
    torch.testing.assert_close(expected_masked_attention(a, 0.0, method), a / a.sum(), rtol=1e-15, atol=0)


def test_rate_near_one_is_uniform_on_what_is_positive():
    found = expected_masked_attention(column([0.7, 0.0, 0.2, 0.1]), 1 - 1e-12)
    torch.testing.assert_close(found, column([1 / 3, 0.0, 1 / 3, 1 / 3]), rtol=1e-10, atol=0)


@pytest.mark.parametrize("p", [0.01, 0.5, 0.9])
def test_sums_order_and_entropy(p):
    a = rows(200, power=6).sort(descending=True).values
    a = a / a.sum()
    mean = expected_masked_attention(a, p)
    assert mean.sum().item() == pytest.approx(1, abs=1e-13)
    assert (mean.diff() <= 1e-16).all()
    assert ((mean / a).diff() >= -1e-12 * (mean / a)[1:]).all()
    assert (mean.cumsum(0) <= a.cumsum(0) + 1e-14).all()
    assert torch.special.entr(mean).sum() > torch.special.entr(a).sum()


def test_own_column_gains():
    a, p = rows(6), 0.6
    for own in range(6):
        share = (a / a.sum())[own].item()
        found = expected_masked_attention(a, p, own=torch.tensor(own))[own].item()
        assert found > share / (share + (1 - p) * (1 - share)) > share


def test_scale_of_a_row_does_not_matter():
    a = rows(5)
    for method, factor in itertools.product(METHODS[:2], (1e-200, 1e200)):
        one, other = (expected_masked_attention(x, 0.3, method) for x in (a, factor * a))
        torch.testing.assert_close(one, other, rtol=1e-13, atol=0)


def test_pair_is_pulled_to_one_half():
    for share, p in itertools.product((0.0001, 0.3, 0.99), (0.1, 0.75)):
        found = expected_masked_attention(column([share, 1 - share]), p)[0].item()
        assert found == pytest.approx((p + (1 - p) * share) / (1 + p), rel=1e-14)


def test_second_order_sums_to_one_with_and_without_own():
    a = rows(9)
    for own in (None, torch.tensor(4)):
        assert expected_masked_attention(a, 0.4, "second_order", own=own).sum().item() == pytest.approx(1)


def test_second_order_formula():
    a = rows(9)
    a = a / a.sum()
    found = expected_masked_attention(a, 0.4, "second_order")
    torch.testing.assert_close(found, a * (1 + 0.4 / 0.6 * ((a * a).sum() - a)), rtol=1e-14, atol=0)


@pytest.mark.parametrize("own", [None, 2])
def test_second_order_is_of_second_order(own):
    errors = []
    for n in (64, 128, 256):
        a = 1 + 0.5 * torch.sin(torch.arange(n, dtype=F64))
        column_kept = None if own is None else torch.tensor(own)
        exact, near = (expected_masked_attention(a, 0.5, m, own=column_kept) for m in METHODS[:2])
        errors.append(((exact - near).abs() * n).max().item())
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.25)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.25)


def test_leaving_out_is_masking():
    scores, keep = torch.randn(4, 6, generator=seeded(), dtype=F64), torch.rand(6, generator=seeded(1)) < 0.6
    masked = mask_columns(scores.softmax(-1), keep)
    torch.testing.assert_close(masked[:, keep], scores[:, keep].softmax(-1))
    assert (masked[:, ~keep] == 0).all()
    fewer = scores.masked_fill(~keep, -INF).softmax(-1)
    torch.testing.assert_close(masked, fewer)
    torch.testing.assert_close(mask_columns(scores.softmax(-1).mT, keep[:, None], dim=0), masked.mT)


def test_weight_averaging_gives_the_row_back():
    a = rows(6)
    kept = torch.ones(6, dtype=torch.bool)
    torch.testing.assert_close(mask_columns(0.25 * a, kept), a / a.sum(), rtol=1e-15, atol=0)


def test_bert_coefficients():
    table = torch.eye(5, dtype=F64)
    found = corrected_embedding(table, 4)
    expected = 0.865 * table + 0.12 * table[4] + 0.015 * table.mean(0)
    torch.testing.assert_close(found[:4], expected[:4], rtol=1e-14, atol=0)
    assert torch.equal(found[4], table[4])
    assert torch.equal(table, torch.eye(5, dtype=F64))
    assert found.data_ptr() != table.data_ptr()


def test_special_rows_stay_and_are_part_of_the_mean():
    """As BERT and the collator of transformers draw random tokens: from the whole vocabulary."""
    table = torch.randn(6, 3, generator=seeded(), dtype=F64)
    found = corrected_embedding(
        table, 2, select=0.5, mask=0.5, keep=0.25, random=0.25, exclude_special=[0, 5, 0]
    )
    assert torch.equal(found[[0, 2, 5]], table[[0, 2, 5]])
    expected = 0.625 * table + 0.25 * table[2] + 0.125 * table.mean(0)
    torch.testing.assert_close(found[[1, 3, 4]], expected[[1, 3, 4]], rtol=1e-14, atol=0)


def test_rows_that_are_not_used_are_not_read():
    table = torch.tensor([[1.0, 2.0], [NAN, NAN], [3.0, 5.0]])
    found = corrected_embedding(table, 2, keep=0.2, random=0.0)
    assert found[[0, 2]].flatten().tolist() == pytest.approx([1.24, 2.36, 3, 5])
    found = corrected_embedding(table, 1, mask=0.0, keep=1.0, random=0.0)
    assert torch.equal(found[[0, 2]], table[[0, 2]])


@pytest.mark.parametrize("p", [0.1, 0.75])
def test_p_is_what_torch_drops(p):
    """The share of zeros, and the size of what is kept, as `torch.nn.functional.dropout` has them."""
    ones = torch.ones(20_000, dtype=F64)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = torch.nn.functional.dropout(ones, p)
    zeros, _ = dropout_gap(lambda x: (x == 0).double().mean(), ones, p, 2, seeded())
    largest, _ = dropout_gap(lambda x: x.max(), ones, p, 2, seeded())
    assert zeros.item() == pytest.approx((theirs == 0).double().mean().item(), abs=0.02)
    assert 1 + largest.item() == pytest.approx(theirs.max().item())
    assert drop_token(ones[:, None], p)[0].shape[0] == pytest.approx(20_000 * (1 - p))


@pytest.mark.parametrize(
    ("n", "p", "left"), [(100, 0.9, 10), (16, 0.75, 4), (5, 0.5, 2), (3, 0.99, 1), (4, 0.0, 4)]
)
def test_drop_token_keeps_a_share_in_order(n, p, left):
    x = torch.arange(2.0 * n).view(1, n, 2).repeat(7, 1, 1)
    kept, places = drop_token(x, p, generator=seeded())
    assert kept.shape == (7, left, 2)
    assert (places.diff() > 0).all()
    assert torch.equal(kept[..., 0], 2.0 * places)
    again, count = drop_token(x, p, keep_positions=False, generator=seeded())
    assert torch.equal(again, kept)
    assert torch.equal(count, torch.arange(left).expand(7, left))


def test_drop_token_draws_rows_apart_and_places_alike():
    _, places = drop_token(torch.zeros(4000, 8, 1), 0.5, generator=seeded())
    assert len(places.unique(dim=0)) == 70
    shares = places.flatten().bincount(minlength=8) / 4000
    assert (shares - 0.5).abs().max() < 0.04


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("own", [None, 1])
@pytest.mark.parametrize("p", [1e-6, 0.25, 0.75, 0.999])
def test_exact_against_enumeration(p, own):
    """514 nodes in float64: 1e-15 of the rule, and some roundings of n factors."""
    for n, power in ((1, 1.0), (2, 1.0), (3, 8.0), (8, 4.0)):
        if own is not None and own >= n:
            continue
        a = rows(n, n, power)
        found = expected_masked_attention(a, p, own=None if own is None else torch.tensor(own))
        want = enumerated([Q(x) for x in a.tolist()], Q(p), own)
        torch.testing.assert_close(found, column([float(x) for x in want]), rtol=1e-12, atol=1e-15)


def test_smallest_weights_and_the_cut():
    p = 0.3
    for small in (1e-10, 1e-37):
        found = expected_masked_attention(column([1.0, small]), p)
        torch.testing.assert_close(found, column([1 / (1 + p), p / (1 + p)]), rtol=1e-9, atol=0)
    found = expected_masked_attention(column([1.0, 1e-39]), p)
    assert found.tolist() == pytest.approx([1, 0], abs=1e-15)
    found = expected_masked_attention(column([1.0, 2.0**-126]), p)
    assert found.tolist() == pytest.approx([1 / (1 + p), p / (1 + p)], rel=1e-13)


@pytest.mark.parametrize("small", [1e-2, 1e-10, 1e-20, 1e-36])
def test_gradient_in_scores(small):
    """Of a pair: q a (1 - a)/(1 + p). In the small weight itself the error would be over that weight."""
    p, z = 0.5, column([0.0, math.log(small)]).requires_grad_()
    a = z.detach().softmax(-1)
    (slope,) = torch.autograd.grad(expected_masked_attention(z.softmax(-1), p)[1], z)
    expected = (1 - p) / (1 + p) * a[0] * a[1] * column([-1.0, 1.0])
    torch.testing.assert_close(slope, expected, rtol=1e-12, atol=2e-14)


def test_the_cut_is_a_share_of_the_row():
    """A small weight among a thousand large ones, nearly all of them dropped, is whole or nothing."""
    p, large = 0.999, torch.ones(1000, dtype=F64)
    whole = 0.001 * p**1000 / (1 - p**1001)
    for small, expected in ((1.2e-35, whole), (1.2e-38, 0.0)):
        found = expected_masked_attention(torch.cat([large, column([small])]), p)
        assert found[-1].item() == pytest.approx(expected, rel=1e-11)
        assert found.sum().item() == pytest.approx(1, abs=1e-13)


def test_random_numbers_are_fine_enough_for_rates_near_one():
    """Where they are float32, a rate of 1 - 1e-7 keeps a fifth too many, and one of 1 - 1e-8 nothing."""
    draws = torch.rand(10, generator=seeded(), dtype=F64)
    assert torch.equal(keeps(torch.zeros(10), draws[0].item(), seeded()), draws >= draws[0])
    assert not keeps(torch.zeros(10), math.nextafter(draws[0].item(), 1), seeded())[0]


def test_sampling_agrees_and_leaves_out_empty_masks():
    a, p = column([0.6, 0.3, 0.1]), 0.75
    many = a.expand(4000, 3)
    for own in (None, torch.tensor(0)):
        runs = expected_masked_attention(many, p, "mc", own=own, num_samples=5, generator=seeded())
        whole = runs[~runs.isnan().any(-1)]
        exact = expected_masked_attention(a, p, own=own)
        error = whole.std(0) / len(whole) ** 0.5
        assert ((whole.mean(0) - exact).abs() < 5 * error).all()
    one = expected_masked_attention(many, p, "mc", num_samples=1, generator=seeded())
    assert one.isnan().any(-1).float().mean().item() == pytest.approx(0.75**3, abs=0.03)


def many(x):
    """So many copies of a point that one mask each is a sample."""
    return column(x).expand(4000, len(x))


def test_gap_of_quadratic_linear_and_homogeneous():
    h = column([[2.0, 3.0], [3.0, -4.0]])
    for f, expected in (
        (lambda x: ((x @ h) * x).sum(-1) / 2 + x[:, 0], 0.125 * (2 * 1 - 4 * 4)),
        (lambda x: 3 * x[:, 0] - x[:, 1], 0.0),
        (lambda x: torch.relu(x[:, 0]), 0.0),
    ):
        gap, _ = dropout_gap(f, many([1.0, -2.0]), 0.2, 2, seeded())
        error = gap.std() / 4000**0.5
        assert 0 < error < 0.1
        assert abs(gap.mean() - expected) < 4 * error


def test_gap_has_the_moments_of_one_epsilon():
    p, count = 0.25, 60
    gap, error = dropout_gap(lambda x: x[:, 0], many([2.0]), p, count, seeded())
    spread = math.sqrt(4 * p / (1 - p) / count)
    assert gap.std().item() == pytest.approx(spread, rel=0.05)
    assert error.square().mean().sqrt().item() == pytest.approx(spread, rel=0.02)
    assert abs(gap.mean()) < 4 * spread / 4000**0.5
    _, error = dropout_gap(lambda x: x[:, 0], many([2.0]), p, 2, seeded())
    assert error.square().mean().item() == pytest.approx(4 * p / (1 - p) / 2, rel=0.1)


def test_gap_is_nothing_without_dropout():
    gap, error = dropout_gap(torch.exp, column([1.0, 30.0]), 0.0, 3)
    assert gap.tolist() == [0, 0]
    assert error.tolist() == [0, 0]


# ------------------------------------------------------------------- failure


def test_rows_of_zeros_and_masks_of_nothing():
    zero, row = torch.zeros(4, dtype=F64), rows(4)
    for method in METHODS:
        assert torch.equal(expected_masked_attention(zero, 0.5, method, num_samples=2), zero)
        own = torch.tensor(1)
        assert torch.equal(expected_masked_attention(zero, 0.5, method, own=own, num_samples=2), zero)
    x = row.clone().requires_grad_()
    out = mask_columns(x, torch.zeros(4, dtype=torch.bool))
    out.sum().backward()
    assert torch.equal(out.detach(), zero)
    assert torch.equal(x.grad, zero)


def test_own_column_without_weight_is_no_column():
    a = column([0.0, 0.6, 0.4])
    one, other = (expected_masked_attention(a, 0.5, own=own) for own in (None, torch.tensor(0)))
    torch.testing.assert_close(one, other, rtol=1e-14, atol=0)


def test_dropped_columns_are_never_read():
    a = column([0.5, NAN, 0.25, INF]).requires_grad_()
    out = mask_columns(a, torch.tensor([True, False, True, False]))
    assert out.tolist() == pytest.approx([2 / 3, 0, 1 / 3, 0])
    (slope,) = torch.autograd.grad(out[0], a)
    assert slope.isfinite().all()


def test_negative_weights_are_refused_where_they_are_read():
    scores = column([1.0, -2.0, 0.5])
    with pytest.raises(ValueError, match="attn must not be negative, got -2"):
        mask_columns(scores, torch.tensor([True, True, False]))
    assert mask_columns(scores, torch.tensor([True, False, True])).tolist() == pytest.approx(
        [2 / 3, 0, 1 / 3]
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_sum_overflows_or_underflows(dtype):
    info = torch.finfo(dtype)
    for size in (info.max, info.tiny):
        a = torch.full((300,), size, dtype=dtype)
        found = mask_columns(a, torch.arange(300) < 200)
        assert found[0].item() == pytest.approx(1 / 200, rel=4 * info.eps)
        assert expected_masked_attention(a, 0.5)[0].item() == pytest.approx(1 / 300, rel=4 * info.eps)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_once(dtype):
    """Against float64, within the last place: sums and products are made in float32."""
    a, keep = rows(3000).to(dtype), torch.rand(3000, generator=seeded(1)) < 0.5
    table = torch.randn(300, 4, generator=seeded()).to(dtype)
    for half, wide in (
        (mask_columns(a, keep), mask_columns(a.double(), keep)),
        (
            corrected_embedding(table, 3, random=0.2, keep=0.0),
            corrected_embedding(table.double(), 3, random=0.2, keep=0.0),
        ),
    ):
        torch.testing.assert_close(half.double(), wide, rtol=torch.finfo(dtype).eps * 0.51, atol=1e-7)


def test_long_rows_and_chunks_give_the_same(monkeypatch):
    a = torch.randn(3, 50, generator=seeded(), dtype=F64).exp()
    whole = expected_masked_attention(a, 0.5)
    monkeypatch.setattr(integral, "ENTRIES", 1)
    torch.testing.assert_close(expected_masked_attention(a, 0.5), whole, rtol=1e-13, atol=0)


def test_memory_does_not_grow_with_the_nodes(monkeypatch):
    sizes, terms = [], integral._terms

    def spy(nodes, a, p, held):
        sizes.append(len(nodes) * a.numel())
        return terms(nodes, a, p, held)

    monkeypatch.setattr(integral, "_terms", spy)
    monkeypatch.setattr(integral, "ENTRIES", 10_000)
    expected_masked_attention(torch.ones(2, 1000, dtype=F64), 0.5)
    assert max(sizes) == 10_000
    assert sum(sizes) == len(integral.NODES) * 2000


def test_wrong_values_are_refused():
    a = column([0.5, 0.5])
    with pytest.raises(ValueError, match="A must not be negative"):
        expected_masked_attention(-a, 0.5)
    with pytest.raises(ValueError, match="probability to drop"):
        expected_masked_attention(a, 1.0)
    with pytest.raises(ValueError, match="sum to 1"):
        corrected_embedding(torch.eye(3), 0, mask=0.9)
    with pytest.raises(TypeError, match="exclude_special must be a sequence"):
        corrected_embedding(torch.eye(2), 0, exclude_special="01")
    with pytest.raises(ValueError, match="weight must be a table"):
        corrected_embedding(torch.ones(3), 0)
    with pytest.raises(ValueError, match="x must have tokens"):
        drop_token(torch.ones(3), 0.5)
    with pytest.raises(ValueError, match="x must have tokens"):
        drop_token(torch.ones(0, 3), 0.5)
    for draw in (
        lambda: dropout_gap(torch.exp, a, 0.5, 2, 7),
        lambda: drop_token(a[:, None], 0.5, generator=7),
        lambda: expected_masked_attention(a, 0.5, generator=7),
    ):
        with pytest.raises(TypeError, match="generator must be"):
            draw()
    with pytest.raises(TypeError, match=r"f\(x\) must be float64"):
        dropout_gap(lambda x: x > 0, a, 0.5)
