r"""Variance, k-statistics, jackknife, U-statistics, log-mean-exp, and ``Moments`` that merge across shards.

All are unbiased, or say by how much they are not. A statistic that is linear in means over the sample,
:math:`\frac1n\sum_i f(x_i)`, is unbiased; a curved function of such means is not, and its bias is of order
:math:`1/n`. Here are the estimators whose bias is exactly 0 (variance, k-statistics, U-statistics), the
general cures (delta method, jackknife), and the moments of data that comes in pieces.

What holds for every function here:

* Data is float64, float32, bfloat16 or float16; other types raise TypeError. Half types are computed and
  summed in float32; the output has the dtype of the data. Autocast changes nothing.
* Every mean is taken out before anything is squared: data far from 0 keeps its digits.
* Arguments are never modified. Derivatives of any order, ``torch.func`` and
  ``torch.compile(fullgraph=True)`` work; ``Moments`` is a count and has no derivatives.
* NaN and infinite data give NaN (the first k-statistic: the mean; :func:`log_mean_exp` has its own answers).

Source: Su, kexue.fm 6747 (2019), and what the functions name.
"""

from lemmata import _parts
from lemmata.estimation._bias.correlation import *
from lemmata.estimation._bias.k_statistics import *
from lemmata.estimation._bias.losses import *
from lemmata.estimation._bias.moments import *
from lemmata.estimation._bias.resampling import *
from lemmata.estimation._bias.spread import *

_parts.collect(__name__)
