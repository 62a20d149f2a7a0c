"""Haar-random orthogonal matrices."""

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.geometry._initialization.factors import by_cholesky, by_reflections
from lemmata.geometry._initialization.shapes import matrix, not_nan
from lemmata.numerics.orthonormal import orthonormal
from lemmata.numerics.precision import compute_dtype, no_autocast

__all__ = ["orthogonal_"]

MANY = 768  # columns from which on panels of our own are sooner than LAPACK's


@torch.no_grad()
def orthogonal_(
    tensor: Tensor,
    gain: float = 1.0,
    *,
    generator: torch.Generator | None = None,
    batched: bool = False,
) -> Tensor:
    r"""Fill with a Haar-random orthogonal matrix: orthonormal columns, or rows where these are fewer.

    It is the Q of a Gaussian A = QR with :math:`R_{ii} > 0`, which makes Q unique and its law invariant:
    OA = (OQ)R for every orthogonal O. So a seed gives the matrix that :func:`torch.nn.init.orthogonal_`
    gives, to rounding, and sooner on a CPU where a matrix has a short side of at least 128 and a long one of
    at least four times that. There R is the Cholesky factor of :math:`A^\top A`, whose diagonal is positive
    as it is, and Q is :math:`AR^{-1}`. A Gaussian of that shape has a condition of about 3 at most, so with
    the Gram matrix factored in float64 one pass is about as orthogonal as Householder's reflections, which do
    all else; the longer the matrix the more so. From a short side of 768 on these are applied by wide panels
    in float32, which is sooner, too. Compiled and exported programs leave reflections to LAPACK.

    Beyond torch's: bfloat16 and float16, and batches.

    Implements :prf:ref:`initialization-haar`, :prf:ref:`initialization-qr`.

    Args:
        tensor: at least 2 dimensions. The first are the rows, all others together the columns; or, batched,
            the last two are.
        gain: multiplies the matrix.
        generator: of the tensor's device.
        batched: draw an independent matrix for every index of the leading dimensions, instead of taking the
            tensor as one matrix.

    Returns:
        The same tensor.

    Raises:
        ValueError: fewer than 2 dimensions.

    Source: Stewart (1980); Mezzadri (2007); for Cholesky's way, Yamamoto et al. (2015).

    Example:
        >>> q = orthogonal_(torch.empty(64, 16, 3, 3, dtype=torch.bfloat16)).float().flatten(1)
        >>> bool((q @ q.T - torch.eye(64)).abs().max() < 0.01)
        True
    """
    check.floating("tensor", tensor)
    matrix("tensor", tensor)
    check.generator("generator", generator)
    scale = not_nan("gain", gain)
    if tensor.is_meta or tensor.numel() == 0:
        return tensor
    shape = tensor.shape if batched else (tensor.shape[0], tensor.numel() // tensor.shape[0])
    dtype = compute_dtype(tensor)
    in_place = tensor.is_contiguous() and tensor.dtype == dtype
    a = tensor.detach().view(shape) if in_place else torch.empty(shape, dtype=dtype, device=tensor.device)
    a.normal_(generator=generator)
    with no_autocast(tensor):
        q = _cholesky_or_householder(a if shape[-2] >= shape[-1] else a.mT)
    q = q if shape[-2] >= shape[-1] else q.mT
    q = q if scale == 1 else q.mul_(scale)
    there = readable(tensor) and q.data_ptr() == tensor.data_ptr()
    return tensor if there else tensor.copy_(q.reshape(tensor.shape))


def _cholesky_or_householder(a: Tensor) -> Tensor:
    """The Q of A = QR with a positive diagonal of R; A is (..., m, n), m at least n, overwritten."""
    m, n = a.shape[-2:]
    tall, large = 128 <= n <= m // 4, n >= MANY and a.dtype == torch.float32
    if not (tall or large) or not readable(a) or torch.get_float32_matmul_precision() != "highest":
        return orthonormal(a)
    for one in a.view(-1, m, n):
        if tall and by_cholesky(one):
            continue
        by_reflections(one) if large else one.copy_(orthonormal(one))
    return a
