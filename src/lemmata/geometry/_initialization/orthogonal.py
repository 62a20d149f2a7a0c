"""Haar-random orthogonal matrices."""

import torch
from torch import Tensor

from lemmata import _arguments as check
from lemmata._torch import readable
from lemmata.geometry._initialization.shapes import matrix, not_nan
from lemmata.numerics.orthonormal import orthonormal
from lemmata.numerics.precision import compute_dtype, no_autocast

__all__ = ["orthogonal_"]


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
    the Gram matrix summed in float64 one pass is about as orthogonal as Householder's reflections, which do
    all else; the longer the matrix the more so. Compiled and exported programs use reflections throughout.

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
    if readable(a) and 128 <= n <= m // 4 and torch.get_float32_matmul_precision() == "highest":
        r, failed = torch.linalg.cholesky_ex(_gram(a), upper=True)
        diagonal = r.diagonal(dim1=-2, dim2=-1)
        if not failed.any() and diagonal.min() > 0.01 * diagonal.max():
            return _times_inverse(a, r.to(a.dtype))
    return orthonormal(a)


ROWS = 2048  # of a block; its columns are an eighth of all, or 64


def _gram(a: Tensor) -> Tensor:
    """The upper triangle of the Gram matrix: products of blocks in the dtype of ``a``, summed in float64."""
    n, width = a.shape[-1], max(64, a.shape[-1] // 8)
    gram = a.new_zeros((*a.shape[:-2], n, n), dtype=torch.float64)
    for rows in a.split(ROWS, -2):
        for start in range(0, n, width):
            stop = start + width
            gram[..., :stop, start:stop] += rows[..., :stop].mT @ rows[..., start:stop]
    return gram


def _times_inverse(a: Tensor, r: Tensor) -> Tensor:
    """a r^-1 in the place of a, the last columns first, since each needs those before it only."""
    n, width, by_rows = a.shape[-1], max(64, a.shape[-1] // 8), a.stride(-1) == 1
    inverse = torch.linalg.solve_triangular(r, torch.eye(n, dtype=r.dtype, device=r.device), upper=True)
    for rows in a.split(ROWS, -2):
        for start in reversed(range(0, n, width)):
            stop = start + width
            x, y = rows[..., :stop], inverse[..., :stop, start:stop]
            rows[..., start:stop] = x @ y if by_rows else (y.mT @ x.mT).mT  # laid out as it is stored
    return a
