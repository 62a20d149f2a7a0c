"""Who has which classes."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch import distributed as dist

from lemmata import _arguments as check
from lemmata.training._distributed.groups import all_states, check_group

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
    number = [0]

    def state() -> Tensor:
        number[0] = check.at_least("size", size)
        return torch.tensor([number[0]], dtype=torch.float64, device=_device(group))

    like = torch.zeros(1, dtype=torch.float64, device=_device(group))
    sizes = all_states(state, like, group, "class_shard").flatten().long().tolist()
    start = sum(sizes[: dist.get_rank(group)])
    return ClassShard(start, start + number[0], sum(sizes))


def _device(group: dist.ProcessGroup | None) -> torch.device:
    on_gpu = dist.get_backend(group) == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
