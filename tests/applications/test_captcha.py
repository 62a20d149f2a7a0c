"""Separable convolutions, merged classes, bounds for whole words, alignments, and their example."""

import importlib
import itertools
import json
import math
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from helpers import DTYPES, F64, INF, NAN, Draw
from torch import nn
from torch.testing import assert_close

from lemmata.applications import SeparableConv2d, ctc_alignments, exact_match_bounds, merged_nll

EXAMPLE = Path(__file__).parents[2] / "examples" / "captcha"
GROUPS = torch.tensor([0, 0, 1, 2, 2])


def scores(rows=6, scale=3):
    return Draw(0).normal(rows, 5, scale=scale), torch.tensor([0, 1, 2, 0, 1, 2])[:rows]


def said(row):
    return [c for c, before in zip(row, (None, *row), strict=False) if c not in (before, 0)]


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_separable_convolution_is_the_standard_one_with_its_kernel(stride, padding, dilation):
    layer = SeparableConv2d(3, 5, 3, stride=stride, padding=padding, dilation=dilation).double()
    x = Draw(1).normal(2, 3, 9, 8)
    y = F.conv2d(x, layer.kernel, layer.pointwise.bias, stride, padding, dilation)
    assert_close(layer(x), y, rtol=1e-12, atol=1e-12)
    assert layer.kernel.shape == (5, 3, 3, 3)


def test_only_the_mixture_has_a_bias():
    count = lambda **more: sum(p.numel() for p in SeparableConv2d(4, 6, 5, **more).parameters())  # noqa: E731
    assert count(bias=False) == 25 * 4 + 4 * 6
    assert count() == count(bias=False) + 6
    assert SeparableConv2d(4, 6, 5).depthwise.bias is None


def test_each_slice_of_the_kernel_has_rank_one():
    slices = SeparableConv2d(3, 5, 3).kernel.double().transpose(0, 1).flatten(2)
    assert torch.linalg.matrix_rank(slices, rtol=1e-6).tolist() == [1, 1, 1]


def test_groups_of_one_class_are_cross_entropy():
    x, target = scores()
    assert_close(merged_nll(x, target, torch.arange(5)), F.cross_entropy(x, target), rtol=1e-13, atol=0)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_merged_classes_share_their_probability(reduction):
    x, target = scores()
    p = x.softmax(-1) @ F.one_hot(GROUPS).double()
    rows = -p.gather(-1, target.unsqueeze(-1)).squeeze(-1).log()
    expected = {"none": rows, "mean": rows.mean(), "sum": rows.sum()}[reduction]
    assert_close(merged_nll(x, target, GROUPS, reduction=reduction), expected, rtol=1e-12, atol=0)


def test_the_gradient_is_p_less_the_shares_in_the_group():
    x, target = scores()
    x.requires_grad_()
    (slope,) = torch.autograd.grad(merged_nll(x, target, GROUPS, reduction="sum"), x)
    p, inside = x.detach().softmax(-1), target.unsqueeze(-1) == GROUPS
    shares = torch.where(inside, p, 0) / torch.where(inside, p, 0).sum(-1, keepdim=True)
    assert_close(slope, p - shares, rtol=1e-12, atol=1e-13)


def test_rows_to_ignore_do_not_count():
    x, target = scores()
    ignored = torch.where(torch.arange(6) < 2, -100, target)
    assert_close(merged_nll(x, ignored, GROUPS), merged_nll(x[2:], target[2:], GROUPS), rtol=1e-14, atol=0)
    assert merged_nll(x, ignored, GROUPS, reduction="none")[:2].tolist() == [0, 0]
    assert merged_nll(x[:2], ignored[:2], GROUPS).isnan()


def test_alignments_are_counted():
    words = [(), (1,), (1, 2), (1, 1), (1, 2, 1), (1, 1, 2, 2), (1, 1, 1)]
    for word, T in itertools.product(words, range(7)):
        rows = itertools.product(range(3), repeat=T)
        assert ctc_alignments(word, T) == sum(said(row) == list(word) for row in rows), (word, T)


