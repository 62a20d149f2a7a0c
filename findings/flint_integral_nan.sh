#!/usr/bin/env bash
# python-flint's `acb.integral` gives up at the first NaN of a Python float, and subdivides at the first `arb.nan()`.
#
# One would expect: an integrand that cannot be enclosed on a wide ball answers NaN there, and the integral cuts the ball in two, whichever
#   way the NaN was made: `acb(float("nan")).is_finite()` and `acb(arb.nan()).is_finite()` are both False, and both print as nan.
# What happens: the NaN that is made from a float has the radius 0. That radius is what the integral looks at, so that it takes the value for
#   accurate and is done: NaN after one evaluation. The NaN of `arb.nan()` has an infinite radius, and the integral is found.
# Seen for the integral of u over [0, 1/2] with NaN on balls wider than 1/10: nan after 1 evaluation, and 0.125 after 163.
# Source: `acb.integral`, python-flint 0.9.0 (FLINT's acb_calc_integrate).
# Who is hurt: whoever writes an integrand in Python that says "not here" by math.nan, and concludes that the integral cannot be enclosed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq python-flint==0.9.0

"$folder/venv/bin/python" - <<'PYTHON'
import math

import flint
from flint import acb, arb

print("python-flint", flint.__version__)
for name, nan in (("float", acb(math.nan)), ("arb.nan()", acb(arb.nan()))):
    calls = []

    def integrand(u, analytic):
        calls.append(u)
        return nan if u.real.rad() > 0.1 else u

    assert not nan.is_finite()
    value = acb.integral(integrand, 0, acb(1) / 2)
    print(f"  NaN from {name}: {value.real.str(8)} after {len(calls)} evaluations")
    if name == "float":
        assert not value.is_finite(), "changed: it subdivides"
        assert len(calls) == 1
    else:
        assert abs(value - acb(0.125)) < 1e-15
PYTHON
