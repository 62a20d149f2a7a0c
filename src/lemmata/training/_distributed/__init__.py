"""Beyond one machine: the multi-label loss over sharded classes, and HSIC over sharded samples.

What holds for every function here:

* It is called on all ranks of a group of ``torch.distributed`` (gloo or NCCL, any size, 1 too), and gives the
  same number on all of them: what one device would give for all classes or samples, to rounding. Shards may
  differ in size, and be empty.
* A group must be there: without one torch raises ValueError.
* States are float32 or wider and are gathered, not reduced on the way: each rank adds in the order of the
  ranks. NaN and infinity arrive as they were sent. The gradient of what all ranks hold is reduced, in float32
  or wider.
* A state needs one collective where it is no larger than that of the call before in this group, else two.
* An argument that is wrong on one rank raises on every rank, at once: its own error there, RuntimeError with
  the number of that rank elsewhere. Where ranks differ in rows, dtype, reduction or the like, or call another
  function, all raise ValueError. The group stays good. (A wrong ``group`` raises where it is: nobody knows
  whom to tell.)
* A rank that has died raises RuntimeError on the others at once; one that is late does after the timeout of
  the group (``init_process_group(timeout=...)``: 30 minutes unless you say otherwise).
* ``torch.func.vmap``, forward mode and ``torch.compile(fullgraph=True)`` are not supported.
"""

from lemmata import _parts
from lemmata.training._distributed.linear import *
from lemmata.training._distributed.loss import *
from lemmata.training._distributed.ring import *
from lemmata.training._distributed.shards import *

_parts.collect(__name__)
