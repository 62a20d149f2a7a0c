#!/usr/bin/env bash
# scikit-learn's t-SNE drops all neighbours of points whose neighbours are equally far, and reports a perfect fit.
#
# One would expect: a hundred one-hot vectors have 99 neighbours each at one distance, of which "barnes_hut" looks at 91 (three
#   times the perplexity, and one). No kernel width has a perplexity of 30 there, so all of these stay, equally, perhaps with a
#   warning; points that are alike to within a thousandth should not be far from that.
# What happens: the search doubles the precision until exp(-precision * d^2) is 0. The rows of affinities are 0, nothing attracts,
#   the points fly apart, and the divergence that is reported is 0, as of a layout without error. There is no warning.
# Seen with perplexity 30: divergence 0 (-6e-11 by "exact") and a radius of 615; with noise of a thousandth, 1.19 and 39.
# Source: `sklearn.manifold.TSNE`, scikit-learn 1.9.1, method "barnes_hut" and "exact".
# Who is hurt: whoever embeds one-hot rows or other codes that are equally far apart, or reads the divergence as quality.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6

OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import warnings

import numpy as np
import sklearn
from sklearn.manifold import TSNE

warnings.simplefilter("error")
alike = np.eye(100)
noisy = alike + 1e-3 * np.random.default_rng(0).normal(size=alike.shape)


def fit(points):
    layout = TSNE(perplexity=30, random_state=0).fit(points)
    return layout.kl_divergence_, np.linalg.norm(layout.embedding_, axis=1).max()


(lost, far), (kept, near) = fit(alike), fit(noisy)
print(f"scikit-learn {sklearn.__version__}: one-hot rows divergence {lost:.3g}, radius {far:.0f}; ", end="")
print(f"with noise of a thousandth {kept:.3g}, radius {near:.0f}")
assert kept > 0.1
assert abs(lost) < 1e-6, "changed: equally far neighbours are kept"
assert far > 3 * near, "changed: the layout stays together"
PYTHON
