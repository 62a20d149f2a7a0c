r"""DCGAN and self-modulation: where a transposed convolution writes how often, batch norm modulated by z.

Source: Su, kexue.fm 6549 (2019); Chen, Lucic, Houlsby & Gelly, "On self modulation for generative adversarial
networks", ICLR 2019, arXiv 1810.01365; Odena, Dumoulin & Olah, "Deconvolution and checkerboard artifacts",
Distill (2016).
"""

from lemmata import _parts
from lemmata.generative._self_modulation.modules import *
from lemmata.generative._self_modulation.overlap import *

_parts.collect(__name__)
