"""What a reader does with the site: searches it, sorts its tables, and switches to dark and back."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

from playwright.sync_api import Browser, Page, TimeoutError

from browser.session import Fault, Watch, tab

FIRST = 5  # so many results are read
SOON = 20_000  # milliseconds
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
TABLE, FILTER = "table.sortable", "form.table-filter input"
TABLES = ("ledger.html", "findings/index.html")
SWITCH = ".theme-switch-button"


def searches(browser: Browser, home: str) -> list[Fault]:
    """Each query, typed into the address, has the page among the first results."""
    faults = []
    with tab(browser) as opened:
        watch = Watch(opened, home)
        for query, wanted in QUERIES.items():
            found = search(opened, home, query)[:FIRST]
            if wanted not in found:
                what = f"the search for {query!r} does not find {wanted}, but {', '.join(found) or 'nothing'}"
                faults.append(Fault("search.html", "", what))
            faults += [Fault("search.html", "", what) for what in watch.take()]
    return faults


def search(tab: Page, home: str, query: str) -> list[str]:
    """The pages that are found, best first; none if the search does not end."""
    tab.goto(f"{home}search.html?q={quote(query)}")
    with suppress(TimeoutError):
        tab.wait_for_function(FINISHED, timeout=SOON)
    paths = tab.eval_on_selector_all("#search-results li > a", RESULTS)
    return list(dict.fromkeys(path.lstrip("/").removesuffix(".html") for path in paths))


def table(browser: Browser, home: str, page: str) -> list[Fault]:
    """A word leaves the rows that have it; a heading sorts by its column, and then the other way."""
    with tab(browser) as opened:
        opened.goto(home + page)
        try:
            wrong = [*filtered(opened), *sorted_both_ways(opened)]
        except TimeoutError:
            wrong = ["the table has no line to filter by, or no heading to sort by"]
    return [Fault(page, "", what) for what in wrong]


def filtered(opened: Page) -> list[str]:
    rows = opened.locator(f"{TABLE} tbody tr:not(.table-heading):visible")
    word, every = rows.first.inner_text().split()[-1].lower(), rows.count()
    opened.fill(FILTER, word, timeout=SOON)
    left = rows.all_inner_texts()
    opened.fill(FILTER, "xyzzy")
    none = rows.count()
    opened.fill(FILTER, "")
    good = 0 < len(left) < every and none == 0 and rows.count() == every
    return [] if good else [f"the filter {word!r} leaves {len(left)} of {every} rows, {'xyzzy'!r} {none}"]


def sorted_both_ways(opened: Page) -> list[str]:
    orders = []
    for _ in range(2):
        opened.click(f"{TABLE} thead th:nth-child(2) button", timeout=SOON)
        cells = opened.locator(f"{TABLE} tbody tr:not(.table-heading) td:nth-child(2)").all_inner_texts()
        orders.append([text for text in cells if text.strip() not in ("", "–")])
    good = len(set(orders[0])) > 1 and orders[0] != orders[1] and orders[0] == orders[1][::-1]
    return [] if good else ["the second heading does not sort its column both ways"]


def theme(browser: Browser, home: str, page: str) -> list[Fault]:
    """The button leads to dark and to light, and what was chosen is there after a reload."""
    faults, seen = [], set()
    with tab(browser) as opened:
        opened.goto(home + page)
        for _ in range(3):
            try:
                opened.click(f"{SWITCH}:visible", timeout=SOON)
            except TimeoutError:
                return [Fault(page, "", "there is no theme switch to be clicked")]
            chosen = theme_of(opened)
            opened.reload()
            if theme_of(opened) != chosen:
                what = f"the theme was {' '.join(chosen)}, and is {' '.join(theme_of(opened))} after a reload"
                faults.append(Fault(page, "", what))
            seen.add(chosen[1])
    if seen != {"light", "dark"}:
        faults.append(Fault(page, "", f"the theme switch leads to {' and '.join(sorted(seen))} only"))
    return faults


def theme_of(tab: Page) -> tuple[str, str]:
    """The mode that was chosen, and the colours that follow from it."""
    mode, colours = tab.evaluate(SHOWN)
    return mode, colours
