"""Generative: sampling and adversaries.

A generator is trained by somebody who tells it what is wrong: a discriminator that learns the ratio of two
densities, or a denoiser that learns the gradient of one. The chapters derive what such a judge knows at its
best, how it is to be measured, and what its generator still gets wrong.
"""

from lemmata import _parts
from lemmata.generative._denoising import *
from lemmata.generative._likelihood_ratio import *
from lemmata.generative._self_modulation import *

_parts.publish(__name__)
