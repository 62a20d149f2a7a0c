#!/usr/bin/env bash
# torch's attention on a CPU turns a NaN in a query into zeros when there are few keys, and in half types an inf.
#
# One would expect: NaN in a query gives NaN in its row of the output, as with more keys, with three axes, and with a mask.
# What happens: with four axes and no mask the fused kernel gives exact zeros for that row, while there are fewer keys than a
#   vector register holds numbers. One key more, and the row is NaN.
# Seen for float32: zeros up to 7 keys with AVX2 and 15 with AVX-512; for float64 up to 3 and 7; bfloat16 and float16 are as float32.
#   An inf, which gives NaN in float32 and float64, gives zeros in bfloat16 and float16 when the number of keys, however large, is a
#   multiple of 8 (AVX2) or 16 (AVX-512), and all keys are alike.
# Source: `torch.nn.functional.scaled_dot_product_attention`, torch 2.13.0 on a CPU (x86); pytorch#141128 was the same for any length.
# Who is hurt: whoever trusts NaN to show that a model has diverged: short memories, attention over a few slots or experts, first
#   tokens of a generation with a cache.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import math

import torch
import torch.nn.functional as F


def row(keys, axes, mask=None, dtype=torch.float32, bad=math.nan):
    """The output for a query with a NaN (or inf) in it, among keys and values of ones."""
    query, key = torch.ones(1, 8, dtype=dtype), torch.ones(keys, 8, dtype=dtype)
    query[0, 0] = bad
    query, key = (x.view(*[1] * (axes - 2), *x.shape) for x in (query, key))
    return F.scaled_dot_product_attention(query, key, key, mask).flatten()


print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
    zeros = [keys for keys in range(1, 40) if (row(keys, 4, dtype=dtype) == 0).all()]
    print(f"  {str(dtype):15s} four axes: zeros for {zeros[:1]} to {zeros[-1:]} keys, of 1 to 39")
    assert {1, 2, 3} <= set(zeros), "changed: NaN stays NaN"
    assert row(39, 4, dtype=dtype).isnan().all()
    assert row(3, 3, dtype=dtype).isnan().all()
    assert row(3, 4, torch.ones(1, 3, dtype=torch.bool), dtype=dtype).isnan().all()
    lost = [keys for keys in range(1, 200) if (row(keys, 4, dtype=dtype, bad=math.inf) == 0).all()]
    print(f"  {str(dtype):15s} inf, four axes: zeros for {lost[:3]} to {lost[-1:]} keys, of 1 to 199")
    if dtype.itemsize > 2:
        assert not lost
    elif "AVX" in torch.backends.cpu.get_cpu_capability():
        assert 192 in lost, "changed: inf gives NaN"
print("  three axes, or a mask: NaN")
PYTHON
