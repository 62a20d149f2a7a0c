"""Measures of dependence: HSIC, CKA, distance covariance; and HSIC itself, of normal variables."""

import math

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.estimation._hsic.estimators import aligned, of_centred, of_matrices
from lemmata.estimation._hsic.samples import Bandwidth, Pair, both, check_estimator, paired, width_of
from lemmata.estimation._hsic.sums import Sums
from lemmata.numerics.kernels import KernelLike
from lemmata.numerics.precision import compute_dtype, no_autocast
from lemmata.numerics.roots import root
from lemmata.numerics.units import unit_of

__all__ = [
    "cka",
    "distance_correlation",
    "distance_covariance",
    "hsic",
    "hsic_from_gram",
    "hsic_gaussian_population",
]


def hsic(
    x: Tensor,
    y: Tensor,
    *,
    kernel: KernelLike = "gaussian",
    bandwidth: Bandwidth = "median",
    estimator: str = "unbiased",
) -> Tensor:
    r"""The Hilbert-Schmidt independence criterion of paired samples.

    .. math:: V = \frac1{n^2}\operatorname{tr}KHLH,\qquad
              U = \frac1{n(n-3)}\Bigl[\operatorname{tr}\tilde K\tilde L
              + \frac{\mathbf 1^\top\tilde K\mathbf 1\;\mathbf 1^\top\tilde L\mathbf 1}{(n-1)(n-2)}
              - \frac2{n-2}\mathbf 1^\top\tilde K\tilde L\mathbf 1\Bigr]

    with :math:`H=I-\frac1n\mathbf 1\mathbf 1^\top`, and :math:`\tilde K,\tilde L` having 0 on the diagonal.
    V is the plug-in estimator: at least 0 for positive semidefinite kernels, and too large on average where x
    and y are independent (where they depend strongly it can be too small). U is unbiased for a kernel that is
    fixed beforehand (with ``"median"`` exactly so only under independence), and can be negative.

    No n x n matrix is made: tiles of the Gram matrices leave their row sums and the sum of
    :math:`K_{ij}L_{ij}`, and backward makes the tiles again. Linear kernels of few columns need no tiles.
    Differentiating twice, forward mode and ``torch.compile`` take whole matrices, O(n^2 d) memory. The
    gradient of ``"laplace"`` and ``"distance"`` at equal samples is that of 0.

    Implements :prf:ref:`hsic-trace`, :prf:ref:`hsic-unbiased`.

    Args:
        x: samples ``(..., n, d)``.
        y: samples ``(..., n, e)``; ``y[..., i, :]`` belongs to ``x[..., i, :]``.
        kernel: ``"gaussian"``, ``"laplace"``, ``"linear"``, ``"distance"`` or a function.
        bandwidth: ``"median"``, a number for both, or a pair.
        estimator: ``"unbiased"`` (U, n at least 4, else ValueError) or ``"biased"`` (V).

    Example:
        >>> x = torch.tensor([0.0, 1.0, 2.0, 4.0, 7.0]).unsqueeze(-1)
        >>> y = torch.tensor([1.0, 0.0, 3.0, 5.0, 6.0]).unsqueeze(-1)
        >>> hsic(x, y, bandwidth=1.0), hsic(x, y, bandwidth=1.0, estimator="biased")
        (tensor(0.0467), tensor(0.1328))
    """
    check.tensor("x", x)
    with no_autocast(x):
        pair = paired(x, y, kernel, bandwidth, estimator)
        return pair.restore(pair.in_data_units(_values(pair, estimator, only=True)[0]))


def _values(pair: Pair, estimator: str, only: bool = False) -> tuple[Tensor, ...]:
    """HSIC of x and y and, unless that is all that is asked for, of x and x and of y and y: (m,) each."""
    (_, n, d), e = pair.x.shape, pair.y.shape[-1]
    if pair.kernel.of == "product" and 2 * (d * e + (0 if only else d * d + e * e)) <= n * (d + e):
        # the mean was taken out as a constant, which the formulas of moments would notice in gradients
        x, y = (v - v.mean(1, keepdim=True) for v in (pair.x, pair.y))
        pairs = ((x, y),) if only else ((x, y), (x, x), (y, y))
        return tuple(_by_moments(p, q, estimator) for p, q in pairs)
    k, l, products = pair.sums(squares=not only)
    xy = of_matrices(k, l, products, estimator)
    if only:
        return (xy,)
    xx, yy = (of_matrices(own, own, own.squares, estimator) for own in (k, l))
    if estimator == "unbiased":  # of equidistant samples only rounding is left
        least = 32 * torch.finfo(pair.made).eps / (n * (n - 3))
        xx, yy = (torch.where(u <= least * own.squares, math.nan, u) for u, own in ((xx, k), (yy, l)))
    return xy, xx, yy


def _by_moments(p: Tensor, q: Tensor, estimator: str) -> Tensor:
    """HSIC of the inner products of centred data (m, n, d), (m, n, e), in O(nde) time."""
    square, pp, qq = (p.mT @ q).square().sum((1, 2)), p.square().sum(2), q.square().sum(2)
    return of_centred(p.shape[1], square, pp.sum(1), qq.sum(1), (pp * qq).sum(1), estimator)


