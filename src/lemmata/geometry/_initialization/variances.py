"""Variances that keep a norm through a layer, and the factor on residual branches."""

import math

from lemmata import _arguments as check
from lemmata.geometry._initialization.shapes import not_nan

__all__ = ["init_variance", "residual_scale"]

SQUARED_GAINS = {  # of torch.nn.init.calculate_gain, without the rounding of a square root
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 25 / 9,
    "relu": 2.0,
    "leaky_relu": 2.0,  # over 1 + slope^2
    "selu": 9 / 16,
}


def init_variance(
    fan_in: int,
    fan_out: int,
    *,
    mode: str = "fan_in",
    nonlinearity: str = "linear",
    param: float | None = None,
) -> float:
    r"""The variance of a weight's entries that keeps a norm through the layer: gain² / fan.

    ================ ===================== ==================================================
    ``mode``         fan                   keeps, before the nonlinearity's gain
    ================ ===================== ==================================================
    "fan_in"         fan_in                the root mean square of the coordinates, forward
    "fan_out"        fan_out               the norm forward, so the gradients' RMS backward
    "fan_avg"        their mean            neither, unless they are equal; their compromise
    ================ ===================== ==================================================

    The squared gain of ReLU, 2, is exact (half of a symmetric signal's square passes), so is that of leaky
    ReLU, :math:`2/(1+a^2)`; those of tanh, 25/9, and of SELU, 9/16, are torch's, and empirical.

    Implements :prf:ref:`initialization-norm`, :prf:ref:`initialization-fans`, :prf:ref:`initialization-relu`.

    Args:
        fan_in: how many inputs an output sums; at least 1.
        fan_out: how many outputs an input reaches; at least 1.
        mode: one of the table.
        nonlinearity: what follows the layer, by its name in :func:`torch.nn.init.calculate_gain`.
        param: the negative slope a of "leaky_relu", 0.01 unless given; others have none.

    Raises:
        ValueError: a fan of 0, where torch divides by 0 or does nothing; names that are not known; a
            ``param`` where there is none.

    Source: LeCun et al. (1998), Glorot and Bengio (2010), He et al. (2015).

    Example:
        >>> init_variance(512, 256, nonlinearity="relu") == 2 / 512
        True
        >>> init_variance(512, 256, mode="fan_avg") == 1 / 384
        True
    """
    fan_in, fan_out = check.at_least("fan_in", fan_in, 1), check.at_least("fan_out", fan_out, 1)
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    check.choice("mode", mode, fans)
    check.choice("nonlinearity", nonlinearity, SQUARED_GAINS)
    gain = SQUARED_GAINS[nonlinearity]
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else not_nan("param", param)
        gain /= 1 + slope * slope
    elif param is not None:
        raise ValueError(f"param must be None for nonlinearity {nonlinearity!r}, which has none, got {param}")
    return gain / fans[mode]


def residual_scale(depth: int, *, growth: float | None = None) -> float:
    r"""The factor on each of ``depth`` residual branches, h + scale · f(h), that bounds the signal's growth.

    Where a branch keeps the norm and is uncorrelated with its input, one block multiplies the mean square of
    the signal by :math:`1+\alpha^2`, and L blocks by

    .. math:: (1+\alpha^2)^L = \begin{cases} 2^L & \alpha = 1 \\
              (1+\tfrac1L)^L < e & \alpha = 1/\sqrt L \end{cases}

    Implements :prf:ref:`initialization-residual`.

    Args:
        depth: the number of branches, L; at least 1.
        growth: the factor that all of them may have together, at least 1; then
            :math:`\alpha = \sqrt{\text{growth}^{1/L} - 1}`. None means :math:`\alpha = 1/\sqrt L`.

    Example:
        >>> residual_scale(4), residual_scale(2, growth=4.0)
        (0.5, 1.0)
    """
    depth = check.at_least("depth", depth, 1)
    if growth is None:
        return 1 / math.sqrt(depth)
    if not 1 <= check.number("growth", growth) < math.inf:
        raise ValueError(f"growth must be finite and at least 1, got {growth}")
    return math.sqrt(math.expm1(math.log(growth) / depth))
