"""A check that cannot fail is a defect: every guard accepts a good notebook and refuses a bad one."""

from __future__ import annotations

import copy

import guards
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lemmata.verify.evidence import MIME

THEOREM = ":::{prf:theorem} A title, $1.5$\n:label: demo-sum\n:class: wide\n\n$a+b=b+a$\n:::"


def shown(label: str, kind: str = "proved") -> NotebookNode:
    return new_output("execute_result", data={MIME: {"claim": label, "kind": kind}, "text/plain": "x"})


def good() -> NotebookNode:
    """A small notebook that every guard accepts."""
    cells = [
        new_markdown_cell("# Title\n\nThe mean is {glue:text}`mean`, for $p = 0.5$."),
        new_markdown_cell(THEOREM),
        new_code_cell(
            'claim("demo-sum").proved(a + b, b + a)', execution_count=1, outputs=[shown("demo-sum")]
        ),
        new_code_cell(
            "plt.show()",
            execution_count=2,
            outputs=[new_output("display_data", data={"image/svg+xml": "<svg/>"})],
            metadata={"mystnb": {"image": {"alt": "A line through the origin"}}},
        ),
    ]
    return new_notebook(cells=cells)


ALL = [
    guards.unexecuted, guards.no_outputs, guards.errors, guards.figures_without_alt, guards.no_claim,
    guards.unmatched, guards.typed_decimals, lambda notebook: guards.foreign_labels(notebook, "demo"),
    lambda notebook: guards.out_of_sync(notebook, good()),
]  # fmt: skip


@pytest.mark.parametrize("guard", ALL)
def test_good_notebook_is_accepted(guard):
    assert guard(good()) == []


def stripped(notebook):
    for cell in guards.code(notebook):
        cell.outputs, cell.execution_count = [], None


def run_twice(notebook):
    notebook.cells[2].execution_count = 7


def failed(notebook):
    notebook.cells[2].outputs = [new_output("error", ename="ClaimFailed", evalue="x", traceback=[])]


def warned(notebook):
    notebook.cells[2].outputs.append(new_output("stream", name="stderr", text="UserWarning: x"))


def no_alt(notebook):
    notebook.cells[3].metadata = NotebookNode()


def lazy_alt(notebook):
    notebook.cells[3].metadata = NotebookNode(mystnb={"image": {"alt": "figure"}})


def bare_picture(notebook):
    notebook.cells[0].source += "\n\n![](x.png)"


def unclaimed(notebook):
    notebook.cells[2].outputs = []


def unknown_kind(notebook):
    notebook.cells[2].outputs = [shown("demo-sum", kind="obvious")]


def unknown_label(notebook):
    notebook.cells[2].outputs.append(shown("demo-product"))


def unlabelled(notebook):
    notebook.cells[1].source = THEOREM.replace(":label: demo-sum\n", "")


def same_label(notebook):
    notebook.cells[0].source += "\n\n" + THEOREM


def foreign_label(notebook):
    notebook.cells[1].source = THEOREM.replace("demo-sum", "other-sum")


def typed(notebook):
    notebook.cells[0].source += "\n\nIt reached 0.731 after training."


def edited_text(notebook):
    notebook.cells[0].source += " Edited."


def edited_code(notebook):
    notebook.cells[2].source += "  # edited"


def edited_tags(notebook):
    notebook.cells[2].metadata["tags"] = ["hide-input"]


def cell_lost(notebook):
    notebook.cells.pop()


BAD = [
    (guards.unexecuted, stripped, "execution counts"),
    (guards.unexecuted, run_twice, "execution counts"),
    (guards.no_outputs, stripped, "no output"),
    (guards.errors, failed, "ClaimFailed"),
    (guards.errors, warned, "UserWarning"),
    (guards.figures_without_alt, no_alt, "plt.show()"),
    (guards.figures_without_alt, lazy_alt, "plt.show()"),
    (guards.figures_without_alt, bare_picture, "x.png"),
    (guards.no_claim, stripped, "checks no claim"),
    (guards.no_claim, unknown_kind, "obvious"),
    (guards.unmatched, unclaimed, "demo-sum has no evidence"),
    (guards.unmatched, unknown_label, "demo-product"),
    (guards.unmatched, unlabelled, "without label"),
    (guards.unmatched, same_label, "two statements"),
    (lambda notebook: guards.foreign_labels(notebook, "demo"), foreign_label, "other-sum"),
    (guards.typed_decimals, typed, "0.731"),
    (lambda notebook: guards.out_of_sync(notebook, good()), edited_text, "cell 0"),
    (lambda notebook: guards.out_of_sync(notebook, good()), edited_code, "cell 2"),
    (lambda notebook: guards.out_of_sync(notebook, good()), edited_tags, "cell 2"),
    (lambda notebook: guards.out_of_sync(notebook, good()), cell_lost, "cell 3"),
]


@pytest.mark.parametrize(("guard", "spoil", "says"), BAD, ids=lambda x: getattr(x, "__name__", None))
def test_bad_notebook_is_refused(guard, spoil, says):
    notebook = copy.deepcopy(good())
    spoil(notebook)
    assert any(says in problem for problem in guard(notebook)), guard(notebook)


@pytest.mark.parametrize(
    "text",
    [
        "A gap of 0.25 remains.",
        "Between 1.5e-3 and 2.",
        "- a list: 12.75",
        "| 0.5 | a table |",
        "`x` is 0.5, $y$ is 2.",
        ":::{note}\n:class: tip\nIt was 0.5.\n:::",
        "costs \\$3.50",
        "two lines of $a\nb$ and 0.25",
    ],
)
def test_decimal_in_prose_is_found(text):
    assert len(guards.decimals(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "With $p = 0.25$ and\n$$x = 1.5$$ we get `0.5` and {glue:text}`gap:.2f`.",
        "```python\nx = 0.5\n```\n",
        "````{note}\n```\n0.5\n```\n````",
        "[Section](page.md#v1.2), <span style='width:1.5em'>, https://example.org/v1.2",
        ":::{figure} a.png\n:width: 12.5em\n:::",
        "\\begin{aligned} x &= 0.5 \\end{aligned}",
        "Python 3.11.2 has three parts, v1.2 is a name, 2. is a sentence.",
        "a two-line formula $a = 0.5\n+ 0.25$ ends.",
    ],
)
def test_decimal_elsewhere_is_left_alone(text):
    assert guards.decimals(text) == []


def test_missing_room_is_named(tmp_path):
    assert len(guards.missing_rooms(tmp_path, "part", "demo")) == 3
    for room in ("book/part/demo.md", "src/lemmata/part/demo.py", "tests/part/test_demo.py"):
        (tmp_path / room).parent.mkdir(parents=True)
        (tmp_path / room).touch()
    assert guards.missing_rooms(tmp_path, "part", "demo") == []


def test_page_missing_from_the_table_of_contents_is_named():
    toc = {
        "root": "index",
        "parts": [{"chapters": [{"file": "part/demo", "sections": [{"file": "part/inner.md"}]}]}],
    }
    assert guards.not_in_toc(toc, "part", "demo") == guards.not_in_toc(toc, "part", "inner") == []
    assert guards.not_in_toc(toc, "part", "other") == ["part/other is not in _toc.yml"]
