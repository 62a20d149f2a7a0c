"""Smoothing: hard functions made soft, and what each softening costs.

A network learns through derivatives, and much of what we ask of it has none that help: the largest of some
numbers, the best k, a rounding, a count of hits, a gate that is open or shut. Each chapter takes such a
function and asks of its smooth stand-ins: how far off are they in the worst case, what becomes of the
gradient, and which published forms fail? One number, the sharpness, buys accuracy with curvature
throughout.
"""

from lemmata import _parts
from lemmata.smoothing._approximations import *
from lemmata.smoothing._gelu import *
from lemmata.smoothing._smooth_maximum import *

_parts.publish(__name__)
