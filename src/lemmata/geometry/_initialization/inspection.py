"""Norms and angles in a user's own network, layer by layer, measured and as the theory predicts them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from lemmata.geometry._initialization.recorder import Recorder
from lemmata.geometry._initialization.report import InitializationReport

__all__ = ["inspect_initialization"]


def inspect_initialization(model: nn.Module, input: Tensor | tuple[Any, ...]) -> InitializationReport:
    r"""Follow a batch through a model: what each layer does to norms and angles, beside what theory predicts.

    The model runs once, as it is (training or evaluation), without gradients. Nothing of it is changed:
    buffers (the running statistics of batch normalisation) are replaced by copies meanwhile, and the state
    of the random generators is put back. What is compiled runs as it was written, and attention on its plain
    path, where hooks see it.

    A layer is a module that owns parameters, or in which no other ran, and has one row per call; what is
    computed without a module (``F.relu``, ``+``) has none. Modules that own parameters and have no row are
    named below the table: nobody called them (attention reads the weights of its ``out_proj``; or their
    ``forward`` was called, which hooks do not see), they returned no tensor of floating point, or they are
    TorchScript, which calls no hooks.

    The theory is of independent Gaussian weights. Its log ratios hold for any input, its cosines for any
    input of a wide layer. It is given for

    * ``nn.Linear`` with m outputs. With v and s² the mean squares of its weights and of its bias,

      .. math:: \mathbb E\log\frac{\|y\|^2}{\|x\|^2}
                = \psi\bigl(\tfrac m2\bigr) + \log 2\bigl(v + s^2/\|x\|^2\bigr),\qquad
                \cos' = \frac{v\,x\cdot x' + s^2}{\sqrt{(v\|x\|^2+s^2)(v\|x'\|^2+s^2)}}

    * ``nn.ReLU`` on the output of such a layer, by :func:`log_norm_drift` and :func:`relu_correlation`.

    Other layers are measured only. Orthogonal weights do better than this theory: a square one keeps every
    norm and angle exactly.

    Args:
        model: any module written in Python; a lazy one must have been materialised.
        input: a tensor whose first axis counts the examples, or a tuple of the model's arguments.

    Returns:
        A report: its ``rows`` are :class:`LayerReport`; ``print`` gives a table and ``plot()`` a picture.
        Vectors are the examples, flattened; for ``nn.Linear`` and its ReLU, the slices of the last axis. Of
        several arguments or results, in tuples or dictionaries, the first tensor counts.

    Raises:
        TypeError: not a module, or not a tensor or a tuple; a model that is TorchScript as a whole, or one
            that spreads over devices (``DataParallel``), whose ``module`` can be inspected.
        ValueError: parameters that are lazy or on the meta device.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Linear(64, 256, bias=False), nn.ReLU())
        >>> print(inspect_initialization(model, torch.randn(8, 64)))  # doctest: +SKIP
    """
    _check(model, input)
    arguments = input if isinstance(input, tuple) else (input,)
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    recorder = Recorder(model)
    handles = list(recorder.attach())
    try:
        with torch.no_grad(), torch.random.fork_rng(_cuda_devices(model, arguments)), _every_call():
            torch.func.functional_call(model, buffers, arguments)
    finally:
        for handle in handles:
            handle.remove()
    return InitializationReport(tuple(recorder.rows), tuple(recorder.unseen()))


@contextmanager
def _every_call() -> Iterator[None]:
    """Neither compiled code nor the fused kernel of attention, both of which pass by the modules inside.

    What is compiled has imported torch._dynamo, which takes seconds.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _check(model: nn.Module, input: object) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    if not isinstance(input, Tensor | tuple):
        raise TypeError(f"input must be a tensor or a tuple of arguments, got {type(input).__name__}")
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError(f"model must be written in Python, got {type(model).__name__}, which calls no hooks")
    for name, module in model.named_modules():
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = ".".join(filter(None, (name, "module")))
            raise TypeError(
                f"model must stay on one device, got {type(module).__name__}: inspect its {inner}"
            )
    for name, parameter in model.named_parameters():
        if nn.parameter.is_lazy(parameter) or parameter.is_meta:
            raise ValueError(f"model must have values in all its parameters, {name} has none yet")


def _cuda_devices(model: nn.Module, arguments: tuple[Any, ...]) -> list[torch.device]:
    tensors = (*model.parameters(), *model.buffers(), *(x for x in arguments if isinstance(x, Tensor)))
    return list({x.device for x in tensors if x.is_cuda})
