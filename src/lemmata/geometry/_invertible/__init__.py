r"""Always invertible: the exponential of a rank-one or low-rank matrix, applied without forming it.

.. math:: \exp(xy^\top) = I + \varphi(s)\,xy^\top, \qquad s = y^\top x, \qquad
          \varphi(s) = \frac{e^s - 1}{s}

Its inverse has :math:`-s` for :math:`s` and :math:`-x` for :math:`x`, the logarithm of its determinant is
:math:`s`, and to apply it costs two passes over a vector. Nothing has to be constrained.

* Tensors are float64, float32, bfloat16 or float16. What does not depend on the vector (s, the r x r matrix,
  their functions) and whole matrices are computed in float64; products with vectors in float32, or float64
  for float64. Autocast changes nothing.
* Leading axes are problems beside each other, and broadcast.
* Where e^s overflows (s above 709, or 88 for vectors in float32) the products of rank one are NaN; beyond
  rank one those entries are NaN or infinite that X reaches. Inverse and log-determinant stay right. NaN stays
  in its row.
* s is off by a float64 rounding of the sum of the absolute :math:`x_iy_i`, and e^s, relatively, by as much.

Source: Su, kexue.fm 6407 (2019); Higham, "Functions of Matrices" (2008), for the block matrix.
"""

from lemmata import _parts
from lemmata.geometry._invertible.low_rank import *
from lemmata.geometry._invertible.phi import *
from lemmata.geometry._invertible.rank1 import *

_parts.collect(__name__)
