#!/usr/bin/env bash
# The sparse losses of the package entmax have a second derivative of 0.
#
# One would expect: the loss has the gradient p - e_t, and p depends on the scores, so that the Hessian is the Jacobian of p;
#   or an error, where only first derivatives are supported.
# What happens: the losses compute p inside an autograd function and keep it for backward, where autograd takes it for a constant.
# Seen at the scores (0.5, 0, -0.5): autograd's Hessian is 0 for all four losses; differences of their own gradients give 0.500 in the
#   corner for sparsemax and 0.405 for entmax. The gradient of a gradient penalty through a linear layer: -1.475 for -1.802.
# Source: `entmax15_loss`, `sparsemax_loss` and their `_bisect` forms, entmax 1.3, torch 2.13.0.
# Who is hurt: whoever takes Hessians, Newton steps, influence functions, gradient penalties or meta-gradients of these losses.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 numpy==2.4.6 entmax==1.3

"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import entmax
import torch

x, target, step = torch.tensor([[0.5, 0.0, -0.5]], dtype=torch.float64), torch.tensor([1]), 1e-6
shift = step * torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)


def gradient(loss, x):
    """The first derivative, which is right."""
    x = x.clone().requires_grad_()
    return torch.autograd.grad(loss(x, target).sum(), x)[0]


def penalty(w):
    """Squared gradient in the input of the loss behind a linear layer."""
    inputs = torch.tensor([[1.0, -0.5, 0.25]], dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad(entmax.entmax15_loss(inputs @ w, target).sum(), inputs, create_graph=True)
    return g.square().sum()


print(f"entmax {version('entmax')}, torch {torch.__version__}: corner of the Hessian")
for name in ("sparsemax_loss", "entmax15_loss", "sparsemax_bisect_loss", "entmax_bisect_loss"):
    loss = getattr(entmax, name)
    hessian = torch.autograd.functional.hessian(lambda x, loss=loss: loss(x, target).sum(), x).view(3, 3)
    by_differences = (gradient(loss, x + shift) - gradient(loss, x - shift))[0, 0].item() / (2 * step)
    print(f"  {name:22s} autograd {hessian[0, 0].item():.3f}, differences of the gradient {by_differences:.3f}")
    assert by_differences > 0.1
    assert hessian.abs().max() == 0, "changed: there is a second derivative"

w = torch.eye(3, dtype=torch.float64, requires_grad=True)
(by_autograd,) = torch.autograd.grad(penalty(w), w)
bump = torch.zeros(3, 3, dtype=torch.float64)
bump[0, 1] = step
by_differences = (penalty(w + bump) - penalty(w - bump)).item() / (2 * step)
print(f"  penalty: autograd {by_autograd[0, 1].item():.3f}, differences {by_differences:.3f}")
assert abs(by_autograd[0, 1].item() - by_differences) > 0.01, "changed: the penalty has its gradient"
PYTHON
