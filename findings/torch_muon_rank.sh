#!/usr/bin/env bash
# Most of the step that torch's Muon takes for a gradient of rank one is rounding noise.
#
# One would expect (and we guessed): the step has other singular values than the gradient, near 1, but its directions: a gradient of rank
#   one gives a step of rank one, up to the third digit, which is bfloat16's.
# What happens: five Newton-Schulz steps enlarge small singular values up to 485 times, and are taken in bfloat16. Rounding the gradient to
#   bfloat16 adds singular values of up to 1/1500 in all directions; enlarged up to 485 times, they outweigh the wanted one together.
# Seen, for products of normal matrices: the share of the step's squared norm outside of the gradient's row and column space is 0.7 at
#   rank 1, 0.1 at rank 8 for 64x64, and about as much at rank 1 for 256x256.
# Source: `torch.optim.Muon`, torch 2.13.0 on a CPU.
# Who is hurt: whoever trains with Muon on batches of few samples, or layers whose gradient has low rank: most of the step is arbitrary.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import torch


def share_outside(n, rank):
    """Of the squared norm of the step, in float64."""
    generator = torch.Generator().manual_seed(rank)
    a, b = (torch.randn(n, rank, generator=generator, dtype=torch.float64) for _ in range(2))
    weight = torch.nn.Parameter(torch.zeros(n, n))
    weight.grad = (a @ b.T).float()
    torch.optim.Muon([weight], lr=1.0, weight_decay=0.0, momentum=0.0, nesterov=False).step()
    step = weight.detach().double()
    rows, columns = torch.linalg.qr(a).Q, torch.linalg.qr(b).Q
    return 1 - ((rows.T @ step @ columns).norm() / step.norm()).item() ** 2


print(f"torch {torch.__version__}: share of a step that is outside of the gradient's own space")
for n, rank, low, high in ((64, 1, 0.5, 0.9), (256, 1, 0.5, 0.9), (64, 8, 0.05, 0.25), (64, 63, 0.0, 0.02)):
    share = share_outside(n, rank)
    print(f"  {n}x{n}, rank {rank:2d}: {share:.3f}")
    assert low <= share <= high, f"changed: the share at rank {rank}"
PYTHON
