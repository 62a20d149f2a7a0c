r"""Orthogonal and truncated normal weights, their theory, and a report on the first step of your network.

A weight :math:`W` has shape (m, n), as in ``torch.nn.Linear``: fan_out is m, fan_in is n, and y = W x. With
independent entries of mean 0 and variance 1/m the *mean* of :math:`\|Wx\|^2` is :math:`\|x\|^2`. What that
does not say is here too: how far :math:`W^\top W` is from the identity, how the *typical* norm decays with
depth, and what becomes of the angle between two inputs.

What holds for every function here:

* Tensors are float64, float32, bfloat16 or float16; other types raise TypeError. Half types are drawn and
  computed in float32 and rounded once, at the end. Autocast changes nothing.
* Functions that end in ``_`` fill their argument in place, without a gradient, and return it. They leave
  meta tensors and tensors without entries as they are, and draw no random number for them.
* What depends on sizes alone is computed in float64 and returned as floats.

Source: Su, kexue.fm 7180 (2020), and what the functions name.
"""

from lemmata import _parts
from lemmata.geometry._initialization.correlation import *
from lemmata.geometry._initialization.drift import *
from lemmata.geometry._initialization.gram import *
from lemmata.geometry._initialization.inspection import *
from lemmata.geometry._initialization.orthogonal import *
from lemmata.geometry._initialization.report import *
from lemmata.geometry._initialization.shapes import *
from lemmata.geometry._initialization.truncated_normal import *
from lemmata.geometry._initialization.variances import *

_parts.collect(__name__)
