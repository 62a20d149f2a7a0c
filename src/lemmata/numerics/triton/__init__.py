"""Fused kernels in Triton: which tensors they take, and what two or more of them share.

Each kernel stands beside its chapter, in a module ``triton.py`` that is imported when the first tensor needs
it: ``import lemmata`` does not import triton, and without triton, or on another device, plain PyTorch runs.
"""

from importlib.util import find_spec

import torch
from torch import Tensor, nn

from lemmata._torch import forward_mode, is_wrapped, transforming

__all__ = ["DEVICES", "INSTALLED", "fused"]

INSTALLED = find_spec("triton") is not None
DEVICES = ["cuda"]  # Triton's interpreter takes the CPU, too: the tests add it
PLAIN = (Tensor, nn.Parameter)
KINDS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def fused(x: Tensor, *others: object) -> bool:
    """Whether a kernel takes these tensors, ``x`` being the one of floating point.

    Not under a transform of ``torch.func`` nor in forward mode, where an operator of one's own has silently
    no tangent; not while compiling, where inductor fuses the plain form; not for subclasses of Tensor.
    """
    if not INSTALLED or x.device.type not in DEVICES or torch.compiler.is_compiling():
        return False
    tensors = [x, *(value for value in others if isinstance(value, Tensor))]
    if any(type(value) not in PLAIN or value.device != x.device for value in tensors):
        return False
    return x.dtype in KINDS and not (forward_mode() or transforming() or is_wrapped(*tensors))
