"""The implementation against the oracle: values and gradients, in every dtype and on every device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
import sympy as sp
import torch

from .evidence import Claim, ClaimFailed, Evidence, issue
from .oracle import Argument, Errors, errors, oracle, spacing

__all__ = ["DTYPES", "agrees", "devices", "gradient"]

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def devices() -> list[str]:
    """Every device present: the CPU always, CUDA when there is one."""
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def agrees(
    claim: Claim,
    function: Callable[..., torch.Tensor],
    expr: Any,
    args: Sequence[Argument],
    inputs: Sequence[torch.Tensor],
    *,
    why: str,
    ulp: float = 4.0,
    scale: float = 0.0,
    dtypes: Sequence[torch.dtype] = DTYPES,
) -> Evidence:
    r"""Compare a torch function with an oracle made from the very expression that was proved.

    For each dtype the inputs are rounded to it *first*, so the comparison sees the error of the function and
    not that of its input; the oracle takes the rounded inputs as exact, and works with 50 digits. Required:

    .. math:: |\text{got} - \text{want}| \le
        \text{ulp} \cdot \text{spacing}(\max(|\text{want}|, \text{scale}))

    Args:
        function: of tensors; its last dimension is consumed where ``args`` names a sequence of symbols. Its
            result must have the dtype of its floating inputs.
        expr: the SymPy expression (or a sequence of them, for a function that returns a vector).
        args: the symbols of each argument, as in ``oracle``.
        inputs: a float64, integer or bool tensor for each argument, with leading dimensions for the points.
            Only floating tensors are cast to the dtype under test; at least one must be floating.
        why: why this tolerance; it is printed.
        ulp: the tolerance, in units of the last place of the output's dtype.
        scale: magnitude below which values are judged at ``scale`` (where cancellation is inherent).
        dtypes: which to test.

    Returns:
        Evidence of kind ``agrees``.

    Raises:
        ClaimFailed: the worst error exceeds the tolerance (it names the input), the result has another shape
            or dtype, there is no value to compare, or the tolerance is so wide (a quarter of every value)
            that a wrong function could pass.
        ValueError: no dtype, no floating input, or no reason for the tolerance.

    Example:
        >>> import sympy as sp, torch
        >>> from lemmata.verify import claim
        >>> x, points = sp.Symbol("x"), torch.linspace(0.1, 2, 9, dtype=torch.float64)
        >>> claim("demo-log1p").agrees(torch.log1p, sp.log(1 + x), [x], [points], why="one rounding").kind
        'agrees'
    """
    if not dtypes or not why.strip() or not any(x.is_floating_point() for x in inputs):
        raise ValueError("agrees needs at least one dtype, one floating input and a reason why")
    truth = oracle(expr, *args)
    worst: list[Errors] = []
    for dtype in dtypes:
        points = [_cast(x, dtype) for x in inputs]
        want = truth(*points)
        _refuse_wide(claim, want, dtype, ulp, scale)
        found = [_judge(claim, function, want, points, dtype, device, ulp, scale) for device in devices()]
        worst.append(max(found, key=lambda error: error.ulp))
    name = getattr(function, "__name__", "implementation").replace("<lambda>", "implementation")
    where, names = ", ".join(devices()), [_name(dtype) for dtype in dtypes]
    return issue(
        claim.label,
        "agrees",
        rf"\mathtt{{{_escape(name)}}} \approx {sp.latex(expr)}",
        f"{want.size} values in {', '.join(names)} within {_tolerance(ulp, scale)} of the proved expression "
        f"at 50 digits; why: {why}",
        tuple(f"{name}: worst error {error} on {where}" for name, error in zip(names, worst, strict=True)),
        tolerance=_tolerance(ulp, scale),
        worst=f"{max(worst, key=lambda error: error.ulp)} on {where}",
        plain=f"{name} = {expr}, within {_tolerance(ulp, scale)}",
    )


def gradient(
    claim: Claim,
    function: Callable[..., torch.Tensor],
    expr: Any,
    args: Sequence[Argument],
    inputs: Sequence[torch.Tensor],
    *,
    why: str,
    wrt: int = 0,
    ulp: float = 8.0,
    scale: float = 0.0,
    dtypes: Sequence[torch.dtype] = DTYPES,
) -> Evidence:
    r"""Compare autograd with the SymPy derivative of the expression, then ``gradcheck`` it twice.

    Args:
        function: of tensors, returning one value per leading index (``reduction="none"``).
        expr: the SymPy expression that was proved.
        args: as in ``agrees``.
        inputs: as in ``agrees``.
        why: as in ``agrees``.
        wrt: which argument to differentiate by.
        ulp: as in ``agrees``.
        scale: as in ``agrees``.
        dtypes: as in ``agrees``.

    Returns:
        Evidence of kind ``gradient``.

    Raises:
        ClaimFailed: the gradient is off, there is none, or ``gradcheck`` or ``gradgradcheck`` (float64, the
            first 4 points) fails; and as in ``agrees``.

    Example:
        >>> import sympy as sp, torch
        >>> from lemmata.verify import claim
        >>> x, points = sp.Symbol("x"), torch.linspace(-1, 1, 9, dtype=torch.float64)
        >>> claim("demo-tanh").gradient(torch.tanh, sp.tanh(x), [x], [points], why="one multiplication").kind
        'gradient'
    """
    scalar = isinstance(args[wrt], sp.Symbol)
    symbols = (args[wrt],) if scalar else tuple(args[wrt])
    slopes = [sp.diff(expr, s) for s in symbols]

    def slope(*values: torch.Tensor) -> torch.Tensor:
        values = tuple(v.detach().requires_grad_(i == wrt) for i, v in enumerate(values))
        try:
            (result,) = torch.autograd.grad(function(*values).sum(), values[wrt])
        except RuntimeError as error:
            raise ClaimFailed(claim.label, "a gradient", error) from error
        return result

    evidence = agrees(
        claim,
        slope,
        slopes[0] if scalar else slopes,
        args,
        inputs,
        why=why,
        ulp=ulp,
        scale=scale,
        dtypes=dtypes,
    )
    _gradcheck(claim, function, _few(args, inputs), wrt)
    by = sp.latex(symbols[0]) if scalar else rf"{sp.latex(symbols[0])},\ldots"
    return issue(
        claim.label,
        "gradient",
        rf"\mathtt{{autograd}} \approx \nabla_{{{by}}}\left({sp.latex(expr)}\right)",
        evidence.how.replace("the proved expression", "its SymPy derivative")
        + "; gradcheck and gradgradcheck pass",
        evidence.details,
        tolerance=evidence.tolerance,
        worst=evidence.worst,
        plain=f"autograd = gradient of {expr}, within {evidence.tolerance}",
    )


def _few(args: Sequence[Argument], inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The first 4 points, in float64: of the arguments that have the outermost dimension of points."""
    leading = [x.dim() - (not isinstance(a, sp.Symbol)) for a, x in zip(args, inputs, strict=True)]
    few = [x[:4] if rank == max(leading) > 0 else x for rank, x in zip(leading, inputs, strict=True)]
    return [_cast(x, torch.float64) for x in few]


