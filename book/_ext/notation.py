"""On the notation page a name in code leads to the function of the library that it names.

A section belongs to the part that its title begins with: below "Estimation: HSIC" the name ``hsic`` is
``lemmata.estimation.hsic``. A name that the part does not have is a variable, and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import ledger
from docutils import nodes
from sphinx.application import Sphinx

PAGE = "notation"


def names(doctree: nodes.document) -> Iterator[tuple[str, nodes.literal]]:
    """(part, code) of all code in the tables of a page."""
    for section in doctree.findall(nodes.section):
        part = re.match(r"\w*", section[0].astext())[0].lower()
        for table in section.children:
            if isinstance(table, nodes.table):
                yield from ((part, code) for code in table.findall(nodes.literal))


def link(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    if docname != PAGE:
        return
    for part, code in list(names(doctree)):
        function = f"lemmata.{part}.{code.astext()}"
        if function in app.env.domaindata["py"]["objects"]:
            code.replace_self(ledger.api_link(app, docname, function))


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("doctree-resolved", link)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
