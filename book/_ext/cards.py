"""On a phone a table of sentences is read row by row: each a card, each cell below its column's heading.

A table whose rows are too long for a phone gets the class ``cards``, its cells the attribute ``data-label``;
``cards.css`` does the rest. Short rows, merged cells, and what cells have printed stay tables; the ledger and
the index of findings have forms of their own.
"""

from __future__ import annotations

import html
import re
from typing import Any

from sphinx.application import Sphinx

LINE = 40  # characters of a row that fit a phone
TABLE = re.compile(r'<table class="table">(.*?)</table>', re.DOTALL)
HEADING = re.compile(r"<th\b[^>]*>(.*?)</th>", re.DOTALL)
ROW = re.compile(r"<tr\b[^>]*>.*?</tr>", re.DOTALL)
CELL = re.compile(r"<td\b[^>]*>(.*?)</td>", re.DOTALL)


def words(markup: str) -> str:
    """The text of a piece of HTML; of a formula, its letters."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).split())


def as_cards(found: re.Match[str]) -> str:
    head, _, body = found[1].partition("</thead>")
    rows = ROW.findall(body)
    if "span=" in body or all(len(words(" ".join(CELL.findall(row)))) <= LINE for row in rows):
        return found[0]
    labels = [words(heading) for heading in HEADING.findall(head)]
    if len(labels) == 2:  # one thing is said of another: that needs no heading
        labels[1] = ""
    cells = "".join(labelled(row, labels) for row in rows)
    return f'<table class="table cards">{head}</thead>\n<tbody>{cells}</tbody>\n</table>'


def labelled(row: str, labels: list[str]) -> str:
    """The row, whose cells after the first say what their column is called."""
    first, *others = row.split("<td")[1:]
    named = [label and f' data-label="{html.escape(label)}"' for label in labels[1:]]
    cells = [f"<td{first}", *(f"<td{name}{cell}" for name, cell in zip(named, others, strict=True))]
    return "".join([row[: row.index("<td")], *cells])


def convert(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    if "body" in context:
        context["body"] = TABLE.sub(as_cards, context["body"])


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("html-page-context", convert)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
