r"""GELU right in its tail, its tanh and logistic forms with certified constants, and minimax fits.

:math:`\operatorname{GELU}(x) = x\,\Phi(x)`. Every approximation here puts :math:`\sigma(2ax + 2bx^3)
= \tfrac12\bigl(1 + \tanh(ax + bx^3)\bigr)` in the place of :math:`\Phi(x)`; they differ in two constants.

Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415 (2016); Su, kexue.fm 7309
(2020). The exchange algorithm: Remez (1934); Rice, "The Approximation of Functions", vol. 1 (1964), for
families that are not linear.
"""

from lemmata import _parts
from lemmata.smoothing._gelu.forms import *
from lemmata.smoothing._gelu.minimax import *

_parts.collect(__name__)
