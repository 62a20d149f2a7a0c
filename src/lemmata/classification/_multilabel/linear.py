"""The multi-label loss of a linear layer, whose scores are made a block of rows at a time."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import forward_mode, is_wrapped, transforming
from lemmata.classification._multilabel.fused import losses
from lemmata.classification._multilabel.loss import check_index, probabilities, row_threshold
from lemmata.numerics.precision import compute_dtype, no_autocast
from lemmata.numerics.products import add_product, product
from lemmata.numerics.reduction import REDUCTIONS, reduce_rows

__all__ = ["linear_multilabel_cross_entropy"]

BLOCKS = 64  # of rows: four temporary tensors like the scores of one are a sixteenth of all
SMALL = 2**16  # scores, fewer than which are not worth a block


def linear_multilabel_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    padding_index: int = -1,
    threshold: float | Tensor = 0.0,
    reduction: str = "mean",
) -> Tensor:
    r"""The loss of the scores :math:`s = xW^\top + b` of a linear layer, which are never all in memory.

    .. math:: L = \log\Bigl(e^{s_0} + \sum_{i\in N} e^{s_i}\Bigr)
                + \log\Bigl(e^{-s_0} + \sum_{j\in P} e^{-s_j}\Bigr),\qquad s_i = \langle w_i, x\rangle + b_i

    What :func:`multilabel_cross_entropy`, or with an index :func:`sparse_multilabel_cross_entropy`, gives of
    ``F.linear(input, linear_weight, linear_bias)``. Scores live for a block of rows, a sixty-fourth of all.
    Where the loss is reduced the gradients are made beside it, in the forward pass; where it is not, backward
    makes the scores again. The names are those of ``F.linear_cross_entropy``.

    Under ``torch.func`` and ``torch.compile``, in forward mode, for second derivatives, and where soft labels
    ask for a gradient all scores are made at once.

    Implements :prf:ref:`multilabel-loss`, :prf:ref:`multilabel-sparse`.

    Args:
        input: what the layer takes, ``(..., D)``. Half types are multiplied as they are, the weight in the
            dtype of the input, and summed in float32.
        linear_weight: ``(C, D)``, one row for each class.
        target: int64 ``(..., K)``, the positives by index; or labels ``(..., C)``, bool or float in [0, 1].
        linear_bias: ``(C,)``.
        padding_index: as in :func:`sparse_multilabel_cross_entropy`; without meaning for labels.
        threshold: as in :func:`multilabel_cross_entropy`.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Returns:
        The loss, in the dtype of ``input``.

    Raises:
        TypeError: tensors that are not floating point; a target that is neither int64, bool nor floating.
        ValueError: shapes that do not fit, an unknown reduction, a target out of range (see the module).

    Source: Hsu et al., "Liger Kernel", arXiv:2410.10989 (2024), for the gradients in the forward pass.

    Example:
        >>> x, weight = torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.0, -1.0], [0.5, -0.5]])
        >>> linear_multilabel_cross_entropy(x, weight, torch.tensor([[0, 2]]))
        tensor(0.8682)
        >>> multilabel_cross_entropy(x @ weight.T, torch.tensor([[1, 0, 1]]))
        tensor(0.8682)
    """
    check.scores("input", input)
    check.choice("reduction", reduction, REDUCTIONS)
    _check_layer(input, linear_weight, linear_bias)
    padding_index = check.integer("padding_index", padding_index)
    target, padding = _labels(input, target, len(linear_weight), padding_index)
    theta = row_threshold(threshold, input)
    theta = theta.reshape(-1) if isinstance(theta, Tensor) else theta
    x, labels = input.reshape(-1, input.shape[-1]), target.reshape(input.shape[:-1].numel(), target.shape[-1])
    arguments = (x, linear_weight, linear_bias, theta, labels, padding)
    whole = torch.compiler.is_compiling() or forward_mode() or transforming() or target.requires_grad
    with no_autocast(input):
        if reduction == "none":
            rows = _losses(*arguments) if whole else _Rows.apply(*arguments)
            return rows.view(input.shape[:-1]).to(input.dtype)
        if whole:
            return reduce_rows(_losses(*arguments), reduction).to(input.dtype)
        count = len(x) if reduction == "mean" else 1
        return (_Total.apply(*arguments, torch.is_grad_enabled()) / count).to(input.dtype)


class _Rows(torch.autograd.Function):
    """The losses; backward makes the scores again."""

    @staticmethod
    def forward(ctx, x, weight, bias, theta, target, padding):
        _keep(ctx, x, weight, bias, theta, target, padding)
        return _by_blocks(x, weight, bias, theta, target, padding, None, (False,) * 4)[0]

    @staticmethod
    def backward(ctx, g):
        if torch.is_grad_enabled() or is_wrapped(g):
            return _again(ctx, _losses, g)
        x, weight, bias, theta, target, padding = _kept(ctx)
        with no_autocast(g):
            slopes = _by_blocks(x, weight, bias, theta, target, padding, g, ctx.needs_input_grad[:4])[1]
        return *slopes, None, None


class _Total(torch.autograd.Function):
    """Their sum, beside which its gradients are made."""

    @staticmethod
    def forward(ctx, x, weight, bias, theta, target, padding, learning):
        _keep(ctx, x, weight, bias, theta, target, padding)
        needed = tuple(learning and need for need in ctx.needs_input_grad[:4])
        rows, ctx.slopes = _by_blocks(x, weight, bias, theta, target, padding, None, needed)
        return rows.sum()

    @staticmethod
    def backward(ctx, g):
        if torch.is_grad_enabled():
            return *_again(ctx, lambda *arguments: _losses(*arguments).sum(), g), None
        slopes = (None if slope is None else g.to(slope.dtype) * slope for slope in ctx.slopes)
        return *slopes, None, None, None


def _keep(ctx: Any, x, weight, bias, theta, target, padding) -> None:
    ctx.theta, ctx.padding = (None, padding) if isinstance(theta, Tensor) else (theta, padding)
    ctx.save_for_backward(x, weight, bias, None if ctx.theta is not None else theta, target)


def _kept(ctx: Any) -> Any:
    x, weight, bias, theta, target = ctx.saved_tensors
    return x, weight, bias, theta if ctx.theta is None else ctx.theta, target, ctx.padding


def _again(ctx: Any, function: Any, g: Tensor) -> tuple[Any, ...]:
    """The gradients by differentiable operations on all scores."""
    arguments = _kept(ctx)
    wanted = [i for i in range(4) if ctx.needs_input_grad[i]]

    def of_wanted(*values):
        given = list(arguments)
        for i, value in zip(wanted, values, strict=True):
            given[i] = value
        return function(*given)

    with no_autocast(g):
        made = torch.func.vjp(of_wanted, *(arguments[i] for i in wanted))[1](g)
    slopes = dict(zip(wanted, made, strict=True))
    return *(slopes.get(i) for i in range(4)), None, None


def _losses(x, weight, bias, theta, target, padding) -> Tensor:
    """The losses of all rows in differentiable operations."""
    made = compute_dtype(x)
    s = x.to(made) @ weight.to(made).mT
    return losses(s if bias is None else s + bias.to(made), theta, target, None, padding, "none")


def _by_blocks(x, weight, bias, theta, target, padding, g, needed) -> tuple[Tensor, list[Tensor | None]]:
    """The losses, and the gradients that are needed of their sum weighted by ``g`` (None: all 1)."""
    made, like = compute_dtype(x), (x, weight, bias, theta)
    rows = x.new_empty(len(x), dtype=made)
    slopes = [torch.zeros_like(v, dtype=made) if need else None for need, v in zip(needed, like, strict=True)]
    d_x, d_weight, d_bias, d_theta = slopes
    factor = x.dtype if x.is_cuda else made  # half types are fast in tensor cores alone
    weight = weight.to(factor)
    for at in _blocks(len(x), len(weight)):
        s = product(x[at].to(factor), weight.mT)
        s = s if bias is None else s.add_(bias)
        row = theta[at] if isinstance(theta, Tensor) else theta
        rows[at], d, d_row = _slope(s, row, target[at], padding, None if g is None else g[at], any(needed))
        if d_bias is not None:
            d_bias += d.sum(0)
        if d_x is not None:
            d_x[at] = product(d.to(factor), weight)
        if d_weight is not None:
            add_product(d_weight, d.to(factor).mT, x[at].to(factor))
        if d_theta is not None:
            d_theta[at] = d_row
    return rows, [v if v is None else v.to(w.dtype) for v, w in zip(slopes, like, strict=True)]


def _slope(s, theta, target, padding, g, needed: bool) -> tuple[Any, Any, Any]:
    """The losses of a block, and their gradients by scores and threshold."""
    learned = isinstance(theta, Tensor)
    leaves = [v.detach().requires_grad_(needed) for v in ((s, theta) if learned else (s,))]
    with torch.set_grad_enabled(needed):
        rows = losses(leaves[0], leaves[1] if learned else theta, target, None, padding, "none")
    if not needed:
        return rows, None, None
    d, *rest = torch.autograd.grad(rows, leaves, torch.ones_like(rows) if g is None else g.to(s.dtype))
    return rows.detach(), d, rest[0] if rest else None


def _blocks(rows: int, classes: int) -> Iterator[slice]:
    step = max(1, -(-rows // BLOCKS), SMALL // max(1, classes))
    return (slice(i, i + step) for i in range(0, rows, step))


# --------------------------------------------------------------------------- arguments


def _check_layer(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    check.floating("linear_weight", weight)
    if weight.dim() != 2 or weight.shape[1] != input.shape[-1]:
        expected = f"(C, D = {input.shape[-1]}) beside input"
        raise ValueError(f"linear_weight must have shape {expected}, got {tuple(weight.shape)}")
    if bias is not None:
        check.floating("linear_bias", bias)
        check.shape("linear_bias", bias, weight.shape[:1], beside="linear_weight")


def _labels(input: Tensor, target: Tensor, classes: int, padding: int) -> tuple[Tensor, int | None]:
    """Labels of all classes and None; or an index, and what stands for nothing in it."""
    check.tensor("target", target)
    if target.dtype == torch.bool or target.is_floating_point():
        check.shape("target", target, (*input.shape[:-1], classes), beside="input and linear_weight")
        return probabilities(target), None
    check.index("target, unless it is bool or floating,", target)
    if target.dim() == 0:
        raise ValueError("target must have a last axis of positives (..., K), got a scalar")
    check.shape("target", target, (*input.shape[:-1], target.shape[-1]))
    check_index(target, padding, classes)
    return target if classes else target[..., :0], padding
