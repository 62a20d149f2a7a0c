#!/usr/bin/env bash
# One seed, one wheel, two processors: draws of a multivariate normal differ by more than a standard deviation.
#
# One would expect (written down before the run): `multivariate_normal` with a seed gives the same points on every x86-64 machine but for the last
#   digits, as `standard_normal` does bit for bit, and as one needs for data in a test or in a book.
# What happens: the points are standard normal numbers turned by singular vectors of the covariance, the default of both generators. Where
#   singular values are equal, as with equal correlations or with constant features, those vectors are free, and OpenBLAS, which chooses its code
#   by the processor, returns others. The law is the same; the points are not. `method="cholesky"` of the newer generator has one factor
#   and gives the same points; the older one, which scikit-learn's `GaussianMixture.sample` calls, has no such choice.
# Seen: 8 features, variance 2, covariance 1, seed 0: the first point differs by more than 1 in some feature between the code for Haswell and that
#   for Prescott (OPENBLAS_CORETYPE); by Cholesky by less than 1e-12. For 3 features both agree. x86-64 with AVX2 only.
# Source: numpy 2.4.6, `Generator.multivariate_normal` (method "svd") and `RandomState.multivariate_normal`; scikit-learn 1.9.1,
#   `sklearn/mixture/_base.py`.
# Who is hurt: whoever stores what a seed gave and compares on another machine; three chapters of this book were.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq numpy==2.4.6 scikit-learn==1.9.1

cat > "$folder/draw.py" <<'PYTHON'
import json, sys
import numpy as np
from sklearn.mixture import GaussianMixture

drawn = {}
for n in (3, 8):
    mean, cov = np.zeros(n), np.eye(n) + 1
    mixture = GaussianMixture(1, random_state=0)
    mixture.weights_, mixture.means_, mixture.covariances_ = np.ones(1), mean[None], cov[None]
    mixture.precisions_cholesky_ = np.linalg.inv(np.linalg.cholesky(cov)).T[None]  # that it is fitted
    drawn[f"standard_normal, {n}"] = np.random.default_rng(0).standard_normal(n)
    drawn[f"default_rng, {n}"] = np.random.default_rng(0).multivariate_normal(mean, cov)
    drawn[f"RandomState, {n}"] = np.random.RandomState(0).multivariate_normal(mean, cov)
    drawn[f"GaussianMixture, {n}"] = mixture.sample(1)[0][0]
    drawn[f"cholesky, {n}"] = np.random.default_rng(0).multivariate_normal(mean, cov, method="cholesky")
json.dump({name: x.tolist() for name, x in drawn.items()}, sys.stdout)
PYTHON
for core in Haswell Prescott; do
    OPENBLAS_CORETYPE=$core "$folder/venv/bin/python" "$folder/draw.py" > "$folder/$core.json"
done

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json, sys
from importlib.metadata import version

one, other = (json.load(open(f"{sys.argv[1]}/{core}.json")) for core in ("Haswell", "Prescott"))
print(f"numpy {version('numpy')}, scikit-learn {version('scikit-learn')}: largest difference of the first point")
for name in one:
    gap = max(abs(a - b) for a, b in zip(one[name], other[name]))
    print(f"  {name:20s} {gap:.1e}")
    by_svd = name.endswith("8") and not name.startswith(("standard", "cholesky"))
    assert (gap > 1) if by_svd else gap < 1e-12, "changed"
PYTHON
