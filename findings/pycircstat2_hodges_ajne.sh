#!/usr/bin/env bash
# pycircstat2's Hodges-Ajne test gives evenly spaced directions the p-value 0.
#
# One would expect: m, the least number of directions on one side of a diameter, is largest for even directions, and a
#   large m speaks for uniformity: the p-value of 20 evenly spaced directions is 1.
# What happens: the classical formula has the factor n - 2m, is the exact tail for small m only, and is 0 for m = n/2,
#   which is what the test then returns: certain evidence against uniformity.
# Seen: p = 0.0 for 4, 6, 8, 12 and 20 evenly spaced directions, and for 36 of 2000 uniform samples of 20.
# Source: `pycircstat2.hypothesis.omnibus_test`, pycircstat2 0.1.15.
# Who is hurt: whoever checks whether an even number of directions is spread evenly.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq pycircstat2==0.1.15 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from pycircstat2.hypothesis import omnibus_test

even = {n: omnibus_test(np.arange(n) * 2 * np.pi / n + 0.1).pval for n in (4, 6, 8, 12, 20)}
generator = np.random.default_rng(0)
zero = sum(omnibus_test(generator.uniform(0, 2 * np.pi, 20)).pval == 0 for _ in range(2000))
print(f"pycircstat2 {version('pycircstat2')}: evenly spaced directions have p = {even};")
print(f"p = 0 for {zero} of 2000 uniform samples of 20")
assert all(p == 0 for p in even.values()), "changed"
assert 10 < zero < 100, "changed"
PYTHON
