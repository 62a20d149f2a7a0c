"""What the tests of the approximations share: the oracles in mpmath, and every function of tensors alone."""

import itertools

import torch
from mpmath import mp

from lemmata.smoothing import (
    smooth_accuracy,
    smooth_fbeta,
    smooth_sign,
    smooth_step,
    soft_argmax,
    soft_one_hot,
    soft_round,
    soft_round_inverse,
    soft_top_k,
)

METHODS = ["subset", "sigmoid"]
X = (2.0, 1.0, 4.0, 5.0, 3.0)


def smallest(dtype):
    """Below it a dtype has no digits left."""
    return torch.finfo(dtype).tiny * torch.finfo(dtype).eps


def position_dtype(dtype):
    """Positions are in float32 at least."""
    return torch.float64 if dtype == torch.float64 else torch.float32


# ------------------------------------------------------------------- the oracles


def exact_one_hot(row, sharpness):
    weights = [mp.exp(mp.mpf(sharpness) * (mp.mpf(v) - mp.mpf(max(row)))) for v in row]
    return [w / mp.fsum(weights) for w in weights]


def exact_subset(row, k, temperature=1.0):
    """Marginals and their Jacobian by definition: sums over subsets."""
    s = [mp.mpf(v) / mp.mpf(temperature) for v in row]
    n, chosen = len(row), list(itertools.combinations(range(len(row)), k))
    weights = [mp.exp(mp.fsum(s[i] for i in subset)) for subset in chosen]
    total = mp.fsum(weights)

    def share(*members):
        kept = (w for w, subset in zip(weights, chosen, strict=True) if set(members) <= set(subset))
        return mp.fsum(kept) / total

    p = [share(i) for i in range(n)]
    return p, [[(share(i, j) - p[i] * p[j]) / temperature for j in range(n)] for i in range(n)]


def exact_sigmoid(row, k, temperature=1.0):
    """The projection and its Jacobian; the threshold by bisection, starting from the derived bracket."""
    s = [mp.mpf(v) / mp.mpf(temperature) for v in row]
    n, ordered = len(s), sorted(s, reverse=True)
    middle = (ordered[k - 1] + ordered[k]) / 2
    low, high = middle - mp.log(k) - 1, middle + mp.log(n - k) + 1

    def probabilities(nu):
        return [1 / (1 + mp.exp(nu - v)) for v in s]

    for _ in range(160):
        nu = (low + high) / 2
        low, high = (nu, high) if mp.fsum(probabilities(nu)) > k else (low, nu)
    p = probabilities(low)
    w = [q / (1 + mp.exp(v - low)) for q, v in zip(p, s, strict=True)]
    total = mp.fsum(w)
    return p, [[w[i] * ((i == j) - w[j] / total) / temperature for j in range(n)] for i in range(n)]


EXACT = {"subset": exact_subset, "sigmoid": exact_sigmoid}


def exact_round(x, a):
    x, a = mp.mpf(x), mp.mpf(a)
    floor = mp.floor(x)
    return floor + mp.mpf(1) / 2 + mp.tanh(a * (x - floor - mp.mpf(1) / 2)) / (2 * mp.tanh(a / 2))


def exact_round_slope(x, a):
    x, a = mp.mpf(x), mp.mpf(a)
    r = x - mp.floor(x) - mp.mpf(1) / 2
    return a * mp.sech(a * r) ** 2 / (2 * mp.tanh(a / 2))


def exact_inverse(y, a):
    y, a = mp.mpf(y), mp.mpf(a)
    f = y - mp.floor(y)
    q = 1 / (1 + mp.exp(a))
    return (
        mp.floor(y)
        + mp.mpf(1) / 2
        + mp.log((f * (1 - q) + (1 - f) * q) / ((1 - f) * (1 - q) + f * q)) / (2 * a)
    )


# ------------------------------------------------------------------- functions of tensors alone


def one_hot(x):
    return soft_one_hot(x, sharpness=2.0)


def argmax(x):
    return soft_argmax(x, sharpness=2.0, dim=0)


def positions(x, v):
    return soft_argmax(x, sharpness=2.0, values=v)


def step(x):
    return smooth_step(x, sharpness=2.0)


def sign(x):
    return smooth_sign(x, sharpness=2.0)


def rounded(x):
    return soft_round(x, sharpness=5.0)


def unrounded(x):
    return soft_round_inverse(x, sharpness=5.0)


def subset(x):
    return soft_top_k(x, 2, temperature=0.7)


def most(x):
    return soft_top_k(x, 5, temperature=0.7)


def projection(x):
    return soft_top_k(x, 2, temperature=0.7, method="sigmoid", dim=1)


def across(x):
    return soft_top_k(x, 2, method="sigmoid", dim=0)


def everything(x):
    return soft_top_k(x, 6)


def nothing(x):
    return soft_top_k(x, 0)


def accuracy(x):
    return smooth_accuracy(x, torch.tensor([0, 5, 2], device=x.device), reduction="none")


def fbeta(x, v):
    return smooth_fbeta(torch.sigmoid(x), torch.sigmoid(v).expand(3, 6), beta=2.0, dim=1)


EVERY = [one_hot, argmax, positions, step, sign, rounded, unrounded, subset, most, projection, across,
         everything, nothing, accuracy, fbeta]  # fmt: skip


TIES = [one_hot, argmax, subset, most, projection, across, accuracy]


def arguments(function, draw, requires_grad=True):
    values = [draw.normal(3, 6), draw.normal(6)]
    return [v.requires_grad_(requires_grad) for v in values[: function.__code__.co_argcount]]
