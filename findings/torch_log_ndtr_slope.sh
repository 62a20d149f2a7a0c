#!/usr/bin/env bash
# The slope of torch.special.log_ndtr loses all digits far to the left, though its value is right.
#
# One would expect: the logarithm of the normal distribution function exists for its tail, so its derivative, which is close to -x there,
#   has as many digits as its value.
# What happens: the derivative is made from the value as exp(-(value + x^2 / 2)) / sqrt(2 pi). Two large numbers cancel, and what rounding
#   leaves of them, about eps x^2 / 2, becomes a relative error; the second derivative loses x^2 times as much.
# Seen in float32: at -300 the slope is 299.51 for 300.00 and the second derivative +146 for -1.00; at -1000 the slope is 955.6; at -1e4 it
#   is 64930; at -1e5 it is 0.399. In float64 the second derivative is -1.54 for -1.00 at -1e4, and -7403 at -1e5.
# Source: `torch.special.log_ndtr`, torch 2.13.0 on a CPU; mpmath 1.3.0 with 40 digits.
# Who is hurt: whoever trains a probit model or a censored regression on confident mistakes in float32, or takes Newton steps with it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq torch==2.13.0 mpmath==1.3.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import mpmath
import torch

mpmath.mp.dps = 40
print(f"torch {torch.__version__}: value, slope and second derivative of log_ndtr")


def derivatives(at, dtype):
    x = torch.tensor(at, dtype=dtype, requires_grad=True)
    value = torch.special.log_ndtr(x)
    (slope,) = torch.autograd.grad(value, x, create_graph=True)
    (second,) = torch.autograd.grad(slope, x)
    return value.item(), slope.item(), second.item()


for dtype, places in ((torch.float32, (-12.0, -300.0, -1e3, -1e4, -1e5)), (torch.float64, (-300.0, -1e4, -1e5))):
    for at in places:
        x = mpmath.mpf(at)
        h = mpmath.npdf(x) / mpmath.ncdf(x)
        true = [float(v) for v in (mpmath.log(mpmath.ncdf(x)), h, -h * (x + h))]
        found = derivatives(at, dtype)
        print(f"  {dtype} {at:9.0f}: ", *(f"{v:.6g} for {w:.6g};" for v, w in zip(found, true)))
        assert abs(found[0] / true[0] - 1) < 1e-6, "the value has its digits"
        if dtype == torch.float32 and at <= -1e3:
            assert abs(found[1] / true[1] - 1) > 0.03, "changed: the slope has its digits"
        if at <= -1e4:
            assert abs(found[2] / true[2] - 1) > 0.3, "changed: the second derivative has its digits"
PYTHON
