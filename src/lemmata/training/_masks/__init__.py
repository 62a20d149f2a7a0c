r"""Padded batches: reductions, softmax, attention, reversal and convolution that know which entries count.

A mask is bool and True where an entry counts. What holds for every function that takes data and a mask:

* The mask broadcasts to the data. A float or an int is refused (TypeError): in attention a float mask is
  *added* to the scores, so that 1 and 0 would hide nothing.
* What stands at a masked entry, NaN and inf included, changes no bit of a value, nor of a derivative of any
  order; its own gradient is 0. How *many* masked entries there are changes sums by their rounding.
* A row where nothing counts has one answer, with gradient 0: softmax and attention give 0, logsumexp and
  log-softmax ``-inf``, mean, variance and extremes the number ``empty``. None raises, since that would wait
  for the device; ``mask.any(-1).all()`` asks.
* An entry that counts is data: NaN gives NaN in its row, and ``-inf`` is the logarithm of 0.
* Tensors are float64, float32, bfloat16 or float16; half types are computed and summed in float32. The
  output has the dtype of the data.

Source: Su, kexue.fm 6810 (2019).
"""

from lemmata import _parts
from lemmata.training._masks.attention import *
from lemmata.training._masks.lengths import *
from lemmata.training._masks.logarithms import *
from lemmata.training._masks.reductions import *
from lemmata.training._masks.windows import *

_parts.collect(__name__)
