"""Estimation: from samples to numbers."""

from lemmata.estimation import bias
from lemmata.estimation.bias import (
    Jackknife,
    Moments,
    c4,
    jackknife,
    k_statistic,
    k_statistic_variance,
    log_mean_exp,
    mse_optimal_divisor,
    pearson_correlation,
    u_statistic,
    unbiased_std,
    v_statistic,
    variance,
)

__all__ = [
    "Jackknife",
    "Moments",
    "bias",
    "c4",
    "jackknife",
    "k_statistic",
    "k_statistic_variance",
    "log_mean_exp",
    "mse_optimal_divisor",
    "pearson_correlation",
    "u_statistic",
    "unbiased_std",
    "v_statistic",
    "variance",
]
