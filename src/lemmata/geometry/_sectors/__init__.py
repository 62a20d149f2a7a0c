r"""Random points on a circle: the arc that holds them, the gaps that they leave, a test of uniformity.

n uniform points lie in a sector of angle :math:`\theta` exactly when one of the n gaps between neighbours is
at least :math:`2\pi - \theta`. So one law answers three questions: sectors, coverage by arcs, the range.
The half-space in d dimensions takes the place of the half circle in :func:`wendel_probability`.

Source: Su, kexue.fm 9324 (2022); Stevens, "Solution to a geometrical problem in probability" (1939);
Wendel, "A problem in geometric probability" (1962).
"""

from lemmata import _parts
from lemmata.geometry._sectors.arcs import *
from lemmata.geometry._sectors.half_spaces import *
from lemmata.geometry._sectors.probability import *

_parts.collect(__name__)
