"""When the first screen of a page stands with its formulas and fonts, and what its first load weighs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median

from playwright.sync_api import Browser

from browser.pages import Contents
from browser.session import Fault, tab

SECONDS = 5.0  # the goal is 1 s on a quiet machine; this is met by a slow one that does other things, too
BYTES = 1_500_000
SEARCH = "search.html"  # it has the texts of all pages
LOADS = 5
STANDS = """async () => {
  document.body.getBoundingClientRect();
  await document.fonts.ready;
  await new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)));
  return performance.now() / 1000;
}"""


def first_screen(browser: Browser, address: str) -> float:
    """Seconds, with an empty cache."""
    with tab(browser) as opened:
        opened.goto(address, wait_until="domcontentloaded")
        return float(opened.evaluate(STANDS))


def measure(browser: Browser, home: str, pages: list[str]) -> dict[str, float]:
    """The time of each page."""
    return {page: typical(partial(first_screen, browser, home + page)) for page in pages}


def typical(load: Callable[[], float]) -> float:
    """One load where it takes less than half of the limit; else the median of five.

    Or of the first of them, if they decide on which side of the limit it is.
    """
    taken = [load()]
    while taken[0] > SECONDS / 2 and undecided(taken):
        taken.append(load())
    return median(taken)


def undecided(taken: list[float]) -> bool:
    over = sum(time > SECONDS for time in taken)
    return max(over, len(taken) - over) <= LOADS // 2


def slow(seconds: dict[str, float]) -> list[Fault]:
    return [
        Fault(page, "", f"the first screen stands after {time:.1f} s, more than {SECONDS:g} s")
        for page, time in seconds.items()
        if time > SECONDS
    ]


def heavy(contents: dict[str, Contents]) -> list[Fault]:
    return [
        Fault(page, "", f"the first load weighs {held.weight / 1e6:.2f} MB, more than {BYTES / 1e6:g} MB")
        for page, held in contents.items()
        if held.weight > BYTES and page != SEARCH
    ]
