"""Fine-tuning: centres, the weight of two heads; and the program of the chapter."""

import json
import sys
from pathlib import Path

import mpmath
import pytest
import torch
import torch.nn.functional as F
from helpers import F64, INF, NAN, column, seeded

from lemmata.applications import CenterLoss, ensemble_weight

EXAMPLES = Path(__file__).parents[2] / "examples"
LABELS = torch.tensor([0, 2, 0, 2, 2])


def gaussian(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed), dtype=F64)


def heads(n=40, K=3, seed=0):
    labels = torch.randint(K, (n,), generator=seeded(seed))
    return *(gaussian(n, K, seed=seed + i).log_softmax(-1) for i in (1, 2)), labels


def nll(w, log_p, log_q, labels):
    return F.nll_loss((w * log_p.exp() + (1 - w) * log_q.exp()).log(), labels)


# ------------------------------------------------------------------- identity


def test_centre_loss_is_half_the_square():
    loss = CenterLoss(3, 2)
    assert loss(column([[3.0, 4.0]]), torch.tensor([1])).item() == 12.5


def test_slopes_are_differences():
    """fine-grained-centre: f - c for a feature, the opposite for its centre; 0 for an absent class."""
    loss = CenterLoss(3, 2, reduction="sum").double()
    torch.nn.init.normal_(loss.centers, generator=seeded(3))
    f = gaussian(5, 2).requires_grad_()
    loss(f, LABELS).backward()
    away = (f - loss.centers[LABELS]).detach()
    torch.testing.assert_close(f.grad, away)
    torch.testing.assert_close(loss.centers.grad, torch.zeros(3, 2, dtype=F64).index_add(0, LABELS, -away))
    assert (loss.centers.grad[1] == 0).all()


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_reductions(reduction):
    f = gaussian(5, 2)
    rows = f.square().sum(1) / 2
    want = rows if reduction == "none" else getattr(rows, reduction)()
    torch.testing.assert_close(CenterLoss(3, 2, reduction=reduction)(f, LABELS), want)


def test_moving_centres_are_means_first_and_averages_then():
    loss = CenterLoss(3, 2, momentum=0.25).double()
    f, g = gaussian(5, 2), gaussian(5, 2, seed=1)
    first = torch.stack([f[k == LABELS].mean(0) if k != 1 else torch.zeros(2, dtype=F64) for k in range(3)])
    got = loss(f, LABELS)
    torch.testing.assert_close(loss.centers, first)
    torch.testing.assert_close(got, (f - first[LABELS]).square().sum(1).mean() / 2)
    assert loss.seen.tolist() == [True, False, True]
    one = torch.tensor([1, 1, 0, 0, 1])
    loss(g, one)
    torch.testing.assert_close(loss.centers[0], 0.75 * first[0] + 0.25 * g[one == 0].mean(0))
    torch.testing.assert_close(loss.centers[1], g[one == 1].mean(0))
    assert torch.equal(loss.centers[2], first[2]), "an absent class keeps its centre"


def test_centres_rest_in_evaluation_and_get_no_slope():
    loss = CenterLoss(3, 2, momentum=0.5).eval()
    loss(gaussian(5, 2), LABELS)
    assert not loss.centers.any()
    assert not loss.seen.any()
    assert not [*loss.parameters()]
    f = gaussian(5, 2).float().requires_grad_()
    loss.train()(f, LABELS).backward()
    torch.testing.assert_close(f.grad, ((f - loss.centers[LABELS]) / 5).detach())


def test_ties_and_ends_of_the_weight():
    p = torch.tensor([[0.75, 0.25], [0.5, 0.5]], dtype=F64).log()
    q = torch.tensor([[0.5, 0.5], [0.5, 0.5]], dtype=F64).log()
    for labels, w in (([0, 0], 1.0), ([1, 0], 0.0), ([0, 1], 1.0)):
        assert ensemble_weight(p, q, torch.tensor(labels)) == w
    assert ensemble_weight(p, p, torch.tensor([0, 1])) == 0.5
    assert ensemble_weight(p[:0], q[:0], torch.tensor([], dtype=torch.int64)) == 0.5


