"""Each page at three widths, light and dark, everything unfolded; over http, and once from disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from browser import needs
from browser.session import DESK, Fault, Watch, tab

WIDTHS = dict([(375, 812), (768, 1024), DESK])  # and heights: a phone, a tablet, a desk
THEMES = ("light", "dark")
HERE = Path(__file__).parent
CONTENTS, PRINTED, THIN, LAYOUT, AXE = (
    (HERE / f"{name}.js").read_text(encoding="utf-8")
    for name in ("contents", "printed", "thin", "layout", "axe")
)
UNFOLD = """() => {
  for (const box of document.querySelectorAll("details")) box.open = true;
  for (const button of document.querySelectorAll("button.toggle-button-hidden")) button.click();
}"""
THEME = "theme => { document.documentElement.dataset.theme = theme; }"
PAUSE = 400  # milliseconds: the page's own scripts follow a new size a moment later
SETTLED = 200  # milliseconds, in which what a script asked for has failed


@dataclass
class Contents:
    """Where a page leads to within the site, what can be linked to on it, and the bytes of its first load."""

    links: list[str]
    anchors: set[str]
    weight: int


def names(site: Path) -> list[str]:
    """The pages; the theme leaves two of its templates beside its scripts."""
    paths = (path.relative_to(site) for path in site.rglob("*.html"))
    return sorted(path.as_posix() for path in paths if path.parts[0] != "_static")


def is_chapter(site: Path, name: str) -> bool:
    """Whether a page has code and what it gave."""
    return re.search(r'<div class="cell[ "]', (site / name).read_text(encoding="utf-8")) is not None


def over_http(browser: Browser, home: str, pages: list[str]) -> tuple[dict[str, Contents], list[Fault]]:
    """Look at each page in one tab."""
    contents, faults = {}, []
    with tab(browser, reduced_motion="reduce", color_scheme="light") as opened:
        watch = Watch(opened, home)
        # each page is weighed as if it were the first one that a reader opens
        browser_of = opened.context.new_cdp_session(opened)
        browser_of.send("Network.enable")
        browser_of.send("Network.setCacheDisabled", {"cacheDisabled": True})
        for page in pages:
            resize(opened, DESK[0])
            opened.goto(home + page)
            found = opened.evaluate(CONTENTS)
            inner = [link.removeprefix(home) for link in found["links"] if link.startswith(home)]
            contents[page] = Contents(inner, set(found["anchors"]), found["weight"])
            faults += [Fault(page, "", what) for what in found["faults"]]
            faults += [Fault(page, "print", what) for what in opened.evaluate(PRINTED)]
            faults += views(opened, page)
            faults += [Fault(page, "http", what) for what in watch.take()]
            faults += rules(opened, page)
            watch.take()  # what a script says of the elements that are gone
    return contents, faults


def resize(tab: Page, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": WIDTHS[width]})


def views(tab: Page, page: str) -> Iterator[Fault]:
    """The layout, everything unfolded, in all six views."""
    tab.evaluate(UNFOLD)
    tab.evaluate(THIN)
    for width in WIDTHS:
        resize(tab, width)
        tab.wait_for_timeout(PAUSE)
        for theme in THEMES:
            tab.evaluate(THEME, theme)
            yield from (Fault(page, f"{width} {theme}", what) for what in tab.evaluate(LAYOUT))


def rules(tab: Page, page: str) -> Iterator[Fault]:
    """Axe-core: all of its rules in light, those of colour in both themes. Last: it takes the page apart."""
    tab.evaluate(THEME, THEMES[0])
    tab.evaluate(needs.axe())
    yield from (Fault(page, theme, what) for theme, what in tab.evaluate(AXE, THEMES))


def from_disk(browser: Browser, site: Path, pages: list[str]) -> list[Fault]:
    """A page opened from a folder loads all it needs, and complains of nothing."""
    faults = []
    with tab(browser) as opened:
        watch = Watch(opened, site.as_uri())
        for page in pages:
            opened.goto((site / page).as_uri())
            opened.wait_for_timeout(SETTLED)
            faults += [Fault(page, "file", what) for what in watch.take()]
    return faults
