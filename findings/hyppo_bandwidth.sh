#!/usr/bin/env bash
# hyppo's HSIC measures y with the ruler of x.
#
# One would expect: with the default median bandwidth each argument gets its own, so that HSIC(x, y) = HSIC(y, x) and
#   the unit of y does not matter.
# What happens: the bandwidth is computed from the first argument and reused for the second. The statistic depends on the
#   order of the arguments, and y in a smaller unit (so in larger numbers) looks independent of x.
# Seen for y = x + noise, 200 samples: 0.8415 for (x, y), 0.0938 for (x, 100 y), 0.6757 for (100 y, x).
# Source: `compute_kern` in `hyppo/tools/common.py`, hyppo 0.5.2.
# Who is hurt: whoever tests variables of different units for independence without standardising them first.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq hyppo==0.5.2 numpy==2.4.6 scipy==1.17.1

"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from hyppo.independence import Hsic

rng = np.random.default_rng(0)
x = rng.normal(size=(200, 1))
y = x + 0.3 * rng.normal(size=(200, 1))
same_unit, other_unit, swapped = (Hsic().statistic(*pair) for pair in ((x, y), (x, 100 * y), (100 * y, x)))

print(f"hyppo {version('hyppo')}: HSIC of (x, y) {same_unit:.4f}, (x, 100 y) {other_unit:.4f}, (100 y, x) {swapped:.4f}")
assert other_unit < 0.5 * same_unit, "changed: the unit of y no longer decides"
assert swapped > 2 * other_unit, "changed: the order of the arguments no longer decides"
PYTHON
