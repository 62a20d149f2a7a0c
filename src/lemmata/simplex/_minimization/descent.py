"""Steps against the gradient: multiplied into the probabilities, projected, or taken by the logits."""

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.numerics.precision import compute_dtype
from lemmata.simplex._minimization.loop import (
    Method,
    Objective,
    Point,
    Promise,
    SimplexMinimum,
    along,
    descend,
    half_square,
    limits,
    size_of,
    start,
)

__all__ = ["exponentiated_gradient", "projected_gradient", "softmax_gradient_descent"]


def exponentiated_gradient(
    f: Objective, p0: Tensor, *, tol: float, steps: int = 1000, lr: float | None = None
) -> SimplexMinimum:
    r"""Minimise f over the simplex by steps that multiply: :math:`p_i \leftarrow p_i e^{-\eta g_i}/Z`.

    Each step minimises :math:`\langle q, g\rangle + \mathrm{KL}(q\,\|\,p)/\eta` over q. If f bends no more
    than :math:`\mathrm{KL}/\eta`, then :math:`f(p_t)-\min f \le \log n/(\eta t)` from the uniform start.
    Logarithms are kept, so that a p that is 0 in the result still has its way back.

    Implements :prf:ref:`minimization-multiplicative`, :prf:ref:`minimization-rate`,
    :prf:ref:`minimization-hedge`.

    Args:
        f: from ``(..., n)`` to ``(...)``, differentiable; see the module.
        p0: the start, probabilities ``(..., n)``. An entry that is exactly 0 is masked: it stays 0, and the
            gap still counts it.
        tol: the gap that is small enough, in the unit of f.
        steps: at most so many, those that are taken back included.
        lr: the step size :math:`\eta`, at most 1/L for a gradient of Lipschitz constant L (of the largest
            change of an entry against :math:`\|\cdot\|_1`); None: sought, step by step.

    Returns:
        See :class:`SimplexMinimum`.

    Raises:
        TypeError: f no function, or its values no floating-point tensor; ``p0`` not floating point.
        ValueError: ``p0`` not probabilities, f of another shape than ``(...)`` or without a gradient, NaN
            in f(p0) or its gradient, a ``tol`` below 0, an ``lr`` that is not in (0, inf) or has no place in
            the type.

    Source: Kivinen and Warmuth, "Exponentiated gradient versus gradient descent" (1997); Beck and Teboulle,
        "Mirror descent and nonlinear projected subgradient methods" (2003).

    Example:
        >>> x = torch.tensor([1.0, 0.8, 0.1])
        >>> def f(p):
        ...     return (p - x).square().sum(-1)
        >>> exponentiated_gradient(f, torch.ones(3) / 3, tol=0, steps=1, lr=0.5).p
        tensor([0.4494, 0.3679, 0.1827])
        >>> found = exponentiated_gradient(f, torch.ones(3) / 3, tol=1e-6)
        >>> [round(value, 4) for value in found.p.tolist()]
        [0.6, 0.4, 0.0]
    """
    check.function("f", f)
    steps, tol = limits(steps, tol)
    log_p = start("p0", p0).log()
    return descend(f, log_p, MULTIPLY, size_of(lr, p0), steps, tol, p0.dtype)


def projected_gradient(
    f: Objective, p0: Tensor, *, tol: float, steps: int = 1000, lr: float | None = None
) -> SimplexMinimum:
    r"""Minimise f over the simplex by :math:`p \leftarrow \operatorname{sparsemax}(p-\eta g)`.

    Entries become 0 exactly and may come back. If g has the Lipschitz constant :math:`L \le 1/\eta`, then
    :math:`f(p_t)-\min f \le \|p^*-p_0\|^2/(2\eta t)`.

    Implements :prf:ref:`minimization-projection`, :prf:ref:`minimization-rate`.

    Args:
        f: as in :func:`exponentiated_gradient`.
        p0: the start, probabilities ``(..., n)``.
        tol: as in :func:`exponentiated_gradient`.
        steps: as in :func:`exponentiated_gradient`.
        lr: the step size :math:`\eta`; None: sought, step by step.

    Example:
        >>> x = torch.tensor([1.0, 0.8, 0.1])
        >>> projected_gradient(lambda p: (p - x).square().sum(-1), torch.ones(3) / 3, tol=1e-6).p
        tensor([0.6000, 0.4000, 0.0000])
    """
    check.function("f", f)
    steps, tol = limits(steps, tol)
    return descend(f, start("p0", p0), PROJECT, size_of(lr, p0), steps, tol, p0.dtype)


