r"""Doubtful predictions made again from sure ones and the known share of each class (alternating scaling).

One doubtful row b is stacked below n sure rows. Columns are scaled so that their means are the prior q, then
rows so that they sum to 1. After one step

.. math:: b_j' \propto \frac{b_j\,q_j}{b_j+\sum_ia_{ij}} .

* Probabilities are float64, float32, bfloat16 or float16. Autocast changes nothing.
* On the CPU all is computed in float64, by two matrix products a step; in logarithms where that would lose
  digits. Elsewhere, in a compiled graph and under ``torch.func``, where no value is read, always in
  logarithms, in float32 if there is no float64 and no exponent.
* A probability of 0, and a class of prior 0, stays 0 with gradient 0. A row that has no class left is NaN if
  it is doubtful, and counts nothing if it is sure.
* A row with a NaN stays NaN and changes no other.

Source: Jia, Reiter, Lim, Artzi and Cardie, "When in doubt: improving classification performance with
alternating normalization", arXiv:2109.13449 (2021); Su, kexue.fm 8728 (2021).
"""

from lemmata import _parts
from lemmata.classification._alternating.calibrate import *
from lemmata.classification._alternating.doubt import *
from lemmata.classification._alternating.matching import *

_parts.collect(__name__)
