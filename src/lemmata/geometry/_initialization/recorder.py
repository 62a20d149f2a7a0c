"""The hooks that measure each layer of a model, and what theory predicts of it."""

import math
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lemmata.geometry._initialization.correlation import relu_correlation
from lemmata.geometry._initialization.drift import log_norm_drift
from lemmata.geometry._initialization.report import LayerReport

__all__ = ["Recorder"]


class Recorder:
    """The hooks, and what they have seen."""

    def __init__(self, model: nn.Module) -> None:
        self.modules = {
            name: module
            for name, module in model.named_modules()
            if not HOLDERS & {*name.split(".")} and not isinstance(module, PARAMETERS)
        }
        self.rows: list[LayerReport] = []
        self.called: set[str] = set()
        self.calls: list[tuple[_Signal | None, int]] = []  # under way: their inputs, and the rows before them
        self.linear: list[weakref.ref[Tensor]] = []  # what linear layers returned

    def attach(self) -> Iterator[torch.utils.hooks.RemovableHandle]:
        for name, module in self.modules.items():
            if _is_layer(module) and not isinstance(module, torch.jit.ScriptModule):
                yield module.register_forward_pre_hook(self.before, with_kwargs=True)
                yield module.register_forward_hook(self.after(name))

    def before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        x, signal = next(_tensors((args, kwargs)), None), None
        if x is not None and x.is_floating_point():
            fed = any(output() is x for output in self.linear)
            signal = _signal(x, fed or isinstance(module, nn.Linear), fed)
        self.calls.append((signal, len(self.rows)))

    def after(self, name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            before, first = self.calls.pop()
            self.called.add(name)
            y = next((y for y in _tensors(output) if y.is_floating_point()), None)
            parts = len(self.rows) - first
            if y is None or (parts and not _owns(module)):
                return
            if isinstance(module, nn.Linear):
                self.linear.append(weakref.ref(y))
            self.rows.append(_row(name, module, before, y)._replace(parts=parts))

        return hook

    def unseen(self) -> Iterator[tuple[str, str]]:
        """Modules that own parameters and have no row, and why."""
        seen = {row.name for row in self.rows}
        for name, module in self.modules.items():
            if name in seen or not _owns(module):
                continue
            if isinstance(module, torch.jit.ScriptModule):
                yield name, "TorchScript calls no hooks"
            elif name in self.called:
                yield name, "returned no floating-point tensor"
            else:
                yield name, "not called as modules"


PARAMETERS = (nn.ParameterList, nn.ParameterDict)  # modules that hold for the one above them, and never run
HOLDERS = {"parametrizations", "_packed_params"}  # names of others


def _owns(module: nn.Module) -> bool:
    """Whether a module has parameters of its own, parametrised, in a list, or packed ones, too."""
    holders = [module, *(child for child in module.children() if isinstance(child, PARAMETERS))]
    own = any(True for holder in holders for _ in holder.parameters(recurse=False))
    packed = hasattr(module, "_packed_params")
    return own or packed or nn.utils.parametrize.is_parametrized(module)


def _is_layer(module: nn.Module) -> bool:
    """Whether a module can have rows: it owns parameters, or none is inside it."""
    return _owns(module) or not any(map(_owns, module.modules()))


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in an argument or a result, those in tuples and dictionaries, too."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list | Mapping):
        for held in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(held)


class _Signal(NamedTuple):
    """What is kept of a layer's input or output, since another layer may overwrite it."""

    square: Tensor  # (vectors,), the squared norms
    gram: Tensor  # (some, some), of the vectors that stand for all
    fed: bool  # whether a linear layer returned it


PAIRS_OF = 256  # vectors: all pairs of as many as this, evenly spread, give the mean cosine


def _signal(x: Tensor, by_last_axis: bool, fed: bool = False) -> _Signal:
    x = x.detach().double()
    vectors = (
        x.reshape(-1, x.shape[-1])
        if by_last_axis and x.dim()
        else x.reshape(len(x) if x.dim() > 1 else 1, -1)
    )
    some = vectors[:: max(1, math.ceil(len(vectors) / PAIRS_OF))]
    return _Signal(vectors.square().sum(-1), some @ some.mT, fed)


def _row(name: str, module: nn.Module, before: _Signal | None, y: Tensor) -> LayerReport:
    after = _signal(y, (before is not None and before.fed) or isinstance(module, nn.Linear))
    ratio, theory = None, _Theory()
    if before is not None and len(before.square) == len(after.square):
        alive = (before.square > 0) & (after.square > 0)
        ratio = _mean((after.square / before.square).log()[alive])
        if isinstance(module, nn.Linear) and type(module).forward is nn.Linear.forward:
            theory = _linear_theory(module, before, alive)
        elif before.fed and type(module) is nn.ReLU:
            theory = _relu_theory(y.shape[-1], before)
    return LayerReport(
        name=name,
        kind=type(module).__name__.removeprefix("Parametrized"),
        shape=tuple(y.shape),
        rms=y.detach().double().square().mean().sqrt().item(),
        log_ratio=ratio,
        predicted_log_ratio=theory.log_ratio,
        predicted_std=theory.std,
        cosine=_mean(_cosines(after.gram)),
        predicted_cosine=theory.cosine,
    )


class _Theory(NamedTuple):
    """What is predicted of a layer; None where the theory does not cover it."""

    log_ratio: float | None = None
    std: float | None = None
    cosine: float | None = None


def _linear_theory(layer: nn.Linear, x: _Signal, alive: Tensor) -> _Theory:
    weight, bias = layer.weight.detach().double(), layer.bias
    v = weight.square().mean()
    s2 = weight.new_zeros(()) if bias is None else bias.detach().double().square().mean()
    drift = log_norm_drift(len(weight), 1)
    step = _mean((len(weight) * (v + s2 / x.square[alive])).log())
    ratio = None if step is None else drift.mean + step
    return _Theory(ratio, math.sqrt(drift.variance), _mean(_cosines(v * x.gram + s2)))


def _relu_theory(m: int, x: _Signal) -> _Theory:
    fired, plain = log_norm_drift(m, 1, activation="relu"), log_norm_drift(m, 1)
    std = math.sqrt(max(0.0, fired.variance - plain.variance))
    cosines = _cosines(x.gram).clamp(-1, 1)
    return _Theory(fired.mean - plain.mean - math.log(2), std, _mean(relu_correlation(cosines)))


def _cosines(gram: Tensor) -> Tensor:
    """The cosines of all pairs of vectors that are not 0."""
    size = gram.diagonal().clamp(min=0).sqrt()
    alive = size > 0
    cosines = (gram / size.outer(size))[alive][:, alive]
    i, j = torch.triu_indices(len(cosines), len(cosines), 1, device=gram.device)
    return cosines[i, j]


def _mean(values: Tensor) -> float | None:
    return values.mean().item() if len(values) else None
