"""Tables that ``_static/tables.js`` sorts and filters; without that script they are read from top to bottom.

A row that names its part and its kinds of evidence, ``part-...`` and ``kind-...``, can be chosen by them. A
heading row stands above the rows of a chapter, and leaves when the rows stand in another order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from docutils import nodes

Entry = Sequence[nodes.Node]  # what a cell holds


def table(
    columns: Sequence[str], widths: Sequence[int], rows: Iterable[nodes.row], *classes: str
) -> nodes.table:
    """A table with these headings."""
    group = nodes.tgroup(cols=len(columns))
    group += [nodes.colspec(colwidth=width) for width in widths]
    group += nodes.thead("", line([[nodes.Text(column)] for column in columns]))
    group += nodes.tbody("", *rows)
    return nodes.table("", group, classes=list(classes))


def line(entries: Iterable[Entry], *classes: str) -> nodes.row:
    cells = (nodes.entry("", nodes.paragraph("", "", *content)) for content in entries)
    return nodes.row("", *cells, classes=list(classes))


def heading(content: Entry, columns: int) -> nodes.row:
    """One cell across the whole table."""
    cell = nodes.entry("", nodes.paragraph("", "", *content), morecols=columns - 1)
    return nodes.row("", cell, classes=["table-heading"])


def marks(docname: str, kinds: Iterable[str]) -> list[str]:
    """The classes of a row by which it can be chosen."""
    return [f"part-{docname.rpartition('/')[0]}", *(f"kind-{kind}" for kind in kinds)]
