"""A page's script holds what links to the page can show, as the page shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import sites

CONF = """
extensions = ["myst_parser", "sphinx_proof", "mathml", "references", "previews"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
html_math_renderer = "mathml"
numfig = True
"""
DEMO = """# Demo

:::{prf:theorem} The sum
:label: demo-sum
$a+b=b+a$, see [the other page](../index.md) and {eq}`energy`.
:::

$$
E=mc^2
$$ (energy)

$$
n=1
$$

:::{admonition} It was wrong
:class: finding
:name: wrong
See above.
:::

:::{figure} dot.png
:name: dot
A dot.
:::

:::{glossary}
sum
addition
  What {prf:ref}`demo-sum` is about.
:::

(place)=
## A section

{cite:t}`first2020` has it.
"""
SOURCE = "@misc{first2020,\n author = {Author, Ann},\n title = {Sums},\n year = {2020},\n}\n"
FILES = {
    "book/conf.py": CONF,
    "book/index.md": "# Book\n\n```{toctree}\npart/demo\nsources\n```\n\nSee {prf:ref}`demo-sum`.\n",
    "book/part/demo.md": DEMO,
    "book/part/demo.bib": SOURCE,
    "book/sources.md": "# Sources\n\n```{bibliography}\n```\n",
}


def project(folder: Path) -> Path:
    (folder / "book/part").mkdir(parents=True)
    (folder / "book/part/dot.png").write_bytes(b"")
    return sites.write(folder, FILES)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    return Path(sites.run(project(tmp_path_factory.mktemp("site")), strict=False).outdir)


def held(site: Path, page: str) -> dict[str, str]:
    """What the script of a page hands over."""
    script = (site / "_static/previews" / f"{page}.js").read_text(encoding="utf-8")
    [(name, found)] = re.findall(r"^lemmataPreviews\[(.*?)\] = (.*);\n$", script, re.DOTALL)
    assert json.loads(name) == page
    return json.loads(found)


# --- identity


def test_a_page_holds_its_boxes_equations_figures_and_terms_and_nothing_else(site):
    anchors = {"demo-sum", "equation-energy", "dot", "wrong", "term-sum", "term-addition"}
    assert set(held(site, "part/demo")) == anchors
    page = (site / "part/demo.html").read_text(encoding="utf-8")
    assert all(f'id="{anchor}"' in page for anchor in anchors)


def test_each_is_whole_and_has_its_number(site):
    found = held(site, "part/demo")
    assert sites.plain(found["demo-sum"]).startswith(
        "Theorem 1 (The sum) a+b=b+a, see the other page and (1)"
    )
    assert "<math>" in found["demo-sum"]
    assert sites.plain(found["equation-energy"]).startswith("(1)")
    assert sites.plain(found["dot"]).startswith("Fig. 1 A dot.")
    assert sites.plain(found["term-sum"]).startswith("sum")
    assert found["term-sum"] == found["term-addition"]
    assert "What Theorem 1 is about." in sites.plain(found["term-sum"])


def test_a_source_is_shown_as_the_bibliography_has_it(site):
    [(anchor, source)] = held(site, "sources").items()
    assert "Ann Author" in sites.plain(source)
    assert f'href="../sources.html#{anchor}"' in (site / "part/demo.html").read_text(encoding="utf-8")


# --- agreement


def test_links_and_pictures_lead_where_they_do_on_the_page(site):
    page, found = (site / "part/demo.html").read_text(encoding="utf-8"), held(site, "part/demo")
    links = re.findall(r'(?:href|src)="([^"]+)"', found["demo-sum"] + found["dot"])
    assert {"../index.html", "#equation-energy", "../_images/dot.png"} <= set(links)
    assert all(f'"{link}"' in page for link in links)


# --- failure


def test_a_page_with_nothing_to_show_has_a_script_all_the_same(site):
    assert held(site, "index") == {}  # a link to one of its sections asks for it


def test_a_book_without_scripts_gets_none(tmp_path):
    out = Path(sites.run(project(tmp_path), "epub", strict=False).outdir)
    assert not list(out.rglob("previews"))
