#!/usr/bin/env bash
# The tail of log weights is fitted to the logarithms.
#
# One would expect: `pareto_khat(log_weights=True)` gives for log weights what it gives for the weights with `tail="right"`.
# What happens: the flag only chooses the tail; the logarithms are fitted as they stand. Those of weights with a Pareto tail are exponential,
#   whose shape is 0 whatever the weights' is. So weights of infinite variance pass as harmless.
# Seen for 4000 weights with the exact shape 0.8: 0.06 for the logarithms, 0.81 for the weights, 0.81 by `psislw`.
# Source: `pareto_khat` in `arviz_stats/base`, where `_pareto_khat` does not pass `log_weights` on, arviz-stats 0.8.0.
# Who is hurt: whoever checks importance weights by this function and takes a value below 0.7 for a sign that they may be used.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq arviz-stats==0.8.0 numpy==2.4.6 scipy==1.17.1

"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from arviz_stats.base import array_stats

log_w = -0.8 * np.log(np.random.default_rng(0).random(4000))
how = dict(chain_axis=None, r_eff=1)
logs = float(array_stats.pareto_khat(log_w, log_weights=True, **how))
weights = float(array_stats.pareto_khat(np.exp(log_w), tail="right", **how))
smoothed = float(array_stats.psislw(-log_w)[1])
print(f"arviz-stats {version('arviz-stats')}: {logs:.4f} for log weights, {weights:.4f} for weights, psislw {smoothed:.4f}")
assert weights > 0.7, "changed: the tail of the weights"
assert logs < 0.2, "changed: log_weights=True now fits the weights"
PYTHON
