"""What a reader does with the site: searches it, switches to dark and back, prints a page."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from playwright.sync_api import Browser, Page

from browser.session import Fault, Watch

FIRST = 5  # so many results are read
QUERIES = {  # what is typed: a page that is meant, without .html
    "HSIC": "estimation/hsic",
    "median heuristic": "estimation/hsic",
    "independence test": "estimation/hsic",
    "variance bias": "estimation/bias",
    "gelu": "smoothing/gelu",
    "LogSumExp": "smoothing/smooth_maximum",
    "differentiable ranking": "smoothing/approximations",
    "sparse labels": "classification/multilabel",
    "multilabel": "classification/multilabel",
    "initialization": "geometry/initialization",
    "angle": "geometry/angles",
    "theorem": "ledger",
}
FINISHED = """() => {
  const summary = document.querySelector("#search-results .search-summary");
  return /finished|did not match/.test(summary?.textContent);
}"""
RESULTS = "links => links.map((link) => new URL(link.href).pathname)"
SHOWN = "() => [document.documentElement.dataset.mode, document.documentElement.dataset.theme]"
OPEN = "() => [...document.querySelectorAll('details')].map((box) => box.open)"


def searches(browser: Browser, home: str) -> list[Fault]:
    """Each query, typed into the address, has the page among the first results."""
    faults = []
    with browser.new_context() as context:
        tab = context.new_page()
        watch = Watch(tab, home)
        for query, wanted in QUERIES.items():
            found = search(tab, home, query)
            if wanted not in found[:FIRST]:
                what = f"the search for {query!r} does not find {wanted}, but {', '.join(found[:FIRST])}"
                faults.append(Fault("search.html", "", what))
            faults += [Fault("search.html", query, what) for what in watch.take()]
    return faults


def search(tab: Page, home: str, query: str) -> list[str]:
    """The pages that are found, best first."""
    tab.goto(f"{home}search.html?q={quote(query)}")
    tab.wait_for_function(FINISHED)
    paths = tab.eval_on_selector_all("#search-results li > a", RESULTS)
    return list(dict.fromkeys(path.lstrip("/").removesuffix(".html") for path in paths))


def theme(browser: Browser, home: str, page: str) -> Iterator[Fault]:
    """The button leads to dark and to light, and what was chosen is there after a reload."""
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        tab = context.new_page()
        tab.goto(home + page)
        seen = set()
        for _ in range(3):
            tab.click(".theme-switch-button:visible")
            chosen = shown_theme(tab)
            tab.reload()
            if shown_theme(tab) != chosen:
                yield Fault(page, "", f"the theme {chosen} is {shown_theme(tab)} after a reload")
            seen.add(chosen[1])
        if seen != {"light", "dark"}:
            yield Fault(page, "", f"the theme switch leads to {' and '.join(sorted(seen))} only")


def shown_theme(tab: Page) -> tuple[str, str]:
    """The mode that was chosen, and the colours that follow from it."""
    mode, colours = tab.evaluate(SHOWN)
    return mode, colours


def printed(browser: Browser, home: str, pages: list[str]) -> Iterator[Fault]:
    """On paper everything is unfolded; afterwards the page is as it was."""
    with browser.new_context() as context:
        tab = context.new_page()
        for page in pages:
            tab.goto(home + page)
            before = tab.evaluate(OPEN)
            tab.evaluate("() => dispatchEvent(new Event('beforeprint'))")
            folded = tab.evaluate(OPEN).count(False)
            if folded:
                yield Fault(page, "print", f"{folded} of {len(before)} details stay folded")
            tab.evaluate("() => dispatchEvent(new Event('afterprint'))")
            if tab.evaluate(OPEN) != before:
                yield Fault(page, "print", "what was unfolded to be printed stays unfolded")
