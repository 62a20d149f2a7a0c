"""Reports on a user's model: what is measured, what is predicted, and that nothing is changed."""

import math
import sys

import pytest
import torch
from helpers import Draw, seeded, z_score
from torch import nn

from lemmata.geometry import (
    InitializationReport,
    inspect_initialization,
    log_norm_drift,
    relu_correlation,
)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def draw(*shape):
    return Draw(0).normal(*shape)


# --------------------------------------------------------------------------- identity and agreement


def network(depth=3, width=48, bias=False, seed=0, gain=2.0):
    """He-initialised layers with ReLU, and a last one without."""
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(width, width, bias=bias), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(width, 5, bias=bias))
    generator = seeded(seed)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=(gain / width) ** 0.5, generator=generator)
    return model.double()


def test_report_measures_norms_and_cosines():
    model, x = network(depth=1), draw(6, 48)
    first, second, last = inspect_initialization(model, x).rows
    y = model[0](x)
    assert (first.name, first.kind, first.shape) == ("0", "Linear", (6, 48))
    assert (second.name, second.kind, last.shape) == ("1", "ReLU", (6, 5))
    assert first.rms == pytest.approx(y.square().mean().sqrt().item(), rel=1e-14)
    for row, before, after in [(first, x, y), (second, y, y.relu()), (last, y.relu(), model(x))]:
        ratio = (after.square().sum(1) / before.square().sum(1)).log().mean().item()
        cosines = torch.cosine_similarity(after[:, None], after, dim=-1)
        assert row.log_ratio == pytest.approx(ratio, rel=1e-12)
        pairs = [cosines[i, j].item() for i in range(6) for j in range(i)]
        assert row.cosine == pytest.approx(sum(pairs) / 15, rel=1e-12)


def test_theory_of_a_square_layer_is_the_drift():
    model = network(depth=1, gain=1.0)
    with torch.no_grad():
        model[0].weight *= (1 / 48 / model[0].weight.square().mean()).sqrt()  # variance 1/m exactly
    linear, relu, _ = inspect_initialization(model, draw(6, 48)).rows
    drift, whole = log_norm_drift(48, 1), log_norm_drift(48, 1, activation="relu")
    assert linear.predicted_log_ratio == pytest.approx(drift.mean, rel=1e-12)
    assert linear.predicted_std == pytest.approx(drift.variance**0.5, rel=1e-14)
    both = linear.predicted_log_ratio + math.log(2) + relu.predicted_log_ratio
    assert both == pytest.approx(whole.mean, rel=1e-12)
    assert linear.predicted_std**2 + relu.predicted_std**2 == pytest.approx(whole.variance, rel=1e-12)


def test_theory_counts_the_bias():
    model, x = network(depth=0, bias=True), draw(4, 48)
    (row,) = inspect_initialization(model, x).rows
    v, s2 = model[0].weight.square().mean(), model[0].bias.square().mean()
    square = x.square().sum(1)
    step = (5 * (v + s2 / square)).log().mean().item()
    assert row.predicted_log_ratio == pytest.approx(log_norm_drift(5, 1).mean + step, rel=1e-12)
    gram = v * x @ x.T + s2
    size = gram.diagonal().sqrt()
    cosines = gram / size.outer(size)
    pairs = [cosines[i, j].item() for i in range(4) for j in range(i)]
    assert row.predicted_cosine == pytest.approx(sum(pairs) / 6, rel=1e-12)


def test_theory_of_relu_angles_is_the_correlation_map():
    model, x = network(depth=1), draw(2, 48)
    _, relu, _ = inspect_initialization(model, x).rows
    rho = torch.cosine_similarity(*model[0](x), dim=0)
    assert relu.predicted_cosine == pytest.approx(relu_correlation(rho).item(), rel=1e-12)


def test_theory_is_what_networks_do_on_average():
    """400 networks of width 48: mean, deviation and cosine of every layer, |z| < 4.5."""
    models, x = [network(depth=2, seed=s) for s in range(400)], draw(2, 48)
    runs = [inspect_initialization(model, x).rows for model in models]
    for rows in zip(*runs, strict=True):
        gap = torch.tensor([row.log_ratio - row.predicted_log_ratio for row in rows])
        assert abs(z_score(gap, 0)) < 4.5
        turn = torch.tensor([row.cosine - row.predicted_cosine for row in rows])
        assert turn.mean().abs() < 0.02 + 4.5 * turn.std() / 20
    one = [inspect_initialization(model, x[:1]).rows for model in models]
    for rows in zip(*one, strict=True):
        gap = torch.tensor([row.log_ratio - row.predicted_log_ratio for row in rows])
        assert abs(z_score(gap**2, rows[0].predicted_std ** 2)) < 4.5


