"""The implementation against the oracle: values and gradients, in every dtype and on every device."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
import sympy as sp
import torch

from .adaptive import Inexact
from .comparison import allowed
from .evidence import Claim, ClaimFailed, Evidence, issue
from .oracle import Argument, Errors, errors, oracle, spacing
from .outcome import NotDecided, Refuted
from .timing import TimeLimit, within_time

__all__ = ["DTYPES", "agrees", "devices", "gradient"]

SECONDS = 20.0  # for the oracle, in all dtypes together

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
    not that of its input; the oracle takes the rounded inputs as exact, and gives 50 digits. Required:

    .. math:: |\text{got} - \text{want}| \le
        \text{ulp} \cdot \text{spacing}(\max(|\text{want}|, \text{scale}))

    Args:
        function: of tensors; its last dimension is consumed where ``args`` names a sequence of symbols. Its
            result must have the dtype of its floating inputs.
        expr: the SymPy expression (or a sequence of them, for a function that returns a vector).
        args: the symbols of each argument, as in ``oracle``.
        inputs: a float64, integer or bool tensor for each argument, with leading dimensions for the points,
            all within the assumptions of its symbols (in every dtype: 1e-9 is 0 in float16). Only floating
            tensors are cast to the dtype under test; at least one must be floating.
        why: why this tolerance; it is printed.
        ulp: the tolerance, in units of the last place of the output's dtype.
        scale: magnitude below which values are judged at ``scale`` (where cancellation is inherent). Most
            values must be large beside the tolerance that it gives.
        dtypes: which to test.

    Returns:
        Evidence of kind ``agrees``.

    Raises:
        ClaimFailed: the worst error exceeds the tolerance (it names the input), the result has another shape
            or dtype, there is no value to compare, the tolerance is so wide (a quarter of every value, or,
            in the finest dtype, of more than a quarter of them) that a wrong function could pass, or the
            oracle could not be evaluated to 50 digits, in 20 seconds.
        ValueError: no dtype, no floating input, an input outside the assumptions of its symbol, or no reason
            for the tolerance.

    Example:
        >>> import sympy as sp, torch
        >>> from lemmata.verify import claim
        >>> x, points = sp.Symbol("x"), torch.linspace(0.1, 2, 9, dtype=torch.float64)
        >>> claim("demo-log1p").agrees(torch.log1p, sp.log(1 + x), [x], [points], why="one rounding").kind
        'agrees'
    """
    name = getattr(function, "__name__", "implementation").replace("<lambda>", "implementation")
    return issue(
        claim.label,
        "agrees",
        rf"\mathtt{{{_escape(name)}}} \approx {sp.latex(expr)}",
        plain=f"{name} = {expr}, within {_tolerance(ulp, scale)}",
        **_compared(claim, function, expr, args, inputs, why, ulp, scale, dtypes, "the proved expression"),
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
        function: of tensors, returning one value per leading index of the input that is differentiated
            (``reduction="none"``), which depends on no other index: the values are weighted at random.
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
        ClaimFailed: the gradient is off, there is none, the values have another shape, or ``gradcheck`` or
            ``gradgradcheck`` (float64, the first 4 points) fails; and as in ``agrees``.

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
        x = values[wrt]
        shape = x.shape if scalar else x.shape[:-1]
        result = function(*values)
        if result.shape != shape:
            raise ClaimFailed(claim.label, f"values of shape {tuple(shape)}", f"shape {tuple(result.shape)}")
        weights = _weights(result)
        try:
            (found,) = torch.autograd.grad((weights * result).sum(), x)
        except RuntimeError as error:
            raise ClaimFailed(claim.label, "a gradient", error) from error
        return found / (weights if scalar else weights[..., None])

    expression = slopes[0] if scalar else slopes
    compared = _compared(
        claim, slope, expression, args, inputs, why, ulp, scale, dtypes, "its SymPy derivative"
    )
    _gradcheck(claim, function, _few(args, inputs), wrt)
    compared["how"] += "; gradcheck and gradgradcheck pass"
    by = sp.latex(symbols[0]) if scalar else rf"{sp.latex(symbols[0])},\ldots"
    return issue(
        claim.label,
        "gradient",
        rf"\mathtt{{autograd}} \approx \nabla_{{{by}}}\left({sp.latex(expr)}\right)",
        plain=f"autograd = gradient of {expr}, within {_tolerance(ulp, scale)}",
        **compared,
    )


def _weights(values: torch.Tensor) -> torch.Tensor:
    """A weight for each sample, exact to divide by: what leaks from one into another does not cancel."""
    chosen = random.Random(4)  # its first two differ
    weights = [chosen.choice((-2.0, -1.0, 1.0, 2.0)) for _ in range(values.numel())]
    return torch.tensor(weights, dtype=values.dtype, device=values.device).reshape(values.shape)


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


# --- one comparison -----------------------------------------------------------------------------------------


def _compared(
    claim: Claim,
    function: Callable[..., torch.Tensor],
    expr: Any,
    args: Sequence[Argument],
    inputs: Sequence[torch.Tensor],
    why: str,
    ulp: float,
    scale: float,
    dtypes: Sequence[torch.dtype],
    truth: str,
) -> dict[str, Any]:
    """The function against the oracle in every dtype: what the evidence says of it."""
    if not dtypes or not why.strip() or not any(x.is_floating_point() for x in inputs):
        raise ValueError("agrees needs at least one dtype, one floating input and a reason why")
    rounded = [[_cast(x, dtype) for x in inputs] for dtype in dtypes]
    for points, dtype in zip(rounded, dtypes, strict=True):
        _refuse_strangers(args, points, dtype)
    exact = oracle(expr, *args)
    wanted = _in_time(claim, lambda: [exact(*points) for points in rounded])
    worst: list[Errors] = []
    for dtype, points, want in zip(dtypes, rounded, wanted, strict=True):
        finest = dtype == min(dtypes, key=lambda d: torch.finfo(d).eps)
        _refuse_wide(claim, want, dtype, ulp, scale, finest)
        found = [_judge(claim, function, want, points, dtype, device, ulp, scale) for device in devices()]
        worst.append(max(found, key=lambda error: error.ulp))
    where, names = ", ".join(devices()), [_name(dtype) for dtype in dtypes]
    how = f"{wanted[-1].size} values in {', '.join(names)} within {_tolerance(ulp, scale)} of {truth}"
    return {
        "how": f"{how} at 50 digits; why: {why}",
        "details": tuple(
            f"{name}: worst error {error} on {where}" for name, error in zip(names, worst, strict=True)
        ),
        "tolerance": _tolerance(ulp, scale),
        "worst": f"{max(worst, key=lambda error: error.ulp)} on {where}",
    }


def _in_time(claim: Claim, work: Callable[[], list[np.ndarray]]) -> list[np.ndarray]:
    """The oracle's numbers; ``NotDecided`` where they are not known to 50 digits, or not in time."""
    try:
        return within_time(SECONDS, work)
    except Inexact as error:
        found: object = error
    except TimeLimit:
        found = f"none in {SECONDS:g} s"
    raise NotDecided(claim.label, "a value of the oracle to 50 digits at each point", found)


def _refuse_strangers(args: Sequence[Argument], points: Sequence[torch.Tensor], dtype: torch.dtype) -> None:
    """ValueError for a number that its symbol is assumed not to be."""
    for argument, x in zip(args, points, strict=True):
        scalar = isinstance(argument, sp.Symbol)
        columns = [x] if scalar else x.unbind(-1)
        for symbol, column in zip([argument] if scalar else argument, columns, strict=True):
            for number in column.unique().tolist():
                if not allowed(_sympy(number), symbol):
                    found = f"{symbol} = {number!r} in {_name(dtype)}, but it is assumed to be"
                    raise ValueError(f"inputs must fit their symbols, got {found} {symbol._assumptions_orig}")


def _sympy(number: float) -> sp.Expr:
    return sp.Rational(number) if math.isfinite(number) else sp.Float(number)


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
        want_shown, got_shown = _shown(error)
        at = [_at(x, error.index) for x in points]
        where = f"{_name(dtype)} on {device}, input {at}"
        expected = f"{want_shown} within {_tolerance(ulp, scale)}"
        raise Refuted(claim.label, expected, f"{got_shown}; worst error {error}", where)
    return error


def _shown(error: Errors) -> tuple[str, str]:
    """What is right and what came, with the digits that tell them apart."""
    for digits in (17, 34, 51):
        shown = mpmath.nstr(error.want, digits), mpmath.nstr(mpmath.mpf(error.got), digits)
        if shown[0] != shown[1]:
            break
    return shown


def _at(x: torch.Tensor, index: tuple[int, ...]) -> Any:
    """The part of an input that made the output at ``index``, where its leading dimensions say so."""
    fits = x.dim() > 0 and len(index) > 0 and len(x) > index[0]
    return x[index[0]].tolist() if fits else x.tolist()


def _refuse_wide(
    claim: Claim, want: np.ndarray, dtype: torch.dtype, ulp: float, scale: float, finest: bool
) -> None:
    """The tolerance must be below a quarter of some value, and of most values in the finest dtype."""
    if not want.size:
        raise NotDecided(claim.label, "at least one value", "none")
    sizes = [abs(v) for v in want.flat]
    wide = [mpmath.isfinite(v) and v <= 4 * ulp * spacing(max(v, scale), dtype) for v in sizes]
    normal = [w for w, v in zip(wide, sizes, strict=True) if v >= torch.finfo(dtype).tiny]
    if finest and not any(v <= torch.finfo(dtype).max for v in sizes):
        raise NotDecided(claim.label, f"a value that is finite in {_name(dtype)}", f"none of {want.size}")
    if all(wide) or (finest and sum(normal) > len(normal) / 4):
        found = f"{ulp:g} ulp of {_name(dtype)} at scale {scale:g}: a quarter of every one of"
        found = f"{found} {sum(wide)} values, of {want.size}"
        raise NotDecided(claim.label, "a tolerance that tells a result from a wrong one", found)


def _tolerance(ulp: float, scale: float) -> str:
    return f"{ulp:g} ulp" + (f" at scale {scale:g}" if scale else "")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _escape(name: str) -> str:
    return name.replace("_", r"\_")
