r"""What one step does to the loss: steepest descent in any norm, and steps that know the least loss.

A step of length 1 in a norm lowers the loss L fastest, at the rate of the dual norm of its gradient g:

.. math:: \min_{\|v\|\le1}\langle g,v\rangle = -\|g\|_*

Polyak's step divides by that rate: as a flow, while it goes on, it lets every loss fall like :math:`e^{-t}`.
It has no learning rate, and asks for the least loss f*.

* Tensors are float64, float32, bfloat16 or float16; half types are computed in float32.
* A step is a constant: no gradient flows through it.
* Where the gradient is 0, so is the step.

Source: Su, kexue.fm 6261 (2019); Polyak, "Introduction to Optimization" (1987); Loizou et al.,
arXiv:2002.10542 (2020); Bernstein and Newhouse, arXiv:2409.20325 (2024).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata.numerics.precision import compute_dtype, no_autocast
from lemmata.numerics.units import unit_of

__all__ = ["Polyak", "polyak_step", "steepest_direction"]

NORMS = ("l1", "l2", "linf", "spectral")


def steepest_direction(grad: Tensor, norm: str = "l2", *, dim: int | tuple[int, ...] | None = None) -> Tensor:
    r"""The direction of length 1 along which the loss falls fastest.

    ============ ============================================== ==============================================
    norm         direction                                      rate :math:`\langle g,v\rangle=-\|g\|_*`
    ============ ============================================== ==============================================
    ``l2``       :math:`-g/\|g\|_2`                             :math:`-\|g\|_2`
    ``linf``     :math:`-\operatorname{sgn} g`                  :math:`-\|g\|_1`
    ``l1``       the largest entry of g alone, as its -sign     :math:`-\|g\|_\infty`
    ``spectral`` :math:`-UV^\top` of :math:`g=U\Sigma V^\top`   minus the sum of the singular values
    ============ ============================================== ==============================================

    Implements :prf:ref:`dynamics-steepest`.

    Args:
        grad: the gradient, of any shape.
        norm: which length is 1. Of equal entries ``l1`` takes the first.
        dim: the axis or axes that make one vector; None: all of them. For ``spectral`` a pair, the rows and
            the columns of the matrix; None: the last two, and the others are a batch.

    Returns:
        The shape and dtype of ``grad``; 0 for a gradient of 0 (in ``l2`` and ``spectral`` for float32 entries
        below 2e-38, too), and NaN for one with an entry that is not finite. ``spectral`` leaves out singular
        values that rounding could have made: below the largest times eps of a half type, or max(m, n) eps of
        float32 or float64.

    Raises:
        TypeError: ``grad`` is no tensor of these types, ``dim`` no int, tuple or None.
        ValueError: another norm, an axis that does not exist or comes twice, ``spectral`` without two axes.

    Example:
        >>> steepest_direction(torch.tensor([3.0, -4.0]))
        tensor([-0.6000,  0.8000])
        >>> steepest_direction(torch.tensor([3.0, -4.0]), "linf")
        tensor([-1.,  1.])
        >>> steepest_direction(torch.tensor([[3.0, 0.0], [0.0, 0.1]]), "spectral")
        tensor([[-1., -0.],
                [-0., -1.]])
    """
    check.floating("grad", grad)
    check.choice("norm", norm, NORMS)
    axes = _axes(grad, norm, dim)
    if grad.numel() == 0:
        return torch.zeros_like(grad)
    last = tuple(range(-len(axes), 0))
    x = grad.detach().to(compute_dtype(grad)).movedim(axes, last)
    if norm == "spectral":
        found = _polar(x, torch.finfo(grad.dtype).eps)
    else:
        flat = x.flatten(-len(axes)) if axes else x.unsqueeze(-1)
        found = _of_vector(flat, norm).view(x.shape)
    return -found.movedim(last, axes).to(grad.dtype)


def polyak_step(
    grad: Tensor | Sequence[Tensor],
    loss: Tensor,
    f_star: float | Tensor = 0.0,
    *,
    lr: float = 1.0,
    max_lr: float = math.inf,
    max_scale: float = math.inf,
) -> Tensor | tuple[Tensor, ...]:
    r"""Polyak's step: what to add to the parameters.

    .. math:: -\eta\,\min\Bigl(\frac{\ell}{\|g\|^2},\;\frac{\ell M}{\|g\|},\;\gamma\Bigr)\,g,
              \qquad \ell=\max(L-f^*,0)

    The step does not depend on the unit of the loss, unless one of the caps M and :math:`\gamma` acts. If f*
    is too low by d, a convex loss with bounded gradients comes within d of its least value, and need not
    come nearer, nor stay.

    Implements :prf:ref:`dynamics-polyak-step`, :prf:ref:`dynamics-wrong-target`, :prf:ref:`dynamics-clipped`.

    Args:
        grad: the gradient, or those of all parameters, whose squares are summed over all of them. Axes of
            ``loss`` come first: models side by side each have their own norm.
        loss: L at the present parameters, one number for each model.
        f_star: the least loss, a number or a tensor that broadcasts to ``loss``. 0 for a model that can fit
            every example; below it there is no step.
        lr: the factor :math:`\eta`; 1 is Polyak's, and up to 2 a convex loss brings the minimum nearer.
        max_lr: the cap :math:`\gamma` on what the gradient is multiplied by, as stochastic steps have it.
        max_scale: the cap M, in units of one over the gradient: the step is no longer than
            :math:`\eta\,\ell M`.

    Returns:
        A tensor for a tensor, else a tuple, in the shapes and dtypes of the gradients. Not finite for a loss
        that is not; NaN for a model with an entry of its gradients that is not.

    Raises:
        TypeError: gradients or loss are not tensors of these types, another argument is no number.
        ValueError: no gradient, or one without the axes of ``loss``; a cap or ``lr`` that is not positive.

    Example:
        >>> x = torch.tensor([4.0, 2.0])  # of the loss |x|^2 / 2
        >>> x + polyak_step(x, x.square().sum() / 2)
        tensor([2., 1.])
    """
    single = isinstance(grad, Tensor)
    grads = (grad,) if isinstance(grad, Tensor) else _several(grad)
    check.floating("loss", loss)
    for g in grads:
        check.floating("grad", g)
        if g.shape[: loss.dim()] != loss.shape:
            shapes = f"{tuple(g.shape)} beside {tuple(loss.shape)}"
            raise ValueError(f"grad must begin with the axes of loss, got shape {shapes}")
    target = check.broadcast("f_star", check.real("f_star", f_star), loss.shape)
    eta, caps = _sizes(lr, max_lr, max_scale)
    dtype = compute_dtype(loss, *grads)
    slopes = [x.detach().to(dtype) for x in grads]
    gap = (loss.detach().to(dtype) - target.detach().to(loss.device, dtype)).clamp(min=0)
    unit, norm = _measured(slopes, loss.dim(), loss.device)
    length = eta * _length(gap, unit, norm, *caps)
    steps = tuple(_along(x, unit, norm, length).to(y.dtype) for x, y in zip(slopes, grads, strict=True))
    return steps[0] if single else steps


class Polyak(torch.optim.Optimizer):
    r"""Gradient descent by Polyak's step, for a loss whose least value is known: no learning rate to tune.

    .. math:: \theta\leftarrow\theta-\eta\,\min\Bigl(\frac{\ell}{\|g\|^2},\;\frac{\ell M}{\|g\|},\;
              \gamma\Bigr)\,g, \qquad \ell=\max(L-f^*,0)

    The norm is over all parameters. ``step`` needs the loss, so it takes a closure that computes it and its
    gradient. The state is in ``param_groups``: a checkpoint is ``state_dict()``, and ``f_star`` or ``lr`` may
    be changed there between steps, by a scheduler of torch, too.

    Implements :prf:ref:`dynamics-polyak-step`.

    Args:
        params: parameters, or dicts of groups, as any optimiser of torch takes them. Gradients may be sparse
            (and are made dense).
        f_star, lr, max_lr, max_scale: as in :func:`polyak_step`, numbers. On batches of a loss that the model
            cannot bring to 0 on every example, set ``max_lr``, or take another optimiser.

    Raises:
        TypeError: an argument is no number, a parameter not float64, float32, bfloat16 or float16.
        ValueError: a cap or ``lr`` that is not positive, an ``f_star`` that is not finite.

    Example:
        >>> x = torch.nn.Parameter(torch.tensor([4.0, 2.0]))
        >>> optimizer = Polyak([x])
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = x.square().sum() / 2
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure).item(), x.tolist()
        (10.0, [2.0, 1.0])
    """

    def __init__(
        self,
        params: Iterable[Any],
        f_star: float = 0.0,
        *,
        lr: float = 1.0,
        max_lr: float = math.inf,
        max_scale: float = math.inf,
    ) -> None:
        super().__init__(params, _options(f_star, lr, max_lr, max_scale))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, with values of its own for any of the arguments.

        Raises:
            TypeError: a parameter is not float64, float32, bfloat16 or float16, or a value is no number.
            ValueError: as for the optimiser itself.
        """
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            for p in group["params"]:
                check.floating("params", p)
            group |= _options(*(group[name] for name in ("f_star", "lr", "max_lr", "max_scale")))
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """Take one step, and return the loss before it.

        Args:
            closure: clears the gradients, computes the loss, one number, and its gradients.

        Raises:
            TypeError: ``closure`` is no function, or returns no tensor.
            ValueError: the loss is not one number.
        """
        check.function("closure", closure)
        with torch.enable_grad():
            loss = closure()
        check.floating("the loss of closure", loss)
        if loss.numel() != 1:
            raise ValueError(f"the loss of closure must be one number, got shape {tuple(loss.shape)}")
        moved = [(group, p) for group in self.param_groups for p in group["params"] if p.grad is not None]
        if not moved:
            return loss
        total = loss.detach().reshape(())
        dtype = compute_dtype(total, *(p for _, p in moved))
        grads = [(p.grad.to_dense() if p.grad.is_sparse else p.grad).to(dtype) for _, p in moved]
        unit, norm = _measured(grads, 0, loss.device)
        for (group, p), g in zip(moved, grads, strict=True):
            gap = (total.to(dtype) - group["f_star"]).clamp(min=0)
            length = group["lr"] * _length(gap, unit, norm, group["max_lr"], group["max_scale"])
            p.add_(_along(g, unit, norm, length).to(p.dtype))
        return loss


