"""Multi-label cross-entropy and softmax over subsets: what holds exactly."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from classification.multilabel_cases import LABELS, SCORES, SOFT
from helpers import DEVICES, DTYPES, INF, NAN, assert_close, column, gradients
from torch import nn

from lemmata.classification import (
    MultilabelCrossEntropy,
    SparseMultilabelCrossEntropy,
    log_elementary_symmetric,
    minimum_multilabel_cross_entropy,
    multilabel_cross_entropy,
    multilabel_divergence,
    optimal_scores,
    predict_labels,
    sparse_multilabel_cross_entropy,
    subset_cross_entropy,
    subset_log_prob,
    subset_marginals,
)

dense, sparse = multilabel_cross_entropy, sparse_multilabel_cross_entropy  # where a table needs short names
pytestmark = pytest.mark.parametrize("device", DEVICES)


# ------------------------------------------------------------------- identity


def test_reference_numbers(device):
    s, y, t = column(SCORES, device), column(LABELS, device, torch.int64), column(SOFT, device)
    loss, gradient = gradients(lambda s: multilabel_cross_entropy(s, y), s)
    assert_close(loss, [1.9746735659573301202], 1e-15)
    expected = [
        -0.0776955791485706,
        0.0889468172974043,
        -0.348207427883735,
        0.0120376427119395,
        0.657233022831855,
    ]
    assert_close(gradient, expected, 1e-14)
    assert_close(multilabel_cross_entropy(s, y * 0), [2.5782243692661409249], 1e-15)
    assert_close(multilabel_cross_entropy(s, y * 0 + 1), [3.2154123995596177569], 1e-15)
    assert_close(multilabel_cross_entropy(s * 0, y), [2.4849066497880003102], 1e-15)  # log 12
    assert_close(multilabel_cross_entropy(s, t), [2.5665798742868616355], 1e-15)
    assert_close(minimum_multilabel_cross_entropy(t), [1.9687976365572907797], 1e-15)
    symmetric = [
        0,
        2.4992799988198058817,
        3.729976957981723206,
        3.8852661923889267256,
        2.6744458350106128206,
        -0.5,
    ]
    assert_close(log_elementary_symmetric(s, 5), symmetric, 1e-15, 1e-15)
    assert_close(subset_log_prob(s, y), [-1.229976957981723206], 1e-15)
    shares = [0.848266874034546, 0.104206361267572, 0.416352443751802, 0.0144827779956695, 0.616691542950411]
    assert_close(subset_marginals(s, 2), shares, 1e-14)
    padded = {
        2: 4.0046363431470304779,
        3: 4.6398785459395914576,
        5: 4.7761157218332669042,
    }  # log Z, sum of T is 2.5
    for size, log_z in padded.items():
        assert_close(subset_cross_entropy(s, y, max_size=size), [log_z - 2.5], 2e-15)


def test_the_sum_over_pairs_factorises(draw):
    s, y = draw.normal(8), column(LABELS + LABELS[:3], "cpu").bool()
    negative, positive, theta = s[~y.to(s.device)], s[y.to(s.device)], 0.3
    pairs = (negative[:, None] - positive).exp().sum()
    whole = torch.log(1 + pairs + (negative - theta).exp().sum() + (theta - positive).exp().sum())
    loss = multilabel_cross_entropy(s, y.to(s.device), threshold=theta)
    torch.testing.assert_close(loss, whole, rtol=1e-14, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sparse_equals_dense(draw, dtype, device):
    s = draw.normal(4, 9, scale=3.0, dtype=dtype)
    index = torch.tensor([[8, 0, 3, 3], [-1, 5, -1, 5], [-1, -1, -1, -1], [0, 1, 2, 7]], device=device)
    y = torch.zeros(4, 9, dtype=torch.bool, device=device)
    for row, label in ((0, 0), (0, 3), (0, 8), (1, 5), (3, 0), (3, 1), (3, 2), (3, 7)):
        y[row, label] = True
    theta = draw.normal(4, dtype=dtype)
    for options in (
        {},
        {"threshold": -0.7},
        {"threshold": theta},
        {"reduction": "none"},
        {"reduction": "sum"},
    ):
        dense = gradients(lambda s, o=options: multilabel_cross_entropy(s, y, **o), s)
        sparse = gradients(lambda s, o=options: sparse_multilabel_cross_entropy(s, index, **o), s)
        for one, other in zip(dense, sparse, strict=True):
            assert one.dtype == other.dtype == dtype
            torch.testing.assert_close(other, one, rtol=2 * torch.finfo(dtype).eps, atol=0)


def test_padding_index_is_any_number(draw, device):
    s = draw.normal(2, 6)
    index = torch.tensor([[0, 4, -1], [2, -1, -1]], device=device)
    expected = sparse_multilabel_cross_entropy(s, index)
    for padding in (-100, 6, 99):
        renamed = index.masked_fill(index == -1, padding)
        assert sparse_multilabel_cross_entropy(s, renamed, padding_index=padding) == expected
    hidden = sparse_multilabel_cross_entropy(s, index.clamp(min=0), padding_index=0, reduction="none")
    torch.testing.assert_close(hidden[0], multilabel_cross_entropy(s[0], F.one_hot(index[0, 1], 6)))
    torch.testing.assert_close(hidden[1], multilabel_cross_entropy(s[1], F.one_hot(index[1, 0], 6)))


def test_classes_in_another_order_cost_the_same(draw, device):
    s, t, order = draw.normal(5, 7), draw.uniform(5, 7), torch.tensor([3, 0, 6, 1, 5, 2, 4], device=device)
    loss, gradient = gradients(lambda s: multilabel_cross_entropy(s, t, reduction="none"), s)
    moved, moved_gradient = gradients(
        lambda s: multilabel_cross_entropy(s, t[:, order], reduction="none"), s[:, order]
    )
    torch.testing.assert_close(moved, loss, rtol=1e-14, atol=0)
    torch.testing.assert_close(moved_gradient, gradient[:, order], rtol=1e-13, atol=0)


def test_never_above_summed_bce_and_equal_with_one_label_a_side(draw):
    s, y = draw.normal(200, 6, scale=3.0), draw.labels(200, 6)
    bce = F.binary_cross_entropy_with_logits(s, y.double(), reduction="none").sum(-1)
    loss = multilabel_cross_entropy(s, y, reduction="none")
    assert (loss <= bce * (1 + 1e-15)).all()
    at_most_one_each = (y.sum(-1) <= 1) & ((~y).sum(-1) <= 1)
    assert (loss[~at_most_one_each] < bce[~at_most_one_each]).all()
    pair, target = s[:, :2], torch.tensor([True, False], device=s.device).expand(200, 2)
    bce = F.binary_cross_entropy_with_logits(pair, target.double(), reduction="none").sum(-1)
    loss = multilabel_cross_entropy(pair, target, reduction="none")
    torch.testing.assert_close(loss, bce, rtol=1e-13, atol=0)


def test_loss_counts_errors(draw):
    y = draw.labels(500, 6)
    s = draw.normal(500, 6, scale=2.0)
    s = s + draw.uniform(500, 1) * torch.where(y, 6.0, -6.0)  # from chance to sure
    loss = multilabel_cross_entropy(s, y, reduction="none")
    wrong_order = ((s[:, :, None] >= s[:, None, :]) & ~y[:, :, None] & y[:, None, :]).sum((1, 2))
    false_positive, false_negative = ((s >= 0) & ~y).sum(-1), ((s <= 0) & y).sum(-1)
    assert (wrong_order + false_positive + false_negative <= loss.expm1()).all()
    assert ((1 + false_positive) * (1 + false_negative) <= loss.exp()).all()
    sure = loss < math.log(2)
    assert 50 < sure.sum() < 450
    assert (predict_labels(s)[sure] == y[sure]).all()


def test_gradients_of_a_side_sum_below_one(draw):
    s, y = draw.normal(50, 40, scale=5.0), draw.labels(50, 40)
    loss, gradient = gradients(lambda s: multilabel_cross_entropy(s, y, reduction="none"), s)
    up, down = gradient.clamp(min=0).sum(-1), -gradient.clamp(max=0).sum(-1)
    assert (gradient[~y] >= 0).all()
    assert (gradient[y] <= 0).all()
    assert (up < 1 + 1e-15).all()
    assert (down < 1 + 1e-15).all()
    remaining = -torch.log1p(-up) - torch.log1p(-down)  # 1 - A/(1+A) = 1/(1+A)
    fine = (up < 0.999) & (down < 0.999)
    torch.testing.assert_close(loss[fine], remaining[fine], rtol=1e-10, atol=0)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_threshold_shifts_the_scores(draw, reduction):
    s, t, theta = draw.normal(2, 3, 6), draw.uniform(2, 3, 6), draw.normal(2, 3)
    by_shift = gradients(
        lambda s, h: multilabel_cross_entropy(s - h.unsqueeze(-1), t, reduction=reduction), s, theta
    )
    direct = gradients(
        lambda s, h: multilabel_cross_entropy(s, t, threshold=h, reduction=reduction), s, theta
    )
    for one, other in zip(direct, by_shift, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-15)
    _, d_theta = gradients(
        lambda h: multilabel_cross_entropy(s, t > 0.5, threshold=h, reduction="sum"), theta
    )
    _, d_s = gradients(lambda s: multilabel_cross_entropy(s, t > 0.5, threshold=theta, reduction="sum"), s)
    torch.testing.assert_close(d_theta, -d_s.sum(-1), rtol=1e-13, atol=1e-15)


def test_threshold_broadcasts(draw):
    s, y = draw.normal(2, 3, 6), draw.labels(2, 3, 6)
    for shape in ((), (1,), (3,), (2, 1), (1, 3), (2, 3)):
        theta = draw.normal(*shape)
        loss, d_theta = gradients(
            lambda h: multilabel_cross_entropy(s, y, threshold=h, reduction="none"), theta
        )
        rows = multilabel_cross_entropy(s - theta.expand(2, 3)[..., None], y, reduction="none")
        torch.testing.assert_close(loss, rows, rtol=1e-14, atol=0)
        assert d_theta.shape == shape
        sparse = sparse_multilabel_cross_entropy(s, y.int().argmax(-1, keepdim=True), threshold=theta)
        assert sparse.isfinite()
    assert multilabel_cross_entropy(s, y, threshold=0.25) == multilabel_cross_entropy(s - 0.25, y)


@pytest.mark.parametrize("kind", ["bool", "int", "soft"])
def test_masked_labels_leave_both_sums(draw, device, kind):
    s, y = draw.normal(4, 5), draw.labels(4, 5)
    y = {"bool": y, "int": y.long(), "soft": draw.uniform(4, 5)}[kind]
    mask = torch.tensor(
        [[1, 1, 0, 1, 0], [0, 0, 0, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], device=device
    ).bool()
    for hidden in (0.0, 1e4, INF, -INF, NAN):
        loss, gradient = gradients(
            lambda s: multilabel_cross_entropy(s, y, mask=mask, reduction="none"),
            s.masked_fill(~mask, hidden),
        )
        for row in range(4):
            alone = multilabel_cross_entropy(s[row, mask[row]], y[row, mask[row]])
            torch.testing.assert_close(loss[row], alone, rtol=1e-14, atol=0)
        assert loss[3] == 0
        assert (gradient[~mask] == 0).all()
        assert (gradient[mask] != 0).all()


def test_mask_broadcasts_and_mean_is_over_rows_with_a_label(draw, device):
    s, y = draw.normal(3, 4), draw.labels(3, 4)
    columns = torch.tensor([True, False, True, True], device=device)
    expected = multilabel_cross_entropy(s[:, columns], y[:, columns])
    torch.testing.assert_close(multilabel_cross_entropy(s, y, mask=columns), expected)
    rows = torch.tensor([[True], [False], [True]], device=device)
    torch.testing.assert_close(
        multilabel_cross_entropy(s, y, mask=rows), multilabel_cross_entropy(s[::2], y[::2])
    )
    total = multilabel_cross_entropy(s, y, mask=rows, reduction="sum")
    torch.testing.assert_close(total, 2 * multilabel_cross_entropy(s[::2], y[::2]))
    one = multilabel_cross_entropy(s, y, mask=rows & (torch.arange(3, device=device) == 2).unsqueeze(-1))
    torch.testing.assert_close(one, multilabel_cross_entropy(s[2], y[2]))
    nothing, gradient = gradients(lambda s: multilabel_cross_entropy(s, y, mask=rows & ~rows), s)
    assert nothing == 0
    assert (gradient == 0).all()


def test_reductions(draw, device):
    s, y = draw.normal(3, 2, 5), draw.labels(3, 2, 5)
    index = y.long().topk(2).indices
    for loss, labels in ((multilabel_cross_entropy, y), (sparse_multilabel_cross_entropy, index),
                         (multilabel_divergence, y), (subset_cross_entropy, y)):  # fmt: skip
        rows = loss(s, labels, reduction="none")
        assert rows.shape == (3, 2)
        torch.testing.assert_close(loss(s, labels, reduction="sum"), rows.sum())
        torch.testing.assert_close(loss(s, labels, reduction="mean"), rows.sum() / 6)
        assert loss(s, labels) == loss(s, labels, reduction="mean")


def test_every_type_of_hard_target_is_the_same(draw):
    s, y = draw.normal(4, 6, scale=4.0), draw.labels(4, 6)
    loss, gradient = gradients(lambda s: multilabel_cross_entropy(s, y, reduction="none"), s)
    for dtype in (torch.int64, torch.int32, torch.uint8, *DTYPES):
        other, other_gradient = gradients(
            lambda s, d=dtype: multilabel_cross_entropy(s, y.to(d), reduction="none"), s
        )
        torch.testing.assert_close(other, loss, rtol=1e-14, atol=0)
        torch.testing.assert_close(other_gradient, gradient, rtol=1e-14, atol=0)


def test_modules_are_the_functions(draw, device):
    s, y = draw.normal(4, 6), draw.labels(4, 6)
    index = y.long().topk(3).indices.masked_fill(~y.gather(-1, y.long().topk(3).indices), -5)
    mask, theta = draw.labels(4, 6, share=0.8), draw.normal(4)
    options = {"threshold": theta, "reduction": "none"}
    dense = MultilabelCrossEntropy(**options)
    assert torch.equal(dense(s, y, mask=mask), multilabel_cross_entropy(s, y, mask=mask, **options))
    sparse = SparseMultilabelCrossEntropy(padding_index=-5, **options)
    assert torch.equal(
        sparse(s, index), sparse_multilabel_cross_entropy(s, index, padding_index=-5, **options)
    )
    assert MultilabelCrossEntropy()(s, y) == multilabel_cross_entropy(s, y)
    assert SparseMultilabelCrossEntropy()(s, index.clamp(min=-1)) == sparse(s, index).new_tensor(
        sparse_multilabel_cross_entropy(s, index, padding_index=-5).item()
    )


def test_a_threshold_moves_with_its_module_and_can_be_learned(draw, device):
    s, y = draw.normal(4, 6), draw.labels(4, 6)
    for cls in (MultilabelCrossEntropy, SparseMultilabelCrossEntropy):
        assert [name for name, _ in cls(threshold=torch.zeros(4)).named_buffers()] == ["threshold"]
        assert [name for name, _ in cls(threshold=nn.Parameter(torch.zeros(4))).named_parameters()] == [
            "threshold"
        ]
        assert list(cls(threshold=0.5).state_dict()) == []
        with pytest.raises(ValueError, match="reduction must be"):
            cls(reduction="average")
    learned = MultilabelCrossEntropy(threshold=nn.Parameter(torch.zeros((), device=device)))
    learned(s, y).backward()
    assert learned.threshold.grad.abs() > 0
    assert repr(learned) == "MultilabelCrossEntropy(threshold=tensor of shape (), reduction='mean')"


def test_prediction_is_strictly_above_the_threshold(device):
    s = column([[-INF, -1.0, 0.0, 1e-30, NAN, INF]], device)
    assert predict_labels(s).tolist() == [[False, False, False, True, False, True]]
    assert predict_labels(s, threshold=-1.0).tolist() == [[False, False, True, True, False, True]]
    assert predict_labels(s.expand(2, 6), threshold=column([2.0, -2.0], device)).sum(-1).tolist() == [1, 4]


def test_soft_optimum(draw):
    t = draw.uniform(20, 6)
    loss, gradient = gradients(lambda s: multilabel_cross_entropy(s, t, reduction="none"), optimal_scores(t))
    torch.testing.assert_close(loss, minimum_multilabel_cross_entropy(t), rtol=1e-14, atol=0)
    torch.testing.assert_close(gradient, torch.zeros_like(t), rtol=0, atol=1e-15)
    torch.testing.assert_close(torch.sigmoid(2 * optimal_scores(t)), t, rtol=1e-14, atol=0)
    nearby = multilabel_cross_entropy(optimal_scores(t) + draw.normal(20, 6, scale=0.1), t, reduction="none")
    assert (nearby > minimum_multilabel_cross_entropy(t)).all()


def test_hard_labels_have_infinite_optimal_scores_and_cost_nothing(device):
    t = column([0, 1, 1, 0], device)
    assert optimal_scores(t).tolist() == [-INF, INF, INF, -INF]
    assert optimal_scores(t.bool()).tolist() == [-INF, INF, INF, -INF]
    assert minimum_multilabel_cross_entropy(t.long()) == 0
    assert multilabel_cross_entropy(optimal_scores(t), t) == 0
    assert multilabel_divergence(optimal_scores(t), t) == 0


def test_divergence_is_what_the_loss_costs_above_its_minimum(draw):
    s, t = draw.normal(30, 6, scale=2.0), draw.uniform(30, 6)
    t[0] = (t[0] > 0.5).double()
    divergence = multilabel_divergence(s, t, reduction="none")
    difference = multilabel_cross_entropy(s, t, reduction="none") - minimum_multilabel_cross_entropy(t)
    torch.testing.assert_close(divergence, difference, rtol=1e-13, atol=1e-14)
    assert (divergence > 0).all()
    _, by_divergence = gradients(lambda s: multilabel_divergence(s, t, reduction="none"), s)
    _, by_loss = gradients(lambda s: multilabel_cross_entropy(s, t, reduction="none"), s)
    torch.testing.assert_close(by_divergence, by_loss, rtol=1e-13, atol=1e-15)


def test_subsets_of_a_size_have_total_probability_one(draw):
    s = draw.normal(7, scale=3.0)
    for size in range(8):
        subsets = torch.tensor(
            [[i in chosen for i in range(7)] for chosen in itertools.combinations(range(7), size)]
        )
        p = subset_log_prob(s.expand(len(subsets), 7), subsets.to(s.device)).exp()
        torch.testing.assert_close(p.sum().item(), 1.0, rtol=1e-14, atol=0)
        inclusion = (p.unsqueeze(-1) * subsets.to(s.device)).sum(0)
        torch.testing.assert_close(subset_marginals(s, size), inclusion, rtol=1e-13, atol=1e-16)


def test_padding_goes_from_softmax_to_bce(draw):
    s, y = draw.normal(30, 6, scale=2.0), draw.labels(30, 6, share=0.3)
    bce = F.binary_cross_entropy_with_logits(s, y.double(), reduction="none").sum(-1)
    for size in (6, 9):
        loss = subset_cross_entropy(s, y, max_size=size, reduction="none")
        torch.testing.assert_close(loss, bce, rtol=1e-13, atol=0)
    one = y & (y.cumsum(-1) == 1)  # the first label of each row, if it has one
    null_class_first = torch.where(one.any(-1), one.int().argmax(-1) + 1, 0)
    softmax = F.cross_entropy(F.pad(s, (1, 0)), null_class_first, reduction="none")
    torch.testing.assert_close(
        subset_cross_entropy(s, one, max_size=1, reduction="none"), softmax, rtol=1e-13, atol=0
    )


def test_a_subset_larger_than_the_largest_is_impossible(draw, device):
    s, y = draw.normal(3, 4), torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], device=device)
    loss, gradient = gradients(lambda s: subset_cross_entropy(s, y, max_size=1, reduction="none"), s)
    assert loss.isinf().tolist() == [True, False, False]
    assert (gradient[0] == 0).all()
    assert gradient.isfinite().all()
    assert subset_cross_entropy(s, y, max_size=0, reduction="none").tolist() == [INF, INF, 0]
