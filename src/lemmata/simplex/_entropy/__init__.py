r"""Entropy normalization: the temperature at which a softmax has the entropy that you ask for.

With scores :math:`x` and an exponent :math:`\gamma > 0`, the inverse of a temperature,

.. math:: p = \operatorname{softmax}(\gamma x),\qquad H(\gamma) = -\sum_i p_i \log p_i,\qquad
          H'(\gamma) = -\gamma\operatorname{Var}_p(x).

What holds for every function here:

* Tensors are float64, float32, bfloat16 or float16; other types raise TypeError. Half types are computed and
  summed in float32. The output has the dtype of the input. Autocast changes nothing.
* ``-inf`` is masked: probability 0, gradient 0. A row of nothing else has the entropy 0 and the probabilities
  0, with gradient 0. Scores at ``inf`` share the row equally, with gradient 0. NaN makes its row NaN,
  and the gradient of that row.
* Entropies are in nats; divided by ``math.log(2)`` they are in bits. The perplexity is their ``exp()``.
* Arguments are never modified. First and second derivatives, ``torch.func`` and
  ``torch.compile(fullgraph=True)`` work.
* Values are checked (ValueError) on the CPU only, and not while compiling or under ``torch.func``: reading
  them elsewhere would wait for the device. Shapes and dtypes are checked everywhere.

Source: Su, kexue.fm 8829 (2021).
"""

from lemmata import _parts
from lemmata.simplex._entropy.measures import *
from lemmata.simplex._entropy.normalize import *

_parts.collect(__name__)
