r"""The density of a point under a model with a latent variable: importance weights, and what they are worth.

A variational autoencoder gives no density, but a proposal z ~ p(z|x) and weights w = q(x, z) / p(z|x) whose
mean is q(x). The mean of their logarithm is the training loss; the logarithm of their mean estimates log q(x)
from below. How far below is decided by the tail of the weights, and for a linear decoder all of it is known.

Source: Su, kexue.fm 8791 (2021); Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders" (2016);
Tipping and Bishop, "Probabilistic principal component analysis" (1999); Vehtari et al., "Pareto smoothed
importance sampling" (2024).
"""

from lemmata import _parts
from lemmata.estimation._density.estimate import *
from lemmata.estimation._density.pareto import *
from lemmata.estimation._density.ppca import *
from lemmata.estimation._density.weights import *

_parts.collect(__name__)
