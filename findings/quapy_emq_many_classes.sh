#!/usr/bin/env bash
# QuaPy's EM for class shares takes all training shares for suspect once there are many classes, and estimates rare classes 300 times too rare.
#
# One would expect: where nothing has shifted, and the model is exactly right, the estimated shares are those of training; with 140 classes
#   as with 100.
# What happens: whether some training share is 0 is asked by multiplying all of them. With 140 classes the product is 0 in float64, though
#   every share is far from it; then 1e-4 is added to each, so rare classes look commoner in training than they were, and EM runs away from
#   the truth. Nothing is warned.
# Seen for 100, 140 and 200 classes, of which one half is a hundred times rarer than the other (0.0099 of the rows in all), and exact
#   posteriors of rows without any shift: 0.0099, 3.4e-05, 5.9e-06.
# Source: `quapy.method.aggregative.EMQ.EM`, quapy 0.2.3.
# Who is hurt: whoever estimates shares with more than some hundred classes; 149 equal ones are enough for the product to vanish, where the
#   addition does no harm, and fewer where some are rare.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 joblib==1.6.0 matplotlib==3.11.2 pandas==3.1.1 tqdm==4.70.1 \
    xlrd==2.0.2
"$folder/venv/bin/pip" install -qq --no-deps abstention==0.1.3.1 quapy==0.2.3

"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import quapy
from quapy.method.aggregative import EMQ

print(f"quapy {quapy.__version__}: share of the rare half of the classes, without any shift")
for classes in (100, 140, 200):
    shares = np.ones(classes)
    shares[classes // 2 :] = 0.01
    shares /= shares.sum()
    # each class shows its own symptom in one half of the rows, in the others a random one
    joint = shares[:, None] * (0.5 * np.eye(classes) + 0.5 / classes)
    posterior, counts = (joint / joint.sum(0)).T, np.round(joint.sum(0) * 20000).astype(int)
    found, _ = EMQ.EM(shares, np.repeat(posterior, counts, axis=0))
    rare, true = found[classes // 2 :].sum(), shares[classes // 2 :].sum()
    print(f"  {classes} classes: {rare:.1e}, true {true:.1e}; product of all shares {np.prod(shares):.0e}")
    assert (abs(rare / true - 1) < 0.01) == (classes == 100), "changed"
PYTHON
