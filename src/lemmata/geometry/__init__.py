"""Geometry: facts of high dimension."""

from lemmata import _parts
from lemmata.geometry._angles import *
from lemmata.geometry._initialization import *

_parts.publish(__name__)
