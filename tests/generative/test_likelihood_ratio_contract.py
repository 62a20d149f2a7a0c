"""What the functions of pairs, divergences and calibration promise."""

import math

import torch
from contract import EVERY_KIND, Row, check, each
from helpers import F64, INF

from lemmata.generative import (
    calibration_gap,
    check_gan_conditions,
    density_ratio_loss,
    f_divergence,
    f_generator,
    gan_pair,
    log_density_ratio,
    optimal_discriminator,
    ratio_mean,
)

EDGES = torch.tensor(
    [[0.0, -INF, 1e-30, -1e-30], [2.0, -2.0, 1.0, -1.0], [700.0, -700.0, 30.0, -30.0]]
).double()


def ratios(draw):
    return draw.normal(3, 4)


def laws(draw):
    return dict(
        log_q=torch.log_softmax(draw.normal(3, 4), -1), log_p=torch.log_softmax(draw.normal(3, 4), -1)
    )


def loss(t, pair, which):
    return gan_pair(pair)[which](t)


OWN, EVERY = gan_pair((torch.exp, lambda s: torch.sigmoid(-s))), dict(which=EVERY_KIND)


def custom(t, which):
    return OWN[which](t)


def samples(draw):
    return dict(log_ratio_p=draw.normal(3, 4), log_ratio_q=draw.normal(3, 5))


def weighted(log_ratio_p, log_ratio_q, weight_p, weight_q):
    return calibration_gap(log_ratio_p, log_ratio_q, weight_p=weight_p, weight_q=weight_q)


def weights(draw):
    return samples(draw) | dict(weight_p=draw.normal(3, 4), weight_q=draw.normal(3, 5))


DIVERGENCES = (
    "jensen_shannon",
    "squared_hellinger",
    "kl",
    "reverse_kl",
    "pearson",
    "le_cam",
    "total_variation",
)
INSIDE = ("jensen_shannon", "squared_hellinger", "kl", "reverse_kl", "pearson", "le_cam", "hinge")
ROWS = [
    *(
        Row(
            f_generator,
            lambda draw, name=name: dict(log_ratio=ratios(draw), divergence=name),
            name,
            programs=name == "kl",
            points=(dict(log_ratio=EDGES),) if name != "pearson" else (),
        )
        for name in DIVERGENCES
    ),
    *(
        Row(
            f_divergence,
            lambda draw, name=name: laws(draw) | dict(divergence=name, dim=-1),
            name,
            programs=name == "jensen_shannon",
            no=dict(finite="an infinite divergence has slopes of both signs") if name == "pearson" else {},
            points=(dict(log_q=torch.tensor([[-INF, 0.0, -INF, -3.0]] * 3).double()),),
            wrong=dict(dim=(2, -3), log_p=(torch.zeros(2, 4), torch.zeros(3, 4, dtype=torch.bfloat16))),
        )
        for name in ("jensen_shannon", "pearson")  # the generators have rows of their own
    ),
    *(
        Row(
            loss,
            lambda draw, name=name, which=which: dict(
                t=draw.uniform(3, 4, low=-0.9, high=0.9), pair=name, which=which
            ),
            f"{name} {which}",
            stands_for="gan_pair",
            programs=(name, which) == ("reverse_kl", 0),  # it has a domain
            takes=EVERY,
            wrong=dict(t=(torch.tensor([1.5]),)) if name == "reverse_kl" else {},
        )
        for name in INSIDE
        for which in ((0, 1) if name in ("reverse_kl", "hinge") else (0,))
    ),
    Row(
        custom,
        lambda draw: dict(t=draw.normal(3, 4), which=0),
        "functions",
        stands_for="gan_pair",
        takes=EVERY,
    ),
    *(
        Row(
            optimal_discriminator,
            lambda draw, name=name: dict(log_ratio=ratios(draw), pair=name),
            name,
            programs=name == "le_cam",
        )
        for name in ("jensen_shannon", "reverse_kl", "le_cam")
    ),
    *(
        Row(
            log_density_ratio,
            lambda draw, name=name: dict(t=draw.uniform(3, 4, low=0.1, high=0.9), pair=name),
            name,
            wrong=dict(pair=("hinge", "total_variation")),
            programs=name == "le_cam",
        )
        for name in ("jensen_shannon", "reverse_kl", "le_cam", "pearson")
    ),
    *(
        Row(
            density_ratio_loss,
            lambda draw, name=name: samples(draw) | dict(divergence=name),
            name,
            rows=False,
            programs=name == "jensen_shannon",
            wrong=dict(log_ratio_q=(torch.zeros(2, dtype=torch.bfloat16),)),
        )
        for name in ("jensen_shannon", "pearson", "le_cam")
    ),
    Row(
        ratio_mean,
        lambda draw: dict(log_ratio=ratios(draw), dim=-1),
        differentiable=False,
        wrong=dict(dim=(2,)),
    ),
    Row(
        calibration_gap,
        lambda draw: samples(draw) | dict(dim=-1),
        programs=False,  # with weights, below, the same and more
        differentiable=False,
        wrong=dict(dim=(2,), log_ratio_q=(torch.zeros(2, 4, dtype=F64),), weight_p=(torch.zeros(2, 4),)),
    ),
    Row(weighted, weights, "weights", stands_for="calibration_gap", differentiable=False),
    Row(
        check_gan_conditions,
        lambda draw: dict(omega_inv=torch.exp, rho=torch.ones_like, domain=(-math.inf, math.inf)),
        wrong=dict(domain=((1, 0), (0, math.nan), (0, "1")), rho=(torch.neg,)),
    ),
]


@each(ROWS)
def test_contract(row, promise):
    check(row, promise)
