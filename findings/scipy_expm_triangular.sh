#!/usr/bin/env bash
# scipy.linalg.expm of a triangular matrix with nearly equal eigenvalues is off by up to some per cents, in float64.
#
# One would expect: an error of a few roundings times the norm, as for other matrices of that size; triangular ones are the easy
#   case, these are well conditioned, and the published algorithm has a stable formula for the entries in question.
# What happens: where a triangular matrix is scaled, the entries next to the diagonal are replaced, step by step, by a times
#   (e^b - e^c) / (b - c), to be more exact. Where b and c are close but not equal, that difference has no digits.
# Seen for [[-10, 1], [0, -10 + d]]: relative error of the corner 1e-7 at d = 1e-9, 7e-5 at 1e-12, 3e-2 at a few roundings;
#   with 1e-300 below the diagonal, so that the matrix is not triangular, 2e-14 throughout. Equal eigenvalues are right.
#   Two rates that are equal on paper, 50 (0.1 + 0.2) and 50 * 0.3, are enough: 3e-2. `scipy.sparse.linalg.expm` of the same
#   matrices is right to some roundings.
# Source: `scipy.linalg.expm` and `scipy.sparse.linalg.expm`, scipy 1.17.1.
# Who is hurt: whoever exponentiates chains with nearly equal rates (decay series, birth processes, compartment models), and checks
#   other programs against SciPy.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq scipy==1.17.1 numpy==2.4.6

OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import scipy
import scipy.sparse.linalg
from scipy.linalg import expm


def relative(matrix, by=expm):
    gap = matrix[1, 1] - matrix[0, 0]  # exact
    corner = matrix[0, 1] * np.exp(matrix[0, 0]) * (np.expm1(gap) / gap if gap else 1.0)
    return abs(by(matrix)[0, 1] / corner - 1)


def error(d, below=0.0, by=expm):
    return relative(np.array([[-10.0, 1.0], [below, -10.0 + d]]), by)


near = [error(d) for d in (1e-9, 1e-12)]
closest = max(error(k * np.spacing(10.0)) for k in range(1, 100))
other = max(error(d, 1e-300) for d in (1e-9, 1e-12))
print(f"scipy {scipy.__version__}: off by {near[0]:.1e} at 1e-9, {near[1]:.1e} at 1e-12, at most {closest:.1e}; ", end="")
print(f"equal {error(0.0):.0e}, not triangular {other:.1e}")
rates = np.array([[-50 * (0.1 + 0.2), 1.0], [0.0, -50 * 0.3]])
sparse = max(relative(rates, scipy.sparse.linalg.expm), *(error(d, by=scipy.sparse.linalg.expm) for d in (1e-9, 1e-12)))
print(f"rates 50 (0.1 + 0.2) and 50 * 0.3: {relative(rates):.1e}; scipy.sparse {sparse:.1e}")
assert relative(rates) > 1e-3 and sparse < 1e-13
assert error(0.0) < 1e-13 and other < 1e-12
assert near[1] > 1e-6 and closest > 1e-3, "changed: triangular matrices keep their digits"
PYTHON
