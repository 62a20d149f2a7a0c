"""A given number is mathematics that says so, in every builder."""

from __future__ import annotations

import pytest
from given import HINT
from sites import body, build, plain, write
from sphinx.errors import SphinxWarning

TEXT = """# Demo

We take {given}`p = 0.5` for both.

:::{given}
The prices are *exactly* 0.25 and

$$
x = 0.75.
$$
:::
"""
FILES = {
    "book/conf.py": 'extensions = ["myst_parser", "given"]\n'
    'myst_enable_extensions = ["colon_fence", "dollarmath"]\n',
    "book/index.md": TEXT,
}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build(write(tmp_path_factory.mktemp("site"), FILES))["index"]


def test_role_is_mathematics_in_a_line_with_a_hint(page):
    assert f'We take <span class="given" title="{HINT}"><span class="math' in page
    assert "\\(p = 0.5\\)</span></span> for both." in page


def test_directive_holds_any_text(page):
    assert '<div class="given docutils container">' in page
    assert "<em>exactly</em> 0.25" in page
    assert "x = 0.75" in plain(body(page))


def test_role_works_in_restructured_text_too(tmp_path):
    files = {**FILES, "book/index.rst": "Demo\n====\n\nWe take :given:`p = 0.5`.\n"}
    del files["book/index.md"]
    assert 'class="given"' in body(build(write(tmp_path, files))["index"])


@pytest.mark.parametrize("builder", ["text", "latex"])
def test_other_builders_keep_the_numbers(tmp_path, builder):
    text = "\n".join(build(write(tmp_path, FILES), builder).values())
    assert all(number in text for number in ("p = 0.5", "0.25", "x = 0.75"))


@pytest.mark.parametrize(
    ("text", "word"), [("16 rows", "rows"), (r"x=\text{big}", "big"), ("data.csv", "data")]
)
def test_a_word_is_refused(tmp_path, text, word):
    files = {**FILES, "book/index.md": f"# Demo\n\nWe take {{given}}`{text}`.\n"}
    with pytest.raises(SphinxWarning, match=f"holds the word '{word}', and is set as mathematics"):
        build(write(tmp_path, files))


@pytest.mark.parametrize("text", [r"\varepsilon=0.1", r"5\,\%", r"2.6\sigma", "10^{-6}", "p = 0.5"])
def test_commands_and_letters_are_no_words(tmp_path, text):
    files = {**FILES, "book/index.md": f"# Demo\n\nWe take {{given}}`{text}`.\n"}
    assert HINT in build(write(tmp_path, files))["index"]
