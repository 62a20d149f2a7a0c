"""Time over size, both in units of the largest: SVG in the colours of the book's figures, for light and dark.

Every operation is a line that ends in the upper right corner. A thin line has the slope of the order of the
algorithm; where what does not grow still counts, a line leaves it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from docutils import nodes
from results import Record, processor

WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 78, 12, 12, 46
SIZES, TIMES = (1 / 100, 1.0), (1e-3, 1.0)  # what the axes show
GREY = "#777777"
COLOURS = {1: "#2f83c5", 2: "#d5600a", 3: "#009a70"}  # those of figures in chapters, by order
DASHES = {1: "", 2: "7 3", 3: "9 3 2 3"}
CAPTION = (
    "Time over size, both in units of the largest size measured. Each coloured line is an operation, thin "
    "lines have the slope of an order. To the right each follows its order; to the left what does not grow "
    "weighs more, and it lies above."
)
ALT = (
    "Two logarithmic axes; the lines of operations meet in the upper right corner, in bundles of slope about "
    "{orders}, and are flatter at small sizes."
)


def across(size: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * share(size, SIZES)


def up(time: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share(time, TIMES))


def share(value: float, ends: tuple[float, float]) -> float:
    return math.log(value / ends[0]) / math.log(ends[1] / ends[0])


def path(points: Iterable[tuple[float, float]], style: str, title: str = "") -> str:
    where = "L".join(f"{across(x):.1f} {up(y):.1f}" for x, y in points)
    return f'<path d="M{where}" fill="none" {style}><title>{escape(title)}</title></path>'


def text(x: float, y: float, words: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{GREY}" {style}>{words}</text>'


def axes() -> list[str]:
    """Grid lines with their numbers, and what the axes are."""
    grid = f'stroke="{GREY}" stroke-opacity="0.25" stroke-width="0.8"'
    drawn = []
    for part in (64, 16, 4, 1):
        x = across(1 / part)
        drawn += [path([(1 / part, TIMES[0]), (1 / part, 1)], grid)]
        drawn += [text(x, HEIGHT - BOTTOM + 18, f"1/{part}" if part > 1 else "1", 'text-anchor="middle"')]
    for power in (3, 2, 1, 0):
        y = 10.0**-power
        drawn += [path([(SIZES[0], y), (1, y)], grid)]
        drawn += [text(LEFT - 8, up(y) + 4, f"1/{10**power}" if power else "1", 'text-anchor="end"')]
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = f'text-anchor="middle" transform="rotate(-90 14 {middle:.0f})"'
    return [
        *drawn,
        text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "size, over the largest", 'text-anchor="middle"'),
        text(14, middle, "time, over that of the largest", turned),
    ]


def guide(order: int) -> str:
    """The line of an order."""
    start = max(SIZES[0], TIMES[0] ** (1 / order))
    return path([(start, start**order), (1, 1)], f'stroke="{GREY}" stroke-width="1"', f"order {order}")


def stroke(order: int) -> str:
    return f'stroke="{COLOURS[order]}" stroke-width="2" stroke-dasharray="{DASHES[order]}"'


def key(order: int, place: int) -> list[str]:
    """What a colour means, where no line can be: no operation takes as long for a little as for all."""
    x, y = LEFT + 14, TOP + 20 + 20 * place
    return [
        f'<path d="M{x} {y - 4}h28" fill="none" {stroke(order)}/>',
        text(x + 36, y, f"order {order}"),
    ]


def curve(line: Record, times: Sequence[float]) -> str:
    sizes = line["sizes"]
    points = [(n / sizes[-1], t / times[-1]) for n, t in zip(sizes, times, strict=True)]
    return path(points, stroke(line["order"]), f"{line['operation']}: slope {line['slope']:.2f}")


def draw(found: Record) -> str:
    times: dict[str, list[float]] = {}
    for record in found["records"]:
        times.setdefault(record["operation"], []).append(record["median_ms"])
    orders = sorted({line["order"] for line in found["slopes"]})
    parts = [*axes(), *map(guide, orders)]
    parts += [piece for place, order in enumerate(orders) for piece in key(order, place)]
    parts += [curve(line, times[line["operation"]]) for line in found["slopes"]]
    alt = ALT.format(orders=", ".join(map(str, orders)))
    return (
        f'<svg class="growth" role="img" aria-label="{escape(alt)}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-size="13" font-family="inherit">{"".join(parts)}</svg>'
    )


def figure(found: Record) -> list[nodes.Node]:
    picture = nodes.raw("", draw(found), format="html")
    name = nodes.make_id(f"fig-growth {processor(found)}")
    drawn = nodes.figure("", picture, ids=[name], classes=["growth"])
    drawn += nodes.caption("", CAPTION)
    return [drawn]
