"""Simplex: from scores to probabilities.

Softmax turns any scores into probabilities, and is one of many maps that do. This part states each as what
it maximises or approximates. Of each it asks which entries become exactly 0, what its Jacobian is, and which
loss has the difference of two probabilities for its gradient.
"""

from lemmata import _parts
from lemmata.simplex._attention import *
from lemmata.simplex._entropy import *
from lemmata.simplex._minimization import *
from lemmata.simplex._reparameterization import *
from lemmata.simplex._softmax import *

_parts.publish(__name__)
