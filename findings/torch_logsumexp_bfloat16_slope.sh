#!/usr/bin/env bash
# The gradient of torch.logsumexp in bfloat16 is not a softmax: for 1000 equal scores of 60 it sums to 0.91.
#
# One would expect: softmax, as the derivative of logsumexp is, rounded to bfloat16; its sum is 1 to less than 0.5 %.
# What happens: the gradient is exp(x - result) with the result as it was rounded to the dtype of the input. In bfloat16 a result
#   between 64 and 128 is off by up to about 0.25, and all slopes of the row by that power of e together. For two scores of 30000 all are 1.
# Seen: bfloat16 by several per cent from results of 16 on; float16 by some; float32 where the scores are large. The gradient of
#   `torch.log_softmax` of the same scores is right.
# Source: torch 2.13.0 on a CPU.
# Who is hurt: whoever penalises the logarithm of a normaliser (z-loss) or writes cross entropy as logsumexp less a score, in bfloat16:
#   the gradient has a wrong size, and that of the cross entropy no longer sums to 0.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import torch

print(f"torch {torch.__version__}, bfloat16: sums of slopes, 1 for a softmax")
for n, score, low, high in ((2, 20.0, 0.94, 0.95), (1000, 60.0, 0.90, 0.92), (2, 30000.0, 2.0, 2.0)):
    x = torch.full((n,), score, dtype=torch.bfloat16, requires_grad=True)
    (slope,) = torch.autograd.grad(torch.logsumexp(x, 0), x)
    (right,) = torch.autograd.grad(torch.log_softmax(x, 0)[0], x)
    total, softmax = slope.double().sum().item(), -n / (n - 1) * right[1:].double().sum().item()
    print(f"  {n} scores of {score}: {total:.4f}; by log_softmax {softmax:.4f}")
    assert low <= total <= high, "changed"
    assert abs(softmax - 1) < 0.005
PYTHON
