"""What one needs is said once, near the top of a chapter."""

from __future__ import annotations

import nbformat
import needs
import pytest
import sites
from nbformat.v4 import new_markdown_cell, new_notebook
from sites import body, plain, write

CONF = """
extensions = ["myst_nb", "needs"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
nb_execution_mode = "off"
"""
NEEDS = ":::{needs}\nconvex functions; $\\Gamma$ *continues* the factorial.\n:::\n"


def build(project, builder="html"):
    return sites.build(project, builder, markdown="myst-nb")


def project(tmp_path, chapter, index=""):
    made = new_notebook(cells=[new_markdown_cell(f"# Demo\n\n{chapter}", id="a")])
    made.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
    files = {
        "book/conf.py": CONF,
        "book/index.md": f"# Book\n\n```{{toctree}}\npart/demo\n```\n\n{index}",
        "book/part/demo.ipynb": nbformat.writes(made),
    }
    return write(tmp_path, files)


def test_it_is_a_paragraph_that_says_what_goes_without_saying(tmp_path):
    page = body(build(project(tmp_path, NEEDS))["part/demo"])
    assert '<div class="needs docutils container">' in page
    assert "You need, besides calculus and PyTorch: convex functions;" in plain(page)
    assert "<em>continues</em>" in page


def test_it_says_where_the_library_comes_from(tmp_path):
    page = body(build(project(tmp_path, NEEDS, "(install)=\n## Install"))["part/demo"])
    assert 'To run the code, <a class="reference internal" href="../index.html#install">' in page
    assert "To run the code, install the library." in plain(page)


@pytest.mark.parametrize("builder", ["text", "latex"])
def test_other_builders_have_the_text(tmp_path, builder):
    assert "convex functions" in "\n".join(build(project(tmp_path, NEEDS), builder).values())


# --- failure


@pytest.mark.parametrize(
    ("chapter", "index", "said"),
    [
        (NEEDS + "\n" + NEEDS, "", "part/demo says 2 times what one needs"),
        ("Text.", NEEDS, "index says what one needs, but is no chapter"),
        (":::{needs}\nOne.\n\nTwo.\n:::\n", "", "part/demo: `needs` holds one paragraph, not 2 blocks"),
        (":::{needs}\n- a list\n:::\n", "", "part/demo: `needs` holds one paragraph"),
    ],
)
def test_what_the_map_could_not_show_stops_the_build(tmp_path, chapter, index, said):
    with pytest.raises(needs.NeedsError, match=said):
        build(project(tmp_path, chapter, index))
