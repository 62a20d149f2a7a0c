"""Accumulators over processes: each rank's state as one flat tensor, seen by all."""

import torch
from torch import Tensor
from torch import distributed as dist

__all__ = ["gather"]


def gather(state: Tensor, group: dist.ProcessGroup | None = None) -> list[Tensor]:
    """The state of every rank, in the order of the ranks, by one ``all_gather``; all have one shape."""
    states = [torch.empty_like(state) for _ in range(dist.get_world_size(group))]
    dist.all_gather(states, state, group=group)
    return states
