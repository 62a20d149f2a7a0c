"""The texts of all pages as a script, from which the search page takes the summaries of its results.

Sphinx would fetch each page that it found, which a page opened from disk may not do. ``search.js`` reads
``searchtexts.js`` instead: ``{page: [[anchor, title, text], ...]}``, section by section.
"""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
SILENT = {"button", "script", "style"}
BLOCKS = {"dd", "details", "div", "dt", "li", "p", "summary", "td", "th"}  # words end where they end
TITLE = re.compile(r"h[1-6]|summary")
NOT_SEEN = re.compile("[\u2061-\u2064]")  # "apply function" and its kin, between the letters of a formula

Section = tuple[str, list[str], list[str]]  # anchor, words of the title, words of the text


class Sections(HTMLParser):
    """The words of the article of a page, by sections; a folded section is one, too."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Section] = []
        self.open: list[tuple[str, list[str] | None]] = []  # each open tag, and where words in it go

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        classes = values.get("class", "").split()
        words = self.open[-1][1] if self.open else None
        if tag == "article" or (words is not None and begins(tag, classes, values.get("id", ""))):
            self.found.append((values.get("id", ""), [], []))
            words = self.found[-1][2]
        elif words is not None and TITLE.fullmatch(tag) and not plain(words):  # before any other word
            words = self.found[-1][1]
        if tag in SILENT or "headerlink" in classes:
            words = None
        if tag not in VOID:
            self.open.append((tag, words))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS:
            self.handle_data(" ")
        while any(tag == name for name, _ in self.open):
            if self.open.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][1] is not None:
            self.open[-1][1].append(NOT_SEEN.sub("", data))


def begins(tag: str, classes: list[str], anchor: str) -> bool:
    """Whether a section of the text begins here: not the inside of a statement or an exercise."""
    return (tag == "section" and not anchor.endswith("-content")) or "lemmata-details" in classes


def sections(page: str) -> list[tuple[str, str, str]]:
    """(anchor, title, text) of each section of a page."""
    parser = Sections()
    parser.feed(page)
    found = [(anchor, plain(title), plain(text)) for anchor, title, text in parser.found]
    return [section for section in found if section[1] or section[2]]


def plain(words: list[str]) -> str:
    return " ".join("".join(words).split())


def write(app: Sphinx, error: Exception | None) -> None:
    """Beside the index of words, which names the same pages, the texts."""
    if error is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    texts = {name: sections((out / f"{name}.html").read_text("utf-8")) for name in sorted(app.env.found_docs)}
    script = f"const SEARCH_TEXTS = {json.dumps(texts, ensure_ascii=False, separators=(',', ':'))};\n"
    (out / "_static" / "searchtexts.js").write_text(script, encoding="utf-8")


def configure(app: Sphinx, config: Config) -> None:
    config.html_show_search_summary = False  # no fetch: search.js shows them


def add_texts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    if page == "search":
        app.add_js_file("searchtexts.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("config-inited", configure)
    app.connect("html-page-context", add_texts)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