class Everything(nn.Module):
    """Normalisation by batch and by spectrum, dropout, a buffer that counts, an in-place ReLU used twice."""

    def __init__(self):
        super().__init__()
        self.linear = nn.utils.parametrizations.spectral_norm(nn.Linear(12, 12))
        self.norm, self.drop, self.act = nn.BatchNorm1d(12), nn.Dropout(0.5), nn.ReLU(inplace=True)
        self.last = nn.Linear(12, 12)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x, shift=0.0):
        self.calls += 1
        x = self.act(self.linear(x + shift))
        return self.act(self.last(self.drop(self.norm(x))))


@pytest.mark.parametrize("training", [True, False])
def test_inspection_changes_nothing(training):
    model = Everything().train(training)
    model.norm.eval()
    model(torch.randn(4, 12)).sum().backward()
    model.norm.train(training)
    x = torch.randn(8, 12, requires_grad=True)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    grads = {name: p.grad.clone() for name, p in model.named_parameters()}
    held = {name: id(buffer) for name, buffer in model.named_buffers()}
    modes, original, rng = [m.training for m in model.modules()], x.detach().clone(), torch.get_rng_state()
    report = inspect_initialization(model, (x, 1.0))
    assert [row.name for row in report.rows] == ["linear", "act", "norm", "drop", "last", "act"]
    assert torch.equal(torch.get_rng_state(), rng)
    assert [m.training for m in model.modules()] == modes
    assert {name: id(buffer) for name, buffer in model.named_buffers()} == held
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name
    for name, p in model.named_parameters():
        assert torch.equal(p.grad, grads[name]), name
    assert torch.equal(x, original)
    assert x.grad is None
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    again = inspect_initialization(model, (x, 1.0))
    assert again.rows[0] == report.rows[0]


def test_relu_in_place_is_measured_against_what_it_overwrote():
    x = draw(6, 12).float()
    model = Everything().eval()
    first = inspect_initialization(model, x).rows[1]
    model.act = nn.ReLU()
    second = inspect_initialization(model, x).rows[1]
    assert first == second
    assert first.log_ratio < -0.1
    assert first.predicted_log_ratio is not None


def test_hooks_go_when_the_model_fails():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(4, 4))
    with pytest.raises(RuntimeError):
        inspect_initialization(model, torch.randn(5, 3))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert model[1].num_batches_tracked == 0


def test_vectors_are_slices_for_linear_and_examples_for_others():
    model = nn.Sequential(
        nn.Linear(6, 10), nn.ReLU(), nn.Flatten(), nn.Unflatten(1, (10, 7)), nn.Conv1d(10, 4, 3)
    )
    x = torch.randn(5, 7, 6)
    rows = inspect_initialization(model, x).rows
    y = model[0](x).reshape(35, 10)
    ratio = (y.relu().square().sum(1) / y.square().sum(1)).log().mean().item()
    assert rows[1].log_ratio == pytest.approx(ratio, rel=1e-5)
    assert rows[2].log_ratio == pytest.approx(0, abs=1e-5)  # the same numbers, summed in another order
    assert rows[2].predicted_log_ratio is None
    assert rows[4].kind == "Conv1d"
    assert rows[4].log_ratio is not None
    assert rows[4].predicted_log_ratio is None
    assert rows[4].predicted_cosine is None


def test_relu_on_something_else_has_no_theory():
    rows = inspect_initialization(
        nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.ReLU()), draw(3, 4).float()
    ).rows
    assert [row.predicted_log_ratio is None for row in rows] == [False, True, True]


def test_integers_single_examples_and_zeros_leave_blanks():
    words = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 4, bias=False))
    embedding, linear = inspect_initialization(words, torch.tensor([[1]])).rows
    assert (embedding.log_ratio, embedding.cosine) == (None, None)
    assert linear.log_ratio is not None
    assert (linear.cosine, linear.predicted_cosine) == (None, None)
    (dead,) = inspect_initialization(nn.Linear(3, 3, bias=False), torch.zeros(2, 3)).rows
    assert (dead.rms, dead.log_ratio, dead.predicted_log_ratio, dead.cosine) == (0, None, None, None)
    x = torch.cat([torch.zeros(1, 4), draw(3, 4).float()])
    with_zero, without = (inspect_initialization(words[1], part).rows[0] for part in (x, x[1:]))
    for field in ("log_ratio", "predicted_log_ratio", "cosine", "predicted_cosine"):
        # float32 products of four rows and of three are rounded differently on some machines
        assert getattr(with_zero, field) == pytest.approx(getattr(without, field), rel=1e-6)


