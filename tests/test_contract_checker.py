"""Each promise can be broken: small functions that break one, and are refused for it."""

import pytest
import torch
from contract import (
    Row,
    arguments,
    autocast,
    check,
    checkpoint,
    compiles,
    detached,
    dtypes,
    each,
    empty,
    exports,
    fake,
    fills,
    finite,
    forward,
    gradients,
    infinite,
    meta,
    nan,
    numbers,
    one,
    pickles,
    promises,
    scalars,
    second,
    seeds,
    strided,
    untouched,
    vmap,
)
from helpers import seeded
from torch import Tensor


def row(call, **options):
    return Row(call, lambda draw: dict(x=draw.normal(3, 4)), **options)


# ------------------------------------------------------------------- functions that break a promise


def sound(x: Tensor) -> Tensor:
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError(f"x must be a floating tensor, got {type(x).__name__}")
    return x.sin() * 2


def takes_lists(x: Tensor):
    return torch.as_tensor(x) * 2


def names_another(x: Tensor):
    if not isinstance(x, Tensor):
        raise TypeError("y must be a tensor")
    return x * 2


def wants_a_float(x: Tensor, k: float):
    if type(k) is not float:
        raise TypeError(f"k must be a float, got {type(k).__name__}")
    return x * k


class Held:
    def __init__(self, x: Tensor):
        self.x, self.function = x, lambda: 0


def uses_the_global_generator(x: Tensor, generator: torch.Generator):
    return x + torch.rand(3, 4)


def ignores_the_generator(x: Tensor, generator: torch.Generator):
    return x + 1


def forgets_the_global_generator(x: Tensor, generator: torch.Generator):
    return x + torch.rand(3, 4, generator=generator or seeded())


def widens(x: Tensor):
    return x.double()


def rounds(x: Tensor):
    return x if x.dtype == torch.float64 else x.bfloat16().to(x.dtype)


def writes(x: Tensor):
    x.detach().mul_(2)
    return x * 1


def writes_back(x: Tensor):
    x.detach().add_(1).sub_(1)
    return x * 1


def reads_storage(x: Tensor):
    return x.as_strided((3, 4), (4, 1)).sin()


def multiplies(x: Tensor):
    return x @ torch.ones(4, 4, dtype=x.dtype)


def hides_nan(x: Tensor):
    return x.nan_to_num()


def spreads_nan(x: Tensor):
    return x + 0 * x.sum()


def spreads_infinity(x: Tensor):
    return x + x.isinf().any()


def wants_rows(x: Tensor):
    return x - x.detach().max()


def looks_at_other_rows(x: Tensor):
    return x - x.mean(0)


def branches(x: Tensor):
    return x.sin() if x.sum() > 0 else x.cos()


def reads(x: Tensor):
    return x * (1 if x.sum().tolist() < 9 else 2)


class Square(torch.autograd.Function):
    """The square, with derivatives that are wrong as its last argument says."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, fault):
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.fault = inputs[1]
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return (3 if ctx.fault == "slope" else 2) * grad * (x.detach() if ctx.fault == "bend" else x), None

    @staticmethod
    def jvp(ctx, tangent, _):
        (x,) = ctx.saved_tensors
        return (3 if ctx.fault == "forward" else 2) * tangent * x


def wrong_slope(x: Tensor):
    return Square.apply(x, "slope")


def wrong_bend(x: Tensor):
    return Square.apply(x, "bend")


def wrong_in_forward_mode(x: Tensor):
    return Square.apply(x, "forward")


def nan_slope_at_0(x: Tensor):
    return x.square().sqrt()


def nan_bend_at_0(x: Tensor):
    return torch.where(x == 0, x * 0, x.abs().pow(1.5) * x.sign())


def copies(x: Tensor, generator: torch.Generator):
    return torch.rand_like(x)


def draw_too(draw):
    return dict(x=draw.normal(3, 4), generator=seeded())


DRAWS = (uses_the_global_generator, ignores_the_generator, forgets_the_global_generator)
FAULTS = [
    (arguments, row(takes_lists)),
    (arguments, row(names_another)),
    (arguments, row(sound, unnamed=dict(x="list"))),
    (numbers, Row(wants_a_float, lambda draw: dict(x=draw.normal(3, 4), k=0.5))),
    (scalars, row(sound, scalars=dict(x=0.5))),
    (pickles, row(Held)),
    (checkpoint, row(sound, checkpoint=True)),
    *((seeds, Row(call, draw_too)) for call in DRAWS),
    (dtypes, row(widens)),
    (dtypes, row(rounds)),
    (untouched, row(writes)),
    (untouched, row(writes_back)),
    (strided, row(reads_storage)),
    (autocast, row(multiplies)),
    (nan, row(hides_nan)),
    (nan, row(spreads_nan)),
    (infinite, row(spreads_infinity)),
    (empty, row(wants_rows)),
    (one, row(looks_at_other_rows)),
    (vmap, row(branches)),
    (compiles, row(branches)),
    (exports, row(branches)),
    (fake, row(reads)),
    (meta, row(reads)),
    (gradients, row(wrong_slope)),
    (gradients, row(wrong_in_forward_mode)),
    (second, row(wrong_bend)),
    (forward, row(wrong_in_forward_mode)),
    (finite, row(nan_slope_at_0)),
    (finite, row(nan_bend_at_0)),
    (detached, row(sound, differentiable=False)),
    (fills, Row(copies, draw_too, fills=True)),
]


@pytest.mark.parametrize(
    ("promise", "row"), FAULTS, ids=lambda v: v.name if isinstance(v, Row) else v.__name__
)
def test_a_broken_promise_is_refused(promise, row):
    with pytest.raises(Exception):  # noqa: B017 (torch refuses with errors of its own)
        check(row, promise)


@each([row(sound)])
def test_a_sound_function_keeps_all_promises(row, promise):
    check(row, promise)


# ------------------------------------------------------------------- words


def test_a_word_for_a_promise_that_is_kept_must_go():
    check(row(branches, no={"compiles": "looks at its values"}), compiles)
    with pytest.raises(AssertionError, match=r"sound keeps its promise \(compiles\), though .* looks at its"):
        check(row(sound, no={"compiles": "looks at its values"}), compiles)


def test_what_fails_today_is_an_expected_failure_with_its_reason():
    marked = each([row(branches, today={"compiles": "FAULTS L9"})])
    marks = [mark for case in marked.mark.args[1] if case.id == "compiles-branches" for mark in case.marks]
    assert [(mark.name, mark.kwargs) for mark in marks] == [
        ("xfail", {"reason": "FAULTS L9", "strict": True})
    ]


def test_a_word_that_is_no_promise_is_refused():
    with pytest.raises(AssertionError, match="no such promise as"):
        each([row(sound, no={"compile": "a slip"})])


def test_each_promise_is_broken_by_some_function_here():
    every = {p for _, r in FAULTS for p in promises(r)} | {promise for promise, _ in FAULTS}
    assert {promise.__name__ for promise in every} - {promise.__name__ for promise, _ in FAULTS} == {"cuda"}
