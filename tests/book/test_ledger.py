"""The ledger shows what there is, and stops the build when a statement and its evidence do not match."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import ledger
import nbformat
import pytest
import seals
import sites
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from test_statements import NOWHERE, SOMEWHERE

from lemmata.verify.evidence import MIME

CONF = """
extensions = ["sphinx.ext.autodoc", "myst_nb", "sphinx_proof", "ledger"]
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath", "substitution", "tasklist"]
nb_execution_mode = "off"
exclude_patterns = ["*/*.md"]
suppress_warnings = ["mystnb.unknown_mime_type"]
prf_realtyp_to_countertyp = {"lemma": "theorem", "definition": "theorem"}
"""
MODULE = '''
__all__ = ["Adder", "add"]

def add(a, b):
    """A sum. Implements :prf:ref:`demo-sum` and :prf:ref:`demo-limit`."""

def hidden():
    """Helps :prf:ref:`demo-sum`."""

class Adder:
    """A module."""

    def forward(self):
        """Implements :prf:ref:`the sum <demo-sum>`."""
'''
PACKAGE = {
    "__init__.py": '"""Sums."""\nfrom .pairs import *\nfrom .limits import *\n',
    "pairs.py": MODULE,
    "limits.py": '__all__ = ["limit"]\n\ndef limit():\n    """Implements :prf:ref:`demo-limit`."""\n',
}
TESTS = """
from lemmata.part import Adder, add, limit

def test_them():
    assert add(Adder(), limit())
