r"""Softmax and its alternatives: sparse, even of Taylor's order, cut to the k largest, or with a margin.

With scores :math:`x`, :math:`\alpha \ge 1` and the simplex :math:`\Delta = \{p \ge 0, \sum p = 1\}`,

.. math:: p = \operatorname*{arg\,max}_{p\in\Delta}\ \langle p, x\rangle
            + \frac{1-\sum_i p_i^\alpha}{\alpha(\alpha-1)}.

What holds for every function here:

* Tensors are float64, float32, bfloat16 or float16; other types raise TypeError. Half types are computed and
  summed in float32. The output has the dtype of the scores. Autocast changes nothing.
* ``-inf`` is masked: probability 0, gradient 0. A row of nothing else gives zeros with gradient 0, where
  ``torch.softmax`` gives NaN. Entries at ``inf`` share the row equally, with gradient 0. NaN makes a row NaN.
* Arguments are never modified. Derivatives of any order, ``torch.func`` and ``torch.compile(fullgraph=True)``
  work.
* Values are checked (ValueError) on the CPU only, and not while compiling or under ``torch.func``: reading
  them elsewhere would wait for the device. Shapes and dtypes are checked everywhere.

Source: Su, kexue.fm 10145 (2024).
"""

from lemmata import _parts
from lemmata.simplex._softmax.entmax import *
from lemmata.simplex._softmax.losses import *
from lemmata.simplex._softmax.taylor import *
from lemmata.simplex._softmax.top_k import *

_parts.collect(__name__)
