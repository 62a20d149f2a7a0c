#!/usr/bin/env bash
# torch.masked.mean of a thousand hundreds in float16 is inf, and the masked variance of noise is inf; torch.mean and torch.var are right.
#
# One would expect: what torch.mean gives of the same numbers, which sums in float32.
# What happens: the sum is rounded to float16, where 65504 is the largest number, before it is divided by the count.
# Seen: `torch.masked.mean`, `var` and `std` in float16, with a mask and without one.
# Source: torch 2.13.0 on a CPU.
# Who is hurt: whoever pools padded activations in float16: one long row is inf, and a layer later NaN.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import torch

noise = 20 * torch.randn(5000, generator=torch.Generator().manual_seed(0)).half()
mask = torch.ones(5000, dtype=torch.bool)
hundreds = torch.full((1000,), 100.0, dtype=torch.float16)
pairs = {
    "mean of a thousand hundreds": (torch.masked.mean(hundreds, 0, mask=mask[:1000]), hundreds.mean()),
    "variance of 5000 numbers": (torch.masked.var(noise, 0, True, mask=mask), noise.var()),
}
print(f"torch {torch.__version__}, float16")
for name, (masked, plain) in pairs.items():
    print(f"  {name}: torch.masked {masked.item()}, torch {plain.item()}")
    assert masked.isinf() and plain.isfinite(), "changed"
PYTHON