def _gradcheck(
    claim: Claim, function: Callable[..., torch.Tensor], few: list[torch.Tensor], wrt: int
) -> None:
    def of_one(x: torch.Tensor) -> torch.Tensor:
        return function(*(x if i == wrt else v for i, v in enumerate(few)))

    x = few[wrt].detach().clone().requires_grad_()
    for check in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        try:
            check(of_one, (x,))
        except Exception as error:  # GradcheckError, or whatever the function's backward raises
            raise ClaimFailed(claim.label, f"{check.__name__} passes", error) from error


# --- small pieces -------------------------------------------------------------------------------------------


def _cast(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return x.to(dtype) if x.is_floating_point() else x


def _judge(
    claim: Claim,
    function: Callable[..., torch.Tensor],
    want: np.ndarray,
    points: Sequence[torch.Tensor],
    dtype: torch.dtype,
    device: str,
    ulp: float,
    scale: float,
) -> Errors:
    got = function(*(x.to(device, copy=True) for x in points))
    for what, found, needed in (("shape", tuple(got.shape), want.shape), ("dtype", got.dtype, dtype)):
        if found != needed:
            raise ClaimFailed(
                claim.label, f"{what} {needed}", f"{what} {found}", f"{_name(dtype)} on {device}"
            )
    error = errors(got, want, scale=scale)
    if not error.ulp <= ulp:
        expected = f"{mpmath.nstr(error.want, 17)} within {_tolerance(ulp, scale)}"
        at = [_at(x, error.index) for x in points]
        where = f"{_name(dtype)} on {device}, input {at}"
        raise ClaimFailed(claim.label, expected, f"{error.got!r}; worst error {error}", where)
    return error


def _at(x: torch.Tensor, index: tuple[int, ...]) -> Any:
    """The part of an input that made the output at ``index``, where its leading dimensions say so."""
    fits = x.dim() > 0 and len(index) > 0 and len(x) > index[0]
    return x[index[0]].tolist() if fits else x.tolist()


def _refuse_wide(claim: Claim, want: np.ndarray, dtype: torch.dtype, ulp: float, scale: float) -> None:
    if not want.size:
        raise ClaimFailed(claim.label, "at least one value", "none")
    if all(abs(v) <= 4 * ulp * spacing(max(abs(v), scale), dtype) for v in want.flat):
        found = (
            f"{ulp:g} ulp of {_name(dtype)} at scale {scale:g}: a quarter of every one of {want.size} values"
        )
        raise ClaimFailed(claim.label, "a tolerance that tells a result from a wrong one", found)


def _tolerance(ulp: float, scale: float) -> str:
    return f"{ulp:g} ulp" + (f" at scale {scale:g}" if scale else "")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _escape(name: str) -> str:
    return name.replace("_", r"\_")
