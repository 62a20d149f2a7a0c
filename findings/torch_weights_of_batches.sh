#!/usr/bin/env bash
# Class weights of torch's cross entropy cancel in a batch of one row, and most of them in small batches.
#
# One would expect: the gradients of single rows, or of micro-batches, add up to what a large batch gives, as they do without weights,
#   and as they do for the `pos_weight` of the binary loss.
# What happens: the mean is over the sum of the weights of the batch (the documentation says so), a ratio of sums. A row alone has weight 1.
# Seen with the weights (1, 99), one positive in a hundred rows, scores 0: the gradient of the whole batch holds the classes in balance; the
#   mean over batches of ten of the same rows pushes the positive score down, and that over single rows is that of no weights.
# Source: `torch.nn.functional.cross_entropy(weight=..., reduction="mean")`, torch 2.13.0.
# Who is hurt: whoever trains with class weights in small batches, or accumulates gradients: 99 acts like 27 in random batches of 32.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import torch
import torch.nn.functional as F

weight = torch.tensor([1.0, 99.0], dtype=torch.float64)
target = torch.zeros(100, dtype=torch.int64)
target[0] = 1


def slope(size, weight):
    """On the score of the rare class, which all rows share: the mean over batches."""
    score = torch.zeros((), dtype=torch.float64, requires_grad=True)
    rows = torch.stack([torch.zeros_like(score), score]).expand(100, 2)
    batches = zip(rows.split(size), target.split(size))
    loss = torch.stack([F.cross_entropy(x, t, weight=weight) for x, t in batches]).mean()
    return torch.autograd.grad(loss, score)[0].item()


whole, tens, single, without = slope(100, weight), slope(10, weight), slope(1, weight), slope(100, None)
print(f"torch {torch.__version__}: batch of 100 {whole:+.4f}, of 10 {tens:+.4f}, of 1 {single:+.4f}; no weights {without:+.4f}")
assert abs(whole) < 1e-12
assert tens > 0.3, "changed: batches add up"
assert abs(single - without) < 1e-12, "changed: a row alone has its weight"
PYTHON
