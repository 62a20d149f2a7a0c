r"""Densities that are squares of Fourier polynomials: on an interval, a circle, the line, all in closed form.

A sum of N + 1 waves, squared, is a density with N complex parameters that no constraint binds. Its integral,
its distribution function, its moments and even its entropy are finite sums.

Source: Su, kexue.fm 10007 (2024); De la Fuente, Singh, Ballé, "Fourier basis density model",
arXiv 2402.15345 (2024). Entropy and divergence were worked out for this book.
"""

from lemmata import _parts
from lemmata.estimation._fourier.coefficients import *
from lemmata.estimation._fourier.density import *
from lemmata.estimation._fourier.divergence import *

_parts.collect(__name__)
