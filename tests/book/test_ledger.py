"""The ledger shows what there is, and stops the build when a statement and its evidence do not match."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import ledger
import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from lemmata.verify.evidence import MIME

CONF = """
extensions = ["sphinx.ext.autodoc", "myst_nb", "sphinx_proof", "ledger"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
nb_execution_mode = "off"
exclude_patterns = ["*/*.md"]
suppress_warnings = ["mystnb.unknown_mime_type"]
prf_realtyp_to_countertyp = {"lemma": "theorem", "definition": "theorem"}
"""
MODULE = '''
def add(a, b):
    """A sum. Implements :prf:ref:`demo-sum` and :prf:ref:`demo-limit`."""

def _hidden():
    """Helps :prf:ref:`demo-sum`."""

class Adder:
    """A module."""

    def forward(self):
        """Implements :prf:ref:`the sum <demo-sum>`."""
'''
TEXT = """# Demo

:::{prf:theorem} The sum, $a+b$
:label: demo-sum
$a+b=b+a$
:::

:::{prf:definition}
A definition needs no evidence.
:::

:::{prf:lemma} A limit
:label: demo-limit
A limit.
:::

```{ledger}
:chapter:
```
"""
EVIDENCE = [("demo-sum", "proved", None), ("demo-sum", "agrees", "9e-17"), ("demo-sum", "agrees", "1.1e-16"),
            ("demo-limit", "rate", None)]  # fmt: skip


def notebook(text: str, evidence: list[tuple[str, str, str | None]]) -> str:
    outputs = [
        {
            "output_type": "execute_result",
            "execution_count": 1,
            "data": {MIME: {"claim": claim, "kind": kind}, "text/plain": "x"},
            "metadata": {MIME: {"worst": worst}},
        }
        for claim, kind, worst in evidence
    ]
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": text},
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {},
            "source": "x",
            "execution_count": 1,
            "outputs": outputs,
        },
    ]
    metadata = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A book of one chapter beside its library."""
    book, source = tmp_path / "book", tmp_path / "src" / "lemmata" / "part"
    for folder in (book / "part", source):
        folder.mkdir(parents=True)
    (book / "conf.py").write_text(CONF)
    (book / "index.md").write_text(
        "# Book\n\n```{toctree}\n:numbered: 1\npart/demo\n```\n\n```{toctree}\nall\napi\n```\n"
    )
    (book / "all.md").write_text("# All\n\n```{ledger}\n```\n")
    (book / "api.rst").write_text("API\n===\n\n.. py:function:: lemmata.part.demo.add(a, b)\n")
    (source / "demo.py").write_text(MODULE)
    (book / "part" / "demo.ipynb").write_text(notebook(TEXT, EVIDENCE))
    return tmp_path


def build(project: Path) -> dict[str, str]:
    """Build the book and return its pages; warnings are errors."""
    book, out = project / "book", project / "out"
    with patch_docutils(), docutils_namespace():
        app = Sphinx(str(book), str(book), str(out), str(project / "trees"), "html", status=None,
                     warning=io.StringIO(), warningiserror=True)  # fmt: skip
        app.build()
    return {path.stem: path.read_text() for path in out.rglob("*.html")}


def rows(page: str) -> list[str]:
    """The text of each row of the ledger."""
    table = re.search(r'<table class="[^"]*ledger[^"]*">(.*?)</table>', page, re.DOTALL)
    assert table, "the page has no ledger"
    found = re.findall(r"<tr[^>]*>(.*?)</tr>", table[1], re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in found]


def test_one_row_for_each_numbered_statement(project):
    first, second = rows(build(project)["all"])[1:]
    assert first.startswith("Theorem 1.1 (The sum,")
    assert "∎ proved, ≈ agrees ×2 1.1e-16 add , forward , tests/part/test_demo.py" in first
    assert second == "Lemma 1.3 (A limit) ↘ rate – add , tests/part/test_demo.py"


def test_statement_and_function_are_links_and_mathematics_is_loaded(project):
    page = build(project)["all"]
    assert 'href="part/demo.html#demo-sum"' in page
    assert 'href="api.html#lemmata.part.demo.add"' in page
    assert "mathjax" in page.lower()
    assert "2 statements: 1 proved ∎, 1 agrees ≈, 1 rate ↘." in page


def test_chapter_shows_its_own_statements(project):
    pages = build(project)
    assert len(rows(pages["demo"])) == 3
    assert 'href="#demo-sum"' in pages["demo"]


def test_ledger_of_another_chapter_is_empty(project):
    (project / "book" / "all.md").write_text("# All\n\n```{ledger}\n:chapter: part/other\n```\n")
    assert "No statements yet." in build(project)["all"]


def test_ledger_follows_the_notebook_in_the_next_build(project):
    build(project)
    evidence = [*EVIDENCE, ("demo-limit", "certified", None)]
    (project / "book" / "part" / "demo.ipynb").write_text(notebook(TEXT, evidence))
    assert "⊂ certified" in rows(build(project)["all"])[2]


def refused(project: Path, text: str = TEXT, evidence: list = EVIDENCE, module: str = MODULE) -> str:
    """What the build says when it stops."""
    (project / "book" / "part" / "demo.ipynb").write_text(notebook(text, evidence))
    (project / "src" / "lemmata" / "part" / "demo.py").write_text(module)
    with pytest.raises(ledger.LedgerError) as stopped:
        build(project)
    return str(stopped.value)


def test_statement_without_evidence_stops_the_build(project):
    assert "statement 'demo-limit' in part/demo has no evidence" in refused(project, evidence=EVIDENCE[:3])


def test_evidence_without_statement_stops_the_build(project):
    said = refused(project, evidence=[*EVIDENCE, ("demo-product", "proved", None)])
    assert "evidence (proved) for 'demo-product', which no numbered statement is" in said


def test_evidence_for_a_definition_is_no_evidence_for_a_statement(project):
    text = TEXT.replace("prf:lemma", "prf:definition")
    assert "for 'demo-limit', which no numbered statement is" in refused(project, text=text)


def test_unknown_kind_stops_the_build(project):
    assert "unknown kind 'obvious'" in refused(project, evidence=[*EVIDENCE, ("demo-sum", "obvious", None)])


def test_unlabelled_statement_stops_the_build(project):
    assert "has no evidence" in refused(project, text=TEXT.replace(":label: demo-sum\n", ""))


def test_docstring_that_names_no_statement_stops_the_build(project):
    module = MODULE.replace("demo-limit", "demo-limt")
    assert "the docstring of lemmata.part.demo.add refers to 'demo-limt'" in refused(project, module=module)
