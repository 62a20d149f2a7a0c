r"""From denoising to sampling: what a denoiser knows of a density, and how to draw from it by that alone.

The best denoiser moves a noisy point along the gradient of the noisy log density, for every prior; its
derivative is the covariance of what it cannot know. A score learned so is enough to sample by Langevin steps,
with a bias that is known exactly for normal laws, or without any by Metropolis's rule.

Source: Su, kexue.fm 7038 (2019); Vincent, "A connection between score matching and denoising autoencoders"
(2011); Song & Ermon, "Generative modeling by estimating gradients of the data distribution" (2019).
"""

from lemmata import _parts
from lemmata.generative._denoising.annealing import *
from lemmata.generative._denoising.chains import *
from lemmata.generative._denoising.kde import *
from lemmata.generative._denoising.posterior import *

_parts.collect(__name__)
