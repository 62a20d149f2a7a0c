"""Findings: what did not survive the checking, written in the chapter that found it, and read by part.

    :::{finding} The title          ```{findings}          ```{findings}
    What is wrong, and why.         :part: estimation      ```
    :::                             ```
    a box in its chapter            all of one part,       the index of all,
                                    in full                by part and chapter

Four things stop the build: a finding outside a chapter, two of one title in a chapter, a part whose findings
no page collects, and a page that collects nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import ledger
import tables
from copies import copied
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

COLUMNS = ("finding", "checked by", "evidence")
WIDTHS = (55, 25, 20)
PAGE = "```{{findings}}\n:part: {part}\n```"


class FindingsError(SphinxError):
    category = "Findings"


@dataclass
class Finding:
    """Where a finding stands, and its title as it was parsed (it may hold mathematics)."""

    docname: str
    anchor: str
    title: list[nodes.Node]

    @property
    def part(self) -> str:
        return self.docname.rpartition("/")[0]


class FindingDirective(SphinxDirective):
    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        title, messages = self.state.inline_text(self.arguments[0], self.lineno)
        chapter = self.env.docname.rpartition("/")[2]
        anchor = nodes.make_id(f"finding-{chapter}-{self.arguments[0]}")
        found(self.env).setdefault(self.env.docname, []).append(
            Finding(self.env.docname, anchor, [node.deepcopy() for node in title])
        )
        box = nodes.admonition("", ids=[anchor], classes=["finding"])
        self.set_source_info(box)
        box += nodes.title("", "", nodes.inline("", "Finding: ", classes=["finding-kind"]), *title)
        self.state.nested_parse(self.content, self.content_offset, box)
        return [box, *messages]


class findings_node(nodes.General, nodes.Element):
    """Stands in a page until every chapter has been read."""


class FindingsDirective(SphinxDirective):
    option_spec = {"part": str.strip}  # noqa: RUF012 (docutils' own protocol)

    def run(self) -> list[nodes.Node]:
        part = self.options.get("part")
        pages(self.env)[self.env.docname] = part
        return [findings_node(part=part)]


# --- what was read


def found(env: BuildEnvironment) -> dict[str, list[Finding]]:
    """The findings of each page that has any."""
    return _kept(env, "lemmata_findings")


def pages(env: BuildEnvironment) -> dict[str, str | None]:
    """The pages that collect findings, each with its part; None is the index."""
    return _kept(env, "lemmata_findings_pages")


def _kept(env: BuildEnvironment, name: str) -> dict:
    if not hasattr(env, name):
        setattr(env, name, {})
    return getattr(env, name)


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    for kept in (found(env), pages(env)):
        kept.pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    for kept, theirs in ((found(env), found(other)), (pages(env), pages(other))):
        kept.update({docname: theirs[docname] for docname in docnames if docname in theirs})


def in_order(env: BuildEnvironment, docname: str) -> Iterator[str]:
    """This page and all below it, as a reader meets them."""
    yield docname
    for below in env.toctree_includes.get(docname, []):
        yield from in_order(env, below)


def by_part(env: BuildEnvironment) -> dict[str, dict[str, list[Finding]]]:
    """The findings of each chapter of each part, in reading order."""
    parts: dict[str, dict[str, list[Finding]]] = {}
    for docname in dict.fromkeys([*in_order(env, env.config.root_doc), *sorted(found(env))]):
        if docname in found(env):
            parts.setdefault(docname.rpartition("/")[0], {})[docname] = found(env)[docname]
    return parts


# --- what is wrong


def problems(env: BuildEnvironment) -> Iterator[str]:
    parts = by_part(env)
    for docname in parts.pop("", {}):
        yield f"{docname} has a finding, but is no chapter of a part"
    for docname, every in found(env).items():
        anchors = [finding.anchor for finding in every]
        for anchor in sorted({anchor for anchor in anchors if anchors.count(anchor) > 1}):
            yield f"{docname} has two findings of one title, {anchor}"
    for part in parts:
        if part not in pages(env).values():
            lines = PAGE.format(part=part).replace("\n", "\n      ")
            yield (
                f"no page collects the findings of {part}: write book/findings/{part}.md with a heading and\n"
                f"      {lines}\n    and list it in _toc.yml"
            )
    for docname, part in pages(env).items():
        if part is not None and part not in parts:
            yield f"{docname} collects the findings of {part}, where no chapter has one"


def check(app: Sphinx, env: BuildEnvironment) -> None:
    wrong = list(problems(env))
    if wrong:
        raise FindingsError("\n" + "\n".join(f"  - {problem}" for problem in wrong))


def update(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Any chapter may have changed: write the collecting pages again."""
    return sorted(pages(env))


