"""What every chapter of the book must satisfy. Each guard is a pure function: what is wrong, in words.

nbval reproduces the stored outputs, but it passes a notebook whose outputs were stripped without a word, and
it cannot know what a chapter owes its readers. These guards do; ``test_guards.py`` shows that each can fail.
"""

from __future__ import annotations

import re
from pathlib import Path

import notebooks
from nbformat import NotebookNode

from lemmata.verify.evidence import MIME, SYMBOLS

STATEMENT = re.compile(
    r"^(?P<fence>:{3,}|`{3,})\{prf:(?P<type>theorem|lemma|proposition|corollary)\}[^\n]*\n"
    r"(?P<options>(?:[ \t]*(?::[\w-]+:[^\n]*|---)?\n)*)",
    re.MULTILINE,
)
LABEL = re.compile(r"^[ \t]*:label:[ \t]*(\S+)", re.MULTILINE)
PICTURES = ("image/png", "image/svg+xml", "image/jpeg", "image/gif")
NOT_PROSE = re.compile(
    r"^(?P<fence>`{3,}|~{3,})[^\n]*\n.*?^(?P=fence)[ \t]*$"  # code, and directives in backticks
    r"|\$\$.*?\$\$|\\begin\{(\w+\*?)\}.*?\\end\{\2\}"  # displayed mathematics
    r"|(?<![\\$])\$(?!\s)[^$\n]+(?:\n[^$\n]+)*?\$"  # mathematics in a line
    r"|(?P<ticks>`+)[^`].*?(?P=ticks)"  # code and roles in a line, {glue:text}`...` among them
    r"|\]\([^)]*\)|<[^>\n]+>|https?://\S+"  # the target of a link, HTML, addresses
    r"|^:{3,}[^\n]*$|^[ \t]*:[\w-]+:[^\n]*$|^\([\w-]+\)=$",  # fences, options and targets of directives
    re.MULTILINE | re.DOTALL,
)
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?:e[+-]?\d+)?(?![\w.]*\d)")


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def evidence(notebook: NotebookNode) -> list[dict]:
    """The records of all evidence stored in the notebook."""
    outputs = [output for cell in code(notebook) for output in cell.get("outputs", [])]
    return [output["data"][MIME] for output in outputs if MIME in output.get("data", {})]


def statements(notebook: NotebookNode) -> list[tuple[str, str | None]]:
    """(type, label) of every numbered statement in the text."""
    found = []
    for text in texts(notebook):
        for match in STATEMENT.finditer(text):
            if ":nonumber:" not in match["options"]:
                label = LABEL.search(match["options"])
                found.append((match["type"], label[1] if label else None))
    return found


def unexecuted(notebook: NotebookNode) -> list[str]:
    """Outputs come from one run from top to bottom: execution counts are 1..n."""
    counts = [cell.execution_count for cell in code(notebook)]
    if counts == list(range(1, len(counts) + 1)):
        return []
    return [f"execution counts are {counts}, not 1..{len(counts)}: run `make notebooks`"]


def no_outputs(notebook: NotebookNode) -> list[str]:
    """Outputs are stored."""
    return [] if any(cell.get("outputs") for cell in code(notebook)) else ["no output is stored"]


def errors(notebook: NotebookNode) -> list[str]:
    """No stored output is an error, and nothing was written to stderr."""
    found = []
    for cell in code(notebook):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                found.append(f"a stored error: {output.ename}: {output.evalue}")
            elif output.get("name") == "stderr":
                found.append(f"stored warnings: {output.text.strip().splitlines()[-1]}")
    return found


def out_of_sync(notebook: NotebookNode, twin: NotebookNode) -> list[str]:
    """The notebook is its text twin, executed."""
    if notebooks.text_of(notebook) == notebooks.text_of(twin):
        return []
    pairs = zip(notebooks.text_of(notebook), notebooks.text_of(twin), strict=False)
    where = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(notebook.cells), len(twin.cells)))
    return [f"cell {where} differs from the text twin: run `make notebooks`"]