def test_weight_of_the_other_head_is_the_rest():
    log_p, log_q, labels = heads()
    w = ensemble_weight(log_p, log_q, labels)
    assert 0.05 < w < 0.95
    torch.testing.assert_close(ensemble_weight(log_q, log_p, labels), 1 - w)


def test_mean_of_ratios_decides_about_the_ends():
    """fine-grained-average: w = 1 exactly if the mean of q / p is at most 1."""
    q = column([[0.4, 0.6], [0.6, 0.4]])
    y = torch.tensor([0, 0])
    for first, w in ((0.5, 1.0), (0.75, 1.0), (0.3, None)):
        p = column([[first, 1 - first], [0.5, 0.5]])
        ratio = (q[:, 0] / p[:, 0]).mean()
        assert (ensemble_weight(p.log(), q.log(), y) == w) == bool(ratio <= 1)


# ------------------------------------------------------------------ agreement


@pytest.mark.parametrize("seed", range(4))
def test_weight_is_the_best_of_a_fine_grid(seed):
    log_p, log_q, labels = heads(seed=10 * seed)
    w = ensemble_weight(log_p, log_q, labels)
    least = nll(w, log_p, log_q, labels)
    for other in torch.linspace(0, 1, 101, dtype=F64):
        assert least <= nll(other, log_p, log_q, labels) + 1e-14


def test_weight_has_slope_zero():
    log_p, log_q, labels = heads()
    w = ensemble_weight(log_p, log_q, labels).requires_grad_()
    nll(w, log_p, log_q, labels).backward()
    assert abs(w.grad) < 1e-12


@pytest.mark.parametrize("scale", [0.1, 1, 10, 300])
def test_weight_is_the_exact_zero_to_a_rounding(scale):
    """By a slope of 400 digits: it changes its sign within 4 roundings of 1, for hopeless heads, too."""
    for seed in range(6):
        log_p, log_q, labels = heads(n=3 + seed, seed=7 * seed)
        log_p, log_q = (scale * x for x in (log_p, log_q))
        w = ensemble_weight(log_p, log_q, labels).item()
        at = labels.unsqueeze(1)
        logs = [*zip(*(x.gather(1, at)[:, 0].tolist() for x in (log_p, log_q)), strict=True)]
        with mpmath.workdps(400):
            pairs = [(mpmath.exp(a), mpmath.exp(b)) for a, b in logs]

            def falls(v, pairs=pairs):
                """Does the loss fall as the weight grows beyond v? At the ends by continuity."""
                v = min(max(mpmath.mpf(v), 0), 1)
                return mpmath.fsum((p - q) / (v * p + (1 - v) * q) for p, q in pairs) > 0

            assert w == 0 or falls(w - 2**-50)
            assert w == 1 or not falls(w + 2**-50)


def test_weight_in_float32_is_that_of_float64():
    log_p, log_q, labels = heads(n=200)
    w = ensemble_weight(log_p.float(), log_q.float(), labels)
    torch.testing.assert_close(w, ensemble_weight(log_p, log_q, labels).float(), rtol=0, atol=2e-6)


def test_weights_side_by_side():
    pairs = [heads(seed=s) for s in (0, 5)]
    log_p, log_q, labels = map(torch.stack, zip(*pairs, strict=True))
    torch.testing.assert_close(
        ensemble_weight(log_p, log_q, labels), torch.stack([ensemble_weight(*pair) for pair in pairs])
    )


# -------------------------------------------------------------------- failure


def test_probabilities_that_underflow():
    """Both heads are hopeless on one row each; the ratio of e^20000 is kept in its logarithm."""
    log_p = column([[-1e4, 0.0], [0.0, -1e4], [0.0, -1e4]])
    log_q = column([[0.0, -1e4], [-1e4, 0.0], [-1e4, 0.0]])
    w = ensemble_weight(log_p, log_q, torch.tensor([0, 0, 0]))
    torch.testing.assert_close(w, column(2 / 3))


