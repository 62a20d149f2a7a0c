#!/usr/bin/env bash
# Adam on bfloat16 parameters never forgets a large gradient, and its step depends on fused=True.
#
# One would expect (and many do): states in bfloat16 have three digits, so steps are right to a per cent, and the mean of squares forgets
#   with its 1000 steps. (We guessed before running: after a gradient of 100 the step stays at 1/100; it is 1/3.2, the root of 0.001 * 100^2.)
# What happens: the mean of squares v is kept in the parameter's dtype, and 0.999 v rounds to v for every bfloat16 number, so v can only
#   grow; and it stops growing where 0.001 g^2 is less than half the spacing of v. With fused=True the two operations are rounded once.
# Seen: after one gradient of 100 and 5000 of 1 the step is 0.32 of the rate (float32: 0.97), with 20,000 as well; with gradients of 1 alone it is
#   1.38 times the rate, and 1.97 times with fused=True (float32: 1).
# Source: `torch.optim.Adam`, torch 2.13.0 on a CPU.
# Who is hurt: whoever trains bfloat16 parameters with Adam or AdamW: a spike lowers the rate for good, and two implementations have two rates.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import torch


def steps(dtype, steps=5000, **how):
    """Step over rate: after a spike, and without one."""
    p = torch.nn.Parameter(torch.zeros(2, dtype=dtype))
    optimizer = torch.optim.Adam([p], lr=1e-3, **how)
    p.grad = torch.tensor([100.0, 1.0]).to(dtype)
    for _ in range(steps + 1):
        p.data.zero_()
        optimizer.step()
        p.grad.fill_(1.0)
    return (-1e3 * p.double()).tolist()


expected = {
    "float32": ((torch.float32, dict(foreach=False)), (0.97, 1.0)),
    "bfloat16": ((torch.bfloat16, dict(foreach=False)), (0.32, 1.38)),
    "bfloat16, foreach": ((torch.bfloat16, dict(foreach=True)), (0.32, 1.38)),
    "bfloat16, fused": ((torch.bfloat16, dict(fused=True)), (0.32, 1.97)),
    "bfloat16, 20,000 steps": ((torch.bfloat16, dict(foreach=False, steps=20_000)), (0.33, 1.4)),
}
print(f"torch {torch.__version__}: step over rate after a gradient of 100, and without")
for name, ((dtype, how), seen) in expected.items():
    found = steps(dtype, **how)
    print(f"  {name:24s} {found[0]:.2f} {found[1]:.2f}")
    assert all(abs(a - b) < 0.03 for a, b in zip(found, seen)), f"changed: {name}"
PYTHON
