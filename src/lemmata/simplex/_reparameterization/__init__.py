r"""Softmax, probit and their kin: how often each score is the largest once noise is added, and draws.

With scores :math:`\mu` and independent noise :math:`\varepsilon_i` of one law,

.. math:: p_i = \mathbb P\bigl(\textstyle\arg\max_j(\mu_j+\varepsilon_j)=i\bigr)
              = \frac{\partial}{\partial\mu_i}\,\mathbb E\max_j(\mu_j+\varepsilon_j).

What holds for every function here:

* Tensors are float64, float32, bfloat16 or float16; other types raise TypeError. Half types are computed, and
  their noise is drawn, in float32. Autocast changes nothing.
* ``-inf`` is masked: probability 0, gradient 0. A row of nothing else gives zeros with gradient 0 (and no
  class, -1, where one is drawn). Entries at ``inf`` share the row equally, with gradient 0. NaN spoils its
  row.
* Arguments are never modified. Random functions take a ``generator``, else torch's own.

Source: Su, kexue.fm 9085 (2022).
"""

from lemmata import _parts
from lemmata.simplex._reparameterization.logarithms import *
from lemmata.simplex._reparameterization.probabilities import *
from lemmata.simplex._reparameterization.samples import *

_parts.collect(__name__)
