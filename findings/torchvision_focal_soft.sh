#!/usr/bin/env bash
# torchvision's focal loss on soft labels is least beyond the label; on hard labels it is least before their frequency.
#
# One would expect: as for binary cross entropy, a soft label of 0.9 asks for what nine hard labels of ten ask for; and of focal loss,
#   which is known to make probabilities modest, a minimum below 0.9 for both.
# What happens: the targets are float, but enter twice: in the cross entropy, and in p + t - 2 p t in the place of 1 - p_t. For a t above
#   one half that factor falls in p for ever, so that the minimum lies above t, whatever gamma > 0 is.
# Seen with gamma = 2, no alpha, in float64: hard labels, nine in ten on, least at a probability of 0.694; soft labels of 0.9 at 0.986.
# Source: `torchvision.ops.sigmoid_focal_loss`, torchvision 0.28.0, torch 2.13.0. Only its file is loaded, since the compiled operators
#   of one build of torchvision do not load beside each build of torch.
# Who is hurt: whoever combines focal loss with label smoothing, mixed examples or distillation, and reads probabilities.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/pip" install -qq --no-deps torchvision==0.28.0

"$folder/venv/bin/python" - <<'PYTHON'
import importlib.util
import sys
import types
from importlib.metadata import distribution, version

import torch

for name in ("torchvision", "torchvision.ops", "torchvision.utils"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = []
sys.modules["torchvision.utils"]._log_api_usage_once = lambda *_: None
place = distribution("torchvision").locate_file("torchvision/ops/focal_loss.py")
spec = importlib.util.spec_from_file_location("torchvision.ops.focal_loss", place)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)


def focal(s, label):
    return module.sigmoid_focal_loss(s, torch.full_like(s, label), alpha=-1, gamma=2)


s = torch.linspace(-9, 9, 180_001, dtype=torch.float64)
hard = torch.sigmoid(s[(0.9 * focal(s, 1.0) + 0.1 * focal(s, 0.0)).argmin()]).item()
soft = torch.sigmoid(s[focal(s, 0.9).argmin()]).item()

print(f"torchvision {version('torchvision')}: least at {hard:.3f} for hard labels, at {soft:.3f} for soft ones")
assert abs(hard - 0.694) < 1e-3
assert soft > 0.98, "changed: a soft label asks for what hard ones ask for"
PYTHON
