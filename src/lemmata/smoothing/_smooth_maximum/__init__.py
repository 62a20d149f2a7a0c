r"""Smooth maxima and smooth absolute values, each with its exact worst-case gap.

A smooth maximum replaces the corner of :math:`\max_i x_i` at a cost that its sharpness :math:`K` sets:

.. math:: \max_i x_i \approx \frac1K\log\sum_i e^{Kx_i},\qquad
          |x| \approx \frac1k\log\bigl(e^{kx}+e^{-kx}\bigr).

What holds for every function here:

* ``x`` is float64, float32, bfloat16 or float16; other types raise TypeError. The output has the dtype of
  ``x``. Half types are computed and summed in float32. Where K is outside :math:`[2^{-64}, 2^{64}]`, the sums
  are in float64. Autocast changes nothing.
* The sharpness is a number in (0, inf]. At inf, and beyond 4e307, the result is the hard operation, whose
  gradient is shared equally among ties; below 2.3e-308 it counts as that. It may be a tensor, which
  broadcasts to the shape of the result and gets its gradient; then all sums are in float64. Values are looked
  at (ValueError) on the CPU only, and not while compiling or under ``torch.func``: there a sharpness that is
  not positive gives NaN.
* NaN gives NaN in its row, and a gradient of NaN. ``inf`` gives ``inf``, with the gradient of the hard
  operation. A row in which all is ``-inf`` gives ``-inf``, with gradient 0. No other gradient is NaN
  (in float64, for ``x`` below 1e306).
* Arguments are never modified. Derivatives of any order, ``torch.func`` and ``torch.compile(fullgraph=True)``
  work.

Source: Su, kexue.fm 3290 (2015), 6620 (2019).
"""

from lemmata import _parts
from lemmata.smoothing._smooth_maximum.absolute import *
from lemmata.smoothing._smooth_maximum.maxima import *
from lemmata.smoothing._smooth_maximum.p_norm import *

_parts.collect(__name__)
