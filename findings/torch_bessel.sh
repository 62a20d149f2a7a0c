#!/usr/bin/env bash
# torch's Bessel functions are no better in float64 than in float32 around 5, and jump there.
#
# One would expect: sixteen digits in float64, as scipy has.
# What happens: J0, J1, Y0 and Y1 are exact to rounding at 1 and at 30, and lose digits from both sides towards 5: the error is
#   about 1e-8 just below and up to 9e-7 just above, so that each function jumps there.
# Seen at 5.001, in absolute terms: 3.8e-07 (J0), 4.7e-07 (J1), 2.0e-07 (Y0), 8.7e-07 (Y1); scipy is within 1e-15.
# Source: `torch.special.bessel_j0`, `bessel_j1`, `bessel_y0`, `bessel_y1`, torch 2.13.0 on a CPU; mpmath 1.3.0 with 30 digits.
# Who is hurt: whoever takes float64 as the reference for float32, here or in what is built on it: characteristic functions of
#   directions in the plane, Hankel transforms, finite differences across 5.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 mpmath==1.3.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import mpmath
import torch

mpmath.mp.dps = 30
functions = {"j0": (mpmath.besselj, 0), "j1": (mpmath.besselj, 1), "y0": (mpmath.bessely, 0), "y1": (mpmath.bessely, 1)}


def error(name, x):
    """The absolute error of torch's function at x in float64."""
    exact, order = functions[name]
    value = getattr(torch.special, f"bessel_{name}")(torch.tensor(x, dtype=torch.float64))
    return float(abs(mpmath.mpf(value.item()) - exact(order, mpmath.mpf(x))))


print(f"torch {torch.__version__}: absolute errors in float64 at 1, 5, 5.001, 30")
for name in functions:
    one, below, above, thirty = (error(name, x) for x in (1.0, 5.0, 5.001, 30.0))
    print(f"  {name}: {one:.1e} {below:.1e} {above:.1e} {thirty:.1e}")
    assert max(one, thirty) < 1e-14
    assert below > 1e-10 and above > 1e-8, f"changed: {name} has its digits around 5"
PYTHON