def test_many_vectors_are_paired_by_an_even_sample():
    x = draw(600, 4)
    (row,) = inspect_initialization(nn.Identity(), x).rows
    some = x[::3]
    cosines = torch.cosine_similarity(some[:, None], some, dim=-1)
    assert row.cosine == pytest.approx((cosines.sum().item() - 200) / (200 * 199), rel=1e-10)


def test_keyword_arguments_and_tuples_of_outputs_are_followed():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRU(4, 3, batch_first=True)
            self.act = nn.Linear(3, 3)

        def forward(self, x):
            return self.act(input=self.rnn(input=x)[0])

    rows = inspect_initialization(Recurrent(), torch.randn(2, 5, 4)).rows
    assert [(row.name, row.shape) for row in rows] == [("rnn", (2, 5, 3)), ("act", (2, 5, 3))]
    assert rows[1].predicted_log_ratio is not None


def test_report_prints_a_table():
    report = inspect_initialization(nn.Sequential(nn.Linear(48, 48), nn.Tanh()).double(), draw(4, 48))
    lines = str(report).splitlines()
    assert " ".join(lines[0].split()) == "layer kind output rms log ratio theory ± sd cosine theory"
    assert len(lines) == 3
    row = report.rows[0]
    numbers = [row.log_ratio, row.predicted_log_ratio, row.predicted_std, row.cosine, row.predicted_cosine]
    written = [f"{row.rms:.4g}", *(f"{x:.4f}" for x in numbers)]
    assert lines[1].split() == ["0", "Linear", "(4,", "48)", *written]
    assert len(lines[2].split()) == 7  # Tanh has no theory
    assert repr(report) == str(report)
    page = report._repr_html_()
    assert page.count("<tr>") == 3
    assert page.count("<th>") == 9
    assert page.count("<td>") == 18
    assert f"<td>{row.log_ratio:.4f}</td>" in page


def test_columns_of_the_table_are_flush():
    """Text at its left, numbers at their right: every column begins, or ends, in the same place."""
    model = nn.Sequential(nn.Linear(48, 120), nn.Sequential(nn.ReLU(), nn.Linear(120, 7)))
    lines = str(inspect_initialization(model.double(), 1000 * draw(4, 48))).splitlines()
    starts = [lines[0].index(word) for word in ("kind", "output")]
    assert all(line[at - 1] == " " and line[at] != " " for line in lines for at in starts)
    ends = [lines[0].index(word) + len(word) for word in ("rms", "log ratio", "theory", "± sd", "cosine")]
    assert all(line[at - 1] != " " and line[at : at + 2] == "  " for line in lines for at in ends)


def test_a_single_vector_is_one_vector():
    (row,) = inspect_initialization(nn.Tanh(), draw(5)).rows
    y = draw(5).tanh()
    assert row.log_ratio == pytest.approx((y.square().sum() / draw(5).square().sum()).log().item())
    assert row.cosine is None


def test_a_vector_of_0_has_no_ratio():
    layer = nn.Linear(6, 6).double()
    x = torch.cat([draw(3, 6), torch.zeros(1, 6)])
    (row,), (without,) = (inspect_initialization(layer, v).rows for v in (x, x[:3]))
    assert row.log_ratio == pytest.approx(without.log_ratio, rel=1e-12)


def test_theory_of_relu_counts_the_last_axis():
    model = nn.Sequential(nn.Linear(6, 20), nn.ReLU()).double()
    deep = inspect_initialization(model, draw(5, 3, 6)).rows[1]
    flat = inspect_initialization(model, draw(5, 3, 6).flatten(0, 1)).rows[1]
    assert deep.predicted_std == flat.predicted_std
    assert deep.predicted_log_ratio == flat.predicted_log_ratio


def test_a_layer_that_returns_integers_has_no_row():
    class Largest(nn.Module):
        def forward(self, x):
            return x.argmax(-1)

    rows = inspect_initialization(nn.Sequential(nn.Linear(4, 4), Largest()).double(), draw(3, 4)).rows
    assert [row.kind for row in rows] == ["Linear"]


