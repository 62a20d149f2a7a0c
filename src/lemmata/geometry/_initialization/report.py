"""What an inspection gives: a row for each call of a layer, as a table and as a picture."""

from __future__ import annotations

import html
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["InitializationReport", "LayerReport"]


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
    parts: int = 0  #: how many of the rows before it are of calls within this one


@dataclass(frozen=True, repr=False)
class InitializationReport:
    """What :func:`inspect_initialization` gives: rows that print as a table, and a picture."""

    rows: tuple[LayerReport, ...]
    unseen: tuple[tuple[str, str], ...] = ()  #: modules that own parameters and have no row, and why

    def __str__(self) -> str:
        cells = [HEADER, *(_cells(row) for row in self.rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(HEADER))]
        lines = [
            "  ".join(
                c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
            )
            for line in cells
        ]
        return "\n".join([*(line.rstrip() for line in lines), *self._not_seen()])

    def _not_seen(self) -> list[str]:
        """A line for each reason."""
        reasons = dict.fromkeys(why for _, why in self.unseen)
        names = {
            why: [name or "the model itself" for name, of in self.unseen if of == why] for why in reasons
        }
        return [f"not seen: {', '.join(of)} ({why})" for why, of in names.items()]

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        def line(cells: tuple[str, ...], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        body = "".join(line(_cells(row), "td") for row in self.rows)
        unseen = "".join(f"<p>{html.escape(text)}</p>" for text in self._not_seen())
        return f"<table><thead>{line(HEADER, 'th')}</thead><tbody>{body}</tbody></table>{unseen}"

    def plot(self) -> Figure:
        """Two panels over the layers: the norm so far and the mean cosine, measured and by the theory.

        Where the theory says nothing of a layer, its curve of the norm takes the step that was measured. A
        row that has parts is left out, as its steps are theirs. The
        band is two standard deviations, of a single vector, on each side; a mean over vectors scatters less.

        Raises:
            ImportError: matplotlib, which only this method needs, is not installed.
        """
        return _plot(tuple(row for row in self.rows if not row.parts))


HEADER = ("layer", "kind", "output", "rms", "log ratio", "theory", "± sd", "cosine", "theory")


def _cells(row: LayerReport) -> tuple[str, ...]:
    numbers = (row.log_ratio, row.predicted_log_ratio, row.predicted_std, row.cosine, row.predicted_cosine)
    shape = "(" + ", ".join(map(str, row.shape)) + ")"
    return (row.name, row.kind, shape, f"{row.rms:.4g}", *("" if x is None else f"{x:.4f}" for x in numbers))


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