def hsic_from_gram(K: Tensor, L: Tensor, *, estimator: str = "unbiased") -> Tensor:
    r"""HSIC from two Gram matrices: as :func:`hsic`, from whatever kernel made them.

    Implements :prf:ref:`hsic-trace`, :prf:ref:`hsic-unbiased`.

    Args:
        K: ``(..., n, n)``, symmetric: ValueError where that can be read (on the CPU, not compiling, not under
            ``torch.func``) and is not so to 1e-3 of the largest entry. The diagonal counts for V alone.
        L: likewise.
        estimator: ``"unbiased"`` (n at least 4, else ValueError) or ``"biased"``.

    Example:
        >>> K = torch.eye(4)
        >>> hsic_from_gram(K, K, estimator="biased")  # tr(HH) / 16
        tensor(0.1875)
    """
    for name, value in (("K", K), ("L", L)):
        _check_gram(name, value)
    n = K.shape[-1]
    if L.shape[-1] != n:
        raise ValueError(f"L must be {n} x {n} as K is, got shape {tuple(L.shape)}")
    check_estimator(estimator, n, name="K")
    units = [unit_of(v.double(), (-2, -1)) for v in (K, L)]
    k, l = (v.double() / unit for v, unit in zip((K, L), units, strict=True))
    k, l = (v - v[..., :1, -1:].detach() for v in (k, l))
    p, q = (v.diagonal(dim1=-2, dim2=-1) for v in (k, l))
    products = (k * l).sum((-2, -1)) - (p * q).sum(-1)
    value = of_matrices(_off_diagonal(k, p), _off_diagonal(l, q), products, estimator)
    for unit in units:
        value = value * unit[..., 0, 0]
    return value.to(torch.promote_types(K.dtype, L.dtype))


def _check_gram(name: str, value: Tensor) -> None:
    check.floating(name, value)
    if value.dim() < 2 or value.shape[-1] != value.shape[-2]:
        raise ValueError(f"{name} must be square, (..., n, n), got shape {tuple(value.shape)}")
    if value.numel() and readable(value):
        gap, size = (v.detach().abs().max() for v in (value - value.mT, value))
        if gap > 1e-3 * size:
            raise ValueError(f"{name} must be symmetric, got entries that differ by {gap.item():.3g}")


def _off_diagonal(matrix: Tensor, diagonal: Tensor) -> Sums:
    return Sums(diagonal, matrix.sum(-1) - diagonal, matrix.new_zeros(()))  # nobody asks for the squares


def cka(
    x: Tensor,
    y: Tensor,
    *,
    kernel: KernelLike = "linear",
    bandwidth: Bandwidth = "median",
    estimator: str = "unbiased",
) -> Tensor:
    r"""Centred kernel alignment: HSIC on a scale where an argument and itself have 1.

    .. math:: \operatorname{CKA}
              = \frac{\operatorname{HSIC}(x,y)}{\sqrt{\operatorname{HSIC}(x,x)\operatorname{HSIC}(y,y)}}

    Linear CKA does not change when x or y is scaled, shifted or rotated, whatever the unit of the data. With
    ``"biased"`` it is in [0, 1], and tends to 1 where the effective dimensions of both arguments are far
    above n, dependent or not; with ``"unbiased"`` it is in [-1, 1]. It costs one pass, as :func:`hsic` does.
    Where the HSIC of an argument and itself is 0: NaN (it is constant or, with ``"unbiased"``, all its
    samples are equally far apart).

    All axes before the last two are a batch, with a value each. So say what a sample is in the activations of
    a convolution, ``(images, channels, height, width)``: an image, with ``x.flatten(1)``, or each of its
    places, with ``x.movedim(1, -1).flatten(0, -2)``. As they are, each image would be a batch of its own.

    Implements :prf:ref:`hsic-cka`.

    Args:
        x: samples ``(..., n, d)``.
        y: samples ``(..., n, e)``.
        kernel: as in :func:`hsic`.
        bandwidth: as in :func:`hsic`.
        estimator: of all three HSIC.

    Source: Kornblith et al. (2019); Nguyen, Raghu and Kornblith (2021) for the unbiased one.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0], [4.0], [7.0]])
        >>> cka(x, 3 - 2 * x)
        tensor(1.)
        >>> maps = torch.randn(16, 8, 5, 5, generator=torch.Generator().manual_seed(0))
        >>> images, places = maps.flatten(1), maps.movedim(1, -1).flatten(0, -2)
        >>> images.shape, cka(images, 2 * images), places.shape, cka(places, 2 * places)
        (torch.Size([16, 200]), tensor(1.), torch.Size([400, 8]), tensor(1.))
    """
    check.tensor("x", x)
    with no_autocast(x):
        pair = paired(x, y, kernel, bandwidth, estimator)
        return pair.restore(aligned(*_values(pair, estimator)))


