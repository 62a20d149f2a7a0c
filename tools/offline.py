"""Fail if a page of the built site would ask another host for anything (links that a reader clicks are fine).

python tools/offline.py _build/html
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

LOADS = {  # tag -> the attributes that make a browser fetch something by itself
    "script": ("src",), "img": ("src", "srcset"), "source": ("src", "srcset"), "iframe": ("src",),
    "video": ("src",), "audio": ("src",),
    "embed": ("src",), "object": ("data",), "image": ("href", "xlink:href"),
}  # fmt: skip
FETCHED_LINKS = {
    "stylesheet", "preload", "prefetch", "preconnect", "dns-prefetch", "icon", "manifest", "modulepreload",
}  # fmt: skip
ELSEWHERE = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)
CSS_FETCH = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)


class Page(HTMLParser):
    """Collects what a page loads from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.in_style = tag == "style"
        names = LOADS.get(tag, ())
        if tag == "link" and FETCHED_LINKS & set(values.get("rel", "").lower().split()):
            names = ("href",)
        self.found += [f"<{tag}> {values[name]}" for name in names if ELSEWHERE.match(values.get(name, ""))]
        self.found += [f"<{tag} style> {url}" for url in CSS_FETCH.findall(values.get("style", ""))]

    def handle_endtag(self, tag: str) -> None:
        self.in_style = False

    def handle_data(self, data: str) -> None:
        if self.in_style:
            self.found += [f"<style> {url}" for url in CSS_FETCH.findall(data)]


def requests_of(text: str, suffix: str) -> list[str]:
    """What the browser would fetch from another host for one file of the site."""
    if suffix == ".css":
        return [f"css {url}" for url in CSS_FETCH.findall(text)]
    page = Page()
    page.feed(text)
    return page.found


def main(site: Path) -> int:
    files = [path for path in sorted(site.rglob("*")) if path.suffix in {".html", ".css"}]
    if not files:
        print(f"{site} holds no page")
        return 1
    found = [
        f"{path.relative_to(site)}: {request}"
        for path in files
        for request in requests_of(path.read_text(encoding="utf-8", errors="replace"), path.suffix)
    ]
    print(
        "\n".join(found) if found else f"{len(files)} pages and style sheets ask no other host for anything"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
