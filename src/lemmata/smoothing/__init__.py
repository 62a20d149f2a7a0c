"""Smoothing: hard functions made soft, and what each softening costs."""

from lemmata.smoothing import approximations, smooth_maximum
from lemmata.smoothing.approximations import (
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
from lemmata.smoothing.gelu import MinimaxFit, gelu, minimax_fit
from lemmata.smoothing.smooth_maximum import (
    boltzmann_maximum,
    logsumexp_maximum,
    mellowmax,
    p_norm_maximum,
    smooth_abs,
)

__all__ = [
    "MinimaxFit",
    "approximations",
    "boltzmann_maximum",
    "gelu",
    "logsumexp_maximum",
    "mellowmax",
    "minimax_fit",
    "p_norm_maximum",
    "smooth_abs",
    "smooth_accuracy",
    "smooth_fbeta",
    "smooth_maximum",
    "smooth_sign",
    "smooth_step",
    "soft_argmax",
    "soft_one_hot",
    "soft_round",
    "soft_round_inverse",
    "soft_top_k",
]
