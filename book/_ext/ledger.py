"""The ledger: every numbered statement of the book beside its evidence, collected once a build.

Statements come from sphinx-proof's own list, evidence from the outputs stored in the notebooks, and
implementations from the docstrings of the chapter's modules that name a statement with ``:prf:ref:`label```.
The build stops where these do not fit: a statement without evidence, or whose text or evidence is not what
was executed (``tools/seals.py``), or that shares no symbol with it (``tools/kinship.py``); evidence for a
label that no statement has; a docstring that names no statement; a function behind a statement that no test
of the chapter names (``tools/tested.py``); a page whose statements the tools read otherwise than the build.

    ```{ledger}                  ```{ledger}
    ```                          :chapter:
                                 ```
    the whole book               the statements of this page; `:chapter: part/chapter` those of another
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import chapters
import kinship
import seals
import tables
from statements import NEED_EVIDENCE, Statement, statements_of
from tested import implementations, tested_in, untested

from lemmata.verify.evidence import SYMBOLS

COLUMNS = ("statement", "evidence", "worst error", "implemented by, tested in")
WIDTHS = (36, 20, 12, 32)
ERROR = re.compile(r"([\d.]+(?:e[+-]?\d+)?)(?: (ulp))?")  # "1.1e-16", or "0.5 ulp (5.6e-17 absolute) on cpu"


class LedgerError(SphinxError):
    category = "Ledger"


@dataclass
class Row:
    """One numbered statement and what stands behind it."""

    label: str
    docname: str
    kinds: Counter[str] = field(default_factory=Counter)
    places: dict[str, str] = field(default_factory=dict)  # kind: the page with the first block of it
    worst: dict[str, str] = field(default_factory=dict)  # unit ("ulp", or "" for none): the largest error
    functions: list[str] = field(default_factory=list)  # full names
    tests: dict[str, None] = field(default_factory=dict)  # for each function, the first file that names it


def collect(app: Sphinx) -> tuple[list[Row], list[str]]:
    """All rows in reading order, and everything that is wrong; kept until the next build begins."""
    if not hasattr(app, "ledger"):
        rows, problems = everything(app.env)
        ordered = sorted(rows.values(), key=lambda row: (number_of(app.env, row), row.docname))
        app.ledger = ordered, problems
    return app.ledger


def everything(env: BuildEnvironment) -> tuple[dict[str, Row], list[str]]:
    """The rows by label, filled from notebooks and modules, and what does not fit."""
    listed = getattr(env, "proof_list", {})
    rows = {
        label: Row(label, entry["docname"])
        for label, entry in listed.items()
        if entry["realtype"] in NEED_EVIDENCE and not entry["nonumber"]
    }
    problems = []
    for docname in sorted(env.found_docs):
        if env.doc2path(docname).endswith(".ipynb"):
            problems += add_evidence(rows, docname, Path(env.doc2path(docname)))
    root = Path(env.srcdir, env.config.ledger_root).resolve()
    for docname in sorted({row.docname for row in rows.values()}):
        part, _, name = docname.rpartition("/")
        problems += add_functions(rows, set(listed), chapters.Chapter(root, part, name))
    problems += [
        f"statement '{row.label}' in {row.docname} has no evidence: no stored output of a notebook claims it"
        for row in rows.values()
        if not row.kinds
    ]
    return rows, problems


def add_evidence(rows: dict[str, Row], docname: str, path: Path) -> list[str]:
    """Enter a notebook's evidence into the rows; returns what does not fit."""
    notebook = seals.read(path)
    problems = [f"{docname}: {problem}" for problem in seals.broken(notebook) + kinship.strangers(notebook)]
    for record, measured in seals.evidence(notebook):
        label, kind = record["claim"], record["kind"]
        if label not in rows:
            problems.append(f"{docname} has evidence ({kind}) for '{label}', which no numbered statement is")
        elif kind not in SYMBOLS:
            problems.append(f"{docname} has evidence of an unknown kind '{kind}' for '{label}'")
        else:
            row = rows[label]
            row.kinds[kind] += 1
            row.places.setdefault(kind, docname)
            if found := ERROR.match(str(measured.get("worst"))):
                number, unit = found.groups(default="")
                row.worst[unit] = max(row.worst.get(unit, number), number, key=float)
    return problems + misread(rows, docname, statements_of(notebook))


