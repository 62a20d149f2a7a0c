"""Multi-label cross-entropy and softmax over subsets: identities, agreement with mpmath, and what breaks."""

import itertools
import math
import shutil

import pytest
import torch
import torch.nn.functional as F
from mpmath import mp
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.profiler import ProfilerActivity, profile

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
from lemmata.classification._multilabel.sums import cut

dense, sparse = multilabel_cross_entropy, sparse_multilabel_cross_entropy  # where a table needs short names
mp.dps = 40
INF, NAN = math.inf, math.nan
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
SCORES = (2.0, -1.0, 0.5, -3.0, 1.0)
LABELS = (1, 0, 1, 0, 0)
SOFT = (0.9, 0.1, 0.8, 0.05, 0.3)

pytestmark = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture
def draw(device):
    """Random tensors, drawn on the CPU so that every device sees the same."""
    generator = torch.Generator().manual_seed(7359)

    class Draw:
        def scores(self, *shape, scale=1.0, dtype=torch.float64):
            return (torch.randn(shape, generator=generator, dtype=torch.float64) * scale).to(device, dtype)

        def hard(self, *shape, share=0.4):
            return (torch.rand(*shape, generator=generator) < share).to(device)

        def soft(self, *shape, dtype=torch.float64):
            return torch.rand(*shape, generator=generator, dtype=torch.float64).to(device, dtype)

    return Draw()


def column(values, device, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype, device=device)


def gradients(loss, *leaves):
    """The loss of each row and the gradients of their sum."""
    leaves = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    rows = loss(*leaves)
    return rows.detach(), *torch.autograd.grad(rows.sum(), leaves)


# ------------------------------------------------------------------- the oracle


def exact_sums(scores, target, threshold=0.0, mask=None):
    """A and B of one row, and its terms by label, in mpmath; labels with mask False are left out."""
    mask = [True] * len(scores) if mask is None else mask
    x = [mp.mpf(s) - mp.mpf(threshold) if keep else mp.mpf(0) for s, keep in zip(scores, mask, strict=True)]
    t = [mp.mpf(float(label)) for label in target]
    a = [keep * (1 - label) * mp.exp(y) for y, label, keep in zip(x, t, mask, strict=True)]
    b = [keep * label * mp.exp(-y) for y, label, keep in zip(x, t, mask, strict=True)]
    return mp.fsum(a), mp.fsum(b), a, b


def exact_loss(scores, target, threshold=0.0, mask=None):
    a, b, _, _ = exact_sums(scores, target, threshold, mask)
    return mp.log1p(a) + mp.log1p(b)


def exact_gradient(scores, target, threshold=0.0, mask=None):
    a, b, a_terms, b_terms = exact_sums(scores, target, threshold, mask)
    return [p / (1 + a) - q / (1 + b) for p, q in zip(a_terms, b_terms, strict=True)]


def exact_symmetric(scores, k):
    """e_0 ... e_k of exp(scores) by definition: sums over subsets."""
    x = [mp.exp(mp.mpf(s)) for s in scores]
    return [mp.fsum(mp.fprod(chosen) for chosen in itertools.combinations(x, j)) for j in range(k + 1)]


def assert_close(actual, expected, relative, absolute=0.0):
    """Elementwise |actual - expected| <= relative |expected| + absolute, measured in float64."""
    expected = torch.tensor([float(e) for e in expected], dtype=torch.float64).reshape(actual.shape)
    torch.testing.assert_close(actual.double().cpu(), expected, rtol=relative, atol=absolute)