def test_report_escapes_names():
    row = inspect_initialization(nn.Identity(), torch.ones(2, 2)).rows[0]._replace(name="<b>")
    assert "&lt;b&gt;" in InitializationReport((row,))._repr_html_()


def test_report_draws_running_sums():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    report = inspect_initialization(
        nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8)), torch.randn(4, 8)
    )
    figure = report.plot()
    measured, theory = (line.get_ydata() for line in figure.axes[0].lines)
    a, b, c = report.rows
    assert list(measured) == pytest.approx(
        [a.log_ratio, a.log_ratio + b.log_ratio, sum(r.log_ratio for r in report.rows)]
    )
    assert theory[1] == pytest.approx(a.predicted_log_ratio + b.log_ratio)
    assert theory[2] == pytest.approx(a.predicted_log_ratio + b.log_ratio + c.predicted_log_ratio)
    band = figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() - band.min() >= 4 * a.predicted_std
    widths = [2 * 2 * s for s in (a.predicted_std, (a.predicted_std**2 + c.predicted_std**2) ** 0.5)]
    at_end = figure.axes[0].collections[0].get_paths()[0].vertices
    last = at_end[at_end[:, 0] == 3][:, 1]
    assert last.max() - last.min() == pytest.approx(widths[1])
    cosines, predicted = (line.get_ydata() for line in figure.axes[1].lines)
    assert list(cosines) == [r.cosine for r in report.rows]
    assert predicted[0] == a.predicted_cosine
    assert math.isnan(predicted[1])
    (measured, theory), band = figure.axes[0].lines, figure.axes[0].collections[0]
    same = matplotlib.colors.same_color
    assert same(theory.get_color(), band.get_facecolor()[0, :3])
    assert band.get_alpha() < 0.5
    assert band.get_linewidth()[0] == 0  # of the band, and no line around it
    assert same(theory.get_color(), figure.axes[1].lines[1].get_color())
    assert same(measured.get_color(), figure.axes[1].lines[0].get_color())
    assert not same(measured.get_color(), theory.get_color())
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["measured", "theory"]
    assert all(axes.get_xlabel() == "layer" and axes.get_ylabel() for axes in figure.axes)
    matplotlib.pyplot.close(figure)


def test_plot_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="plot needs matplotlib"):
        InitializationReport(()).plot()


# ------------------------------------------------------------------- every module that owns parameters


class Adapter(nn.Module):
    """Parameters of its own, in a list, and in children; one of them is called by its ``forward``."""

    def __init__(self):
        super().__init__()
        self.base, self.direct, self.idle = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.down, self.up = nn.Parameter(torch.randn(8, 2)), nn.ParameterList([torch.randn(2, 8)])

    def forward(self, x):
        return {"rest": None, "result": (self.base(x) + self.direct.forward(x) + x @ self.down @ self.up[0],)}


def names(report):
    return [row.name for row in report.rows]


def test_a_module_with_parameters_and_children_has_a_row():
    model, x = nn.Sequential(Adapter()), torch.randn(4, 8)
    report = inspect_initialization(model, x)
    assert names(report) == ["0.base", "0"]
    assert report.rows[1].kind == "Adapter"
    y = model(x)["result"][0]
    expected = (y.square().sum(1) / x.square().sum(1)).log().mean().item()
    assert report.rows[1].log_ratio == pytest.approx(expected, rel=1e-5)
    assert [row.parts for row in report.rows] == [0, 1]
    assert report.unseen == (("0.direct", "not called as modules"), ("0.idle", "not called as modules"))
    assert str(report).splitlines()[-1] == "not seen: 0.direct, 0.idle (not called as modules)"
    assert "<p>not seen: 0.direct, 0.idle (not called as modules)</p>" in report._repr_html_()


def test_a_picture_counts_no_step_twice():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    report = inspect_initialization(nn.Sequential(Adapter()), torch.randn(4, 8))
    assert list(report.plot().axes[0].lines[0].get_ydata()) == [report.rows[0].log_ratio]


