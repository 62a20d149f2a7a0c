"""A page asks for one style sheet and one script, which hold in order what it asked for before."""

from __future__ import annotations

import re
from pathlib import Path

import bundles
import pytest
import sites

CONF = """
extensions = ["myst_parser", "bundles"]
html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["one.css", "two.css"]
html_js_files = [("one.js", {"defer": "defer"}), ("two.js", {"defer": "defer"})]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    files = {
        "book/conf.py": CONF,
        "book/index.md": "# Plain\n\n```{toctree}\npart/page\n```\n",
        "book/part/page.md": "# Page\n",
        "book/_static/one.css": "p { background: url(dot.svg) }",
        "book/_static/two.css": 'p { background: url("data:image/png,A") } /*# sourceMappingURL=x */',
        "book/_static/one.js": "'use strict'\nconst first = 1 // no semicolon\n//# sourceMappingURL=x",
        "book/_static/two.js": "(() => first)()",
    }
    return Path(sites.run(sites.write(tmp_path_factory.mktemp("site"), files)).outdir)


def asked_for(site: Path, page: str, ending: str) -> list[str]:
    found = re.findall(rf'(?:href|src)="([^"]*\.{ending})[^"]*"', (site / page).read_text(encoding="utf-8"))
    return [name for name in found if "bundle" in name or name.endswith((f"one.{ending}", f"two.{ending}"))]


@pytest.mark.parametrize("ending", ["css", "js"])
def test_pages_share_one_file_wherever_they_are(site, ending):
    (here,), (below,) = asked_for(site, "index.html", ending), asked_for(site, "part/page.html", ending)
    assert (below, (site / here).is_file()) == (f"../{here}", True)


def test_order_and_addresses_are_kept(site):
    (name,) = asked_for(site, "index.html", "css")
    text = (site / name).read_text(encoding="utf-8")
    assert text.index("url(dot.svg)") < text.index('url("data:image/png,A")')
    assert "@import" not in text
    assert "sourceMappingURL" not in text


def test_scripts_do_not_run_into_each_other(site):
    (name,) = asked_for(site, "index.html", "js")
    text = (site / name).read_text(encoding="utf-8")
    assert re.search(r"const first = 1 // no semicolon\n;\s*;\(\(\) => first\)\(\)", text)
    assert text.startswith(";")  # so that no "use strict" is one for all
    assert ";'use strict'" in text


def test_what_is_imported_from_elsewhere_stands_where_it_was_imported(tmp_path):
    files = {
        "_static/a/x.css": '@import "../y.css"; a { b: url(z.png) }',
        "_static/y.css": "c { d: url('a/e.png') }",
    }
    sites.write(tmp_path, files)
    assert bundles.style(tmp_path, "_static/a/x.css") == "c { d: url('a/e.png') } a { b: url(a/z.png) }"


def test_the_search_page_keeps_its_scripts(site):
    assert "bundle" not in "".join(asked_for(site, "search.html", "js"))
    assert "bundle" in "".join(asked_for(site, "search.html", "css"))
