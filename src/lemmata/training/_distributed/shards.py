"""Who has which classes."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch import distributed as dist

from lemmata import _arguments as check
from lemmata.training._distributed.groups import all_states, check_group, device_of

__all__ = ["ClassShard", "class_shard"]


class ClassShard(NamedTuple):
    """Which classes a rank holds: ``range(start, stop)`` of so many."""

    start: int
    stop: int
    classes: int


def class_shard(size: int, group: dist.ProcessGroup | None = None) -> ClassShard:
    """The classes of this rank, from the sizes of all shards in the order of the ranks: one collective.

    Call it once, where the layer is made; a step then needs no sizes.

    Args:
        size: how many classes this rank has, 0 or more.
        group: the ranks; None: all.

    Example:
        >>> from torch import distributed as dist
        >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        >>> class_shard(5)
        ClassShard(start=0, stop=5, classes=5)
        >>> dist.destroy_process_group()
    """
    check_group(group)

    def state() -> tuple[Tensor, dict[str, Any]]:
        return torch.tensor(check.at_least("size", size), device=device_of(group)), {}

    sizes = all_states(state, group, "class_shard").tolist()
    start = sum(sizes[: (rank := dist.get_rank(group))])
    return ClassShard(start, start + sizes[rank], sum(sizes))
