"""HSIC by whole matrices, straight from the formulas of the chapter, and data to compare with."""

import itertools

import torch

ESTIMATORS = ["biased", "unbiased"]
NAMES = ["gaussian", "laplace", "linear", "distance"]
KERNELS = {  # of a distance matrix, with bandwidth s
    "gaussian": lambda d, s: torch.exp(-d * d / (2 * s * s)),
    "laplace": lambda d, s: torch.exp(-d / s),
    "distance": lambda d, s: -d,
}


def pair(normal, n, d=3, e=2):
    x = normal(n, d)
    return x, x[:, :1].sin() + normal(n, e)


def exact_distances(x):
    return (x[:, None] - x[None]).square().sum(-1).sqrt()


def exact_gram(x, kernel, s=1.0):
    x = x.double()
    return x @ x.T if kernel == "linear" else KERNELS[kernel](exact_distances(x), s)


def trace_form(k, l, divisor=None):
    n = len(k)
    h = torch.eye(n, dtype=k.dtype, device=k.device) - 1 / n
    return (torch.trace(k @ h @ l @ h) / (divisor or n**2)).item()


def four_fold(k, l):
    """The U-statistic of K_ij L_ij - 2 K_ij L_iq + K_ij L_qr over distinct indices."""
    terms = [
        k[i][j] * l[i][j] - 2 * k[i][j] * l[i][q] + k[i][j] * l[q][r]
        for i, j, q, r in itertools.permutations(range(len(k)), 4)
    ]
    return sum(terms) / len(terms)


def song_form(k, l):
    n = len(k)
    k, l = k - torch.diag(k.diagonal()), l - torch.diag(l.diagonal())
    one = torch.ones(n, dtype=k.dtype, device=k.device)
    apart = (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
    return ((torch.trace(k @ l) + apart - 2 / (n - 2) * (one @ k @ l @ one)) / (n * (n - 3))).item()


def oracle(k, l, estimator):
    return trace_form(k, l) if estimator == "biased" else song_form(k, l)
