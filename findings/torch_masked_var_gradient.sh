#!/usr/bin/env bash
# torch.masked.var is right when the padding holds NaN, and its gradient is NaN at every entry, also at those that count.
#
# One would expect: as from torch.masked.mean, amax, softmax or logsumexp, the gradient of the entries that count.
# What happens: the deviations are made of all entries and selected afterwards, so that the gradient multiplies the NaN by 0; the
#   gradient of the mean, which all entries share, carries it to the whole row.
# Seen: `torch.masked.var` and `torch.masked.std`, with NaN or inf at a masked entry.
# Source: torch 2.13.0 on a CPU.
# Who is hurt: whoever normalises with statistics of masked data in which missing values are NaN: the loss is finite, the first step
#   makes every weight NaN.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import math

import torch

mask = torch.tensor([[True, True, True, False]])
print(f"torch {torch.__version__}: 1, 2, 4, and NaN at an entry that is masked")
for name in ("mean", "logsumexp", "var", "std"):
    x = torch.tensor([[1.0, 2.0, 4.0, math.nan]], requires_grad=True)
    value = getattr(torch.masked, name)(x, *((1, True) if name in ("var", "std") else (1,)), mask=mask)
    (slope,) = torch.autograd.grad(value.sum(), x)
    print(f"  {name}: value {value.item():.4f}, gradient {slope.tolist()}")
    assert value.isfinite().all()
    assert slope.isnan().all() == (name in ("var", "std")), "changed"
PYTHON
