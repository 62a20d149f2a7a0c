#!/usr/bin/env bash
# torch.matrix_exp gives one small matrix four digits in float32, and the same matrix in a batch seven.
#
# One would expect: a function of each matrix of a batch, whatever stands beside it, up to a few roundings.
# What happens: a matrix that is alone goes to a Taylor polynomial whose degree follows its norm; matrices in a batch all go to the
#   highest degree. The polynomial of degree 8 has a wrong coefficient.
# Seen for the rotation by 0.57 in float32: off by 4.8e-5 alone, by 1e-7 twice in a batch; by 0.049 in float64: 2.3e-10 and 1e-17.
# Source: `torch.matrix_exp`, torch 2.13.0 on a CPU; reported as pytorch#196592.
# Who is hurt: whoever exponentiates single matrices with a norm between 0.05 and 0.58 in float32 (3e-4 and 0.05 in float64):
#   rotations by small angles, steps of differential equations, orthogonal layers near their start.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6

OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import math

import torch


def errors(angle, dtype):
    skew = torch.tensor([[0.0, -angle], [angle, 0.0]], dtype=dtype)
    t = skew[1, 0].item()
    exact = torch.tensor([[math.cos(t), -math.sin(t)], [math.sin(t), math.cos(t)]], dtype=torch.float64)
    return [(torch.matrix_exp(skew.repeat(n, 1, 1))[0].double() - exact).abs().max().item() for n in (1, 2)]


single, double = errors(0.57, torch.float32), errors(0.049, torch.float64)
print(f"torch {torch.__version__}: float32 alone {single[0]:.1e}, in a batch {single[1]:.1e}; ", end="")
print(f"float64 alone {double[0]:.1e}, in a batch {double[1]:.1e}")
assert single[1] < 1e-6 and double[1] < 1e-15
assert single[0] > 1e-5 and double[0] > 1e-11, "changed: a matrix alone has its digits"
PYTHON
