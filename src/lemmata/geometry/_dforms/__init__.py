r"""D-forms: the solid of two flat sheets that are glued along their edges, shifted by a quarter of the way.

Two ellipses (or two other ovals of one perimeter) are cut from paper that bends and does not stretch. The end
of the long axis of each is glued to the end of the short axis of the other, and the edges from there on. With
:math:`h(s)` the half width of a sheet at arc length :math:`s` from the end of its long axis, and :math:`l` a
quarter of the perimeter, a quarter of the seam is

.. math:: (x(s),\ h(s),\ h(l-s)), \qquad x'(s)^2 = 1 - h'(s)^2 - h'(l-s)^2 .

* Inputs are float64, float32, bfloat16 or float16; all is computed in float64 and has the dtype of the
  inputs in the end. Leading axes are solids beside each other. Integers are refused.
* Axes whose ratio is beyond 1000 raise where they can be read (on the CPU, outside of compiled graphs and
  transforms), and give NaN elsewhere; so do ovals that do not close up.
* Derivatives of both orders are exact, through the inverse of the arc length. A circle makes a flat solid,
  where the slope of the volume is infinite; 0 is returned there.

Source: Su, kexue.fm 6818 (2019); Wills's D-forms, Sharp (2005).
"""

from lemmata import _parts
from lemmata.geometry._dforms.ellipse import *
from lemmata.geometry._dforms.oval import *
from lemmata.geometry._dforms.solid import *

_parts.collect(__name__)
