"""GELU and its elementary approximations."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.numerics.precision import compute_dtype
from lemmata.smoothing._gelu.pieces import FLAT, by_table, exact_slope, exact_value

__all__ = ["gelu"]

SLOPE = math.sqrt(2 / math.pi)  # of erf(x / sqrt 2) at 0
LOGISTIC = 1.702  # minimises sup |Phi(x) - sigmoid(k x)|, to 4 digits: what the literature uses
CUBIC = 0.044715  # minimises sup |erf(x / sqrt 2) - tanh(SLOPE (x + c x^3))|, to 5 digits: likewise
# These minimise sup |GELU - approximation| itself, not sup |Phi - gate|:
OWN_LOGISTIC = 1.7729339656167546  # k; leaves 0.013922
OWN_TANH = 0.8001570785481036, 0.03470089343233105  # a and b, both free; leaves 2.7073e-4

GATES = {  # a and b of the gate sigmoid(2 a x + 2 b x^3)
    "tanh": (SLOPE, SLOPE * CUBIC),
    "sigmoid": (LOGISTIC / 2, 0.0),
    "tanh-minimax": OWN_TANH,
    "sigmoid-minimax": (OWN_LOGISTIC / 2, 0.0),
}
MANY = 2**18  # entries for which a table of all 65,536 numbers of a half type is worth making


def gelu(x: Tensor, *, approximate: str = "none") -> Tensor:
    r"""The Gaussian error linear unit, exact or by a tanh or logistic form.

    .. math:: \operatorname{GELU}(x) = x\,\Phi(x)
              = \tfrac x2\operatorname{erfc}\Bigl(-\frac{x}{\sqrt2}\Bigr)

    ================== ===================================== ====================
    ``approximate``    in the place of :math:`\Phi(x)`       :math:`\sup|error|`
    ================== ===================================== ====================
    "none"             itself                                0
    "tanh"             a = sqrt(2 / pi), b = 0.044715 a      4.73e-4
    "sigmoid"          a = 1.702 / 2, b = 0                  2.03e-2
    "tanh-minimax"     a = 0.80015708, b = 0.034700893       2.71e-4
    "sigmoid-minimax"  a = 1.77293397 / 2, b = 0             1.39e-2
    ================== ===================================== ====================

    with :math:`\sigma(2ax + 2bx^3)`, which is :math:`\tfrac12(1 + \tanh(ax + bx^3))` without its cancellation
    for negative x. The last two have the constants that are best for GELU; the usual ones are best for
    :math:`\Phi`. Nothing cancels in the negative tail: the relative error is a few times :math:`x^2`
    roundings, which is what rounding the argument of an exponential costs.

    Implements :prf:ref:`gelu-erfc`, :prf:ref:`gelu-derivative`, :prf:ref:`gelu-tanh-local`,
    :prf:ref:`gelu-own-minimax`.

    Args:
        x: any shape; float64, float32, bfloat16 or float16 (half types are computed in float32). ``inf``
            gives ``inf`` with derivative 1, ``-inf`` gives 0 with derivative 0, NaN gives NaN.
        approximate: one of the table. "none" and "tanh" mean what they mean in torch.

    Returns:
        The shape and the dtype of ``x``. Only ``x`` is kept for backward.

    Raises:
        TypeError: ``x`` is not a tensor of these types.
        ValueError: ``approximate`` is not in the table.

    Example:
        >>> gelu(torch.tensor([-5.5, -1.0, 0.0, 1.0, 5.5]))
        tensor([-1.0444e-07, -1.5866e-01,  0.0000e+00,  8.4134e-01,  5.5000e+00])
        >>> gelu(torch.tensor([-1.0, 1.0]), approximate="tanh-minimax")
        tensor([-0.1585,  0.8415])
    """
    check.floating("x", x)
    check.choice("approximate", approximate, ("none", *GATES))
    return _torch.apply(_Gelu, _plain, x, approximate)


def _plain(x: Tensor, form: str) -> Tensor:
    """The same in differentiable operations."""
    y = _clipped(x.to(compute_dtype(x)))
    return torch.where(x > FLAT, x, _value(y, form).to(x.dtype))


class _Gelu(torch.autograd.Function):
    """Keeps x and nothing else."""

    @staticmethod
    def forward(x, form):
        if form == "none" and _is_plain(x) and x.dtype == compute_dtype(x):
            return exact_value(x)
        return _mapped(lambda x: _value(x.clamp(min=-FLAT), form), x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.form = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        if ctx.form == "none" and _is_plain(x, grad) and x.dtype == compute_dtype(x):
            return exact_slope(x, grad), None
        return _mapped(lambda x: _slope(_clipped(x), ctx.form), x, grad), None

    @staticmethod
    def vmap(info, in_dims, x, form):
        return _Gelu.apply(x, form), in_dims[0]


def _value(y: Tensor, form: str) -> Tensor:
    """y times its gate; -inf must have been clipped, or it meets a gate of 0."""
    return y * _gate(y, form)


def _gate(y: Tensor, form: str) -> Tensor:
    """Phi or what stands for it: a positive number without cancellation."""
    if form == "none":
        return torch.special.erfc(y * -math.sqrt(0.5)) / 2
    return torch.sigmoid(_exponent(y, *GATES[form]))


def _slope(y: Tensor, form: str) -> Tensor:
    """The derivative: the gate, and y times the derivative of the gate; both infinities must be clipped."""
    if form == "none":
        return _gate(y, form) + y * torch.exp(y * y / -2) / math.sqrt(2 * math.pi)
    a, b = GATES[form]
    u = _exponent(y, a, b)
    gate = torch.sigmoid(u)
    return gate + y * gate * torch.sigmoid(-u) * (6 * b * y * y + 2 * a)  # 1 - gate would lose digits


def _exponent(y: Tensor, a: float, b: float) -> Tensor:
    return y * (2 * b * y * y + 2 * a) if b else y * (2 * a)


def _clipped(x: Tensor) -> Tensor:
    return x.clamp(-FLAT, FLAT)


def _is_plain(x: Tensor, *others: Tensor) -> bool:
    """Whether nothing but numbers in order is asked for, on a CPU: they may be made by overwriting."""
    ready = all(_torch.readable(t) for t in (x, *others)) and not torch.is_grad_enabled()
    return ready and x.is_contiguous()


def _mapped(function: Callable[[Tensor], Tensor], x: Tensor, grad: Tensor | None = None) -> Tensor:
    """``function(x)``, times ``grad`` if there is one, computed in the dtype of sums, given back in its own.

    Goes piece by piece, so that what it makes on the way stays in cache; as a whole where it may be
    differentiated again.
    """
    dtype, tensors = compute_dtype(x), (x,) if grad is None else (x, grad)
    if x.dtype != dtype and x.numel() >= MANY and _is_plain(*tensors):
        return by_table(function, x, grad)
    whole = torch.is_grad_enabled() or torch.compiler.is_compiling() or _torch.is_wrapped(*tensors)
    if whole or not x.is_contiguous():
        return _product(function, dtype, *tensors).to(x.dtype)
    out, size = torch.empty_like(x), 2**17 if x.device.type == "cpu" else 2**24
    pieces = (t.reshape(-1).split(size) for t in (out, *tensors))
    for piece, *parts in zip(*pieces, strict=True):
        piece.copy_(_product(function, dtype, *parts))
    return out


def _product(function: Callable[[Tensor], Tensor], dtype: torch.dtype, x: Tensor, *grad: Tensor) -> Tensor:
    y = function(x.to(dtype))
    return grad[0].to(dtype) * y if grad else y
