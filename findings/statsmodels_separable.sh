#!/usr/bin/env bash
# Logistic regression of separable data, whose likelihood has no maximum: "converged", and a p-value near 1.
#
# One would expect: the fit fails, or says that the data are separable; it has code for that (PerfectSeparationWarning).
# What happens: the warning depends on the optimiser. `newton` warns and does not converge. `bfgs` and `lbfgs` stop where the slope of the
#   likelihood is small, report success and warn of nothing. With one tie (quasi-separable) even GLM, which warns otherwise, does not.
#   The p-value of a feature without which nothing is right is near 1, because its standard error grows faster than its weight.
# Seen for the rows -2, -1 | 1, 2: slopes 24.8 (newton), 11.4 (bfgs), 10.9 (lbfgs), 21.1 (GLM), p-values from 0.948 to 1.
# Source: `Logit` and `GLM`, statsmodels 0.15.0 with NumPy 2.4.6 and SciPy 1.17.1 on a CPU.
# Who is hurt: whoever drops features by p-value, and whoever has a program check `converged`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq statsmodels==0.15.0 numpy==2.4.6 scipy==1.17.1

"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import numpy as np
import statsmodels
import statsmodels.api as sm

print(f"statsmodels {statsmodels.__version__}")


def fit(x, y, method):
    design = sm.add_constant(np.array(x, dtype=float))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if method == "GLM":
            result = sm.GLM(y, design, family=sm.families.Binomial()).fit()
            converged = result.converged
        else:
            result = sm.Logit(y, design).fit(method=method, disp=0)
            converged = result.mle_retvals["converged"]
    separable = any(w.category.__name__ == "PerfectSeparationWarning" for w in said)
    print(f"  {str(x):22s} {method:7s} slope {result.params[1]:6.2f}, p {result.pvalues[1]:.3f},", end=" ")
    print(f"converged: {bool(converged)}, says separable: {separable}")
    return bool(converged), separable, result.pvalues[1]


apart, labels = [-2, -1, 1, 2], np.array([0, 0, 1, 1])
assert fit(apart, labels, "newton")[:2] == (False, True), "changed: newton"
for method in ("bfgs", "lbfgs"):
    converged, separable, p = fit(apart, labels, method)
    assert converged and not separable and p > 0.9, f"changed: {method}"
assert fit(apart, labels, "GLM")[:2] == (True, True), "changed: GLM"
converged, separable, p = fit([-2, -1, 0, 0, 1, 2], np.array([0, 0, 0, 1, 1, 1]), "GLM")
assert converged and not separable and p > 0.9, "changed: GLM with a tie"
PYTHON
