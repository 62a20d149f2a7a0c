"""The hooks that measure each layer of a model, and what theory predicts of it."""

import math
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lemmata.geometry._initialization.correlation import relu_correlation
from lemmata.geometry._initialization.drift import log_norm_drift
from lemmata.geometry._initialization.report import LayerReport

__all__ = ["Recorder"]


class Recorder:
    """The hooks, and what they have seen."""

    def __init__(self) -> None:
        self.rows: list[LayerReport] = []
        self.inputs: list[_Signal | None] = []  # of the calls under way
        self.linear: list[weakref.ref[Tensor]] = []  # what linear layers returned

    def attach(self, model: nn.Module) -> Iterator[torch.utils.hooks.RemovableHandle]:
        for name, module in model.named_modules():
            own = "parametrizations" not in name.split(".")
            if own and all(child == "parametrizations" for child, _ in module.named_children()):
                yield module.register_forward_pre_hook(self.before, with_kwargs=True)
                yield module.register_forward_hook(self.after(name))

    def before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        x = next((x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)), None)
        if x is None or not x.is_floating_point():
            self.inputs.append(None)
            return
        fed = any(output() is x for output in self.linear)
        self.inputs.append(_signal(x, fed or isinstance(module, nn.Linear), fed))

    def after(self, name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            before = self.inputs.pop()
            y = output[0] if isinstance(output, tuple | list) and output else output
            if not isinstance(y, Tensor) or not y.is_floating_point():
                return
            if isinstance(module, nn.Linear):
                self.linear.append(weakref.ref(y))
            self.rows.append(_row(name, module, before, y))

        return hook


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
        if isinstance(module, nn.Linear):
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