def test_impossible_labels():
    sure = column([[0.0, -INF]])
    y = torch.tensor([0])
    assert ensemble_weight(sure, sure.flip(1), y) == 1
    assert ensemble_weight(sure.flip(1), sure, y) == 0
    assert ensemble_weight(sure.flip(1), sure.flip(1), y) == 0.5
    assert ensemble_weight(column([[NAN, 0.0]]), sure, y).isnan()


def test_what_is_not_finite_moves_no_centre():
    loss = CenterLoss(2, 2, momentum=1.0)
    loss(torch.eye(2), torch.tensor([0, 1]))
    got = loss(torch.tensor([[NAN, 0.0], [3.0, 3.0]]), torch.tensor([0, 1]))
    assert got.isnan()
    assert loss.centers.tolist() == [[1.0, 0.0], [3.0, 3.0]]


def test_what_overflows_moves_no_centre():
    loss = CenterLoss(2, 1, momentum=1.0).half()
    loss(torch.tensor([[1e6], [3.0]]), torch.tensor([0, 1]))
    assert loss.centers.tolist() == [[0.0], [3.0]]
    assert loss.seen.tolist() == [False, True]


def test_empty_batch_costs_nothing():
    f = torch.zeros(0, 2, requires_grad=True)
    for momentum in (None, 0.5):
        loss = CenterLoss(2, 2, momentum=momentum)(f, torch.zeros(0, dtype=torch.int64))
        assert loss == 0
        loss.backward()


def test_half_types_are_measured_in_float32():
    f = torch.full((1, 4), 200.0, dtype=torch.float16)
    loss = CenterLoss(1, 4, momentum=1.0).eval()
    assert loss(f, torch.tensor([0])).isinf(), "80000 is beyond float16"
    loss.centers.fill_(199.0)
    assert loss(f, torch.tensor([0])) == 2


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (torch.zeros(2, 3), [0, 1], r"features must have shape \(N, 2\), got \(2, 3\)"),
        (torch.zeros(2), [0, 1], r"features must have shape \(N, 2\)"),
        (torch.zeros(2, 2), [0], r"labels must have shape \(2,\)"),
        (torch.zeros(2, 2), [0, 3], r"labels must be in \[0, 3\)"),
    ],
)
def test_wrong_batches_are_named(features, labels, message):
    with pytest.raises(ValueError, match=message):
        CenterLoss(3, 2)(features, torch.tensor(labels))


def test_what_is_no_probability_is_refused():
    y = torch.tensor([0])
    with pytest.raises(ValueError, match=r"log_p must be log-probabilities, at most 0, got 0\.5"):
        ensemble_weight(column([[0.5, 0.5]]), column([[-1.0, -1.0]]), y)
    with pytest.raises(ValueError, match=r"log_q must be log-prob.*take log_softmax"):
        ensemble_weight(column([[-1.0, -1.0]]), column([[0.5, 0.5]]), y)
    with pytest.raises(ValueError, match=r"log_p must have shape \(..., n, K\)"):
        ensemble_weight(column([-1.0, -1.0]), column([-1.0, -1.0]), y)
    with pytest.raises(ValueError, match=r"labels must be in \[0, 2\)"):
        ensemble_weight(column([[-1.0, -1.0]]), column([[-1.0, -1.0]]), y + 2)


def test_momentum_beyond_one_is_refused():
    with pytest.raises(ValueError, match=r"momentum must be at most 1, got 1\.5"):
        CenterLoss(2, 2, momentum=1.5)


# ---------------------------------------------------------------- the program


