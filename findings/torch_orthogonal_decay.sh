#!/usr/bin/env bash
# Weight decay turns an orthogonal weight of torch.nn.utils.parametrizations into the zero matrix, in one step.
#
# One would expect (and we guessed): decay acts on a parameter that is not the weight, so an orthogonal weight stays orthogonal, and is at
#   most drawn back to where it began. So it is for square matrices, whose default map is the matrix exponential.
# What happens: a matrix that is not square is made of Householder reflections by default. The signs of its columns are kept on the diagonal
#   of the trained parameter, as -1, and are cast to int when the weight is made. Decay moves -1 to -0.99999; as an int that is 0, so every
#   column is multiplied by 0. No warning; the module goes on with its bias.
# Seen: Linear(64, 32), AdamW with its defaults (weight decay 0.01), one step: the norm of the weight falls from 5.657 to 0, and stays there.
#   Likewise SGD with a rate of 0.1 and a weight decay of 1e-4; at a rate of 1e-3 and a decay of 1e-5 their product is lost in rounding
#   beside 1, and nothing happens. With weight decay 0, with orthogonal_map="cayley", or for Linear(64, 64) it stays orthogonal.
# Source: `torch.nn.utils.parametrizations.orthogonal`, torch 2.13.0 on a CPU.
# Who is hurt: whoever parametrises a layer and leaves the optimiser as it is: AdamW decays by default.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.nn.utils.parametrizations import orthogonal


def norms(shape, optimizer, **options):
    """Of the weight, before and after one step."""
    torch.manual_seed(0)
    layer = orthogonal(torch.nn.Linear(*shape), **options)
    steps = optimizer(layer.parameters())
    before = layer.weight.norm().item()
    layer(torch.randn(16, 64)).square().mean().backward()
    steps.step()
    return before, layer.weight.norm().item()


def decayed(parameters):
    return torch.optim.SGD(parameters, lr=0.1, weight_decay=1e-4)


def hardly(parameters):
    return torch.optim.SGD(parameters, lr=1e-3, weight_decay=1e-5)


def plain(parameters):
    return torch.optim.AdamW(parameters, weight_decay=0.0)


print(f"torch {torch.__version__}: norm of an orthogonal weight before and after one step")
cases = [
    ("64x32, AdamW", ((64, 32), torch.optim.AdamW), {}, True),
    ("64x128, AdamW", ((64, 128), torch.optim.AdamW), {}, True),
    ("64x32, SGD with decay 1e-4", ((64, 32), decayed), {}, True),
    ("64x32, SGD, lost in rounding", ((64, 32), hardly), {}, False),
    ("64x32, AdamW without decay", ((64, 32), plain), {}, False),
    ("64x32, AdamW, cayley", ((64, 32), torch.optim.AdamW), {"orthogonal_map": "cayley"}, False),
    ("64x64, AdamW", ((64, 64), torch.optim.AdamW), {}, False),
]
for name, given, options, lost in cases:
    before, after = norms(*given, **options)
    print(f"  {name:28s} {before:.3f} {after:.3f}")
    assert abs(before - min(given[0]) ** 0.5) < 1e-3
    assert (after == 0) == lost and (lost or abs(after - before) < 1e-3), f"changed: {name}"
PYTHON
