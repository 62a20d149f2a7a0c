"""JupyterLab shows the numbers of the site; what is saved is the file's text, to the letter."""

from __future__ import annotations

import chapters
import nbformat
import pytest
from lab_text import MARK, RECORD, shown, unshown
from nbformat import v4
from quiet_saves import unchanged

TEXT = """# Demo

:::{needs}
Vectors.
:::

:::{prf:theorem} The first
:label: demo-first

For {given}`p = 0.5`.
:::

::::{prf:lemma} The second, with (a note)
:label: demo-second

See {prf:ref}`demo-first` and {prf:ref}`other-page`.
::::

:::{finding} It was {glue:text}`demo-gain:.2f`, not {glue:text}`demo-gone`
{prf:ref}`demo-second`
:::
"""
SHOWN = """# Demo

:::{admonition} You need, besides calculus and PyTorch|
Vectors.
:::

:::{prf:theorem} |7.1| The first
:nonumber:
:label: demo-first

For |{math}`p = 0.5`.
:::

::::{prf:lemma} |7.2| The second, with (a note)
:nonumber:
:label: demo-second

See {prf:ref}`|Theorem 7.1 <demo-first>` and {prf:ref}`other-page`.
::::

:::{admonition} Finding: |It was {abbr}`|0.06 (demo-gain:.2f)`, not {glue:text}`demo-gone`
{prf:ref}`|Lemma 7.2 <demo-second>`
:::
"""


@pytest.fixture
def stored() -> dict:
    record = v4.new_output("display_data", data={RECORD: "0.058"})
    record["metadata"]["scrapbook"] = {"name": "demo-gain"}
    return v4.new_notebook(cells=[v4.new_markdown_cell(TEXT), v4.new_code_cell("x", outputs=[record])])


def test_numbers_stand_in_the_text(stored):
    first, code = shown(stored, 7)["cells"]
    assert first["source"] == SHOWN.replace("|", MARK)
    assert code == stored["cells"][1]
    assert stored["cells"][0]["source"] == TEXT


def test_what_was_edited_is_saved_without_them(stored):
    model = shown(stored, 7)
    model["cells"][0]["source"] = model["cells"][0]["source"].replace("\n:nonumber:", "", 1) + "\nMore."
    assert unshown(model)["cells"][0]["source"] == TEXT + "\nMore."


@pytest.mark.parametrize("chapter", chapters.chapters(), ids=str)
def test_a_chapter_is_the_same_after_it_was_shown(chapter):
    stored = nbformat.read(chapter.notebook, 4)
    model = shown(stored, 3)
    assert not unchanged(stored, model)
    assert unchanged(stored, unshown(model))
