r"""Softmax and cross-entropy for many labels: dense, sparse and soft targets, and laws over subsets.

With scores :math:`s`, positives :math:`P`, negatives :math:`N` and a threshold :math:`s_0`,

.. math:: L = \log\Bigl(e^{s_0} + \sum_{i\in N} e^{s_i}\Bigr)
            + \log\Bigl(e^{-s_0} + \sum_{j\in P} e^{-s_j}\Bigr).

What holds for every function here:

* Scores are ``(..., C)`` in float64, float32, bfloat16 or float16; other types raise TypeError. Half types
  are computed and summed in float32, block by block. The output has the dtype of the scores (a loss beyond
  the range of a half type is ``inf``). Autocast changes nothing.
* Arguments are never modified. Derivatives of any order, ``torch.func`` and ``torch.compile(fullgraph=True)``
  work.
* NaN scores give NaN. Scores beyond half the largest number count as infinite.
* Values are checked (ValueError) on the CPU only, and not while compiling or under ``torch.func``: reading
  them elsewhere would wait for the device. Shapes and dtypes are checked everywhere.

Source: Su, kexue.fm 7359 (2020), 9064 (2022); Su et al., "ZLPR", arXiv:2208.02955 (2022).
"""

from lemmata import _parts
from lemmata.classification._multilabel.linear import *
from lemmata.classification._multilabel.loss import *
from lemmata.classification._multilabel.modules import *
from lemmata.classification._multilabel.shares import *
from lemmata.classification._multilabel.soft import *
from lemmata.classification._multilabel.subsets import *

_parts.collect(__name__)
