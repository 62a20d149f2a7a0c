r"""Attention whose scale knows how many keys it sees, and the entropy of its rows.

A query spreads :math:`a_j\propto e^{\lambda s_j}` over n keys. Its entropy grows with n unless the scale
:math:`\lambda` does; :math:`\log n/\log n_0` is the scale at which one matching key keeps its weight.

What holds for every function of tensors here:

* Tensors are float64, float32, bfloat16 or float16; other types raise TypeError. The output has the dtype of
  the input.
* A mask is bool, True where a key takes part, or floating and added to the scores; there ``-inf`` and the
  smallest number of its dtype are masked. A row that sees no key gives zeros with gradient 0.
* Values are checked (ValueError) on the CPU only, and not while compiling or under ``torch.func``.

Source: Su, kexue.fm 8823 (2021).
"""

from lemmata import _parts
from lemmata.simplex._attention.entropy import *
from lemmata.simplex._attention.front import *
from lemmata.simplex._attention.scale import *
from lemmata.simplex._attention.sphere import *

_parts.collect(__name__)
