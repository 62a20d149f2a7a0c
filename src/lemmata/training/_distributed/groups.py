"""What ranks tell each other: states, faults, and the gradients of what all of them hold."""

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.device_mesh import DeviceMesh

from lemmata.numerics.gathering import gather
from lemmata.numerics.precision import compute_dtype

__all__ = ["alike", "all_states", "check_group", "local", "replicated", "unsharded", "whole"]


def check_group(group: dist.ProcessGroup | None) -> None:
    """Raise TypeError unless it is a group, or None for all ranks."""
    if not isinstance(group, dist.ProcessGroup | None):
        raise TypeError(f"group must be a ProcessGroup or None, got {type(group).__name__}")


def all_states(
    state: Callable[[], Tensor], like: Tensor, group: dist.ProcessGroup | None, name: str
) -> Tensor:
    """The state of each rank, ``(world, k)``, by one ``all_gather``; where one rank raised, all raise.

    Args:
        state: makes that of this rank, in the shape ``(k,)`` and the dtype of ``like``.
        like: what is sent in its place by a rank where it raised.
        group: the ranks.
        name: of the public function, for errors.
    """
    fault, mine = None, like.new_zeros(like.shape)
    try:
        mine = state()
    except Exception as error:
        fault = error
    flag = mine.new_full((1,), float(fault is not None))
    try:
        states = torch.stack(gather(torch.cat([mine.detach(), flag]), group))
    except RuntimeError as error:
        here, world = dist.get_rank(group), dist.get_world_size(group)
        raise RuntimeError(
            f"{name} on rank {here} of {world}: another rank has died, or is later than the timeout"
        ) from (fault or error)
    if fault is not None:
        raise fault
    if (states[:, -1] != 0).any():
        ranks = states[:, -1].nonzero().flatten().tolist()
        raise RuntimeError(f"{name} has raised on rank {', '.join(map(str, ranks))}; see the error there")
    return states[:, :-1]


# --------------------------------------------------------------------------- what all ranks hold


def replicated(x: Any, group: dist.ProcessGroup | None) -> Any:
    """``x``, which is the same on all ranks: its gradient is the sum of what each rank contributes."""
    return _Replicated.apply(x, group) if isinstance(x, Tensor) and x.requires_grad else x


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


def whole(value: Tensor, mesh: DeviceMesh | None) -> Tensor:
    """A result that all ranks hold; a DTensor where the scores were one."""
    if mesh is None:
        return value
    from torch.distributed.tensor import DTensor, Replicate

    return DTensor.from_local(value, mesh, [Replicate()], run_check=False)
