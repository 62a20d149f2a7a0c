r"""Dropout, masked language models, masked autoencoders: the mean of masked networks, and the unmasked one.

Training draws a mask, the finished network runs without one. Here ``p`` is everywhere the probability to
DROP, as in torch; :math:`q = 1 - p` is kept. (In papers, and in the article, p is often what is *kept*.)

Source: Su, kexue.fm 8770 (2021); Srivastava and others, "Dropout" (2014); Baldi and Sadowski,
"Understanding dropout" (2013); He and others, "Masked autoencoders" (2021).
"""

from lemmata import _parts
from lemmata.training._dropout.attention import *
from lemmata.training._dropout.gap import *
from lemmata.training._dropout.tokens import *

_parts.collect(__name__)
