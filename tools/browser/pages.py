"""Each page at three widths, light and dark, everything unfolded; over http, and once from disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from browser import needs
from browser.session import Fault, Watch

WIDTHS = {375: 812, 768: 1024, 1440: 900}  # and heights: a phone, a tablet, a desk
THEMES = ("light", "dark")
HERE = Path(__file__).parent
CONTENTS, THIN, LAYOUT, AXE = (
    (HERE / name).read_text(encoding="utf-8") for name in ("contents.js", "thin.js", "layout.js", "axe.js")
)
UNFOLD = """() => {
  for (const box of document.querySelectorAll("details")) box.open = true;
  for (const button of document.querySelectorAll("button.toggle-button-hidden")) button.click();
}"""
THEME = "theme => { document.documentElement.dataset.theme = theme; }"
WEIGHT = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""


@dataclass
class Contents:
    """What a page links to, what can be linked to on it, and what its first load weighs, in bytes."""

    links: list[str]
    anchors: set[str]
    weight: int


def names(site: Path) -> list[str]:
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


def over_http(browser: Browser, home: str, pages: list[str]) -> tuple[dict[str, Contents], list[Fault]]:
    """Look at each page in one tab."""
    contents, faults = {}, []
    with browser.new_context(reduced_motion="reduce", color_scheme="light") as context:
        tab = context.new_page()
        watch = Watch(tab, home)
        for page in pages:
            tab.set_viewport_size({"width": 1440, "height": WIDTHS[1440]})
            tab.goto(home + page)
            contents[page], wrong = held(tab, page)
            faults += [*wrong, *views(tab, page)]
            faults += [Fault(page, "http", what) for what in watch.take()]
    return contents, faults


def held(tab: Page, page: str) -> tuple[Contents, list[Fault]]:
    weight = tab.evaluate(WEIGHT)
    found = tab.evaluate(CONTENTS)
    faults = [Fault(page, "", what) for what in found["faults"]]
    return Contents(found["links"], set(found["anchors"]), weight), faults


def views(tab: Page, page: str) -> Iterator[Fault]:
    """The layout in all six views, then axe-core: all of its rules in light, those of colour in dark."""
    tab.evaluate(UNFOLD)
    tab.evaluate(THIN)
    for theme in THEMES:
        tab.evaluate(THEME, theme)
        for width, height in WIDTHS.items():
            tab.set_viewport_size({"width": width, "height": height})
            yield from (Fault(page, f"{width} {theme}", what) for what in tab.evaluate(LAYOUT))
    tab.evaluate(needs.axe())
    for theme in reversed(THEMES):
        tab.evaluate(THEME, theme)
        yield from (Fault(page, theme, what) for what in tab.evaluate(AXE, theme == "light"))


def from_disk(browser: Browser, site: Path, pages: list[str]) -> list[Fault]:
    """A page opened from a folder loads all it needs, and complains of nothing."""
    faults = []
    with browser.new_context() as context:
        tab = context.new_page()
        watch = Watch(tab, site.as_uri())
        for page in pages:
            tab.goto((site / page).as_uri())
            faults += [Fault(page, "file", what) for what in watch.take()]
    return faults
