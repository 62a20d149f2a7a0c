"""Training: what happens while it learns.

Between the loss and the trained network stand a step, a noise and a mask. The chapters derive what a step
does to the loss, what switching off a dropout changes, how padding is kept from reaching a value or a
gradient, and how many machines give the numbers of one.
"""

from lemmata import _parts
from lemmata.training._distributed import *
from lemmata.training._dropout import *
from lemmata.training._dynamics import *
from lemmata.training._masks import *

_parts.publish(__name__)
