"""What a link leads to, seen before it is followed: a statement, finding, equation, figure, source or term.

Each page has a script ``_static/previews/<page>.js`` that holds the HTML of its own, by anchor.
``previews.js`` loads it when a link there is first pointed at: a page opened from disk may read no other file
but may run a script.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import glossary
from sphinx.application import Sphinx
from sphinx.util.docutils import new_document


def targets(doctree: nodes.document) -> Iterator[nodes.Element]:
    """The parts of a page that a link can show."""
    for node in doctree.findall(nodes.Element):
        box = "realtype" in node or "finding" in node["classes"]
        equation = isinstance(node, nodes.math_block) and node["number"]
        if box or equation or isinstance(node, nodes.figure | nodes.citation):
            yield node
    for terms in doctree.findall(glossary):
        yield from terms.findall(nodes.definition_list_item)


def anchors(node: nodes.Element) -> list[str]:
    """Where a link to it leads. The anchors of a glossary's item are those of its terms."""
    return [anchor for part in (node, *node.findall(nodes.term)) for anchor in part["ids"]]


def shown(node: nodes.Element) -> nodes.Element:
    """A copy that stands alone."""
    copy = node.deepcopy()
    return nodes.definition_list("", copy) if isinstance(copy, nodes.definition_list_item) else copy


def rendered(builder: Any, node: nodes.Element) -> str:
    """Its HTML, as the page being written has it."""
    document = new_document("")
    document.settings = builder.docsettings
    document += node
    translator = builder.create_translator(document, builder)
    document.walkabout(translator)
    return "".join(translator.fragment)


def previews(builder: Any, doctree: nodes.document) -> dict[str, str]:
    """The HTML for each anchor of a page."""
    found: dict[str, str] = {}
    for node in targets(doctree):
        found |= dict.fromkeys(anchors(node), rendered(builder, shown(node)))
    return found


def write(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    if doctree is None or app.builder.name != "html":
        return
    path = Path(app.outdir, "_static", "previews", f"{page}.js")
    path.parent.mkdir(parents=True, exist_ok=True)
    found = json.dumps(previews(app.builder, doctree), ensure_ascii=False)
    path.write_text(f"lemmataPreviews[{json.dumps(page)}] = {found};\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("html-page-context", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
