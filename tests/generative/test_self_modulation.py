"""Overlap counts against layers, self-modulated batch norm against batch norm, and what the runs hold."""

import importlib.util
import inspect
import itertools
import math
import pickle
import re
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from helpers import DTYPES, F64, NAN, Draw, assert_refused
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from lemmata.generative import SelfModBatchNorm2d, overlap_counts

ROOT = Path(__file__).parents[2]


def given(size=3, channels=4, nz=5, places=(3, 2), dtype=F64, seed=0):
    draw = Draw(seed)
    return draw.normal(size, channels, *places, dtype=dtype), draw.normal(size, nz, dtype=dtype)


def shaken(*sizes, dtype=F64, **options):
    """A layer of which no weight is 0."""
    layer, draw = SelfModBatchNorm2d(*sizes, **options).to(dtype), Draw(9)
    with torch.no_grad():
        for w in layer.parameters():
            w.copy_(draw.normal(*w.shape))
    return layer


# ------------------------------------------------------------------- identity


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("classes", [None, 7])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_new_layer_is_batch_norm_bit_for_bit(train, size, classes, dtype):
    """self-modulation-reduces, with the running means."""
    x, z = given(size, dtype=dtype)
    labels = None if classes is None else torch.arange(size)
    ours, theirs = SelfModBatchNorm2d(4, 5, num_classes=classes).to(dtype), nn.BatchNorm2d(4).to(dtype)
    ours(x + 1, z, labels), theirs(x + 1)
    assert torch.equal(ours.train(train)(x, z, labels), theirs.train(train)(x))
    assert torch.equal(ours.norm.running_mean, theirs.running_mean)
    assert torch.equal(ours.norm.running_var, theirs.running_var)


def test_constant_networks_are_weight_and_bias_of_batch_norm():
    layer, theirs = shaken(4, 5), nn.BatchNorm2d(4).double()
    for ours, name in ((layer.gamma[-1], "weight"), (layer.beta[-1], "bias")):
        nn.init.zeros_(ours.weight)
        getattr(theirs, name).data.copy_(ours.bias.data)
    x, z = given()
    torch.testing.assert_close(layer(x, z), theirs(x), rtol=1e-14, atol=1e-14)


def test_running_means_do_not_depend_on_weights_or_z():
    x, z = given()
    layers = shaken(4, 5), SelfModBatchNorm2d(4, 5).double()
    for layer, rows in zip(layers, (z, z * NAN), strict=True):
        layer(x, rows)
    for one, other in zip(*(layer.norm.state_dict().values() for layer in layers), strict=True):
        assert torch.equal(one, other)


def test_the_formula():
    """self-modulation-reduces aside: scale and shift of two networks, moments of the batch."""
    layer = shaken(4, 5, hidden=6, num_classes=3, eps=0.1)
    x, z = given()
    c = torch.tensor([2, 0, 2])
    seen = z + layer.shift.weight[c] + layer.scale.weight[c] * z
    gamma, beta = (
        F.linear(F.linear(seen, net[0].weight, net[0].bias).relu(), net[2].weight, net[2].bias)
        for net in (layer.gamma, layer.beta)
    )
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    y = (x - mean[:, None, None]) / (var[:, None, None] + 0.1).sqrt()
    torch.testing.assert_close(layer(x, z, c), gamma[..., None, None] * y + beta[..., None, None])


@pytest.mark.parametrize(("hidden", "classes"), [(1, None), (32, 10)])
def test_size(hidden, classes):
    """self-modulation-size"""
    layer = SelfModBatchNorm2d(7, 5, hidden, classes)
    expected = 2 * ((5 + 1) * hidden + (hidden + 1) * 7) + 2 * (classes or 0) * 5
    assert sum(w.numel() for w in layer.parameters()) == expected


def test_counts_multiply_over_axes_and_have_one_sum():
    """self-modulation-overlap"""
    counts = overlap_counts((5, 3, 4), (2, 3, 4), padding=(1, 0, 2))
    axes = [overlap_counts((k,), s, padding=p) for k, s, p in ((5, 2, 1), (3, 3, 0), (4, 4, 2))]
    assert torch.equal(counts, torch.einsum("i,j,k->ijk", *axes))
    assert counts.sum() == 5 * 3 * 4
    assert counts.dtype == torch.int64


