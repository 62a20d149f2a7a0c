r"""Norms and angles in a user's own network, layer by layer, measured and as the theory predicts them.

Part of the chapter :doc:`/geometry/initialization`, on the theory of :mod:`lemmata.geometry.initialization`.
"""

from __future__ import annotations

import html
import itertools
import math
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from lemmata.geometry.initialization import log_norm_drift, relu_correlation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["InitializationReport", "LayerReport", "inspect_initialization"]

PAIRS_OF = 256  # vectors: all pairs of as many as this, evenly spread, give the mean cosine


class LayerReport(NamedTuple):
    """One call of one layer. None is what cannot be measured, or what the theory does not cover."""

    name: str  #: as in ``model.named_modules()``
    kind: str  #: the class of the layer
    shape: tuple[int, ...]  #: of the output
    rms: float  #: root mean square of the output's entries
    log_ratio: float | None  #: mean over the vectors x of log(‖y‖² / ‖x‖²)
    predicted_log_ratio: float | None
    predicted_std: float | None  #: of a single vector's log ratio, over random weights
    cosine: float | None  #: mean over pairs of outputs
    predicted_cosine: float | None  #: from the cosines of the layer's own inputs


@dataclass(frozen=True, repr=False)
class InitializationReport:
    """What :func:`inspect_initialization` gives: rows that print as a table, and a picture."""

    rows: tuple[LayerReport, ...]

    def __str__(self) -> str:
        cells = [HEADER, *(_cells(row) for row in self.rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(HEADER))]
        lines = [
            "  ".join(
                c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
            )
            for line in cells
        ]
        return "\n".join(line.rstrip() for line in lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        def line(cells: tuple[str, ...], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        body = "".join(line(_cells(row), "td") for row in self.rows)
        return f"<table><thead>{line(HEADER, 'th')}</thead><tbody>{body}</tbody></table>"

    def plot(self) -> Figure:
        """Two panels over the layers: the norm so far and the mean cosine, measured and by the theory.

        Where the theory says nothing of a layer, its curve of the norm takes the step that was measured. The
        band is two standard deviations, of a single vector, on each side; a mean over vectors scatters less.

        Raises:
            ImportError: matplotlib, which only this method needs, is not installed.
        """
        return _plot(self.rows)


HEADER = ("layer", "kind", "output", "rms", "log ratio", "theory", "± sd", "cosine", "theory")


def _cells(row: LayerReport) -> tuple[str, ...]:
    numbers = (row.log_ratio, row.predicted_log_ratio, row.predicted_std, row.cosine, row.predicted_cosine)
    shape = "(" + ", ".join(map(str, row.shape)) + ")"
    return (row.name, row.kind, shape, f"{row.rms:.4g}", *("" if x is None else f"{x:.4f}" for x in numbers))


def inspect_initialization(model: nn.Module, input: Tensor | tuple[Any, ...]) -> InitializationReport:
    r"""Follow a batch through a model: what each layer does to norms and angles, beside what theory predicts.

    The model runs once, as it is (training or evaluation), without gradients. Nothing of it is changed:
    buffers (the running statistics of batch normalisation) are replaced by copies meanwhile, and the state
    of the random generators is put back. A layer is a module without submodules, and has one row per call;
    what is computed without a module (``F.relu``, ``+``) has none.

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
        model: any module; a lazy one must have been materialised.
        input: a tensor whose first axis counts the examples, or a tuple of the model's arguments.

    Returns:
        A report: its ``rows`` are :class:`LayerReport`; ``print`` gives a table and ``plot()`` a picture.
        Vectors are the examples, flattened; for ``nn.Linear`` and its ReLU, the slices of the last axis.

    Raises:
        TypeError: not a module, or not a tensor or a tuple.
        ValueError: parameters that are lazy or on the meta device.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Linear(64, 256, bias=False), nn.ReLU())
        >>> print(inspect_initialization(model, torch.randn(8, 64)))  # doctest: +SKIP
    """
    _check(model, input)
    arguments = input if isinstance(input, tuple) else (input,)
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    recorder = _Recorder()
    handles = list(recorder.attach(model))
    try:
        with torch.no_grad(), torch.random.fork_rng(_cuda_devices(model, arguments)):
            torch.func.functional_call(model, buffers, arguments)
    finally:
        for handle in handles:
            handle.remove()
    return InitializationReport(tuple(recorder.rows))


def _check(model: nn.Module, input: object) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    if not isinstance(input, Tensor | tuple):
        raise TypeError(f"input must be a tensor or a tuple of arguments, got {type(input).__name__}")
    for name, parameter in model.named_parameters():
        if nn.parameter.is_lazy(parameter) or parameter.is_meta:
            raise ValueError(f"model must have values in all its parameters, {name} has none yet")


def _cuda_devices(model: nn.Module, arguments: tuple[Any, ...]) -> list[torch.device]:
    tensors = (*model.parameters(), *model.buffers(), *(x for x in arguments if isinstance(x, Tensor)))
    return list({x.device for x in tensors if x.is_cuda})


# --------------------------------------------------------------------------- measuring


class _Signal(NamedTuple):
    """What is kept of a layer's input, since the layer may overwrite it."""

    square: Tensor  # (vectors,), the squared norms
    gram: Tensor  # (some, some), of the vectors that stand for all


class _Recorder:
    """The hooks, and what they have seen."""

    def __init__(self) -> None:
        self.rows: list[LayerReport] = []
        self.inputs: list[tuple[_Signal, bool] | None] = []  # of the calls under way
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
        self.inputs.append((_signal(x, fed or isinstance(module, nn.Linear)), fed))

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


def _signal(x: Tensor, by_last_axis: bool) -> _Signal:
    x = x.detach().double()
    vectors = (
        x.reshape(-1, x.shape[-1])
        if by_last_axis and x.dim()
        else x.reshape(len(x) if x.dim() > 1 else 1, -1)
    )
    some = vectors[:: max(1, math.ceil(len(vectors) / PAIRS_OF))]
    return _Signal(vectors.square().sum(-1), some @ some.mT)


def _row(name: str, module: nn.Module, before: tuple[_Signal, bool] | None, y: Tensor) -> LayerReport:
    fed = before is not None and before[1]
    out = _signal(y, fed or isinstance(module, nn.Linear))
    rms = y.detach().double().square().mean().sqrt().item()
    ratio, cosine = None, _mean(_cosines(out.gram))
    predicted: Theory = (None, None, None)
    if before is not None and len(before[0].square) == len(out.square):
        source = before[0]
        alive = (source.square > 0) & (out.square > 0)
        ratio = _mean((out.square / source.square).log()[alive])
        if isinstance(module, nn.Linear):
            predicted = _linear_theory(module, source, alive)
        elif fed and type(module) is nn.ReLU:
            predicted = _relu_theory(y.shape[-1], source)
    kind = type(module).__name__.removeprefix("Parametrized")
    return LayerReport(name, kind, tuple(y.shape), rms, ratio, *predicted[:2], cosine, predicted[2])


Theory = tuple[float | None, float | None, float | None]  # log ratio, its deviation, mean cosine


def _linear_theory(layer: nn.Linear, x: _Signal, alive: Tensor) -> Theory:
    weight, bias = layer.weight.detach().double(), layer.bias
    v = weight.square().mean()
    s2 = weight.new_zeros(()) if bias is None else bias.detach().double().square().mean()
    drift = log_norm_drift(len(weight), 1)
    step = _mean((len(weight) * (v + s2 / x.square[alive])).log())
    ratio = None if step is None else drift.mean + step
    return ratio, math.sqrt(drift.variance), _mean(_cosines(v * x.gram + s2))


def _relu_theory(m: int, x: _Signal) -> Theory:
    fired, plain = log_norm_drift(m, 1, activation="relu"), log_norm_drift(m, 1)
    std = math.sqrt(max(0.0, fired.variance - plain.variance))
    cosines = _cosines(x.gram).clamp(-1, 1)
    return fired.mean - plain.mean - math.log(2), std, _mean(relu_correlation(cosines))


def _cosines(gram: Tensor) -> Tensor:
    """The cosines of all pairs of vectors that are not 0."""
    size = gram.diagonal().clamp(min=0).sqrt()
    alive = size > 0
    cosines = (gram / size.outer(size))[alive][:, alive]
    i, j = torch.triu_indices(len(cosines), len(cosines), 1, device=gram.device)
    return cosines[i, j]


def _mean(values: Tensor) -> float | None:
    return values.mean().item() if len(values) else None


# --------------------------------------------------------------------------- the picture


def _plot(rows: tuple[LayerReport, ...]) -> Figure:
    try:
        import matplotlib.pyplot as plt  # here: importing lemmata costs torch and nothing else
    except ImportError:
        raise ImportError("plot needs matplotlib, which is not installed: pip install matplotlib") from None
    figure, (norms, angles) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    at = range(1, len(rows) + 1)
    measured, predicted, spread = _totals(rows)
    norms.fill_between(
        at,
        [p - 2 * s for p, s in zip(predicted, spread, strict=True)],
        [p + 2 * s for p, s in zip(predicted, spread, strict=True)],
        alpha=0.15,
        color="C1",
        linewidth=0,
    )
    norms.plot(at, measured, "o-", markersize=3, color="C0", label="measured")
    norms.plot(at, predicted, "--", color="C1", label="theory")
    norms.set(xlabel="layer", ylabel="log of the squared norm's ratio, so far")
    nan = math.nan
    angles.plot(at, [nan if r.cosine is None else r.cosine for r in rows], "o-", markersize=3, color="C0")
    theory_cosines = [nan if r.predicted_cosine is None else r.predicted_cosine for r in rows]
    angles.plot(at, theory_cosines, "x", color="C1")
    angles.set(xlabel="layer", ylabel="mean cosine of two outputs")
    norms.legend(frameon=False)
    return figure


def _totals(rows: tuple[LayerReport, ...]) -> tuple[list[float], list[float], list[float]]:
    """Running sums: the measured log ratios, the predicted ones, and the latter's standard deviation."""
    steps = [row.log_ratio or 0.0 for row in rows]
    predicted = [
        step if row.predicted_log_ratio is None else row.predicted_log_ratio
        for step, row in zip(steps, rows, strict=True)
    ]
    variances = itertools.accumulate((row.predicted_std or 0.0) ** 2 for row in rows)
    sums = [list(itertools.accumulate(values)) for values in (steps, predicted)]
    return sums[0], sums[1], [math.sqrt(v) for v in variances]
