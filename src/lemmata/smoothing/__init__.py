"""Smoothing: hard functions made soft, and what each softening costs."""

from lemmata import _parts
from lemmata.smoothing._approximations import *
from lemmata.smoothing._gelu import *
from lemmata.smoothing._smooth_maximum import *

_parts.publish(__name__)
