#!/usr/bin/env bash
# The priors of linear discriminant analysis move the slopes, too, in two of scikit-learn's three solvers.
#
# One would expect: a prior is a constant in the score of a class. So a classifier with other priors has the same slopes, and the solvers,
#   which agree to 13 digits without priors, agree with them.
# What happens: `lsqr` and `eigen` average the covariances of the classes with the priors in place of the frequencies, `svd` does not.
#   All slopes change (the attribute `covariance_` is documented so; `priors` are not). With priors that equal the frequencies nothing is to be seen.
# Seen on iris (50 of each class) with the priors 0.6, 0.3, 0.1: the log-odds of `svd` and `lsqr` differ by up to 39, and their training
#   errors are 3 and 4; the slopes of `svd` are those without priors.
# Source: `sklearn.discriminant_analysis.LinearDiscriminantAnalysis`, scikit-learn 1.9.1 on a CPU.
# Who is hurt: whoever corrects for a shift of the classes with `priors`, or changes the solver for the sake of shrinkage.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq scikit-learn==1.9.1 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import sklearn
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

print(f"scikit-learn {sklearn.__version__}: slopes less those of the first class, and errors")
x, y = load_iris(return_X_y=True)


def fitted(solver, priors):
    lda = LinearDiscriminantAnalysis(solver=solver, priors=priors).fit(x, y)
    scores = lda.decision_function(x)
    return lda.coef_ - lda.coef_[0], scores - scores[:, :1], (lda.predict(x) != y).sum()


for solver in ("svd", "lsqr", "eigen"):
    (plain, _, _), (moved, scores, wrong) = (fitted(solver, priors) for priors in (None, [0.6, 0.3, 0.1]))
    change = np.abs(moved - plain).max()
    apart = np.abs(scores - fitted("svd", [0.6, 0.3, 0.1])[1]).max()
    print(f"  {solver:5s} priors change the slopes by up to {change:.3g}; log-odds {apart:.3g} from svd's; {wrong} wrong")
    assert (change < 1e-9) == (solver == "svd"), "changed: which solvers let priors move slopes"
    assert (apart > 30) == (solver != "svd"), "changed: how far the solvers are apart"
PYTHON
