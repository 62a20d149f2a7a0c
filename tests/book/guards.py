"""What every chapter of the book must satisfy. Each guard is a pure function: what is wrong, in words.

nbval reproduces the stored outputs, but it passes a notebook whose outputs were stripped without a word, and
it cannot know what a chapter owes its readers. These guards do; ``test_guards.py`` shows that each can fail.
Statements are read by the parser that the build uses (``tools/statements.py``).
"""

from __future__ import annotations

import ast
import re
from decimal import Decimal

import kinship
import notebooks
import prose
import seals
from nbformat import NotebookNode
from seals import MIME, code
from statements import Statement, statements_of

from lemmata.verify.evidence import SYMBOLS

PICTURES = ("image/png", "image/svg+xml", "image/jpeg", "image/gif")
RECORD = "application/papermill.record/text/plain"  # what `glue` keeps
MAKES_EVIDENCE = {"Evidence", "issue", "_issued"}


def texts(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def evidence(notebook: NotebookNode) -> list[dict]:
    """The records of all evidence stored in the notebook."""
    return [record for record, _ in seals.evidence(notebook)]


def statements(notebook: NotebookNode) -> list[Statement]:
    """Every numbered statement in the text that needs evidence."""
    return [statement for statement in statements_of(notebook) if statement.needs_evidence]


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
    """No stored output is an error, but in a cell that says so; and nothing was written to stderr."""
    found = []
    for cell in code(notebook):
        for output in cell.get("outputs", []):
            if output.output_type == "error" and notebooks.RAISES not in cell.metadata.get("tags", []):
                found.append(f"a stored error: {output.ename}: {output.evalue}")
            elif output.get("name") == "stderr":
                found.append(f"stored warnings: {output.text.strip().splitlines()[-1]}")
    return found


def no_longer_raises(notebook: NotebookNode) -> list[str]:
    """A cell that says that it raises shows an error. (nbval passes it in silence.)"""
    first = [cell.source.splitlines()[0] for cell in notebooks.not_raised(notebook)]
    return [f"a cell tagged {notebooks.RAISES} raises nothing: {line!r}" for line in first]


def unsealed(notebook: NotebookNode) -> list[str]:
    """Every statement, its evidence and all code and outputs are what was executed."""
    return seals.broken(notebook)


def made_by_hand(notebook: NotebookNode) -> list[str]:
    """No cell makes evidence itself: only a check does."""
    found = []
    for cell in code(notebook):
        lines = re.sub(r"^\s*[%!].*$", "", cell.source, flags=re.MULTILINE)
        parts = list(ast.walk(ast.parse(lines)))
        used = {getattr(part, key, None) for part in parts for key in ("id", "attr", "name")} & MAKES_EVIDENCE
        used |= {MIME} if MIME in cell.source else set()
        found += [f"a cell uses {name}: only a check makes evidence" for name in sorted(used)]
    return found


def not_compared(notebook: NotebookNode) -> list[str]:
    """No cell asks nbval to look away."""
    marks = [
        [*cell.metadata.get("tags", []), *re.findall(r"#\s*(NBVAL_\w+)", cell.source)]
        for cell in code(notebook)
    ]
    return [
        f"a cell is marked {mark}" for found in marks for mark in found if mark.lower().startswith("nbval")
    ]


def out_of_sync(notebook: NotebookNode, twin: NotebookNode) -> list[str]:
    """The notebook is its text twin, executed."""
    if notebooks.text_of(notebook) == notebooks.text_of(twin):
        return []
    pairs = zip(notebooks.text_of(notebook), notebooks.text_of(twin), strict=False)
    where = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(notebook.cells), len(twin.cells)))
    return [f"cell {where} differs from the text twin: run `make notebooks`"]


def is_rich(output: NotebookNode) -> bool:
    """Whether an output is more than printed text and what `glue` keeps."""
    return any(
        kind.startswith(("image/", "text/")) and kind != "text/plain" for kind in output.get("data", {})
    )


