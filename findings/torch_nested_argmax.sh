#!/usr/bin/env bash
# torch's argmax over the ragged axis of a nested tensor returns places that the sequence does not have.
#
# One would expect: a place inside each sequence, and the largest of its own entries.
# What happens: the sequences are padded with the smallest finite number, which beats a sequence of -inf. The maximum of such a
#   sequence is -3.4e38 and its place lies in the padding, beyond its end. A sequence of nothing but -inf that is the longest gets
#   the right answer, so the result depends on the other sequences of the batch. The minimum of +inf is wrong in the same way.
# Seen: `amax`, `argmax`, `amin`, `argmin` over the ragged axis of `torch.nested.nested_tensor(..., layout=torch.jagged)`.
# Source: torch 2.13.0 on a CPU.
# Who is hurt: whoever keeps log-probabilities or masked scores in ragged batches: the place points into the next sequence, since
#   jagged values lie one after the other.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import math

import torch


def largest(*rows):
    ragged = torch.nested.nested_tensor([torch.tensor(row).unsqueeze(-1) for row in rows], layout=torch.jagged)
    return ragged.amax(1).flatten().tolist(), ragged.argmax(1).flatten().tolist()


nothing = [-math.inf]
beside, alone = largest(nothing, [1.0, 2.0, 3.0], 2 * nothing), largest(nothing)
print(f"torch {torch.__version__}: a sequence of one -inf, one of three numbers, one of two -inf")
print(f"  largest {beside[0]}, at {beside[1]}; of lengths 1, 3, 2")
print(f"  the first alone: {alone[0]}, at {alone[1]}")
assert alone == ([-math.inf], [0])
assert beside == ([torch.finfo(torch.float32).min, 3.0, torch.finfo(torch.float32).min], [1, 2, 2]), "changed"
PYTHON