def distance_covariance(x: Tensor, y: Tensor, *, estimator: str = "unbiased") -> Tensor:
    r"""The squared distance covariance, which is HSIC with minus the distance as both kernels.

    .. math:: \operatorname{dCov}^2(x,y) = 4\operatorname{HSIC}(k,l),\qquad
              k(x,x')=\tfrac12\bigl(|x|+|x'|-|x-x'|\bigr)

    and the same of y for l. Terms of one sample alone centre to 0; what is left, :math:`-\frac12|x-x'|`, is
    half of the kernel ``"distance"``. The square root of the biased one is what Székely calls dCov; the
    unbiased one is that of his U-centred matrices, and can be negative.

    Implements :prf:ref:`hsic-distance`.

    Args:
        x: samples ``(..., n, d)``.
        y: samples ``(..., n, e)``.
        estimator: ``"unbiased"`` or ``"biased"``.

    Source: Székely, Rizzo and Bakirov (2007); Sejdinovic et al. (2013).

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
        >>> distance_covariance(x, x, estimator="biased")
        tensor(0.8125)
    """
    return hsic(x, y, kernel="distance", estimator=estimator)


def distance_correlation(x: Tensor, y: Tensor, *, estimator: str = "unbiased") -> Tensor:
    r"""The distance correlation of Székely, and its bias-corrected form; of a law, 0 means independent.

    .. math:: R_n = \sqrt{\frac{V(x,y)}{\sqrt{V(x,x)\,V(y,y)}}},\qquad
              R^*_n = \frac{U(x,y)}{\sqrt{U(x,x)\,U(y,y)}}

    with the squared distance covariances V (biased) and U (unbiased). :math:`R_n` is Székely's, in [0, 1],
    and 1 if y is x scaled, shifted or rotated; for independent x and y it is far above 0 where n is small or
    there are many columns. :math:`R^*_n` is the bias-corrected form, in [-1, 1]: about :math:`R^2` and not R,
    without a root, since it can be negative. Neither has a unit. Where x or y is constant, or all its samples
    are equally far apart with :math:`R^*_n`: NaN (Székely puts 0).

    Implements :prf:ref:`hsic-distance-correlation`.

    Args:
        x: samples ``(..., n, d)``.
        y: samples ``(..., n, e)``.
        estimator: ``"unbiased"`` (:math:`R^*_n`) or ``"biased"`` (:math:`R_n`; its gradient at 0 is 0).

    Source: Székely, Rizzo and Bakirov (2007); Székely and Rizzo (2013) for the bias-corrected form.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [2.0], [4.0], [7.0]])
        >>> distance_correlation(x, 3 - 2 * x), distance_correlation(x, x**2, estimator="biased")
        (tensor(1.), tensor(0.9723))
    """
    ratio = cka(x, y, kernel="distance", estimator=estimator)
    return ratio if estimator == "unbiased" else root(ratio.clamp(0, 1))


def hsic_gaussian_population(rho: float | Tensor, *, bandwidth: float | tuple[float, float]) -> Tensor:
    r"""HSIC itself, of two standard normal variables with correlation rho under Gaussian kernels.

    .. math:: \operatorname{HSIC}(\rho)
              = st\,\Bigl[\frac1{\sqrt{P-4\rho^2}}+\frac1{\sqrt P}-\frac2{\sqrt{P-\rho^2}}\Bigr],
              \qquad P=(s^2+2)(t^2+2)

    No digits cancel as rho goes to 0, where this is :math:`st\,\rho^2P^{-3/2}`.

    Implements :prf:ref:`hsic-gaussian`.

    Args:
        rho: in [-1, 1] (NaN beyond), a tensor of any shape or a number.
        bandwidth: s for both variables, or the pair (s, t); positive.

    Returns:
        In the shape and dtype of ``rho``; float64 for a number.

    Example:
        >>> hsic_gaussian_population(0.5, bandwidth=1.0)
        tensor(0.0108, dtype=torch.float64)
    """
    s, t = (width_of(width) for width in both(bandwidth))
    if not isinstance(rho, Tensor):
        rho = torch.tensor(check.number("rho", rho), dtype=torch.float64)
    check.floating("rho", rho)
    (near_s, far_s), (near_t, far_t) = (
        (width / math.hypot(width, math.sqrt(2)), math.sqrt(2) / math.hypot(width, math.sqrt(2)))
        for width in (s, t)
    )  # of any size; squares add up to 1, and P = 4 / (far_s far_t)^2
    rho = torch.where(rho.abs() > 1, math.nan, rho)
    x = rho.to(compute_dtype(rho))
    share = x.square() * (far_s * far_t) ** 2  # 4 rho^2 / P
    rest = (1 - x) * (1 + x) + x.square() * (near_s**2 + (far_s * near_t) ** 2)  # 1 - share, near 0, too
    near = torch.expm1(-0.5 * torch.log1p(-share / 4))
    few = share < 0.5
    far = torch.where(
        few,
        torch.expm1(-0.5 * torch.log1p(-torch.where(few, share, 0.0))),
        torch.where(few, 1.0, rest).rsqrt() - 1,
    )
    return (near_s * near_t * (far - 2 * near)).to(rho.dtype)