def figures_without_alt(notebook: NotebookNode) -> list[str]:
    """Every figure has alt text (cell metadata ``mystnb: {image: {alt: ...}}``), and so has every picture."""
    found = []
    for cell in code(notebook):
        shown = any(kind in output.get("data", {}) for output in cell.get("outputs", []) for kind in PICTURES)
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if shown and len(str(alt).split()) < 3:
            found.append(
                f"a figure without alt text, in the cell that starts {cell.source.splitlines()[0]!r}"
            )
    for text in texts(notebook):
        found += [f"a picture without alt text: {match}" for match in re.findall(r"!\[\s*\]\([^)]*\)", text)]
    return found


def no_claim(notebook: NotebookNode) -> list[str]:
    """The notebook checks at least one claim, of known kinds only."""
    records = evidence(notebook)
    unknown = sorted({record["kind"] for record in records} - set(SYMBOLS))
    return [f"unknown kind of evidence: {kind}" for kind in unknown] or (
        [] if records else ["checks no claim"]
    )


def unmatched(notebook: NotebookNode) -> list[str]:
    """Statements and evidence match: every label has evidence, every evidence a label."""
    labels = [label for _, label in statements(notebook)]
    claimed = {record["claim"] for record in evidence(notebook)}
    found = [f"a {kind} without label" for kind, label in statements(notebook) if label is None]
    twice = sorted({label for label in labels if label and labels.count(label) > 1})
    found += [f"two statements have the label {label}" for label in twice]
    found += [f"statement {label} has no evidence" for label in labels if label and label not in claimed]
    return found + [
        f"evidence for {label}, which is no statement here" for label in sorted(claimed - set(labels))
    ]


def foreign_labels(notebook: NotebookNode, chapter: str) -> list[str]:
    """Labels begin with the chapter's name, so that no two chapters share one."""
    prefix = chapter.replace("_", "-") + "-"
    return [
        f"label {label} does not begin with {prefix}"
        for _, label in statements(notebook)
        if label and not label.replace("_", "-").startswith(prefix)
    ]


def typed_decimals(notebook: NotebookNode) -> list[str]:
    """A decimal in prose was measured, so it comes from a cell through {glue}; a given one is mathematics."""
    return [
        f"{number} typed in prose; {{glue}} it, or make it mathematics: ...{context!r}..."
        for text in texts(notebook)
        for number, context in decimals(text)
    ]


def decimals(text: str) -> list[tuple[str, str]]:
    """The decimals of a text outside code, mathematics, roles and links, each with what stands around it."""
    prose = NOT_PROSE.sub(" ", text)
    return [(m[0], prose[max(0, m.start() - 30) : m.end() + 10]) for m in DECIMAL.finditer(prose)]


def missing_rooms(root: Path, part: str, chapter: str) -> list[str]:
    """A chapter lives under one name in three places."""
    rooms = (
        f"book/{part}/{chapter}.md",
        f"src/lemmata/{part}/{chapter}.py",
        f"tests/{part}/test_{chapter}.py",
    )
    return [f"{room} is missing" for room in rooms if not (root / room).is_file()]


def pages_of(toc: dict) -> set[str]:
    """Every page that a ``_toc.yml`` names."""
    named = {toc[key] for key in ("root", "file") if key in toc}
    for key in ("parts", "chapters", "sections", "subtrees", "entries"):
        for entry in toc.get(key, []):
            named |= pages_of(entry)
    return {name.removesuffix(".md").removesuffix(".ipynb") for name in named}


def not_in_toc(toc: dict, part: str, chapter: str) -> list[str]:
    """Every chapter is in ``_toc.yml``."""
    return [] if f"{part}/{chapter}" in pages_of(toc) else [f"{part}/{chapter} is not in _toc.yml"]
