"""The fused sums over pairs of samples against their plain twins; see tests/kernels.py for how this runs."""

import pytest
import torch
from helpers import Draw
from kernels import DEVICE, on_the_cpu
from torch.library import opcheck

from lemmata.estimation import hsic
from lemmata.estimation._hsic.sums import _GramSums, _plain
from lemmata.numerics.kernels import KERNELS

NAMES = pytest.mark.parametrize("name", ["gaussian", "laplace", "distance"])


@pytest.fixture(scope="module", autouse=True)
def _device():
    on_the_cpu()


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch):
    import lemmata.estimation._hsic.triton as module

    monkeypatch.setattr(module, "SIDE", 16)
    monkeypatch.setattr(module, "processors", lambda device: 2)


def samples(m=2, n=40, d=3, e=1):
    draw = Draw(1, DEVICE)
    x, y = draw.normal(m, n, d), draw.normal(m, n, e)
    x[:, 5] = x[:, 6]  # two that are equal, where the root has no slope
    x[:, 7] = x[:, 8] + 1e-2
    return x.float(), (y + x[..., :1]).float()


def outcome(function, x, y, name, dtype):
    x, y = (v.to(dtype).requires_grad_() for v in (x, y))
    sums = function(x, y, KERNELS[name], dtype, True)
    grads = [torch.linspace(1, 2, v.numel(), dtype=v.dtype, device=DEVICE).view(v.shape) for v in sums]
    made = [(v, g) for v, g in zip(sums, grads, strict=True) if v.requires_grad]
    return *sums, *torch.autograd.grad([v for v, _ in made], (x, y), [g for _, g in made])


@NAMES
@pytest.mark.parametrize("shape", [(1, 40, 3, 1), (2, 17, 9, 2), (1, 1, 1, 1)])
def test_sums_and_gradients_are_those_of_whole_matrices(name, shape):
    x, y = samples(*shape) if shape[1] > 9 else (torch.ones(shape[:3], device=DEVICE),) * 2
    found = outcome(_GramSums.apply, x, y, name, torch.float32)
    exact = outcome(_plain, x, y, name, torch.float64)
    for a, b in zip(found, exact, strict=True):
        size = b.abs().max().item() if b.numel() else 0.0
        # near pairs have slopes of 1 / r, in the tiles of plain PyTorch, too
        torch.testing.assert_close(a.double(), b, rtol=2e-5, atol=1e-4 * size)


@NAMES
def test_the_public_function_runs_it(name, monkeypatch):
    import lemmata.estimation._hsic.triton as module

    x, y = samples(1)
    plain = hsic(x[0].double(), y[0].double(), kernel=name)  # float64 has no kernel
    calls, sums = [], module.pair_sums
    monkeypatch.setattr(module, "pair_sums", lambda *arguments: calls.append(arguments) or sums(*arguments))
    torch.testing.assert_close(hsic(x[0], y[0], kernel=name).double(), plain, rtol=1e-4, atol=0)
    assert len(calls) == 1


def test_forward_mode_agrees_with_reverse_mode():
    x, y = (v[0] for v in samples(1))
    leaf, along = x.clone().requires_grad_(), torch.ones_like(x).cumsum(0) / 40
    slope = torch.autograd.grad(hsic(leaf, y, bandwidth=1.0), leaf)[0]
    moved = torch.func.jvp(lambda x: hsic(x, y, bandwidth=1.0), (x,), (along,))[1]
    torch.testing.assert_close(moved, (slope * along).sum(), rtol=1e-4, atol=1e-7)
    assert slope.abs().sum() > 1e-3


def test_the_operators_are_registered_as_torch_wants_them():
    from lemmata.estimation._hsic.triton import pair_slopes, pair_sums

    x, y = samples()
    grads = x[..., 0].contiguous(), x[:, 0, 0].clone(), x[:, 1, 0].clone()
    checks = ("test_schema", "test_faketensor")
    opcheck(pair_sums, (x, y, 0), test_utils=checks)
    opcheck(pair_slopes, (x, y, *grads, 0), test_utils=checks)
