"""Probabilistic principal components: the latent variable model whose density is known."""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata import _torch
from lemmata.numerics.precision import no_autocast

__all__ = ["PPCA"]

STATE = ("mean", "axes", "eigenvalues", "noise_variance")


class PPCA:
    r"""The linear model x = W z + mean + noise with q latent variables, by maximum likelihood.

    .. math:: q(x) = N(\mu,\ WW^\top + \sigma^2 I),\qquad W = U(\Lambda-\sigma^2)^{1/2},\qquad
              \sigma^2 = \frac1{D-q}\sum_{i>q}\lambda_i

    with the eigenvalues :math:`\lambda_i` of the covariance, its sum over the n rows divided *by n*, and
    their vectors U. All that a variational autoencoder approximates is exact here: :meth:`score_samples` is
    the log density, :meth:`posterior` an encoder and :meth:`log_joint` the rest of what
    :func:`estimate_log_density` takes. All is kept and computed in float64; entries from 1e-140 to 1e140.

    Implements :prf:ref:`density-ppca`, :prf:ref:`density-collapse`.

    Args:
        n_components: q, at least 1 and below the number of columns.

    Raises:
        TypeError, ValueError: as said; the methods also for x of another shape or before :meth:`fit`.

    Source: Tipping and Bishop (1999).

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [2.0, 1.0], [4.0, 2.0], [2.0, 3.0]])
        >>> model = PPCA(1).fit(x)
        >>> model.noise_variance
        tensor(0.5570, dtype=torch.float64)
        >>> model.score_samples(x).mean()
        tensor(-3.0406)
    """

    def __init__(self, n_components: int) -> None:
        self.n_components = check.at_least("n_components", n_components, 1)
        self.mean = self.axes = self.eigenvalues = self.noise_variance = torch.empty(0)

    @torch.no_grad()
    def fit(self, x: Tensor) -> PPCA:
        """Estimate from rows ``(n, D)``; fewer than D of them will do, if more than q + 1.

        ValueError where the noise would be 0, at which the likelihood has no bound.
        """
        self._check(x)
        n, D = x.shape
        if not self.n_components < D:
            raise ValueError(f"x must have more than {self.n_components} columns, got shape {tuple(x.shape)}")
        if n == 0 or (_torch.readable(x) and not x.isfinite().all()):
            raise ValueError(f"x must be finite rows, at least one, got shape {tuple(x.shape)}")
        mean = x.double().mean(0)
        _, s, axes = torch.linalg.svd(x.double() - mean, full_matrices=False)
        eigenvalues = torch.zeros(D, dtype=torch.float64, device=x.device)
        eigenvalues[: len(s)] = s.square() / n
        noise = eigenvalues[self.n_components :].mean()
        least = D * torch.finfo(torch.float64).eps ** 2 * eigenvalues[0]
        if _torch.readable(x) and (noise <= least).item():
            raise ValueError(
                f"x must vary in more than {self.n_components} directions (else the likelihood is unbounded)"
            )
        self.mean, self.axes, self.eigenvalues = mean, axes[: self.n_components].mT.contiguous(), eigenvalues
        self.noise_variance = noise
        return self

    @property
    def loadings(self) -> Tensor:
        """W, ``(D, q)``; any rotation of its columns gives the same density."""
        return self.axes * self._gain()

    def score_samples(self, x: Tensor) -> Tensor:
        """log q(x) of rows ``(..., D)``, in the dtype of x; infinite entries give ``-inf``, NaN NaN."""
        self._check(x, fitted=True)
        with no_autocast(x):
            far, (near,) = _finite(x)
            centred, along = self._along(near)
            rest = (centred - along @ self.axes.mT).square().sum(-1) / self.noise_variance
            kept, D = self.eigenvalues[: self.n_components], len(self.mean)
            volume = kept.log().sum() + (D - len(kept)) * self.noise_variance.log()
            value = -(along.square() / kept).sum(-1) - rest - volume - D * math.log(2 * math.pi)
        return torch.where(far, -math.inf, value / 2).to(x.dtype)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each latent variable, ``(..., q)`` both: they are independent."""
        self._check(x, fitted=True)
        with no_autocast(x):
            kept = self.eigenvalues[: self.n_components]
            loc = self._along(x)[1] * (self._gain() / kept)
        scale = (self.noise_variance / kept).sqrt().expand(loc.shape)
        return loc.to(x.dtype), scale.to(x.dtype)

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """log q(x, z) for rows ``(..., D)`` and latent vectors ``(..., q)``, which broadcast."""
        self._check(x, fitted=True)
        check.floating("z", z)
        if z.dim() == 0 or z.shape[-1] != self.n_components:
            raise ValueError(f"z must be (..., {self.n_components}), got shape {tuple(z.shape)}")
        with no_autocast(x):
            far, (x_, z_) = _finite(x, z)
            error = x_.double() - self.mean - z_.double() @ self.loadings.mT
        D, size = len(self.mean), self.noise_variance
        squares = error.square().sum(-1) / size + D * size.log() + z_.double().square().sum(-1)
        value = -(squares + (D + self.n_components) * math.log(2 * math.pi)) / 2
        return torch.where(far, -math.inf, value).to(x.dtype)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """n draws ``(n, D)``, float64, where the model is; made on the generator's device."""
        size = check.at_least("n", n)
        check.generator("generator", generator)
        self._fitted()
        place = self.mean.device if generator is None else generator.device
        shape = (size, self.n_components + len(self.mean))
        draws = torch.randn(shape, generator=generator, dtype=torch.float64, device=place).to(self.mean)
        z, noise = draws.split([self.n_components, len(self.mean)], -1)
        return self.mean + z @ self.loadings.mT + noise * self.noise_variance.sqrt()

    def state_dict(self) -> dict[str, Any]:
        """All that was fitted, as tensors and a number: for ``torch.save``."""
        return {"n_components": self.n_components, **{name: getattr(self, name) for name in STATE}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state_dict` was taken of; ValueError unless it has as many components."""
        if not isinstance(state, dict) or state.keys() != {"n_components", *STATE}:
            raise ValueError(f"state must be what PPCA.state_dict gave, got {state!r:.60}")
        if state["n_components"] != self.n_components:
            raise ValueError(
                f"state must have {self.n_components} components, got {state['n_components']!r:.60}"
            )
        for name in STATE:
            setattr(self, name, state[name])

    def _gain(self) -> Tensor:
        self._fitted()
        return (self.eigenvalues[: self.n_components] - self.noise_variance).clamp(min=0.0).sqrt()

    def _along(self, x: Tensor) -> tuple[Tensor, Tensor]:
        centred = x.double() - self.mean
        return centred, centred @ self.axes

    def _fitted(self) -> None:
        if not len(self.eigenvalues):
            raise ValueError("a PPCA must be fitted before it is used")

    def _check(self, x: Tensor, fitted: bool = False) -> None:
        check.floating("x", x)
        if not fitted:
            if x.dim() != 2:
                raise ValueError(f"x must be rows (n, D), got shape {tuple(x.shape)}")
            return
        self._fitted()
        if x.dim() == 0 or x.shape[-1] != len(self.mean):
            raise ValueError(f"x must be (..., {len(self.mean)}), got shape {tuple(x.shape)}")


def _finite(*values: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Which rows have an infinite entry and no NaN, and the values with 0 there, so that no slope is NaN."""
    infinite = [value.isinf().any(-1, keepdim=True) for value in values]
    unknown = [value.isnan().any(-1, keepdim=True) for value in values]
    far = functools.reduce(torch.logical_or, infinite)
    far = far & ~functools.reduce(torch.logical_or, unknown)
    return far.squeeze(-1), [torch.where(far, 0.0, value) for value in values]
