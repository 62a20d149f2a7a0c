r"""Losses for a network whose output is a logarithm of a density ratio, whatever the divergence."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.precision import compute_dtype

__all__ = ["density_ratio_loss"]

LOG2 = math.log(2)


def density_ratio_loss(log_ratio_p: Tensor, log_ratio_q: Tensor, divergence: str) -> Tensor:
    r"""Loss of an estimated log density ratio, from samples of p and of q: minus the bound that it gives.

    .. math:: -\frac1n\sum_i \varphi(\omega(e^{u_i})) - \frac1m\sum_j \psi(\omega(e^{v_j}))

    In expectation it is at least minus the divergence. Where that is finite, equality holds exactly for
    :math:`u = \log(q/p)`, and the rest is the mean of a Bregman divergence between the two ratios. Since u
    may be any number, no output leaves :math:`\Omega`. "jensen_shannon" is the binary cross entropy of
    balanced classes, less log 2.

    Implements :prf:ref:`likelihood-ratio-bregman`.

    Args:
        log_ratio_p: u = log q - log p, as the network has it, at samples of p; any shape, real floating
            point.
        log_ratio_q: the same at samples of q; its own shape, the same dtype.
        divergence: as :func:`f_generator` takes it, but for "total_variation", whose best discriminator does
            not know the ratio.

    Returns:
        A scalar in the dtype of the arguments; half types are computed and summed in float32. NaN if a
        sample is empty.

    Raises:
        TypeError: an argument is no tensor of real floating point.
        ValueError: dtypes differ, or the name is not known.

    Example:
        >>> u, v = torch.tensor([-1.0, 0.5]), torch.tensor([2.0, 0.0, 1.0])
        >>> density_ratio_loss(u, v, "jensen_shannon")
        tensor(-0.1824)
    """
    check.floating("log_ratio_p", log_ratio_p)
    check.floating("log_ratio_q", log_ratio_q)
    if log_ratio_p.dtype != log_ratio_q.dtype:
        kinds = f"{log_ratio_p.dtype}, got {log_ratio_q.dtype}"
        raise ValueError(f"log_ratio_q must have the dtype of log_ratio_p, {kinds}")
    check.choice("divergence", divergence, LOSSES)
    phi, psi = LOSSES[divergence]
    made = compute_dtype(log_ratio_p)
    return -(phi(log_ratio_p.to(made)).mean() + psi(log_ratio_q.to(made)).mean()).to(log_ratio_p.dtype)


Function = Callable[[Tensor], Tensor]
LOSSES: dict[str, tuple[Function, Function]] = {  # phi(omega(e^u)) and psi(omega(e^u))
    "jensen_shannon": (lambda u: (LOG2 + F.logsigmoid(-u)) / 2, lambda u: (LOG2 + F.logsigmoid(u)) / 2),
    "squared_hellinger": (lambda u: -torch.expm1(u / 2) / 2, lambda u: -torch.expm1(-u / 2) / 2),
    "kl": (lambda u: -torch.expm1(u), lambda u: u),
    "reverse_kl": (lambda u: -u, lambda u: -torch.expm1(-u)),
    "pearson": (lambda u: -torch.expm1(2 * u), lambda u: 2 * torch.expm1(u)),
    "le_cam": (
        lambda u: 0.5 - 2 * torch.sigmoid(u).square(),
        lambda u: 0.5 - 2 * torch.sigmoid(-u).square(),
    ),
}