def resolution(dtype, scale):
    """The relative tolerance that the dtypes leave.

    Sums are made in float32 or float64: rounding s by eps |s| is an error eps |s| in an exponent, hence a
    relative error eps |s| in its exponential; 16 for the rest. A half type then rounds once, by half its eps.
    """
    made = torch.finfo(torch.float64 if dtype == torch.float64 else torch.float32).eps
    kept = torch.finfo(dtype).eps
    return made * (16 + 4 * scale) + (kept / 2 if kept > made else 0.0)


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
    s, y = draw.scores(8), column(LABELS + LABELS[:3], "cpu").bool()
    negative, positive, theta = s[~y.to(s.device)], s[y.to(s.device)], 0.3
    pairs = (negative[:, None] - positive).exp().sum()
    whole = torch.log(1 + pairs + (negative - theta).exp().sum() + (theta - positive).exp().sum())
    loss = multilabel_cross_entropy(s, y.to(s.device), threshold=theta)
    torch.testing.assert_close(loss, whole, rtol=1e-14, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sparse_equals_dense(draw, dtype, device):
    s = draw.scores(4, 9, scale=3.0, dtype=dtype)
    index = torch.tensor([[8, 0, 3, 3], [-1, 5, -1, 5], [-1, -1, -1, -1], [0, 1, 2, 7]], device=device)
    y = torch.zeros(4, 9, dtype=torch.bool, device=device)
    for row, label in ((0, 0), (0, 3), (0, 8), (1, 5), (3, 0), (3, 1), (3, 2), (3, 7)):
        y[row, label] = True
    theta = draw.scores(4, dtype=dtype)
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
    s = draw.scores(2, 6)
    index = torch.tensor([[0, 4, -1], [2, -1, -1]], device=device)
    expected = sparse_multilabel_cross_entropy(s, index)
    for padding in (-100, 6, 99):
        renamed = index.masked_fill(index == -1, padding)
        assert sparse_multilabel_cross_entropy(s, renamed, padding_index=padding) == expected
    hidden = sparse_multilabel_cross_entropy(s, index.clamp(min=0), padding_index=0, reduction="none")
    torch.testing.assert_close(hidden[0], multilabel_cross_entropy(s[0], F.one_hot(index[0, 1], 6)))
    torch.testing.assert_close(hidden[1], multilabel_cross_entropy(s[1], F.one_hot(index[1, 0], 6)))


def test_classes_in_another_order_cost_the_same(draw, device):
    s, t, order = draw.scores(5, 7), draw.soft(5, 7), torch.tensor([3, 0, 6, 1, 5, 2, 4], device=device)
    loss, gradient = gradients(lambda s: multilabel_cross_entropy(s, t, reduction="none"), s)
    moved, moved_gradient = gradients(
        lambda s: multilabel_cross_entropy(s, t[:, order], reduction="none"), s[:, order]
    )
    torch.testing.assert_close(moved, loss, rtol=1e-14, atol=0)
    torch.testing.assert_close(moved_gradient, gradient[:, order], rtol=1e-13, atol=0)


def test_never_above_summed_bce_and_equal_with_one_label_a_side(draw):
    s, y = draw.scores(200, 6, scale=3.0), draw.hard(200, 6)
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
    y = draw.hard(500, 6)
    s = draw.scores(500, 6, scale=2.0) + draw.soft(500, 1) * torch.where(y, 6.0, -6.0)  # from chance to sure
    loss = multilabel_cross_entropy(s, y, reduction="none")
    wrong_order = ((s[:, :, None] >= s[:, None, :]) & ~y[:, :, None] & y[:, None, :]).sum((1, 2))
    false_positive, false_negative = ((s >= 0) & ~y).sum(-1), ((s <= 0) & y).sum(-1)
    assert (wrong_order + false_positive + false_negative <= loss.expm1()).all()
    assert ((1 + false_positive) * (1 + false_negative) <= loss.exp()).all()
    sure = loss < math.log(2)
    assert 50 < sure.sum() < 450
    assert (predict_labels(s)[sure] == y[sure]).all()


def test_gradients_of_a_side_sum_below_one(draw):
    s, y = draw.scores(50, 40, scale=5.0), draw.hard(50, 40)
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
    s, t, theta = draw.scores(2, 3, 6), draw.soft(2, 3, 6), draw.scores(2, 3)
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
    s, y = draw.scores(2, 3, 6), draw.hard(2, 3, 6)
    for shape in ((), (1,), (3,), (2, 1), (1, 3), (2, 3)):
        theta = draw.scores(*shape)
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
    s, y = draw.scores(4, 5), draw.hard(4, 5)
    y = {"bool": y, "int": y.long(), "soft": draw.soft(4, 5)}[kind]
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
    s, y = draw.scores(3, 4), draw.hard(3, 4)
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
    s, y = draw.scores(3, 2, 5), draw.hard(3, 2, 5)
    index = y.long().topk(2).indices
    for loss, labels in ((multilabel_cross_entropy, y), (sparse_multilabel_cross_entropy, index),
                         (multilabel_divergence, y), (subset_cross_entropy, y)):  # fmt: skip
        rows = loss(s, labels, reduction="none")
        assert rows.shape == (3, 2)
        torch.testing.assert_close(loss(s, labels, reduction="sum"), rows.sum())
        torch.testing.assert_close(loss(s, labels, reduction="mean"), rows.sum() / 6)
        assert loss(s, labels) == loss(s, labels, reduction="mean")


def test_every_type_of_hard_target_is_the_same(draw):
    s, y = draw.scores(4, 6, scale=4.0), draw.hard(4, 6)
    loss, gradient = gradients(lambda s: multilabel_cross_entropy(s, y, reduction="none"), s)
    for dtype in (torch.int64, torch.int32, torch.uint8, *DTYPES):
        other, other_gradient = gradients(
            lambda s, d=dtype: multilabel_cross_entropy(s, y.to(d), reduction="none"), s
        )
        torch.testing.assert_close(other, loss, rtol=1e-14, atol=0)
        torch.testing.assert_close(other_gradient, gradient, rtol=1e-14, atol=0)


def test_modules_are_the_functions(draw, device):
    s, y = draw.scores(4, 6), draw.hard(4, 6)
    index = y.long().topk(3).indices.masked_fill(~y.gather(-1, y.long().topk(3).indices), -5)
    mask, theta = draw.hard(4, 6, share=0.8), draw.scores(4)
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
    s, y = draw.scores(4, 6), draw.hard(4, 6)
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
    t = draw.soft(20, 6)
    loss, gradient = gradients(lambda s: multilabel_cross_entropy(s, t, reduction="none"), optimal_scores(t))
    torch.testing.assert_close(loss, minimum_multilabel_cross_entropy(t), rtol=1e-14, atol=0)
    torch.testing.assert_close(gradient, torch.zeros_like(t), rtol=0, atol=1e-15)
    torch.testing.assert_close(torch.sigmoid(2 * optimal_scores(t)), t, rtol=1e-14, atol=0)
    nearby = multilabel_cross_entropy(optimal_scores(t) + draw.scores(20, 6, scale=0.1), t, reduction="none")
    assert (nearby > minimum_multilabel_cross_entropy(t)).all()


def test_hard_labels_have_infinite_optimal_scores_and_cost_nothing(device):
    t = column([0, 1, 1, 0], device)
    assert optimal_scores(t).tolist() == [-INF, INF, INF, -INF]
    assert optimal_scores(t.bool()).tolist() == [-INF, INF, INF, -INF]
    assert minimum_multilabel_cross_entropy(t.long()) == 0
    assert multilabel_cross_entropy(optimal_scores(t), t) == 0
    assert multilabel_divergence(optimal_scores(t), t) == 0


def test_divergence_is_what_the_loss_costs_above_its_minimum(draw):
    s, t = draw.scores(30, 6, scale=2.0), draw.soft(30, 6)
    t[0] = (t[0] > 0.5).double()
    divergence = multilabel_divergence(s, t, reduction="none")
    difference = multilabel_cross_entropy(s, t, reduction="none") - minimum_multilabel_cross_entropy(t)
    torch.testing.assert_close(divergence, difference, rtol=1e-13, atol=1e-14)
    assert (divergence > 0).all()
    _, by_divergence = gradients(lambda s: multilabel_divergence(s, t, reduction="none"), s)
    _, by_loss = gradients(lambda s: multilabel_cross_entropy(s, t, reduction="none"), s)
    assert torch.equal(by_divergence, by_loss)


def test_subsets_of_a_size_have_total_probability_one(draw):
    s = draw.scores(7, scale=3.0)
    for size in range(8):
        subsets = torch.tensor(
            [[i in chosen for i in range(7)] for chosen in itertools.combinations(range(7), size)]
        )
        p = subset_log_prob(s.expand(len(subsets), 7), subsets.to(s.device)).exp()
        torch.testing.assert_close(p.sum().item(), 1.0, rtol=1e-14, atol=0)
        inclusion = (p.unsqueeze(-1) * subsets.to(s.device)).sum(0)
        torch.testing.assert_close(subset_marginals(s, size), inclusion, rtol=1e-13, atol=1e-16)


def test_padding_goes_from_softmax_to_bce(draw):
    s, y = draw.scores(30, 6, scale=2.0), draw.hard(30, 6, share=0.3)
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
    s, y = draw.scores(3, 4), torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], device=device)
    loss, gradient = gradients(lambda s: subset_cross_entropy(s, y, max_size=1, reduction="none"), s)
    assert loss.isinf().tolist() == [True, False, False]
    assert (gradient[0] == 0).all()
    assert gradient.isfinite().all()
    assert subset_cross_entropy(s, y, max_size=0, reduction="none").tolist() == [INF, INF, 0]


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("kind", ["hard", "soft", "masked"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_loss_and_gradient_agree_with_mpmath(draw, dtype, kind, scale):
    s, theta = draw.scores(6, 7, scale=scale, dtype=dtype), draw.scores(6, dtype=dtype)
    t = draw.soft(6, 7, dtype=dtype) if kind == "soft" else draw.hard(6, 7)
    mask = draw.hard(6, 7, share=0.7) if kind == "masked" else None
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
    s, direction = draw.scores(6, 7, scale=scale, dtype=torch.float32), draw.scores(6, 7, dtype=torch.float32)
    t = draw.hard(6, 7) if kind == "hard" else draw.soft(6, 7, dtype=torch.float32).pow(8)

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
    t = draw.soft(10, 5)
    for step in (1e-1, 1e-3, 1e-5):
        s = optimal_scores(t) + draw.scores(10, 5, scale=step)
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
        s = draw.scores(classes, scale=5.0, dtype=dtype)
        log = log_elementary_symmetric(s, classes)
        assert log.dtype == dtype
        exact = [mp.log(e) for e in exact_symmetric(s.tolist(), classes)]
        close = resolution(dtype, 10.0)
        assert_close(log, exact, close, 8 * close)
        for k in range(classes):
            assert torch.equal(log_elementary_symmetric(s, k), log[: k + 1])


def test_symmetric_polynomials_do_not_cancel_where_newton_does(draw):
    s = draw.scores(100, scale=3.0)
    e = [mp.mpf(1)] + [mp.mpf(0)] * 20
    for x in (mp.exp(mp.mpf(v)) for v in s.tolist()):
        for j in range(20, 0, -1):
            e[j] += x * e[j - 1]
    assert_close(log_elementary_symmetric(s, 20), [mp.log(v) for v in e], 1e-14, 1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("max_size", [None, 3])
def test_subset_loss_agrees_with_enumeration(draw, dtype, max_size):
    s, y = draw.scores(6, 5, scale=4.0, dtype=dtype), draw.hard(6, 5)
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


def hard_loss(s, theta):
    y = torch.arange(18, device=s.device).reshape(3, 6) % 3 == 1
    return multilabel_cross_entropy(s, y, threshold=theta, reduction="none")


def masked_loss(s, theta):
    y = torch.arange(18, device=s.device).reshape(3, 6) % 3 == 1
    return multilabel_cross_entropy(s, y, threshold=theta, mask=y.roll(1) | y.roll(6), reduction="none")


def soft_loss(s, theta, t):
    return multilabel_cross_entropy(s, t, threshold=theta, reduction="none")


def soft_masked_loss(s, theta, t):
    mask = torch.arange(18, device=s.device).reshape(3, 6) % 4 != 1
    return multilabel_cross_entropy(s, t, threshold=theta, mask=mask, reduction="none")


def sparse_loss(s, theta):
    index = torch.tensor([[0, 3, 3, -1], [-1, -1, -1, -1], [5, 0, 1, 2]], device=s.device)
    return sparse_multilabel_cross_entropy(s, index, threshold=theta, reduction="none")


def divergence(s, _, t):
    return multilabel_divergence(s, t, reduction="none")


def symmetric(s, _):
    return log_elementary_symmetric(s, 4)


def marginals(s, _):
    return subset_marginals(s, 3)


def conditional(s, _):
    y = torch.arange(18, device=s.device).reshape(3, 6) % 3 == 1
    return subset_cross_entropy(s, y, reduction="none")


def padded(s, _):
    y = torch.arange(18, device=s.device).reshape(3, 6) % 3 == 1
    return subset_cross_entropy(s, y, max_size=4, reduction="none")


EVERY = [hard_loss, masked_loss, soft_loss, soft_masked_loss, sparse_loss, divergence, symmetric, marginals,
         conditional, padded]  # fmt: skip


def arguments(function, draw, requires_grad=True):
    values = [draw.scores(3, 6), draw.scores(3), draw.soft(3, 6) * 0.8 + 0.1]
    return [v.requires_grad_(requires_grad) for v in values[: function.__code__.co_argcount]]


@pytest.mark.parametrize("function", EVERY)
def test_derivatives_in_every_mode(draw, function):
    inputs = arguments(function, draw)
    assert gradcheck(function, inputs, check_forward_ad=True, check_batched_grad=True)
    if function is not marginals:  # a derivative already
        assert gradgradcheck(function, inputs, check_fwd_over_rev=function is not divergence)


@pytest.mark.parametrize("function", [hard_loss, soft_masked_loss, sparse_loss, symmetric, padded])
def test_hessians_agree_whichever_way_they_are_made(draw, function):
    first, *rest = arguments(function, draw, requires_grad=False)
    jacfwd, jacrev = torch.func.jacfwd, torch.func.jacrev

    def total(s):
        return function(s, *rest).sum()

    expected = torch.autograd.functional.hessian(total, first)
    for outer, inner in itertools.product((jacfwd, jacrev), repeat=2):
        torch.testing.assert_close(outer(inner(total))(first), expected, rtol=1e-10, atol=1e-13)


def test_second_derivatives_at_hard_float_targets(draw):
    s, t = draw.scores(3, 5), draw.hard(3, 5).double()

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
    s, y = draw.scores(4, 6), draw.hard(4, 6)
    y = {"bool": y, "int": y.long(), "soft": draw.soft(4, 6)}[kind]
    rows, gradient = gradients(lambda s: multilabel_cross_entropy(s, y, reduction="none"), s)
    torch.testing.assert_close(torch.vmap(multilabel_cross_entropy)(s, y), rows)
    torch.testing.assert_close(torch.vmap(multilabel_cross_entropy, in_dims=(1, 1))(s.T, y.T), rows)
    torch.testing.assert_close(torch.vmap(multilabel_cross_entropy, in_dims=(0, None))(s, y[0])[0], rows[0])
    torch.testing.assert_close(torch.vmap(torch.func.grad(multilabel_cross_entropy))(s, y), gradient)
    through = s.clone().requires_grad_()
    torch.vmap(multilabel_cross_entropy)(through, y).sum().backward()
    torch.testing.assert_close(through.grad, gradient)
    thresholds = draw.scores(3)
    by_threshold = torch.vmap(lambda h: multilabel_cross_entropy(s, y, threshold=h))(thresholds)
    torch.testing.assert_close(by_threshold[1], multilabel_cross_entropy(s, y, threshold=thresholds[1]))


def test_vmap_of_the_others(draw, device):
    s, y = draw.scores(4, 6), draw.hard(4, 6)
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


@pytest.mark.parametrize("dtype", DTYPES)
def test_autocast_changes_nothing(draw, device, dtype):
    s, y, t = draw.scores(3, 6, dtype=dtype), draw.hard(3, 6), draw.soft(3, 6, dtype=dtype)
    for function, labels in ((multilabel_cross_entropy, y), (multilabel_cross_entropy, t),
                             (sparse_multilabel_cross_entropy, y.long().topk(2).indices),
                             (multilabel_divergence, t), (subset_cross_entropy, y)):  # fmt: skip
        plain = gradients(lambda s, f=function, y=labels: f(s, y), s)
        with torch.autocast(torch.device(device).type, dtype=torch.bfloat16):
            cast = gradients(lambda s, f=function, y=labels: f(s, y), s)
        for one, other in zip(plain, cast, strict=True):
            assert one.dtype == other.dtype == dtype
            assert torch.equal(one, other)


def compiled_agrees(function, inputs, backend):
    torch._dynamo.reset()
    compiled = torch.compile(function, fullgraph=True, backend=backend)
    for one, other in zip(gradients(compiled, *inputs), gradients(function, *inputs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("function", EVERY)
def test_compiles_whole(draw, function):
    inputs = arguments(function, draw, requires_grad=False)
    compiled_agrees(
        lambda s, *rest: function(s, *rest).sum() + 0 * sum(r.sum() for r in rest), inputs, "aot_eager"
    )


def test_transforms_compile_whole(draw):
    s, y, theta = draw.scores(3, 6), draw.hard(3, 6), draw.scores(3)

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


@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler on the CPU")
def test_compiles_to_machine_code(draw):
    compiled_agrees(soft_masked_loss, arguments(soft_masked_loss, draw, requires_grad=False), "inductor")


# ------------------------------------------------------------------- agreement: layout and memory


@pytest.mark.parametrize("make", [torch.Tensor.bool, torch.Tensor.int, torch.Tensor.long, torch.Tensor.float,
                                  torch.Tensor.half])  # fmt: skip
@pytest.mark.parametrize("shape", [(40, 8000), (3, 30, 9000), (2, 300_000), (77_777,), (7, 11_111)])
def test_large_batches_equal_their_rows(draw, device, shape, make):
    s = draw.scores(*shape, dtype=torch.float32)
    y = make(draw.hard(*shape, share=5e-4))
    loss, gradient = gradients(lambda s: multilabel_cross_entropy(s, y, reduction="none"), s)
    weights = y.double()
    a = ((1 - weights) * s.double().exp()).sum(-1, keepdim=True)
    b = (weights * (-s.double()).exp()).sum(-1, keepdim=True)
    torch.testing.assert_close(loss.double(), (a.log1p() + b.log1p()).squeeze(-1), rtol=1e-6, atol=0)
    expected = (1 - weights) * s.double().exp() / (1 + a) - weights * (-s.double()).exp() / (1 + b)
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-5, atol=1e-12)


def test_large_targets_that_only_look_sparse(draw):
    s, y = draw.scores(16, 8000, dtype=torch.float32), draw.hard(16, 8000, share=1e-3)
    few_soft, late = y.float() * 0.25, y.clone()
    late[8:] = draw.hard(8, 8000, share=0.5)
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
    base, y = draw.scores(5, 4, 3), draw.hard(5, 4, 3)
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
def test_backward_keeps_the_arguments_and_two_floats_a_row(draw, device, dtype, kind):
    s = draw.scores(64, 4000, dtype=dtype).requires_grad_()
    labels = {
        "bool": draw.hard(64, 4000, share=1e-3),
        "soft": draw.soft(64, 4000, dtype=dtype),
        "sparse": torch.arange(256, device=device).reshape(64, 4),
    }[kind]
    theta = draw.scores(64, dtype=dtype)
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
    assert sum(others.values()) <= 64 * 2 * max(4, s.element_size())


@pytest.mark.parametrize("kind", ["bool", "dense bool", "soft", "sparse"])
def test_few_temporaries_are_alive(draw, device, kind):
    if device != "cpu":
        pytest.skip("counts the CPU allocator")
    s = draw.scores(400, 10_000, dtype=torch.float32)
    labels = {
        "bool": draw.hard(400, 10_000, share=1e-3),
        "dense bool": draw.hard(400, 10_000, share=0.5),
        "soft": draw.soft(400, 10_000, dtype=torch.float32),
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
    assert asked <= (6 if kind == "sparse" else 20) * s.nbytes


@pytest.mark.parametrize("function", EVERY)
def test_no_value_is_read_off_the_cpu(draw, function):
    inputs = [
        x.to("meta") for x in arguments(function, draw, requires_grad=False)
    ]  # there are no values there
    rows, slope = gradients(lambda s: function(s, *inputs[1:]), inputs[0])
    assert rows.device.type == slope.device.type == "meta"
    assert slope.shape == inputs[0].shape


# ------------------------------------------------------------------- failure: extreme input


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target", [torch.bool, torch.int64, torch.float32])
def test_infinite_scores_on_the_right_side_cost_nothing(device, dtype, target):
    s = column([[-INF, 1.0, INF, 2.0], [-INF, -INF, INF, INF]], device, dtype)
    y = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1]], device=device).to(target)
    loss, gradient = gradients(lambda s: multilabel_cross_entropy(s, y, reduction="none"), s)
    assert loss[0] == multilabel_cross_entropy(s[0, [1, 3]], y[0, [1, 3]])
    assert loss[1] == 0
    assert gradient[0, [0, 2]].tolist() == [0, 0]
    assert (gradient[0, [1, 3]] != 0).all()
    assert gradient[1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_infinite_scores_on_the_wrong_side_cost_infinity_with_the_limiting_gradient(device, dtype):
    s = column([[INF, 1.0, 2.0], [1.0, 0.0, -INF], [INF, INF, -INF]], device, dtype)
    y = torch.tensor([[0, 0, 1]] * 3, device=device)
    index = torch.full((3, 1), 2, device=device)
    limit = [[1, 0, 0], [0, 0, -1], [0.5, 0.5, -1]]  # the finite labels of that side are drowned
    for loss, labels in ((multilabel_cross_entropy, y.bool()), (multilabel_cross_entropy, y.to(dtype)),
                         (sparse_multilabel_cross_entropy, index)):  # fmt: skip
        rows, gradient = gradients(lambda s, f=loss, y=labels: f(s, y, reduction="none"), s)
        assert rows.tolist() == [INF, INF, INF]
        drowned = torch.tensor(limit, device=device) == 0
        drowned[0, 2] = drowned[1, 0] = drowned[1, 1] = False
        assert gradient[~drowned].isfinite().all()
        assert gradient[drowned].tolist() == [0] * int(drowned.sum())
        assert gradient[0, 0] == 1
        assert gradient[1, 2] == -1
        assert gradient[2].tolist() == [0.5, 0.5, -1]


def test_forward_mode_takes_infinite_scores_as_constants(device):
    s, ds = column([[INF, 1.0], [-INF, 1.0], [2.0, 1.0]], device), column([[5.0, 2.0]], device).expand(3, 2)
    s, ds, y = s.unsqueeze(1), ds.unsqueeze(1), torch.tensor([[[0, 1]]] * 3, device=device)
    loss, moved = torch.func.jvp(lambda s: multilabel_cross_entropy(s, y, reduction="none"), (s,), (ds,))
    assert loss[0] == INF
    torch.testing.assert_close(loss, multilabel_cross_entropy(s, y, reduction="none"), rtol=1e-14, atol=0)
    share = torch.sigmoid(
        column([1.0, 2.0], device)
    )  # of the negative at 2 and, mirrored, of the positive at 1
    expected = [-2 * (1 - share[0]), -2 * (1 - share[0]), 5 * share[1] - 2 * (1 - share[0])]
    torch.testing.assert_close(moved[1:, 0], torch.stack(expected)[1:], rtol=1e-13, atol=0)
    assert not moved.isnan().any()


def test_infinite_scores_with_soft_targets(device):
    s = column([[INF, 0.0], [-INF, 0.0], [INF, -INF]], device, torch.float32)
    t = column([[0.9, 0.1], [0.1, 0.9], [1.0, 0.0]], device, torch.float32)
    loss, gradient, d_t = gradients(lambda s, t: multilabel_cross_entropy(s, t, reduction="none"), s, t)
    assert loss.tolist() == [INF, INF, 0]
    assert gradient[:, 0].tolist() == [1, -1, 0]
    assert not gradient.isnan().any()
    assert not d_t.isnan().any()


@pytest.mark.parametrize("function", EVERY)
@pytest.mark.parametrize("values", [(INF, -INF, 0.0), (-INF, INF, 1.0), (1e38, -1e38, 3e38)])
def test_no_derivative_is_nan(draw, function, values):
    inputs = [x.detach().float() for x in arguments(function, draw)]
    inputs[0][:, :3] = torch.tensor(values, device=inputs[0].device)
    inputs[0][2, 3:] = -INF
    inputs = [x.requires_grad_() for x in inputs]
    rows = function(*inputs)
    assert not rows.isnan().any()
    first = torch.autograd.grad(rows.sum(), inputs[0], create_graph=True)[0]
    assert not first.isnan().any()
    if first.requires_grad:
        second = torch.autograd.grad(first.clamp(-10, 10).sum(), inputs[0])[0]
        assert not second.isnan().any()


@pytest.mark.parametrize("function", EVERY)
def test_nan_propagates_to_its_row(draw, function):
    inputs = arguments(function, draw, requires_grad=False)
    clean = function(*inputs)
    inputs[0][1, 4] = NAN
    rows, gradient = gradients(lambda s: function(s, *inputs[1:]), inputs[0])
    assert rows[1].isnan().any()
    assert gradient[1].isnan().any()
    assert torch.equal(rows[::2], clean[::2])
    assert gradient[::2].isfinite().all()


def test_excluded_classes_in_subsets(draw):
    s = draw.scores(2, 6)
    less = torch.cat([s[:, :2], s[:, 3:]], -1)
    s[:, 2] = -INF
    log, gradient = gradients(lambda s: log_elementary_symmetric(s, 7), s)
    torch.testing.assert_close(log[:, :6], log_elementary_symmetric(less, 5), rtol=1e-14, atol=1e-15)
    assert (log[:, 6:] == -INF).all()
    assert gradient.isfinite().all()
    assert (gradient[:, 2] == 0).all()
    torch.testing.assert_close(
        subset_marginals(s, 3).sum(-1), torch.full_like(s[:, 0], 3), rtol=1e-14, atol=0
    )
    assert (subset_marginals(s, 6) == 0).all()
    assert (subset_marginals(s, 9) == 0).all()
    y = torch.zeros(2, 6, dtype=torch.bool, device=s.device)
    y[0, 2] = y[1, 3] = True
    rows, gradient = gradients(lambda s: subset_log_prob(s, y), s)
    assert rows[0] == -INF
    torch.testing.assert_close(rows[1], s[1, 3] - log_elementary_symmetric(less[1], 1)[1])
    assert gradient.isfinite().all()


def test_infinite_scores_in_subsets(device):
    s = column([INF, 1.0, 2.0, -INF], device)
    assert log_elementary_symmetric(s, 4).tolist() == [0, INF, INF, INF, -INF]
    y = torch.tensor([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]], device=device)
    assert subset_log_prob(s.expand(4, 4), y).tolist() == [0, -INF, 0, -INF]
    nothing = torch.full((3,), -INF, device=device)
    assert subset_log_prob(nothing, torch.tensor([1, 0, 0], device=device)) == -INF
    assert subset_log_prob(nothing, torch.tensor([0, 0, 0], device=device)) == 0


def test_several_batch_axes_count_rows_as_one_does(draw, device):
    s, y, mask = draw.scores(2, 3, 5), draw.hard(2, 3, 5), draw.hard(2, 3, 5)
    mask[0, :2], mask[1, 2] = False, False
    flat = dense(s.flatten(0, 1), y.flatten(0, 1), mask=mask.flatten(0, 1))
    torch.testing.assert_close(dense(s, y, mask=mask), flat)
    threshold = draw.scores(2, 3)
    assert torch.equal(predict_labels(s, threshold=threshold), s > threshold[..., None])


def test_the_sparse_module_passes_its_padding_on(draw, device):
    s, index = draw.scores(3, 5), torch.tensor([[0, 2], [1, -1], [4, -1]], device=device)
    torch.testing.assert_close(SparseMultilabelCrossEntropy()(s, index), sparse(s, index))
    moved = index.masked_fill(index == -1, -7)
    torch.testing.assert_close(SparseMultilabelCrossEntropy(padding_index=-7)(s, moved), sparse(s, index))
    assert "padding_index=-7" in repr(SparseMultilabelCrossEntropy(padding_index=-7))


def test_no_classes_in_several_batch_axes(device):
    none = torch.zeros(2, 3, 0, device=device)
    for loss in (dense, subset_cross_entropy):
        rows = loss(none, none.bool(), reduction="none")
        torch.testing.assert_close(rows, torch.zeros(2, 3, device=device))


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_classes_and_no_rows(device, dtype):
    none, empty = torch.zeros(3, 0, device=device, dtype=dtype), torch.zeros(0, 4, device=device, dtype=dtype)
    padding = torch.full((3, 2), -1, device=device)
    for options in ({}, {"threshold": 1.0}, {"threshold": torch.ones(3, device=device)}):
        for target in (none.bool(), none.long(), none):
            loss, gradient = gradients(
                lambda s, y=target, o=options: multilabel_cross_entropy(s, y, reduction="none", **o), none
            )
            assert loss.tolist() == [0, 0, 0]
            assert gradient.shape == (3, 0)
        assert sparse_multilabel_cross_entropy(none, padding, **options) == 0
        assert sparse_multilabel_cross_entropy(none, padding[:, :0], **options) == 0
    assert multilabel_cross_entropy(none, none, mask=none.bool()) == 0
    assert log_elementary_symmetric(none, 2).tolist() == [[0, -INF, -INF]] * 3
    assert subset_marginals(none, 1).shape == (3, 0)
    assert subset_cross_entropy(none, none.bool()) == 0
    assert subset_cross_entropy(none, none.bool(), max_size=2) == 0
    assert multilabel_divergence(none, none) == 0
    assert optimal_scores(none).shape == (3, 0)
    assert minimum_multilabel_cross_entropy(none).tolist() == [0, 0, 0]
    for loss, labels in ((dense, empty), (dense, empty.bool()), (sparse, empty.long()),
                         (subset_cross_entropy, empty.bool()), (multilabel_divergence, empty)):  # fmt: skip
        assert loss(empty, labels).isnan()
        assert loss(empty, labels, reduction="sum") == 0
        assert loss(empty, labels, reduction="none").shape == (0,)
        _, gradient = gradients(lambda s, f=loss, y=labels: f(s, y), empty)
        assert gradient.shape == (0, 4)
    assert multilabel_cross_entropy(empty, empty, mask=empty.bool()).isnan()


def test_one_sided_and_single_label_rows(device):
    s = column([[1.0, -2.0], [1.0, -2.0]], device)
    y = torch.tensor([[1, 1], [0, 0]], device=device)
    loss = multilabel_cross_entropy(s, y, reduction="none")
    torch.testing.assert_close(
        loss, torch.stack([torch.logsumexp(F.pad(x, (0, 1)), 0) for x in (-s[0], s[1])])
    )
    nothing = torch.empty(2, 0, dtype=torch.int64, device=device)
    assert sparse_multilabel_cross_entropy(s, nothing, reduction="none")[1] == loss[1]
    one = multilabel_cross_entropy(s[:, :1], y[:, :1], reduction="none")
    torch.testing.assert_close(one, F.softplus(column([-1.0, 1.0], device)), rtol=1e-14, atol=0)
    assert multilabel_cross_entropy(s[0, 0:1], y[0, 0:1]).shape == ()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_summed_in_float32(device, dtype):
    s = torch.zeros(100_000, dtype=dtype, device=device)
    y = torch.zeros(100_000, dtype=torch.bool, device=device)
    loss, gradient = gradients(lambda s: multilabel_cross_entropy(s, y), s)
    assert_close(loss, [mp.log(100_001)], torch.finfo(dtype).eps / 2)
    assert_close(gradient[:1], [mp.mpf(1) / 100_001], torch.finfo(dtype).eps, 2**-25)
    rows = multilabel_cross_entropy(s.view(1000, 100), y.view(1000, 100))
    assert_close(rows, [mp.log(101)], torch.finfo(dtype).eps / 2)
    marginal = subset_marginals(s[:4096], 2)
    assert_close(marginal[:1], [mp.mpf(2) / 4096], torch.finfo(dtype).eps)


# ------------------------------------------------------------------- failure: bad input


# fmt: off
LOSSES = {dense: "y", sparse: "i", multilabel_divergence: "s", subset_cross_entropy: "y"}
BAD_CALLS = {
    "types of scores": [
        (TypeError, "input must be float64.* got torch.int64", lambda s, y, i: dense(y, y)),
        (TypeError, "got torch.complex64", lambda s, y, i: dense(s + 0j, y)),
        (TypeError, "input must be a tensor, got list", lambda s, y, i: dense([0.0], y)),
        (TypeError, "got torch.int64", lambda s, y, i: sparse(y, i)),
        (TypeError, "got torch.int64", lambda s, y, i: log_elementary_symmetric(y, 1)),
        (TypeError, "got torch.int64", lambda s, y, i: subset_marginals(y, 1)),
        (TypeError, "got torch.int64", lambda s, y, i: subset_log_prob(y, y)),
        (TypeError, "got torch.int64", lambda s, y, i: multilabel_divergence(y, y)),
        (TypeError, "got torch.int64", lambda s, y, i: predict_labels(y)),
    ],
    "other types": [
        (TypeError, "mask must be bool", lambda s, y, i: dense(s, y, mask=s)),
        (TypeError, "index must be int64", lambda s, y, i: sparse(s, i.int())),
        (TypeError, "target must be bool or integer", lambda s, y, i: subset_cross_entropy(s, s)),
        (TypeError, "k must be an int, got float", lambda s, y, i: log_elementary_symmetric(s, 2.0)),
        (TypeError, "k must be an int, got bool", lambda s, y, i: subset_marginals(s, True)),
        (TypeError, "max_size must be an int", lambda s, y, i: subset_cross_entropy(s, y, max_size=1.0)),
    ],
    "sizes": [
        (ValueError, "k must be at least 0, got -1", lambda s, y, i: log_elementary_symmetric(s, -1)),
        (ValueError, "k must be at least 0, got -1", lambda s, y, i: subset_marginals(s, -1)),
        (ValueError, "max_size must be at least 0", lambda s, y, i: subset_cross_entropy(s, y, max_size=-1)),
    ],
    "scalars": [
        (ValueError, "input must have a last axis", lambda s, y, i: log_elementary_symmetric(s[0, 0], 1)),
        (ValueError, "input must have a last axis", lambda s, y, i: subset_marginals(s[0, 0], 1)),
        (ValueError, "input must have a last axis", lambda s, y, i: dense(s[0, 0], y[0, 0])),
        (ValueError, "input must have a last axis", lambda s, y, i: sparse(s[0, 0], i)),
        (ValueError, "input must have a last axis", lambda s, y, i: multilabel_divergence(s[0, 0], y[0, 0])),
        (ValueError, "input must have a last axis", lambda s, y, i: subset_cross_entropy(s[0, 0], y[0, 0])),
        (ValueError, "input must have a last axis", lambda s, y, i: predict_labels(s[0, 0])),
        (ValueError, "index must have a last axis", lambda s, y, i: sparse(s, i[0, 0])),
    ],
    "shapes": [
        (ValueError, r"target must have shape \(2, 3\).*got \(2, 2\)",
         lambda s, y, i: dense(s, y[:, :2])),
        (ValueError, r"got \(3,\)", lambda s, y, i: dense(s, y[0])),
        (ValueError, r"got \(1, 3\)", lambda s, y, i: multilabel_divergence(s, s[:1])),
        (ValueError, r"subset must have shape.*got \(1, 3\)", lambda s, y, i: subset_log_prob(s, y[:1])),
        (ValueError, r"index must have shape \(2, 1\).*got \(1, 1\)",
         lambda s, y, i: sparse(s, i[:1])),
        (ValueError, r"got \(1,\)", lambda s, y, i: sparse(s, i[0])),
        (ValueError, r"threshold must broadcast to \(2,\), got \(3,\)",
         lambda s, y, i: dense(s, y, threshold=s[0])),
        (ValueError, r"got \(2, 1\)", lambda s, y, i: sparse(s, i, threshold=s[:, :1])),
        (ValueError, "threshold", lambda s, y, i: predict_labels(s, threshold=s[0])),
        (ValueError, r"mask must broadcast to \(2, 3\), got \(2,\)",
         lambda s, y, i: dense(s, y, mask=s[:, 0] > 0)),
    ],
    "reductions": [
        (ValueError, "reduction must be 'none', 'mean' or 'sum', got 'average'",
         lambda s, y, i, f=loss, n=name: f(s, {"s": s, "y": y, "i": i}[n], reduction="average"))
        for loss, name in LOSSES.items()
    ],
}
# fmt: on


@pytest.mark.parametrize("kind", BAD_CALLS)
def test_bad_input_is_named(device, kind):
    s, y = torch.zeros(2, 3, device=device), torch.zeros(2, 3, dtype=torch.int64, device=device)
    for error, message, call in BAD_CALLS[kind]:
        with pytest.raises(error, match=message):
            call(s, y, y[:, :1])


@pytest.mark.parametrize("value", [-0.1, 1.1, NAN, INF])
def test_targets_outside_the_unit_interval_raise_on_the_cpu(device, value):
    if device != "cpu":
        pytest.skip("reading them would wait for the device")
    s, t = torch.zeros(2, 3), torch.full((2, 3), 0.5)
    t[1, 1] = value
    for call in (lambda: multilabel_cross_entropy(s, t), lambda: multilabel_divergence(s, t),
                 lambda: optimal_scores(t), lambda: minimum_multilabel_cross_entropy(t)):  # fmt: skip
        with pytest.raises(ValueError, match=r"target must be in \[0, 1\], got values from"):
            call()


@pytest.mark.parametrize("value", [-1, 2])
def test_integer_targets_are_0_or_1(device, value):
    if device != "cpu":
        pytest.skip("reading them would wait for the device")
    s, y = torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.int64)
    y[0, 2] = value
    for call in (lambda: multilabel_cross_entropy(s, y), lambda: subset_cross_entropy(s, y)):
        with pytest.raises(ValueError, match=r"target must be in \[0, 1\]"):
            call()


@pytest.mark.parametrize("value", [-2, 3])
def test_indices_out_of_range_raise_on_the_cpu(device, value):
    if device != "cpu":
        pytest.skip("reading them would wait for the device")
    s, index = torch.zeros(2, 3), torch.tensor([[0, 2], [1, value]])
    with pytest.raises(ValueError, match=rf"index must be in \[0, 3\) or padding_index=-1, got .*{value}"):
        sparse_multilabel_cross_entropy(s, index)
    assert sparse_multilabel_cross_entropy(s, index, padding_index=value).isfinite()
    with pytest.raises(ValueError, match="padding_index=3"):
        sparse_multilabel_cross_entropy(s, index.clamp(min=-1, max=2) - 1, padding_index=3)
    with pytest.raises(ValueError, match=r"\[0, 0\)"):
        sparse_multilabel_cross_entropy(s[:, :0], index.clamp(0, 2))