def softmax_gradient_descent(
    f: Objective, logits: Tensor, *, tol: float, steps: int = 1000, lr: float | None = None
) -> SimplexMinimum:
    r"""Minimise f(softmax(theta)) by gradient steps in theta: what most networks do, and not what we advise.

    .. math:: \theta \leftarrow \theta - \eta\,p\circ(g-\langle p, g\rangle)

    Every vertex is stationary, the worst as well as the best, and near one a step is about as large as what
    is missing to 1: for a linear f and steps of a fixed size a confident mistake of M nats takes a time of
    :math:`M + \sinh M`, where :func:`exponentiated_gradient` takes M (two entries, one apart). A size that is
    sought grows with each step taken, and comes back sooner.

    Implements :prf:ref:`minimization-softmax`, :prf:ref:`minimization-plateau`.

    Args:
        f: as in :func:`exponentiated_gradient`.
        logits: the start :math:`\theta`, ``(..., n)``. ``-inf`` is masked and stays; a row of nothing else is
            refused, as is NaN or ``inf``.
        tol: as in :func:`exponentiated_gradient`.
        steps: as in :func:`exponentiated_gradient`.
        lr: the step size :math:`\eta`; None: sought, step by step.

    Example:
        >>> c = torch.tensor([0.0, 1.0, 2.0])
        >>> theta = torch.tensor([0.0, 0.0, 12.0])  # sure, and wrong
        >>> softmax_gradient_descent(lambda p: p @ c, theta, tol=0, steps=1000, lr=0.5).p
        tensor([6.2415e-06, 6.2222e-06, 9.9999e-01])
        >>> exponentiated_gradient(lambda p: p @ c, theta.softmax(-1), tol=0, steps=40, lr=0.5).p
        tensor([1.0000e+00, 2.0612e-09, 6.9144e-13])
    """
    check.function("f", f)
    steps, tol = limits(steps, tol)
    check.axis("logits", logits, -1)
    theta = logits.detach().to(compute_dtype(logits))
    if theta.numel() and readable(theta) and not torch.isfinite(theta.amax(-1)).all():
        raise ValueError("logits must have a finite largest entry in each row, got NaN, inf or only -inf")
    return descend(f, theta, SOFTMAX, size_of(lr, logits), steps, tol, logits.dtype)


# --------------------------------------------------------------------------- moves and what they promise


def _multiply(log_p: Tensor, point: Point, eta: Tensor | float) -> Tensor:
    """Shifted, so that nothing overflows: the entry of the least gradient keeps its logarithm before Z."""
    masked = log_p == -torch.inf
    least = torch.where(masked, torch.inf, point.grad).amin(-1, keepdim=True)
    moved = log_p - eta * (point.grad - least)
    return torch.log_softmax(torch.where(masked, -torch.inf, moved), -1)


def _relative_entropy(log_p: Tensor, log_q: Tensor, point: Point, new: Point) -> Promise:
    change, d = new.p - point.p, torch.where(log_p == -torch.inf, 0.0, log_q - log_p)
    terms = torch.where(
        d.abs() < 1e-3,  # by its series, since the other form cancels
        point.p * d.square() * (1 / 2 + d / 3 + d.square() / 8),
        new.p * d - change,
    )
    return Promise(along(point.grad, change), along(new.grad - point.grad, change) / 2, terms.sum(-1))


def _project(p: Tensor, point: Point, eta: Tensor | float) -> Tensor:
    from lemmata.simplex import sparsemax  # here: the part is not whole while its chapters are read

    return sparsemax(p - eta * (point.grad - point.grad.amin(-1, keepdim=True)))


def _slope_of_logits(point: Point) -> Tensor:
    p = point.p
    mean = torch.where(p == 0, 0.0, p * point.grad).sum(-1, keepdim=True)
    return torch.where(p == 0, 0.0, p * (point.grad - mean))


def _step_of_logits(theta: Tensor, point: Point, eta: Tensor | float) -> Tensor:
    return theta - eta * _slope_of_logits(point)


def _half_square_of_logits(theta: Tensor, moved: Tensor, point: Point, new: Point) -> Promise:
    change = torch.where(theta == -torch.inf, 0.0, moved - theta)
    slope = _slope_of_logits(point)
    bend = ((_slope_of_logits(new) - slope) * change).sum(-1) / 2
    return Promise((slope * change).sum(-1), bend, change.square().sum(-1) / 2)


def _softmax(theta: Tensor) -> Tensor:
    return torch.softmax(theta, -1)


MULTIPLY = Method(torch.exp, _multiply, _relative_entropy)
PROJECT = Method(lambda p: p, _project, half_square)
SOFTMAX = Method(_softmax, _step_of_logits, _half_square_of_logits)
