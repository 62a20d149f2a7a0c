"""A page is read as a text: checks and details are folded, and a statement says what stands behind it.

Under each numbered statement stands one line: its kinds of evidence, each a link to the first block of that
kind, the functions that implement it, and its place in the ledger. A cell that only checks is folded, code
and block; so are its neighbours with no text between, and a cell before them that shows nothing. A cell that
an author tags ``open`` stays open: the derivation step itself teaches. A section whose heading begins with
"Details:" is folded whole.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import ledger
from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.util.nodes import make_refnode

from lemmata.verify.evidence import SYMBOLS

BLOCK = re.compile(
    r'<details class="lemmata-evidence" data-kind="(?P<kind>\w+)"(?P<style>[^>]*)>(?P<head>.*?)'
    r'<a href="#(?P<label>[^"]+)"><code>[^<]*</code></a>',
    re.DOTALL,
)


DETAILS = "Details:"


class fold(nodes.General, nodes.Element):
    """A part of the page behind one line, its first child."""


class fold_line(nodes.General, nodes.TextElement):
    """What stands there while the rest is folded."""


def open_fold(self: Any, node: fold) -> None:
    self.body.append(self.starttag(node, "details"))


def close_fold(self: Any, node: fold) -> None:
    self.body.append("</details>\n")


def open_line(self: Any, node: fold_line) -> None:
    self.body.append("<summary>")


def close_line(self: Any, node: fold_line) -> None:
    self.body.append("</summary>\n")


# --- cells


def is_cell(node: nodes.Node) -> bool:
    return isinstance(node, nodes.container) and "cell" in node["classes"]


def outputs(cell: nodes.container) -> list[nodes.Node]:
    return [output for part in cell.children if "cell_output" in part["classes"] for output in part.children]


def evidence(node: nodes.Node) -> list[tuple[str, str]]:
    """(kind, label) of each block of evidence in a part of the page."""
    texts = [raw.astext() for raw in node.findall(nodes.raw) if "html" in raw["format"]]
    return [(found["kind"], found["label"]) for text in texts for found in BLOCK.finditer(text)]


def only_checks(cell: nodes.container) -> bool:
    shown = outputs(cell)
    return bool(shown) and all(evidence(output) for output in shown)


def runs(parent: nodes.Element) -> Iterator[list[nodes.container]]:
    """Neighbouring cells that are folded together."""
    for cells, group in groupby(parent.children, key=is_cell):
        foldable: list[nodes.container] = []
        for cell in group if cells else ():
            opened = "tag_open" in cell["classes"]
            if not opened and (only_checks(cell) or not outputs(cell)):
                foldable.append(cell)
            else:
                yield foldable
                foldable = []
        yield foldable


def fold_checks(doctree: nodes.document, names: dict[str, str]) -> None:
    for parent in {id(cell.parent): cell.parent for cell in doctree.findall(is_cell)}.values():
        for run in list(runs(parent)):
            while run and not outputs(run[-1]):  # what shows nothing belongs to a check after it
                run.pop()
            if run:
                line = summary([found for cell in run for found in evidence(cell)], names)
                folded = fold("", fold_line("", line), classes=["lemmata-checks"])
                parent.insert(parent.index(run[0]), folded)
                for cell in run:
                    parent.remove(cell)
                    folded += cell


def summary(found: list[tuple[str, str]], names: dict[str, str]) -> str:
    """`∎ proved ×2 · ≈ agrees: Theorem 4.1`"""
    of = ", ".join(dict.fromkeys(names.get(label, label) for _, label in found))
    return f"{ledger.kinds(Counter(kind for kind, _ in found), ' · ')}: {of}"


def fold_details(doctree: nodes.document) -> None:
    for section in list(doctree.findall(nodes.section)):
        title = section.children[0]
        if isinstance(title, nodes.title) and title.astext().startswith(DETAILS):
            first = title.children[0]
            title.replace(first, nodes.Text(first.astext().removeprefix(DETAILS).lstrip()))
            line = fold_line("", "", *title.children)
            section.replace_self(
                fold("", line, *section.children[1:], ids=section["ids"], classes=["lemmata-details"])
            )


def name_imports(doctree: nodes.document) -> None:
    """The cell that a page begins with says what it holds: it need not be opened to read on."""
    for cell in doctree.findall(is_cell):
        for hidden in cell.children:
            if isinstance(hidden, HideCodeCellNode) and not outputs(cell):
                hidden["prompt_show"] = "Imports of this page"
                return


def name_blocks(doctree: nodes.document, names: dict[str, str]) -> None:
    """Each block says the name of its statement; ``label-kind`` is the anchor of the first of a kind."""
    seen: set[str] = set()
    for cell in list(doctree.findall(is_cell)):
        for kind, label in evidence(cell):
            if (anchor := f"{label}-{kind}") not in seen:
                seen.add(anchor)
                cell["ids"].append(anchor)
        for raw in cell.findall(nodes.raw):
            if "html" in raw["format"]:
                text = BLOCK.sub(lambda found: opened(found, names), raw.astext())
                raw.children[:] = [nodes.Text(text)]


def opened(found: re.Match[str], names: dict[str, str]) -> str:
    name = html.escape(names.get(found["label"], found["label"]))
    return (
        f'<details open class="lemmata-evidence" data-kind="{found["kind"]}"{found["style"]}>'
        f"{found['head']}<span>{name}</span>"
    )


# --- statements


def chips(app: Sphinx, docname: str, row: ledger.Row) -> nodes.paragraph:
    line: list[nodes.Node] = []
    for kind in (kind for kind in SYMBOLS if kind in row.kinds):
        text = nodes.Text(ledger.kinds({kind: row.kinds[kind]}))
        line.append(make_refnode(app.builder, docname, row.places[kind], f"{row.label}-{kind}", text))
    line += [ledger.api_link(app, docname, function) for function in row.functions]
    line.append(make_refnode(app.builder, docname, "ledger", f"ledger-{row.label}", nodes.Text("ledger")))
    parts = [part for link in line for part in (nodes.Text(" · "), link)][1:]
    return nodes.paragraph("", "", *parts, classes=["lemmata-chips"])


def add_chips(app: Sphinx, doctree: nodes.document, docname: str, rows: list[ledger.Row]) -> None:
    by_label = {row.label: row for row in rows}
    for node in list(doctree.findall(lambda node: isinstance(node, nodes.Element) and "realtype" in node)):
        if row := by_label.get(node.get("label")):  # here, or quoted from another page
            node.parent.insert(node.parent.index(node) + 1, chips(app, docname, row))


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    rows, _ = ledger.collect(app)
    names = {row.label: ledger.name(app.env, row) for row in rows}
    fold_checks(doctree, names)
    fold_details(doctree)
    name_imports(doctree)
    name_blocks(doctree, names)
    add_chips(app, doctree, docname, rows)


def setup(app: Sphinx) -> dict[str, object]:
    through = (lambda self, node: None, lambda self, node: None)
    app.add_node(fold, html=(open_fold, close_fold), latex=through, text=through)
    app.add_node(fold_line, html=(open_line, close_line), latex=through, text=through)
    app.connect("doctree-resolved", fill, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