"""
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


def notebook(text: str, evidence: list[tuple[str, str, str | None]]) -> nbformat.NotebookNode:
    outputs = [
        new_output(
            "execute_result",
            execution_count=1,
            data={MIME: {"claim": claim, "kind": kind, "statement": "a + b"}, "text/plain": "x"},
            metadata={MIME: {"worst": worst}},
        )
        for claim, kind, worst in evidence
    ]
    code = new_code_cell("prove(a, b)", execution_count=1, outputs=outputs, id="b")
    made = new_notebook(cells=[new_markdown_cell(text, id="a"), code])
    made.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
    seals.seal(made)
    return made


def store(project: Path, made: nbformat.NotebookNode) -> None:
    nbformat.write(made, project / "book" / "part" / "demo.ipynb")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A book of one chapter beside its library and its tests."""
    book = tmp_path / "book"
    files = {
        "_toc.yml": "root: index\nchapters:\n  - file: part/demo\n",
        "book/conf.py": CONF,
        "book/index.md": (
            "# Book\n\n```{toctree}\n:numbered: 1\npart/demo\n```\n\n```{toctree}\nall\napi\n```\n"
        ),
        "book/all.md": "# All\n\n```{ledger}\n```\n",
        "book/api.rst": "API\n===\n\n.. py:function:: lemmata.part.add(a, b)\n",
        "book/part/demo.md": "---\nkernelspec:\n  name: python3\n---\n\n# Demo\n",
        "src/lemmata/__init__.py": "",
        "src/lemmata/part/__init__.py": "from lemmata.part._demo import *\n",
        **{f"src/lemmata/part/_demo/{name}": text for name, text in PACKAGE.items()},
        "tests/part/test_demo.py": TESTS,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert book.is_dir()
    store(tmp_path, notebook(TEXT, EVIDENCE))
    return tmp_path


def build(project: Path, strict: bool = True) -> dict[str, str]:
    """Build the book and return its pages; where it is strict, warnings are errors."""
    out = Path(sites.run(project, strict=strict, markdown="myst-nb").outdir)
    return {path.stem: path.read_text() for path in out.rglob("*.html")}


def rows(page: str) -> list[str]:
    """The text of each row of the ledger, but for the titles of chapters."""
    table = re.search(r'<table class="[^"]*ledger[^"]*">(.*?)</table>', page, re.DOTALL)
    assert table, "the page has no ledger"
    found = re.findall(r"<tr(?![^>]*table-heading)[^>]*>(.*?)</tr>", table[1], re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in found]


def test_one_row_for_each_numbered_statement(project):
    first, second = rows(build(project)["all"])[1:]
    assert first.startswith("Theorem 1.1 (The sum,")
    assert "∎ proved, ≈ agrees ×2 1.1e-16 add , forward , tests/part/test_demo.py" in first
    assert second == "Lemma 1.3 (A limit) ↘ rate – limit , add , tests/part/test_demo.py"


def test_statement_and_function_are_links(project):
    page = build(project)["all"]
    assert 'href="part/demo.html#demo-sum"' in page
    assert 'href="api.html#lemmata.part.add"' in page
    assert "2 statements: 1 proved ∎, 1 agrees ≈, 1 rate ↘." in page


def test_rows_of_the_book_stand_under_their_chapter_and_can_be_chosen_and_sorted(project):
    page = build(project)["all"]
    assert page.count('class="ledger sortable') == 1
    title, first, second = re.findall(r'<tr class="([^"]+)">(.*?)</tr>', page, re.DOTALL)[1:]
    assert "table-heading" in title[0]
    assert 'colspan="4"' in title[1]
    assert 'href="part/demo.html">Demo</a>' in title[1]
    assert first[0].startswith("part-part kind-proved kind-agrees ")
    assert second[0].startswith("part-part kind-rate ")


def test_chapter_shows_its_own_statements(project):
    pages = build(project)
    assert len(rows(pages["demo"])) == 3
    assert 'href="#demo-sum"' in pages["demo"]


def test_statement_that_no_function_implements_names_no_test(project):
    bare = TEXT + "\n:::{prf:lemma} Bare\n:label: demo-bare\nText.\n:::\n"
    store(project, notebook(bare, [*EVIDENCE, ("demo-bare", "proved", None)]))
    assert rows(build(project)["all"])[3] == "Lemma 1.4 (Bare) ∎ proved – –"


def test_ledger_of_another_chapter_is_empty(project):
    (project / "book" / "all.md").write_text("# All\n\n```{ledger}\n:chapter: part/other\n```\n")
    assert "No statements yet." in build(project)["all"]


def test_ledger_follows_the_notebook_in_the_next_build(project):
    build(project)
    store(project, notebook(TEXT, [*EVIDENCE, ("demo-limit", "certified", None)]))
    assert "⊂ certified" in rows(build(project)["all"])[2]


def test_ledger_follows_modules_and_tests_though_no_page_changed(project):
    build(project)
    limits = project / "src/lemmata/part/_demo/limits.py"
    limits.write_text(PACKAGE["limits.py"].replace("limit", "bound").replace("demo-bound", "demo-limit"))
    (project / "tests/part/test_demo.py").write_text(TESTS.replace("limit", "bound"))
    assert "– bound , add ," in rows(build(project)["all"])[2]


def test_each_notebook_is_read_once_a_build(project, monkeypatch):
    read = []
    monkeypatch.setattr(seals, "read", lambda path, read_it=seals.read: read.append(path) or read_it(path))
    build(project)
    assert len(read) == 1
    build(project)
    assert len(read) == 2


@pytest.mark.parametrize("label", ["thm:x", "demo.x-1"])
def test_labels_with_colons_and_dots_work_everywhere(project, label):
    text = TEXT.replace("demo-limit", label)
    store(project, notebook(text, [(label if e[0] == "demo-limit" else e[0], *e[1:]) for e in EVIDENCE]))
    for file in (project / "src/lemmata/part/_demo").iterdir():
        file.write_text(file.read_text().replace("demo-limit", label))
    assert rows(build(project)["all"])[2].endswith("↘ rate – limit , add , tests/part/test_demo.py")


NESTED = """# Demo

% :::{prf:theorem} In a comment
% :label: demo-comment
% :::

````markdown
:::{prf:theorem} In code
:label: demo-code
:::
````

- In a list:

  :::{prf:theorem} The sum
  ---
  label: demo-sum
  ---
  $a+b=b+a$
  :::

::::{note}
:::{prf:lemma} A limit
:label: demo-limit
A limit of $a$.
:::
::::

```{ledger}
:chapter:
```
"""


def test_build_and_tools_read_alike_wherever_a_statement_stands(project):
    """Each form of ``test_statements.py`` under a label of its own; the ledger stops where the two differ."""
    texts = [text.replace("demo-sum", f"demo-{i}") for i, text in enumerate([*SOMEWHERE, *NOWHERE])]
    evidence = [("demo-limit", "rate", None), *((f"demo-{i}", "proved", None) for i in range(len(SOMEWHERE)))]
    made = notebook(TEXT.replace("demo-sum", "demo-0"), evidence)
    made.cells[1:1] = [new_markdown_cell(text) for text in texts[1:]]
    seals.seal(made)
    store(project, made)
    for file in (project / "src/lemmata/part/_demo").iterdir():
        file.write_text(file.read_text().replace("demo-sum", "demo-0"))
    assert len(rows(build(project, strict=False)["all"])) == len(SOMEWHERE) + 2


def test_statements_in_lists_comments_and_code_are_read_as_the_build_reads_them(project):
    store(project, notebook(NESTED, EVIDENCE))
    page = build(project)
    assert [row.split(" (")[0] for row in rows(page["all"])[1:]] == ["Theorem 1.1", "Lemma 1.2"]


# ------------------------------------------------------------------- what stops the build


def stopped(project: Path) -> str:
    """What the build says when it stops."""
    with pytest.raises(ledger.LedgerError) as refusal:
        build(project)
    return str(refusal.value)


def refused(project: Path, text: str = TEXT, evidence: list = EVIDENCE, module: str = MODULE) -> str:
    store(project, notebook(text, evidence))
    (project / "src" / "lemmata" / "part" / "_demo" / "pairs.py").write_text(module)
    return stopped(project)


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
    assert "part/demo: the docstring of add refers to 'demo-limt'" in refused(project, module=module)


def test_page_that_tools_and_build_read_differently_stops_the_build(project, monkeypatch):
    monkeypatch.setattr(ledger, "statements_of", lambda notebook: [])
    assert "do not read the same in 'demo-sum'" in stopped(project)


# ------------------------------------------------------------------- ways to cheat, each of them seen


def spoilt(project: Path, change) -> str:
    """What the build says of the stored notebook after an edit by hand."""
    made = copy.deepcopy(notebook(TEXT, EVIDENCE))
    change(made)
    store(project, made)
    return stopped(project)


def better_worst_error(made):
    made.cells[1].outputs[2].metadata[MIME].worst = "1e-30"


def better_kind(made):
    made.cells[1].outputs[1].data[MIME].kind = "proved"


def fake_record(made):
    record = {"claim": "demo-sum", "kind": "proved", "statement": "a"}
    made.cells[1].outputs.append(new_output("display_data", data={MIME: record}))


def deleted_output(made):
    del made.cells[1].outputs[1]


def other_claim_cell(made):
    made.cells[1].source = "prove(a, a)"


def reworded(made):
    made.cells[0].source = made.cells[0].source.replace("$a+b=b+a$", "$a+b=a$")


def retitled(made):
    made.cells[0].source = made.cells[0].source.replace("The sum", "The whole sum")


def unsealed(made):
    del made.metadata["lemmata"]


CHEATS = [better_worst_error, better_kind, fake_record, deleted_output, other_claim_cell, reworded, retitled]


@pytest.mark.parametrize("cheat", CHEATS)
def test_an_edit_of_statement_or_evidence_stops_the_build_and_asks_for_execution(project, cheat):
    made = notebook(TEXT, EVIDENCE)
    cheat(made)
    said = "statement demo-sum or its evidence was edited: run `make notebooks`"
    assert said in seals.broken(made)
    if cheat is better_worst_error:  # the build asks the same; the others need not build
        store(project, made)
        assert f"part/demo: {said}" in stopped(project)


def test_a_notebook_without_seals_stops_the_build(project):
    assert "no statement has a seal: run `make notebooks`" in spoilt(project, unsealed)


def test_a_statement_that_leaves_with_its_evidence_stops_the_build(project):
    def taken_out(made):
        made.cells[0].source = made.cells[0].source.replace("prf:lemma", "prf:definition")
        del made.cells[1].outputs[3]

    assert "statement demo-limit was taken out: run `make notebooks`" in spoilt(project, taken_out)


def test_a_new_statement_whose_evidence_is_about_something_else_stops_the_build(project):
    text = TEXT.replace("$a+b=b+a$", "$\\rho\\le\\theta$").replace("The sum, $a+b$", "A bound")
    assert "the evidence of demo-sum shares no symbol with the statement" in refused(project, text=text)


def test_a_file_of_tests_replaced_by_pass_stops_the_build(project):
    (project / "tests/part/test_demo.py").write_text("pass\n")
    assert "part/demo: no test that asserts names add, which implements a statement" in stopped(project)
