#!/usr/bin/env bash
# torch's trigamma has nine digits in float64, and the same function under another name has all sixteen.
#
# One would expect: polygamma(1, x) = zeta(2, x) to a few units in the last place, as for the other functions of torch.special.
# What happens: polygamma(1, x) goes to a separate trigamma with a short asymptotic series, off by 5e-10 in relative terms at 1;
#   polygamma(2, x) and higher orders go to zeta.
# Seen at x = 1, where the value is pi^2 / 6: relative error 4.8e-10 of polygamma, 2.2e-16 of zeta.
# Source: `torch.special.polygamma`, torch 2.13.0 on a CPU.
# Who is hurt: whoever differentiates digamma or lgamma twice (Fisher information of gamma, beta and Dirichlet laws) in float64.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import math

import torch

one = torch.ones((), dtype=torch.float64)
exact = math.pi**2 / 6
trigamma = abs(torch.special.polygamma(1, one).item() / exact - 1)
zeta = abs(torch.special.zeta(2, one).item() / exact - 1)

print(f"torch {torch.__version__}: relative error at 1 of polygamma(1, x) {trigamma:.1e}, of zeta(2, x) {zeta:.1e}")
assert zeta < 1e-15
assert trigamma > 1e-11, "changed: polygamma(1, x) has its digits"
PYTHON
