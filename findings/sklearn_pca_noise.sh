#!/usr/bin/env bash
# scikit-learn's PCA spreads the noise of n - q directions over D - q, where there are fewer rows than columns.
#
# One would expect: `noise_variance_`, "following the Probabilistic PCA model from Tipping and Bishop", is the estimate of maximal likelihood but
#   for n - 1 in place of n: the variance that is left over, divided by D - q. Then the model has the variance of the data, and `score` on the
#   rows it was fitted to is all but the largest there is.
# What happens: it is divided by min(n, D) - q (so the documentation says further down), and then given to all D - q directions.
# Seen on 30 scans of digits (D = 64, q = 10): the noise is 2.79 times that of maximal likelihood, the model has 23 % more variance than the
#   data, `score` is 24.17 where 34.58 is to be had. With 100 rows nothing is to be seen. (On other scans the larger noise happens to help.)
# Source: `sklearn.decomposition.PCA._fit_full`, scikit-learn 1.9.1 on a CPU.
# Who is hurt: whoever compares `score` or `get_covariance` between numbers of rows, or uses the noise as an estimate.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq scikit-learn==1.9.1 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import sklearn
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

scans, q = load_digits().data / 16, 10
order = np.random.default_rng(0).permutation(len(scans))
print(f"scikit-learn {sklearn.__version__}: noise, variance of the model over that of the data, score")
for n in (30, 100):
    x = scans[order[:n]]
    centred, D = x - x.mean(0), x.shape[1]
    values, vectors = np.linalg.eigh(centred.T @ centred / n)
    noise = values[:-q].sum() / (D - q)  # of maximal likelihood
    values[:-q] = noise
    best = -(np.log(values).sum() + D + D * np.log(2 * np.pi)) / 2
    pca = PCA(q).fit(x)
    ratio = pca.noise_variance_ / noise
    excess = np.trace(pca.get_covariance()) / x.var(0, ddof=1).sum()
    print(f"  {n:3d} rows: {ratio:.4f} times, {excess:.4f}, {pca.score(x):.4f} where {best:.4f} is to be had")
    if n < D:
        assert 2.7 < ratio < 2.9, "changed: the noise of few rows"
        assert best - pca.score(x) > 10, "changed: the likelihood of few rows"
    else:
        assert abs(ratio - n / (n - 1)) < 1e-9, "changed: the noise of many rows"
PYTHON
