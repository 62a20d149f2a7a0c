"""What ranks tell each other: states, faults, and the gradients of what all of them hold."""

import sys
import zlib
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor
from torch import distributed as dist
from torch.distributed.device_mesh import DeviceMesh

from lemmata.numerics.gathering import gather
from lemmata.numerics.precision import compute_dtype

__all__ = [
    "alike",
    "all_states",
    "check_group",
    "compared",
    "device_of",
    "group_of",
    "learns",
    "local",
    "replicated",
    "unsharded",
    "whole",
]

ROOM: WeakKeyDictionary[Any, int] = WeakKeyDictionary()  # bytes of a state, agreed in a group


def check_group(group: dist.ProcessGroup | None) -> None:
    """Raise TypeError unless it is a group, or None for all ranks."""
    if not isinstance(group, dist.ProcessGroup | None):
        raise TypeError(f"group must be a ProcessGroup or None, got {type(group).__name__}")


def all_states(
    state: Callable[[], tuple[Tensor, dict[str, Any]]], group: dist.ProcessGroup | None, name: str
) -> Tensor:
    """The state of each rank, ``(world, ...)``, by one ``all_gather``; where one rank raised, all raise.

    No rank knows how large the others' states are, nor whether they have one. So every message is as long as
    the states of the call before were, and a header: where all fit they are in it. Else they follow in a
    second ``all_gather``, once the headers have said that all are alike.

    Args:
        state: makes that of this rank, and what else must be the same on all ranks.
        group: the ranks.
        name: of the public function, for errors.
    """
    fault, mine = None, torch.empty(0, device=device_of(group))
    same: dict[str, Any] = {}
    try:
        mine, same = state()
        mine = mine.detach().contiguous()
    except Exception as error:
        fault = error
    key = dist.group.WORLD if group is None else group
    room, sent = ROOM.get(key, 0), mine.flatten().view(torch.uint8)
    kind = zlib.crc32(f"{name} {same} {mine.dtype} {tuple(mine.shape)}".encode())
    header = torch.tensor([fault is not None, kind, len(sent)], device=mine.device).view(torch.uint8)
    message = F.pad(torch.cat([header, sent]), (0, room - len(sent)))
    states = _gathered(message, group, name, fault)
    headers, states = states[:, : len(header)], states[:, len(header) :]
    _raise_faults(_as(torch.int64, headers).view(len(headers), -1).tolist(), fault, name, same)
    states = states[:, : len(sent)] if len(sent) <= room else _gathered(sent, group, name, None)
    ROOM[key] = len(sent)
    return _as(mine.dtype, states).view(len(states), *mine.shape)


def _as(dtype: torch.dtype, sent: Tensor) -> Tensor:
    """Bytes as numbers; a copy, since a part of a message may begin anywhere."""
    return sent.clone(memory_format=torch.contiguous_format).flatten().view(dtype)


def _raise_faults(headers: list[list[int]], fault: Exception | None, name: str, same: Any) -> None:
    """Raise what this rank or another has raised, or that their arguments differ."""
    if fault is not None:
        raise fault
    if ranks := [str(rank) for rank, (raised, *_) in enumerate(headers) if raised]:
        raise RuntimeError(f"{name} has raised on rank {', '.join(ranks)}; see the error there")
    if ranks := [str(rank) for rank, header in enumerate(headers) if header != headers[0]]:
        here = ", ".join(f"{key} {value}" for key, value in same.items())
        raise ValueError(
            f"{name} must be called alike on all ranks: {', '.join(ranks)} differ from rank 0; here {here}"
        )


def _gathered(sent: Tensor, group: dist.ProcessGroup | None, name: str, fault: Exception | None) -> Tensor:
    """The bytes of each rank, (world, k)."""
    try:
        return torch.stack(gather(sent, group))
    except RuntimeError as error:
        here, world = dist.get_rank(group), dist.get_world_size(group)
        raise RuntimeError(
            f"{name} on rank {here} of {world}: another rank has died, or is later than the timeout"
        ) from (fault or error)


def device_of(group: dist.ProcessGroup | None) -> torch.device:
    """Where tensors lie that a group sends."""
    on_gpu = dist.get_backend(group) == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")


