"""The fused sums of the multi-label loss against their plain twin; see tests/kernels.py for how this runs."""

from types import SimpleNamespace

import pytest
import torch
from contract import check, infinite, one, untouched
from helpers import DTYPES, F64, INF, NAN, Draw
from kernels import DEVICE, REAL, on_the_cpu
from test_contract import rows
from torch.autograd import gradcheck, gradgradcheck
from torch.library import opcheck

from lemmata.classification import multilabel_cross_entropy, sparse_multilabel_cross_entropy
from lemmata.classification._multilabel.sums import log_sums, plain_log_sums

ROWS = [row for row in rows("classification") if row.name.endswith("soft masked") or "sparse_" in row.name]
CASES = {}


@pytest.fixture(scope="module", autouse=True)
def _device():
    on_the_cpu()


@pytest.fixture
def pieces():
    return 1


@pytest.fixture
def fused(monkeypatch, pieces):
    """The sums, with blocks so small that rows have several."""
    import lemmata.classification._multilabel.triton as module

    monkeypatch.setattr(module, "BLOCK", 32)
    monkeypatch.setattr(module, "WAVES", pieces)
    monkeypatch.setattr(module, "processors", lambda device: 4)  # as many as there are rows
    return module.fused_log_sums


def case(function):
    CASES[function.__name__] = function
    return function


def given(draw, rows=(4,), n=70, **changed):
    scores = draw.normal(*rows, n, scale=3.0)
    target = draw.labels(*rows, n, share=0.2)
    return dict(input=scores, threshold=0.0, target=target, mask=None, padding=None) | changed


@case
def hard(draw):
    return given(draw)


@case
def integers(draw):
    return given(draw, target=draw.labels(4, 70).long(), threshold=-0.3)


@case
def soft(draw):
    return given(draw, target=draw.uniform(4, 70), threshold=draw.normal(4))


@case
def some_soft(draw):
    return given(draw, target=draw.labels(4, 70) * draw.uniform(4, 70))


@case
def masked(draw):
    return given(draw, mask=draw.labels(4, 70, share=0.6))


@case
def weighted(draw):
    return given(draw, mask=draw.uniform(70, high=9.0).expand(4, 70))


@case
def soft_and_weighted(draw):
    return given(draw, target=draw.uniform(4, 70), mask=draw.labels(4, 70) * draw.uniform(4, 70))


@case
def indexed(draw):
    index = draw.below(71, 4, 9) - 1
    index[:, 3], index[0] = index[:, 4], -1  # a repeat; a row without positives
    return given(draw, target=index, padding=-1, threshold=draw.normal(4))


@case
def indexed_with_a_class_for_padding(draw):
    return given(draw, target=draw.below(70, 4, 3), padding=7)


@case
def every_class_by_index(draw):
    return given(draw, n=40, target=torch.arange(40, device=DEVICE).flip(0).expand(4, 40), padding=-1)


@case
def no_index(draw):
    return given(draw, target=draw.below(70, 4, 0), padding=-1)


@case
def turned(draw):
    return given(draw, input=draw.normal(70, 4).mT, target=draw.labels(70, 4).mT, mask=draw.labels(70, 4).mT)


@case
def of_two_axes(draw):
    return given(draw, rows=(2, 3), threshold=draw.normal(3), mask=draw.labels(3, 1))


@case
def one_class(draw):
    return given(draw, n=1)


@case
def no_class(draw):
    return given(draw, n=0)


@case
def no_row(draw):
    return given(draw, rows=(0,))


@case
def far_apart(draw):
    return given(draw, input=draw.normal(4, 70, scale=300.0))


@case
def tiny_weights(draw):
    weight = torch.where(draw.labels(4, 70), 1e-30, 1.0)
    return given(draw, input=draw.normal(4, 70, scale=40.0), target=draw.uniform(4, 70), mask=weight)


def outcome(function, arguments):
    """Both logarithms, and the gradients of their weighted sum."""
    arguments = dict(arguments)
    names = [n for n in ("input", "threshold") if isinstance(arguments[n], torch.Tensor)]
    leaves = [arguments[name].detach().requires_grad_() for name in names]
    logs = function(**arguments | dict(zip(names, leaves, strict=True)))
    weight = torch.linspace(1, 2, logs[0].numel(), dtype=logs[0].dtype, device=DEVICE).view(logs[0].shape)
    return logs, torch.autograd.grad((weight * (2 * logs[0] + logs[1])).sum(), leaves)