@pytest.mark.parametrize(("k", "s"), [*itertools.product(range(1, 8), range(1, 6))])
def test_counts_are_even_exactly_if_the_stride_divides_the_kernel_and_meets_no_dilation(k, s):
    for d in range(1, 5):
        counts = overlap_counts((k,), s, dilation=d)
        assert (len(counts.unique()) == 1) == (k % s == 0 and math.gcd(s, d) == 1)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize(
    ("k", "s", "p", "d"), [*itertools.product((1, 3, 4, 5), (2, 3), (0, 1), (1, 2, 3)), (5, 1, 2, 2)]
)
def test_counts_against_a_layer_of_ones(k, s, p, d):
    """self-modulation-overlap, on a plane."""
    layer = nn.ConvTranspose2d(1, 1, k, s, padding=0, dilation=d, bias=False)
    nn.init.ones_(layer.weight)
    with torch.no_grad():
        y = layer(torch.ones(1, 1, 20, 20))[0, 0, p:, p:]
    start = (d * (k - 1) // s + 1) * s
    middle = y[start : start + s, start : start + s]
    assert torch.equal(middle.long(), overlap_counts(k, s, padding=p, dilation=d))


def test_derivatives_of_both_orders_in_training():
    layer, (x, z) = shaken(2, 3, hidden=4), given(3, 2, 3, (2, 1))
    names, weights = zip(*layer.named_parameters(), strict=True)

    def function(x, z, *weights):
        state = {**dict(zip(names, weights, strict=True)), **{k: v.clone() for k, v in layer.named_buffers()}}
        return torch.func.functional_call(layer, state, (x, z))

    leaves = [v.detach().clone().requires_grad_() for v in (x, z, *weights)]
    assert gradcheck(function, leaves)
    assert gradgradcheck(function, leaves, fast_mode=True)


def test_a_state_dict_and_a_pickle_keep_all():
    layer, (x, z) = shaken(4, 5, num_classes=3), given()
    labels = torch.tensor([0, 1, 2])
    layer(x, z, labels)
    fresh = SelfModBatchNorm2d(4, 5, num_classes=3).double()
    fresh.load_state_dict(layer.state_dict())
    for other in (fresh, pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other.eval()(x, z, labels), layer.eval()(x, z, labels))
        layer.train()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_keeps_the_dtype_of_x(dtype):
    layer, (x, z) = shaken(4, 5, dtype=torch.float32), given(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x.to(dtype), z)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), layer(x, z), rtol=0.1, atol=0.3)


def test_training_compiles_whole():
    layer, (x, z) = shaken(4, 5, dtype=torch.float32), given(dtype=torch.float32)
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, z), layer(x, z))


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("gan_digits", ROOT / "examples/gan_digits.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # inspect finds the source of classes there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_the_page_has_the_networks_and_the_metric_of_the_script(script):
    """It stands alone beside its data; what it repeats is the same, letter for letter."""
    page = (ROOT / "book/generative/self_modulation.md").read_text(encoding="utf-8")
    for name in ("ClassBatchNorm2d", "Generator", "digits", "width", "mmd", "draws"):
        assert inspect.getsource(getattr(script, name)) in page, name
    for name in ("KINDS", "LABELLED", "SEEDS", "NZ", "LEVELS"):
        line = re.search(rf"\n(?:\w+, )*{name}\b.* = .*\n", inspect.getsource(script))[0]
        assert line in page, name


@pytest.mark.parametrize("kind", ["self", "onehot"])
def test_a_run_has_one_course_and_its_weights_are_kept_to_a_step(script, kind):
    first, second = (script.train(kind, 5, steps=1)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    whole, most = map(torch.tensor, script.packed(first))
    assert whole.dtype == torch.int8
    for value in first.values():
        if value.is_floating_point():
            rows, top = value.reshape(len(value), -1), most[: len(value), None].float()
            steps = whole[: value.numel()].view_as(rows) * top / script.LEVELS
            assert ((steps - rows).abs() <= top * (0.5 / script.LEVELS + 6e-4) + 6e-8).all()
            whole, most = whole[value.numel() :], most[len(value) :]
    assert len(whole) == len(most) == 0


# ------------------------------------------------------------------- failure


def test_nan_in_a_row_of_z_spoils_that_row_alone():
    layer, (x, z) = shaken(4, 5), given()
    z[1, 0] = NAN
    y = layer(x, z)
    assert y[1].isnan().all()
    assert not y[[0, 2]].isnan().any()
    assert not layer.norm.running_var.isnan().any()


def test_one_value_for_each_channel_is_refused_in_training_alone():
    layer, (x, z) = SelfModBatchNorm2d(4, 5).double(), given(1, places=(1, 1))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        layer(x, z)
    assert layer.eval()(x, z).isfinite().all()


def test_what_does_not_fit_is_refused():
    plain, classes, (x, z) = (
        SelfModBatchNorm2d(4, 5).double(),
        SelfModBatchNorm2d(4, 5, 8, 3).double(),
        given(),
    )
    calls = [
        (ValueError, r"x must have shape \(N, 4, H, W\)", lambda: plain(x[:, :3], z)),
        (ValueError, r"z must have shape \(3, 5\)", lambda: plain(x, z[:2])),
        (ValueError, "labels must be None without num_classes", lambda: plain(x, z, torch.arange(3))),
        (ValueError, "labels must be given beside num_classes", lambda: classes(x, z)),
        (ValueError, r"labels must be in \[0, 3\)", lambda: classes(x, z, torch.arange(3) + 1)),
        (TypeError, "labels must be int64", lambda: classes(x, z, torch.ones(3))),
        (ValueError, "hidden must be at least 1", lambda: SelfModBatchNorm2d(4, 5, 0)),
        (ValueError, "stride must have one number", lambda: overlap_counts((3,), (1, 2))),
    ]
    assert_refused(calls)
