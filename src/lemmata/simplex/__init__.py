"""Simplex: from scores to probabilities.

Softmax turns any scores into probabilities, and is one of many maps that do. This part derives them, as
maximisers of score plus entropy and as winners among noisy scores; it sets their entropy, scales attention
with the number of keys, and minimises over all probability vectors with a certificate in hand. Of each map
it asks which entries become exactly 0, what its Jacobian is, and where published recipes fail.
"""

from lemmata import _parts
from lemmata.simplex._attention import *
from lemmata.simplex._entropy import *
from lemmata.simplex._minimization import *
from lemmata.simplex._reparameterization import *
from lemmata.simplex._softmax import *

_parts.publish(__name__)