@pytest.mark.parametrize(
    ("name", "pieces"),
    [*((name, 1) for name in CASES), *((name, 4) for name in ("soft", "masked", "indexed", "of_two_axes"))],
)
def test_values_and_gradients_are_those_of_the_plain_form(fused, name):
    arguments = CASES[name](Draw(1, DEVICE))
    for found, expected in zip(outcome(fused, arguments), outcome(plain_log_sums, arguments), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", ["hard", "soft_and_weighted", "indexed"])
def test_float32_has_its_digits(fused, name):
    arguments = CASES[name](Draw(2, DEVICE))
    arguments["input"] = arguments["input"].float()
    exact = outcome(plain_log_sums, arguments | dict(input=arguments["input"].double()))
    found = outcome(fused, arguments)
    assert found[0][0].dtype == found[1][0].dtype == torch.float32
    for one_, other in zip(found, exact, strict=True):
        for a, b in zip(one_, other, strict=True):
            torch.testing.assert_close(a.double(), b.double(), rtol=3e-6, atol=1e-6)


@REAL
@pytest.mark.parametrize("dtype", DTYPES[2:])
@pytest.mark.parametrize("name", ["hard", "soft_and_weighted", "indexed", "turned"])
def test_half_types_are_summed_in_float32(fused, name, dtype):
    arguments = CASES[name](Draw(3, DEVICE))
    arguments["input"] = arguments["input"].to(dtype)
    exact = outcome(plain_log_sums, arguments | dict(input=arguments["input"].double()))
    found = outcome(fused, arguments)
    for a, b in zip(found[0], exact[0], strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[1][0].double(), exact[1][0], rtol=torch.finfo(dtype).eps, atol=1e-3)


def test_a_small_sum_keeps_its_digits(fused):
    scores = torch.full((1, 40), -70.0, dtype=F64, device=DEVICE)
    a, b = fused(scores, 0.0, scores > 0, None, None)
    assert a.item() == pytest.approx(40 * 3.975449735908647e-31, rel=1e-14)
    assert b.item() == 0


AWKWARD = {
    "negatives at -inf": ([[-INF, 1.0, -INF]], [[0, 1, 0]]),
    "all at -inf": ([[-INF] * 3], [[0, 1, 0]]),
    "a positive at inf": ([[INF, 1.0, -2.0]], [[1, 1, 0]]),
    "two negatives at inf": ([[INF, INF, -2.0]], [[0, 0, 1]]),
    "two positives at -inf": ([[-INF, -INF, -2.0]], [[1, 1, 0]]),
    "both sides": ([[-INF, INF, INF]], [[1, 0, 0]]),
    "huge": ([[1e308, -1e308, 1e308]], [[0, 0, 1]]),
    "1e30 of both signs": ([[-1e30, 1e30, -1e29]], [[0, 1, 0]]),
}


@pytest.mark.parametrize("form", ["dense", "soft", "index"])
@pytest.mark.parametrize("name", AWKWARD)
def test_infinite_scores_have_the_loss_and_the_gradient_of_the_blocks(fused, name, form):
    values, labels = (torch.tensor(x, device=DEVICE) for x in AWKWARD[name])
    values, padding = values.double(), None
    if form == "index":
        labels, padding = torch.where(labels == 1, torch.arange(3, device=DEVICE), -1), -1
    labels = labels.double() if form == "soft" else labels
    arguments = dict(input=values, threshold=0.0, target=labels, mask=None, padding=padding)
    for found, expected in zip(outcome(fused, arguments), outcome(log_sums, arguments), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-14)


def test_a_nan_spoils_its_row_alone_and_not_where_it_is_masked(fused):
    scores = torch.tensor([[NAN, 1.0], [0.5, 1.0], [NAN, 1.0]], dtype=F64, device=DEVICE)
    mask = torch.tensor([[True, True], [True, True], [False, True]], device=DEVICE)
    a, b = fused(scores, 0.0, torch.tensor([[1, 0]] * 3, device=DEVICE), mask, None)
    assert (a + b).isnan().tolist() == [True, False, False]


def test_what_is_masked_costs_nothing(fused):
    arguments = hard(Draw(4, DEVICE)) | dict(mask=torch.zeros(4, 70, dtype=torch.bool, device=DEVICE))
    logs, slopes = outcome(fused, arguments)
    assert all(x.count_nonzero() == 0 for x in (*logs, *slopes))


# ------------------------------------------------------------------- derivatives


@pytest.mark.parametrize(("name", "pieces"), [("hard", 1), ("soft", 1), ("indexed", 4)])
def test_derivatives_of_two_orders_are_those_of_differences(fused, name):
    arguments = CASES[name](Draw(5, DEVICE))
    scores = arguments.pop("input")[:1, :35].clone().requires_grad_()
    arguments = {k: v[:1] if isinstance(v, torch.Tensor) else v for k, v in arguments.items()}
    arguments["target"] = arguments["target"][:, :35].clamp(max=34)
    assert gradcheck(lambda s: fused(s, **arguments), scores, check_batched_grad=True, fast_mode=True)
    assert gradgradcheck(lambda s: fused(s, **arguments), scores, fast_mode=True)


def test_soft_labels_get_their_gradient(fused):
    arguments = soft(Draw(6, DEVICE))
    target = arguments.pop("target").requires_grad_()
    found, expected = (
        torch.autograd.grad(sum(map(torch.sum, f(target=target, **arguments))), target)[0]
        for f in (fused, log_sums)
    )
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-14)


