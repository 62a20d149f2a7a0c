"""Seals: what a statement said and what its evidence was when the notebook was executed.

    read(path)                  a stored notebook
    evidence(notebook)          each record stored in it, with what was measured
    seals(notebook)             {label: hash} of its statements, and a hash of the whole
    seal(notebook)              store them, which only an execution may do
    broken(notebook)            what differs from the stored seals, in words

The seal of a statement covers its text, the source of each cell whose output holds evidence for it, and these
outputs with the errors that were measured. The seal of the whole covers all seals, all code and all outputs:
a statement cannot leave together with its evidence, nor an output alone. Prose is free. A seal is no
signature: who computes it anew by hand can forge it, as whoever edits the tests can. It stops edits in
passing, and asks for an execution instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from statements import Statement, statements_of

MIME = "application/vnd.lemmata.evidence+json"  # lemmata.verify.MIME (a test compares), without its imports
WHOLE = ""  # the name of the seal of the whole


def read(path: Path) -> NotebookNode:
    """A stored notebook. (``nbformat.read`` validates as well, which is a test and takes its time.)"""
    return nbformat.v4.reads(path.read_text(encoding="utf-8-sig"))


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, NotebookNode]]:
    """(cell, output) of each output that holds evidence."""
    for cell in code(notebook):
        yield from ((cell, output) for output in cell.get("outputs", []) if MIME in output.get("data", {}))


def evidence(notebook: NotebookNode) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """All evidence stored in the notebook: the record, and what was measured on the machine that ran it."""
    return [(output.data[MIME], output.get("metadata", {}).get(MIME, {})) for _, output in shown(notebook)]


def sealed(notebook: NotebookNode) -> list[Statement]:
    """The statements that need evidence, and have a label to name it by."""
    return [found for found in statements_of(notebook) if found.needs_evidence and found.label]


def seals(notebook: NotebookNode) -> dict[str, str]:
    """The seal of each statement by its label, and that of the whole."""
    proofs: dict[str, list[Any]] = {}
    for cell, output in shown(notebook):
        part = [cell.source, output.data, output.get("metadata", {})]
        proofs.setdefault(output.data[MIME]["claim"], []).append(part)
    found = {s.label: digest([s.text, proofs.get(s.label, [])]) for s in sealed(notebook)}
    everything = [[cell.source, cell.get("outputs", [])] for cell in code(notebook)]
    return {**found, WHOLE: digest([found, everything])}


def digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def seal(notebook: NotebookNode) -> None:
    notebook.metadata["lemmata"] = NotebookNode(seals=NotebookNode(seals(notebook)))


def broken(notebook: NotebookNode) -> list[str]:
    """Which statements are not what was executed, in words that say what to do."""
    stored, now = notebook.metadata.get("lemmata", {}).get("seals", {}), seals(notebook)
    if not stored:
        return ["no statement has a seal: run `make notebooks`"]
    differ = [label for label in dict.fromkeys([*now, *stored]) if now.get(label) != stored.get(label)]
    return [f"{what(label, stored, now)}: run `make notebooks`" for label in differ]


def what(label: str, stored: dict[str, str], now: dict[str, str]) -> str:
    """What happened to a statement, or to the whole, since the notebook was executed."""
    if label == WHOLE:
        return "the code or the outputs are not those of an execution"
    if label not in stored:
        return f"statement {label} has no seal"
    return f"statement {label} " + ("or its evidence was edited" if label in now else "was taken out")
