"""Every call into torch that its documentation does not promise: the next upgrade of torch is one diff."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

__all__ = [
    "apply",
    "batch_first",
    "forward_mode",
    "has_values",
    "is_wrapped",
    "readable",
    "standard_gamma",
    "transforming",
]


def forward_mode() -> bool:
    """Whether forward-mode differentiation is under way (``torch.func.jvp``, ``forward_ad.dual_level``)."""
    return bool(torch.autograd.forward_ad._current_level >= 0)


def apply(function: type[torch.autograd.Function], plain: Callable[..., Any], *arguments: Any) -> Any:
    """``function.apply``; in forward mode the plain operations, which must compute the same.

    torch loses nested tangents in a Function (pytorch#197867).
    """
    return plain(*arguments) if forward_mode() else function.apply(*arguments)


def is_wrapped(*values: Tensor) -> bool:
    """Whether a ``torch.func`` transform, or ``is_grads_batched=True``, holds one of the tensors."""
    functorch = torch._C._functorch
    return any(
        functorch.is_functorch_wrapped_tensor(x) or functorch.is_legacy_batchedtensor(x) for x in values
    )


def transforming() -> bool:
    """Whether a ``torch.func`` transform is under way, whatever it holds."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def readable(value: Tensor) -> bool:
    """Whether there are values, and to look at them waits for no device and breaks no graph, no transform."""
    return value.device.type == "cpu" and has_values(value)


def has_values(value: Tensor) -> bool:
    """Whether there are values, on whatever device, and to look at them breaks no graph and no transform."""
    if value.is_meta or torch.compiler.is_compiling():
        return False
    return not is_wrapped(value) and not isinstance(value, FakeTensor)


def batch_first(value: Any, dim: int | None, size: int) -> Any:
    """An argument of a vmapped Function with the mapped axis in front; what is no tensor stays."""
    if not isinstance(value, Tensor):
        return value
    return value.expand(size, *value.shape) if dim is None else value.movedim(dim, 0)


def standard_gamma(shape: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draws from Gamma(shape, 1); ``torch.distributions`` takes no generator."""
    return torch._standard_gamma(shape, generator=generator)
