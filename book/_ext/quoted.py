"""A numbered statement shown on another page, as its chapter has it, with its evidence below.

    ```{quoted} angles-tail
    ```

It is a copy made in the build, so that it cannot differ from the original; its name leads there.
"""

from __future__ import annotations

import ledger
from copies import copied
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode


class QuotedError(SphinxError):
    category = "Quoted"


class quoted_node(nodes.General, nodes.Element):
    """Stands in the page until every chapter has been read."""


class QuotedDirective(SphinxDirective):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # the chapter may change, and this page with it
        return [quoted_node(label=self.arguments[0])]


class Quote(SphinxPostTransform):
    """Fill the placeholders before references, in the copied text too, are resolved (at 9 and 10)."""

    default_priority = 4

    def run(self, **kwargs: object) -> None:
        for placeholder in list(self.document.findall(quoted_node)):
            placeholder.replace_self(self.quote(placeholder["label"]))

    def quote(self, label: str) -> nodes.admonition:
        rows, _ = ledger.collect(self.app)
        row = next((row for row in rows if row.label == label), None)
        if row is None:
            raise QuotedError(f"{self.env.docname} quotes '{label}', which no numbered statement is")
        original = self.original(row)
        title, *content = copied(original, self.app.builder, row.docname, self.env.docname).children
        name = nodes.Text(ledger.name(self.env, row))
        link = make_refnode(self.app.builder, self.env.docname, row.docname, label, name)
        number = nodes.inline("", "", link, classes=["caption-number"])
        heading = nodes.title("", "", number, *title.children)
        box = nodes.admonition("", heading, *content, classes=original["classes"])
        box["realtype"], box["label"] = original["realtype"], label  # by which evidence.py finds it
        return box

    def original(self, row: ledger.Row) -> nodes.Element:
        every = self.env.get_doctree(row.docname).findall(nodes.Element)
        return next(node for node in every if node.get("label") == row.label and "realtype" in node)


def setup(app: Sphinx) -> dict[str, object]:
    app.add_node(quoted_node)
    app.add_directive("quoted", QuotedDirective)
    app.add_post_transform(Quote)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
