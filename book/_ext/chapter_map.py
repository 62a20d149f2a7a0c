"""The map of the book, made from what the chapters say of themselves: ``{chapter-map}`` on the first page.

A part says its question in the docstring of ``lemmata.<part>``: ``Name: what it is about.``, and below a few
sentences on what ties its chapters together. A chapter gives its title, the first line of its module's
docstring, its first figure, what one needs (``needs.py``), how many statements and findings it has, and the
chapters that it builds on: those whose statements its text refers to. So a new chapter edits nothing here.
"""

from __future__ import annotations

import ast
from itertools import groupby
from pathlib import Path

import lanes
import ledger
from chapters import Chapter, chapters, file_of, read, what_you_get
from copies import copied
from docutils import nodes
from needs import needs_of
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

import findings


class MapError(SphinxError):
    category = "Map of chapters"


class map_node(nodes.General, nodes.Element):
    """Stands in the page until every chapter has been read."""


class MapDirective(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # any chapter may change, and this page with it
        return [map_node()]


# --- what parts and chapters say


def shown(env: BuildEnvironment) -> list[Chapter]:
    """The chapters that this book has, in reading order."""
    root = Path(env.srcdir, env.config.ledger_root).resolve()
    return [chapter for chapter in chapters(root) if str(chapter) in env.found_docs]


def part_says(root: Path, part: str) -> tuple[str, str, list[str]]:
    """A part's name, what it is about, and its introduction, a text for each paragraph."""
    file = file_of(root, f"lemmata.{part}")
    text = ast.get_docstring(ast.parse(read(file))) if file else ""
    first, *rest = (" ".join(paragraph.split()) for paragraph in (text or "").split("\n\n"))
    name, colon, about = first.partition(": ")
    if not colon or not rest:
        raise MapError(f"the docstring of lemmata.{part} is not `Name: what it is about.` and a paragraph")
    return name, about[0].upper() + about[1:], rest


def builds_on(env: BuildEnvironment, docname: str) -> list[str]:
    """The other pages whose statements a page refers to, those referred to first in front."""
    found = env.get_doctree(docname).findall(pending_xref)
    labels = [node["reftarget"] for node in found if node.get("refdomain") == "prf"]
    pages = dict.fromkeys(env.proof_list[label]["docname"] for label in labels if label in env.proof_list)
    return [page for page in pages if page != docname]


def first_figure(env: BuildEnvironment, docname: str) -> nodes.image | None:
    """The first picture that a cell of the page shows."""
    cells = (node for node in env.get_doctree(docname).findall(nodes.container))
    outputs = (node for node in cells if "cell_output" in node["classes"])
    return next((image for output in outputs for image in output.findall(nodes.image)), None)


def with_code(text: str) -> list[nodes.Node]:
    """A docstring's words, in which two backticks hold code."""
    pieces = enumerate(text.split("``"))
    return [nodes.literal(text=piece) if place % 2 else nodes.Text(piece) for place, piece in pieces if piece]


# --- the page


class DrawMap(SphinxPostTransform):
    """Fill the placeholder before references, in the copied text too, are resolved (at 9 and 10)."""

    default_priority = 4

    def run(self, **kwargs: object) -> None:
        for placeholder in list(self.document.findall(map_node)):
            every = shown(self.env)
            by_part = groupby(every, key=lambda chapter: chapter.part)
            sections = [self.part(part, list(of_part)) for part, of_part in by_part]
            placeholder.replace_self([self.overview([str(chapter) for chapter in every]), *sections])

    def overview(self, names: list[str]) -> nodes.bullet_list:
        """All titles in reading order, with lines to those that build on them."""
        drawn = lanes.lines(names, {name: builds_on(self.env, name) for name in names})
        rows = nodes.bullet_list(classes=["map-overview"])
        for number, name in enumerate(names):
            piece = nodes.raw("", lanes.row(number, drawn), format="html")
            rows += nodes.list_item("", nodes.paragraph("", "", piece, self.link(name, number=True)))
        return rows

    def part(self, part: str, every: list[Chapter]) -> nodes.section:
        name, about, introduction = part_says(every[0].root, part)
        section = nodes.section(ids=[f"part-{part}"], classes=["map-part"])
        section += nodes.title("", name)
        section += nodes.paragraph("", "", *with_code(about), classes=["map-about"])
        section += [nodes.paragraph("", "", *with_code(text)) for text in introduction]
        section += [self.chapter(chapter) for chapter in every]
        return section

    def chapter(self, chapter: Chapter) -> nodes.section:
        page = str(chapter)
        section = nodes.section(ids=[f"map-{chapter.part}-{chapter.name}"], classes=["map-chapter"])
        section += nodes.title("", "", self.link(page, number=True))
        if figure := first_figure(self.env, page):
            image = copied(figure, self.app.builder, page, self.env.docname)
            image["classes"], image["loading"] = ["map-figure"], "lazy"
            section += image
        section += nodes.paragraph("", "", *with_code(what_you_get(chapter)), nodes.Text("."))
        section += self.needs(page)
        section += nodes.paragraph("", "", *self.facts(page), classes=["map-facts"])
        return section

    def needs(self, page: str) -> nodes.paragraph:
        found = needs_of(self.env, page)
        if found is None:
            raise MapError(f"{page} does not say what one needs: a paragraph in `:::{{needs}}`, near its top")
        line = copied(found[0], self.app.builder, page, self.env.docname)
        line["classes"] = ["map-needs"]
        line[0].replace_self(nodes.strong(text="You need: "))  # the page has said what goes without saying
        return line

    def facts(self, page: str) -> list[nodes.Node]:
        """`14 statements, 6 findings. Builds on The angle between two random vectors.`"""
        rows, _ = ledger.collect(self.app)
        counts = {
            "statement": sum(row.docname == page for row in rows),
            "finding": len(findings.found(self.env).get(page, [])),
        }
        said = ", ".join(findings.counted(count, noun) for noun, count in counts.items() if count)
        below = builds_on(self.env, page)
        text: list[nodes.Node] = [nodes.Text(f"{said}.")] if said else []
        for place, other in enumerate(below):
            text += [nodes.Text(", " if place else " Builds on "), self.link(other)]
        return [*text, nodes.Text(".")] if below else text

    def link(self, page: str, number: bool = False) -> nodes.reference:
        title = [node.deepcopy() for node in self.env.titles[page].children]
        place = self.env.toc_secnumbers.get(page, {}).get("")
        if number and place:
            title.insert(0, nodes.Text(f"{'.'.join(map(str, place))}. "))
        return make_refnode(self.app.builder, self.env.docname, page, "", title)


def setup(app: Sphinx) -> dict[str, object]:
    app.add_node(map_node)
    app.add_directive("chapter-map", MapDirective)
    app.add_post_transform(DrawMap)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
