"""QR with the signs that make it unique, in plain PyTorch."""

import torch
from torch import Tensor

__all__ = ["orthonormal"]


def orthonormal(a: Tensor) -> Tensor:
    """The Q of A = QR with a positive diagonal of R, for ``(..., m, n)``, m >= n; Haar if A is Gaussian.

    A diagonal entry of 0 (A is singular) counts as positive.
    """
    q, r = torch.linalg.qr(a)
    return q.mul_(torch.where(r.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0).unsqueeze(-2))
