r"""Law, moments, tails and samples of the angle between random vectors; an accurate angle of two vectors.

Two independent vectors, at least one of them with a uniformly distributed direction, enclose an angle
:math:`\theta` with a density proportional to :math:`\sin^{n-2}\theta`; :math:`\eta = \cos\theta` has one
proportional to :math:`(1-\eta^2)^{(n-3)/2}`. All functions here are about these two laws.

Source: Su, kexue.fm 7076 (2019); Kahan, "How futile are mindless assessments of roundoff" (2006), for the
angle of two given vectors.
"""

from lemmata import _parts
from lemmata.geometry._angles.angle import *
from lemmata.geometry._angles.cosine import *
from lemmata.geometry._angles.samples import *
from lemmata.geometry._angles.vectors import *

_parts.collect(__name__)