def bare_figures(notebook: NotebookNode) -> list[str]:
    """Every figure has a name, a caption and alt text (cell metadata ``mystnb``); every picture, alt text."""
    found = []
    for cell in code(notebook):
        if any(kind in output.get("data", {}) for output in cell.get("outputs", []) for kind in PICTURES):
            said = cell.metadata.get("mystnb", {})
            figure, image = said.get("figure", {}), said.get("image", {})
            wanted = [("a name", figure, "name", 1), ("a caption", figure, "caption", 3)]
            wanted += [("alt text", image, "alt", 3)]
            found += [
                f"a figure without {what}, in the cell that starts {cell.source.splitlines()[0]!r}"
                for what, where, key, least in wanted
                if len(str(where.get(key, "")).split()) < least
            ]
            if sum(map(is_rich, cell.outputs)) > 1:  # each would become the figure of that name
                found.append(
                    f"a figure beside other output, in the cell that starts {cell.source.splitlines()[0]!r}"
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
    labels = [statement.label for statement in statements(notebook)]
    claimed = {record["claim"] for record in evidence(notebook)}
    found = [f"a {statement.type} without label" for statement in statements(notebook) if not statement.label]
    twice = sorted({label for label in labels if label and labels.count(label) > 1})
    found += [f"two statements have the label {label}" for label in twice]
    found += [f"statement {label} has no evidence" for label in labels if label and label not in claimed]
    return found + [
        f"evidence for {label}, which is no statement here" for label in sorted(claimed - set(labels))
    ]


def unrelated(notebook: NotebookNode) -> list[str]:
    """Every statement shares a symbol with its evidence."""
    return kinship.strangers(notebook)


def foreign_labels(notebook: NotebookNode, chapter: str) -> list[str]:
    """Labels begin with the chapter's name, so that no two chapters share one."""
    prefix = chapter.replace("_", "-") + "-"
    return [
        f"label {statement.label} does not begin with {prefix}"
        for statement in statements(notebook)
        if statement.label and not statement.label.replace("_", "-").startswith(prefix)
    ]


def typed_decimals(notebook: NotebookNode) -> list[str]:
    """A number in prose or mathematics that was measured comes from a cell; one that is given says so."""
    return prose.unfounded(notebook)


def more_digits_than_kept(notebook: NotebookNode) -> list[str]:
    """``glue`` keeps six digits of a float: a format that asks for more would print zeros that are false.

    One that asks for a digit less, where the last is 5, would round a second time: 0.2784645, kept as
    0.278465, is not 0.27847.
    """
    kept = {
        output.metadata["scrapbook"]["name"]: output.data[RECORD]
        for cell in code(notebook)
        for output in cell.get("outputs", [])
        if RECORD in output.get("data", {})
    }
    shown = [
        (name, style, kept[name], format(float(kept[name]), style))
        for text in texts(notebook)
        for name, style in re.findall(r"\{glue:text\}`([^`:]+):([^`]+)`", text)
        if name in kept and digits(kept[name]) >= 6
    ]
    return [
        f"{name}:{style} shows more digits than are kept of {number}"
        if digits(rounded) > 6
        else f"{name}:{style} rounds {number} a second time"
        for name, style, number, rounded in shown
        if digits(rounded) > 6 or halfway(number, rounded)
    ]


def halfway(number: str, rounded: str) -> bool:
    """Whether a number lies in the middle between what it was rounded to and its neighbour."""
    if not re.fullmatch(r"-?\d+(\.\d+)?", rounded):
        return False
    unit = Decimal(1).scaleb(-len(rounded.partition(".")[2]))
    return 2 * abs(Decimal(number) - Decimal(rounded)) == unit


def digits(number: str) -> int:
    """Significant digits of a number in decimals."""
    return len(number.partition("e")[0].replace(".", "").lstrip("-0"))
