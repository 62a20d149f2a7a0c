#!/usr/bin/env bash
# densratio's divergence depends on the sizes of the two samples.
#
# One would expect: `alpha_PE` estimates half the Pearson divergence, which is 0 for two samples of one law, and never far below 0.
# What happens: three sample means make the estimate. The sums over x and over y are divided by the number of x alone, so that the
#   second mean is too large by the factor n_y / n_x. For one law it tends to (1 - n_y / n_x) / 2.
# Seen for one normal law and 600 draws of x: 0.00 for 600 draws of y, -0.49 for 1200, -1.45 for 2400, 0.25 for 300.
# Source: `alpha_PE_divergence` in `densratio/RuLSIF.py`, densratio 0.4.0.
# Who is hurt: whoever looks for a change between a short window and a long history by this number.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq densratio==0.4.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from densratio import densratio

np.random.seed(0)
x = np.random.normal(size=600)
found = {}
for size in (300, 600, 1200, 2400):
    y = np.random.normal(size=size)
    ratio = densratio(x, y, sigma_range=[1.0], lambda_range=[0.1], verbose=False)
    g_x, g_y = (ratio.compute_density_ratio(v) for v in (x, y))
    means = -np.mean(g_y**2) / 2 + np.mean(g_x) - 0.5
    found[size] = float(ratio.alpha_PE)
    print(f"densratio {version('densratio')}: 600 of x, {size} of y: {found[size]:.2f}; with a mean for each sample: {means:.2f}")
    assert abs(means) < 0.05
assert abs(found[600]) < 0.05
assert found[1200] < -0.3 and found[2400] < -1.2 and found[300] > 0.15, "changed: the sizes no longer decide"
PYTHON
