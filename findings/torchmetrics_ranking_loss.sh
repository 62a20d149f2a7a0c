#!/usr/bin/env bash
# torchmetrics' multi-label ranking loss decides ties by the position of the label.
#
# One would expect: a pair of labels with equal scores counts as an error (scikit-learn) or as half of one, and the order of the
#   columns does not matter. Then a model that gives every label the same score is bad.
# What happens: ranks come from a sort, so that one of two equal labels is ranked above the other by its column alone. The
#   constant model has loss 0 (perfect) or 1 (worst). Logits go through the sigmoid first, which makes ties of large ones
#   in float32: 30 and 20 are both 1, and a label that is clearly on top counts as wrong.
# Seen: scores (1/2, 1/2): 1 if the first label is on, 0 if the second (scikit-learn: 1 and 1).
#   Logits (30, 20, -5): 0.5 if the first label is on, 0 if the second (scikit-learn on the logits: 0 and 0.5).
# Source: `multilabel_ranking_loss` of torchmetrics 1.9.0, torch 2.13.0 on a CPU; scikit-learn 1.9.1.
# Who is hurt: whoever ranks labels by confident, quantised or half-precision scores, or compares the two libraries.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torchmetrics==1.9.0 torch==2.13.0 scikit-learn==1.9.1 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import torch
import torchmetrics
from sklearn.metrics import label_ranking_loss
from torchmetrics.functional.classification import multilabel_ranking_loss


def losses(scores, labels):
    """The loss of torchmetrics and that of scikit-learn, for one sample."""
    theirs = multilabel_ranking_loss(torch.tensor([scores]), torch.tensor([labels]), num_labels=len(labels))
    return theirs.item(), float(label_ranking_loss([labels], [scores]))


constant = [losses([0.5, 0.5], labels) for labels in ([1, 0], [0, 1])]
confident = [losses([30.0, 20.0, -5.0], labels) for labels in ([1, 0, 0], [0, 1, 0])]

print(f"torchmetrics {torchmetrics.__version__} and scikit-learn, first label on, then second:", end=" ")
print(f"equal scores {constant}, logits 30, 20, -5 {confident}")
assert [reference for _, reference in constant + confident] == [1, 1, 0, 0.5]
assert constant[0][0] != constant[1][0], "changed: the order of the columns no longer decides a tie"
assert confident[0][0] > confident[1][0], "changed: large logits keep their order"
PYTHON
