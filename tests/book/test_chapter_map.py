"""The first page shows parts and chapters as they describe themselves, and a statement with its evidence."""

from __future__ import annotations

import re
from base64 import b64encode

import chapter_map
import nbformat
import pytest
import quoted
import seals
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sites import plain
from test_ledger import CONF, EVIDENCE, TEXT, build, notebook, project, store  # noqa: F401 (a fixture)

NEEDS = ":::{needs}\nnumbers, and $a+b$.\n:::\n"
PART = '''"""Part: what sums are.

Sums ``a + b`` are all
around. Why?

Because.
"""
from lemmata.part._demo import *
'''
PIXEL = b64encode(b"not really a picture").decode()
TOC = "root: index\nchapters: [{file: part/demo}, {file: part/later}, {file: part/unwritten}]\n"
DEMO = '"""Sums of ``a`` and more.\n\nA text."""\nfrom .pairs import *\n'
LATER = """# Later, and more

:::{needs}
nothing.
:::

:::{finding} Found
By {prf:ref}`demo-sum` and {prf:ref}`once more <demo-sum>`.
:::
"""
INDEX = """# Book

```{quoted} demo-sum
```

```{chapter-map}
```

```{toctree}
:numbered: 1
part/demo
part/later
```

```{toctree}
ledger
api
findings
```
"""


def picture(text):
    """A cell that shows a picture, after one that shows none."""
    shown = new_output("display_data", data={"image/png": PIXEL})
    alt = {"mystnb": {"image": {"alt": "A curve that rises"}}}
    return new_code_cell(text, execution_count=2, outputs=[shown], metadata=alt, id="c")


@pytest.fixture
def book(project):  # noqa: F811
    made = notebook(TEXT.replace("# Demo\n", f"# Demo\n\n{NEEDS}"), EVIDENCE)
    made.cells.append(picture("plot(a + b)"))
    seals.seal(made)
    store(project, made)
    later = new_notebook(cells=[new_markdown_cell(LATER, id="a")])
    later.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
    seals.seal(later)
    extensions = '"ledger", "evidence", "needs", "quoted", "findings", "chapter_map"]'
    files = {
        "_toc.yml": TOC,
        "book/conf.py": CONF.replace('"ledger"]', extensions),
        "book/index.md": INDEX,
        "book/ledger.md": "# All\n\n```{ledger}\n```\n",
        "book/findings.md": "# Findings\n\n```{findings}\n:part: part\n```\n",
        "src/lemmata/part/__init__.py": PART,
        "src/lemmata/part/_demo/__init__.py": DEMO,
        "src/lemmata/part/_later.py": '"""What comes later."""\n',
    }
    for name, text in files.items():
        (project / name).write_text(text)
    (project / "book/all.md").unlink()
    (project / "book/part/later.ipynb").write_text(nbformat.writes(later))
    return project


@pytest.fixture
def page(book):
    return build(book)["index"]


def chapter(page: str, name: str) -> str:
    found = re.search(rf'<section class="map-chapter" id="map-part-{name}">(.*?)</section>', page, re.DOTALL)
    assert found, f"the map has no {name}"
    return found[1]


# --- identity


def test_a_part_says_its_question(page):
    part = page[page.index('id="part-part"') :]
    assert re.search(r"<h\d>Part<", part)
    assert '<p class="map-about">What sums are.</p>' in part
    assert '<span class="pre">a</span> <span class="pre">+</span>' in part
    assert "are all around. Why? Because." in plain(part)


def test_a_chapter_says_what_you_get_what_you_need_and_how_much_there_is(page):
    words = plain(chapter(page, "demo"))
    assert "Demo" in words
    assert "Sums of a and more." in words
    assert "You need: numbers, and" in words
    assert "2 statements." in words
    assert "1 finding. Builds on Demo." in plain(chapter(page, "later"))


def test_a_chapter_shows_its_first_figure_where_it_has_one(page):
    assert '<img alt="A curve that rises" class="map-figure"' in chapter(page, "demo")
    assert 'src="_images/' in chapter(page, "demo")
    assert "<img" not in chapter(page, "later")


def test_chapters_stand_in_reading_order_and_those_not_written_do_not(page):
    assert page.index("map-part-demo") < page.index("map-part-later")
    assert "unwritten" not in page


def test_the_map_follows_a_chapter_in_the_next_build(book):
    build(book)
    (book / "src/lemmata/part/_later.py").write_text('"""What came later."""\n')
    assert "What came later." in plain(build(book)["index"])


def test_a_statement_is_quoted_with_its_name_evidence_and_place(page):
    quote = page[page.index('class="proof theorem admonition"') : page.index("map-part")]
    assert 'href="part/demo.html#demo-sum">Theorem 1.1</a>' in quote
    assert "Theorem 1.1 (The sum," in plain(quote)
    assert 'id="demo-sum"' not in page
    assert 'href="part/demo.html#demo-sum-proved"' in quote
    assert 'href="ledger.html#ledger-demo-sum"' in quote


# --- failure


def test_quoting_what_is_no_statement_stops_the_build(book):
    (book / "book/index.md").write_text(INDEX.replace("demo-sum", "demo-none"))
    with pytest.raises(quoted.QuotedError, match="index quotes 'demo-none', which no numbered statement is"):
        build(book)


def test_a_chapter_that_does_not_say_what_one_needs_stops_the_build(book):
    made = notebook(TEXT, EVIDENCE)
    store(book, made)
    with pytest.raises(chapter_map.MapError, match="part/demo does not say what one needs"):
        build(book)


@pytest.mark.parametrize("docstring", ["", '"""Sums."""', '"""Part: sums."""', '"""Part.\n\nMore."""'])
def test_a_part_without_a_question_stops_the_build(book, docstring):
    (book / "src/lemmata/part/__init__.py").write_text(f"{docstring}\nfrom lemmata.part._demo import *\n")
    with pytest.raises(chapter_map.MapError, match=r"the docstring of lemmata\.part is not `Name: what"):
        build(book)
