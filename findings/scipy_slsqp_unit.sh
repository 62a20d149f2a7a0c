#!/usr/bin/env bash
# SciPy's SLSQP returns its starting point and reports success, because the unit of the objective is small.
#
# One would expect: the portfolio of least variance is the same whether returns are in per cent or not; at least a solver that has done
#   nothing does not report success.
# What happens: the default ftol = 1e-6 is compared with the *absolute* change of the objective. Daily variances are about 1e-4, so that
#   the first step already changes "nothing".
# Seen for three uncorrelated assets with daily volatilities of 1, 2 and 3 per cent, started at equal weights: success after one iteration, at
#   equal weights, with 2.12 times the least variance; a certificate (slope at p minus least slope) of 157 per cent of the value. The same
#   problem times 1e4, or with ftol=1e-12, is solved. trust-constr ends after 1000 iterations without success near the start; COBYQA is right.
# Source: `scipy.optimize.minimize(method="SLSQP")`, scipy 1.17.1.
# Who is hurt: whoever minimises variances, mean losses or other small numbers over weights and looks at `success`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq numpy==2.4.6 scipy==1.17.1

"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import scipy
from scipy.optimize import minimize

covariance = np.diag([1.0, 4.0, 9.0]) * 1e-4
least = 1 / np.linalg.inv(covariance).sum()  # 36/49 of 1e-4


def solve(unit, **options):
    return minimize(
        lambda p: unit * p @ covariance @ p,
        np.full(3, 1 / 3),
        jac=lambda p: 2 * unit * covariance @ p,
        method="SLSQP",
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1},
        options=options,
    )


print(f"scipy {scipy.__version__}: variance over the least possible")
for unit, options in ((1, {}), (1e4, {}), (1, {"ftol": 1e-12})):
    result = solve(unit, **options)
    slope = 2 * covariance @ result.x
    times, gap = result.x @ covariance @ result.x / least, result.x @ slope - slope.min()
    print(f"  unit {unit:g}, {options}: success {result.success}, {result.nit} iterations, {times:.4f} times")
    print(f"    certificate: {gap / (result.x @ covariance @ result.x):.2e} of the value")
    if unit == 1 and not options:
        assert result.success
        assert times > 2, "changed: the default solves it"
    else:
        assert times < 1.0001
PYTHON