def misread(rows: dict[str, Row], docname: str, found: list[Statement]) -> list[str]:
    """Where guards and seals read other statements in a page than the build does."""
    built = {row.label for row in rows.values() if row.docname == docname}
    labels = [statement.label or f"a {statement.type}" for statement in found if statement.needs_evidence]
    wrong = sorted({label for label in labels if labels.count(label) > 1} | built ^ set(labels))
    return [f"{docname}: tools and build do not read the same in '{label}'" for label in wrong]


def add_functions(rows: dict[str, Row], labels: set[str], chapter: chapters.Chapter) -> list[str]:
    """Enter the public functions that implement a statement of the chapter; returns what does not fit."""
    problems, tests = untested(chapter), chapter.tests
    for label, name in (found for file in chapter.modules for found in implementations(file)):
        if label not in labels:
            problems.append(f"{chapter}: the docstring of {name} refers to '{label}', which no statement is")
        elif label in rows and name.partition(".")[0] in chapter.public:
            rows[label].functions.append(f"lemmata.{chapter.part}.{name}")
            named = [file.relative_to(chapter.root).as_posix() for file in tested_in(name, tests)]
            rows[label].tests |= dict.fromkeys(named[:1])
    return problems


def number_of(env: BuildEnvironment, row: Row) -> tuple[int, ...]:
    entry = env.proof_list[row.label]
    return env.toc_fignumbers.get(row.docname, {}).get(entry["countertype"], {}).get(row.label, ())


def name(env: BuildEnvironment, row: Row) -> str:
    """`Theorem 4.1`"""
    number = ".".join(map(str, number_of(env, row)))
    return f"{env.proof_list[row.label]['realtype'].title()} {number}"


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Stop the build if a statement and its evidence do not match one to one."""
    _, problems = collect(app)
    if problems:
        raise LedgerError("\n" + "\n".join(f"  - {problem}" for problem in problems))


# --- the page


class ledger_node(nodes.General, nodes.Element):
    """Stands in the page until every number is known."""


class LedgerDirective(SphinxDirective):
    option_spec = {"chapter": lambda argument: argument or ""}  # noqa: RUF012 (docutils' own protocol)

    def run(self) -> list[nodes.Node]:
        chapter = self.options.get("chapter")
        return [ledger_node(chapter=self.env.docname if chapter == "" else chapter)]


def titles_of(env: BuildEnvironment, docname: str) -> dict[str, list[nodes.Node]]:
    """The title of each labelled statement of a page, as it was parsed (it may hold mathematics)."""
    found = {}
    for node in env.get_doctree(docname).findall(nodes.Element):
        if node.get("realtype") in NEED_EVIDENCE and isinstance(node.children[0], nodes.title):
            found[node["label"]] = [child.deepcopy() for child in node.children[0].children]
    return found


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Replace each placeholder of a page by its table."""
    if not any(doctree.findall(ledger_node)):
        return
    rows, _ = collect(app)
    for placeholder in list(doctree.findall(ledger_node)):
        chapter = placeholder["chapter"]
        chosen = [row for row in rows if chapter in (None, row.docname)]
        lines = whole(app, docname, chosen) if chapter is None else of_chapter(app, docname, chosen)
        classes = ["ledger", *(["sortable"] if chapter is None else [])]
        placeholder.replace_self([summary(chosen), tables.table(COLUMNS, WIDTHS, lines, *classes)])


def whole(app: Sphinx, docname: str, rows: list[Row]) -> Iterator[nodes.row]:
    """The rows of the book, each chapter's under its title."""
    for page, of_page in groupby(rows, key=lambda row: row.docname):
        title = nodes.Text(app.env.titles[page].astext())
        yield tables.heading([make_refnode(app.builder, docname, page, "", title)], len(COLUMNS))
        yield from of_chapter(app, docname, list(of_page))


