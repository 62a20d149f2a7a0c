"""A page loads what it needs and no more, and no script runs before its text is there."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import light
import pytest
import sites

CONF = """
extensions = ["myst_parser", "sphinx_design", "sphinx_copybutton", "light"]
html_theme = "sphinx_book_theme"
templates_path = ["_templates"]
"""
PLAIN = "# Plain\n\nText.\n"
CODE = "# Code\n\n```python\nx = f(1)  # one\n```\n\n![A dot](dot.svg)\n"
CARD = "# Cards\n\n```{card} One\nText.\n```\n"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    macros = (ROOT / "book/_templates/static/webpack-macros.html").read_text(encoding="utf-8")
    files = {
        "book/conf.py": CONF,
        "book/_templates/static/webpack-macros.html": macros,
        "book/index.md": PLAIN + "\n```{toctree}\ncode\ncard\n```\n",
        "book/code.md": CODE,
        "book/card.md": CARD,
        "book/dot.svg": '<svg xmlns="http://www.w3.org/2000/svg"/>',
    }
    return Path(sites.run(sites.write(tmp_path_factory.mktemp("site"), files)).outdir)


def page(site: Path, name: str) -> str:
    return (site / f"{name}.html").read_text(encoding="utf-8")


def loaded(text: str) -> list[str]:
    """The scripts and style sheets of a page, by name."""
    tags = re.findall(
        r'<(?:script|link)\b[^>]*(?:src|rel="stylesheet"[^>]*href|href)="([^"?]+\.(?:js|css))', text
    )
    return [tag.rpartition("/")[2] for tag in tags]


def file(name: str, body: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(filename=name, attributes={"body": body} if body else {})


# --- identity


def test_no_script_runs_before_the_text_but_the_one_that_others_in_the_page_ask(site):
    for name in ("index", "code", "card"):
        scripts = re.findall(r"<script[^>]*\bsrc=[^>]*>", page(site, name))
        early = [script for script in scripts if "defer" not in script]
        assert len(early) == 1
        assert "documentation_options.js" in early[0]
        assert len(scripts) > 3


def test_a_page_loads_what_its_text_needs(site):
    assert not {"clipboard.min.js", "copybutton.css", "sphinx-design.min.css"} & set(
        loaded(page(site, "index"))
    )
    assert {"clipboard.min.js", "copybutton.js", "copybutton.css"} <= set(loaded(page(site, "code")))
    assert "sphinx-design.min.css" in loaded(page(site, "card"))
    assert "sphinx-design.min.css" not in loaded(page(site, "code"))


def test_each_is_loaded_once_and_nothing_is_asked_for_ahead(site):
    for name in ("index", "code", "card"):
        names = loaded(page(site, name))
        assert sorted(names) == sorted(set(names))
        assert "preload" not in page(site, name)
        assert "fontawesome" not in page(site, name)
        assert {"bootstrap.css", "icons.css", "bootstrap.js", "pydata-sphinx-theme.js"} <= set(names)


def test_names_and_punctuation_of_code_need_no_colour(site):
    [code] = re.findall(r"<pre>(.*?)</pre>", page(site, "code"), re.DOTALL)
    assert sites.plain(code) == "x = f(1) # one"
    assert 'class="n"' not in code
    assert 'class="p"' not in code
    assert 'class="c1"' in code


def test_pictures_are_loaded_when_they_come_near(site):
    assert re.search(r'<img loading="lazy"[^>]*dot\.svg', page(site, "code"))
    assert light.IMAGE.sub("<img lazy", '<img src="a" loading="eager">') == '<img src="a" loading="eager">'


def test_what_searches_comes_after_what_it_uses(site):
    html = (site / "search.html").read_text(encoding="utf-8")
    for name in ("doctools.js", "searchtools.js", "language_data.js", "searchindex.js"):
        assert re.search(
            rf"<script [^>]*defer[^>]*{re.escape(name)}|<script [^>]*{re.escape(name)}[^>]*defer", html
        ), name


def test_the_theme_does_not_measure_all_of_the_page(site):
    script = (site / "_static/scripts/pydata-sphinx-theme.js").read_text(encoding="utf-8")
    assert light.MEASURE_ALL not in script
    assert "theme-switch-button" in script


# --- agreement


def test_a_script_in_the_page_goes_with_the_file_that_it_is_for():
    files = [
        file("togglebutton.js"),
        file("", "let toggleHintShow = 'Click';"),
        file("own.js"),
        file("own.js"),
    ]
    assert light.needed(files, "text") == [files[2]]
    assert light.needed(files, '<div class="dropdown">') == files[:3]


# --- failure


def test_a_theme_that_has_changed_stops_the_build(tmp_path):
    sites.write(tmp_path, {"_static/scripts/pydata-sphinx-theme.js": "other()"})
    app = SimpleNamespace(outdir=tmp_path, builder=SimpleNamespace(name="html"))
    with pytest.raises(light.LightError, match=r"pydata-sphinx-theme\.js does not hold"):
        light.lighten_theme(app, None)
    light.lighten_theme(app, ValueError("the build has failed: that is to be seen, not this"))