@pytest.mark.parametrize("training", [True, False])
def test_attention_has_a_row_by_every_path(training):
    x = torch.randn(4, 5, 8)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 2).train(training)
    report = inspect_initialization(model, x)
    owners = {name for name, m in model.named_modules() if any(True for _ in m.parameters(recurse=False))}
    assert owners == {row.name for row in report.rows if row.name in owners} | {n for n, _ in report.unseen}
    assert [name for name, _ in report.unseen] == [f"layers.{i}.self_attn.out_proj" for i in (0, 1)]
    alone = inspect_initialization(layer.self_attn.train(training), (x, x, x))
    assert names(alone) == [""]
    assert alone.unseen == (("out_proj", "not called as modules"),)
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.skipif("none" in torch.backends.quantized.engine, reason="no engine for quantised layers")
def test_quantised_layers_have_rows():
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.LSTM(6, 4))
    small = torch.ao.quantization.quantize_dynamic(model, {nn.Linear, nn.LSTM})
    report = inspect_initialization(small, torch.randn(5, 3, 8))
    assert names(report) == ["0", "1", "2"]
    assert report.unseen == ()
    assert report.rows[0].log_ratio is not None
    assert report.rows[0].predicted_log_ratio is None

    class Direct(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = small

        def forward(self, x):
            return self.inner[0].forward(x)

    assert inspect_initialization(Direct(), torch.randn(5, 8)).unseen[0][0] == "inner.0"


def test_a_linear_with_another_forward_has_no_theory():
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    (row,) = inspect_initialization(Doubled(4, 4), torch.randn(3, 4)).rows
    assert row.predicted_log_ratio is None
    assert row.log_ratio is not None


def test_compiled_modules_run_as_they_were_written():
    model, x = nn.Sequential(nn.Linear(8, 8), nn.Tanh()), torch.randn(4, 8)
    compiled = inspect_initialization(torch.compile(model, backend="eager"), x)
    assert names(compiled) == ["_orig_mod.0", "_orig_mod.1"]
    plain = inspect_initialization(model, x)
    assert [row._replace(name="") for row in compiled.rows] == [row._replace(name="") for row in plain.rows]


def test_results_in_tuples_and_dictionaries_are_followed():
    class Gate(nn.Module):
        def __init__(self, wrap):
            super().__init__()
            self.scale, self.wrap = nn.Parameter(torch.full((4,), 2.0)), wrap

        def forward(self, given):
            return self.wrap(self.scale * given["x"])

    x = torch.randn(3, 4)
    for wrap in (lambda y: (None, y), lambda y: {"a": 1, "b": [y]}, lambda y: (y.argmax(-1), y)):
        (row,) = inspect_initialization(Gate(wrap), ({"x": x},)).rows
        assert row.log_ratio == pytest.approx(math.log(4), rel=1e-5)
    report = inspect_initialization(Gate(lambda y: y.argmax(-1)), ({"x": x},))
    assert report.unseen == (("", "returned no floating-point tensor"),)
    assert str(report).endswith("not seen: the model itself (returned no floating-point tensor)")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_cannot_be_hooked_is_said():
    model, x = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), torch.randn(3, 4)
    for whole in (torch.jit.script(model), torch.jit.trace(model.eval(), x)):
        with pytest.raises(
            TypeError, match=r"model must be written in Python, got .*Module, which calls no hooks"
        ):
            inspect_initialization(whole, x)
        report = inspect_initialization(nn.Sequential(nn.Linear(4, 4), whole), x)
        assert names(report) == ["0"]
        assert str(report).endswith("not seen: 1.0, 1.1 (TorchScript calls no hooks)")
    spread = nn.DataParallel(model)
    with pytest.raises(
        TypeError, match="model must stay on one device, got DataParallel: inspect its module"
    ):
        inspect_initialization(spread, x)
    with pytest.raises(TypeError, match=r"inspect its 0\.module"):
        inspect_initialization(nn.Sequential(spread), x)
    assert names(inspect_initialization(spread.module, x)) == ["0", "1"]


# --------------------------------------------------------------------------- failure


@pytest.mark.parametrize("model", [nn.Linear(2, 2, device="meta"), nn.LazyLinear(2)])
def test_a_model_without_values_is_refused(model):
    with pytest.raises(ValueError, match="model must have values in all its parameters, weight has none"):
        inspect_initialization(model, torch.ones(1, 2))


def test_bad_types_are_named():
    with pytest.raises(TypeError, match="model must be a torch"):
        inspect_initialization(torch.relu, torch.ones(1))
    with pytest.raises(TypeError, match=r"input must be a tensor or a tuple .* got list"):
        inspect_initialization(nn.Identity(), [1.0])
