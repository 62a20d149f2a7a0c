#!/usr/bin/env bash
# astropy's Rayleigh test gives a negative p-value for six to ten directions that agree.
#
# One would expect: the tighter ten directions lie together, the closer the p-value comes to 0, from above.
# What happens: below 50 directions the p-value is exp(-z) times a correction in powers of z/n that was made for z near 1;
#   where all directions agree, z is n, and from 6 to 10 directions the correction is below 0.
# Seen: ten directions within 12 degrees have p = -3.2e-06; with eleven it is positive again.
# Source: `astropy.stats.rayleightest`, astropy 8.0.2.
# Who is hurt: whoever takes a logarithm of p-values, combines them (Fisher), or sorts them (Benjamini-Hochberg).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq astropy==8.0.2 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import astropy
import numpy as np
from astropy.stats import rayleightest

p = {n: float(rayleightest(np.linspace(-0.1, 0.1, n))) for n in range(5, 16)}
print(f"astropy {astropy.__version__}: p-values of n directions within 12 degrees:")
print({n: float(f"{value:.2g}") for n, value in p.items()})
assert [n for n, value in p.items() if value < 0] == [6, 7, 8, 9, 10], "changed"
PYTHON
