"""1.5-entmax and sparsemax as Triton kernels, for rows that fit into the registers of a processor."""

from typing import Any

import torch
import triton
from torch import Tensor

from lemmata._torch import is_wrapped
from lemmata.numerics.triton.rows import as_rows, on_device
from lemmata.simplex._softmax.gpu_kernels import map_rows, pull_rows
from lemmata.simplex._softmax.rows import _slope

__all__ = ["fused_entmax", "pull", "weigh"]


def fused_entmax(x: Tensor, a: float) -> Tensor:
    """alpha-entmax over the last axis, a = alpha - 1 = 1/2 or 1."""
    return weigh(as_rows(x).contiguous(), a == 0.5)[0].view(x.shape)


def _setting(x: Tensor, half: bool) -> dict[str, Any]:
    block = int(max(16, triton.next_power_of_2(x.shape[1])))
    warps = min(32, max(1, block // 512))
    return dict(HALF=half, BLOCK=block, WIDE=x.dtype == torch.float64, num_warps=warps)


@torch.library.custom_op("lemmata::entmax", mutates_args=())
def weigh(x: Tensor, half: bool) -> tuple[Tensor, Tensor]:
    """The probabilities, and 0 for rows whose largest score is infinite."""
    p, live = _like(x)
    if x.numel():
        with on_device(x):
            map_rows[len(x),](x, p, live, x.shape[1], **_setting(x, half))
    return p, live


@torch.library.custom_op("lemmata::entmax_slope", mutates_args=())
def pull(p: Tensor, live: Tensor, g: Tensor, half: bool) -> Tensor:
    """The Jacobian times g."""
    dx = torch.empty_like(p)
    if p.numel():
        with on_device(p):
            pull_rows[len(p),](p, live, g.contiguous(), dx, p.shape[1], **_setting(p, half))
    return dx


def _like(x: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), x.new_empty((len(x), 1), dtype=torch.uint8)


@weigh.register_fake
def _(x, half):
    return _like(x)


@pull.register_fake
def _(p, live, g, half):
    return torch.empty_like(p)


def _setup(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.half = inputs[1]
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(*output)


def _backward(ctx: Any, g: Tensor, _: Any) -> tuple[Any, ...]:
    p, live = ctx.saved_tensors
    if torch.is_grad_enabled() or is_wrapped(g):
        return _slope(p, live != 0, g, 0.5 if ctx.half else 1.0), None
    return pull(p, live, g, ctx.half), None


weigh.register_autograd(_backward, setup_context=_setup)
