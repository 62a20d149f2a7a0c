"""Promises about derivatives: right in every mode and of two orders, and never NaN."""

from functools import partial

import torch
from helpers import F64, INF
from torch.autograd import gradcheck, gradgradcheck

from .rows import each_data, is_data, leaves, of_data, run, weighted


def gradients(row):
    """First derivatives are those of differences, in reverse and forward mode, and batched."""
    function, data = of_data(row, leaves(row.arguments())[0])
    assert gradcheck(function, data, check_forward_ad=True, check_batched_grad=True, fast_mode=True)


def second(row):
    """Second derivatives are those of differences of the first."""
    function, data = of_data(row, leaves(row.arguments())[0])
    assert gradgradcheck(function, data, fast_mode=True)


def forward(row):
    """Forward mode over forward, over reverse, and under it, gives the Hessian of reverse over reverse."""
    function, data = of_data(row, row.arguments())
    moves = tuple(torch.linspace(-1, 1, x.numel(), dtype=F64).view(x.shape) for x in data)
    grad = partial(torch.func.grad, argnums=tuple(range(len(data))))

    def total(*data):
        return weighted(function(*data))

    def along(slopes):
        return sum((slope * move).sum() for slope, move in zip(slopes, moves, strict=True))

    def by_reverse(*data):
        return along(grad(total)(*data))

    def by_forward(*data):
        return torch.func.jvp(total, data, moves)[1]

    slope, curve = grad(total)(*data), grad(by_reverse)(*data)
    for one, other in zip(grad(by_forward)(*data), curve, strict=True):
        _assert_near(one, other, *curve)
    for inner in (by_reverse, by_forward):
        moved, bent = torch.func.jvp(inner, data, moves)
        _assert_near(moved, along(slope), *slope)
        _assert_near(bent, along(curve), *curve)


def _assert_near(actual, expected, *terms):
    """Equal up to what rounding leaves of a sum of such terms."""
    size = sum(term.abs().sum() for term in terms).item()
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-11 * size)


def detached(row):
    """No result asks for a gradient."""
    assert not any(result.requires_grad for result in run(row, leaves(row.arguments())[0]))


FAR = (0.0, 1.0, -1.0, 1e-30, 1e30, -1e30, INF, -INF)
ROOTS = (1e15, -1e15)  # whose squares float32 has


def finite(row):
    """No derivative of either order is NaN where the value is not: at ties, at zeros, at huge numbers."""
    for dtype in (F64, torch.float32):
        for arguments in [row.arguments(), *_points(row)]:
            try:
                _assert_no_nan(row, each_data(arguments, lambda x, dtype=dtype: x.to(dtype)))
            except ValueError as error:  # the function looks at its values
                if not any(name in str(error) for name in row.data):
                    raise


def _points(row):
    """The row's own awkward points, and all data in turn filled with one number, or with it at one entry."""
    for point in row.points:
        yield {**row.arguments(), **point}
    for name in row.data:
        for value in (*FAR, *(ROOTS if row.multiplies else ())):
            if name in row.bounded and abs(value) == INF:
                continue
            x = row.arguments()[name]
            yield {**row.arguments(), name: torch.full_like(x, value)}
            if x.numel() > 1:
                x = x.clone()
                x.view(-1)[0] = value
                yield {**row.arguments(), name: x}


def _assert_no_nan(row, arguments):
    arguments, data = leaves(arguments)
    results = [result for result in run(row, arguments) if is_data(result)]
    if any(result.isnan().any() for result in results):
        return
    first = torch.autograd.grad(weighted(results), data, create_graph=True, allow_unused=True)
    first = [slope for slope in first if slope is not None]
    assert not any(slope.isnan().any() for slope in first), f"the gradient of {arguments} is {first}"
    if row.multiplies and any((x.square() == INF).any() for x in data):
        return  # a second derivative has the square, and its rounding decides whether it cancels
    total = weighted(slope for slope in first if slope.requires_grad)
    if isinstance(total, torch.Tensor):
        again = torch.autograd.grad(total, data, allow_unused=True)
        assert not any(bend.isnan().any() for bend in again if bend is not None), f"{arguments}: {again}"
