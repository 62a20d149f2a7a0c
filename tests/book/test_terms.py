"""The first use of a word in the text of a chapter leads to the glossary; nothing else changes."""

from __future__ import annotations

import re

import nbformat
import pytest
import seals
import sites
import terms
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sites import body, plain, run, write

CONF = """
extensions = ["myst_nb", "ledger", "evidence", "needs", "terms"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
nb_execution_mode = "off"
"""
GLOSSARY = """# Notation

```{glossary}
entropy
  How *uncertain*
  a draw is.

  More of it.

cross entropy
  A loss.

Gram matrix
Gram matrices
  All similarities.

HSIC
  A measure.
```
"""
TEXT = """# On entropy

A [link about entropy](#here), `entropy` and $entropy$ are no text.
Entropies, entropy-like things and the hsic of others are other words.

```
entropy
```

:::{needs}
entropy
:::

*Entropy* comes here, entropy again. Cross
entropy is another word. Two Gram matrices and one Gram matrix.

(here)=
## Details: HSIC

HSIC in a fold.

## HSIC

HSICs in the open.
"""


def build(project, builder="html"):
    return sites.build(project, builder, markdown="myst-nb")


def project(tmp_path, text=TEXT, glossary=GLOSSARY):
    """A book of one chapter, a notebook, and a page that is none."""
    shown = [new_output("stream", text="cross entropy\n")]
    code = new_code_cell("entropy", execution_count=1, outputs=shown, id="b")
    made = new_notebook(cells=[new_markdown_cell(text, id="a"), code])
    made.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
    seals.seal(made)
    files = {
        "_toc.yml": "root: index\n",
        "book/conf.py": CONF,
        "book/index.md": "# Book\n\nentropy\n\n```{toctree}\nnotation\npart/demo\n```\n",
        "book/notation.md": glossary,
        "book/part/demo.ipynb": nbformat.writes(made),
    }
    return write(tmp_path, files)


def links(page: str) -> list[tuple[str, str, str]]:
    """(address, gloss, text) of each link to a term."""
    return re.findall(r'<a class="lemmata-term[^"]*" href="([^"]*)" title="([^"]*)">([^<]*)</a>', page)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return build(project(tmp_path_factory.mktemp("site")))


# --- identity


def test_first_use_in_open_text_leads_to_the_entry_with_its_first_paragraph(pages):
    found = {text.replace("\n", " "): (address, gloss) for address, gloss, text in links(pages["part/demo"])}
    assert found == {
        "Entropy": ("../notation.html#term-entropy", "entropy: How uncertain a draw is."),
        "Cross entropy": ("../notation.html#term-cross-entropy", "cross entropy: A loss."),
        "Gram matrices": ("../notation.html#term-Gram-matrix", "Gram matrix: All similarities."),
        "HSICs": ("../notation.html#term-HSIC", "HSIC: A measure."),
    }


def test_first_use_keeps_its_emphasis_and_the_text_its_words(pages):
    page = body(pages["part/demo"])
    assert '<em><a class="lemmata-term' in page
    assert "Entropy comes here, entropy again. Cross entropy is another word." in plain(page)


def test_what_is_folded_is_linked_where_the_open_text_has_no_use(tmp_path):
    text = "# Demo\n\n## Details: a case\n\nHSIC in a fold.\n"
    assert [text for _, _, text in links(build(project(tmp_path, text))["part/demo"])] == ["HSIC"]


def test_pages_that_are_no_chapters_have_no_links(pages):
    assert not links(pages["index"])
    assert not links(pages["notation"])


def test_chapters_follow_the_glossary_in_the_next_build(tmp_path):
    build(project(tmp_path))
    (tmp_path / "book/notation.md").write_text(GLOSSARY.replace("A measure.", "A number."))
    assert "HSIC: A number." in [gloss for _, gloss, _ in links(build(tmp_path)["part/demo"])]


def test_a_search_finds_chapters_before_the_gloss(tmp_path):
    entries = run(project(tmp_path), markdown="myst-nb").env.get_domain("index").entries["notation"]
    assert {(text, main) for _, text, _, main, _ in entries} >= {("entropy", ""), ("HSIC", "")}


# --- failure


def test_a_gloss_with_a_formula_stops_the_build(tmp_path):
    with pytest.raises(terms.TermsError, match="notation: the gloss of 'HSIC' is read in a tooltip"):
        build(project(tmp_path, glossary=GLOSSARY.replace("A measure.", "A measure, $x$.")))
