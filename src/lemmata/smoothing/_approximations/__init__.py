r"""Hard functions made soft: one-hot, argmax, step, sign, rounding, top-k, accuracy and the F-measure.

What holds for every function here:

* Tensors are float64, float32, bfloat16 or float16; other types raise TypeError. Half types are computed and
  summed in float32. The output has the dtype of the first argument. Autocast changes nothing.
* Arguments are never modified. Derivatives of any order, ``torch.func`` and ``torch.compile(fullgraph=True)``
  work.
* NaN gives NaN: where entries are compared, to the whole row. No infinite input makes a derivative NaN.
* ``sharpness`` is in (0, inf]. ``inf`` is the hard function, whose gradient is 0; beyond a millionth of the
  largest number (3e32 in float32) it counts as ``inf``.
* Values are checked (ValueError) on the CPU only, and not while compiling or under ``torch.func``: reading
  them elsewhere would wait for the device. Shapes and dtypes are checked everywhere.

Source: Su, kexue.fm 6620 (2019).
"""

from lemmata import _parts
from lemmata.smoothing._approximations.elementwise import *
from lemmata.smoothing._approximations.largest import *
from lemmata.smoothing._approximations.metrics import *
from lemmata.smoothing._approximations.top_k import *

_parts.collect(__name__)