def test_long_words_are_counted_exactly():
    assert ctc_alignments([1, 2, 3, 4], 6) == 45
    assert ctc_alignments(range_list := list(range(1, 41)), 400) == math.comb(440, 80)
    assert ctc_alignments(range_list, 39) == 0


def test_bounds_of_whole_words():
    low, independent, high = exact_match_bounds(torch.tensor([[0.9, 0.8, 0.95], [0.5, 0.4, 1.0]], dtype=F64))
    assert_close(low, torch.tensor([0.65, 0.0], dtype=F64), rtol=1e-14, atol=0)
    assert_close(independent, torch.tensor([0.684, 0.2], dtype=F64), rtol=1e-14, atol=0)
    assert high.tolist() == [0.8, 0.4]


def test_no_reader_leaves_the_bounds():
    right = torch.rand(300, 5, 4, generator=torch.Generator().manual_seed(0)) < 0.7
    low, _, high = exact_match_bounds(right.double().mean(1))
    exact = right.all(-1).double().mean(1)
    assert (low <= exact + 1e-12).all()
    assert (exact <= high).all()
    assert (low == exact).any()
    assert (exact == high).any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("places", [1, 2, 4])
def test_bounds_keep_their_order_when_rounded(dtype, places):
    a = Draw(3).uniform(20_000, places)
    a[10_000:, 1:] = 1
    low, independent, high = exact_match_bounds(a.to(dtype))
    assert (low <= independent).all()
    assert (independent <= high).all()


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_loss_near_zero_keeps_its_digits(dtype):
    gap = 9.0 if dtype == torch.float16 else 40.0
    x = torch.tensor([[gap, gap, 0.0]], dtype=dtype)
    loss = merged_nll(x, torch.tensor([0]), torch.tensor([0, 0, 1]))
    assert loss.item() == pytest.approx(math.exp(-gap) / 2, rel=4 * torch.finfo(dtype).eps + 1e-4)


@pytest.mark.parametrize("word", [(1, 2), (1, 1), (2, 1, 1, 2)])
def test_equally_likely_rows_give_torch_the_number_of_alignments(word):
    for T in range(2, 12):
        logs = torch.full((T, 1, 4), -math.log(4), dtype=F64)
        loss = F.ctc_loss(logs, torch.tensor([word]), [T], [len(word)], reduction="none")
        assert round(math.exp(T * math.log(4) - loss.item())) == ctc_alignments(word, T)


# ------------------------------------------------------------------- failure


def test_what_is_masked_or_infinite():
    groups, target = torch.tensor([0, 0, 1]), torch.tensor([0])
    loss = lambda *row: merged_nll(torch.tensor([row], dtype=F64), target, groups).item()  # noqa: E731
    assert loss(-INF, -INF, 0.0) == INF
    assert loss(-INF, -INF, -INF) == 0
    assert loss(0.0, 1.0, -INF) == 0
    assert loss(INF, 0.0, 5.0) == 0
    assert loss(0.0, 0.0, INF) == INF
    assert loss(INF, INF, INF) == pytest.approx(math.log(1.5))
    assert math.isnan(loss(NAN, 0.0, 0.0))
    assert math.isnan(loss(0.0, 0.0, NAN))
    assert math.isnan(loss(NAN, -INF, -INF))  # not 0, though nothing stands against it
    assert merged_nll(torch.zeros(1, 3), torch.tensor([2]), groups).item() == INF  # no class says it


def test_a_group_beyond_the_classes_is_refused():
    with pytest.raises(ValueError, match="groups"):
        merged_nll(torch.zeros(2, 3), torch.tensor([0, 1]), torch.tensor([0, 1, 3]))
    with pytest.raises(ValueError, match="target"):
        merged_nll(torch.zeros(2, 3), torch.tensor([0, -1]), torch.tensor([0, 1, 1]))


def test_a_mixture_is_no_class():
    with pytest.raises(TypeError, match="target"):
        ctc_alignments("aab", 5)
    with pytest.raises(TypeError, match="bias"):
        SeparableConv2d(3, 4, 3, bias=1)


# ------------------------------------------------------------------- the example


@pytest.fixture(scope="module")
def training():
    sys.path.insert(0, str(EXAMPLE))
    try:
        yield importlib.import_module("train")
    finally:
        sys.path.remove(str(EXAMPLE))
        sys.modules.pop("train", None)
        sys.modules.pop("compare", None)