@pytest.fixture
def program(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import fine_grained

    return fine_grained


def test_program_runs_and_resumes(program, tmp_path, monkeypatch, capsys):
    """Two methods, three steps; the second start finds all runs done."""
    kept = {name: program.METHODS[name][2:4] for name in ("cross entropy", "gate, second head")}
    monkeypatch.setattr(program, "METHODS", kept)
    monkeypatch.setattr(program, "SIMPLE", {"k-NN, pixels": program.SIMPLE["k-NN, pixels"][:1]})
    out, runs = tmp_path / "out.json", tmp_path / "deep" / "runs.json"
    arguments = ["x", "--quick", "--out", str(out), "--runs", str(runs)]
    monkeypatch.setattr(sys, "argv", arguments)
    program.main()
    table = json.loads(out.read_text())
    first = table["first"]
    assert [*first] == ["cross entropy", "240 labels", "gate, second head", "k-NN, pixels"]
    assert {*first["gate, second head"]["runs"][0]} == {"main", "aux", "average", "half", "geometric", "w"}
    assert {*table["second"]["240 labels"]["runs"][1]} == {"main", "tempered", "temperature"}
    monkeypatch.setattr(program, "run", None)
    monkeypatch.setattr(program, "run_again", None)
    program.main()
    assert json.loads(out.read_text()) == table
    assert "cross entropy" in capsys.readouterr().out


def test_stored_results_are_those_of_the_plans(program):
    """The file that the page reads: all methods, ten seeds, the settings with most right on validation."""
    tables = json.loads((EXAMPLES / "fine_grained.json").read_text())
    names = [*program.METHODS]
    assert [*tables["first"]] == ["cross entropy", "240 labels", *names[1:], *program.SIMPLE]
    assert [*tables["second"]] == [*program.SECOND, "240 labels", "no decay"]
    assert {len(row["runs"]) for table in tables.values() for row in table.values()} == {10}
    for name, grid in program.METHODS.items():
        row = tables["first"][name]
        right = row["right_on_validation"]
        best = [program.asdict(r) for r, n in zip(grid, right, strict=True) if n == max(right)]
        assert row["settings"] in best
    decays = {name: row["settings"]["decay"] for name, row in tables["second"].items()}
    assert {name for name, decay in decays.items() if decay != 5} == {"no decay"}


def test_parts_share_no_image(program):
    x, _ = program.images(program.CLASSES)
    for seed in (0, 100):
        parts = program.split(seed)
        sizes = {name: len(y) for name, (_, y) in parts.items()}
        assert sizes == dict(train=120, val=120, pool=179, test=300)
        assert parts["train"][1].bincount().tolist() == [30] * 4
        assert torch.equal(parts["test"][0], x[-300:])
        seen = torch.cat([part for part, _ in parts.values()]).flatten(1)
        assert len(seen.unique(dim=0)) == len(x.flatten(1).unique(dim=0))


def test_shift_moves_images_and_pads(program):
    x = torch.arange(64.0, dtype=F64).view(1, 1, 8, 8).expand(50, 1, 8, 8)
    moved = program.shifted(x, 1.0, seeded())
    assert torch.equal(program.shifted(x, 0.0, seeded()), x)
    assert len(moved.flatten(1).unique(dim=0)) == 9
    inner = moved[:, 0, 1:-1, 1:-1]
    assert {*(inner[:, 0, 0] - 9).tolist()} == {float(8 * a + b) for a in (-1, 0, 1) for b in (-1, 0, 1)}


def test_pseudo_labels(program):
    probs = column([[0.7, 0.3], [0.05, 0.95], [0.5, 0.5], [NAN, 0.2]])
    assert program.pseudo_labels(probs, 0.7).tolist() == [0, 1, -100, -100]
    assert program.pseudo_labels(probs, 0.0).tolist() == [0, 1, 0, -100]
    assert program.pseudo_labels(probs[None], 0.9).tolist() == [[-100, 1, -100, -100]]


def test_body_at_rest_moves_nothing(program):
    body = program.new_body()
    for resting in (True, False):
        program.rest(body, resting)
        before = {name: value.clone() for name, value in body.state_dict().items()}
        body(gaussian(10, 1, 8, 8))
        moved = [name for name, value in body.state_dict().items() if not torch.equal(value, before[name])]
        assert bool(moved) != resting
        assert all(p.requires_grad != resting for p in body.parameters())
