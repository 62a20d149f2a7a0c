"""Given, not measured: a number that was chosen, and is exact, says so where it stands.

    We take {given}`p = 0.5` for both coins.        :::{given}
                                                    The prices are 0.25 and 0.75.
                                                    :::

The role holds mathematics, and no word, which would be set as a product of letters; the directive any text.
Every other decimal of the book comes from a cell.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

HINT = "given, not measured"


class given(nodes.inline):
    """Mathematics in a line. A builder that knows nothing of it takes it for what it inherits."""


class GivenRole(SphinxRole):
    WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")  # a command of TeX is none

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        if word := self.WORD.search(self.text):
            said = f"given: {self.text!r} holds the word {word[0]!r}, and is set as mathematics"
            return [], [self.inliner.reporter.error(said, line=self.lineno)]
        return [given("", "", nodes.math(self.rawtext, self.text), classes=["given"])], []


class GivenDirective(SphinxDirective):
    has_content = True

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        block = nodes.container(classes=["given"])
        self.set_source_info(block)
        self.state.nested_parse(self.content, self.content_offset, block)
        return [block]


def open_span(translator, node: given) -> None:
    translator.body.append(translator.starttag(node, "span", "", title=HINT))


def close_span(translator, node: given) -> None:
    translator.body.append("</span>")


def setup(app: Sphinx) -> dict[str, object]:
    app.add_node(given, html=(open_span, close_span))
    app.add_role("given", GivenRole())
    app.add_directive("given", GivenDirective)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
