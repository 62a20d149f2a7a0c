"""The words of the glossary, linked where a chapter first uses them: authors write nothing.

The entries stand in a ``{glossary}`` on the notation page, in plain words, since a link shows its gloss, the
first paragraph of the entry, on hover. In the text of a chapter (not in titles, links, code and formulas) the
first use of each term becomes a link, one that is not folded away before one that is. A term is found with a
capital at its beginning and in a plural with s; other forms stand in the glossary as lines of the same entry,
which then counts once.

It works on the pages as they are written. What is sealed, the text of the notebooks, does not change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import evidence
import needs
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.transforms import SphinxTransform
from sphinx.util.nodes import make_refnode

CLOSED = (
    nodes.Titular, nodes.reference, nodes.FixedTextElement, nodes.literal, nodes.math, nodes.raw, nodes.term,
    addnodes.glossary, evidence.fold_line, needs.needs,
)  # fmt: skip
CELLS = {"cell_input", "cell_output"}


class TermsError(SphinxError):
    category = "Glossary"


@dataclass(frozen=True)
class Entry:
    """Where a term is explained, and how."""

    docname: str
    anchor: str
    gloss: str


def glossary(env: BuildEnvironment) -> dict[str, Entry]:
    """Each term with its entry, from all pages that have a glossary."""
    found: dict[str, Entry] = {}
    pages = {name[0] for (kind, _), name in env.get_domain("std").objects.items() if kind == "term"}
    for docname in sorted(pages):
        for block in env.get_doctree(docname).findall(addnodes.glossary):
            for item in block.findall(nodes.definition_list_item):
                found |= entries(docname, item)
    return found


def entries(docname: str, item: nodes.definition_list_item) -> dict[str, Entry]:
    """The terms of one item; all of them lead to the first."""
    terms = [child for child in item.children if isinstance(child, nodes.term)]
    paragraph = next(item.findall(nodes.paragraph))
    name = terms[0].astext()
    if any(paragraph.findall(nodes.math)):
        raise TermsError(f"{docname}: the gloss of {name!r} is read in a tooltip: write it without formulas")
    entry = Entry(docname, terms[0]["ids"][0], f"{name}: {' '.join(paragraph.astext().split())}")
    return {term.astext(): entry for term in terms}


def remember(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """If the glossary is another than in the last build, every chapter is written again."""
    old, env.lemmata_terms = getattr(env, "lemmata_terms", None), glossary(env)
    chapters = [docname for docname in sorted(env.found_docs) if needs.is_chapter(env, docname)]
    return [] if old == env.lemmata_terms else chapters


class StepBack(SphinxTransform):
    """A search for a word finds the chapters before its gloss: its entry in the index is not a main one."""

    default_priority = 500  # before the index is collected, at 850

    def apply(self) -> None:
        for block in self.document.findall(addnodes.glossary):
            for index in block.findall(addnodes.index):
                index["entries"] = [(*entry[:3], "", entry[4]) for entry in index["entries"]]


# --- the page


def pattern(terms: list[str]) -> re.Pattern[str]:
    """What finds any of the terms, the longest first."""
    forms = "|".join(form(term) for term in sorted(terms, key=len, reverse=True))
    return re.compile(rf"(?<![\w-])({forms})s?(?![\w-])")


def form(term: str) -> str:
    first = f"[{term[0].upper()}{term[0]}]" if term[0].islower() else re.escape(term[0])
    return first + re.escape(term[1:]).replace(r"\ ", r"\s+")


def link_first(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    terms: dict[str, Entry] = app.env.lemmata_terms
    if not terms or not needs.is_chapter(app.env, docname):
        return
    by_form = {key(term): entry for term, entry in terms.items()}
    wanted, seen = pattern(list(terms)), set()
    for _, parent, text in sorted(open_texts(doctree), key=lambda found: found[0]):  # else in their order
        parts, end = [], 0
        for match in wanted.finditer(text):
            entry = by_form[key(match[1])]
            if entry not in seen:
                seen.add(entry)
                parts += [nodes.Text(text[end : match.start()]), link(app, docname, entry, match[0])]
                end = match.end()
        if parts:
            place = next(place for place, child in enumerate(parent.children) if child is text)
            parent[place : place + 1] = [*parts, nodes.Text(text[end:])]


def key(found: str) -> str:
    """What a term and its uses have in common."""
    words = " ".join(found.split())
    return words[0].lower() + words[1:]


def link(app: Sphinx, docname: str, entry: Entry, text: str) -> nodes.reference:
    made = make_refnode(app.builder, docname, entry.docname, entry.anchor, nodes.Text(text), entry.gloss)
    made["classes"].append("lemmata-term")
    return made


def open_texts(node: nodes.Element, folded: bool = False) -> Iterator[tuple[bool, nodes.Element, nodes.Text]]:
    """(whether it is folded away, parent, text) of each text in which a word may become a link."""
    join_texts(node)
    for child in node.children:
        if isinstance(child, nodes.Text):
            yield folded, node, child
        elif not isinstance(child, CLOSED) and not CELLS & set(child["classes"]):
            yield from open_texts(child, folded or isinstance(child, evidence.fold))


def join_texts(node: nodes.Element) -> None:
    """The lines of a paragraph come as one text each: a term may run on to the next."""
    joined: list[nodes.Node] = []
    for is_text, group in groupby(node.children, key=lambda child: isinstance(child, nodes.Text)):
        children = list(group)
        joined += [nodes.Text("".join(children))] if is_text else children
    node[:] = joined


def setup(app: Sphinx) -> dict[str, object]:
    app.add_transform(StepBack)
    app.connect("env-updated", remember)
    app.connect("doctree-resolved", link_first, priority=600)  # after the page has been folded
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