# --------------------------------------------------------------------------- what all ranks hold


def replicated(x: Any, group: dist.ProcessGroup | None) -> Any:
    """``x``, which is the same on all ranks: its gradient is the sum of what each rank contributes."""
    return _Replicated.apply(x, group) if isinstance(x, Tensor) and x.requires_grad else x


def learns(**given: Any) -> dict[str, Any]:
    """The shapes of those whose gradient all ranks will make together."""
    learning = {name: v for name, v in given.items() if isinstance(v, Tensor) and v.requires_grad}
    return {f"gradient of {name}": tuple(value.shape) for name, value in learning.items()}


def compared(x: Any) -> Any:
    """What ranks can compare of a number or tensor: it, or a check sum; for a GPU nobody waits."""
    if not isinstance(x, Tensor):
        return float(x)
    if x.device.type != "cpu":
        return "a tensor"
    sent = x.detach().flatten().contiguous().view(torch.uint8)
    return f"a tensor with check sum {zlib.crc32(sent.numpy().tobytes()):08x}"


class _Replicated(torch.autograd.Function):
    """Identity; backward is a sum over the ranks."""

    @staticmethod
    def forward(x, group):
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.group = inputs[1]

    @staticmethod
    def backward(ctx, g):
        return _Summed.apply(g, ctx.group), None


class _Summed(torch.autograd.Function):
    """The sum over the ranks, which all of them hold; backward is the identity."""

    @staticmethod
    def forward(x, group):
        total = x.to(compute_dtype(x)).clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total.to(x.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.group = inputs[1]

    @staticmethod
    def backward(ctx, g):
        return _Replicated.apply(g, ctx.group), None


# --------------------------------------------------------------------------- DTensors


def _is_dtensor(value: Any) -> bool:
    """Whether it is one; to import the class would take a second where nobody has."""
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(value, module.DTensor)


def group_of(value: Any, group: dist.ProcessGroup | None) -> dist.ProcessGroup | None:
    """The ranks that a DTensor lies on, or those that were named."""
    check_group(group)
    return value.device_mesh.get_group() if _is_dtensor(value) and value.device_mesh.ndim == 1 else group


def local(name: str, value: Any, dim: int) -> tuple[Any, DeviceMesh | None, tuple[int, int, int] | None]:
    """A tensor as it is; of a DTensor sharded along ``dim`` this rank's part, the mesh, and what it holds.

    That is start, stop and number of classes.
    """
    if not _is_dtensor(value):
        return value, None, None
    mesh, axis = value.device_mesh, dim % max(1, value.dim())
    if mesh.ndim != 1 or not value.placements[0].is_shard(axis):
        raise ValueError(f"{name} must be sharded along axis {axis} of one mesh, got {value.placements}")
    part, classes, world = value.to_local(), value.shape[axis], mesh.size()
    step = -(-classes // world)  # as torch.chunk cuts
    start, stop = (min(classes, (mesh.get_local_rank() + k) * step) for k in (0, 1))
    if part.shape[axis] != stop - start:
        raise ValueError(f"{name} must be cut as torch.chunk does, got {part.shape[axis]} classes here")
    return part, mesh, (start, stop, classes)


def unsharded(name: str, value: Any) -> Any:
    """A tensor or number as it is; a DTensor that all ranks hold as a tensor."""
    if not _is_dtensor(value):
        return value
    if not all(placement.is_replicate() for placement in value.placements):
        raise ValueError(f"{name} must be the same on all ranks, got a DTensor with {value.placements}")
    return value.to_local()


def alike(name: str, value: Any, mesh: DeviceMesh | None, dim: int = -1) -> Any:
    """What lies beside the scores: this rank's part of a DTensor on their mesh, or what is at hand."""
    if _is_dtensor(value) and mesh is None:
        raise ValueError(f"{name} must be a tensor where the scores are, got a DTensor")
    return local(name, value, dim)[0]


def whole(value: Tensor, given: Any) -> Tensor:
    """A result that all ranks hold; a DTensor where that was given one."""
    if not _is_dtensor(given):
        return value
    from torch.distributed.tensor import DTensor, Replicate

    return DTensor.from_local(value, given.device_mesh, [Replicate()], run_check=False)
