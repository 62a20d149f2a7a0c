"""Beyond one machine: the multi-label loss over sharded classes, and HSIC over sharded samples.

What holds for every function here:

* It is called on all ranks of a group of ``torch.distributed`` (gloo or NCCL, any size, 1 too), and gives the
  same number on all of them: what one device would give for all classes or samples, to rounding. Shards may
  differ in size, and be empty.
* A group must be there: without one torch raises ValueError.
* What travels is float32 or wider and is gathered, not reduced on the way: each rank adds in the order of the
  ranks. NaN and infinity arrive as they were sent.
* An argument that is wrong on one rank raises on every rank, at once: its own error there, RuntimeError with
  the number of that rank elsewhere. A rank that has died raises RuntimeError on the others at once; one that
  is late does after the timeout of the group (``init_process_group(timeout=...)``: 30 minutes unless you say
  otherwise). With gloo states of different sizes (another number of rows) end the process.
* ``torch.func.vmap``, forward mode and ``torch.compile(fullgraph=True)`` are not supported.
"""

from lemmata import _parts
from lemmata.training._distributed.linear import *
from lemmata.training._distributed.loss import *
from lemmata.training._distributed.ring import *
from lemmata.training._distributed.shards import *

_parts.collect(__name__)
