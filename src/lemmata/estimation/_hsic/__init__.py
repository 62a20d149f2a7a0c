r"""How much two samples depend on each other: HSIC, its tests, CKA and distance covariance.

The Hilbert-Schmidt independence criterion compares the two Gram matrices of paired samples; with
characteristic kernels its population value is 0 for independent variables only. Here it is exact in O(n)
memory, with gradients, and for data that is never in memory at once it comes from a sketch of fixed size.

What holds for every function here:

* Samples are ``(..., n, d)``: n of them, of d numbers each, in float64, float32, bfloat16 or float16; other
  types raise TypeError, a missing axis ValueError. Batch dimensions broadcast. Half types are computed in
  float32. Tiles are summed in the dtype of the computation, their totals in float64, and the output has the
  dtype that x and y promote to. Autocast changes nothing.
* Kernels: ``"gaussian"`` :math:`e^{-d^2/2s^2}`, ``"laplace"`` :math:`e^{-d/s}`, ``"linear"``
  :math:`\langle x,x'\rangle`, ``"distance"`` :math:`-d`, with d the Euclidean distance; or a function of two
  tiles ``(s, d)``, ``(t, d)`` to ``(s, t)``, symmetric, used for both arguments (float32 or float64).
* Bandwidths: ``"median"``, the median distance of each argument (exact; of an even number the lower middle
  one; where it is 0, a warning and the median of the distances that are not 0, or 1), a positive number, or a
  pair of these. Gradients take the median as a constant. Linear, distance and functions have no bandwidth.
* Translation-invariant kernels and the linear one take the mean out first: data far from 0 keeps its digits.
  They count each argument in a power of two near its largest entry: CKA, p-values and what has the median
  bandwidth do not depend on the unit, however large or small the numbers; HSIC has the unit to its power.
* Arguments are never modified. NaN and infinite data give NaN. Equal samples give exactly 0.

Source: Gretton et al. (2005, 2008); Song et al. (2012); Su, kexue.fm 6910 (2019).
"""

from lemmata import _parts
from lemmata.estimation._hsic.independence import *
from lemmata.estimation._hsic.measures import *
from lemmata.estimation._hsic.nystrom import *
from lemmata.estimation._hsic.sketch import *

_parts.collect(__name__)
