"""Statements as the build reads them: wherever they stand, and nowhere else."""

from __future__ import annotations

import pytest
import statements
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PLAIN = ":::{prf:theorem} The sum\n:label: demo-sum\n\n$a+b=b+a$\n:::\n"


def indent(text: str, by: str = "  ") -> str:
    return "".join(f"{by}{line}\n" if line else "\n" for line in text.splitlines())


def labels(text: str) -> list[str | None]:
    return [statement.label for statement in statements.statements(text)]


# ------------------------------------------------------------------- found


SOMEWHERE = [
    PLAIN,
    PLAIN.replace(":::", "```"),
    PLAIN.replace(":::", "::::::"),
    PLAIN.replace(":::", "~~~"),
    PLAIN.replace(":label: demo-sum\n", "---\nlabel: demo-sum\n---\n"),
    PLAIN.replace(":label: demo-sum\n", ":class: wide\n:label:   demo-sum\n"),
    PLAIN.replace(":label: demo-sum\n", ':label: "demo-sum"\n'),
    "# Title\n\nText.\n" + PLAIN + "More.\n",
    "- a list:\n\n" + indent(PLAIN),
    "1. a list:\n\n" + indent(PLAIN, "   "),
    "> " + PLAIN.strip().replace("\n", "\n> "),
    f"::::{{note}}\n{PLAIN}::::\n",
    f"::::{{admonition}} A title\n:class: tip\n\n{PLAIN}::::\n",
    f"````{{note}}\nText.\n\n{PLAIN}````\n",
    f":::::{{note}}\n::::{{tip}}\nText.\n\n{PLAIN}::::\n:::::\n",
    f"::::\n{PLAIN}::::\n",
    "Term\n: " + indent(PLAIN).strip() + "\n",
]


@pytest.mark.parametrize("text", SOMEWHERE)
def test_a_statement_is_found_wherever_it_stands(text):
    assert labels(text) == ["demo-sum"]


@pytest.mark.parametrize("label", ["thm:sum", "demo.sum", "demo_sum", "Demo-1"])
def test_labels_of_every_form(label):
    assert labels(PLAIN.replace("demo-sum", label)) == [label]


def test_what_a_statement_says():
    (found,) = statements.statements("Text.\n\n" + PLAIN)
    assert (found.type, found.label, found.title, found.line) == ("theorem", "demo-sum", "The sum", 2)
    assert found.body == "$a+b=b+a$"
    assert found.needs_evidence


def test_lines_may_break_elsewhere_and_words_may_not_change():
    (first,) = statements.statements(PLAIN)
    for same in ("$a+b=b+a$\n\n", "$a+b=b+a$   "):
        assert statements.statements(PLAIN.replace("$a+b=b+a$", same))[0].text == first.text
    for other in ("$a+b=a+b$", "The product", ":class: x\n:label: demo-sum"):
        for old in ("$a+b=b+a$", "The sum", ":label: demo-sum"):
            assert statements.statements(PLAIN.replace(old, other))[0].text != first.text


def test_definitions_and_statements_without_number_need_no_evidence():
    text = PLAIN.replace("theorem", "definition") + "\n" + PLAIN.replace(":label:", ":nonumber:\n:label:")
    assert [found.needs_evidence for found in statements.statements(text)] == [False, False]


def test_a_statement_without_label_has_none():
    assert labels(PLAIN.replace(":label: demo-sum\n", "")) == [None]
    assert labels(PLAIN.replace(":label: demo-sum\n", "\n:label: demo-sum\n")) == [None]


# ------------------------------------------------------------------- not found


NOWHERE = [
    "% " + PLAIN.strip().replace("\n", "\n% "),
    f"<!--\n{PLAIN}-->\n",
    f"````\n{PLAIN}````\n",
    f"````markdown\n{PLAIN}````\n",
    f"````{{code-block}} markdown\n{PLAIN}````\n",
    f"````{{parsed-literal}}\n{PLAIN}````\n",
    f"````{{eval-rst}}\n{PLAIN}````\n",
    "Text.\n\n" + indent(PLAIN, "    "),
    "`:::{prf:theorem}`",
    PLAIN.replace("prf:theorem", "theorem"),
    PLAIN.replace(":::{prf", "::{prf"),
]


@pytest.mark.parametrize("text", NOWHERE)
def test_what_only_looks_like_a_statement_is_none(text):
    assert labels(text) == []


def test_cells_are_parsed_alone_and_those_that_are_removed_are_not_read():
    cells = [
        new_markdown_cell("````\nan open fence"),
        new_markdown_cell(PLAIN),
        new_markdown_cell(PLAIN.replace("sum", "hidden"), metadata={"tags": ["remove-cell"]}),
        new_code_cell(PLAIN),
    ]
    found = statements.statements_of(new_notebook(cells=cells))
    assert [statement.label for statement in found] == ["demo-sum"]