# --- the pages


class Collect(SphinxPostTransform):
    """Fill the placeholders before references, in the copied text too, are resolved (at 9 and 10)."""

    default_priority = 4

    def run(self, **kwargs: object) -> None:
        for placeholder in list(self.document.findall(findings_node)):
            part = placeholder["part"]
            parts = by_part(self.env)
            placeholder.replace_self(self.index(parts) if part is None else self.full_text(parts[part]))

    def link(self, docname: str, anchor: str, text: list[nodes.Node]) -> nodes.reference:
        return make_refnode(self.app.builder, self.env.docname, docname, anchor, text)

    def heading(self, docname: str) -> nodes.rubric:
        text = nodes.Text(self.env.titles[docname].astext())
        return nodes.rubric("", "", self.link(docname, "", [text]), classes=["findings-chapter"])

    def index(self, parts: dict[str, dict[str, list[Finding]]]) -> list[nodes.Node]:
        """Every title under its part and chapter, beside the evidence of the statements that it names."""
        total = sum(len(every) for chapters in parts.values() for every in chapters.values())
        count = nodes.paragraph("", counted(total, "finding") + ".", classes=["table-count"])
        lines = [line for part, chapters in parts.items() for line in self.lines(part, chapters)]
        return [count, tables.table(COLUMNS, WIDTHS, lines, "ledger", "findings", "sortable")]

    def lines(self, part: str, chapters: dict[str, list[Finding]]) -> Iterator[nodes.row]:
        collecting = {part: docname for docname, part in pages(self.env).items()}  # and None, this page
        name = nodes.Text(part.replace("_", " ").capitalize())
        for docname, every in chapters.items():
            above = [self.link(collecting[part], "", [name.copy()]), nodes.Text(": ")]
            title = self.link(docname, "", [nodes.Text(self.env.titles[docname].astext())])
            yield tables.heading([*above, title], len(COLUMNS))
            boxes = self.boxes(docname)
            yield from (self.line(finding, boxes[finding.anchor]) for finding in every)

    def line(self, finding: Finding, box: nodes.Element) -> nodes.row:
        title = self.link(finding.docname, finding.anchor, again(finding.title))
        rows = self.checked_by(box)
        counts = Counter(kind for row in rows for kind in row.kinds)
        places: list[nodes.Node] = []
        for row in rows:
            name = nodes.Text(ledger.name(self.env, row))
            places += [self.link(row.docname, row.label, [name]), nodes.Text(", ")]
        entries = [
            [title],
            places[:-1] or [nodes.Text("–")],
            [nodes.Text(ledger.kinds(dict.fromkeys(counts, 1)))],
        ]
        return tables.line(entries, *tables.marks(finding.docname, counts))

    def checked_by(self, box: nodes.Element) -> list[ledger.Row]:
        """The statements with evidence that a finding refers to, if the book has a ledger."""
        rows = ledger.collect(self.app)[0] if "ledger" in self.app.extensions else []
        named = {node["reftarget"] for node in box.findall(pending_xref) if node.get("refdomain") == "prf"}
        return [row for row in rows if row.label in named]

    def boxes(self, docname: str) -> dict[str, nodes.Element]:
        """The findings of a chapter as it shows them, by anchor."""
        return {box["ids"][0]: box for box in self.env.get_doctree(docname).findall(is_finding)}

    def full_text(self, chapters: dict[str, list[Finding]]) -> list[nodes.Node]:
        """The boxes of a part as their chapters show them, each title a link to its place."""
        result: list[nodes.Node] = []
        for docname, every in chapters.items():
            result.append(self.heading(docname))
            boxes = self.boxes(docname)
            result += [self.box(boxes[finding.anchor], finding) for finding in every]
        return result

    def box(self, original: nodes.Element, finding: Finding) -> nodes.Element:
        box = copied(original, self.app.builder, finding.docname, self.env.docname)
        title = self.link(finding.docname, finding.anchor, again(finding.title))
        box[0].replace_self(nodes.title("", "", title))
        box["ids"] = original["ids"]
        return box


def is_finding(node: nodes.Node) -> bool:
    return isinstance(node, nodes.admonition) and "finding" in node["classes"]


def again(title: list[nodes.Node]) -> list[nodes.Node]:
    return [node.deepcopy() for node in title]


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def setup(app: Sphinx) -> dict[str, object]:
    app.add_node(findings_node)
    app.add_directive("finding", FindingDirective)
    app.add_directive("findings", FindingsDirective)
    app.add_post_transform(Collect)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", update)
    app.connect("env-check-consistency", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
