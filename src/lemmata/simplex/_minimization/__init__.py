r"""Minimisation over probabilities, with a certificate: Frank-Wolfe, multiplicative steps, projection, EM.

For a smooth f and the simplex :math:`\Delta = \{p \ge 0, \sum p = 1\}` each function here seeks

.. math:: \min_{p\in\Delta} f(p)
          \qquad\text{and returns}\qquad
          \mathrm{gap} = \sum_i p_i\,(g_i-\min g),\quad g=\nabla f(p).

If f is convex, :math:`f(p) - \min f \le \mathrm{gap}`, whatever made p. What holds for every function here:

* f maps ``(..., n)`` to ``(...)``, a number for each row, and rows know nothing of each other: many problems
  are solved side by side. It is called with float64 or float32 (for half types float32); results have the
  dtype of the start.
* One step is one gradient of f. A row whose gap is at most
  ``tol`` stays where it is, and so does one whose next value or gap would be no number.
* At the start f and its gradient must not be NaN (ValueError). At an entry of 0 ``p * p.log()`` is, and the
  slope of ``torch.xlogy(p, p)``; ``-torch.special.entr(p)`` is 0 there, with the slope ``-inf``: then the gap
  is ``inf``, since that entry is always worth raising. An f of ``inf`` is no error: that row stays there.
* On the CPU the loop ends when all rows have; elsewhere, where to look would wait for the device, after all
  steps. Results carry no gradient.
* Values are checked (ValueError) on the CPU only. Shapes and dtypes are checked everywhere.

Source: Su, kexue.fm 10289 (2024); Jaggi, "Revisiting Frank-Wolfe", ICML (2013).
"""

from lemmata import _parts
from lemmata.simplex._minimization.descent import *
from lemmata.simplex._minimization.frank_wolfe import *
from lemmata.simplex._minimization.gap import *
from lemmata.simplex._minimization.loop import *
from lemmata.simplex._minimization.mixture import *

_parts.collect(__name__)
