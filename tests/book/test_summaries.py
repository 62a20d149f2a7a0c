"""The search page has the texts of all pages in a script: what they hold, and what they leave out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import summaries
from sites import run, write

PAGE = """<body><p>Menu</p><article class="bd-article"><span id="x"></span>
<section id="one"><h1>One<a class="headerlink" href="#one">#</a></h1><p>First <em>words</em>,
a &lt; b.</p><img src="x.png"><script>no()</script><style>no</style><button>Copy</button>
<div class="proof" id="demo-sum"><section id="proof-content"><p>A statement.</p></section></div>
<section id="two"><h2>Two</h2><p><math><mi>log</mi><mo>&ApplyFunction;</mo><mi>x</mi></math></p></section>
<details class="lemmata-checks"><summary>proved</summary><p>by sums</p></details>
<details class="lemmata-details" id="more"><summary>More</summary><p>Folded.</p></details>
</section></article><footer>By us</footer></body>"""


def test_a_page_is_read_by_sections():
    assert summaries.sections(PAGE) == [
        ("one", "One", "First words, a < b. A statement. proved by sums"),
        ("two", "Two", "logx"),
        ("more", "More", "Folded."),
    ]


def test_a_page_without_an_article_has_no_text():
    assert summaries.sections("<body><section id='a'><p>Text</p></section></body>") == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {
        "book/conf.py": 'extensions = ["summaries"]\nhtml_theme = "sphinx_book_theme"\n',
        "book/index.rst": "Title\n=====\n\nSome text.\n\n.. toctree::\n\n   part/other\n",
        "book/part/other.rst": "Other\n=====\n\nMore text.\n",
    }
    return Path(run(write(tmp_path_factory.mktemp("site"), files)).outdir)


def test_the_script_holds_every_page(site):
    script = (site / "_static/searchtexts.js").read_text(encoding="utf-8")
    texts = json.loads(script.removeprefix("const SEARCH_TEXTS = ").removesuffix(";\n"))
    assert texts == {
        "index": [["title", "Title", "Some text. Other"]],
        "part/other": [["other", "Other", "More text."]],
    }


def test_only_the_search_page_loads_it(site):
    pages = {page.name: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    assert {name for name, text in pages.items() if "searchtexts.js" in text} == {"search.html"}


def test_sphinx_does_not_fetch_pages(site):
    options = (site / "_static/documentation_options.js").read_text(encoding="utf-8")
    assert "SHOW_SEARCH_SUMMARY: false" in options
