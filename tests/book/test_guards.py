"""A check that cannot fail is a defect: every guard accepts a good notebook and refuses a bad one."""

from __future__ import annotations

import copy

import guards
import kinship
import pytest
import seals
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lemmata.verify.evidence import MIME

THEOREM = ":::{prf:theorem} A title, $a$\n:label: demo-sum\n:class: wide\n\n$a+b=b+a$\n:::"


def shown(label: str, kind: str = "proved") -> NotebookNode:
    return new_output("execute_result", data={MIME: {"claim": label, "kind": kind}, "text/plain": "x"})


def kept(name: str, value: str) -> NotebookNode:
    return new_output(
        "display_data",
        data={"application/papermill.record/text/plain": value},
        metadata={"scrapbook": {"mime_prefix": "application/papermill.record/", "name": name}},
    )


FIGURE = {
    "image": {"alt": "A line through the origin"},
    "figure": {"name": "fig-demo-line", "caption": "A line goes up."},
}


def good() -> NotebookNode:
    """A small notebook that every guard accepts."""
    cells = [
        new_markdown_cell("# Title\n\nThe mean is {glue:text}`mean:.5f`, for {given}`p = 0.5`."),
        new_markdown_cell(THEOREM),
        new_code_cell(
            'claim("demo-sum").proved(a + b, b + a)\nglue("mean", 3.578426)',
            execution_count=1,
            outputs=[shown("demo-sum"), kept("mean", "3.57843")],
        ),
        new_code_cell(
            "plt.show()",
            execution_count=2,
            outputs=[new_output("display_data", data={"image/svg+xml": "<svg/>"})],
            metadata={"mystnb": FIGURE},
        ),
        new_code_cell(
            "1 / 0",
            execution_count=3,
            outputs=[new_output("error", ename="ZeroDivisionError", evalue="x", traceback=[])],
            metadata={"tags": ["raises-exception"]},
        ),
    ]
    notebook = new_notebook(cells=cells)
    seals.seal(notebook)
    return notebook


ALL = [
    guards.unexecuted, guards.no_outputs, guards.errors, guards.no_longer_raises, guards.unsealed,
    guards.made_by_hand, guards.not_compared, guards.bare_figures, guards.no_claim,
    guards.unmatched, guards.unrelated, guards.typed_decimals, guards.more_digits_than_kept,
    lambda notebook: guards.foreign_labels(notebook, "demo"),
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


def no_longer_raising(notebook):
    notebook.cells[4].outputs = []


def untagged(notebook):
    del notebook.cells[4].metadata["tags"]


def made_by_hand(notebook):
    notebook.cells[2].source = 'from lemmata.verify import Evidence as E\nE("demo-sum", "proved", "1", "1")'


def made_by_name(notebook):
    notebook.cells[2].source = 'lemmata.verify.evidence.issue("demo-sum", "proved", "1", "1")'


def displayed_raw(notebook):
    notebook.cells[2].source = f"display({{{MIME!r}: {{}}}}, raw=True)"


def skipped(notebook):
    notebook.cells[2].source = "# NBVAL_IGNORE_OUTPUT\nx"


def skipped_by_tag(notebook):
    notebook.cells[2].metadata["tags"] = ["nbval-skip"]


def about_something_else(notebook):
    notebook.cells[2].source = 'claim("demo-sum").proved(sp.cos(x) ** 2 + sp.sin(x) ** 2, 1)'


def no_alt(notebook):
    notebook.cells[3].metadata = NotebookNode()


def lazy_alt(notebook):
    notebook.cells[3].metadata = NotebookNode(mystnb=FIGURE | {"image": {"alt": "figure"}})


def no_caption(notebook):
    notebook.cells[3].metadata = NotebookNode(mystnb=FIGURE | {"figure": {"name": "fig-demo-line"}})


def no_name(notebook):
    notebook.cells[3].metadata = NotebookNode(mystnb=FIGURE | {"figure": {"caption": "A line goes up."}})


def two_figures(notebook):
    notebook.cells[3].outputs *= 2


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


def shown_too_far(notebook):
    notebook.cells[0].source = notebook.cells[0].source.replace("mean:.5f", "mean:.9f")


def rounded_twice(notebook):
    for cell in guards.code(notebook):
        for output in cell.outputs:
            if guards.RECORD in output.get("data", {}):
                output.data[guards.RECORD] = "0.278465"


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
    (guards.errors, untagged, "ZeroDivisionError"),
    (guards.no_longer_raises, no_longer_raising, "1 / 0"),
    (guards.unsealed, stripped, "demo-sum or its evidence was edited"),
    (guards.unsealed, edited_code, "demo-sum or its evidence was edited"),
    (guards.made_by_hand, made_by_hand, "Evidence"),
    (guards.made_by_hand, made_by_name, "issue"),
    (guards.made_by_hand, displayed_raw, MIME),
    (guards.not_compared, skipped, "NBVAL_IGNORE_OUTPUT"),
    (guards.not_compared, skipped_by_tag, "nbval-skip"),
    (guards.unrelated, about_something_else, "demo-sum shares no symbol"),
    (guards.bare_figures, no_alt, "plt.show()"),
    (guards.bare_figures, lazy_alt, "without alt text"),
    (guards.bare_figures, no_caption, "without a caption"),
    (guards.bare_figures, no_name, "without a name"),
    (guards.bare_figures, two_figures, "beside other output"),
    (guards.bare_figures, bare_picture, "x.png"),
    (guards.no_claim, stripped, "checks no claim"),
    (guards.no_claim, unknown_kind, "obvious"),
    (guards.unmatched, unclaimed, "demo-sum has no evidence"),
    (guards.unmatched, unknown_label, "demo-product"),
    (guards.unmatched, unlabelled, "without label"),
    (guards.unmatched, same_label, "two statements"),
    (lambda notebook: guards.foreign_labels(notebook, "demo"), foreign_label, "other-sum"),
    (guards.typed_decimals, typed, "0.731"),
    (guards.more_digits_than_kept, shown_too_far, "mean:.9f"),
    (guards.more_digits_than_kept, rounded_twice, "rounds 0.278465 a second time"),
    (lambda notebook: guards.out_of_sync(notebook, good()), edited_text, "cell 0"),
    (lambda notebook: guards.out_of_sync(notebook, good()), edited_code, "cell 2"),
    (lambda notebook: guards.out_of_sync(notebook, good()), edited_tags, "cell 2"),
    (lambda notebook: guards.out_of_sync(notebook, good()), cell_lost, "cell 4"),
]


@pytest.mark.parametrize(("guard", "spoil", "says"), BAD, ids=lambda x: getattr(x, "__name__", None))
def test_bad_notebook_is_refused(guard, spoil, says):
    notebook = copy.deepcopy(good())
    spoil(notebook)
    assert any(says in problem for problem in guard(notebook)), guard(notebook)


def test_an_exception_that_is_none_any_more_is_named(monkeypatch):
    monkeypatch.setattr(kinship, "TODAY", {"demo-sum"})
    assert "demo-sum and its evidence share a symbol" in guards.unrelated(good())[0]
    notebook = good()
    about_something_else(notebook)
    assert guards.unrelated(notebook) == []
