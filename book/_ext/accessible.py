"""What a reader who hears a page, or moves in it without a mouse, needs and the extensions leave out.

sphinx-proof and sphinx-exercise give every content of a kind one id, which a page may hold only once. The
buttons that unfold the table of contents have no name: each gets that of its entry. A signature that takes
several lines is a list of definitions without terms, so it is no list. The roles in a bibliography are
outdated. The search page has its field twice.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

SHARED = {"proof-content", "exercise-content", "solution-content"}


def drop_shared_ids(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for section in doctree.findall(nodes.section):
        section["ids"] = [name for name in section["ids"] if name not in SHARED]


def name_buttons(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    make = context.get("generate_toctree_html")
    if make is None:  # another theme
        return

    def named(*arguments: Any, **options: Any) -> Any:
        tree = make(*arguments, **options)
        for button in tree.select("li > details > summary"):
            entry = button.find_parent("li").find(["a", "p"])
            button["aria-label"] = f"Pages of {entry.get_text(strip=True)}"
        return tree

    context["generate_toctree_html"] = named


def unlist(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    body = context.get("body", "")
    body = re.sub(r'<dl>(?=\s*<dd><em class="sig-param">)', '<dl role="presentation">', body)
    body = body.replace('<div role="list" class="citation-list">', '<div class="citation-list">')
    context["body"] = body.replace(' role="doc-biblioentry"', "")


def name_fields_apart(app: Sphinx, error: Exception | None) -> None:
    page = Path(app.outdir, "search.html")
    if error is None and page.exists():
        first, mark, rest = page.read_text(encoding="utf-8").partition(' id="search-input"')
        page.write_text(first + mark + rest.replace(mark, ""), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("doctree-resolved", drop_shared_ids)
    app.connect("html-page-context", name_buttons, priority=900)  # after the theme
    app.connect("html-page-context", unlist)
    app.connect("build-finished", name_fields_apart)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
