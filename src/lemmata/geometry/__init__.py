"""Geometry: facts of high dimension.

In hundreds of dimensions the eye trained on the plane misleads: nearly all directions are at right angles,
lengths hardly vary, and what hardly varies still adds up over fifty layers. The chapters compute these laws
exactly, for every dimension: first the angle of two random vectors, then what random matrices do to
vectors, in one layer and in many, then what a penalty for orthogonality measures.
"""

from lemmata import _parts
from lemmata.geometry._angles import *
from lemmata.geometry._dforms import *
from lemmata.geometry._initialization import *
from lemmata.geometry._invertible import *
from lemmata.geometry._orthogonality import *
from lemmata.geometry._sectors import *

_parts.publish(__name__)
