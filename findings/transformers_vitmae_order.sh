#!/usr/bin/env bash
# The encoder of a masked autoencoder goes on masking in evaluation; told to mask nothing, it shuffles the patches.
#
# One would expect: `eval()` switches the random masking off, as it does dropout. Failing that, `mask_ratio=0.0` does, and then
#   the rows of the output are the patches of the image, in their order, the same in two calls.
# What happens: masking does not ask for the mode. With a ratio of 0 all patches come back, each right for its place, but in an
#   order that is drawn anew in every call; `ids_restore` says which.
# Seen: `ViTMAEModel` in evaluation, without gradients: 4 of 16 patches by default, others in the next call. With a ratio of 0
#   two calls differ in their rows and agree after `ids_restore`; the class token and means over patches are not affected.
# Source: transformers 5.24.0, torch 2.13.0, a small model with random weights.
# Who is hurt: whoever reads dense features (segmentation, a map of similarities, pooling by regions) from a pre-trained encoder.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 transformers==5.24.0 numpy==2.4.6

"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import torch
import transformers
from transformers import ViTMAEConfig, ViTMAEModel

torch.manual_seed(0)
small = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
decoder = {f"decoder_{name}": size for name, size in small.items()}
model = ViTMAEModel(ViTMAEConfig(**small, **decoder, image_size=32, patch_size=8)).eval()
image = torch.randn(1, 3, 32, 32)


@torch.no_grad()
def twice(mask_ratio):
    """The class token and the patches of two calls, as they come, and put back in order."""
    model.config.mask_ratio = mask_ratio
    for out in (model(image), model(image)):
        first, rows = out.last_hidden_state[:, :1], out.last_hidden_state[:, 1:]
        yield first, rows, out.ids_restore


(_, few, _), (_, others, _) = twice(0.75)
print(f"transformers {transformers.__version__}, torch {torch.__version__}, in evaluation")
print(f"ratio 0.75: {few.shape[1]} of 16 patches; two calls agree: {torch.allclose(few, others, atol=1e-5)}")
assert few.shape[1] == 4, "changed"
assert not torch.allclose(few, others, atol=1e-5), "changed"

(token, rows, places), (again, shuffled, moved) = twice(0.0)
one, two = (r.gather(1, i[..., None].expand_as(r)) for r, i in ((rows, places), (shuffled, moved)))
print(f"ratio 0.0: {rows.shape[1]} patches; two calls agree: {torch.allclose(rows, shuffled, atol=1e-5)}")
print(f"after ids_restore: {torch.allclose(one, two, atol=1e-5)}; class token: {torch.allclose(token, again, atol=1e-5)}")
assert rows.shape[1] == 16, "changed"
assert torch.allclose(one, two, atol=1e-5), "changed"
assert not torch.allclose(rows, shuffled, atol=1e-5), "changed"
PYTHON
