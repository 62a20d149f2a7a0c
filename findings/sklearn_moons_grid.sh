#!/bin/sh
# scikit-learn: two data sets of make_moons with different random_state are not independent samples.
#
# The angles along the two half circles are a fixed grid, linspace(0, pi, n), whatever random_state is; only the
# order and the added noise are random. So two "samples" are nearer to each other than two independent samples of
# one law can be on average: an unbiased two-sample distance, which has the mean 0 for equal laws, comes out
# below 0 for every pair of seeds, and a generative model that is compared with a held-out set is judged by a
# test set that has hardly any sampling error. make_circles does the same.
#
# One would expect: draws of a law, with random angles, as make_blobs has random points.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet scikit-learn==1.9.1 numpy scipy
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import sklearn
from scipy.spatial.distance import cdist
from sklearn.datasets import make_circles, make_moons

print("scikit-learn", sklearn.__version__)
one, other = (make_moons(6, noise=0, random_state=seed)[0] for seed in (0, 1))
print("without noise, two seeds, sorted: equal", np.array_equal(np.sort(one, 0), np.sort(other, 0)))
assert np.array_equal(np.sort(one, 0), np.sort(other, 0))


def energy(a, b):
    n, m = len(a), len(b)
    return 2 * cdist(a, b).mean() - cdist(a, a).sum() / (n * (n - 1)) - cdist(b, b).sum() / (m * (m - 1))


def independent(n, noise, random_state):
    rng = np.random.default_rng(random_state)
    angle, upper = np.pi * rng.random(n), rng.random(n) < 0.5
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    return np.stack([x, y], 1) + noise * rng.standard_normal((n, 2))


for name, make in (
    ("make_moons", lambda seed: make_moons(500, noise=0.08, random_state=seed)[0]),
    ("make_circles", lambda seed: make_circles(500, noise=0.08, random_state=seed)[0]),
    ("random angles", lambda seed: independent(500, 0.08, seed)),
):
    found = [energy(make(2 * k), make(2 * k + 1)) for k in range(20)]
    below = sum(value < 0 for value in found)
    print(f"{name:14s} unbiased energy distance, mean {np.mean(found):+.4f}; below 0 in {below} of 20 pairs")
    assert below < 20 if name == "random angles" else below == 20
PYTHON
