"""The multi-label losses on infinite, empty and wrong input."""

import pytest
import torch
import torch.nn.functional as F
from classification.multilabel_cases import EVERY, arguments
from helpers import DEVICES, DTYPES, INF, NAN, assert_close, column, gradients
from mpmath import mp

from lemmata.classification import (
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


# ------------------------------------------------------------------- failure: extreme input


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target", [torch.bool, torch.int64, torch.float32])
def test_infinite_scores_on_the_right_side_cost_nothing(device, dtype, target):
    s = column([[-INF, 1.0, INF, 2.0], [-INF, -INF, INF, INF]], device, dtype)
    y = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1]], device=device).to(target)
    loss, gradient = gradients(lambda s: multilabel_cross_entropy(s, y, reduction="none"), s)
    without = multilabel_cross_entropy(s[0, [1, 3]], y[0, [1, 3]])
    torch.testing.assert_close(loss[0], without, rtol=2 * torch.finfo(dtype).eps, atol=0)
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
    torch.testing.assert_close(rows[::2], clean[::2], rtol=1e-15, atol=0)
    assert gradient[::2].isfinite().all()


def test_excluded_classes_in_subsets(draw):
    s = draw.normal(2, 6)
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
    s, y, mask = draw.normal(2, 3, 5), draw.labels(2, 3, 5), draw.labels(2, 3, 5)
    mask[0, :2], mask[1, 2] = False, False
    flat = dense(s.flatten(0, 1), y.flatten(0, 1), mask=mask.flatten(0, 1))
    torch.testing.assert_close(dense(s, y, mask=mask), flat)
    threshold = draw.normal(2, 3)
    assert torch.equal(predict_labels(s, threshold=threshold), s > threshold[..., None])


def test_the_sparse_module_passes_its_padding_on(draw, device):
    s, index = draw.normal(3, 5), torch.tensor([[0, 2], [1, -1], [4, -1]], device=device)
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
