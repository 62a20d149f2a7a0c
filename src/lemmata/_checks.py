"""What the public functions ask of their arguments, and the reductions they share."""

import torch
from torch import Tensor

__all__ = [
    "broadcast",
    "check_axis",
    "check_floating",
    "check_reduction",
    "check_scores",
    "check_shape",
    "check_sharpness",
    "check_size",
    "check_unit_interval",
    "compute_dtype",
    "is_wrapped",
    "readable",
    "reduce_rows",
]

FLOATING = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def check_floating(name: str, value: Tensor) -> None:
    """Raise TypeError unless ``value`` is a tensor of real floating point."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if value.dtype not in FLOATING:
        raise TypeError(f"{name} must be float64, float32, bfloat16 or float16, got {value.dtype}")


def check_axis(name: str, value: Tensor, dim: int) -> int:
    """``dim`` counted from the front; raise unless ``value`` is floating point and has entries along it."""
    check_floating(name, value)
    if not isinstance(dim, int) or isinstance(dim, bool):
        raise TypeError(f"dim must be an int, got {type(dim).__name__}")
    if not -value.dim() <= dim < value.dim():
        raise ValueError(f"dim must be an axis of {name} of shape {tuple(value.shape)}, got {dim}")
    if value.shape[dim] == 0:
        shape = tuple(value.shape)
        raise ValueError(f"{name} must have at least one entry along dim {dim}, got shape {shape}")
    return dim % value.dim()


def check_scores(input: Tensor) -> None:
    """Raise TypeError unless ``input`` is real floating point, ValueError if it has no axis of classes."""
    check_floating("input", input)
    if input.dim() == 0:
        raise ValueError("input must have a last axis of classes (..., C), got a scalar")


def check_shape(name: str, value: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless ``value`` has this shape, which ``input`` asks for."""
    if tuple(value.shape) != tuple(shape):
        raise ValueError(f"{name} must have shape {tuple(shape)} beside input, got {tuple(value.shape)}")


def broadcast(name: str, value: Tensor, shape: tuple[int, ...]) -> Tensor:
    """``value`` expanded to ``shape``; ValueError where it does not fit."""
    sizes = zip(reversed(value.shape), reversed(shape), strict=False)
    if value.dim() > len(shape) or any(v not in (1, s) for v, s in sizes):
        raise ValueError(f"{name} must broadcast to {tuple(shape)}, got {tuple(value.shape)}")
    return value.expand(shape)


def check_size(name: str, value: int) -> None:
    """Raise TypeError unless ``value`` is an int, ValueError if it is negative."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, got {type(value).__name__}")
    if value < 0:
        raise ValueError(f"{name} must be at least 0, got {value}")


def check_sharpness(sharpness: float) -> None:
    """Raise TypeError unless ``sharpness`` is a number, ValueError unless it is in (0, inf]."""
    if isinstance(sharpness, bool) or not isinstance(sharpness, int | float):
        raise TypeError(f"sharpness must be a number, got {type(sharpness).__name__}")
    if not sharpness > 0:
        raise ValueError(f"sharpness must be positive (inf gives the hard operation), got {sharpness}")


def check_reduction(reduction: str) -> None:
    """Raise ValueError unless ``reduction`` is one that torch's losses know."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"reduction must be 'none', 'mean' or 'sum', got {reduction!r}")


def check_unit_interval(name: str, value: Tensor) -> None:
    """Raise ValueError unless all of ``value`` is in [0, 1] (integers: 0 or 1), where that can be read."""
    if value.dtype != torch.bool and value.numel() and readable(value):
        low, high = (bound.item() for bound in torch.aminmax(value))
        if not (low >= 0 and high <= 1):
            raise ValueError(f"{name} must be in [0, 1], got values from {low} to {high}")


def is_wrapped(*values: Tensor) -> bool:
    """Whether a ``torch.func`` transform, or ``is_grads_batched=True``, holds one of the tensors."""
    functorch = torch._C._functorch
    return any(
        functorch.is_functorch_wrapped_tensor(x) or functorch.is_legacy_batchedtensor(x) for x in values
    )


def readable(value: Tensor) -> bool:
    """Whether looking at the values waits for no device and breaks no compiled graph and no transform."""
    return value.device.type == "cpu" and not torch.compiler.is_compiling() and not is_wrapped(value)


def compute_dtype(value: Tensor) -> torch.dtype:
    """The type sums are made in: float64 stays, all else is float32."""
    return torch.float64 if value.dtype == torch.float64 else torch.float32


def reduce_rows(rows: Tensor, reduction: str, count: Tensor | None = None) -> Tensor:
    """``rows`` as they are, their sum, or their mean; of ``count`` rows where only some of them count."""
    if reduction == "none":
        return rows
    if reduction == "sum":
        return rows.sum()
    return rows.mean() if count is None or rows.numel() == 0 else rows.sum() / count
