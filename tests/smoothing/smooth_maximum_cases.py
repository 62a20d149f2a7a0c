"""What the tests of smooth maxima share: the oracle in mpmath, a comparison, and every function."""

import math

import torch
from helpers import INF
from mpmath import mp

from lemmata.smoothing import boltzmann_maximum, logsumexp_maximum, mellowmax, p_norm_maximum, smooth_abs

SOFT = [logsumexp_maximum, mellowmax, boltzmann_maximum]
KINDS = ["logcosh", "sqrt", "softplus", "tanh", "erf"]
SHARPNESSES = [1e-30, 1e-6, 0.5, 3.0, 1e3, 1e30]


# ------------------------------------------------------------------- the oracle


@mp.workdps(80)  # whatever another module has set
def exact(function, x, k):
    """Value and gradient of one row in mpmath."""
    x, k, n = [mp.mpf(v) for v in x], mp.mpf(k), len(x)
    if function is p_norm_maximum:
        norm = mp.fsum(v**k for v in x) ** (1 / k)
        return norm, [(v / norm) ** (k - 1) for v in x]
    top = max(x)
    weight = [mp.exp(k * (v - top)) for v in x]
    total = mp.fsum(weight)
    p = [w / total for w in weight]
    if function is boltzmann_maximum:
        mean = mp.fdot(p, x)
        return mean, [q * (1 + k * (v - mean)) for q, v in zip(p, x, strict=True)]
    return top + mp.log(total / (n if function is mellowmax else 1)) / k, p


def lambert(n):
    """W((n - 1) / e), the worst gap of the Boltzmann maximum times K."""
    return float(mp.lambertw((n - 1) / mp.e).real)


def smooth_absolute(kind, x, k):
    """The five kinds by definition, for mpmath numbers."""
    return {
        "logcosh": lambda: abs(x) + mp.log1p(mp.exp(-2 * k * abs(x))) / k,
        "sqrt": lambda: mp.sqrt(x * x + 1 / (k * k)),
        "softplus": lambda: abs(x) + 2 * mp.log1p(mp.exp(-k * abs(x))) / k,
        "tanh": lambda: x * mp.tanh(k * x),
        "erf": lambda: x * mp.erf(k * x),
    }[kind]()


def slopes(kind, x, k):
    """First and second derivatives, by hand."""
    y = k * x
    tanh, sech2 = mp.tanh, lambda y: mp.sech(y) ** 2
    root, bell = mp.sqrt(1 + y * y), 2 / mp.sqrt(mp.pi) * mp.exp(-y * y)
    first, second = {
        "logcosh": lambda: (tanh(y), sech2(y)),
        "sqrt": lambda: (y / root, 1 / root**3),
        "softplus": lambda: (tanh(y / 2), sech2(y / 2) / 2),
        "tanh": lambda: (tanh(y) + y * sech2(y), 2 * sech2(y) * (1 - y * tanh(y))),
        "erf": lambda: (mp.erf(y) + y * bell, 2 * bell * (1 - y * y)),
    }[kind]()
    return first, k * second


def assert_within(actual, expected, relative, scale):
    """Elementwise |actual - expected| <= relative max(|expected|, scale), in mpmath; an overflow is inf."""
    top = torch.finfo(actual.dtype).max
    scale = scale if isinstance(scale, list) else [scale] * len(expected)
    for got, want, size in zip(actual.flatten().tolist(), expected, scale, strict=True):
        if abs(want) > top:
            assert got == math.copysign(INF, want)
        else:
            assert abs(got - want) <= relative * max(abs(want), size), (got, want)


# ------------------------------------------------------------------- functions of tensors alone


def second(function, x):
    """The gradient of a weighted sum of the gradient."""
    x = x.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
    weights = torch.linspace(1, 2, x.numel(), dtype=x.dtype, device=x.device).view_as(x)
    return torch.autograd.grad((slope * weights).sum(), x)[0] + 0


def every_call():
    """All functions, of one tensor with entries that are not negative."""
    calls = {f.__name__: lambda x, f=f: f(x, sharpness=1.7) for f in SOFT}
    calls |= {f"p = {p}": lambda x, p=p: p_norm_maximum(x, p=p) for p in (1.5, 3)}
    return calls | {kind: lambda x, kind=kind: smooth_abs(x, sharpness=1.7, kind=kind) for kind in KINDS}
