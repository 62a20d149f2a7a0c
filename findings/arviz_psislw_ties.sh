#!/usr/bin/env bash
# Weights that are tied at the cut-off of the tail make its shape the bare prior.
#
# One would expect: rounding the logarithms of weights changes Pareto's k a little, as `psislw` of arviz 0.23 leaves ties at the cut-off out.
# What happens: they stay, with an excess of 0. If they are more than a quarter of the tail, the fit divides by its quartile, 0, and what
#   comes back is the prior, 5 / (n + 10) for a tail of n, far below 0.7, for weights of any tail.
# Seen for 40 draws of 4000 log weights with the exact shapes 0.8 and 1.2: 0.75 and 1.13 in the median; rounded to halves and to whole numbers,
#   39 of the 40 values are 0.0251, for both. (Without the ties the medians are 0.47 and 0.72: rounding blurs a tail, too.)
# Source: `_ps_tail` and `_gpdfit` in `arviz_stats/base/diagnostics.py`, arviz-stats 0.8.0. Ties come from discrete data or latent variables.
# Who is hurt: whoever takes a k of 0.03 for a sign that such weights may be used: of shape 1.2 they have no mean.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq arviz-stats==0.8.0 numpy==2.4.6 scipy==1.17.1

"$folder/venv/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from arviz_stats.base import array_stats


def k(log_w):
    return float(array_stats.psislw(-log_w)[1])


print(f"arviz-stats {version('arviz-stats')}: median k of 40 draws of 4000 weights; rounded logarithms: how often the prior; least, median, most")
hit = 0
for shape, step in ((0.8, 0.5), (1.2, 1.0)):
    draws = [-shape * np.log(np.random.default_rng(seed).random(4000)) for seed in range(40)]
    plain = np.median([k(x) for x in draws])
    rounded = np.array([k(np.round(x / step) * step) for x in draws])
    prior = int((abs(rounded - 5 / 199) < 1e-9).sum())  # the tail is of 189
    hit += prior
    print(f"  shape {shape}: {plain:.2f}; step {step:.2f}: {prior} of 40, {rounded.min():.2f}, {np.median(rounded):.2f}, {rounded.max():.2f}")
    assert plain > 0.7, "changed: the shape without ties"
assert hit >= 70, "changed: the shape of a tail with ties"
PYTHON
