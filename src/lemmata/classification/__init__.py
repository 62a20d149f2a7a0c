"""Classification: losses that mean something.

A loss is chosen because it trains well, and then read as if it said something: a probability, a margin, a
number of mistakes. This part derives losses from what they should say. Of each it asks at which scores it
is least, which threshold belongs to it, and what becomes of it when targets are soft, sparse or missing.
"""

from lemmata import _parts
from lemmata.classification._accuracy import *
from lemmata.classification._alternating import *
from lemmata.classification._imbalance import *
from lemmata.classification._logistic import *
from lemmata.classification._multilabel import *

_parts.publish(__name__)
