"""A row of the table, and what the promises ask of it."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from helpers import F64, Draw
from torch import Tensor

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A function, arguments that it takes, and what it does not promise.

    Floating tensors are the *data*: drawn in float64, tried in other types, and differentiated. They and the
    other tensors are *rows* side by side, along axis 0 of the result, unless the row says otherwise.
    """

    call: Callable[..., Any]
    inputs: Callable[[Draw], Arguments]
    case: str = ""  #: tells rows of one function apart
    stands_for: str = ""  #: the public name, where a method or a module is called by a function of the test
    axis: int = 0  #: along which the rows lie in the arguments
    shared: tuple[str, ...] = ()  #: tensors that belong to no row
    rows: bool = True  #: False where all data makes one number
    differentiable: bool = True
    programs: bool = True  #: False for objects of Python, and where another row has the program
    machine_code: bool = False  #: compiled for the processor as well, in tests/test_machine_code.py
    fills: bool = False  #: the result is the first argument, filled with random numbers
    results: tuple[torch.dtype | None, ...] = (None,)  #: of each tensor in the result; None: that of the data
    roundings: float = 64  #: of the largest result, that a dtype or another order of operations may cost
    points: tuple[Mapping[str, Any], ...] = ()  #: awkward arguments, where no derivative may be NaN
    bounded: tuple[str, ...] = ()  #: data that must be finite
    multiplies: bool = False  #: data are multiplied: of what has no square there is no second derivative
    scalars: Mapping[str, float] = field(default_factory=dict)  #: tensors that may be Python numbers
    checkpoint: bool = False  #: the result has a state that a killed pass over data resumes from
    takes: Mapping[str, str] = field(default_factory=dict)  #: by argument, kinds that are right here
    wrong: Mapping[str, Iterable[Any]] = field(default_factory=dict)  #: by argument, more values that are not
    no: Mapping[str, str] = field(default_factory=dict)  #: by promise, why it is not made
    today: Mapping[str, str] = field(default_factory=dict)  #: by promise, the fault
    unnamed: Mapping[str, str] = field(default_factory=dict)  #: by argument, wrong kinds taken today

    @property
    def function(self) -> str:
        return self.stands_for or self.call.__qualname__

    @property
    def name(self) -> str:
        return f"{self.function}.{self.case}" if self.case else self.function

    def __repr__(self) -> str:
        return self.name

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.call, eval_str=True).parameters

    def arguments(self, seed: int = 0) -> Arguments:
        return self.inputs(Draw(seed))

    @property
    def data(self) -> tuple[str, ...]:
        """The names of the floating tensors."""
        return tuple(name for name, value in self.arguments().items() if is_data(value))


def is_data(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def run(row: Row, arguments: Arguments) -> tuple[Tensor, ...]:
    """Call the function, its generator at the start, and list the tensors of the result."""
    return tensors(row.call(**at_the_start(arguments)))


def at_the_start(arguments: Arguments) -> Arguments:
    for value in arguments.values():
        if isinstance(value, torch.Generator):
            value.manual_seed(1)
    return arguments


def tensors(result: Any) -> tuple[Tensor, ...]:
    """The tensors of a result: itself, or those that a tuple or an object holds; a number is one, too."""
    if isinstance(result, Tensor):
        return (result,)
    if isinstance(result, int | float):
        return (torch.tensor(float(result), dtype=F64),)
    if isinstance(result, tuple | list):
        return tuple(tensor for value in result for tensor in tensors(value))
    held = (value for value in getattr(result, "__dict__", {}).values() if not isinstance(value, int | float))
    return tuple(tensor for value in held for tensor in tensors(value))


def each_tensor(
    arguments: Arguments, change: Callable[[Tensor], Tensor], but: tuple[str, ...] = ()
) -> Arguments:
    """The arguments with every tensor changed, but for those named."""
    return {
        name: change(value) if isinstance(value, Tensor) and name not in but else value
        for name, value in arguments.items()
    }


def each_data(arguments: Arguments, change: Callable[[Tensor], Tensor]) -> Arguments:
    """The arguments with every floating tensor changed."""
    return {name: change(value) if is_data(value) else value for name, value in arguments.items()}


def slopes(row: Row, results: Iterable[Tensor], data: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """The gradients of the weighted sum of the results; none where the row has none."""
    if not row.differentiable or row.fills:
        return ()
    return torch.autograd.grad(weighted(filter(is_data, results)), tuple(data))


def leaves(arguments: Arguments) -> tuple[Arguments, list[Tensor]]:
    """The arguments with fresh leaves for data, and these."""
    arguments = each_data(arguments, lambda x: x.detach().clone().requires_grad_())
    return arguments, [value for value in arguments.values() if is_data(value)]


def of_data(row: Row, arguments: Arguments) -> tuple[Callable[..., tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """The row as a function of its data alone, which gives its floating results; and that data."""
    names = row.data

    def function(*data: Tensor) -> tuple[Tensor, ...]:
        results = run(row, {**arguments, **dict(zip(names, data, strict=True))})
        return tuple(result for result in results if is_data(result))

    return function, tuple(arguments[name] for name in names)


def weighted(values: Iterable[Tensor]) -> Tensor:
    """One number of many, with weights between 1 and 2 so that no symmetry hides a fault."""
    total: Any = 0
    for value in values:
        weights = torch.linspace(1, 2, value.numel(), dtype=F64, device=value.device).to(value.dtype)
        total = total + (value * weights.view(value.shape)).sum()
    return total


def assert_same(row: Row, actual: Iterable[Tensor], expected: Iterable[Tensor], eps: float = 2**-52) -> None:
    """Equal up to the row's roundings of the largest entry; infinities and NaN in the same places."""
    close = row.roundings * eps
    for one, other in zip(actual, expected, strict=True):
        finite = other.detach()[other.isfinite()].double().abs()
        size = finite.max().item() if finite.numel() else 0.0
        torch.testing.assert_close(one, other, rtol=close, atol=close * size, equal_nan=True)
