"""Estimation: from samples to numbers."""

from lemmata import _parts
from lemmata.estimation._bias import *
from lemmata.estimation._hsic import *

_parts.publish(__name__)
