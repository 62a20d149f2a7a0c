"""An id stands once on a page, and a button of the table of contents has its entry's name."""

from __future__ import annotations

from types import SimpleNamespace

import accessible
from bs4 import BeautifulSoup
from sites import build, write

TEXT = """# Demo

:::{prf:theorem} One
:label: one
$x$
:::

:::{prf:theorem} Two
:label: two
$y$
:::

:::{exercise}
:label: three
Find it.
:::

:::{exercise}
:label: four
Find it again.
:::
"""
TREE = """<ul><li><a href="a.html">Findings</a><details><summary>v</summary>
<ul><li><a href="b.html">Bias</a></li></ul></details></li></ul>"""


def test_an_id_stands_once_and_each_label_is_one(tmp_path):
    extensions = ["myst_parser", "sphinx_proof", "sphinx_exercise", "accessible"]
    conf = f'extensions = {extensions}\nmyst_enable_extensions = ["colon_fence", "dollarmath"]\n'
    page = build(write(tmp_path, {"book/conf.py": conf, "book/index.md": TEXT}))["index"]
    ids = [node["id"] for node in BeautifulSoup(page, "html.parser").select("[id]")]
    assert {"one", "two", "three", "four"} <= set(ids)
    assert len(ids) == len(set(ids)), ids


def test_a_button_of_the_contents_has_the_name_of_its_entry():
    context = {"generate_toctree_html": lambda *arguments, **options: BeautifulSoup(TREE, "html.parser")}
    accessible.name_buttons(SimpleNamespace(), "index", "page.html", context, None)
    (button,) = context["generate_toctree_html"]("sidebar").select("summary")
    assert button["aria-label"] == "Pages of Findings"


def test_a_theme_without_such_contents_is_left_alone():
    context = {}
    accessible.name_buttons(SimpleNamespace(), "index", "page.html", context, None)
    assert context == {}


def test_a_signature_of_several_lines_is_no_list_and_other_lists_stay():
    lines = '<dt><dl>\n<dd><em class="sig-param">x</em></dd></dl></dt><dl>\n<dt>a</dt><dd>b</dd></dl>'
    context = {"body": lines}
    accessible.unlist(SimpleNamespace(), "index", "page.html", context, None)
    assert context["body"] == lines.replace("<dl>", '<dl role="presentation">', 1)


def test_a_bibliography_has_no_outdated_roles():
    context = {"body": '<div role="list" class="citation-list"><p id="a" role="doc-biblioentry">A</p></div>'}
    accessible.unlist(SimpleNamespace(), "index", "page.html", context, None)
    assert context["body"] == '<div class="citation-list"><p id="a">A</p></div>'


def test_the_search_page_names_one_field(tmp_path):
    page = tmp_path / "search.html"
    page.write_text('<input id="search-input" name="q"><input id="search-input" name="q">')
    accessible.name_fields_apart(SimpleNamespace(outdir=tmp_path), None)
    assert page.read_text() == '<input id="search-input" name="q"><input name="q">'
