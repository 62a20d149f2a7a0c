"""Which chapter builds on which, drawn beside a list: one vertical line for each that others build on.

A line begins with a dot at the chapter and reaches, by a short stroke, all that build on it. Lines that share
no row share a lane. Each row of the list has its own piece of the drawing, as high as the row, so that titles
may wrap; it takes the colour of the text. What it shows is said in words elsewhere, so it is hidden from
screen readers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

WIDTH = 10  # of a lane
ROUND = 'stroke-linecap="round" stroke-width="7"'


@dataclass(frozen=True)
class Line:
    """From the row of a chapter to the rows of those that build on it, in a lane."""

    source: int
    targets: frozenset[int]
    lane: int

    @property
    def rows(self) -> range:
        return range(min(self.source, *self.targets), max(self.source, *self.targets) + 1)


def lines(names: Sequence[str], below: Mapping[str, Sequence[str]]) -> list[Line]:
    """The lines of the names in this order, of which ``below`` says what each builds on."""
    drawn: list[Line] = []
    for source, name in enumerate(names):
        if targets := frozenset(row for row, other in enumerate(names) if name in below[other]):
            at_once = Line(source, targets, 0).rows
            taken = {line.lane for line in drawn if set(line.rows) & set(at_once)}
            lane = next(lane for lane in range(len(taken) + 1) if lane not in taken)
            drawn.append(Line(source, targets, lane))
    return drawn


def row(number: int, every: Sequence[Line]) -> str:
    """The piece of the drawing in one row: SVG, 100 units high however high the row is."""
    width = WIDTH * (1 + max((line.lane for line in every), default=-1))
    here = (line for line in every if number in line.rows)
    paths = "".join(path for line in here for path in strokes(line, number, width))
    return (
        f'<svg class="map-lanes" aria-hidden="true" width="{width}" viewBox="0 0 {width} 100" '
        f'preserveAspectRatio="none" fill="none" stroke="currentColor">{paths}</svg>'
    )


def strokes(line: Line, number: int, width: int) -> Iterator[str]:
    x = width - WIDTH * (line.lane + 0.5)  # the first lane is the nearest to the titles
    top = 50 if number == line.rows[0] else 0
    bottom = 50 if number == line.rows[-1] else 100
    yield stroke(f"M{x:g} {top}V{bottom}")
    if number in line.targets:
        yield stroke(f"M{x:g} 50H{width}")
    if number == line.source:
        yield stroke(f"M{x:g} 50h0", ROUND)


def stroke(path: str, style: str = "") -> str:
    return f'<path d="{path}" vector-effect="non-scaling-stroke" {style}/>'