def test_a_graph_that_is_kept_gives_the_same_twice(fused):
    scores = hard(Draw(7, DEVICE))["input"].requires_grad_()
    a, b = fused(scores, 0.0, scores > 1, None, None)
    once, twice = (torch.autograd.grad((a + b).sum(), scores, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(once, twice)


def dense(scores):
    return multilabel_cross_entropy(scores, torch.arange(70, device=DEVICE).expand(4, 70) % 9 == 0)


def sparse(scores):
    return sparse_multilabel_cross_entropy(scores, torch.arange(4, device=DEVICE)[:, None])


@pytest.mark.parametrize("loss", [dense, sparse])
def test_forward_mode_is_the_plain_form_and_agrees_with_reverse_mode(loss):
    scores, along = Draw(8, DEVICE).normal(2, 4, 70)
    leaf = scores.clone().requires_grad_()
    slope = torch.autograd.grad(loss(leaf), leaf)[0]
    assert slope.abs().sum() > 0.1
    torch.testing.assert_close(torch.func.jvp(loss, (scores,), (along,))[1], (slope * along).sum())
    torch.testing.assert_close(torch.func.grad(loss)(scores), slope)
    torch.testing.assert_close(torch.vmap(torch.func.grad(loss))(scores[None])[0], slope)


# ------------------------------------------------------------------- who runs it


def test_the_public_functions_run_it(monkeypatch):
    import lemmata.classification._multilabel.triton as module

    calls, sums = [], module.sums
    monkeypatch.setattr(module, "sums", lambda *arguments: calls.append(arguments) or sums(*arguments))
    scores = Draw(9, DEVICE).normal(4, 70)
    for count, loss in enumerate((dense, sparse), 1):
        assert loss(scores).isfinite()
        assert len(calls) == count
    torch.vmap(dense)(scores[None])
    torch.compile(dense, backend="eager", fullgraph=True)(scores)
    assert len(calls) == 2


@pytest.mark.parametrize("name", ["hard", "soft_and_weighted", "indexed"])
def test_the_operators_are_registered_as_torch_wants_them(name):
    from lemmata.classification._multilabel.triton import slopes, sums

    case = SimpleNamespace(**CASES[name](Draw(10, DEVICE)))
    index = case.padding is not None
    target = case.target.sort(-1).values if index else case.target.to(F64)
    arguments = (case.input, target, None, case.mask, index)
    _, state = sums(*arguments)
    checks = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")
    checks = checks if name == "hard" else checks[:3]  # the last takes long
    opcheck(slopes, (*arguments, state, torch.ones_like(state[:2])), test_utils=checks)
    opcheck(sums, (case.input.clone().requires_grad_(), *arguments[1:]), test_utils=checks)


@pytest.mark.skipif(DEVICE == "cuda", reason="the promise `cuda` has the GPU's")
@pytest.mark.parametrize("promise", [infinite, one, untouched])
@pytest.mark.parametrize("row", ROWS, ids=repr)
def test_promises_are_kept(row, promise):
    check(row, promise)
