#!/usr/bin/env bash
# A transformer layer of torch is finite in training and NaN in evaluation, on the same text of padding alone.
#
# One would expect: one answer, whichever it is. The weights, the input and the mask are the same, and there is no dropout.
# What happens: in training the attention gives zeros for a row without a key, and the layer goes on with what its residual
#   connection brings. In evaluation without gradients another way is taken, and every number of that text is NaN.
# Seen: `nn.TransformerEncoderLayer` and, with `need_weights=False`, `nn.MultiheadAttention`. Other texts of the batch are the same
#   in both modes. With `need_weights=True` the attention is NaN in either mode.
# Source: torch 2.13.0 on a CPU.
# Who is hurt: whoever pads batches to a fixed size with empty texts: training shows nothing, the served model returns NaN, and a
#   mean over the batch is lost.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import torch
from torch import nn

torch.manual_seed(0)
layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
attention = nn.MultiheadAttention(8, 2, batch_first=True)
x, padding = torch.randn(2, 5, 8), torch.tensor([[False] * 5, [True] * 5])
calls = {
    "TransformerEncoderLayer": (layer, lambda: layer(x, src_key_padding_mask=padding)),
    "MultiheadAttention, need_weights=False": (
        attention, lambda: attention(x, x, x, key_padding_mask=padding, need_weights=False)[0]
    ),
}
print(f"torch {torch.__version__}: is the text of padding NaN?")
for name, (module, call) in calls.items():
    outs = []
    for training in (True, False):
        module.train(training)
        with torch.set_grad_enabled(training):
            outs.append(call().detach())
    training, evaluation = outs
    print(f"  {name}: training {training[1].isnan().any().item()}, evaluation {evaluation[1].isnan().any().item()}")
    torch.testing.assert_close(training[0], evaluation[0])
    assert training[1].isfinite().all() and evaluation[1].isnan().all(), "changed: both modes agree"
PYTHON