def of_chapter(app: Sphinx, docname: str, rows: list[Row]) -> Iterator[nodes.row]:
    titles = titles_of(app.env, rows[0].docname) if rows else {}
    for row in rows:
        entries = cells(app, docname, row, titles.get(row.label, []))
        yield tables.line(entries, *tables.marks(row.docname, row.kinds))


def summary(rows: list[Row]) -> nodes.paragraph:
    """One sentence: how many statements, and how many of them each kind of evidence supports."""
    counts = Counter(kind for row in rows for kind in row.kinds)
    parts = [f"{counts[kind]} {kind} {symbol}" for kind, symbol in SYMBOLS.items() if counts[kind]]
    noun = "statement" if len(rows) == 1 else "statements"
    text = f"{len(rows)} {noun}: " + ", ".join(parts) + "." if rows else "No statements yet."
    return nodes.paragraph(text=text, classes=["ledger-summary"])


def cells(app: Sphinx, docname: str, row: Row, title: list[nodes.Node]) -> list[list[nodes.Node]]:
    """The four cells of one statement."""
    link = make_refnode(app.builder, docname, row.docname, row.label, nodes.strong(text=name(app.env, row)))
    if docname == "ledger":
        link["ids"].append(f"ledger-{row.label}")
    worst = ", ".join(f"{number} {unit}".strip() for unit, number in row.worst.items()) or "–"
    code: list[nodes.Node] = []
    for function in row.functions:
        code += [api_link(app, docname, function), nodes.Text(", ")]
    for test in row.tests:
        code += [nodes.literal(text=test, classes=["ledger-test"]), nodes.Text(", ")]
    code = code[:-1] or [nodes.Text("–")]
    return [[link, *title], [nodes.Text(kinds(row.kinds))], [nodes.Text(worst)], code]


def kinds(counts: Mapping[str, int], between: str = ", ") -> str:
    """Kinds of evidence in words; a symbol and its word stay on one line."""
    counted = {kind: f" ×{count}" if count > 1 else "" for kind, count in counts.items()}
    return between.join(
        f"{SYMBOLS[kind]}\N{NO-BREAK SPACE}{kind}{counted[kind]}" for kind in SYMBOLS if kind in counted
    )


def api_link(app: Sphinx, docname: str, function: str) -> nodes.Node:
    """A link to the function's API entry, wherever the API pages document it."""
    text = nodes.literal(text=function.rsplit(".", 1)[-1])
    entry = app.env.domaindata["py"]["objects"].get(function)
    if entry is None:
        return text
    return make_refnode(app.builder, docname, entry.docname, entry.node_id, text)


# --- Sphinx


def remember(app: Sphinx, doctree: nodes.document) -> None:
    """Note which pages hold a ledger: every build writes them again, since any chapter may have changed."""
    if any(doctree.findall(ledger_node)):
        pages(app.env).add(app.env.docname)


def pages(env: BuildEnvironment) -> set[str]:
    if not hasattr(env, "ledger_pages"):
        env.ledger_pages = set()
    return env.ledger_pages


def forget(app: Sphinx, *_: object) -> None:
    """A build begins: notebooks, modules and tests may have changed."""
    app.__dict__.pop("ledger", None)


def setup(app: Sphinx) -> dict[str, object]:
    app.add_config_value("ledger_root", "..", "env")  # the project's root, seen from the book's folder
    app.add_node(ledger_node)
    app.add_directive("ledger", LedgerDirective)
    app.connect("env-before-read-docs", forget)
    app.connect("doctree-read", remember)
    app.connect("env-purge-doc", lambda app, env, docname: pages(env).discard(docname))
    app.connect("env-merge-info", lambda app, env, names, other: pages(env).update(pages(other) & set(names)))
    app.connect("env-updated", lambda app, env: sorted(pages(env)))
    app.connect("env-check-consistency", check)
    app.connect("doctree-resolved", fill)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
