"""Estimation: from samples to numbers.

What a program prints is computed from a sample, and meant of the law behind it. Between the two lie bias,
which does not average out, and chance, which does. The chapters ask how large both are for each sample
size, where an exact cure exists and where none can: first for variances, losses and metrics of small
batches, then for the question whether two things depend on each other.
"""

from lemmata import _parts
from lemmata.estimation._bias import *
from lemmata.estimation._density import *
from lemmata.estimation._fourier import *
from lemmata.estimation._hsic import *

_parts.publish(__name__)