SMALL = ["--images=64", "--epochs=6", "--batch=16", "--width=8", "--every=4", "--head=heads"]


def trained(training, folder, *more):
    folder.mkdir(exist_ok=True)
    return training.train(training.arguments([*SMALL, *more, "--out", str(folder)]))[0].state_dict()


def test_stopped_and_started_again_it_ends_with_the_same_weights(training, tmp_path, monkeypatch):
    """Stopped between two checkpoints, as a kill would: steps 13 and 14 are lost and done again."""
    rate, asked = training.rate, []

    def until_step_14(done, top):
        asked.append(done)
        if len(asked) == 15:
            raise KeyboardInterrupt
        return rate(done, top)

    monkeypatch.setattr(training, "rate", until_step_14)
    with pytest.raises(KeyboardInterrupt):
        trained(training, tmp_path / "stopped")
    monkeypatch.setattr(training, "rate", rate)
    assert torch.load(tmp_path / "stopped" / "checkpoint.pt", weights_only=True)["step"] == 12
    first, second = trained(training, tmp_path / "stopped"), trained(training, tmp_path / "whole")
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    with pytest.raises(SystemExit, match="another run"):
        trained(training, tmp_path / "stopped", "--seed", "1")


def test_a_kill_within_a_save_leaves_the_checkpoint_before(training, tmp_path, monkeypatch):
    file = tmp_path / "checkpoint.pt"
    training.save({"step": 1}, file)

    def torn(state, part):
        Path(part).write_bytes(b"half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr(training.torch, "save", torn)
    with pytest.raises(KeyboardInterrupt):
        training.save({"step": 2}, file)
    assert torch.load(file, weights_only=True) == {"step": 1}


def test_the_quick_program_ends_with_a_model_and_its_record(training, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "--quick", "--out", str(tmp_path / "quick")])
    monkeypatch.setattr(training, "measured", lambda model, n, seed: {"images": n, "seed": seed})
    training.main()
    record = json.loads((tmp_path / "quick" / "result.json").read_text())
    state = torch.load(tmp_path / "quick" / "model.pt", weights_only=True)
    assert record["seed"] == 2
    assert record["parameters"] == counted(state)
    assert state["scores.bias"].shape == (11,)  # ten digits and the blank


def test_the_quick_comparison_reads_letters_both_ways(training, tmp_path):
    compare = importlib.import_module("compare")
    found = compare.letter_run("52 scores, merged", 0, True, tmp_path)
    assert 0 <= found["largest"] <= 1
    assert 0 <= found["merged"] <= 1
    with pytest.raises(KeyError):
        compare.reader_run("of no kind", 0, True, tmp_path)


def counted(state):
    return sum(v.numel() for k, v in state.items() if not k.endswith(("mean", "var", "tracked")))


def test_images_come_again_from_their_seed(training):
    images, labels = training.digits(3, seed=5)
    again, _ = training.digits(3, seed=5)
    other, _ = training.digits(3, seed=6)
    assert torch.equal(images, again)
    assert not torch.equal(images, other)
    assert images.shape == (3, training.HEIGHT, training.WIDTH)
    assert labels.shape == (3, 4)


def test_a_row_of_columns_is_read_as_ctc_says(training):
    class Fixed(nn.Module):
        head = "ctc"

        def forward(self, x):
            rows = torch.tensor([[10, 3, 3, 10, 3, 4, 5], [10, 10, 1, 2, 3, 10, 10], [1, 2, 3, 4, 5, 6, 7]])
            return F.one_hot(rows, 11)

    read = training.read(Fixed(), torch.zeros(3, 30, 80, dtype=torch.uint8))
    assert read.tolist() == [[3, 3, 4, 5], [-1] * 4, [-1] * 4]


def test_the_stored_model_is_that_of_the_record(training):
    record = json.loads((EXAMPLE / "result.json").read_text())
    state = torch.load(EXAMPLE / "model.pt", weights_only=True)
    assert counted(state) == record["parameters"]
    assert (EXAMPLE / "model.pt").stat().st_size < 600_000
    assert record["cpu seconds"] < 480
