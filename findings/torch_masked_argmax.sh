#!/usr/bin/env bash
# torch.masked.argmax returns a place as a floating number, in the type of the data: in half types it is another place.
#
# One would expect: an integer, as from torch.argmax.
# What happens: the int64 place is cast to the dtype of the input. In bfloat16 every place above 256 is rounded, in float16 every one
#   above 2048, and above 65504 it is inf. `dtype=torch.int64` gives the right place.
# And: a row in which the only entry that counts is -inf gets the place of a masked entry.
# Seen: `torch.masked.argmax` and `argmin`, with a mask and without one.
# Source: torch 2.13.0 on a CPU.
# Who is hurt: whoever takes the best token or span of masked scores in half precision: a neighbour is chosen, silently.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import math

import torch

print(f"torch {torch.__version__}: the place of the largest of 3000")
for dtype, at, got in ((torch.bfloat16, 259, 260.0), (torch.float16, 2049, 2048.0)):
    x = torch.zeros(3000, dtype=dtype)
    x[at] = 1
    place = torch.masked.argmax(x, 0, mask=torch.ones(3000, dtype=torch.bool))
    print(f"  {dtype}: {place.item()}, right is {x.argmax().item()}")
    assert place.dtype == dtype, "changed: a place is an integer"
    assert place.item() == got
    assert x.argmax().item() == at == torch.masked.argmax(x, 0, dtype=torch.int64).item()
scores, mask = torch.tensor([5.0, -math.inf]), torch.tensor([False, True])
place = torch.masked.argmax(scores, 0, mask=mask).item()
print(f"  scores {scores.tolist()}, mask {mask.tolist()}: {place}")
assert place == 0.0, "changed: a masked entry is never the largest"
PYTHON