def _axes(grad: Tensor, norm: str, dim: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """The axes of one vector, or of one matrix, counted from the front."""
    n, matrix = grad.dim(), norm == "spectral"
    if dim is None:
        if matrix and n < 2:
            raise ValueError(f"grad must have two axes or more for spectral, got shape {tuple(grad.shape)}")
        return (n - 2, n - 1) if matrix else tuple(range(n))
    given = [check.integer("dim", axis) for axis in (dim if isinstance(dim, tuple) else (dim,))]
    axes = tuple(axis % n for axis in given if -n <= axis < n)
    if len(axes) < len(given) or len({*axes}) < len(axes) or not axes:
        raise ValueError(f"dim must be different axes of grad of shape {tuple(grad.shape)}, got {dim}")
    if matrix and len(axes) != 2:
        raise ValueError(f"dim must be a pair of axes for spectral, got {dim}")
    return axes


def _of_vector(x: Tensor, norm: str) -> Tensor:
    """Unit vectors along the last axis that have the largest product with x."""
    spoilt = ~x.isfinite().all(-1, keepdim=True)
    if norm == "linf":
        found = x.sign()
    elif norm == "l1":
        at = x.abs().argmax(-1, keepdim=True)
        found = torch.zeros_like(x).scatter(-1, at, x.gather(-1, at).sign())
    else:
        found = -_along(x, *_measured([x], x.dim() - 1, x.device))
    return torch.where(spoilt, math.nan, found)


def _polar(x: Tensor, eps: float) -> Tensor:
    """U V^T of each matrix, without the singular values that rounding could have made."""
    spoilt = ~x.isfinite().all(-1, keepdim=True).all(-2, keepdim=True)
    x = torch.where(spoilt, 0.0, x)
    with no_autocast(x):
        u, s, vh = torch.linalg.svd(x / unit_of(x, (-2, -1)), full_matrices=False)
        least = max(eps if eps > 1e-6 else 0.0, max(x.shape[-2:]) * torch.finfo(x.dtype).eps)
        kept = s > least * s[..., :1]
        return torch.where(spoilt, math.nan, (u * kept.unsqueeze(-2)) @ vh)


def _measured(xs: Sequence[Tensor], axes: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """A unit near the largest entry, and the Euclidean length in it, of all entries but for the first axes.

    Their product may overflow where neither does. The length is NaN if an entry is not finite.
    """
    flat = [x.unsqueeze(-1).flatten(axes) for x in xs]
    largest = [(x.abs().amax(-1) if x.shape[-1] else x.sum(-1)).to(device) for x in flat]
    unit = unit_of(torch.stack(largest, -1), -1)
    squares = [(x / unit.to(x.device)).square().sum(-1).to(device) for x in flat]
    norm = torch.stack(squares, -1).sum(-1).sqrt()
    return unit.squeeze(-1), torch.where(norm.isfinite(), norm, math.nan)


def _length(gap: Tensor, unit: Tensor, norm: Tensor, max_lr: float, max_scale: float) -> Tensor:
    """How far Polyak's step goes: gap / length of the gradient, or as far as the caps let it."""
    length = gap / unit / torch.where(norm == 0, 1.0, norm)
    if max_scale < math.inf:
        length = torch.minimum(length, gap * max_scale)
    if max_lr < math.inf:
        length = torch.minimum(length, norm * (unit * max_lr))
    return length


def _along(x: Tensor, unit: Tensor, norm: Tensor, length: Tensor | float = 1.0) -> Tensor:
    """A step of a length against x; unit and norm lack the last axes of x."""
    sizes = unit.shape + (1,) * (x.dim() - unit.dim())
    unit, norm, far = (v.to(x.device).reshape(sizes) for v in (unit, norm, length * torch.ones_like(norm)))
    return torch.where(norm == 0, 0.0, x / unit / torch.where(norm == 0, 1.0, norm)) * -far


def _several(grad: Sequence[Tensor]) -> tuple[Tensor, ...]:
    if not isinstance(grad, tuple | list):
        raise TypeError(f"grad must be a tensor or a sequence of them, got {type(grad).__name__}")
    if not grad:
        raise ValueError("grad must have at least one tensor, got none")
    return tuple(grad)


def _sizes(lr: float, max_lr: float, max_scale: float) -> tuple[float, tuple[float, float]]:
    eta = check.positive("lr", lr)
    if eta == math.inf:
        raise ValueError(f"lr must be finite, got {lr}")
    return eta, (check.positive("max_lr", max_lr), check.positive("max_scale", max_scale))


def _options(f_star: float, lr: float, max_lr: float, max_scale: float) -> dict[str, float]:
    target = check.number("f_star", f_star)
    if not math.isfinite(target):
        raise ValueError(f"f_star must be finite, got {f_star}")
    eta, (gamma, M) = _sizes(lr, max_lr, max_scale)
    return dict(f_star=target, lr=eta, max_lr=gamma, max_scale=M)
