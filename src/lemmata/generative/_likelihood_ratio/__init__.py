r"""Designing GANs: losses whose discriminator learns a density ratio, the f-divergences they measure, checks.

Every increasing :math:`\omega` and positive :math:`\rho` give a pair of losses whose best discriminator is
:math:`t = \omega(q/p)`, and an f-divergence that it measures; so arise all that have a continuous
:math:`f'' > 0`.

Source: Su, kexue.fm 7210 (2020); Basioti & Moustakides, "Designing GANs: a likelihood ratio approach", arXiv
2002.00865 (2020); Nowozin, Cseke & Tomioka, "f-GAN" (2016).
"""

from lemmata import _parts
from lemmata.generative._likelihood_ratio.calibration import *
from lemmata.generative._likelihood_ratio.custom import *
from lemmata.generative._likelihood_ratio.divergences import *
from lemmata.generative._likelihood_ratio.losses import *
from lemmata.generative._likelihood_ratio.pairs import *

_parts.collect(__name__)
