"""What the probabilities of a perturbed argmax, and its draws, promise."""

import torch
from contract import Row, check, each
from helpers import F64, INF, seeded

from lemmata.simplex import (
    gumbel_softmax,
    log_perturbed_argmax_prob,
    perturbed_argmax_prob,
    sample_argmax,
)

TIES = torch.tensor([[1.0, 1.0, 0.0, 0.0], [2.0, 2.0, 2.0, 2.0], [0.0, 3.0, 3.0, -1.0]], dtype=F64)
NOWHERE = torch.tensor([[-INF] * 4, [INF, 0.0, INF, -INF], [0.0, -INF, -900.0, 1.0]], dtype=F64)
POINTS = (dict(logits=TIES), dict(logits=NOWHERE))
DIM = dict(dim=(2, -3))
RANDOM = dict(
    compiles="a generator is no argument of a graph",
    exports="a generator is no argument of a graph",
    fake="exponential_ takes no generator there",
    meta="exponential_ takes no generator there",
)


def rows(noise, method="auto"):
    return lambda draw: dict(logits=draw.normal(3, 4), noise=noise, method=method, dim=-1)


def logs(noise):
    return lambda draw: dict(logits=draw.normal(3, 4), noise=noise, dim=-1)


def draws(draw):
    return dict(logits=draw.normal(3, 4), noise="normal", num_samples=5, generator=seeded(), dim=-1)


def soft(hard):
    return lambda draw: dict(logits=draw.normal(3, 4), tau=0.5, hard=hard, generator=seeded(), dim=-1)


ROWS = [
    Row(perturbed_argmax_prob, rows("normal"), "normal", points=POINTS, wrong=DIM),
    *(
        Row(
            perturbed_argmax_prob, rows(noise), noise, points=POINTS, programs=noise in ("laplace", "uniform")
        )
        for noise in ("gumbel", "logistic", "laplace", "uniform", "exponential", "neg_gumbel")
    ),
    Row(perturbed_argmax_prob, rows("neg_exponential"), "neg_exponential", points=POINTS),
    *(
        Row(perturbed_argmax_prob, rows(noise, "closed"), f"closed {noise}", points=POINTS, programs=False)
        for noise in ("exponential", "neg_gumbel")
    ),
    *(
        Row(perturbed_argmax_prob, rows(noise, "quadrature"), f"nodes {noise}", points=POINTS, programs=False)
        for noise in ("gumbel", "neg_exponential")
    ),
    Row(log_perturbed_argmax_prob, logs("normal"), "log normal", points=POINTS, wrong=DIM),
    *(
        Row(
            log_perturbed_argmax_prob, logs(noise), f"log {noise}", points=POINTS, programs=noise == "laplace"
        )
        for noise in ("gumbel", "logistic", "laplace", "exponential", "neg_exponential", "neg_gumbel")
    ),
    Row(
        sample_argmax,
        draws,
        rows=False,
        differentiable=False,
        no=RANDOM,
        wrong=dict(num_samples=(-1,), dim=(2, -3)),
    ),
    *(
        Row(
            gumbel_softmax,
            soft(hard),
            "hard" if hard else "soft",
            rows=False,
            points=POINTS,
            wrong=dict(tau=(0, -1.0, INF), dim=(2, -3)),
            no=RANDOM | (dict(gradients="straight through") if hard else {}),
        )
        for hard in (False, True)
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
