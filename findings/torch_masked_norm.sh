#!/usr/bin/env bash
# torch.masked.norm of a negative order is 0 as soon as one entry is masked.
#
# One would expect: the norm of the entries that count; of order -1 for 3 and 4: 1 / (1/3 + 1/4) = 12/7.
# What happens: masked entries are replaced by 0, which is neutral for positive orders; its power to a negative one is inf, and the
#   norm 0. `torch.masked.normalize` then divides by its eps: 3 and 4 become 3e12 and 4e12. Order -inf is right.
# Seen: every finite negative order. Without a masked entry it is right.
# Source: torch 2.13.0 on a CPU; `torch.linalg.vector_norm` of the two numbers is right.
# Who is hurt: whoever takes a harmonic mean or a soft minimum of padded rows.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import torch

x, mask = torch.tensor([3.0, 4.0, 7.0]), torch.tensor([True, True, False])
print(f"torch {torch.__version__}: 3 and 4, a third entry is masked")
for order in (2.0, 1.0, -1.0, -2.0, -torch.inf):
    masked, plain = torch.masked.norm(x, order, 0, mask=mask).item(), torch.linalg.vector_norm(x[:2], order).item()
    print(f"  order {order}: {masked:.4f}, of 3 and 4 alone {plain:.4f}")
    assert (masked == 0.0 and plain > 1) if order in (-1.0, -2.0) else abs(masked - plain) < 1e-6, "changed"
PYTHON
