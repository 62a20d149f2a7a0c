r"""Rare classes: focal loss and the way back from it, logit adjustment, balanced error, the best F1 cut.

All losses here are functions of one number a row, the margin of the right class t over all others,

.. math:: m = s_t - \log\sum_{i\ne t} e^{s_i},\qquad p_t = \sigma(m),\quad 1-p_t = \sigma(-m),

so that neither p nor 1 - p is ever a difference of rounded numbers. What holds for every function here:

* Scores are ``(..., C)`` (or of any shape, where a class is one of two) in float64, float32, bfloat16 or
  float16; other types raise TypeError. Half types are computed in float32; results have the dtype of the
  scores. Autocast changes nothing.
* A score of ``-inf`` is masked: probability 0, gradient 0. NaN gives NaN in its row.
* Derivatives of any order, ``torch.func`` and ``torch.compile(fullgraph=True)`` work.
* Values are checked (ValueError) on the CPU only, and not while compiling or under ``torch.func``. Shapes and
  dtypes are checked everywhere.

Source: Lin et al., "Focal loss for dense object detection", ICCV (2017); Menon et al., "Long-tail learning
via logit adjustment", ICLR (2021); Su, kexue.fm 7708 (2020).
"""

from lemmata import _parts
from lemmata.classification._imbalance.adjustment import *
from lemmata.classification._imbalance.focal import *
from lemmata.classification._imbalance.metrics import *

_parts.collect(__name__)
