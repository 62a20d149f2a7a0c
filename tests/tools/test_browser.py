"""What `make browser` says of small pages, each with one thing wrong; skipped where there is no Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from browser import needs

SOUND = """<main><h1>A page</h1><p id="first">Text, and <a href="#first">a link</a>.</p>
<math><mi>x</mi></math> <img src="dot.svg" alt="A dot">{}</main>"""
PAGE = "<!doctype html><html lang=en><title>A page</title><meta name=viewport content='width=device-width'>{}"
DOT = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="9"/></svg>'

Check = Callable[..., list[str]]


@pytest.fixture(scope="module")
def check() -> Check:
    """Writes a site and says what is wrong with it, as `make browser` does."""
    if reason := needs.missing():
        pytest.skip(reason)
    from browser import check

    def checked(site: Path, pages: dict[str, str], timed: bool = False) -> list[str]:
        for name, text in pages.items():
            (site / f"{name.replace(' ', '_')}.html").write_text(PAGE.format(text), encoding="utf-8")
        (site / "dot.svg").write_text(DOT)
        return check.check(site, [], timed=timed).text().splitlines()

    return checked


# ------------------------------------------------------------------- a sound site


def test_a_chapter_is_timed_and_weighed(check, tmp_path):
    (line,) = check(tmp_path, {"index": SOUND.format('<div class="cell">2</div>')}, timed=True)
    assert line.startswith("index.html")
    assert line.endswith("0.00 MB")
    assert 0 < float(line.split()[-4]) < 5


FINE = {
    "index": "",
    "a box that scrolls and can be focused": """<div tabindex=0 style="overflow-x: auto">
        <div style="width: 2000px">wide</div></div>""",
    "a page that unfolds to be printed and folds again": """<details><summary>More</summary>Text</details>
        <script>for (const [event, open] of [["beforeprint", true], ["afterprint", false]])
          addEventListener(event, () => { document.querySelector("details").open = open; });</script>""",
    "a script that misses what axe-core's check of colours removes": """<p hidden><b>x</b></p>
        <script>new MutationObserver(changes => {
          if (changes.some(change => change.removedNodes.length)) document.querySelector("b").closest("p");
        }).observe(document.body, { childList: true, subtree: true })</script>""",
    "dollars in code": r"<code>$$x$$ \(x\)</code>",
    "an anchor on another page": "<a href='index.html#first'>x</a>",
}


def test_nothing_is_said_of_what_is_no_fault(check, tmp_path):
    assert check(tmp_path, {name: SOUND.format(body) for name, body in FINE.items()}) == []


def test_each_page_is_weighed_as_if_it_were_the_first(check, tmp_path):
    (tmp_path / "large.js").write_text(f"/*{'x' * 1_600_000}*/")
    found = check(tmp_path, dict.fromkeys(("a", "b"), SOUND.format("<script src=large.js></script>")))
    wanted = [f"{name}.html: the first load weighs 1.60 MB, more than 1.5 MB" for name in "ab"]
    assert found == wanted


# ------------------------------------------------------------------- each fault is reported, with its views

EVERY = "375 light, 375 dark, 768 light, 768 dark, 1440 light, 1440 dark"
BROKEN = {
    "no alternative text": ("<img src=dot.svg>", "image without alt text: dot.svg"),
    "empty alternative text": ("<img src=dot.svg alt=''>", "image without alt text: dot.svg"),
    "anchor": ("<a href='#gone'>x</a>", "link to anchor.html#gone, which has no such anchor"),
    "anchor elsewhere": ("<a href='link.html#gone'>x</a>", "link to link.html#gone, which"),
    "link": ("<a href='gone.html'>x</a>", "link to gone.html, which is no file of the site"),
    "folder": ("<a href='./'>x</a>", "link to the folder of the site, which is no file of the site"),
    "foreign image": ("<img alt=x src='https://example.org/x.png'>", "foreign request: https://example.org/"),
    "failed request": ("<img alt=x src=gone.png>", "failed request: gone.png, status 404 (http)"),
    "failed request from disk": ("<img alt=x src=gone.png>", "gone.png, net::ERR_FILE_NOT_FOUND (file)"),
    "console": ("<script>console.error('oh')</script>", "console error: oh (http, file)"),
    "exception": ("<script>throw Error('oh')</script>", "console error: oh (http, file)"),
    "only from disk": ("<script>fetch('dot.svg')</script>", "(file)"),
    "wide page": ("<p style='width: 900px'>wide", ' px: p "wide" (375 light, 375 dark, 768 light, 768 dark)'),
    "cut side": (
        "<div style='overflow: hidden'><p style='width: 2000px'>wide",
        'cut at its side, 2000 in 1424 px: div "wide" (1440 light, 1440 dark)',
    ),
    "cut foot": (
        "<div style='overflow: hidden; height: 20px'><p style='height: 99px; margin: 0'>high",
        f'cut at its foot, 99 in 20 px: div "high" ({EVERY})',
    ),
    "no keyboard": (
        "<div style='overflow-x: auto'><p style='width: 900px'>wide",
        'scrolls, but not with the keyboard: div "wide" (375 light, 375 dark, 768 light, 768 dark)',
    ),
    "folded": (
        "<details><summary>x</summary><div style='overflow: hidden; height: 9px'>high</div></details>",
        "cut at its foot",
    ),
    "formula": ("<math><merror><mtext>oh</mtext></merror></math>", "formula with an error: oh"),
    "dollars": ("<p>so $$x^2$$ is", "formula left as TeX: so $$x^2$$ is"),
    "parentheses": (r"<p>so \(x\) is", r"formula left as TeX: so \(x\) is"),
    "twins": ("<p id=a>x<p id=a>y", "two elements have the id a"),
    "contrast": ("<p style='color: #aaa'>pale", "axe, color-contrast: p"),
    "link in text": (
        "<p style='color: #000'>so <a href='#first' style='color: #111; text-decoration: none'>x</a>",
        "axe, link-in-text-block: ",
    ),
    "contrast in the dark": (
        "<style>[data-theme=dark] body {background: #111; color: #fff}</style><p style='color: #000'>black",
        "Expected contrast ratio of 4.5:1 (dark)",
    ),
    "nameless button": ("<button></button>", "axe, button-name: button"),
    "print": ("<details><summary>x</summary>y</details>", "1 of 1 details stay folded (print)"),
    "weight": (f"<script>/*{'x' * 1_600_000}*/</script>", "the first load weighs 1.60 MB, more than 1.5 MB"),
}


@pytest.fixture(scope="module")
def reported(check: Check, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    pages = {name: SOUND.format(body) for name, (body, _) in BROKEN.items()}
    return check(tmp_path_factory.mktemp("broken"), pages)


@pytest.mark.parametrize("name", BROKEN)
def test_fault_is_reported(reported, name):
    page = name.replace(" ", "_") + ".html: "
    found = [line for line in reported if line.startswith(page)]
    assert any(BROKEN[name][1] in line for line in found), found


# ------------------------------------------------------------------- what a reader does

RESULT = """<main><h1>Search</h1><div id="search-results">
<p class="search-summary">Search finished, found 1 page.</p><ul><li><a href="index.html">A page</a></li></ul>
</div></main>"""
STUCK = """<main><h1>Search</h1><div id="search-results"></div></main>"""
SWITCH = """<button class="theme-switch-button" onclick="{}">theme</button>"""
CHANGES = "const d = data; d.mode = d.theme = d.theme == 'dark' ? 'light' : 'dark';"
KEPT = """<script>const data = document.documentElement.dataset;
data.mode = data.theme = localStorage.t || 'light'</script>"""


def switched(onclick: str) -> dict[str, str]:
    return {"index": SOUND.format(KEPT + SWITCH.format(onclick)), "search": RESULT}


def test_lost_query_and_forgotten_theme_are_reported(check, tmp_path, monkeypatch):
    from browser import reader

    monkeypatch.setattr(reader, "QUERIES", {"a page": "index", "another": "other"})
    assert {
        "index.html: the theme was dark dark, and is light light after a reload",
        "search.html: the search for 'another' does not find other, but index",
    } <= {*check(tmp_path, switched(CHANGES))}


@pytest.fixture(scope="module")
def opened(check: Check) -> Iterator[Any]:
    """One browser for all readers, each of whom has a tab of somebody who has never been here."""
    from browser.session import chromium

    with chromium() as browser:
        yield browser


@pytest.fixture
def read(opened: Any, tmp_path: Path) -> Callable[..., list[str]]:
    """What a reader meets on small pages, without all that is seen on each of them by itself."""
    from browser.session import served

    def found(way: Callable[..., list[Any]], pages: dict[str, str], *page: str) -> list[str]:
        for name, text in pages.items():
            (tmp_path / f"{name}.html").write_text(PAGE.format(text), encoding="utf-8")
        with served(tmp_path) as home:
            return [fault.what for fault in way(opened, home, *page)]

    return found


def test_search_that_never_ends_is_reported(read, monkeypatch):
    from browser import reader

    monkeypatch.setattr(reader, "QUERIES", {"a page": "index"})
    monkeypatch.setattr(reader, "SOON", 500)
    pages = {"index": SOUND.format(""), "search": STUCK}
    assert read(reader.searches, pages) == ["the search for 'a page' does not find index, but nothing"]


def test_theme_without_switch_is_reported(read, monkeypatch):
    from browser import reader

    monkeypatch.setattr(reader, "SOON", 500)
    said = ["there is no theme switch to be clicked"]
    assert read(reader.theme, {"index": SOUND.format("")}, "index.html") == said


@pytest.mark.parametrize(
    ("onclick", "said"),
    [(f"{CHANGES} localStorage.t = d.theme", []), ("", ["the theme switch leads to light only"])],
)
def test_theme_that_is_kept_is_fine_and_one_that_never_changes_is_not(read, onclick, said):
    from browser import reader

    assert read(reader.theme, switched(onclick), "index.html") == said


ROWS = "".join(f"<tr><td>statement {name}<td>{name}" for name in "bca")
TABLE = f"""<table class=sortable><thead><tr><th><button>x</button><th><button>y</button></thead>
<tbody>{ROWS}</table>"""
BAR = '<form class=table-filter><input aria-label=Words oninput="{}"></form>'
SIFT = "for (const r of document.querySelectorAll('tbody tr')) r.hidden = !r.textContent.includes(value)"
SORT = """<script>let sign = -1; document.querySelectorAll("button")[1].onclick = () => { sign = -sign;
const body = document.querySelector("tbody"), of = (row) => row.cells[1].textContent;
body.append(...[...body.rows].sort((a, b) => sign * of(a).localeCompare(of(b)))); }</script>"""


def test_table_that_does_not_filter_or_sort_is_reported(opened, tmp_path, monkeypatch):
    from browser import reader
    from browser.session import served

    monkeypatch.setattr(reader, "SOON", 1000)
    no_order = ["the second heading does not sort its column both ways"]
    cases = {
        "fine": (BAR.format(SIFT) + TABLE + SORT, []),
        "bare": (TABLE, ["the table has no line to filter by, or no heading to sort by"]),
        "all": (BAR.format("") + TABLE + SORT, ["the filter 'b' leaves 3 of 3 rows, 'xyzzy' 3"]),
        "unsorted": (BAR.format(SIFT) + TABLE, no_order),
        "one way": (BAR.format(SIFT) + TABLE + SORT.replace("-sign;", "1;"), no_order),
    }
    for name, (body, _) in cases.items():
        (tmp_path / f"{name}.html").write_text(PAGE.format(SOUND.format(body)), encoding="utf-8")
    with served(tmp_path) as home:
        found = {name: [fault.what for fault in reader.table(opened, home, f"{name}.html")] for name in cases}
    assert found == {name: said for name, (_, said) in cases.items()}


# ------------------------------------------------------------------- limits, and what is missing


def test_slow_page_is_a_fault():
    speed = pytest.importorskip("browser.speed", reason="no Playwright", exc_type=ImportError)
    assert speed.slow({"quick.html": speed.SECONDS}) == []
    (fault,) = speed.slow({"slow.html": 9.0})
    assert (fault.page, fault.what[:36]) == ("slow.html", "the first screen stands after 9.0 s,")


@pytest.mark.parametrize(
    ("loads", "seconds"),
    [([1], 1), ([3, 1, 2], 2), ([9, 9, 8], 9), ([9, 1, 9, 2, 3], 3), ([9, 1, 9, 2, 8], 8)],
)
def test_a_quick_load_is_enough_and_others_end_when_they_decide_the_median_of_five(loads, seconds):
    speed = pytest.importorskip("browser.speed", reason="no Playwright", exc_type=ImportError)
    times = iter([*loads, 99])
    assert speed.typical(lambda: next(times)) == seconds
    assert [*times] == [99]


def test_machine_without_chromium_is_told(monkeypatch):
    monkeypatch.setattr(needs.shutil, "which", lambda name: None)
    assert "no Chromium here" in needs.missing()


def test_machine_without_playwright_is_told(monkeypatch):
    monkeypatch.setattr(needs.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(needs, "find_spec", lambda name: SimpleNamespace() if "axe" in name else None)
    assert needs.missing() == "playwright cannot be imported; pip install -r requirements-browser.txt"


def test_site_without_pages_is_refused(tmp_path):
    check = pytest.importorskip("browser.check", reason="no Playwright", exc_type=ImportError)
    with pytest.raises(SystemExit, match="holds no page"):
        check.chosen(tmp_path, [])
    (tmp_path / "index.html").touch()
    with pytest.raises(SystemExit, match="holds no page gone"):
        check.chosen(tmp_path, ["gone"])
