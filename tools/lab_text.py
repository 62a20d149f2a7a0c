"""A chapter's text as JupyterLab shows it: its renderer knows neither our numbers nor our directives.

    shown(notebook, chapter)   a copy, in which statements and references have the numbers of the site, glued
                               numbers stand in the text, and `needs`, `finding` and `given` are what it knows
    unshown(notebook)          a copy, in which the text is that of the file again

Each change holds an invisible character, by which it is found and undone.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable

from statements import statements_of

MARK = "\N{WORD JOINER}"
NEEDS, GIVEN, FINDING = "You need, besides calculus and PyTorch", "Given, not measured", "Finding: "
RECORD = "application/papermill.record/text/plain"
UNDO = [
    (rf"\{{(prf:\w+)\}} {MARK}[^{MARK}\n]*{MARK} ?(.*)(\n:nonumber:)?", r"{\1} \2"),
    (rf"\{{prf:ref\}}`{MARK}[^`<]*<([^`>]*)>`", r"{prf:ref}`\1`"),
    (rf"\{{abbr\}}`{MARK}[^`(]*\(([^`)]*)\)`", r"{glue:text}`\1`"),
    (rf"{MARK}\{{math\}}", "{given}"),
    (rf"\{{admonition\}} {NEEDS}{MARK}", "{needs}"),
    (rf"\{{admonition\}} {GIVEN}{MARK}", "{given}"),
    (rf"\{{admonition\}} {FINDING}{MARK}", "{finding} "),
]


def written(text: str) -> str:
    for ours, file in UNDO:
        text = re.sub(ours, file, text)
    return text


def unshown(notebook: dict) -> dict:
    return with_text(notebook, written)


def shown(notebook: dict, chapter: int) -> dict:
    """A copy for the eye; ``chapter`` is its number in the book."""
    names = numbered(notebook, chapter)
    values = glued(notebook)
    return with_text(notebook, lambda text: for_the_eye(text, names, values))


def with_text(notebook: dict, change: Callable[[str], str]) -> dict:
    notebook = copy.deepcopy(notebook)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = change("".join(cell["source"]))
    return notebook


def for_the_eye(text: str, names: dict[str, tuple[str, str]], values: dict[str, object]) -> str:
    def statement(found: re.Match[str]) -> str:
        kind, title, label = found.groups()
        number = names.get(label, ("", ""))[1]
        ours = f"{{prf:{kind}}} {MARK}{number}{MARK} {title}\n:nonumber:\n:label: {label}"
        return ours if number else found[0]

    def reference(found: re.Match[str]) -> str:
        named = " ".join(names.get(found[1], ()))
        return f"{{prf:ref}}`{MARK}{named} <{found[1]}>`" if named else found[0]

    def number(found: re.Match[str]) -> str:
        key, _, form = found[1].partition(":")
        return f"{{abbr}}`{MARK}{format(values[key], form)} ({found[1]})`" if key in values else found[0]

    rules: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
        (r"\{prf:(\w+)\} (.*)\n:label: (\S+)", statement),
        (r"\{prf:ref\}`([^`<]*)`", reference),
        (r"\{glue:text\}`([^`]*)`", number),
        (r"\{given\}(?=`)", f"{MARK}{{math}}"),
        (r"(?<=:::)\{needs\}", f"{{admonition}} {NEEDS}{MARK}"),
        (r"(?<=:::)\{given\}", f"{{admonition}} {GIVEN}{MARK}"),
        (r"(?<=:::)\{finding\} ", f"{{admonition}} {FINDING}{MARK}"),
    ]
    for file, ours in rules:
        text = re.sub(file, ours, text)
    return text


def numbered(notebook: dict, chapter: int) -> dict[str, tuple[str, str]]:
    """Label: kind and number of each statement that has one, as the site counts them."""
    counted = [found for found in statements_of(notebook) if "nonumber" not in found.options]
    return {
        found.label: (found.type.capitalize(), f"{chapter}.{place}")
        for place, found in enumerate(counted, start=1)
        if found.label
    }


def glued(notebook: dict) -> dict[str, object]:
    """What cells have put aside for the text."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    return {
        output["metadata"]["scrapbook"]["name"]: ast.literal_eval(output["data"][RECORD])
        for output in outputs
        if RECORD in output.get("data", {})
    }
