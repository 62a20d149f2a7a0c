#!/usr/bin/env bash
# scipy's k-statistics lose every digit when the mean is large against the spread.
#
# One would expect: k-statistics from the second on do not change when a constant is added, so that a thousand values of
#   N(1e6, 1) have a fourth one of size below 1, as the same values less 1e6 have.
# What happens: they are made from the raw sums of x, x^2, x^3 and x^4, and the digits that matter cancel between these.
# Seen: k4 in float64 0.2713 of the centred values and -5.94e+08 of the others; k2 (a variance) in float32 of N(1e4, 1) -8.4.
# Source: `scipy.stats.kstat`, scipy 1.17.1. `scipy.stats.moment` and `numpy.var` take the mean out first and are right.
# Who is hurt: whoever takes cumulants of time stamps, counters or readings with a large offset.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq scipy==1.17.1 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import scipy
from scipy.stats import kstat

z = np.random.default_rng(0).normal(size=1000)
far = 1e6 + z
single = (1e4 + z).astype(np.float32)
centred, raw, variance = kstat(far - 1e6, 4), kstat(far, 4), kstat(single, 2)

print(f"scipy {scipy.__version__}: k4 of 1000 normal values {centred:.4f}, with 1e6 added {raw:.3g}; ", end="")
print(f"k2 in float32 with 1e4 added {variance:.3g}, numpy.var {single.var(ddof=1):.4f}")
assert abs(centred) < 1
assert abs(raw) > 1e6, "changed: k4 has digits again"
assert abs(variance - 1) > 1, "changed: k2 in float32 has digits again"
PYTHON
